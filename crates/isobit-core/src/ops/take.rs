//! Slices along one axis, at the indices of an array.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::resolve_axis;

/// The slices of `a` along `axis` at `indices`; without an axis, elements of the flattened array.
///
/// # Shapes
/// That of `a` with the axis replaced by the axes of `indices`.
///
/// # Dtypes
/// That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped.
///
/// # Gradients
/// The cotangent, added into zeros at the same places. None for indices.
///
/// # Errors
/// An axis out of range, indices that are not integers, an empty axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[3, 2])?;
/// let indices = Array::from_slice(&[2i32, 0], &[2])?;
/// assert_eq!(ops::take(&a, &indices, 0)?.to_vec::<i32>()?, [5, 6, 1, 2]);
/// assert_eq!(ops::take(&a, &indices, None)?.to_vec::<i32>()?, [3, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn take(a: &Array, indices: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    let Some(axis) = axis.into() else {
        return take(&super::reshape(a, &[-1])?, indices, 0);
    };
    let d = resolve_axis("take", axis, a.ndim())?;
    super::gather::require_integer("take", indices)?;
    if a.shape()[d] == 0 && indices.size() > 0 {
        return Err(Error::index("take", format!("axis {axis} is empty: there is nothing to take from")));
    }
    let mut sizes = a.spec().shape.clone();
    sizes[d] = 1;
    let out = super::gather(a, std::slice::from_ref(indices), &[d as isize], &sizes)?;
    // The indices' axes lead; they belong where the axis was.
    let lead = indices.ndim();
    let out = super::squeeze(&out, (lead + d) as isize)?;
    let order: Vec<isize> = (lead..lead + d).chain(0..lead).chain(lead + d..out.ndim()).map(|x| x as isize).collect();
    super::transpose(&out, order.as_slice())
}
