//! Sine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise sine of an angle in radians.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `cos(a)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::sin(&a)?.to_vec::<f32>()?, [0.0, 0.84147096]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sin(a: &Array) -> Result<Array> {
    super::unary_float(Sin, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`sin`].
    Sin, "sin", 1, super::require_inexact,
    |_, x, _, t| super::multiply(t, &super::cos(&x[0])?).map(Some),
    [
        Case::elementwise(Sin, &[Domain::Real(-7.0, 7.0)]),
        Case::analytic(Sin, &[(0.1, 3.0)]),
    ]
    .concat(),
);
