//! Element by element.

use crate::complex::C;
use crate::value::Values;
use isobit_core::{Dtype, Spec};

/// A function of complex numbers.
pub fn complex(x: &Values, f: impl Fn(C) -> C) -> Values {
    Values::C(x.complexes().into_iter().map(f).collect())
}

/// A real part of complex numbers, of one kind or another.
pub fn part(x: &Values, f: impl Fn(C) -> f64) -> Values {
    Values::F(x.complexes().into_iter().map(f).collect())
}

/// A function of two complex numbers.
pub fn complex_pair(x: &[Values], f: impl Fn(C, C) -> C) -> Values {
    Values::C(x[0].complexes().into_iter().zip(x[1].complexes()).map(|(a, b)| f(a, b)).collect())
}

/// A comparison of two complex numbers.
pub fn compare_complex(x: &[Values], f: impl Fn(C, C) -> bool) -> Values {
    Values::I(x[0].complexes().into_iter().zip(x[1].complexes()).map(|(a, b)| i128::from(f(a, b))).collect())
}

/// A function of numbers, with a float and an integer form.
pub fn unary(x: &Values, f: impl Fn(f64) -> f64, i: impl Fn(i128) -> i128) -> Values {
    match x {
        Values::F(v) => Values::F(v.iter().map(|&a| f(a)).collect()),
        Values::I(v) => Values::I(v.iter().map(|&a| i(a)).collect()),
        Values::C(_) => unreachable!("complex numbers have functions of their own"),
    }
}

/// A function of real numbers.
pub fn real(x: &Values, f: impl Fn(f64) -> f64) -> Values {
    Values::F(x.floats().into_iter().map(f).collect())
}

/// A function of two numbers, with a float and an integer form. Bools are the integers 0 and 1, and a result of dtype
/// bool is whether it is not 0.
pub fn binary(x: &[Values], _out: &Spec, f: impl Fn(f64, f64) -> f64, i: impl Fn(i128, i128) -> i128) -> Values {
    match (&x[0], &x[1]) {
        (Values::I(a), Values::I(b)) => Values::I(a.iter().zip(b).map(|(&a, &b)| i(a, b)).collect()),
        (a, b) => Values::F(a.floats().into_iter().zip(b.floats()).map(|(a, b)| f(a, b)).collect()),
    }
}

/// Conversion to the output's dtype: floats truncate into integers and saturate there.
pub fn convert(x: &Values, out: &Spec) -> Values {
    if out.dtype == Dtype::Bool && x.is_complex() {
        return Values::I(x.complexes().iter().map(|z| i128::from(z.re != 0.0 || z.im != 0.0)).collect());
    }
    let (low, high) = match out.dtype {
        Dtype::U8 => (0, i128::from(u8::MAX)),
        Dtype::U16 => (0, i128::from(u16::MAX)),
        Dtype::U32 => (0, i128::from(u32::MAX)),
        Dtype::U64 => (0, i128::from(u64::MAX)),
        Dtype::I8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
        Dtype::I16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Dtype::I32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Dtype::I64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => return x.clone(),
    };
    match x {
        Values::I(_) => x.clone(),
        floats => Values::I(floats.floats().iter().map(|&f| (f as i128).clamp(low, high)).collect()),
    }
}

/// A comparison of two numbers.
pub fn compare(x: &[Values], f: impl Fn(f64, f64) -> bool, i: impl Fn(i128, i128) -> bool) -> Values {
    match (&x[0], &x[1]) {
        (Values::I(a), Values::I(b)) => Values::I(a.iter().zip(b).map(|(a, b)| i128::from(i(*a, *b))).collect()),
        (a, b) => Values::I(a.floats().into_iter().zip(b.floats()).map(|(a, b)| i128::from(f(a, b))).collect()),
    }
}

/// A function of two integers or bools.
pub fn bits(x: &[Values], f: impl Fn(i128, i128) -> i128) -> Values {
    Values::I(x[0].ints().into_iter().zip(x[1].ints()).map(|(a, b)| f(a, b)).collect())
}

/// The complement of integers, the negation of bools.
pub fn invert(x: &Values, out: &Spec) -> Values {
    let negation = out.dtype == Dtype::Bool;
    Values::I(x.ints().into_iter().map(|a| if negation { 1 - a } else { !a }).collect())
}

