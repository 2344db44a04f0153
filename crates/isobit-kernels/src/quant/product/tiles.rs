//! Many rows, a tile of outputs at a time: sums of floats that were decoded before, or, for a few rows, straight from words. With
//! AVX2 both are in few.rs.
//!
//! ```text
//! tiles (codes as floats):   per panel, per group:  acc[row][strip] = 0; for k: acc = fma(x[k][row], code, acc); end
//! few rows (words):          per group:             the same, each code decoded once and kept for the tiles if asked for
//! end:                       total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//! ```
//!
//! Cost with AVX-512: a tile of 7 rows and 2 strips runs at 96 % of the FMAs, the groups' ends (3 %) included. Eight rows
//! straight from words are at 76 %: a code takes 1.5 instructions on the ports that its 8 fused steps take.

use super::super::block;
use super::super::decode::{Words, decode, with_kind};
use super::{Job, Packed, Product, Steps, TOTALS_IN_REGISTERS, code_step, step, steps};
use crate::dtype::Dtype;
use crate::isa::Level;
use crate::simd::{self, Kernel, LANES, Simd};
use std::ops::Range;

/// What tiles work on: panels of equally many rows, `NV` strips, some groups.
#[derive(Clone)]
pub(super) struct Tiles<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) x: Packed,
    /// The first panel, and how many.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) groups: Range<usize>,
    /// `[k][NV][16]`.
    pub(super) codes: *const f32,
    /// `[group][scale, bias][NV][16]`.
    pub(super) ends: *const f32,
    /// `[row][NV * 16]`, of every row.
    pub(super) totals: *mut f32,
}

/// [`Tiles`] with `R` rows.
struct Rows<'a, const NV: usize, const R: usize>(Tiles<'a>);

impl Tiles<'_> {
    /// Adds the groups to the totals.
    ///
    /// # Safety
    /// The pointers are valid for panels of `rows` rows and `nv` strips.
    pub(super) unsafe fn run(self, level: Level, nv: usize, rows: usize) {
        macro_rules! rows {
            ($($nv:literal: $($r:literal)*;)*) => {
                match (nv, rows) {
                    $($(($nv, $r) => simd::dispatch_at(level, Rows::<$nv, $r>(self)),)*)*
                    _ => unreachable!("no tile of {rows} rows and {nv} strips"),
                }
            };
        }
        rows! {
            1: 1 2 3 4 5 6;
            2: 2 5 6 7;
        }
    }
}

/// Whether a level has tiles of so many strips and rows; those of AVX2 are few.rs's.
const fn exists(level: Level, nv: usize, rows: usize) -> bool {
    match level {
        Level::Avx512 => nv == 2 && rows > 4,
        Level::Avx2 => false,
        Level::Neon => nv == 1 && rows > 2 || nv == 2 && rows == 2,
        Level::Scalar => nv == 1 && rows <= 4,
    }
}

/// Whether a level makes floats for tiles of so many strips before it multiplies: where there are few rows straight from words,
/// these leave them.
pub(super) const fn fills(level: Level, nv: usize) -> bool {
    if matches!(level, Level::Avx2) {
        return nv == 1;
    }
    let mut rows = if matches!(level, Level::Avx512) { 8 } else { 1 };
    while rows < 8 {
        if exists(level, nv, rows) {
            return true;
        }
        rows += 1;
    }
    false
}

impl<const NV: usize, const R: usize> Kernel for Rows<'_, NV, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if !const { exists(S::LEVEL, NV, R) } {
            unreachable!("no such tile at this level");
        }
        let t = &self.0;
        for panel in t.first..t.first + t.count {
            let rows = (t.x.rows(panel).0, R);
            let (x, sums) = (t.x.at(rows, t.groups.start * t.p.w.format.group), t.x.sums(rows.0, t.groups.start));
            let totals = t.totals.wrapping_add(rows.0 * NV * LANES);
            // SAFETY: the promise of `Tiles::run`.
            unsafe {
                if const { matches!(S::LEVEL, Level::Avx512) && R <= TOTALS_IN_REGISTERS } {
                    self.kept(s, x, sums, totals);
                } else {
                    self.added(s, x, sums, totals);
                }
            }
        }
    }
}

