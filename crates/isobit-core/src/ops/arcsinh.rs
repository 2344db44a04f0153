//! Inverse hyperbolic sine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse hyperbolic sine.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `sqrt(a^2 + 1)`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::arcsinh(&a)?.to_vec::<f32>()?, [0.0, 0.88137358]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arcsinh(a: &Array) -> Result<Array> {
    super::unary_float(Arcsinh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arcsinh`].
    Arcsinh, "arcsinh", 1, super::require_inexact,
    |_, x, _, t| {
        let slope = super::rsqrt(&super::add(&super::square(&x[0])?, &super::constant(t, 1.0))?)?;
        super::multiply(t, &slope).map(Some)
    },
    [
        Case::elementwise(Arcsinh, &[Domain::Real(-3.0, 3.0)]),
        Case::analytic(Arcsinh, &[(0.3, 2.0)]),
    ]
    .concat(),
);
