//! LU factorisation.

use super::factorisation::{
    batch_of, columns, identity_like, require_dtype, rows, rows_and_columns, transposed, turned,
};
use super::qr::factor_cases;
use super::solve_triangular::triangular;
use crate::array::{Array, apply_multi};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(p, l, u)` with `a = (l @ u)[p]`: `l` is lower triangular with ones on its diagonal, `u` upper triangular. The rows are
/// chosen by partial pivoting: in every column the largest magnitude, the first of equals.
///
/// # Shapes
/// `[..., m, n]` to `[..., m]`, `[..., m, k]` and `[..., k, n]` with `k = min(m, n)`.
///
/// # Dtypes
/// float32, float64, complex64; `p` is uint32. Computed in double precision.
///
/// # Gradients
/// Of the permuted matrix, where its first `k` columns are linearly independent.
///
/// # Errors
/// Fewer than two dimensions. Singular matrices have factors. A matrix that holds a NaN or an infinity has factors of NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 4.0, 4.0], &[2, 2])?;
/// let (p, l, u) = ops::lu(&a)?;
/// assert_eq!(p.to_vec::<u32>()?, [1, 0]);
/// assert_eq!(l.to_vec::<f32>()?, [1.0, 0.0, 0.25, 1.0]);
/// assert_eq!(u.to_vec::<f32>()?, [4.0, 4.0, 0.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn lu(a: &Array) -> Result<(Array, Array, Array)> {
    let (packed, _, order) = packed(a)?;
    let (m, n) = rows_and_columns("lu", a.spec())?;
    let k = m.min(n);
    let lower = super::tril(&columns(&packed, 0, k)?, -1)?;
    let lower = super::add(&lower, &super::eye(m, k, 0, a.dtype())?)?;
    Ok((super::argsort(&order, -1)?, lower, super::triu(&rows(&packed, 0, k)?, 0)?))
}

/// `(lu, pivots)`: the factors of [`lu`] in one matrix, `l` without its diagonal below that of `u`; step `i` exchanged row
/// `i` with row `pivots[i]`.
///
/// # Shapes
/// `[..., m, n]` to `[..., m, n]` and `[..., min(m, n)]`.
///
/// # Dtypes
/// float32, float64, complex64; `pivots` is uint32. Computed in double precision.
///
/// # Gradients
/// As [`lu`].
///
/// # Errors
/// Fewer than two dimensions.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 4.0, 4.0], &[2, 2])?;
/// let (lu, pivots) = ops::lu_factor(&a)?;
/// assert_eq!(lu.to_vec::<f32>()?, [4.0, 4.0, 0.25, 1.0]);
/// assert_eq!(pivots.to_vec::<u32>()?, [1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn lu_factor(a: &Array) -> Result<(Array, Array)> {
    let (packed, pivots, _) = packed(a)?;
    Ok((packed, pivots))
}

/// The factors in one matrix, the exchanges, and for each row of their product the row of `a`.
pub(super) fn packed(a: &Array) -> Result<(Array, Array, Array)> {
    let mut outs = apply_multi(Lu, &[a])?.into_iter();
    match (outs.next(), outs.next(), outs.next()) {
        (Some(packed), Some(pivots), Some(order)) => Ok((packed, pivots, order)),
        _ => Err(crate::Error::runtime("lu", "expected three outputs")),
    }
}

/// The rows of a matrix in that order.
pub(super) fn rows_in_order(a: &Array, order: &Array) -> Result<Array> {
    super::take_along_axis(a, &super::expand_dims(order, -1)?, -2)
}

/// The primitive of [`lu`] and [`lu_factor`]: the packed factors, the exchanges, the rows in their new order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lu;

impl Primitive for Lu {
    const NAME: &'static str = "lu";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let (m, n) = rows_and_columns(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        Ok(smallvec![x.clone(), batch_of(x, &[m.min(n)], Dtype::U32), batch_of(x, &[m], Dtype::U32)])
    }

    // L⁻¹ dA U⁻¹ is L⁻¹ dL + dU U⁻¹: strictly lower and upper triangular. L and U are completed by ones to square matrices.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return Ok(smallvec![None, None, None]) };
        let (lu, order) = (&cx.outs[0], &cx.outs[2]);
        let (m, n) = rows_and_columns(Self::NAME, lu.spec())?;
        let k = m.min(n);
        let padded = |x: &Array, axis: usize, by: usize| {
            let mut widths = vec![(0, 0); x.ndim()];
            widths[x.ndim() - axis] = (0, by);
            super::pad(x, &widths, 0i64)
        };
        let lower = super::tril(&padded(&columns(lu, 0, k)?, 1, m - k)?, -1)?;
        let lower = super::add(&lower, &identity_like(lu, m)?)?;
        let rest = super::pad(&identity_like(lu, n - k)?, &[(k, 0), (k, 0)], 0i64)?;
        let upper = super::add(&super::triu(&padded(&rows(lu, 0, k)?, 2, n - k)?, 0)?, &rest)?;
        let x = triangular(&lower, &rows_in_order(t, order)?, false, true)?;
        let x = turned(&triangular(&turned(&upper)?, &turned(&x)?, false, false)?)?;
        let of_lower = super::matmul(&lower, &super::tril(&x, -1)?)?;
        let of_upper = super::matmul(&super::triu(&x, 0)?, &upper)?;
        Ok(smallvec![Some(super::add(&of_lower, &of_upper)?), None, None])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(apply_multi(Lu, &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        factor_cases(&Lu, &[&[3, 3], &[3, 2], &[2, 4], &[2, 3, 2], &[1, 1], &[0, 3], &[3, 0], &[0, 2, 2]], true)
    }
}
