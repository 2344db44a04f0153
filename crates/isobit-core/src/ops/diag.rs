//! Diagonals: taken, made, summed.

use super::eye::diagonal_region;
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::{checked_size, resolve_axis};

/// Diagonal `offset` of the matrices spanned by `axis1` and `axis2`, as a last axis. A view of a contiguous array.
///
/// # Gradients
/// The cotangent on the diagonal, zeros elsewhere.
///
/// # Errors
/// Fewer than two axes, axes out of range or equal.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3])?;
/// assert_eq!(ops::diagonal(&a, 1, 0, 1)?.to_vec::<i32>()?, [2, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn diagonal(a: &Array, offset: isize, axis1: isize, axis2: isize) -> Result<Array> {
    let (i, j) = (resolve_axis("diagonal", axis1, a.ndim())?, resolve_axis("diagonal", axis2, a.ndim())?);
    if i == j {
        return Err(Error::value("diagonal", format!("expected two different axes, got {axis1} and {axis2}")));
    }
    let (n, m) = (a.shape()[i], a.shape()[j]);
    let mut order: Vec<isize> = (0..a.ndim()).filter(|&d| d != i && d != j).map(|d| d as isize).collect();
    order.extend([i as isize, j as isize]);
    let moved = super::transpose(a, order.as_slice())?;
    let mut shape = super::broadcast::signed(&moved.shape()[..a.ndim() - 2]);
    shape.push((n * m) as isize);
    let flat = super::reshape(&moved, &shape)?;
    let mut region = diagonal_region(n, m, offset);
    for &size in flat.shape()[..a.ndim() - 2].iter().rev() {
        region = region.batched(size);
    }
    super::slice::slice_region(&flat, region)
}

/// Diagonal `k` of a matrix, or the square matrix with a vector as diagonal `k`.
///
/// # Gradients
/// The cotangent's diagonal, or the cotangent on the diagonal.
///
/// # Errors
/// Anything but a vector or a matrix.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::diag(&a, 0)?.to_vec::<i32>()?, [1, 4]);
/// assert_eq!(ops::diag(&ops::diag(&a, 0)?, 0)?.to_vec::<i32>()?, [1, 0, 0, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn diag(a: &Array, k: isize) -> Result<Array> {
    match a.ndim() {
        2 => diagonal(a, k, 0, 1),
        1 => {
            let n = checked_size("diag", &[a.size() + k.unsigned_abs()], a.dtype().size())?;
            checked_size("diag", &[n, n], a.dtype().size())?;
            let flat = super::zeros(&[n * n], a.dtype())?;
            let out = super::slice_update::update_region(&flat, a, diagonal_region(n, n, k))?;
            super::reshape(&out, &[n as isize, n as isize])
        }
        n => Err(Error::value("diag", format!("expected a vector or a matrix, got {n} dimensions"))),
    }
}

/// The sum of diagonal `offset` of the matrices spanned by `axis1` and `axis2`.
///
/// # Dtypes
/// `dtype`, or that of a [`sum`](super::sum()).
///
/// # Errors
/// As [`diagonal`].
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::trace(&a, 0, 0, 1, None)?.to_vec::<i32>()?, [5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn trace(a: &Array, offset: isize, axis1: isize, axis2: isize, dtype: impl Into<Option<Dtype>>) -> Result<Array> {
    let d = diagonal(a, offset, axis1, axis2)?;
    let d = match dtype.into() {
        Some(dtype) => return super::astype(&super::sum(&super::astype(&d, dtype)?, -1, false)?, dtype),
        None => d,
    };
    super::sum(&d, -1, false)
}
