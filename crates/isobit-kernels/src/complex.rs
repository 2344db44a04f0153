//! Functions of one or two complex64 numbers, and reductions along lines of them.
//!
//! A complex64 is two `f32`, real part first. Its functions are computed in `f64` and rounded once: products of `f32` are
//! exact there and no square overflows, so that quotients, magnitudes and logarithms need no scaling. The elementary
//! functions inside are those of the `libm` crate (pure Rust), so that every machine gives the same bits. The loops are
//! scalar: what is worth vectors (sums, differences, products) is in [`crate::elementwise`].
//!
//! Branch cuts and signed zeros are those of C99's Annex G: on a cut the sign of the zero says which side is meant.

pub mod lines;
#[cfg(feature = "self-test")]
mod tests;

use libm::{asinh, atan2, cos, cosh, exp, log, log1p, sin, sinh};
use std::cmp::Ordering;
use std::f64::consts::{FRAC_PI_2, LN_2, LN_10};
use std::ops::{Add, Div, Mul, Sub};

/// A complex number between loading and rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Complex {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

impl From<[f32; 2]> for Complex {
    fn from([re, im]: [f32; 2]) -> Complex {
        Complex { re: f64::from(re), im: f64::from(im) }
    }
}

impl From<Complex> for [f32; 2] {
    fn from(z: Complex) -> [f32; 2] {
        [z.re as f32, z.im as f32]
    }
}

