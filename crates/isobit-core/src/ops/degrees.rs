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
pub fn degrees(a: &Array) -> Result<Array> {
    let a = super::astype(a, a.dtype().at_least_float())?;
    super::multiply(&a, &super::constant(&a, 180.0 / std::f64::consts::PI))
}
