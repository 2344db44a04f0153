//! Logarithms: `x = m 2^e` with `m` between sqrt(1/2) and sqrt(2), a polynomial in `f = m - 1`, and `e` added exactly.

use super::{fast_two_sum, poly, two_prod, two_sum};
use crate::simd::Simd;

/// The bits of about sqrt(1/2), where the mantissa interval begins.
const SQRT_HALF: i32 = 0x3f35_04f3;
/// The leading 16 bits of ln 2: its product with an exponent is exact.
const LN2_HI: f32 = 0.693_145_75;
const LN2_LO: f32 = 1.428_606_8e-6;

/// `(ln(1 + f) - f + f^2 / 2) / f^3` on the mantissa interval, relative error 2^-30 in the logarithm.
const LOG1P: [f32; 9] = [
    0.333_333_13,
    -0.25,
    0.200_020_72,
    -0.166_679_9,
    0.142_203_63,
    -0.124_062_08,
    0.118_834_71,
    -0.116_701_83,
    6.749_539e-2,
];

/// `ln(1 + f) - f` on the mantissa interval.
#[inline(always)]
fn tail<S: Simd>(s: S, f: S::F) -> S::F {
    s.mul(s.mul(f, f), s.fma(f, poly(s, f, LOG1P), s.splat(-0.5)))
}

/// `e` and `f` with `x = (1 + f) 2^e`, for positive finite `x`, subnormals too.
#[inline(always)]
pub(super) fn decompose<S: Simd>(s: S, x: S::F) -> (S::I, S::F) {
    let subnormal = s.lt(x, s.splat(f32::MIN_POSITIVE));
    let normal = s.select(subnormal, s.mul(x, s.splat(33_554_432.0)), x);
    let bits = s.to_bits(normal);
    let e = s.sar(s.sub_i(bits, s.splat_i(SQRT_HALF)), 23);
    let m = s.from_bits(s.sub_i(bits, s.shl(e, 23)));
    let e = s.sub_i(e, s.select_i(subnormal, s.splat_i(25), s.splat_i(0)));
    (e, s.sub(m, s.splat(1.0)))
}

/// Puts in what the logarithm is at zero, below zero, at infinity and at NaN.
#[inline(always)]
fn specials<S: Simd>(s: S, x: S::F, r: S::F) -> S::F {
    let zero = s.splat(0.0);
    let inf = s.splat(f32::INFINITY);
    let below = s.select(s.eq(x, zero), s.neg(inf), s.splat(f32::NAN));
    let r = s.select(s.gt(x, zero), r, below);
    s.select(s.eq(x, inf), inf, r)
}

/// `e ln 2 + f + y + rest` where `|y|` and `|rest|` are small beside `f`.
#[inline(always)]
fn assemble<S: Simd>(s: S, e: S::I, f: S::F, y: S::F) -> S::F {
    let e = s.from_i32(e);
    let (hi, lo) = fast_two_sum(s, s.mul(e, s.splat(LN2_HI)), f);
    s.add(hi, s.add(lo, s.fma(e, s.splat(LN2_LO), y)))
}

/// The natural logarithm.
#[inline(always)]
pub fn log<S: Simd>(s: S, x: S::F) -> S::F {
    let (e, f) = decompose(s, x);
    specials(s, x, assemble(s, e, f, tail(s, f)))
}

/// `e c_e + (f + y) c` for another base: `c = hi + lo` is 1 / ln(base), `scale` the hi and lo of ln 2 / ln(base).
#[inline(always)]
fn other_base<S: Simd>(s: S, x: S::F, c: (f32, f32), scale: (f32, f32)) -> S::F {
    let (e, f) = decompose(s, x);
    let e = s.from_i32(e);
    let (h, l) = fast_two_sum(s, f, tail(s, f));
    let (p, p_lo) = two_prod(s, h, s.splat(c.0));
    let p_lo = s.add(p_lo, s.fma(h, s.splat(c.1), s.mul(l, s.splat(c.0))));
    let (hi, lo) = fast_two_sum(s, s.mul(e, s.splat(scale.0)), p);
    specials(s, x, s.add(hi, s.add(lo, s.fma(e, s.splat(scale.1), p_lo))))
}

/// The logarithm to base 2.
#[inline(always)]
pub fn log2<S: Simd>(s: S, x: S::F) -> S::F {
    other_base(s, x, (std::f32::consts::LOG2_E, 1.925_963e-8), (1.0, 0.0))
}

/// The logarithm to base 10.
#[inline(always)]
pub fn log10<S: Simd>(s: S, x: S::F) -> S::F {
    other_base(s, x, (std::f32::consts::LOG10_E, -1.010_305e-8), (0.301_033_02, -3.024_355_5e-6))
}

/// `ln(2^extra (hi + lo))` for positive normal `hi` up to 2^126 and `|lo| <= ulp(hi)`.
#[inline(always)]
pub(super) fn log_sum<S: Simd>(s: S, hi: S::F, lo: S::F, extra: S::I) -> S::F {
    let bits = s.to_bits(hi);
    let e = s.sar(s.sub_i(bits, s.splat_i(SQRT_HALF)), 23);
    let shift = s.shl(e, 23);
    let f0 = s.sub(s.from_bits(s.sub_i(bits, shift)), s.splat(1.0));
    // 2^-e; `lo` does not matter where that would leave the normal range.
    let down = s.from_bits(s.sub_i(s.splat_i(127 << 23), shift));
    let (f, f_lo) = two_sum(s, f0, s.mul(lo, down));
    // ln(1 + f + f_lo) = ln(1 + f) + f_lo / (1 + f), and 1 / (1 + f) is near enough 1 - f + f^2.
    let slope = s.fma(f, s.sub(f, s.splat(1.0)), s.splat(1.0));
    assemble(s, s.add_i(e, extra), f, s.fma(f_lo, slope, tail(s, f)))
}

/// `ln(1 + x)`.
#[inline(always)]
pub fn log1p<S: Simd>(s: S, x: S::F) -> S::F {
    // Beyond 2^60 the 1 is nothing; the halving keeps 2^-e normal.
    let large = s.gt(x, s.splat(1.152_921_5e18));
    let (hi, lo) = two_sum(s, s.splat(1.0), s.select(large, s.splat(1.0), x));
    let hi = s.select(large, s.mul(x, s.splat(0.125)), hi);
    let lo = s.select(large, s.splat(0.0), lo);
    let extra = s.select_i(large, s.splat_i(3), s.splat_i(0));
    let r = specials(s, hi, log_sum(s, hi, lo, extra));
    let tiny = s.lt(s.abs(x), s.splat(1e-9));
    s.select(tiny, x, s.select(s.is_nan(x), x, r))
}