/// A number from its parts.
const fn complex(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

/// `a b` where a zero wins over an infinity and a NaN: the limit of products of functions that grow at different rates.
fn product(a: f64, b: f64) -> f64 {
    if a != 0.0 && b != 0.0 {
        return a * b;
    }
    if a.is_nan() || b.is_nan() { 0.0 } else { 0f64.copysign(a.signum() * b.signum()) }
}

impl Add for Complex {
    type Output = Complex;
    fn add(self, b: Complex) -> Complex {
        complex(self.re + b.re, self.im + b.im)
    }
}

impl Sub for Complex {
    type Output = Complex;
    fn sub(self, b: Complex) -> Complex {
        complex(self.re - b.re, self.im - b.im)
    }
}

/// Of infinities what the real products and sums give.
impl Mul for Complex {
    type Output = Complex;
    fn mul(self, b: Complex) -> Complex {
        complex(self.re * b.re - self.im * b.im, self.re * b.im + self.im * b.re)
    }
}

/// `a conj(b) / |b|^2`. Over zero both parts are divided by it; over an infinity a finite number is 0.
impl Div for Complex {
    type Output = Complex;
    fn div(self, b: Complex) -> Complex {
        let below = b.re * b.re + b.im * b.im;
        if below == 0.0 {
            return complex(self.re / b.re.abs(), self.im / b.re.abs());
        }
        if below.is_infinite() && self.is_finite() {
            let unit = |x: f64| if x.is_infinite() { x.signum() } else { 0f64.copysign(x) };
            let top = self * complex(unit(b.re), -unit(b.im));
            return complex(0f64.copysign(top.re), 0f64.copysign(top.im));
        }
        complex((self.re * b.re + self.im * b.im) / below, (self.im * b.re - self.re * b.im) / below)
    }
}

impl Complex {
    /// Zero.
    pub const ZERO: Complex = complex(0.0, 0.0);
    /// One.
    pub const ONE: Complex = complex(1.0, 0.0);

    /// Whether a part is NaN.
    pub fn is_nan(self) -> bool {
        self.re.is_nan() || self.im.is_nan()
    }

    fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    /// Times a real number.
    pub fn scale(self, by: f64) -> Complex {
        complex(self.re * by, self.im * by)
    }

    /// Times -i.
    fn turned_back(self) -> Complex {
        complex(self.im, -self.re)
    }

    /// Times i.
    fn turned(self) -> Complex {
        complex(-self.im, self.re)
    }

    /// The conjugate.
    pub fn conj(self) -> Complex {
        complex(self.re, -self.im)
    }

    /// The magnitude; infinite if a part is.
    pub fn abs(self) -> f64 {
        if self.re.is_infinite() || self.im.is_infinite() {
            return f64::INFINITY;
        }
        (self.re * self.re + self.im * self.im).sqrt()
    }

    /// The angle, in -pi ..= pi.
    fn arg(self) -> f64 {
        atan2(self.im, self.re)
    }

    /// The logarithm of the magnitude, without cancellation where that is near 1.
    fn ln_abs(self) -> f64 {
        let (x, y) = (self.re.abs(), self.im.abs());
        if x.is_infinite() || y.is_infinite() {
            return f64::INFINITY;
        }
        let (high, low) = if x < y { (y, x) } else { (x, y) };
        let squared = high * high + low * low;
        if squared > 0.5 && squared < 2.0 {
            return 0.5 * log1p((high - 1.0) * (high + 1.0) + low * low);
        }
        0.5 * log(squared)
    }

    /// `z / |z|`, and 0 for 0.
    pub fn sign(self) -> Complex {
        let r = self.abs();
        if r == 0.0 { self } else { complex(self.re / r, self.im / r) }
    }

    /// `1 / z`.
    pub fn reciprocal(self) -> Complex {
        Complex::ONE / self
    }

    /// `e^z`.
    pub fn exp(self) -> Complex {
        let r = exp(self.re);
        if self.im == 0.0 {
            return complex(r, self.im);
        }
        complex(product(r, cos(self.im)), product(r, sin(self.im)))
    }

    /// The principal logarithm.
    pub fn log(self) -> Complex {
        complex(self.ln_abs(), self.arg())
    }

    /// `ln(1 + z)`.
    pub fn log1p(self) -> Complex {
        let (x, y) = (self.re, self.im);
        let moved = complex(1.0 + x, y);
        let squared = moved.re * moved.re + y * y;
        let re = if squared > 0.5 && squared < 2.0 { 0.5 * log1p(x * (2.0 + x) + y * y) } else { moved.ln_abs() };
        complex(re, moved.arg())
    }

    /// The logarithm to base 2.
    pub fn log2(self) -> Complex {
        let z = self.log();
        complex(z.re / LN_2, z.im / LN_2)
    }

    /// The logarithm to base 10.
    pub fn log10(self) -> Complex {
        let z = self.log();
        complex(z.re / LN_10, z.im / LN_10)
    }

    /// The square root with a real part that is not negative.
    pub fn sqrt(self) -> Complex {
        let (x, y) = (self.re, self.im);
        if y.is_infinite() {
            return complex(f64::INFINITY, y);
        }
        if x == 0.0 && y == 0.0 {
            return complex(0.0, y);
        }
        let t = ((x.abs() + self.abs()) * 0.5).sqrt();
        if x >= 0.0 { complex(t, y / (2.0 * t)) } else { complex(y.abs() / (2.0 * t), t.copysign(y)) }
    }

    /// `1 / sqrt(z)`.
    pub fn rsqrt(self) -> Complex {
        self.sqrt().reciprocal()
    }

    /// The sine.
    pub fn sin(self) -> Complex {
        let (x, y) = (self.re, self.im);
        complex(product(sin(x), cosh(y)), product(cos(x), sinh(y)))
    }

    /// The cosine.
    pub fn cos(self) -> Complex {
        let (x, y) = (self.re, self.im);
        complex(product(cos(x), cosh(y)), -product(sin(x), sinh(y)))
    }

    /// The tangent: `(sin x cos x + i sinh y cosh y) / (cos^2 x + sinh^2 y)`.
    pub fn tan(self) -> Complex {
        let (x, y) = (self.re, self.im);
        let (s, c) = (sin(x), cos(x));
        if y.abs() > 20.0 {
            // Both sinh and cosh are half an exponential, and the cosine is nothing beside them.
            return complex(product(exp(-2.0 * y.abs()), 4.0 * s * c), 1f64.copysign(y));
        }
        let (p, q) = (sinh(y), cosh(y));
        let below = c * c + p * p;
        complex(s * c / below, p * q / below)
    }

    /// The hyperbolic sine.
    pub fn sinh(self) -> Complex {
        self.turned().sin().turned_back()
    }

    /// The hyperbolic cosine.
    pub fn cosh(self) -> Complex {
        self.turned().cos()
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Complex {
        self.turned().tan().turned_back()
    }

    /// `sqrt(1 - z)` and `sqrt(1 + z)`, of which W. Kahan makes the inverse functions ("Branch cuts for complex
    /// elementary functions", 1987).
    fn roots(self) -> (Complex, Complex) {
        (complex(1.0 - self.re, -self.im).sqrt(), complex(1.0 + self.re, self.im).sqrt())
    }

    /// The inverse sine.
    pub fn asin(self) -> Complex {
        let (below, above) = self.roots();
        let re = atan2(self.re, (below * above).re);
        complex(re, asinh((below.conj() * above).im))
    }

    /// The inverse cosine.
    pub fn acos(self) -> Complex {
        let (below, above) = self.roots();
        complex(2.0 * atan2(below.re, above.re), asinh((above.conj() * below).im))
    }

    /// The inverse hyperbolic cosine.
    pub fn acosh(self) -> Complex {
        let (below, above) = (complex(self.re - 1.0, self.im).sqrt(), complex(self.re + 1.0, self.im).sqrt());
        complex(asinh((below.conj() * above).re), 2.0 * atan2(below.im, above.re))
    }

    /// The inverse hyperbolic sine.
    pub fn asinh(self) -> Complex {
        self.turned().asin().turned_back()
    }

    /// The inverse hyperbolic tangent.
    pub fn atanh(self) -> Complex {
        let (x, y) = (self.re.abs(), self.im);
        if !self.is_finite() && !self.is_nan() {
            return complex(0f64.copysign(self.re), FRAC_PI_2.copysign(y));
        }
        let re = 0.25 * log1p(4.0 * x / ((1.0 - x) * (1.0 - x) + y * y));
        complex(re.copysign(self.re), 0.5 * atan2(2.0 * y, (1.0 - x) * (1.0 + x) - y * y))
    }

    /// The inverse tangent.
    pub fn atan(self) -> Complex {
        self.turned().atanh().turned_back()
    }

    /// `a^b`: small whole exponents by squaring, others as `e^(b ln a)`. `a^0` is 1, `0^b` is 0 if the real part of `b` is
    /// positive and NaN otherwise.
    pub fn pow(self, b: Complex) -> Complex {
        if b == Complex::ZERO {
            return Complex::ONE;
        }
        if self == Complex::ZERO {
            return if b.re > 0.0 { Complex::ZERO } else { complex(f64::NAN, f64::NAN) };
        }
        if b.im == 0.0 && b.re.abs() <= 64.0 && b.re.fract() == 0.0 {
            let mut left = b.re.abs() as u32;
            let (mut base, mut out) = (self, Complex::ONE);
            while left > 0 {
                if left & 1 == 1 {
                    out = out * base;
                }
                left >>= 1;
                if left > 0 {
                    base = base * base;
                }
            }
            if out.is_finite() {
                return if b.re < 0.0 { out.reciprocal() } else { out };
            }
        }
        (b * self.log()).exp()
    }

    /// The principal `ln(e^a + e^b)`.
    pub fn log_add_exp(self, b: Complex) -> Complex {
        if self.is_nan() || b.is_nan() {
            return complex(f64::NAN, f64::NAN);
        }
        let larger = if self.re < b.re { b } else { self };
        let top = larger.re;
        if top.is_infinite() {
            return larger;
        }
        let sum = complex(self.re - top, self.im).exp() + complex(b.re - top, b.im).exp();
        complex(top + sum.ln_abs(), sum.arg())
    }
}

/// `a < b`: by the real parts, where those are equal by the imaginary ones. Nothing is less than a number with a NaN in it,
/// and that is less than nothing.
pub fn less([a, p]: [f32; 2], [b, q]: [f32; 2]) -> bool {
    !p.is_nan() && !q.is_nan() && (a < b || a == b && p < q)
}

/// `a == b`.
pub fn equal([a, p]: [f32; 2], [b, q]: [f32; 2]) -> bool {
    a == b && p == q
}

/// Whether a part is NaN.
pub fn is_nan([a, p]: [f32; 2]) -> bool {
    a.is_nan() || p.is_nan()
}

/// The greater one: `b` if they are equal; the first with a NaN in it if there is one.
pub fn maximum(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    if is_nan(a) || less(b, a) { a } else { b }
}

/// The lesser one, likewise.
pub fn minimum(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    if is_nan(a) || less(a, b) { a } else { b }
}

/// A number whose order is that of complex numbers as [`less`] says, zeros of both signs equal and everything with a NaN
/// behind the rest: what sorts and searches compare.
pub fn key(z: [f32; 2]) -> u64 {
    if is_nan(z) {
        return u64::MAX;
    }
    let part = |x: f32| {
        // Of -0 the sum is +0.
        let bits = (x + 0.0).to_bits();
        u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
    };
    part(z[0]) << 32 | part(z[1])
}

/// How two numbers are ordered, for [`lines`].
fn order(a: [f32; 2], b: [f32; 2]) -> Ordering {
    key(a).cmp(&key(b))
}
