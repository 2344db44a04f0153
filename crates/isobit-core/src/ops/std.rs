//! Standard deviation.

use super::var::var_wide;
use crate::array::Array;
use crate::error::Result;
use crate::spec::Axes;

/// The square root of the variance over `axes`; see [`var`](super::var()).
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// As `var`; half precision is rounded once, after the root.
///
/// # Gradients
/// Infinite where the variance is 0.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 5.0], &[2])?;
/// assert_eq!(ops::std(&a, .., false, 0)?.to_vec::<f32>()?, [2.0]);
/// assert_eq!(ops::std(&a, .., false, 1)?.to_vec::<f32>()?, [8.0f32.sqrt()]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn std(a: &Array, axes: impl Into<Axes>, keepdims: bool, ddof: usize) -> Result<Array> {
    let axes = axes.into().resolve("std", a.ndim())?;
    let dtype = a.dtype().at_least_float();
    super::astype(&super::sqrt(&var_wide(&super::astype(a, dtype)?, &axes, keepdims, ddof)?)?, dtype.real())
}
