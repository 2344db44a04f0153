//! Transcendental functions of `f32` on 16 lanes: our own polynomials, the same instructions at every level.
//!
//! At most 1 ulp from the exact value over the whole range (2 for `pow`, 4 for `erfinv`), with subnormals, signed zeros,
//! infinities and NaN as C99 annex F has them. Every fused operation is written as one; nothing here may depend on the
//! level, on the lane, or on the platform's mathematical library. `f64` is served by the `libm` crate, elsewhere.
//!
//! Where one rounding too many would break the bound, a value is carried as an unevaluated sum of two floats (`hi + lo`,
//! T. J. Dekker, "A floating-point technique for extending the available precision", 1971). Coefficients are weighted
//! minimax fits, rounded to `f32` one after another with the rest refitted.

mod erf;
mod exp;
mod hyperbolic;
mod inverse;
mod log;
mod pow;
#[cfg(feature = "self-test")]
mod tests;
mod trig;

pub use erf::{erf, erfinv};
pub use exp::{exp, expm1};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sigmoid, sinh, tanh};
pub use inverse::{acos, asin, atan, atan2};
pub use log::{log, log1p, log2, log10};
pub use pow::pow;
pub use trig::{cos, sin, tan};

use crate::simd::Simd;

/// `c[0] + c[1] x + ..` by Horner's rule, one fused operation a step.
#[inline(always)]
fn poly<S: Simd, const N: usize>(s: S, x: S::F, c: [f32; N]) -> S::F {
    let mut p = s.splat(c[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        p = s.fma(p, x, s.splat(c[i]));
    }
    p
}

/// `a + b` as a rounded sum and its exact error, for any `a` and `b`.
#[inline(always)]
fn two_sum<S: Simd>(s: S, a: S::F, b: S::F) -> (S::F, S::F) {
    let sum = s.add(a, b);
    let b_part = s.sub(sum, a);
    let a_part = s.sub(sum, b_part);
    (sum, s.add(s.sub(a, a_part), s.sub(b, b_part)))
}

/// [`two_sum`] for `|a| >= |b|` or `a == 0`.
#[inline(always)]
fn fast_two_sum<S: Simd>(s: S, a: S::F, b: S::F) -> (S::F, S::F) {
    let sum = s.add(a, b);
    (sum, s.add(s.sub(a, sum), b))
}

/// `a * b` as a rounded product and its exact error.
#[inline(always)]
fn two_prod<S: Simd>(s: S, a: S::F, b: S::F) -> (S::F, S::F) {
    let p = s.mul(a, b);
    (p, s.fms(a, b, p))
}

/// `(nh + nl) / (dh + dl)` to about twice the precision: quotient and its correction.
#[inline(always)]
fn divide<S: Simd>(s: S, nh: S::F, nl: S::F, dh: S::F, dl: S::F) -> (S::F, S::F) {
    let r = s.div(s.splat(1.0), dh);
    let q = s.mul(nh, r);
    let rest = s.add(s.fnma(q, dh, nh), s.fnma(q, dl, nl));
    (q, s.mul(rest, r))
}

/// `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn exp2i<S: Simd>(s: S, n: S::I) -> S::F {
    s.from_bits(s.shl(s.add_i(n, s.splat_i(127)), 23))
}

/// `x 2^n` for `-252 <= n <= 254`, in two exact or once-rounded steps.
#[inline(always)]
fn scale<S: Simd>(s: S, x: S::F, n: S::I) -> S::F {
    let half = s.sar(n, 1);
    s.mul(s.mul(x, exp2i(s, half)), exp2i(s, s.sub_i(n, half)))
}

/// `1 / x`, rounded once.
#[inline(always)]
pub fn reciprocal<S: Simd>(s: S, x: S::F) -> S::F {
    s.div(s.splat(1.0), x)
}

/// `1 / sqrt(x)`.
#[inline(always)]
pub fn rsqrt<S: Simd>(s: S, x: S::F) -> S::F {
    // Small arguments are scaled, so that the residual of the root is not lost below the subnormals.
    let small = s.lt(x, s.splat(1.0e-20));
    let z = s.select(small, s.mul(x, s.splat(TWO_64)), x);
    let root = s.sqrt(z);
    let y = s.div(s.splat(1.0), root);
    // z = root^2 + e, so 1 / sqrt(z) = y (1 + (1 - y root) - e y^2 / 2).
    let e = s.fnma(root, root, z);
    let correction = s.fnma(s.mul(e, s.splat(0.5)), s.mul(y, y), s.fnma(y, root, s.splat(1.0)));
    let corrected = s.fma(y, correction, y);
    let ordinary = s.and_m(s.gt(x, s.splat(0.0)), s.lt(x, s.splat(f32::INFINITY)));
    let y = s.select(ordinary, corrected, y);
    s.select(small, s.mul(y, s.splat(TWO_32)), y)
}

const TWO_32: f32 = 4_294_967_296.0;
const TWO_64: f32 = TWO_32 * TWO_32;
