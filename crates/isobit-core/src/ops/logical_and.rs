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
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[true, true, false], &[3])?;
/// let b = Array::from_slice(&[true, false, false], &[3])?;
/// assert_eq!(ops::logical_and(&a, &b)?.to_vec::<bool>()?, [true, false, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logical_and(a: &Array, b: &Array) -> Result<Array> {
    super::bitwise_and(&super::astype(a, Dtype::Bool)?, &super::astype(b, Dtype::Bool)?)
}
