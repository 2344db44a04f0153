//! The two element types.

use faer::traits::ComplexField;
use faer::{Mat, MatRef, c64};
use std::ops::{Div, Mul, Neg, Sub};

/// An element: `f64` or [`c64`].
pub trait Scalar:
    ComplexField<Real = f64> + Copy + Div<Output = Self> + Mul<Output = Self> + Sub<Output = Self> + Neg<Output = Self>
{
    /// Not a number.
    const NAN: Self;
    /// A real number.
    fn real(x: f64) -> Self;
    /// The real part.
    fn re(self) -> f64;
    /// Whether it is neither NaN nor infinite.
    fn finite(self) -> bool;
    /// The magnitude.
    fn magnitude(self) -> f64;
    /// The conjugate.
    fn conjugate(self) -> Self;
    /// What the number has to be multiplied by to become its magnitude: of magnitude 1.
    fn turn(self) -> Self;
    /// Eigenvalues, and eigenvectors if wanted, of a finite square matrix; `None` if the iteration does not converge.
    fn eigen(a: MatRef<'_, Self>, vectors: bool) -> Option<(Vec<c64>, Option<Mat<c64>>)>;
}

impl Scalar for f64 {
    const NAN: f64 = f64::NAN;

    fn real(x: f64) -> f64 {
        x
    }

    fn re(self) -> f64 {
        self
    }

    fn finite(self) -> bool {
        self.is_finite()
    }

    fn magnitude(self) -> f64 {
        self.abs()
    }

    fn conjugate(self) -> f64 {
        self
    }

    fn turn(self) -> f64 {
        if self < 0.0 { -1.0 } else { 1.0 }
    }

    fn eigen(a: MatRef<'_, f64>, vectors: bool) -> Option<(Vec<c64>, Option<Mat<c64>>)> {
        if !vectors {
            return a.eigenvalues().ok().map(|w| (w, None));
        }
        let e = a.eigen().ok()?;
        Some((e.S().column_vector().iter().copied().collect(), Some(e.U().to_owned())))
    }
}

impl Scalar for c64 {
    const NAN: c64 = c64::new(f64::NAN, f64::NAN);

    fn real(x: f64) -> c64 {
        c64::new(x, 0.0)
    }

    fn re(self) -> f64 {
        self.re
    }

    fn finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    fn magnitude(self) -> f64 {
        self.re.hypot(self.im)
    }

    fn conjugate(self) -> c64 {
        self.conj()
    }

    fn turn(self) -> c64 {
        let size = self.magnitude();
        if size == 0.0 { c64::new(1.0, 0.0) } else { c64::new(self.re / size, -self.im / size) }
    }

    fn eigen(a: MatRef<'_, c64>, vectors: bool) -> Option<(Vec<c64>, Option<Mat<c64>>)> {
        if !vectors {
            return a.eigenvalues().ok().map(|w| (w, None));
        }
        let e = a.eigen().ok()?;
        Some((e.S().column_vector().iter().copied().collect(), Some(e.U().to_owned())))
    }
}
