//! Quotient and remainder.

use crate::array::Array;
use crate::error::Result;

/// `a // b` and `a % b`: [`floor_divide`](super::floor_divide()) and [`remainder`](super::remainder()).
///
/// # Shapes
/// Broadcast together.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[7i32, -7], &[2])?;
/// let b = Array::from_slice(&[2i32, 2], &[2])?;
/// let (quotient, rest) = ops::divmod(&a, &b)?;
/// assert_eq!(quotient.to_vec::<i32>()?, [3, -4]);
/// assert_eq!(rest.to_vec::<i32>()?, [1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn divmod(a: &Array, b: &Array) -> Result<(Array, Array)> {
    Ok((super::floor_divide(a, b)?, super::remainder(a, b)?))
}
