//! Products of vectors: inner, outer, along an axis, Kronecker.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::resolve_axis;

/// The sum of products over the last axes of both arrays; with a scalar, the product.
///
/// # Shapes
/// `a` without its last axis, followed by `b` without its last axis.
///
/// # Errors
/// Last axes of different sizes.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0], &[3])?;
/// let b = Array::from_slice(&[4.0f32, 5.0, 6.0], &[3])?;
/// assert_eq!(ops::inner(&a, &b)?.to_vec::<f32>()?, [32.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn inner(a: &Array, b: &Array) -> Result<Array> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return super::multiply(a, b);
    }
    super::tensordot(a, b, &[-1], &[-1])
}

/// Every element of `a` times every element of `b`.
///
/// # Shapes
/// `[a.size, b.size]`
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let b = Array::from_slice(&[3.0f32, 4.0], &[2])?;
/// assert_eq!(ops::outer(&a, &b)?.to_vec::<f32>()?, [3.0, 4.0, 6.0, 8.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn outer(a: &Array, b: &Array) -> Result<Array> {
    super::multiply(&super::reshape(a, &[-1, 1])?, &super::reshape(b, &[-1])?)
}

/// The sum of products along one axis, those of `a` conjugated; the arrays are broadcast.
///
/// # Errors
/// An axis out of range, axes of different sizes, shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let b = Array::from_slice(&[3.0f32, 4.0], &[2])?;
/// assert_eq!(ops::vecdot(&a, &b, -1)?.to_vec::<f32>()?, [11.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn vecdot(a: &Array, b: &Array, axis: isize) -> Result<Array> {
    let (n, m) = (a.dim(axis)?, b.dim(axis)?);
    if n != m {
        return Err(Error::value("vecdot", format!("expected axes of one size, got {n} and {m}")));
    }
    super::sum(&super::multiply(&super::conj(a)?, b)?, axis, false)
}

/// The Kronecker product: each element of `a` times the whole of `b`.
///
/// # Shapes
/// The product of the sizes, axis by axis; missing leading axes count as 1.
///
/// # Errors
/// An array without elements.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let b = Array::from_slice(&[1.0f32, 10.0], &[2])?;
/// assert_eq!(ops::kron(&a, &b)?.to_vec::<f32>()?, [1.0, 10.0, 2.0, 20.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn kron(a: &Array, b: &Array) -> Result<Array> {
    if a.size() == 0 || b.size() == 0 {
        return Err(Error::value("kron", format!("expected elements, got shapes {:?} and {:?}", a.shape(), b.shape())));
    }
    let n = a.ndim().max(b.ndim());
    let padded = |x: &Array| -> Vec<isize> {
        let ones = std::iter::repeat_n(1, n - x.ndim());
        ones.chain(x.shape().iter().map(|&d| d as isize)).collect()
    };
    let (p, q) = (padded(a), padded(b));
    let outer: Vec<isize> = p.iter().flat_map(|&d| [d, 1]).collect();
    let inner: Vec<isize> = q.iter().flat_map(|&d| [1, d]).collect();
    let all = super::multiply(&super::reshape(a, &outer)?, &super::reshape(b, &inner)?)?;
    let shape: Vec<isize> = p.iter().zip(&q).map(|(x, y)| x * y).collect();
    super::reshape(&all, &shape)
}

/// Differences of neighbours along an axis, `n` times over.
///
/// # Shapes
/// `n` less along `axis`, at least 0.
///
/// # Errors
/// An axis out of range, a scalar.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 4, 9, 16], &[4])?;
/// assert_eq!(ops::diff(&a, 1, -1)?.to_vec::<i32>()?, [3, 5, 7]);
/// assert_eq!(ops::diff(&a, 2, -1)?.to_vec::<i32>()?, [2, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn diff(a: &Array, n: usize, axis: isize) -> Result<Array> {
    let axis = resolve_axis("diff", axis, a.ndim())?;
    let mut a = a.clone();
    for _ in 0..n {
        let size = a.shape()[axis];
        let part = |from: usize, to: usize| {
            let mut start = vec![0isize; a.ndim()];
            let mut stop: Vec<isize> = a.shape().iter().map(|&d| d as isize).collect();
            (start[axis], stop[axis]) = (from as isize, to as isize);
            super::slice(&a, &start, &stop, &vec![1; a.ndim()])
        };
        let (low, high) = (part(0, size.saturating_sub(1))?, part(size.min(1), size)?);
        a = if a.dtype() == crate::Dtype::Bool {
            super::not_equal(&high, &low)?
        } else {
            super::subtract(&high, &low)?
        };
    }
    Ok(a)
}

/// How many elements are not zero.
///
/// # Dtypes
/// int32
///
/// # Errors
/// Axes out of range or named twice.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0i32, 3, 0, 5], &[4])?;
/// assert_eq!(ops::count_nonzero(&a, .., false)?.to_vec::<i32>()?, [2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn count_nonzero(a: &Array, axes: impl Into<crate::Axes>, keepdims: bool) -> Result<Array> {
    super::sum(&super::not_equal(a, &super::constant(a, 0.0))?, axes, keepdims)
}
