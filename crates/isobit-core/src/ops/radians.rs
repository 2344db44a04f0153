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
pub fn radians(a: &Array) -> Result<Array> {
    let a = super::astype(a, a.dtype().at_least_float())?;
    super::multiply(&a, &super::constant(&a, std::f64::consts::PI / 180.0))
}
