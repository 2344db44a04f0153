//! Triangles of matrices.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::checked_size;

/// An `n` by `m` matrix with ones on and below diagonal `k`, zeros above.
///
/// # Errors
/// A shape with too many elements.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::tri(2, 3, 0, Dtype::I32)?.to_vec::<i32>()?, [1, 0, 0, 1, 1, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tri(n: usize, m: usize, k: isize, dtype: Dtype) -> Result<Array> {
    super::astype(&lower("tri", n, m, k)?, dtype)
}

/// Whether an element lies on or below diagonal `k`.
fn lower(op: &'static str, n: usize, m: usize, k: isize) -> Result<Array> {
    checked_size(op, &[n, m], 1)?;
    let (n, m) = (n as i64, m as i64);
    let rows = super::arange(k as i64, (k as i64).saturating_add(n), 1i64, Dtype::I64)?;
    let cols = super::arange(0i64, m, 1i64, Dtype::I64)?;
    super::greater_equal(&super::expand_dims(&rows, 1)?, &cols)
}

/// The matrices of the last two axes with zeros above diagonal `k`.
///
/// # Gradients
/// The cotangent with zeros above the diagonal.
///
/// # Errors
/// Fewer than two axes.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::tril(&a, 0)?.to_vec::<i32>()?, [1, 0, 3, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tril(a: &Array, k: isize) -> Result<Array> {
    let (n, m) = matrix("tril", a)?;
    super::where_(&lower("tril", n, m, k)?, a, &super::zeros(&[], a.dtype())?)
}

/// The matrices of the last two axes with zeros below diagonal `k`.
///
/// # Gradients
/// The cotangent with zeros below the diagonal.
///
/// # Errors
/// Fewer than two axes.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::triu(&a, 0)?.to_vec::<i32>()?, [1, 2, 0, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn triu(a: &Array, k: isize) -> Result<Array> {
    let (n, m) = matrix("triu", a)?;
    super::where_(&lower("triu", n, m, k.saturating_sub(1))?, &super::zeros(&[], a.dtype())?, a)
}

fn matrix(op: &'static str, a: &Array) -> Result<(usize, usize)> {
    match a.shape() {
        [.., n, m] => Ok((*n, *m)),
        shape => Err(Error::value(op, format!("expected at least two axes, got shape {shape:?}"))),
    }
}
