//! Order.

use crate::array::Array;
use crate::error::Result;

/// Whether `a >= b`, element by element; false with a NaN.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, compared in their common dtype; the result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn greater_equal(a: &Array, b: &Array) -> Result<Array> {
    super::less_equal(b, a)
}
