//! Inverse trigonometric functions.

use super::hyperbolic::sqrt_sum;
use super::{divide, fast_two_sum, poly};
use crate::simd::Simd;

const PI: (f32, f32) = (std::f32::consts::PI, -8.742_278e-8);
const HALF_PI: (f32, f32) = (std::f32::consts::FRAC_PI_2, -4.371_139e-8);

/// `(atan(t) - t) / t^3` in `t^2`, `|t| <= 1`.
const ATAN: [f32; 9] = [
    -0.333_333_02,
    0.199_986_28,
    -0.142_651_27,
    0.109_569_54,
    -8.417_638e-2,
    5.820_328_4e-2,
    -3.142_440_3e-2,
    1.104_752_8e-2,
    -1.823_401_9e-3,
];

/// `(asin(t) - t) / t^3` in `t^2`, `|t| <= 1/2`.
const ASIN: [f32; 6] = [0.166_666_66, 7.500_519_6e-2, 4.451_419_4e-2, 3.182_941_3e-2, 1.436_078_3e-2, 3.762_079e-2];

/// `c - (v + lo)` for a constant in two parts.
#[inline(always)]
fn subtract_from<S: Simd>(s: S, c: (f32, f32), v: S::F, lo: S::F) -> S::F {
    let (hi, rest) = fast_two_sum(s, s.splat(c.0), s.neg(v));
    s.add(hi, s.add(rest, s.sub(s.splat(c.1), lo)))
}

/// The angle of `(x, y)` from the positive x axis, with C99's rules for zeros and infinities.
#[inline(always)]
pub fn atan2<S: Simd>(s: S, y: S::F, x: S::F) -> S::F {
    let (one, inf) = (s.splat(1.0), s.splat(f32::INFINITY));
    let (ay, ax) = (s.abs(y), s.abs(x));
    let steep = s.gt(ay, ax);
    let (a, b) = (s.select(steep, ax, ay), s.select(steep, ay, ax));
    // Extreme denominators are scaled, so that 1/b is normal and the residual of the quotient survives.
    let big = s.gt(b, s.splat(1.0e30));
    let small = s.lt(b, s.splat(1.0e-30));
    let factor = s.select(big, s.splat(5.421_011e-20), s.select(small, s.splat(1.844_674_4e19), one));
    let (a, b) = (s.mul(a, factor), s.mul(b, factor));
    // Subnormal denominators need more.
    let tiny = s.lt(b, s.splat(1.0e-20));
    let factor = s.select(tiny, s.splat(1.844_674_4e19), one);
    let (a, b) = (s.mul(a, factor), s.mul(b, factor));
    let t = s.div(a, b);
    let lo = s.mul(s.fnma(t, b, a), s.div(one, b));
    // 0/0 is 0 here, and infinity over infinity is 1.
    let zero = s.eq(b, s.splat(0.0));
    let both = s.and_m(s.eq(ax, inf), s.eq(ay, inf));
    let one_inf = s.and_m(s.eq(b, inf), s.not_m(both));
    let fixed = s.select(both, one, s.splat(0.0));
    let known = s.or_m(zero, s.or_m(both, one_inf));
    let (t, lo) = (s.select(known, fixed, t), s.select(known, s.splat(0.0), lo));
    let nan = s.or_m(s.is_nan(x), s.is_nan(y));

    let z = s.mul(t, t);
    let tail = s.fma(s.mul(t, z), poly(s, z, ATAN), s.div(lo, s.add(one, z)));
    let first = s.add(t, tail);
    let negative = s.gt_i(s.splat_i(0), s.to_bits(x));
    let flat = s.select(negative, subtract_from(s, PI, t, tail), first);
    // pi/2 -+ atan(x/y).
    let up = subtract_from(s, HALF_PI, t, tail);
    let back = subtract_from(s, HALF_PI, s.neg(t), s.neg(tail));
    let v = s.select(steep, s.select(negative, back, up), flat);
    s.select(nan, s.splat(f32::NAN), s.copysign(v, y))
}

/// The inverse tangent.
#[inline(always)]
pub fn atan<S: Simd>(s: S, x: S::F) -> S::F {
    let (a, one, zero) = (s.abs(x), s.splat(1.0), s.splat(0.0));
    let steep = s.gt(a, one);
    // Beyond 1e30 the angle is a right one.
    let b = s.select(steep, s.min(s.splat(1.0e30), a), one);
    let (t, lo) = divide(s, one, zero, b, zero);
    let (t, lo) = (s.select(steep, t, a), s.select(steep, lo, zero));
    let z = s.mul(t, t);
    // lo atan'(t), with 1 / (1 + z) near enough 1 - z / 2 for a term this small.
    let tail = s.fma(s.mul(t, z), poly(s, z, ATAN), s.fnma(s.mul(lo, z), s.splat(0.5), lo));
    let v = s.select(steep, subtract_from(s, HALF_PI, t, tail), s.add(t, tail));
    s.copysign(v, x)
}

/// The root `t = sqrt((1 - a) / 2)` and `asin(t) - t`.
#[inline(always)]
fn half_angle<S: Simd>(s: S, a: S::F) -> (S::F, S::F) {
    let half = s.splat(0.5);
    // Exact for a >= 1/2.
    let z = s.fnma(half, a, half);
    let (t, lo) = sqrt_sum(s, z, s.splat(0.0));
    (t, s.fma(s.mul(t, z), poly(s, z, ASIN), lo))
}

/// The inverse sine; NaN beyond 1.
#[inline(always)]
pub fn asin<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(a, a);
    let small = s.fma(s.mul(a, z), poly(s, z, ASIN), a);
    let (t, tail) = half_angle(s, a);
    let large = subtract_from(s, HALF_PI, s.add(t, t), s.add(tail, tail));
    let v = s.select(s.lt(a, s.splat(0.5)), small, large);
    s.copysign(s.select(s.le(a, s.splat(1.0)), v, s.splat(f32::NAN)), x)
}

/// The inverse cosine; NaN beyond 1.
#[inline(always)]
pub fn acos<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(x, x);
    let middle = subtract_from(s, HALF_PI, x, s.mul(s.mul(x, z), poly(s, z, ASIN)));
    let (t, tail) = half_angle(s, a);
    let (t, tail) = (s.add(t, t), s.add(tail, tail));
    let right = s.add(t, tail);
    let left = subtract_from(s, PI, t, tail);
    let outer = s.select(s.lt(x, s.splat(0.0)), left, right);
    let v = s.select(s.lt(a, s.splat(0.5)), middle, outer);
    s.select(s.le(a, s.splat(1.0)), v, s.splat(f32::NAN))
}
