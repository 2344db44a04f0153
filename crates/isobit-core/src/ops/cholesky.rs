//! Cholesky factorisation.

use super::factorisation::{from_lower_triangle, require_dtype, square, transposed, turned};
use super::solve_triangular::triangular;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The lower triangular `l` with `a = l @ l.T` of a symmetric positive semidefinite matrix, or with `upper` the upper
/// triangular `u` with `a = u.T @ u`. Only that triangle of `a` is looked at.
///
/// # Shapes
/// `[..., n, n]` to the same.
///
/// # Dtypes
/// float32, float64. Computed in double precision.
///
/// # Gradients
/// Murray (2016), "Differentiation of the Cholesky decomposition"; a symmetric matrix's, all in the triangle that is looked
/// at. Where the matrix is singular there is none: an error.
///
/// # Errors
/// Matrices that are not square; when evaluated, a matrix that is not positive semidefinite up to rounding. A matrix that
/// holds a NaN or an infinity has a factor of NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[4.0f32, 2.0, 2.0, 10.0], &[2, 2])?;
/// assert_eq!(ops::cholesky(&a, false)?.to_vec::<f32>()?, [2.0, 0.0, 1.0, 3.0]);
/// assert_eq!(ops::cholesky(&a, true)?.to_vec::<f32>()?, [2.0, 1.0, 0.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cholesky(a: &Array, upper: bool) -> Result<Array> {
    square("cholesky", a.spec())?;
    if !upper {
        return apply(Cholesky, &[a]);
    }
    turned(&apply(Cholesky, &[&turned(a)?])?)
}

/// The primitive of [`cholesky`]: of the lower triangle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cholesky;

impl Primitive for Cholesky {
    const NAME: &'static str = "cholesky";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        square(Self::NAME, &inputs[0])?;
        require_dtype(Self::NAME, inputs[0].dtype, false)?;
        crate::prim::one(inputs[0].clone())
    }

    // L⁻¹ dA L⁻ᵀ = L⁻¹ dL + (L⁻¹ dL)ᵀ, of which the first is lower triangular: the lower half, with half the diagonal.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return crate::prim::no_tangent() };
        let l = &cx.outs[0];
        let n = l.shape()[l.ndim() - 1];
        let x = triangular(l, &from_lower_triangle(t)?, false, false)?;
        let x = triangular(l, &turned(&x)?, false, false)?;
        let half = super::multiply(&super::eye(n, n, 0, l.dtype())?, &super::constant(l, 0.5))?;
        let share = super::subtract(&super::tri(n, n, 0, l.dtype())?, &half)?;
        crate::prim::tangent(super::matmul(l, &super::multiply(&turned(&x)?, &share)?)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Cholesky, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = Vec::new();
        for dtype in [Dtype::F64, Dtype::F32] {
            let case = |shape: &[usize], values: &[f64]| {
                let case = Case::new(Cholesky).input(shape, Domain::Exact(dtype, values.to_vec())).no_edges();
                if dtype == Dtype::F64 { case.ulps(4.0).accumulates(4, 4.0) } else { case }
            };
            // The other triangle is not looked at.
            cases.push(case(&[3, 3], &[4.0, 9.0, 9.0, 1.0, 3.0, 9.0, 0.5, 0.25, 2.0]));
            // Semidefinite still if rows or columns are repeated, as some layouts do.
            cases.push(case(&[2, 2, 2], &[2.0, 9.0, 1.0, 3.0, 1.0, 7.0, 0.25, 1.5]));
            cases.push(case(&[1, 1], &[2.0]));
            cases.push(case(&[0, 0], &[]));
            cases.push(case(&[0, 2, 2], &[]));
        }
        cases
    }
}
