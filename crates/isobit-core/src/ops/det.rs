//! Determinants.

use super::factorisation::{require_dtype, square};
use super::lu::packed;
use super::solve::{list_of_rows, minor};
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// The determinant: of matrices of up to three rows by the formula, of larger ones by LU factorisation.
///
/// # Shapes
/// `[..., n, n]` to `[...]`.
///
/// # Dtypes
/// float32, float64; integers and bools are computed in float32.
///
/// # Gradients
/// Those of the formula, or of the factors: then a singular matrix has none (an error).
///
/// # Errors
/// Matrices that are not square.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// assert_eq!(ops::det(&a)?.item::<f32>()?, -2.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn det(a: &Array) -> Result<Array> {
    let (a, n) = real_square("det", a)?;
    match n {
        0 => super::ones(&a.shape()[..a.ndim() - 2], a.dtype()),
        1 => super::take_index(&super::take_index(&a, 0, -1)?, 0, -1),
        2 | 3 => {
            let rows = list_of_rows(&a)?;
            if n == 2 {
                return minor([&rows[0], &rows[1]], [0, 1]);
            }
            let term = |j: usize, columns: [usize; 2]| {
                super::multiply(&super::take_index(&rows[0], j, -1)?, &minor([&rows[1], &rows[2]], columns)?)
            };
            super::add(&super::subtract(&term(0, [1, 2])?, &term(1, [0, 2])?)?, &term(2, [0, 1])?)
        }
        _ => {
            let (diagonal, sign) = diagonal_and_sign(&a)?;
            super::multiply(&super::prod(&diagonal, -1, false)?, &sign)
        }
    }
}

/// `(sign, logabsdet)`: the sign of the determinant (0 of a singular matrix) and the logarithm of its magnitude, by LU
/// factorisation. It neither overflows nor underflows.
///
/// # Shapes
/// `[..., n, n]` to `[...]` twice.
///
/// # Dtypes
/// float32, float64; integers and bools are computed in float32.
///
/// # Gradients
/// Those of the factors, for `logabsdet`; a singular matrix has none.
///
/// # Errors
/// Matrices that are not square.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0, 1.0, 0.0], &[2, 2])?;
/// let (sign, logabsdet) = ops::slogdet(&a)?;
/// assert_eq!((sign.item::<f32>()?, logabsdet.item::<f32>()?), (-1.0, 0.0));
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn slogdet(a: &Array) -> Result<(Array, Array)> {
    let (a, _) = real_square("slogdet", a)?;
    let (diagonal, sign) = diagonal_and_sign(&a)?;
    let sign = super::multiply(&super::prod(&super::sign(&diagonal)?, -1, false)?, &sign)?;
    Ok((sign, super::sum(&super::log(&super::abs(&diagonal)?)?, -1, false)?))
}

fn real_square(op: &'static str, a: &Array) -> Result<(Array, usize)> {
    let n = square(op, a.spec())?;
    let a = super::astype(a, a.dtype().at_least_float())?;
    require_dtype(op, a.dtype(), false)?;
    Ok((a, n))
}

/// The diagonal of the upper factor, and the sign of the permutation: every exchange turns it.
fn diagonal_and_sign(a: &Array) -> Result<(Array, Array)> {
    let (lu, pivots, _) = packed(a)?;
    let n = pivots.shape()[pivots.ndim() - 1];
    let kept = super::equal(&pivots, &super::arange(0, n as i64, 1, Dtype::U32)?)?;
    let factor = super::where_(&kept, &Array::scalar(1.0, a.dtype()), &Array::scalar(-1.0, a.dtype()))?;
    Ok((super::diagonal(&lu, 0, -2, -1)?, super::prod(&factor, -1, false)?))
}
