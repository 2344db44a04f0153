//! Elements of the flattened array at any strides.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::checked_size;

/// The elements of the flattened `a` at `offset + sum(index * stride)`: a copy, which may repeat and skip elements.
///
/// # Shapes
/// `shape`, by default that of `a`; strides, by default those of a contiguous array of it, count elements.
///
/// # Gradients
/// The cotangent, added up where elements are repeated.
///
/// # Errors
/// As many strides as there are not axes; elements outside of the array.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// // Windows of two.
/// assert_eq!(ops::as_strided(&a, Some(&[3, 2]), Some(&[1, 1]), 0)?.to_vec::<i32>()?, [1, 2, 2, 3, 3, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn as_strided(a: &Array, shape: Option<&[usize]>, strides: Option<&[isize]>, offset: isize) -> Result<Array> {
    let op = "as_strided";
    let shape = shape.unwrap_or(a.shape());
    let contiguous = crate::layout::contiguous_strides(shape);
    let strides = strides.unwrap_or(&contiguous);
    if strides.len() != shape.len() {
        let (n, got) = (shape.len(), strides.len());
        return Err(Error::value(op, format!("expected {n} strides, got {got}")));
    }
    checked_size(op, shape, a.dtype().size())?;
    if shape.contains(&0) {
        return super::zeros(shape, a.dtype());
    }
    let ends = |wanted: fn(isize) -> bool| -> isize {
        shape.iter().zip(strides).filter(|(_, s)| wanted(**s)).map(|(&n, &s)| (n as isize - 1) * s).sum()
    };
    let (first, last) = (offset + ends(|s| s < 0), offset + ends(|s| s > 0));
    if first < 0 || last >= a.size() as isize {
        let n = a.size();
        return Err(Error::value(op, format!("elements {first} to {last} are not all in an array of {n}")));
    }
    let mut index = Array::scalar(offset as i64, Dtype::I64);
    for (d, (&n, &stride)) in shape.iter().zip(strides).enumerate() {
        let steps = super::arange(0, n, 1, Dtype::I64)?;
        let steps = super::multiply(&steps, &Array::scalar(stride as i64, Dtype::I64))?;
        let mut column = vec![1isize; shape.len() - d];
        column[0] = -1;
        index = super::add(&index, &super::reshape(&steps, &column)?)?;
    }
    super::take(&super::reshape(a, &[-1])?, &index, 0)
}
