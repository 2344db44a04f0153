//! Axes run backwards.

use crate::array::Array;
use crate::error::Result;
use crate::spec::Axes;

/// `a` with the order along `axes` reversed; with `..`, along all. A view.
///
/// # Gradients
/// The cotangent, reversed.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::flip(&a, 1)?.to_vec::<i32>()?, [2, 1, 4, 3]);
/// assert_eq!(ops::flip(&a, ..)?.to_vec::<i32>()?, [4, 3, 2, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn flip(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    let axes = axes.into().resolve("flip", a.ndim())?;
    let mut start = vec![0isize; a.ndim()];
    let mut stop = super::broadcast::signed(a.shape());
    let mut step = vec![1isize; a.ndim()];
    for d in axes {
        (start[d], stop[d], step[d]) = (-1, isize::MIN, -1);
    }
    super::slice(a, &start, &stop, &step)
}
