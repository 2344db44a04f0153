//! Hyperbolic sine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise hyperbolic sine.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `cosh(a)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::sinh(&a)?.to_vec::<f32>()?, [0.0, 1.1752012]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sinh(a: &Array) -> Result<Array> {
    super::unary_float(Sinh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`sinh`].
    Sinh, "sinh", 1, super::require_inexact,
    |_, x, _, t| super::multiply(t, &super::cosh(&x[0])?).map(Some),
    [
        Case::elementwise(Sinh, &[Domain::Real(-3.0, 3.0)]),
        Case::analytic(Sinh, &[(0.1, 3.0)]),
    ]
    .concat(),
);
