//! Arithmetic mean.

use super::sum::{accumulator, sum_wide};
use crate::array::Array;
use crate::error::Result;
use crate::spec::Axes;

/// The mean over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Floats; integers and bools are converted to float32 first. Half precision is summed and divided in float32 and
/// rounded once.
///
/// # Gradients
/// The cotangent over the number of elements, repeated.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::mean(&a, 1, false)?.to_vec::<f32>()?, [2.0, 3.0]);
/// assert_eq!(ops::mean(&a, 1, true)?.shape(), [2, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn mean(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("mean", a.ndim())?;
    let dtype = a.dtype().at_least_float();
    super::astype(&mean_wide(&super::astype(a, dtype)?, &axes, keepdims)?, dtype)
}

/// [`mean`] of floats, in the dtype in which it was accumulated.
pub(crate) fn mean_wide(a: &Array, axes: &[usize], keepdims: bool) -> Result<Array> {
    let count: usize = axes.iter().map(|&d| a.shape()[d]).product();
    let count = Array::scalar(count as f64, accumulator(a.dtype()));
    super::divide(&sum_wide(a, axes, keepdims)?, &count)
}
