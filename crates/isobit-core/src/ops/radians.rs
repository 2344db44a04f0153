//! Degrees as radians.

use crate::array::Array;
use crate::error::Result;

/// Degrees as radians.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent, scaled likewise.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[180.0f32, 0.0], &[2])?;
/// assert_eq!(ops::radians(&a)?.to_vec::<f32>()?, [std::f32::consts::PI, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn radians(a: &Array) -> Result<Array> {
    let a = super::astype(a, a.dtype().at_least_float())?;
    super::multiply(&a, &super::constant(&a, std::f64::consts::PI / 180.0))
}
