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
