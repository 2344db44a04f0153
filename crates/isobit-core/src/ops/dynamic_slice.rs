//! Blocks whose place is an array.

use crate::array::{Array, Index};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::resolve_axis;

/// For every axis the positions of a block, shaped so that together they broadcast to it. Along `axes` it begins at
/// `start`, moved so that it fits.
fn places(op: &'static str, a: &Array, start: &Array, axes: &[isize], block: &[usize]) -> Result<Vec<Index>> {
    if block.len() != a.ndim() || block.iter().zip(a.shape()).any(|(n, m)| n > m) {
        let shape = a.shape();
        return Err(Error::value(op, format!("a block of shape {block:?} does not fit in shape {shape:?}")));
    }
    if start.size() != axes.len() || start.ndim() > 1 || !start.dtype().is_integer() {
        let (n, shape, dtype) = (axes.len(), start.shape(), start.dtype());
        return Err(Error::value(op, format!("expected {n} integer start indices, got {dtype} {shape:?}")));
    }
    let start = super::reshape(&super::astype(start, Dtype::I64)?, &[-1])?;
    let mut begins: Vec<Option<Array>> = vec![None; a.ndim()];
    for (i, &axis) in axes.iter().enumerate() {
        let d = resolve_axis(op, axis, a.ndim())?;
        if begins[d].is_some() {
            return Err(Error::value(op, format!("expected distinct axes, got {axes:?}")));
        }
        let last = Array::scalar((a.shape()[d] - block[d]) as i64, Dtype::I64);
        let begin = super::take_index(&start, i, 0)?;
        begins[d] = Some(super::clip(&begin, Some(&Array::scalar(0i64, Dtype::I64)), Some(&last))?);
    }
    let index = |(d, begin): (usize, Option<Array>)| -> Result<Index> {
        let mut at = super::arange(0, block[d], 1, Dtype::I64)?;
        if let Some(begin) = begin {
            at = super::add(&at, &begin)?;
        }
        let mut column = vec![1isize; a.ndim()];
        column[d] = -1;
        Ok(Index::Array(super::reshape(&at, &column)?))
    };
    begins.into_iter().enumerate().map(index).collect()
}

/// The block of shape `block` that begins at `start` along `axes` and at 0 along the others; moved so that it fits.
///
/// # Gradients
/// The cotangent in the block's place, zeros elsewhere.
///
/// # Errors
/// A block that does not fit, start indices that are not integers, axes out of range or named twice.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// let start = Array::from_slice(&[1i32], &[1])?;
/// assert_eq!(ops::dynamic_slice(&a, &start, &[0], &[2])?.to_vec::<i32>()?, [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn dynamic_slice(a: &Array, start: &Array, axes: &[isize], block: &[usize]) -> Result<Array> {
    a.index(places("slice", a, start, axes, block)?)
}

/// `a` with `update` in the place of [`dynamic_slice`].
///
/// # Errors
/// As [`dynamic_slice`].
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// let update = Array::from_slice(&[8i32, 9], &[2])?;
/// let start = Array::from_slice(&[1i32], &[1])?;
/// assert_eq!(ops::dynamic_slice_update(&a, &update, &start, &[0])?.to_vec::<i32>()?, [1, 8, 9, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn dynamic_slice_update(a: &Array, update: &Array, start: &Array, axes: &[isize]) -> Result<Array> {
    a.at(places("slice_update", a, start, axes, update.shape())?).set(update)
}
