//! Median.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::Axes;

/// The middle element over `axes` (with `..`, over all) in ascending order; of an even number, the mean of the two in
/// the middle. NaN if there is a NaN among them.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Floats; integers and bools are converted to float32.
///
/// # Gradients
/// The cotangent to the element or elements in the middle.
///
/// # Errors
/// Axes out of range or repeated; no elements.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[4.0f32, 1.0, 3.0, 8.0], &[4])?;
/// assert_eq!(ops::median(&a, .., false)?.to_vec::<f32>()?, [3.5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn median(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("median", a.ndim())?;
    let a = super::astype(a, a.dtype().at_least_float())?;
    if axes.is_empty() {
        return Ok(a);
    }
    let count: usize = axes.iter().map(|&d| a.shape()[d]).product();
    if count == 0 {
        return Err(Error::value("median", "expected elements along the reduced axes, got none"));
    }
    let kept: Vec<usize> = (0..a.ndim()).filter(|d| !axes.contains(d)).collect();
    let order: Vec<isize> = kept.iter().chain(&axes).map(|&d| d as isize).collect();
    let mut flat: Vec<isize> = kept.iter().map(|&d| a.shape()[d] as isize).collect();
    flat.push(count as isize);
    let sorted = super::sort(&super::reshape(&super::transpose(&a, order.as_slice())?, &flat)?, -1)?;
    let middle = super::split_at(&sorted, &[((count - 1) / 2) as isize, (count / 2 + 1) as isize], -1)?;
    let out = super::mean(&middle[1], -1, false)?;
    // NaNs are sorted behind everything else.
    let last = super::take_index(&sorted, count - 1, -1)?;
    let out = super::where_(&super::isnan(&last)?, &last, &out)?;
    if !keepdims {
        return Ok(out);
    }
    let shape = super::sum::reduced(&crate::spec::Shape::from_slice(a.shape()), &axes);
    super::reshape(&out, &super::broadcast::signed(&shape))
}
