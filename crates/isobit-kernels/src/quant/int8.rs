//! `y = x @ w.T` with activations rounded to eight bits: an opt-in mode with numbers of its own.
//!
//! ```text
//! per row and 32 k:  a = max |x|; d = a / 127; q = nearest even of x * (127 / a), an integer of -127..=127
//!                    (a below 2^-100: d = 0, q = 0; a not finite: d = NaN, q = 0)
//! per group:         xsum = 0; for 32 k: xsum = fma(d, sum of q, xsum)
//! per output:        total = +0; for 32 k: total = fma(sum of code * q, scale * d, total), the sum an exact integer
//!                    after each group, with biases: total = fma(xsum, bias, total)
//! ```
//!
//! Nothing else influences a bit: not m, n, strides, tiles, threads or the instruction set. Subnormals are kept.
//!
//! 1. Codes stay four to a 32-bit word, as `VPDPBUSD` (or `VPMADDUBSW`) takes them: two or four masks per word; the bytes of
//!    x are stored in that order.
//! 2. Totals stay in registers for all of K; there is nothing to block.
//!
//! Cost per 32 k, 16 columns and row: 8 dot products, 1 conversion, 1 multiplication, 1 fused step.

use super::block::{self, Layout, Make};
use super::product::Product;
use super::{Codes, Format};
use crate::dtype::Dtype;
use crate::gemm::scratch::Scratch;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};

/// Activations that share a scale.
const SPAN: usize = 32;
/// Strips of a task at most.
const TASK: usize = 8;

/// Whether a format has this mode: unsigned codes of 2, 4 or 8 bits.
pub fn has_int8(format: Format) -> bool {
    format.codes == Codes::Unsigned && matches!(format.bits, 2 | 4 | 8)
}

/// The dot product of four bytes in each lane.
trait Dot<S: Simd>: Copy {
    /// `acc + sum over the four bytes of u (unsigned) * x (signed)`.
    fn dot(self, s: S, acc: S::I, u: S::I, x: S::I) -> S::I;
}

/// What the level has.
#[derive(Clone, Copy)]
struct Own;

impl<S: Simd> Dot<S> for Own {
    #[inline(always)]
    fn dot(self, s: S, acc: S::I, u: S::I, x: S::I) -> S::I {
        s.dot_bytes(acc, u, x)
    }
}

/// `VPDPBUSD`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Vnni(());

#[cfg(target_arch = "x86_64")]
impl Dot<simd::avx512::Avx512> for Vnni {
    #[inline(always)]
    fn dot(
        self,
        _: simd::avx512::Avx512,
        acc: std::arch::x86_64::__m512i,
        u: std::arch::x86_64::__m512i,
        x: std::arch::x86_64::__m512i,
    ) -> std::arch::x86_64::__m512i {
        // SAFETY: `self` is the proof that the machine has the instruction.
        unsafe { std::arch::x86_64::_mm512_dpbusd_epi32(acc, u, x) }
    }
}

/// Activations in eight bits.
#[derive(Clone, Copy)]
struct Packed {
    /// `[panel][K / 32][row]`, 32 bytes each.
    q: *mut i8,
    /// `[panel][K / 32][row]`.
    d: *mut f32,
    /// `[panel][group][row]`.
    sums: *mut f32,
    m: usize,
    k: usize,
    groups: usize,
    panels: usize,
}

// SAFETY: tasks write disjoint rows; afterwards it is only read.
unsafe impl Sync for Packed {}
// SAFETY: as above.
unsafe impl Send for Packed {}

impl Packed {
    /// Start and number of a panel's rows: as even as can be.
    fn rows(&self, panel: usize) -> (usize, usize) {
        let (each, more) = (self.m / self.panels, self.m % self.panels);
        (panel * each + panel.min(more), each + usize::from(panel < more))
    }
}

/// Where in its 32 bytes element `k` goes: word by word as [`words`] hands them out.
fn place(bits: usize, k: usize) -> usize {
    // A word has `per` bytes' worth of codes side by side: code `j` is part `j % per` of byte `j / per`.
    let per = 8 / bits;
    let (word, j) = (k / (4 * per), k % (4 * per));
    (word * per + j % per) * 4 + j / per
}

