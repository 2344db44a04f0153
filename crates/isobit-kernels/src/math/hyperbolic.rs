//! Hyperbolic functions, their inverses, and the logistic function.

use super::exp::{expm1_parts, parts};
use super::log::log_sum;
use super::{divide, exp2i, fast_two_sum, poly, scale, two_prod, two_sum};
use crate::simd::Simd;

/// The hyperbolic tangent: `m / (m + 2)` with `m = exp(2|x|) - 1`.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    // Beyond 9.5 the result rounds to 1; a NaN is the second operand and passes.
    let a = s.min(s.splat(9.5), s.abs(x));
    let (hi, lo) = expm1_parts(s, s.add(a, a));
    let (dh, dl) = two_sum(s, s.splat(2.0), hi);
    let (q, rest) = divide(s, hi, lo, dh, s.add(dl, lo));
    s.copysign(s.add(q, rest), x)
}

/// The logistic function `1 / (1 + e^-x)`, as `e^x / (1 + e^x)` for negative `x`.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    // exp(-|x|) = 2^n (zh + zl).
    let a = s.neg(s.min(s.splat(104.0), s.abs(x)));
    let p = parts(s, a);
    let (zh, zl) = p.mantissa(s);
    // In the denominator a power below 2^-100 is nothing.
    let down = exp2i(s, s.to_i32(s.max(p.nf, s.splat(-100.0))));
    let (dh, dl) = fast_two_sum(s, one, s.mul(zh, down));
    let dl = s.fma(zl, down, dl);
    let negative = s.lt(x, zero);
    let (nh, nl) = (s.select(negative, zh, one), s.select(negative, zl, zero));
    let (q, rest) = divide(s, nh, nl, dh, dl);
    scale(s, s.add(q, rest), s.select_i(negative, p.n, s.splat_i(0)))
}

/// `(e^|x| + sign e^-|x|) / 2`, for `|x|` at least 1 if `sign` is -1.
#[inline(always)]
fn exp_pair<S: Simd>(s: S, a: S::F, sign: f32) -> S::F {
    let one = s.splat(1.0);
    let a = s.min(s.splat(90.0), a);
    let p = parts(s, a);
    let (zh, zl) = p.mantissa(s);
    // 1 / z, and its share 2^-2n relative to z; below 2^-120 it is nothing.
    let inverse = s.div(one, zh);
    let inverse_lo = s.mul(inverse, s.fnma(inverse, zl, s.fnma(inverse, zh, one)));
    let down = exp2i(s, s.to_i32(s.max(s.mul(p.nf, s.splat(-2.0)), s.splat(-120.0))));
    let down = s.mul(down, s.splat(sign));
    let (hi, lo) = two_sum(s, zh, s.mul(inverse, down));
    let v = s.add(hi, s.add(lo, s.fma(inverse_lo, down, zl)));
    scale(s, v, s.sub_i(p.n, s.splat_i(1)))
}

/// The hyperbolic sine.
#[inline(always)]
pub fn sinh<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(a, a);
    let p = poly(s, z, [0.166_666_67, 8.333_311e-3, 1.984_263_5e-4, 2.783_925_5e-6]);
    let small = s.fma(s.mul(a, z), p, a);
    let v = s.select(s.lt(a, s.splat(1.0)), small, exp_pair(s, a, -1.0));
    s.copysign(v, x)
}

/// The hyperbolic cosine.
#[inline(always)]
pub fn cosh<S: Simd>(s: S, x: S::F) -> S::F {
    exp_pair(s, s.abs(x), 1.0)
}

/// The square root of `hi + lo` as two floats.
#[inline(always)]
pub(super) fn sqrt_sum<S: Simd>(s: S, hi: S::F, lo: S::F) -> (S::F, S::F) {
    let root = s.sqrt(hi);
    let rest = s.add(s.fnma(root, root, hi), lo);
    let correction = s.div(rest, s.add(root, root));
    // At zero the correction is 0/0.
    (root, s.select(s.gt(root, s.splat(0.0)), correction, s.splat(0.0)))
}

/// `ln(a + sqrt(a^2 + c))` for `c` = 1 or -1 and `a` large enough for the root to be real.
#[inline(always)]
fn log_of_root<S: Simd>(s: S, a: S::F, c: f32) -> S::F {
    // From 2^20 on the root is `a` to far below an ulp of the logarithm, and the sum is 2a.
    let large = s.gt(a, s.splat(1_048_576.0));
    let b = s.select(large, s.splat(2.0), a);
    let (p, p_lo) = two_prod(s, b, b);
    let (q, q_lo) = two_sum(s, p, s.splat(c));
    let (root, root_lo) = sqrt_sum(s, q, s.add(q_lo, p_lo));
    let (hi, lo) = two_sum(s, b, root);
    let (hi, lo) = fast_two_sum(s, hi, s.add(lo, root_lo));
    let hi = s.select(large, s.mul(a, s.splat(0.125)), hi);
    let lo = s.select(large, s.splat(0.0), lo);
    log_sum(s, hi, lo, s.select_i(large, s.splat_i(4), s.splat_i(0)))
}

/// The inverse hyperbolic sine.
#[inline(always)]
pub fn asinh<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(a, a);
    let p = poly(s, z, [-0.166_666_66, 7.499_907e-2, -4.461_61e-2, 3.003_363_3e-2, -2.004_992_8e-2, 9.257_228e-3]);
    let small = s.fma(s.mul(a, z), p, a);
    let v = s.select(s.lt(a, s.splat(0.5)), small, log_of_root(s, a, 1.0));
    s.copysign(s.select(s.lt(a, s.splat(f32::INFINITY)), v, a), x)
}

/// The inverse hyperbolic cosine; NaN below 1.
#[inline(always)]
pub fn acosh<S: Simd>(s: S, x: S::F) -> S::F {
    let v = log_of_root(s, x, -1.0);
    let v = s.select(s.lt(x, s.splat(f32::INFINITY)), v, x);
    s.select(s.lt(x, s.splat(1.0)), s.splat(f32::NAN), v)
}

/// The inverse hyperbolic tangent; NaN beyond 1.
#[inline(always)]
pub fn atanh<S: Simd>(s: S, x: S::F) -> S::F {
    let (a, one, half) = (s.abs(x), s.splat(1.0), s.splat(0.5));
    let z = s.mul(a, a);
    let p =
        poly(s, z, [0.333_333_37, 0.199_996_23, 0.142_977_4, 0.109_306_81, 0.105_146_01, 1.731_062_9e-2, 0.184_671_4]);
    let small = s.fma(s.mul(a, z), p, a);
    let (nh, nl) = fast_two_sum(s, one, a);
    let (q, rest) = divide(s, nh, nl, s.sub(one, a), s.splat(0.0));
    let (hi, lo) = fast_two_sum(s, q, rest);
    let v = s.mul(half, log_sum(s, hi, lo, s.splat_i(0)));
    let v = s.select(s.lt(a, half), small, v);
    let v = s.select(s.lt(a, one), v, s.select(s.eq(a, one), s.splat(f32::INFINITY), s.splat(f32::NAN)));
    s.copysign(v, x)
}
