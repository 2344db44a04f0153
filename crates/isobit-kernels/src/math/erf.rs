//! The error function and its inverse.

use super::exp::exp;
use super::log::log;
use super::poly;
use crate::simd::Simd;

/// The error function: a polynomial up to 0.9277, beyond it `1 - exp(p(|x|))`.
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(a, a);
    // erf(x) / x - 1 in x^2.
    let p = poly(
        s,
        z,
        [0.128_379_17, -0.376_126_3, 0.112_836_24, -2.685_558_6e-2, 5.191_936e-3, -8.043_612e-4, 7.968_262e-5],
    );
    let small = s.fma(a, p, a);
    // ln(1 - erf(t)) = -t + t p(t); from 3.92 on erf rounds to 1. A NaN is the second operand and passes.
    let t = s.min(s.splat(4.0), a);
    let q = poly(
        s,
        t,
        [-0.128_656_49, -0.635_118_4, -0.106_291_92, 2.381_001_2e-2, -3.665_373_2e-3, 3.284_957e-4, -1.180_517_5e-5],
    );
    let large = s.sub(s.splat(1.0), exp(s, s.fms(t, q, t)));
    s.copysign(s.select(s.lt(a, s.splat(0.9277)), small, large), x)
}

/// The inverse error function: `x p(t)` with `t = ln(1 - x^2)`, in the manner of M. Giles, "Approximating the erfinv function", 2010.
///
/// Infinite at -1 and 1, NaN beyond.
#[inline(always)]
pub fn erfinv<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    let t = log(s, s.fnma(x, x, one));
    let centre = poly(
        s,
        t,
        [
            0.886_226_9,
            -0.232_015_28,
            1.153_999_6e-2,
            2.315_705_4e-3,
            -1.469_483_7e-4,
            -5.582_966_7e-5,
            1.969_477_7e-7,
            1.240_670_5e-6,
            1.443_770_5e-7,
            5.478_076_7e-9,
        ],
    );
    // Towards the ends the terms of a polynomial in t would cancel; the root is nearly linear.
    let root = s.sub(s.sqrt(s.neg(t)), s.splat(3.0));
    let edge = poly(
        s,
        root,
        [
            2.832_976_8,
            1.001_676_1,
            9.444_608e-3,
            -7.660_845_8e-3,
            5.703_304e-3,
            -3.470_152_4e-3,
            1.347_561_5e-3,
            -2.336_461_8e-4,
        ],
    );
    let v = s.mul(x, s.select(s.lt(t, s.splat(-6.125)), edge, centre));
    let end = s.copysign(s.splat(f32::INFINITY), x);
    s.select(s.eq(s.abs(x), one), end, v)
}
