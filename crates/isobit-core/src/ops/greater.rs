//! Order.

use crate::array::Array;
use crate::error::Result;

/// Whether `a > b`, element by element; false with a NaN.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, compared in their common dtype; the result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let b = Array::from_slice(&[2i32, 2, 2], &[3])?;
/// assert_eq!(ops::greater(&a, &b)?.to_vec::<bool>()?, [false, false, true]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn greater(a: &Array, b: &Array) -> Result<Array> {
    super::less(b, a)
}
