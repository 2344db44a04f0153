//! The largest elements.

use super::sort::along;
use crate::array::Array;
use crate::error::{Error, Result};

/// The `k` largest elements along `axis`; without an axis, of the flattened array. In no order that a caller should rely
/// on (it is fixed all the same: that of [`partition`](super::partition())). NaNs count as largest.
///
/// # Shapes
/// The input's with `k` along `axis` (without an axis: one axis).
///
/// # Dtypes
/// Any real dtype; the result has the input's.
///
/// # Gradients
/// The cotangent to the elements that were taken.
///
/// # Errors
/// An axis out of range; `k` larger than the axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0], &[3])?;
/// assert_eq!(ops::sort(&ops::topk(&a, 2, 0)?, 0)?.to_vec::<f32>()?, [2.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn topk(a: &Array, k: usize, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, axis) = along("topk", a, axis.into())?;
    let n = a.shape()[axis];
    if k > n {
        return Err(Error::value("topk", format!("expected at most {n} elements of axis {axis}, got k = {k}")));
    }
    if k == n {
        crate::eval::sizes_matter();
        return Ok(a);
    }
    let from = n - k;
    let arranged = if k == 0 { a } else { super::partition(&a, from as isize, axis as isize)? };
    let parts = super::split_at(&arranged, &[from as isize], axis as isize)?;
    Ok(parts[1].clone())
}
