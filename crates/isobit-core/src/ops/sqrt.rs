//! Square root.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise square root; NaN for negative numbers.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over twice the result.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[4.0f32, 2.0], &[2])?;
/// assert_eq!(ops::sqrt(&a)?.to_vec::<f32>()?, [2.0, std::f32::consts::SQRT_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sqrt(a: &Array) -> Result<Array> {
    super::unary_float(Sqrt, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`sqrt`].
    Sqrt, "sqrt", 1, super::require_inexact,
    |_, _, out, t| super::divide(t, &super::add(out, out)?).map(Some),
    [
        Case::elementwise(Sqrt, &[Domain::Real(0.1, 4.0)]),
        Case::analytic(Sqrt, &[(0.3, 2.0)]),
    ]
    .concat(),
);