/// `b` or `c`, by whether `a` holds.
pub fn select(a: &Values, b: &Values, c: &Values) -> Values {
    let holds = a.ints();
    if b.is_complex() {
        let (b, c) = (b.complexes(), c.complexes());
        return Values::C(holds.iter().enumerate().map(|(k, &h)| if h != 0 { b[k] } else { c[k] }).collect());
    }
    match (b, c) {
        (Values::I(b), Values::I(c)) => {
            Values::I(holds.iter().enumerate().map(|(k, &h)| if h != 0 { b[k] } else { c[k] }).collect())
        }
        (b, c) => {
            let (b, c) = (b.floats(), c.floats());
            Values::F(holds.iter().enumerate().map(|(k, &h)| if h != 0 { b[k] } else { c[k] }).collect())
        }
    }
}

/// The larger one; NaN if one is NaN; `b` if they are equal.
pub fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// -1, 0 or 1; NaN for NaN.
pub fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else if a == 0.0 {
        0.0
    } else {
        a
    }
}

/// The logistic function, exact in relative terms for arguments far below 0.
pub fn sigmoid(a: f64) -> f64 {
    if a >= 0.0 {
        return 1.0 / (1.0 + libm::exp(-a));
    }
    let e = libm::exp(a);
    e / (1.0 + e)
}

/// `ln(e^a + e^b)`.
pub fn logaddexp(a: f64, b: f64) -> f64 {
    if a == b {
        return a + std::f64::consts::LN_2;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::INFINITY && !low.is_nan() {
        return high;
    }
    high + libm::log1p(libm::exp(low - high))
}

/// The remainder with the sign of the divisor, also of a zero.
pub fn remainder(a: f64, b: f64) -> f64 {
    let r = libm::fmod(a, b);
    if r == 0.0 {
        return 0f64.copysign(b);
    }
    if (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// The quotient that goes with [`remainder`].
pub fn floor_divide(a: f64, b: f64) -> f64 {
    let r = libm::fmod(a, b);
    if b == 0.0 {
        return a / b;
    }
    let below = r != 0.0 && (r < 0.0) != (b < 0.0);
    // Without the remainder the quotient is a whole number up to the rounding of the division.
    let q = ((a - r) / b).round() - if below { 1.0 } else { 0.0 };
    if q == 0.0 { 0f64.copysign(a / b) } else { q }
}

/// The quotient rounded down; 0 for a divisor of 0.
pub fn integer_floor_divide(a: i128, b: i128) -> i128 {
    if b == 0 { 0 } else { (a - integer_remainder(a, b)) / b }
}

/// The remainder with the sign of the divisor; 0 for a divisor of 0.
pub fn integer_remainder(a: i128, b: i128) -> i128 {
    if b == 0 { 0 } else { ((a % b) + b) % b }
}

/// The power modulo 2^128, 0 for a negative exponent.
pub fn integer_power(a: i128, b: i128) -> i128 {
    if b < 0 {
        return 0;
    }
    let (mut base, mut left, mut out) = (a, b, 1i128);
    while left > 0 {
        if left & 1 == 1 {
            out = out.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    out
}

/// The inverse of the error function: Winitzki's closed form ("A handy approximation for the error function", 2008),
/// then Halley's method on `erf` near 0 and on `erfc` in the tails, where `erf` has no digits left.
pub fn erfinv(y: f64) -> f64 {
    if y.is_nan() || y.abs() > 1.0 {
        return f64::NAN;
    }
    if y.abs() == 1.0 {
        return y * f64::INFINITY;
    }
    if y == 0.0 {
        return y;
    }
    let p = y.abs();
    // 1 - p is exact from 1/2 on.
    let q = 1.0 - p;
    let a = 0.147;
    let l = libm::log(q * (1.0 + p));
    let b = 2.0 / (std::f64::consts::PI * a) + l / 2.0;
    let mut x = ((b * b - l / a).sqrt() - b).max(0.0).sqrt();
    if p < 1e-3 {
        x = p / std::f64::consts::FRAC_2_SQRT_PI;
    }
    for _ in 0..4 {
        let miss = if p < 0.5 { libm::erf(x) - p } else { q - libm::erfc(x) };
        let step = miss / (std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x));
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erfinv_inverts_erf() {
        for i in 1..2000 {
            let y = f64::from(i) / 2000.0;
            let x = erfinv(y);
            assert!((libm::erf(x) - y).abs() <= 4.0 * f64::EPSILON * y, "{y}: {x}");
            assert_eq!(erfinv(-y), -x);
        }
        let tiny = 1e-300;
        assert!((erfinv(tiny) / (tiny / std::f64::consts::FRAC_2_SQRT_PI) - 1.0).abs() < 1e-15);
        let near = 1.0 - f64::EPSILON;
        assert!((libm::erfc(erfinv(near)) / f64::EPSILON - 1.0).abs() < 1e-12);
    }
}
