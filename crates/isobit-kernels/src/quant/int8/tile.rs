//! Totals of some rows and columns in registers.

use super::codes::{Reader, with_codes};
use super::rounding::{Operands, Rounded, WORDS};
use super::{LANES, Level, TASK};
use crate::quant::Codes;
use crate::quant::block::{self, Layout};
use crate::quant::product::Product;
use crate::simd::{self, Kernel, Simd};

/// The dot product of four bytes in each lane.
pub(super) trait Dot<S: Simd>: Copy {
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

/// What the level has for unsigned bytes below 128.
#[derive(Clone, Copy)]
struct Low;

impl<S: Simd> Dot<S> for Low {
    #[inline(always)]
    fn dot(self, s: S, acc: S::I, u: S::I, x: S::I) -> S::I {
        s.dot_low_bytes(acc, u, x)
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

#[cfg(target_arch = "x86_64")]
impl Dot<simd::avx2::Avx2> for Vnni {
    #[inline(always)]
    fn dot(self, _: simd::avx2::Avx2, acc: simd::avx2::I2, u: simd::avx2::I2, x: simd::avx2::I2) -> simd::avx2::I2 {
        use std::arch::x86_64::_mm256_dpbusd_avx_epi32 as dot;
        // SAFETY: `self` is the proof that the machine has the instruction.
        unsafe { simd::avx2::I2(dot(acc.0, u.0, x.0), dot(acc.1, u.1, x.1)) }
    }
}

/// A kernel made of dot products of bytes.
trait DotKernel {
    /// The body; implementations carry `#[inline(always)]`.
    fn run_with<S: Simd, D: Dot<S>>(self, s: S, dot: D);
}

/// The kernel with a dot product that every level has.
struct Plain<K, D>(K, D);

macro_rules! plain {
    ($dot:ident) => {
        impl<K: DotKernel> Kernel for Plain<K, $dot> {
            type Out = ();

            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                self.0.run_with(s, self.1);
            }
        }
    };
}
plain!(Own);
plain!(Low);

/// Runs a kernel; with `low`, codes are below 128.
fn enter<K: DotKernel>(level: Level, low: bool, kernel: K) {
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 && vnni() && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the machine has the features.
        return unsafe { enter_vnni(kernel) };
    }
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx2 && vnni() && is_x86_feature_detected!("avxvnni") {
        // SAFETY: the machine has the features.
        return unsafe { enter_vnni256(kernel) };
    }
    if low { simd::dispatch_at(level, Plain(kernel, Low)) } else { simd::dispatch_at(level, Plain(kernel, Own)) }
}

/// Whether `VPDPBUSD` may be used: always, but in a test of what is used instead.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn vnni() -> bool {
    #[cfg(feature = "self-test")]
    if super::NO_VNNI.load(std::sync::atomic::Ordering::Relaxed) {
        return false;
    }
    true
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn enter_vnni<K: DotKernel>(kernel: K) {
    // SAFETY: the features are those of the level.
    kernel.run_with(unsafe { simd::avx512::Avx512::new() }, Vnni(()));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma,f16c")]
unsafe fn enter_vnni256<K: DotKernel>(kernel: K) {
    // SAFETY: the features are those of the level.
    kernel.run_with(unsafe { simd::avx2::Avx2::new() }, Vnni(()));
}

/// Whether the bytes of a format's codes are below 128.
fn low(p: &Product) -> bool {
    p.w.format.codes != Codes::Unsigned || p.w.format.bits < 8
}

/// One row times eight strips (or as many as the level takes), codes straight from the words.
pub(super) struct OneRow<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) layout: Layout,
    pub(super) strips: &'a [*const i32],
    pub(super) x: &'a Rounded,
    /// `[strip][16]`.
    pub(super) totals: &'a mut [f32; TASK * LANES],
    /// The first of the strips that come next, one after the other; null if there are none.
    pub(super) next: *const i32,
}

pub(super) fn one_row(level: Level, row: OneRow) {
    enter(level, low(row.p), row)
}

