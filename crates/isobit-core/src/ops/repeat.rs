//! Elements or whole arrays, several times over.

use super::broadcast::signed;
use crate::array::Array;
use crate::error::Result;
use crate::spec::{Shape, checked_size, resolve_axis};

/// Every slice along `axis`, `repeats` times in a row; without an axis, every element of the flattened array.
///
/// # Gradients
/// The cotangent summed over the repetitions.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// assert_eq!(ops::repeat(&a, 2, 0)?.to_vec::<i32>()?, [1, 1, 2, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn repeat(a: &Array, repeats: usize, axis: impl Into<Option<isize>>) -> Result<Array> {
    let Some(axis) = axis.into() else {
        return repeat(&super::reshape(a, &[-1])?, repeats, 0);
    };
    let d = resolve_axis("repeat", axis, a.ndim())?;
    if repeats == 1 {
        return Ok(a.clone());
    }
    let mut shape = a.spec().shape.clone();
    checked_size("repeat", &[a.size(), repeats], a.dtype().size())?;
    shape.insert(d + 1, repeats);
    let out = super::broadcast_to(&super::expand_dims(a, d as isize + 1)?, &shape)?;
    let n = shape.remove(d + 1);
    shape[d] *= n;
    super::reshape(&out, &signed(&shape))
}

/// `a` side by side with itself, `reps[d]` times along axis `d`; axes are added in front of the shorter of the two.
///
/// # Gradients
/// The cotangent summed over the repetitions.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// assert_eq!(ops::tile(&a, &[2])?.to_vec::<i32>()?, [1, 2, 1, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tile(a: &Array, reps: &[usize]) -> Result<Array> {
    let n = a.ndim().max(reps.len());
    let (mut one, mut many, mut out) = (Shape::new(), Shape::new(), Shape::new());
    for d in 0..n {
        let size = if d + a.ndim() >= n { a.shape()[d + a.ndim() - n] } else { 1 };
        let times = if d + reps.len() >= n { reps[d + reps.len() - n] } else { 1 };
        checked_size("tile", &[size, times], 1)?;
        one.extend([1, size]);
        many.extend([times, size]);
        out.push(times * size);
    }
    if out.as_slice() == a.shape() {
        return Ok(a.clone());
    }
    let out = signed(&out);
    super::reshape(&super::broadcast_to(&super::reshape(a, &signed(&one))?, &many)?, &out)
}
