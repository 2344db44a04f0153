//! At least so many axes.

use crate::array::Array;
use crate::error::Result;

/// `a`, a scalar as an array of one element.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::scalar(3.0, Dtype::F32);
/// assert_eq!(ops::atleast_1d(&a)?.shape(), [1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn atleast_1d(a: &Array) -> Result<Array> {
    if a.ndim() == 0 { super::reshape(a, &[1]) } else { Ok(a.clone()) }
}

/// `a` with axes of size 1 in front until there are two.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::atleast_2d(&a)?.shape(), [1, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn atleast_2d(a: &Array) -> Result<Array> {
    match a.ndim() {
        0 => super::reshape(a, &[1, 1]),
        1 => super::expand_dims(a, 0),
        _ => Ok(a.clone()),
    }
}

/// `a` with three axes at least: a vector becomes `[1, n, 1]`, a matrix `[m, n, 1]`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::atleast_3d(&a)?.shape(), [1, 2, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn atleast_3d(a: &Array) -> Result<Array> {
    match a.ndim() {
        0 => super::reshape(a, &[1, 1, 1]),
        1 => super::expand_dims(a, [0, 2]),
        2 => super::expand_dims(a, 2),
        _ => Ok(a.clone()),
    }
}
