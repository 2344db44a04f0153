//! Quotient and remainder.

use crate::array::Array;
use crate::error::Result;

/// `a // b` and `a % b`: [`floor_divide`](super::floor_divide()) and [`remainder`](super::remainder()).
///
/// # Shapes
/// Broadcast together.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn divmod(a: &Array, b: &Array) -> Result<(Array, Array)> {
    Ok((super::floor_divide(a, b)?, super::remainder(a, b)?))
}
