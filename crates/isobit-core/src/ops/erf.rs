//! Error function.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise error function, `2/sqrt(pi)` times the integral of `e^(-x^2)` from 0 to `a`.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// `2/sqrt(pi) e^(-a^2)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::erf(&a)?.to_vec::<f32>()?, [0.0, 0.8427008]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn erf(a: &Array) -> Result<Array> {
    super::unary_float(Erf, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`erf`].
    Erf, "erf", 1, super::require_float,
    |_, x, _, t| {
        let bell = super::exp(&super::negative(&super::square(&x[0])?)?)?;
        let scale = super::constant(t, std::f64::consts::FRAC_2_SQRT_PI);
        super::multiply(t, &super::multiply(&bell, &scale)?).map(Some)
    },
    Case::elementwise(Erf, &[Domain::Real(-2.5, 2.5)]),
);
