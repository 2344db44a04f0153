//! Products summed over any axes.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::resolve_axis;

/// The sum of products over `axes_a` of `a` and `axes_b` of `b`, as one matrix product.
///
/// # Shapes
/// The other axes of `a`, then the other axes of `b`.
///
/// # Dtypes
/// As [`matmul`](super::matmul()).
///
/// # Errors
/// Axes out of range, or as many as the other array's or as large as they are not.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[1.0f32, 10.0], &[2])?;
/// assert_eq!(ops::tensordot(&a, &b, &[0], &[0])?.to_vec::<f32>()?, [31.0, 42.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tensordot(a: &Array, b: &Array, axes_a: &[isize], axes_b: &[isize]) -> Result<Array> {
    let op = "tensordot";
    if axes_a.len() != axes_b.len() {
        let (n, m) = (axes_a.len(), axes_b.len());
        return Err(Error::value(op, format!("expected as many axes of either array, got {n} and {m}")));
    }
    let resolve = |list: &[isize], x: &Array| -> Result<Vec<usize>> {
        list.iter().map(|&d| resolve_axis(op, d, x.ndim())).collect()
    };
    let (i, j) = (resolve(axes_a, a)?, resolve(axes_b, b)?);
    let mut summed = 1;
    for (&i, &j) in i.iter().zip(&j) {
        let (n, m) = (a.shape()[i], b.shape()[j]);
        if n != m {
            return Err(Error::value(op, format!("expected axes of one size, got {n} and {m}")));
        }
        summed *= n as isize;
    }
    let rest = |x: &Array, used: &[usize]| (0..x.ndim()).filter(|d| !used.contains(d)).collect::<Vec<_>>();
    let (rest_a, rest_b) = (rest(a, &i), rest(b, &j));
    let signed = |list: &mut dyn Iterator<Item = usize>| list.map(|d| d as isize).collect::<Vec<_>>();
    let order_a = signed(&mut rest_a.iter().chain(&i).copied());
    let order_b = signed(&mut j.iter().chain(&rest_b).copied());
    let (rows, columns): (usize, usize) =
        (rest_a.iter().map(|&d| a.shape()[d]).product(), rest_b.iter().map(|&d| b.shape()[d]).product());
    let left = super::reshape(&super::transpose(a, order_a.as_slice())?, &[rows as isize, summed])?;
    let right = super::reshape(&super::transpose(b, order_b.as_slice())?, &[summed, columns as isize])?;
    let shape = signed(&mut rest_a.iter().map(|&d| a.shape()[d]).chain(rest_b.iter().map(|&d| b.shape()[d])));
    super::reshape(&super::matmul(&left, &right)?, &shape)
}

/// [`tensordot`] over the last `n` axes of `a` and the first `n` of `b`.
///
/// # Errors
/// More axes than an array has.
pub fn tensordot_last(a: &Array, b: &Array, n: usize) -> Result<Array> {
    if n > a.ndim() || n > b.ndim() {
        let (p, q) = (a.ndim(), b.ndim());
        return Err(Error::value("tensordot", format!("expected arrays of at least {n} axes, got {p} and {q}")));
    }
    let last: Vec<isize> = (a.ndim() - n..a.ndim()).map(|d| d as isize).collect();
    let first: Vec<isize> = (0..n as isize).collect();
    tensordot(a, b, &last, &first)
}