impl DotKernel for OneRow<'_> {
    #[inline(always)]
    fn run_with<S: Simd, D: Dot<S>>(self, s: S, dot: D) {
        let format = self.p.w.format;
        match S::LEVEL {
            Level::Avx512 => {
                let row = Strips::<8>(self);
                with_codes!(format, row.of::<S, D>(s, dot))
            }
            Level::Avx2 => {
                let row = Strips::<4>(self);
                with_codes!(format, row.of::<S, D>(s, dot))
            }
            _ => {
                let row = Strips::<2>(self);
                with_codes!(format, row.of::<S, D>(s, dot))
            }
        }
    }
}

/// One row times `NV` strips.
struct Strips<'a, const NV: usize>(OneRow<'a>);

impl<const NV: usize> Strips<'_, NV> {
    #[inline(always)]
    fn of<S: Simd, D: Dot<S>, const BITS: usize, const E2M1: bool, const QUADS: usize>(self, s: S, dot: D) {
        let OneRow { p, layout: l, strips, x, totals, next } = self.0;
        let reader = Reader::<S, BITS, E2M1, QUADS>::new(s);
        let format = p.w.format;
        let Operands { mut q, mut d, sums, mut starts } = x.from(0, 0);
        let mut total = [s.splat(0.0); NV];
        // In bytes, half a block.
        let near = 2 * l.block(1) as isize;
        for g in 0..p.w.k / format.group {
            // The same place of the next block, at last of the first one of the next strips.
            let far = match l.far(g) {
                Some(far) => far,
                None if next.is_null() => 0,
                None => next as isize - strips[0] as isize - 4 * l.last_block() as isize,
            };
            let mut at = [std::ptr::null(); NV];
            let (mut scale, mut bias) = ([s.splat(0.0); NV], [s.splat(0.0); NV]);
            for v in 0..NV {
                at[v] = strips[v].wrapping_add(l.words(g));
                // SAFETY: the strips have scales for the group.
                (scale[v], bias[v]) =
                    unsafe { block::scales(s, format.scales, l.extra, strips[v].wrapping_add(l.scales(g))) };
                simd::prefetch_far(strips[v].wrapping_add(l.scales(g)).cast::<u8>().wrapping_offset(far), 4 * l.extra);
            }
            for _ in 0..format.group / (4 * QUADS) {
                let mut acc = [s.splat_i(0); NV];
                if E2M1 {
                    // SAFETY: the row has a start for each run.
                    acc = [s.splat_i(unsafe { *starts }); NV];
                    starts = starts.wrapping_add(1);
                }
                for v in 0..NV {
                    for line in 0..Reader::<S, BITS, E2M1, QUADS>::WORDS {
                        let at = at[v].wrapping_add(line * LANES).cast::<u8>();
                        simd::prefetch_far(at.wrapping_offset(far), 1);
                        simd::prefetch_near(at.wrapping_offset(near));
                    }
                }
                for j in 0..QUADS {
                    // SAFETY: the row has four bytes for each vector of codes, the strips words for the run.
                    unsafe {
                        let x = s.splat_i(*q.add(j));
                        for v in 0..NV {
                            acc[v] = dot.dot(s, acc[v], reader.quad(at[v], j), x);
                        }
                    }
                }
                // SAFETY: the row has a scale for each run.
                let scale_of_x = s.splat(unsafe { *d });
                for v in 0..NV {
                    total[v] = s.fma(s.from_i32(acc[v]), s.mul(scale[v], scale_of_x), total[v]);
                    at[v] = at[v].wrapping_add(Reader::<S, BITS, E2M1, QUADS>::WORDS * LANES);
                }
                q = q.wrapping_add(QUADS);
                d = d.wrapping_add(1);
            }
            if !p.w.biases.is_null() {
                // SAFETY: the row has a sum for each group.
                let sum = s.splat(unsafe { *sums.add(g) });
                for v in 0..NV {
                    total[v] = s.fma(sum, bias[v], total[v]);
                }
            }
        }
        for v in 0..NV {
            // SAFETY: the array has a vector for each strip.
            unsafe { s.store(totals.as_mut_ptr().add(v * LANES), total[v]) };
        }
    }
}

/// Rows of a panel times strips whose codes are bytes.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// `[4 k][strip][16]`.
    pub(super) codes: *const i32,
    /// `[group][strip][scale, bias][16]`.
    pub(super) scales: *const f32,
    pub(super) groups: usize,
    /// Runs of a group.
    pub(super) spans: usize,
    /// Pieces of 16 k of a run.
    pub(super) pieces: usize,
    pub(super) x: Operands,
    /// `[row][strip][16]`: added to.
    pub(super) totals: *mut f32,
}

