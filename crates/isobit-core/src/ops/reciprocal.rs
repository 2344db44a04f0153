//! Reciprocal.

use crate::array::Array;
use crate::error::Result;

/// Element-wise `1 / a`.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// Minus the square of the result, times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, -4.0], &[2])?;
/// assert_eq!(ops::reciprocal(&a)?.to_vec::<f32>()?, [0.5, -0.25]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn reciprocal(a: &Array) -> Result<Array> {
    let a = super::astype(a, a.dtype().at_least_float())?;
    super::divide(&super::constant(&a, 1.0), &a)
}
