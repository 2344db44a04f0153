//! Disjunction.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// Whether at least one of two elements is not 0.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any; the result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn logical_or(a: &Array, b: &Array) -> Result<Array> {
    super::bitwise_or(&super::astype(a, Dtype::Bool)?, &super::astype(b, Dtype::Bool)?)
}
