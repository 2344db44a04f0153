//! Complex numbers by the definitions of their functions: logarithms and exponentials.

use std::cmp::Ordering;

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct C {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

/// A number from its parts.
pub const fn c(re: f64, im: f64) -> C {
    C { re, im }
}

/// The imaginary unit.
const I: C = c(0.0, 1.0);
const ONE: C = c(1.0, 0.0);

impl std::ops::Add for C {
    type Output = C;
    fn add(self, b: C) -> C {
        c(self.re + b.re, self.im + b.im)
    }
}
impl std::ops::Sub for C {
    type Output = C;
    fn sub(self, b: C) -> C {
        c(self.re - b.re, self.im - b.im)
    }
}
impl std::ops::Mul for C {
    type Output = C;
    fn mul(self, b: C) -> C {
        c(self.re * b.re - self.im * b.im, self.re * b.im + self.im * b.re)
    }
}
impl std::ops::Div for C {
    type Output = C;
    fn div(self, b: C) -> C {
        let n = b.re * b.re + b.im * b.im;
        let top = self * b.conj();
        c(top.re / n, top.im / n)
    }
}
impl std::ops::Neg for C {
    type Output = C;
    fn neg(self) -> C {
        c(-self.re, -self.im)
    }
}

impl C {
    /// The conjugate.
    pub fn conj(self) -> C {
        c(self.re, -self.im)
    }

    /// The magnitude.
    pub fn abs(self) -> f64 {
        libm::hypot(self.re, self.im)
    }

    /// The number over its magnitude.
    pub fn sign(self) -> C {
        let r = self.abs();
        if r == 0.0 { self } else { c(self.re / r, self.im / r) }
    }

    /// `e^z`.
    pub fn exp(self) -> C {
        let r = libm::exp(self.re);
        c(r * libm::cos(self.im), r * libm::sin(self.im))
    }

    /// The principal logarithm.
    pub fn ln(self) -> C {
        c(libm::log(self.abs()), libm::atan2(self.im, self.re))
    }

    /// The logarithm to a base.
    pub fn log(self, base: f64) -> C {
        let z = self.ln();
        c(z.re / libm::log(base), z.im / libm::log(base))
    }

    /// `ln(1 + z)`.
    pub fn log1p(self) -> C {
        (ONE + self).ln()
    }

    /// The principal square root, by magnitude and angle.
    pub fn sqrt(self) -> C {
        let (r, half) = (self.abs().sqrt(), libm::atan2(self.im, self.re) / 2.0);
        c(r * libm::cos(half), r * libm::sin(half))
    }

    /// `1 / sqrt(z)`.
    pub fn rsqrt(self) -> C {
        ONE / self.sqrt()
    }

    /// `a^b`.
    pub fn pow(self, b: C) -> C {
        if b == c(0.0, 0.0) {
            return ONE;
        }
        if self == c(0.0, 0.0) {
            return if b.re > 0.0 { self * self } else { c(f64::NAN, f64::NAN) };
        }
        (b * self.ln()).exp()
    }

    /// The hyperbolic sine.
    pub fn sinh(self) -> C {
        (self.exp() - (-self).exp()) * c(0.5, 0.0)
    }

    /// The hyperbolic cosine.
    pub fn cosh(self) -> C {
        (self.exp() + (-self).exp()) * c(0.5, 0.0)
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> C {
        self.sinh() / self.cosh()
    }

    /// The sine.
    pub fn sin(self) -> C {
        -I * (I * self).sinh()
    }

    /// The cosine.
    pub fn cos(self) -> C {
        (I * self).cosh()
    }

    /// The tangent.
    pub fn tan(self) -> C {
        self.sin() / self.cos()
    }

    /// The inverse sine.
    pub fn asin(self) -> C {
        -I * (I * self + (ONE - self * self).sqrt()).ln()
    }

    /// The inverse cosine.
    pub fn acos(self) -> C {
        c(std::f64::consts::FRAC_PI_2, 0.0) - self.asin()
    }

    /// The inverse tangent.
    pub fn atan(self) -> C {
        -I * (I * self).atanh()
    }

    /// The inverse hyperbolic sine.
    pub fn asinh(self) -> C {
        (self + (self * self + ONE).sqrt()).ln()
    }

    /// The inverse hyperbolic cosine.
    pub fn acosh(self) -> C {
        (self + (self - ONE).sqrt() * (self + ONE).sqrt()).ln()
    }

    /// The inverse hyperbolic tangent.
    pub fn atanh(self) -> C {
        ((ONE + self).ln() - (ONE - self).ln()) * c(0.5, 0.0)
    }

    /// The principal `ln(e^a + e^b)`.
    pub fn logaddexp(self, b: C) -> C {
        (self.exp() + b.exp()).ln()
    }

    /// Whether a part is NaN.
    pub fn is_nan(self) -> bool {
        self.re.is_nan() || self.im.is_nan()
    }

    /// By real parts, then by imaginary ones; nothing with a NaN is ordered.
    pub fn order(self, b: C) -> Option<Ordering> {
        if self.is_nan() || b.is_nan() {
            return None;
        }
        match self.re.partial_cmp(&b.re) {
            Some(Ordering::Equal) => self.im.partial_cmp(&b.im),
            other => other,
        }
    }

    /// Whether it comes before `b`.
    pub fn less(self, b: C) -> bool {
        self.order(b) == Some(Ordering::Less)
    }

    /// The larger one, or the first with a NaN; `b` if they are equal.
    pub fn maximum(self, b: C) -> C {
        if self.is_nan() || b.less(self) { self } else { b }
    }

    /// The smaller one, likewise.
    pub fn minimum(self, b: C) -> C {
        if self.is_nan() || self.less(b) { self } else { b }
    }

    /// The larger one, or the first with a NaN; `self` if they are equal.
    pub fn larger(self, b: C) -> C {
        if !self.is_nan() && (b.is_nan() || self.less(b)) { b } else { self }
    }

    /// The smaller one, likewise.
    pub fn smaller(self, b: C) -> C {
        if !self.is_nan() && (b.is_nan() || b.less(self)) { b } else { self }
    }
}
