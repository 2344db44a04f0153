//! Exponentials: `x = n ln 2 + r`, a polynomial on `|r| <= ln 2 / 2`, and a scaling by `2^n` that rounds once.

use super::{exp2i, fast_two_sum, poly, scale, two_sum};
use crate::simd::Simd;

const LOG2E: f32 = std::f32::consts::LOG2_E;
/// The leading 16 bits of ln 2: its product with `n` is exact.
const LN2_HI: f32 = 0.693_145_75;
const LN2_LO: f32 = 1.428_606_8e-6;

/// `(exp(r) - 1 - r) / r^2`, relative error 2^-31 in `exp(r) - 1`.
const EXPM1: [f32; 6] = [0.5, 0.166_666_67, 4.166_648e-2, 8.333_208e-3, 1.393_356_5e-3, 1.994_426e-4];

/// `exp(h + l) = 2^n (1 + t + u)` with `t` exact to its last bit and `u` small.
pub(super) struct Parts<S: Simd> {
    pub n: S::I,
    /// `n` as floats.
    pub nf: S::F,
    pub t: S::F,
    pub u: S::F,
}

impl<S: Simd> Parts<S> {
    /// `1 + t + u` as two floats.
    #[inline(always)]
    pub(super) fn mantissa(&self, s: S) -> (S::F, S::F) {
        let (hi, lo) = fast_two_sum(s, s.splat(1.0), self.t);
        fast_two_sum(s, hi, s.add(lo, self.u))
    }
}

/// Splits an exponent of at most about 1000 in magnitude.
#[inline(always)]
pub(super) fn parts<S: Simd>(s: S, h: S::F) -> Parts<S> {
    let (nf, r, r_lo) = reduce(s, h);
    finish(s, nf, r, r_lo)
}

/// `h = n ln 2 + r + r_lo`.
#[inline(always)]
fn reduce<S: Simd>(s: S, h: S::F) -> (S::F, S::F, S::F) {
    let nf = s.round_even(s.mul(h, s.splat(LOG2E)));
    let r0 = s.fnma(nf, s.splat(LN2_HI), h);
    let r = s.fnma(nf, s.splat(LN2_LO), r0);
    (nf, r, s.fnma(nf, s.splat(LN2_LO), s.sub(r0, r)))
}

#[inline(always)]
fn finish<S: Simd>(s: S, nf: S::F, r: S::F, r_lo: S::F) -> Parts<S> {
    let q = poly(s, r, EXPM1);
    // r_lo enters exp(r + r_lo) - 1 as r_lo (1 + r) to first order.
    let u = s.fma(s.mul(r, r), q, s.fma(r_lo, r, r_lo));
    Parts { n: s.to_i32(nf), nf, t: r, u }
}

/// `e^x`.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // Below this the result is 0. Computed, it would underflow, which takes the processor a hundred times as long, and
    // the scores of masked keys are `-inf`.
    let zero = s.lt(x, s.splat(-104.0));
    // A NaN is the second operand and passes.
    let x = s.min(s.splat(89.0), s.select(zero, s.splat(0.0), x));
    let nf = s.round_even(s.mul(x, s.splat(LOG2E)));
    let r0 = s.fnma(nf, s.splat(LN2_HI), x);
    let r = s.fnma(nf, s.splat(LN2_LO), r0);
    // (exp(r) - 1 - r) / r^2, error 2^-28 relative to exp(r).
    let q = poly(s, r, [0.5, 0.166_665_15, 4.166_637_7e-2, 8.369_394e-3, 1.394_292_2e-3]);
    let (hi, lo) = fast_two_sum(s, s.splat(1.0), r);
    let y = scale(s, s.add(hi, s.fma(s.mul(r, r), q, lo)), s.to_i32(nf));
    s.select(zero, s.splat(0.0), y)
}

/// `e^x - 1`.
#[inline(always)]
pub fn expm1<S: Simd>(s: S, x: S::F) -> S::F {
    let y = s.min(s.splat(89.0), s.max(s.splat(-20.0), x));
    let p = parts(s, y);
    // Everything at half scale, so that n = 128 does not overflow early.
    let scale = exp2i(s, s.sub_i(p.n, s.splat_i(1)));
    let (power, power_lo) = two_sum(s, scale, s.splat(-0.5));
    let (hi, lo) = fast_two_sum(s, power, s.mul(scale, p.t));
    let half = s.add(hi, s.fma(scale, p.u, s.add(lo, power_lo)));
    let tiny = s.lt(s.abs(x), s.splat(1.5e-8));
    s.select(tiny, x, s.add(half, half))
}

/// `expm1(x)` as `hi + lo` for `0 <= x <= 64`.
#[inline(always)]
pub(super) fn expm1_parts<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let p = parts(s, x);
    let scale = exp2i(s, p.n);
    let (hi, lo) = fast_two_sum(s, s.sub(scale, s.splat(1.0)), s.mul(scale, p.t));
    fast_two_sum(s, hi, s.fma(scale, p.u, lo))
}

/// `exp(h + l)`, scaled with one rounding, for `-200 <= h <= 200`.
#[inline(always)]
pub(super) fn exp_sum<S: Simd>(s: S, h: S::F, l: S::F) -> S::F {
    let (nf, r, r_lo) = reduce(s, h);
    let (r, r_lo) = fast_two_sum(s, r, s.add(r_lo, l));
    let p = finish(s, nf, r, r_lo);
    let (hi, lo) = fast_two_sum(s, s.splat(1.0), p.t);
    scale(s, s.add(hi, s.add(lo, p.u)), p.n)
}