/// Packs the rows of one panel.
struct Pack<'a> {
    p: &'a Product<'a>,
    x: Packed,
    panel: usize,
}

impl Kernel for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (p, x) = (self.p, self.x);
        let Format { bits, group, .. } = p.w.format;
        let (start, rows) = x.rows(self.panel);
        let spans = x.k / SPAN;
        let order: [usize; SPAN] = std::array::from_fn(|k| place(bits, k));
        for r in 0..rows {
            let from = p.row(start + r);
            for g in 0..x.groups {
                let mut xsum = 0f32;
                for h in g * group / SPAN..(g + 1) * group / SPAN {
                    // SAFETY: the row has 32 elements from here on, and a place of its own.
                    unsafe {
                        let (q, d) = rounded(s, p.dtype, from.wrapping_add(h * SPAN * p.dtype.size()));
                        let at = (start * spans) + h * rows + r;
                        let to = x.q.wrapping_add(at * SPAN);
                        let mut sum = 0;
                        for k in 0..SPAN {
                            *to.add(order[k]) = q[k] as i8;
                            sum += q[k];
                        }
                        *x.d.wrapping_add(at) = d;
                        xsum = d.mul_add(sum as f32, xsum);
                    }
                }
                // SAFETY: as above.
                unsafe { *x.sums.wrapping_add(start * x.groups + g * rows + r) = xsum };
            }
        }
    }
}

/// 32 activations as integers, and their scale.
///
/// # Safety
/// `from` is valid for 32 elements.
#[inline(always)]
unsafe fn rounded<S: Simd>(s: S, dtype: Dtype, from: *const u8) -> ([i32; SPAN], f32) {
    // SAFETY: the caller's promise.
    let x: [S::F; 2] = unsafe {
        match dtype {
            Dtype::F32 => [s.load(from.cast()), s.load(from.cast::<f32>().add(LANES))],
            Dtype::F16 => [s.load_f16(from.cast()), s.load_f16(from.cast::<u16>().add(LANES))],
            _ => [s.load_bf16(from.cast()), s.load_bf16(from.cast::<u16>().add(LANES))],
        }
    };
    let a = s.maximum(s.abs(x[0]), s.abs(x[1]));
    let (most, nan) = (s.reduce_max(a), s.any(s.is_nan(a)));
    let mut q = [0; SPAN];
    if nan || most == f32::INFINITY {
        return (q, f32::NAN);
    }
    if most < f32::from_bits((127 - 100) << 23) {
        return (q, 0.0);
    }
    let inverse = s.splat(127.0 / most);
    for i in 0..2 {
        // SAFETY: the array has two vectors.
        unsafe { s.store_i(q.as_mut_ptr().add(i * LANES), s.to_i32(s.mul(x[i], inverse))) };
    }
    (q, most / 127.0)
}

/// One product, laid out.
struct Job<'a> {
    p: Product<'a>,
    layout: Layout,
    x: Packed,
}

/// The product with rounded activations; the format must have the mode ([`has_int8`]).
///
/// # Safety
/// As for [`super::product`].
pub unsafe fn product_int8(p: &Product) {
    assert!(has_int8(p.w.format), "no eight-bit activations for {:?}", p.w.format);
    if p.m == 0 || p.w.n == 0 {
        return;
    }
    let level = isa::level();
    let (groups, spans) = (p.w.k / p.w.format.group, p.w.k / SPAN);
    let room = Scratch::take::<f32>(p.m * (spans * (SPAN / 4 + 1) + groups));
    let q = room.ptr::<f32>();
    let d = q.wrapping_add(p.m * spans * SPAN / 4);
    let most = if level == Level::Avx512 { 12 } else { 2 };
    let panels = p.m.div_ceil(most);
    let x = Packed { q: q.cast(), d, sums: d.wrapping_add(p.m * spans), m: p.m, k: p.w.k, groups, panels };
    let pack = |panel: usize| simd::dispatch_at(level, Pack { p, x, panel });
    if p.m * p.w.k < 1 << 15 {
        (0..panels).for_each(pack)
    } else {
        par::run(panels, pack)
    }
    let job = Job { p: *p, layout: Layout::of(&p.w), x };
    let strips = p.w.n.div_ceil(LANES);
    par::run(strips.div_ceil(TASK), |task| {
        // SAFETY: the caller's promise; tasks have columns of their own.
        unsafe { job.task(level, task * TASK, TASK.min(strips - task * TASK)) };
    });
}

