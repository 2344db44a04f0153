//! Variance.

use super::mean::mean_wide;
use super::sum::{accumulator, sum_wide};
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::spec::Axes;

/// The variance over `axes` (with `..`, over all): the sum of squared differences from the mean over `n - ddof`.
///
/// Two passes: the mean first, then the squares of the differences; both sums in the order of [`sum`](super::sum()).
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Floats; integers and bools are converted to float32 first. Half precision is computed in float32 and rounded once.
///
/// # Gradients
/// Twice the difference from the mean over `n - ddof`, times the cotangent.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 5.0], &[2])?;
/// assert_eq!(ops::var(&a, .., false, 0)?.to_vec::<f32>()?, [4.0]);
/// assert_eq!(ops::var(&a, .., false, 1)?.to_vec::<f32>()?, [8.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn var(a: &Array, axes: impl Into<Axes>, keepdims: bool, ddof: usize) -> Result<Array> {
    let axes = axes.into().resolve("var", a.ndim())?;
    let dtype = a.dtype().at_least_float();
    super::astype(&var_wide(&super::astype(a, dtype)?, &axes, keepdims, ddof)?, dtype.real())
}

/// [`var`] of floats, in the dtype in which it was accumulated.
pub(crate) fn var_wide(a: &Array, axes: &[usize], keepdims: bool, ddof: usize) -> Result<Array> {
    let wide = accumulator(a.dtype());
    let count: usize = axes.iter().map(|&d| a.shape()[d]).product();
    let difference = super::subtract(&super::astype(a, wide)?, &mean_wide(a, axes, true)?)?;
    // Of complex numbers the squared magnitude.
    let squares = match wide {
        Dtype::C64 => super::real(&super::multiply(&difference, &super::conj(&difference)?)?)?,
        _ => super::square(&difference)?,
    };
    let squares = sum_wide(&squares, axes, keepdims)?;
    super::divide(&squares, &Array::scalar(count.saturating_sub(ddof) as f64, wide.real()))
}
