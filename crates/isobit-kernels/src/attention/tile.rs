//! Register tiles that the forward direction and the derivative share: dot products with packed rows, and weighted sums.
//!
//! Every output has one accumulator, so neither the tile nor the instruction set can change a bit.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use super::BLOCK;
use super::ahead::Ahead;
use crate::float_lanes::{FloatLanes, vectors};
use crate::isa::Level;
use crate::simd::Simd;

/// Rows of a register tile, at most.
pub(super) const TILE: usize = 6;

/// Rows of a register tile. Without vector registers large ones only make code.
#[inline(always)]
pub(super) const fn tile(level: Level) -> usize {
    match level {
        Level::Scalar => 2,
        _ => TILE,
    }
}

/// Rows that lie `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<P> {
    pub at: P,
    pub stride: usize,
}

/// The dot products of `R` rows with `16 V` packed keys: `out[r][j]` (rows of 64) is the fused chain over `d` ascending from
/// +0 of `x[r][d] * packed[d][j]`. With `A`, asks for about half of the lines `ahead` meanwhile.
///
/// # Safety
/// `x` has `R` rows of `dim` elements, `packed` `dim` rows of 64 from whichever vector it starts at, `out` `R` rows of 64
/// likewise.
#[inline(always)]
pub(super) unsafe fn dots<S: Simd, const R: usize, const V: usize, const A: bool>(
    s: S,
    x: Rows<*const f32>,
    dim: usize,
    packed: *const f32,
    out: *mut f32,
    ahead: &mut Ahead,
) {
    let mut sum = [[s.splat(0.0); V]; R];
    let lines = if A { ahead.count().div_ceil(2 * dim.max(1)) } else { 0 };
    // SAFETY: the caller's promise.
    unsafe {
        for d in 0..dim {
            let key: [S::F; V] = vectors!(V, |i| s.load(packed.add(d * BLOCK + 16 * i)));
            for r in 0..R {
                let x = s.splat(*x.at.add(r * x.stride + d));
                for i in 0..V {
                    sum[r][i] = s.fma(x, key[i], sum[r][i]);
                }
            }
            if A {
                ahead.step(lines);
            }
        }
        for r in 0..R {
            for i in 0..V {
                s.store(out.add(r * BLOCK + 16 * i), sum[r][i]);
            }
        }
    }
}

/// All 64 dot products of `R` rows, in as many accumulators as the level has registers for, and enough of them to hide the
/// latency. Those from `16 vectors` on may be left out.
///
/// # Safety
/// As for [`dots`] with `V = 4`.
#[inline(always)]
pub(super) unsafe fn all_dots<S: Simd, const R: usize, const A: bool>(
    s: S,
    x: Rows<*const f32>,
    dim: usize,
    packed: *const f32,
    out: *mut f32,
    vectors: usize,
    ahead: &mut Ahead,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if S::LEVEL == Level::Avx512 || R == 1 && S::LEVEL != Level::Scalar {
            dots::<S, R, 4, A>(s, x, dim, packed, out, ahead);
        } else if R <= 3 && S::LEVEL != Level::Scalar {
            for v in (0..vectors).step_by(2) {
                dots::<S, R, 2, A>(s, x, dim, packed.add(16 * v), out.add(16 * v), ahead);
            }
        } else {
            for v in 0..vectors {
                dots::<S, R, 1, A>(s, x, dim, packed.add(16 * v), out.add(16 * v), ahead);
            }
        }
    }
}

/// Where weights lie: that of row `r` for term `j` at `r * row + j * term`.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub at: *const f32,
    pub row: usize,
    pub term: usize,
}

