//! Systems of equations and inverses.

use super::factorisation::{adjoint, identity_like, require_dtype, square, turned};
use super::lu::{packed, rows_in_order};
use super::solve_triangular::{solved, triangular};
use crate::array::Array;
use crate::error::Result;

/// The `x` with `a @ x = b`, by LU factorisation.
///
/// # Shapes
/// `a` is `[..., n, n]`, `b` `[..., n, k]` or one vector `[n]`; leading axes are broadcast together.
///
/// # Dtypes
/// float32, float64 or complex64 together. Computed in double precision; the factors are rounded.
///
/// # Gradients
/// Those of the factors and of the systems with them.
///
/// # Errors
/// Shapes that do not fit; when evaluated, a singular matrix.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 2.0, 4.0, 0.0], &[2, 2])?;
/// let b = Array::from_slice(&[2.0f32, 8.0], &[2])?;
/// assert_eq!(ops::solve(&a, &b)?.to_vec::<f32>()?, [2.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn solve(a: &Array, b: &Array) -> Result<Array> {
    solved("solve", a, b, |a, b| {
        let (lu, _, order) = packed(a)?;
        let y = triangular(&lu, &rows_in_order(b, &order)?, false, true)?;
        triangular(&lu, &y, true, false)
    })
}

/// The inverse of a square matrix, by LU factorisation.
///
/// # Shapes
/// `[..., n, n]` to the same.
///
/// # Dtypes
/// float32, float64, complex64. Computed in double precision; the factors are rounded.
///
/// # Gradients
/// As [`solve`].
///
/// # Errors
/// Matrices that are not square; when evaluated, a singular one.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 2.0, 4.0, 0.0], &[2, 2])?;
/// assert_eq!(ops::inv(&a)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn inv(a: &Array) -> Result<Array> {
    let n = square("inv", a.spec())?;
    require_dtype("inv", a.dtype(), true)?;
    solve(a, &identity_like(a, n)?)
}

/// The inverse of a lower or `upper` triangular matrix; what lies in the other triangle is not looked at, and 0 in the result.
///
/// # Shapes
/// `[..., n, n]` to the same.
///
/// # Dtypes
/// float32, float64, complex64. Computed in double precision.
///
/// # Gradients
/// Those of a triangular system.
///
/// # Errors
/// Matrices that are not square; when evaluated, a zero on the diagonal.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 7.0, 1.0, 4.0], &[2, 2])?;
/// assert_eq!(ops::tri_inv(&a, false)?.to_vec::<f32>()?, [0.5, 0.0, -0.125, 0.25]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tri_inv(a: &Array, upper: bool) -> Result<Array> {
    let n = square("tri_inv", a.spec())?;
    require_dtype("tri_inv", a.dtype(), true)?;
    solved("tri_inv", a, &identity_like(a, n)?, |a, b| triangular(a, b, upper, false))
}

/// The inverse of the matrix whose Cholesky factor is `l`: of `l @ l.T`, or of `l.T @ l` for an `upper` one.
///
/// # Shapes
/// `[..., n, n]` to the same.
///
/// # Dtypes
/// float32, float64, complex64. Computed in double precision; the factor's inverse is rounded.
///
/// # Gradients
/// Those of [`tri_inv`] and a product.
///
/// # Errors
/// Matrices that are not square; when evaluated, a zero on the diagonal.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let l = Array::from_slice(&[2.0f32, 0.0, 1.0, 1.0], &[2, 2])?;
/// assert_eq!(ops::cholesky_inv(&l, false)?.to_vec::<f32>()?, [0.5, -0.5, -0.5, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cholesky_inv(l: &Array, upper: bool) -> Result<Array> {
    let x = tri_inv(l, upper)?;
    if upper { super::matmul(&x, &adjoint(&x)?) } else { super::matmul(&adjoint(&x)?, &x) }
}

/// Determinants of `[[a, b], [c, d]]`, given by its rows.
pub(super) fn minor(rows: [&Array; 2], columns: [usize; 2]) -> Result<Array> {
    let at = |i: usize, j: usize| super::take_index(rows[i], columns[j], -1);
    super::subtract(&super::multiply(&at(0, 0)?, &at(1, 1)?)?, &super::multiply(&at(0, 1)?, &at(1, 0)?)?)
}

/// The rows of a matrix with few of them.
pub(super) fn list_of_rows(a: &Array) -> Result<Vec<Array>> {
    let t = turned(a)?;
    (0..t.shape()[t.ndim() - 1]).map(|i| super::take_index(&t, i, -1)).collect()
}