impl Job<'_> {
    /// All rows times `count` strips.
    unsafe fn task(&self, level: Level, first: usize, count: usize) {
        let (p, l) = (&self.p, &self.layout);
        let room = p.kept.is_none().then(|| Scratch::take::<i32>(count * l.strip()));
        let mut strips = [std::ptr::null(); TASK];
        for i in 0..TASK {
            // Strips beyond the last are the last again; they are not stored.
            let j = i.min(count - 1);
            strips[i] = match (&room, p.kept) {
                (Some(room), _) => room.ptr::<i32>().wrapping_add(j * l.strip()).cast_const(),
                (None, Some(kept)) => kept.strip(first + j),
                (None, None) => unreachable!("blocks are kept or made"),
            };
            if room.is_some() && i == j {
                let make = Make { m: &p.w, layout: *l, strip: first + i, to: strips[i].cast_mut() };
                simd::dispatch_at(level, make);
            }
        }
        let nv = match (level, self.x.rows(0).1) {
            (Level::Avx512, 1) => 8,
            (Level::Avx512, 2) => 4,
            (Level::Avx512, 3..=6) => 2,
            (_, 1) => 2,
            _ => 1,
        };
        for at in (0..count).step_by(nv) {
            for panel in 0..self.x.panels {
                let (start, rows) = self.x.rows(panel);
                let mut totals = [0f32; 16 * LANES];
                tile(level, nv, rows, Tile { job: self, strips: &strips[at..], start, totals: &mut totals });
                for r in 0..rows {
                    // SAFETY: the tile's totals; the output is the caller's.
                    unsafe { p.store(start + r, first + at, totals.as_ptr().add(r * nv * LANES), nv * LANES) };
                }
            }
        }
    }
}

struct Tile<'a> {
    job: &'a Job<'a>,
    strips: &'a [*const i32],
    /// The first row.
    start: usize,
    /// `[R][NV][16]`.
    totals: &'a mut [f32; 16 * LANES],
}

struct Rows<'a, const NV: usize, const R: usize>(Tile<'a>);

fn tile(level: Level, nv: usize, rows: usize, t: Tile) {
    macro_rules! rows {
        ($($nv:literal: $($r:literal)*;)*) => {
            match (nv, rows) {
                $($(($nv, $r) => enter(level, Rows::<$nv, $r>(t)),)*)*
                _ => unreachable!("no tile of {rows} rows and {nv} strips"),
            }
        };
    }
    rows! {
        1: 1 2 3 4 5 6 7 8 9 10 11 12;
        2: 1 2 3 4 5 6;
        4: 1 2;
        8: 1;
    }
}

/// Whether a level has tiles of so many strips and rows. Panels of one product may differ by a row.
const fn exists(level: Level, nv: usize, rows: usize) -> bool {
    match level {
        Level::Avx512 => nv == 1 && rows > 5 || nv == 2 && rows > 2 || nv == 4 && rows == 2 || nv == 8,
        _ => nv == 1 && rows <= 2 || nv == 2 && rows == 1,
    }
}

fn enter<const NV: usize, const R: usize>(level: Level, tile: Rows<'_, NV, R>) {
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the machine has the features.
        return unsafe { enter_vnni(tile) };
    }
    simd::dispatch_at(level, tile);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn enter_vnni<const NV: usize, const R: usize>(tile: Rows<'_, NV, R>) {
    // SAFETY: the features are those of the level.
    tile.run_with(unsafe { simd::avx512::Avx512::new() }, Vnni(()));
}

impl<const NV: usize, const R: usize> Kernel for Rows<'_, NV, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.run_with(s, Own);
    }
}