impl<const NV: usize, const R: usize> Rows<'_, NV, R> {
    /// A panel whose totals are in registers from the first group to the last: a load of totals at every group's end costs
    /// more than the group's end itself.
    ///
    /// # Safety
    /// As for [`Tiles::run`].
    #[inline(always)]
    unsafe fn kept<S: Simd>(&self, s: S, x: *const f32, sums: *const f32, totals: *mut f32) {
        let t = &self.0;
        let (group, how, biases) = (t.p.w.format.group, steps::<S>(t.p), !t.p.w.biases.is_null());
        let (mut codes, mut x) = (t.codes, x);
        let mut total = [[s.splat(0.0); NV]; R];
        if t.groups.start > 0 {
            for r in 0..R {
                for v in 0..NV {
                    // SAFETY: the caller's promise; an earlier chunk has written them.
                    total[r][v] = unsafe { s.load(totals.add((r * NV + v) * LANES)) };
                }
            }
        }
        for i in 0..t.groups.len() {
            // SAFETY: the caller's promise.
            let acc = unsafe { sum::<S, NV, R, 2>(s, how, group, &mut codes, &mut x) };
            let ends = t.ends.wrapping_add(2 * i * NV * LANES);
            for v in 0..NV {
                // SAFETY: as above.
                let scale = unsafe { s.load(ends.add(v * LANES)) };
                for r in 0..R {
                    total[r][v] = step(s, how, acc[r][v], scale, total[r][v]);
                }
            }
            if biases {
                for v in 0..NV {
                    // SAFETY: as above.
                    let bias = unsafe { s.load(ends.add((NV + v) * LANES)) };
                    for r in 0..R {
                        // SAFETY: as above.
                        let sum = s.splat(unsafe { *sums.add(i * t.p.m + r) });
                        total[r][v] = step(s, how, sum, bias, total[r][v]);
                    }
                }
            }
        }
        for r in 0..R {
            for v in 0..NV {
                // SAFETY: the caller's promise.
                unsafe { s.store(totals.add((r * NV + v) * LANES), total[r][v]) };
            }
        }
    }

    /// A panel whose totals are in memory.
    ///
    /// # Safety
    /// As for [`Tiles::run`].
    #[inline(always)]
    unsafe fn added<S: Simd>(&self, s: S, x: *const f32, sums: *const f32, totals: *mut f32) {
        let t = &self.0;
        let (group, how, biases) = (t.p.w.format.group, steps::<S>(t.p), !t.p.w.biases.is_null());
        let (mut codes, mut x) = (t.codes, x);
        for i in 0..t.groups.len() {
            // SAFETY: the caller's promise.
            unsafe {
                let acc = sum::<S, NV, R, 1>(s, how, group, &mut codes, &mut x);
                let (mut scale, mut bias) = ([s.splat(0.0); NV], [s.splat(0.0); NV]);
                for v in 0..NV {
                    let at = t.ends.wrapping_add((2 * i * NV + v) * LANES);
                    (scale[v], bias[v]) = (s.load(at), s.load(at.add(NV * LANES)));
                }
                let sums = if biases { sums.wrapping_add(i * t.p.m) } else { std::ptr::null() };
                end(s, how, &acc, scale, bias, sums, totals, t.groups.start + i == 0);
            }
        }
    }
}

/// One group's sums of `R` rows: `codes` are `[k][NV][16]`, `x` is `[k][R]`; both are moved on. `U` divides 16: steps of the
/// loop.
///
/// # Safety
/// The pointers are valid for the group.
#[inline(always)]
unsafe fn sum<S: Simd, const NV: usize, const R: usize, const U: usize>(
    s: S,
    how: Steps,
    group: usize,
    codes: &mut *const f32,
    x: &mut *const f32,
) -> [[S::F; NV]; R] {
    let mut acc = [[s.splat(0.0); NV]; R];
    for _ in 0..group / U {
        for _ in 0..U {
            // SAFETY: the caller's promise.
            unsafe {
                let mut q = [s.splat(0.0); NV];
                for v in 0..NV {
                    q[v] = s.load(codes.add(v * LANES));
                }
                for r in 0..R {
                    let x = *x.add(r);
                    for v in 0..NV {
                        acc[r][v] = code_step(s, how, x, q[v], acc[r][v]);
                    }
                }
                *codes = codes.add(NV * LANES);
                *x = x.add(R);
            }
        }
    }
    acc
}

/// A group's end, of totals in memory: `total = fma(acc, scale, total)`, then, unless `sums` are null,
/// `total = fma(sum, bias, total)`. The first group starts the totals.
///
/// # Safety
/// `totals` is valid for `[R][NV * 16]` numbers, which have been written unless `first`; `sums` for `R` if it is not null.
#[allow(clippy::too_many_arguments, reason = "everything is in registers")]
#[inline(always)]
unsafe fn end<S: Simd, const NV: usize, const R: usize>(
    s: S,
    how: Steps,
    acc: &[[S::F; NV]; R],
    scale: [S::F; NV],
    bias: [S::F; NV],
    sums: *const f32,
    totals: *mut f32,
    first: bool,
) {
    // SAFETY: the caller's promise.
    let before = |at: *mut f32| if first { s.splat(0.0) } else { unsafe { s.load(at) } };
    // Two small loops, which unroll: accumulators that are addressed by a variable would live in memory.
    if !sums.is_null() {
        for r in 0..R {
            // SAFETY: the caller's promise.
            let sum = s.splat(unsafe { *sums.add(r) });
            for v in 0..NV {
                let at = totals.wrapping_add((r * NV + v) * LANES);
                // SAFETY: as above.
                unsafe {
                    let total = step(s, how, acc[r][v], scale[v], before(at));
                    s.store(at, step(s, how, sum, bias[v], total));
                }
            }
        }
    } else {
        for r in 0..R {
            for v in 0..NV {
                let at = totals.wrapping_add((r * NV + v) * LANES);
                // SAFETY: the caller's promise.
                unsafe { s.store(at, step(s, how, acc[r][v], scale[v], before(at))) };
            }
        }
    }
}

