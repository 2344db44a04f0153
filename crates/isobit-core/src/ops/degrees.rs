//! Radians as degrees.

use crate::array::Array;
use crate::error::Result;

/// Radians as degrees.
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
/// let a = Array::from_slice(&[std::f32::consts::PI, 0.0], &[2])?;
/// assert_eq!(ops::degrees(&a)?.to_vec::<f32>()?, [180.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn degrees(a: &Array) -> Result<Array> {
    let a = super::astype(a, a.dtype().at_least_float())?;
    super::multiply(&a, &super::constant(&a, 180.0 / std::f64::consts::PI))
}
