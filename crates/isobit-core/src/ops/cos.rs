//! Cosine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise cosine of an angle in radians.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `-sin(a)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::cos(&a)?.to_vec::<f32>()?, [1.0, 0.54030234]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cos(a: &Array) -> Result<Array> {
    super::unary_float(Cos, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`cos`].
    Cos, "cos", 1, super::require_inexact,
    |_, x, _, t| super::multiply(t, &super::negative(&super::sin(&x[0])?)?).map(Some),
    [
        Case::elementwise(Cos, &[Domain::Real(-7.0, 7.0)]),
        Case::analytic(Cos, &[(0.1, 3.0)]),
    ]
    .concat(),
);
