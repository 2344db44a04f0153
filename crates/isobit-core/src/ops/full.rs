//! Constant arrays: a scalar, broadcast.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::Scalar;
use crate::spec::checked_size;

/// An array filled with one value.
///
/// # Shapes
/// `shape`; a view that repeats one element, so it takes no memory.
///
/// # Gradients
/// With respect to an array `value`: the sum of the cotangent.
///
/// # Errors
/// A shape with too many elements.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::full(&[2], 2.5, Dtype::F32)?.to_vec::<f32>()?, [2.5, 2.5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn full(shape: &[usize], value: impl Into<Scalar>, dtype: Dtype) -> Result<Array> {
    checked_size("full", shape, dtype.size())?;
    super::broadcast_to(&Array::scalar(value, dtype), shape)
}

/// An array filled with the elements of another one, broadcast, in `dtype` or that array's own.
///
/// # Errors
/// An array that does not broadcast to `shape`.
pub fn filled(shape: &[usize], value: &Array, dtype: Option<Dtype>) -> Result<Array> {
    checked_size("full", shape, value.dtype().size())?;
    super::broadcast_to(&super::astype(value, dtype.unwrap_or(value.dtype()))?, shape)
}

/// [`full`] with the shape and dtype of `a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// assert_eq!(ops::full_like(&a, 7)?.to_vec::<i32>()?, [7, 7]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn full_like(a: &Array, value: impl Into<Scalar>) -> Result<Array> {
    full(a.shape(), value, a.dtype())
}

/// An array of zeros.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::zeros(&[2], Dtype::I32)?.to_vec::<i32>()?, [0, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn zeros(shape: &[usize], dtype: Dtype) -> Result<Array> {
    full(shape, 0i64, dtype)
}

/// An array of ones.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::ones(&[2], Dtype::F32)?.to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn ones(shape: &[usize], dtype: Dtype) -> Result<Array> {
    full(shape, 1i64, dtype)
}

/// Zeros with the shape and dtype of `a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// assert_eq!(ops::zeros_like(&a)?.to_vec::<i32>()?, [0, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn zeros_like(a: &Array) -> Result<Array> {
    zeros(a.shape(), a.dtype())
}

/// Ones with the shape and dtype of `a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3i32, 2], &[2])?;
/// assert_eq!(ops::ones_like(&a)?.to_vec::<i32>()?, [1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn ones_like(a: &Array) -> Result<Array> {
    ones(a.shape(), a.dtype())
}
