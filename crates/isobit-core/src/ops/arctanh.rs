//! Inverse hyperbolic tangent.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse hyperbolic tangent; NaN outside `[-1, 1]`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `1 - a^2`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 0.5], &[2])?;
/// assert_eq!(ops::arctanh(&a)?.to_vec::<f32>()?, [0.0, 0.54930615]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arctanh(a: &Array) -> Result<Array> {
    super::unary_float(Arctanh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arctanh`].
    Arctanh, "arctanh", 1, super::require_inexact,
    |_, x, _, t| super::divide(t, &super::subtract(&super::constant(t, 1.0), &super::square(&x[0])?)?).map(Some),
    [
        Case::elementwise(Arctanh, &[Domain::Real(-0.9, 0.9)]),
        Case::analytic(Arctanh, &[(0.3, 2.0)]),
    ]
    .concat(),
);