/// Weighted sums of `R` rows, `16 vectors` elements each: `acc[r] = acc[r]·c[r]`, then `fma(weight(r, j), value[j], acc[r])`
/// over the terms `j` in `keep[r]`, ascending. Values of other terms are not read. Values
/// of half precision are widened on the way. With `A`, asks for the lines `ahead` meanwhile.
///
/// # Safety
/// `acc` has `R` rows of `16 vectors` elements, values are readable for as many where a bit of `keep` is set, and so are
/// the weights.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, V: FloatLanes, const R: usize, const A: bool>(
    s: S,
    acc: Rows<*mut f32>,
    c: [f32; R],
    weights: Weights,
    (values, value_stride): (*const V, isize),
    vectors: usize,
    keep: [u64; R],
    ahead: &mut Ahead,
) {
    let mut w = 0;
    // SAFETY: the caller's promise.
    unsafe {
        let at = |w: usize| (Rows { at: acc.at.add(16 * w), ..acc }, (values.wrapping_add(16 * w), value_stride));
        if S::LEVEL == Level::Avx512 {
            while R <= 2 && w + 8 <= vectors {
                let (acc, values) = at(w);
                some_sums::<S, V, R, 8, A>(s, acc, c, weights, values, keep, ahead);
                w += 8;
            }
            while w + 4 <= vectors {
                let (acc, values) = at(w);
                some_sums::<S, V, R, 4, A>(s, acc, c, weights, values, keep, ahead);
                w += 4;
            }
        }
        while (S::LEVEL == Level::Avx512 || R <= 3 && S::LEVEL != Level::Scalar) && w + 2 <= vectors {
            let (acc, values) = at(w);
            some_sums::<S, V, R, 2, A>(s, acc, c, weights, values, keep, ahead);
            w += 2;
        }
        while w < vectors {
            let (acc, values) = at(w);
            some_sums::<S, V, R, 1, A>(s, acc, c, weights, values, keep, ahead);
            w += 1;
        }
    }
}

/// [`sums`] for `W` vectors, whose accumulators stay in registers.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn some_sums<S: Simd, V: FloatLanes, const R: usize, const W: usize, const A: bool>(
    s: S,
    acc: Rows<*mut f32>,
    c: [f32; R],
    weights: Weights,
    (values, value_stride): (*const V, isize),
    keep: [u64; R],
    ahead: &mut Ahead,
) {
    let lines = if A { ahead.count().div_ceil(BLOCK) } else { 0 };
    let all = keep.iter().fold(u64::MAX, |a, b| a & b);
    let some = keep.iter().fold(0, |a, b| a | b);
    // SAFETY: the caller's promise; values are read for kept terms only.
    unsafe {
        let mut sum: [[S::F; W]; R] = [[s.splat(0.0); W]; R];
        for r in 0..R {
            let c = s.splat(c[r]);
            for i in 0..W {
                sum[r][i] = s.mul(s.load(acc.at.add(r * acc.stride + 16 * i)), c);
            }
        }
        // Terms that every row has come in a run from some term on; mixed ones are done row by row.
        let mut j = some.trailing_zeros() as usize;
        let end = 64 - some.leading_zeros() as usize;
        while j < end {
            let run = (!(all >> j)).trailing_zeros() as usize;
            let stop = (j + run).min(end);
            while j < stop {
                let row = values.wrapping_offset(j as isize * value_stride);
                let value: [S::F; W] = vectors!(W, |i| V::load(s, row.add(16 * i)));
                let p = weights.at.add(j * weights.term);
                for r in 0..R {
                    let p = s.splat(*p.add(r * weights.row));
                    for i in 0..W {
                        sum[r][i] = s.fma(p, value[i], sum[r][i]);
                    }
                }
                if A {
                    ahead.step(lines);
                }
                j += 1;
            }
            if j < end {
                if some >> j & 1 == 1 {
                    let row = values.wrapping_offset(j as isize * value_stride);
                    for r in 0..R {
                        if keep[r] >> j & 1 == 1 {
                            let p = s.splat(*weights.at.add(r * weights.row + j * weights.term));
                            for i in 0..W {
                                sum[r][i] = s.fma(p, V::load(s, row.add(16 * i)), sum[r][i]);
                            }
                        }
                    }
                }
                j += 1;
            }
        }
        for r in 0..R {
            for i in 0..W {
                s.store(acc.at.add(r * acc.stride + 16 * i), sum[r][i]);
            }
        }
    }
}
