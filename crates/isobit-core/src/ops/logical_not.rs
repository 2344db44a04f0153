//! Negation.

use crate::array::Array;
use crate::error::Result;

/// Whether each element is 0 (or false).
///
/// # Dtypes
/// Any; the result is bool. A NaN is not 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 2.0], &[2])?;
/// assert_eq!(ops::logical_not(&a)?.to_vec::<bool>()?, [true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logical_not(a: &Array) -> Result<Array> {
    super::equal(a, &super::constant(a, 0.0))
}