/// Runs the tile; everything in it is valid for that many rows and strips.
pub(super) fn tile(level: Level, p: &Product, nv: usize, rows: usize, t: Tile) {
    let low = low(p);
    macro_rules! rows {
        ($($nv:literal: $($r:literal)*;)*) => {
            match (nv, rows) {
                $($(($nv, $r) => enter(level, low, Rows::<$nv, $r>(t)),)*)*
                _ => unreachable!("no tile of {rows} rows and {nv} strips"),
            }
        };
    }
    rows! {
        1: 1 2 3 4 5 6 7 8 9 10 11 12;
        2: 3 4 5 6;
        4: 2;
    }
}

/// Whether a level has tiles of so many strips and rows. Panels of one product may differ by a row.
const fn exists(level: Level, nv: usize, rows: usize) -> bool {
    match level {
        Level::Avx512 => nv > 1 || rows > 5,
        Level::Avx2 => nv == 1 && rows <= 6,
        _ => nv == 1 && rows <= 2,
    }
}

struct Rows<const NV: usize, const R: usize>(Tile);

impl<const NV: usize, const R: usize> DotKernel for Rows<NV, R> {
    #[inline(always)]
    fn run_with<S: Simd, D: Dot<S>>(self, s: S, dot: D) {
        if !const { exists(S::LEVEL, NV, R) } {
            unreachable!("no such tile at this level");
        }
        let Tile { mut codes, mut scales, groups, spans, pieces, x, totals } = self.0;
        let Operands { mut q, mut d, mut sums, mut starts } = x;
        let mut total = [[s.splat(0.0); NV]; R];
        for r in 0..R {
            for v in 0..NV {
                // SAFETY: the totals of the tile.
                total[r][v] = unsafe { s.load(totals.add((r * NV + v) * LANES)) };
            }
        }
        for _ in 0..groups {
            for _ in 0..spans {
                let mut acc = [[s.splat_i(0); NV]; R];
                if !starts.is_null() {
                    for r in 0..R {
                        // SAFETY: the panel has a start for each row.
                        acc[r] = [s.splat_i(unsafe { *starts.add(r) }); NV];
                    }
                    starts = starts.wrapping_add(R);
                }
                for _ in 0..pieces {
                    for j in 0..WORDS {
                        let mut u = [s.splat_i(0); NV];
                        for v in 0..NV {
                            // SAFETY: the strips have bytes for the piece.
                            u[v] = unsafe { s.load_i(codes.add((j * NV + v) * LANES)) };
                        }
                        for r in 0..R {
                            // SAFETY: the panel has 16 bytes of each row.
                            let x = s.splat_i(unsafe { *q.add(r * WORDS + j) });
                            for v in 0..NV {
                                acc[r][v] = dot.dot(s, acc[r][v], u[v], x);
                            }
                        }
                    }
                    codes = codes.wrapping_add(WORDS * NV * LANES);
                    q = q.wrapping_add(WORDS * R);
                }
                for v in 0..NV {
                    // SAFETY: the strips have scales for the group.
                    let scale = unsafe { s.load(scales.add(2 * v * LANES)) };
                    for r in 0..R {
                        // SAFETY: the panel has a scale for each row.
                        let d = s.splat(unsafe { *d.add(r) });
                        total[r][v] = s.fma(s.from_i32(acc[r][v]), s.mul(scale, d), total[r][v]);
                    }
                }
                d = d.wrapping_add(R);
            }
            if !sums.is_null() {
                for v in 0..NV {
                    // SAFETY: the strips have biases for the group.
                    let bias = unsafe { s.load(scales.add((2 * v + 1) * LANES)) };
                    for r in 0..R {
                        // SAFETY: the panel has a sum for each row.
                        total[r][v] = s.fma(s.splat(unsafe { *sums.add(r) }), bias, total[r][v]);
                    }
                }
                sums = sums.wrapping_add(R);
            }
            scales = scales.wrapping_add(2 * NV * LANES);
        }
        for r in 0..R {
            for v in 0..NV {
                // SAFETY: the totals of the tile.
                unsafe { s.store(totals.add((r * NV + v) * LANES), total[r][v]) };
            }
        }
    }
}
