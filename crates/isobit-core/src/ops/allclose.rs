//! Equality of whole arrays within tolerances.

use crate::array::Array;
use crate::error::Result;

/// Whether all elements are close, see [`isclose`](super::isclose()): a 0-dimensional bool.
///
/// # Shapes
/// Broadcast together.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn allclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    super::all(&super::isclose(a, b, rtol, atol, equal_nan)?, .., false)
}