/// A few rows times the strips of one part, codes straight from the words (AVX-512 only: it has the registers).
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX-512 has the registers"))]
pub(super) struct Few<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) strips: &'a [*const i32],
    pub(super) groups: Range<usize>,
    /// Room for what the other rows read: codes `[k][NV][16]`, and scales and biases as of [`Fill`].
    pub(super) to: *mut f32,
    pub(super) ends: *mut f32,
    /// From the words of these groups to those of the next ones.
    pub(super) far: isize,
    /// `[row][NV * 16]`.
    pub(super) totals: *mut f32,
}

/// [`Few`] with `R` rows, which leaves codes to others if `KEEP`.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX-512 has the registers"))]
struct FewRows<'a, const NV: usize, const R: usize, const KEEP: bool>(Few<'a>);

impl Few<'_> {
    /// Adds the groups to the totals.
    ///
    /// # Safety
    /// The strips have the groups; totals for every row, written unless the groups are the first.
    #[cfg(target_arch = "x86_64")]
    pub(super) unsafe fn run(self) {
        macro_rules! rows {
            ($(($nv:literal, $r:literal, $others:pat, $keep:literal))*) => {
                match (self.job.head, self.job.others) {
                    $(($r, $others) => simd::dispatch_avx512(FewRows::<$nv, $r, $keep>(self)),)*
                    (rows, _) => unreachable!("{rows} rows are not few"),
                }
            };
        }
        rows! {
            (4, 2, 0, false) (4, 3, 0, false) (4, 4, 0, false) (2, 5, 0, false) (2, 6, 0, false) (2, 7, 0, false)
            (2, 8, 0, false) (2, 9, 0, false) (2, 10, 0, false) (2, 11, 0, false) (2, 12, 0, false)
            (2, 6, _, true) (2, 7, _, true) (2, 8, _, true)
        }
    }

    /// Other machines have no such kernels.
    ///
    /// # Safety
    /// None.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) unsafe fn run(self) {
        unreachable!("panels have no head without AVX-512");
    }
}

impl<const NV: usize, const R: usize, const KEEP: bool> Kernel for FewRows<'_, NV, R, KEEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        with_kind!(self.0.job.p.w.format, KIND => match self.0.job.p.dtype {
            Dtype::BF16 => self.groups::<S, true, KIND>(s),
            _ => self.groups::<S, false, KIND>(s),
        })
    }
}

impl<const NV: usize, const R: usize, const KEEP: bool> FewRows<'_, NV, R, KEEP> {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX-512 has the registers"))]
    #[inline(always)]
    fn groups<S: Simd, const OTHER: bool, const KIND: usize>(self, s: S) {
        let Few { job, strips, groups, to, ends, far, totals } = self.0;
        let (p, l) = (&job.p, &job.layout);
        // Four words ahead, as in `Fill`.
        let near = 4 * (4 * LANES) as isize;
        let format = p.w.format;
        for (i, g) in groups.enumerate() {
            let at = std::array::from_fn(|v| strips[v].wrapping_add(l.words(g)));
            let to = to.wrapping_add(i * format.group * NV * LANES);
            let ends = ends.wrapping_add(2 * i * NV * LANES);
            let x = job.x.at((0, R), g * format.group);
            let mut acc = [[s.splat(0.0); NV]; R];
            // SAFETY: the strips have words and scales for the group, the packed rows `group` elements from here on; the
            // totals are the caller's promise.
            unsafe {
                decode::<S, NV, OTHER, KIND>(
                    s,
                    format.group,
                    &Words { at, far, near },
                    #[inline(always)]
                    |k, q: [S::F; NV]| {
                        if KEEP {
                            for v in 0..NV {
                                s.store(to.add((k * NV + v) * LANES), q[v]);
                            }
                        }
                        for r in 0..R {
                            let x = s.splat(*x.add(k * R + r));
                            for v in 0..NV {
                                acc[r][v] = s.fma(x, q[v], acc[r][v]);
                            }
                        }
                    },
                );
                let (mut scale, mut bias) = ([s.splat(0.0); NV], [s.splat(0.0); NV]);
                for v in 0..NV {
                    let at = strips[v].wrapping_add(l.scales(g));
                    simd::prefetch_far(at.cast::<u8>().wrapping_offset(far), 4 * l.extra);
                    (scale[v], bias[v]) = block::scales(s, format.scales, l.extra, at);
                    if KEEP {
                        s.store(ends.add(v * LANES), scale[v]);
                        s.store(ends.add((NV + v) * LANES), bias[v]);
                    }
                }
                let sums = if p.w.biases.is_null() { std::ptr::null() } else { job.x.sums(0, g).cast_const() };
                end(s, Steps::Plain, &acc, scale, bias, sums, totals, g == 0);
            }
        }
    }
}
