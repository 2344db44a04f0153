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
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[true, true, false], &[3])?;
/// let b = Array::from_slice(&[true, false, false], &[3])?;
/// assert_eq!(ops::logical_xor(&a, &b)?.to_vec::<bool>()?, [false, true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logical_xor(a: &Array, b: &Array) -> Result<Array> {
    super::bitwise_xor(&super::astype(a, Dtype::Bool)?, &super::astype(b, Dtype::Bool)?)
}
