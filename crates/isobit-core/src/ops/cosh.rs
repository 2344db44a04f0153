//! Hyperbolic cosine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise hyperbolic cosine.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `sinh(a)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::cosh(&a)?.to_vec::<f32>()?, [1.0, 1.5430807]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cosh(a: &Array) -> Result<Array> {
    super::unary_float(Cosh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`cosh`].
    Cosh, "cosh", 1, super::require_inexact,
    |_, x, _, t| super::multiply(t, &super::sinh(&x[0])?).map(Some),
    [
        Case::elementwise(Cosh, &[Domain::Real(-3.0, 3.0)]),
        Case::analytic(Cosh, &[(0.1, 3.0)]),
    ]
    .concat(),
);