impl<const NV: usize, const R: usize> Rows<'_, NV, R> {
    #[inline(always)]
    fn run_with<S: Simd, D: Dot<S>>(self, s: S, dot: D) {
        if !const { exists(S::LEVEL, NV, R) } {
            unreachable!("no such tile at this level");
        }
        match self.0.job.p.w.format.bits {
            2 => self.bits::<S, D, 2>(s, dot),
            4 => self.bits::<S, D, 4>(s, dot),
            _ => self.bits::<S, D, 8>(s, dot),
        }
    }

    #[inline(always)]
    fn bits<S: Simd, D: Dot<S>, const BITS: usize>(self, s: S, dot: D) {
        let Tile { job, strips, start, totals } = self.0;
        let (l, x, group) = (&job.layout, &job.x, job.p.w.format.group);
        let (kind, biases) = (job.p.w.format.scales, !job.p.w.biases.is_null());
        let mut q = x.q.wrapping_add(start * x.k).cast::<i32>().cast_const();
        let mut d = x.d.wrapping_add(start * (x.k / SPAN)).cast_const();
        let mut sums = x.sums.wrapping_add(start * x.groups).cast_const();
        let mut total = [[s.splat(0.0); NV]; R];
        for g in 0..x.groups {
            let (mut scale, mut bias) = ([s.splat(0.0); NV], [s.splat(0.0); NV]);
            let mut at = [std::ptr::null(); NV];
            for v in 0..NV {
                at[v] = strips[v].wrapping_add(l.words(g));
                // SAFETY: the strips have scales for the group.
                (scale[v], bias[v]) = unsafe { block::scales(s, kind, l.extra, strips[v].wrapping_add(l.scales(g))) };
                simd::prefetch_far(at[v].wrapping_add(AHEAD).cast(), l.bytes());
            }
            for _ in 0..group / SPAN {
                let mut acc = [[s.splat_i(0); NV]; R];
                for w in 0..BITS {
                    let mut words = [s.splat_i(0); NV];
                    for v in 0..NV {
                        // SAFETY: the strips have words for the group: as many as codes have bits, for each 32.
                        words[v] = unsafe { s.load_i(at[v].add(w * LANES)) };
                    }
                    for i in 0..8 / BITS {
                        let mut u = words;
                        for v in 0..NV {
                            u[v] = byte_codes::<S, BITS>(s, words[v], i);
                        }
                        for r in 0..R {
                            // SAFETY: the panel has 32 bytes of each row.
                            let x = s.splat_i(unsafe { *q.add(r * (SPAN / 4) + w * (8 / BITS) + i) });
                            for v in 0..NV {
                                acc[r][v] = dot.dot(s, acc[r][v], u[v], x);
                            }
                        }
                    }
                }
                for r in 0..R {
                    // SAFETY: the panel has a scale for each row.
                    let d = s.splat(unsafe { *d.add(r) });
                    for v in 0..NV {
                        total[r][v] = s.fma(s.from_i32(acc[r][v]), s.mul(scale[v], d), total[r][v]);
                    }
                }
                for v in 0..NV {
                    at[v] = at[v].wrapping_add(BITS * LANES);
                }
                q = q.wrapping_add(R * SPAN / 4);
                d = d.wrapping_add(R);
            }
            if biases {
                for r in 0..R {
                    // SAFETY: the panel has a sum for each row and group.
                    let sum = s.splat(unsafe { *sums.add(r) });
                    for v in 0..NV {
                        total[r][v] = s.fma(sum, bias[v], total[r][v]);
                    }
                }
            }
            sums = sums.wrapping_add(R);
        }
        for r in 0..R {
            for v in 0..NV {
                // SAFETY: the array has 16 vectors, `R * NV` at most 12.
                unsafe { s.store(totals.as_mut_ptr().add((r * NV + v) * LANES), total[r][v]) };
            }
        }
    }
}

/// How far ahead blocks are asked for, in 32-bit numbers.
const AHEAD: usize = 192;

/// Part `i` of the codes of a word, one to a byte.
#[inline(always)]
fn byte_codes<S: Simd, const BITS: usize>(s: S, word: S::I, i: usize) -> S::I {
    if BITS == 8 {
        return word;
    }
    let mask = s.splat_i(0x0101_0101 * ((1 << BITS) - 1));
    let word = if i == 0 { word } else { s.shr(word, (i * BITS) as u32) };
    s.and(word, mask)
}
