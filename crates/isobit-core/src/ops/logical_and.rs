//! Conjunction.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// Whether both elements are not 0.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any; the result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn logical_and(a: &Array, b: &Array) -> Result<Array> {
    super::bitwise_and(&super::astype(a, Dtype::Bool)?, &super::astype(b, Dtype::Bool)?)
}
