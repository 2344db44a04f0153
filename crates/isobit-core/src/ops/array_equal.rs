//! Equality of whole arrays.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// Whether both arrays have one shape and equal elements: a 0-dimensional bool. NaN equals NaN if `equal_nan`.
///
/// # Dtypes
/// Any, compared in their common dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::array_equal(&a, &a, false)?.to_vec::<bool>()?, [true]);
/// assert_eq!(ops::array_equal(&a, &ops::negative(&a)?, false)?.to_vec::<bool>()?, [false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn array_equal(a: &Array, b: &Array, equal_nan: bool) -> Result<Array> {
    if a.shape() != b.shape() {
        return Ok(Array::scalar(false, Dtype::Bool));
    }
    let mut same = super::equal(a, b)?;
    if equal_nan {
        same = super::logical_or(&same, &super::logical_and(&super::isnan(a)?, &super::isnan(b)?)?)?;
    }
    super::all(&same, .., false)
}
