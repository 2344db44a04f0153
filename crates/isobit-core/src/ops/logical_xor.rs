//! Exclusive or.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// Whether exactly one of two elements is not 0.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any; the result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn logical_xor(a: &Array, b: &Array) -> Result<Array> {
    super::bitwise_xor(&super::astype(a, Dtype::Bool)?, &super::astype(b, Dtype::Bool)?)
}
