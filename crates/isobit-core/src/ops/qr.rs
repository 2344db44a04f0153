//! QR factorisation.

use super::factorisation::{adjoint, batch_of, columns, require_dtype, rows_and_columns, transposed, turned};
use crate::array::{Array, apply_multi};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::Scalar;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(q, r)` with `a = q @ r`: the columns of `q` are orthonormal, `r` is upper triangular. The diagonal of a real `r` has the
/// signs of Householder reflections, as LAPACK has them; that of a complex one is not negative.
///
/// # Shapes
/// `[..., m, n]` to `[..., m, k]` and `[..., k, n]` with `k = min(m, n)`.
///
/// # Dtypes
/// float32, float64, complex64. Computed in double precision.
///
/// # Gradients
/// By Walter and Lehmann ("Walter's method", 2012), where the first `k` columns are linearly independent. Otherwise `q` is
/// arbitrary in part and has no derivative: an error, or NaN.
///
/// # Errors
/// Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 5.0, 4.0, 10.0], &[2, 2])?;
/// let (q, r) = ops::qr(&a)?;
/// assert!(ops::allclose(&ops::matmul(&q, &r)?, &a, 1e-6, 1e-6, false)?.item::<bool>()?);
/// assert_eq!(ops::abs(&r)?.to_vec::<f32>()?, [5.0, 11.0, 0.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn qr(a: &Array) -> Result<(Array, Array)> {
    let mut outs = apply_multi(Qr, &[a])?.into_iter();
    match (outs.next(), outs.next()) {
        (Some(q), Some(r)) => Ok((q, r)),
        _ => Err(crate::Error::runtime("qr", "expected two outputs")),
    }
}

/// The primitive of [`qr`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Qr;

impl Primitive for Qr {
    const NAME: &'static str = "qr";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let (m, n) = rows_and_columns(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        let k = m.min(n);
        Ok(smallvec![batch_of(x, &[m, k], x.dtype), batch_of(x, &[k, n], x.dtype)])
    }

    // With Q* dQ = Ω, which is skew: dQ = Q Ω + (1 - Q Q*) dA R⁻¹ and dR = Q* dA - Ω R. Below the diagonal dR is zero, which
    // gives Ω; a complex R has a real diagonal, which gives that of Ω. Of a wide matrix the first columns decide.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return Ok(smallvec![None, None]) };
        let (q, r) = (&cx.outs[0], &cx.outs[1]);
        let k = q.shape()[q.ndim() - 1];
        let (t1, r1) = (columns(t, 0, k)?, columns(r, 0, k)?);
        let x = turned(&super::solve_triangular(&turned(&r1)?, &turned(&t1)?, false)?)?;
        let across = super::matmul(&adjoint(q)?, &x)?;
        let below = super::tril(&across, -1)?;
        let mut turn = super::subtract(&below, &adjoint(&below)?)?;
        if t.dtype() == Dtype::C64 {
            let i = Array::scalar(Scalar::Complex(0.0, 1.0), Dtype::C64);
            let angles = super::multiply(&super::imag(&across)?, &super::eye(k, k, 0, Dtype::F32)?)?;
            turn = super::add(&turn, &super::multiply(&angles, &i)?)?;
        }
        let dq = super::add(&super::matmul(q, &super::subtract(&turn, &across)?)?, &x)?;
        let dr = super::subtract(&super::matmul(&adjoint(q)?, t)?, &super::matmul(&turn, r)?)?;
        Ok(smallvec![Some(dq), Some(super::triu(&dr, 0)?)])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(apply_multi(Qr, &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        factor_cases(&Qr, &[&[3, 3], &[3, 2], &[2, 4], &[2, 3, 2], &[1, 1], &[0, 3], &[3, 0], &[0, 2, 2]], true)
    }
}

/// Matrices of these shapes in every dtype. What is computed in float64 from float32 numbers is as good as exact; float64
/// carries the error of the algorithm, which grows with the condition of the matrix.
///
/// Derivatives of factors grow with the inverse of distances between singular values, pivots or eigenvalues, and differences
/// in single precision follow only so far: float64 is compared with them, and complex64 for a matrix where these are far apart.
pub(super) fn factor_cases<P: Primitive>(prim: &P, shapes: &[&[usize]], complex: bool) -> Cases {
    let mut cases = Vec::new();
    for shape in shapes {
        let terms = shape.iter().product::<usize>().max(1);
        let case = |dtype| Case::new(prim.clone()).input(shape, Domain::Of(dtype, -2.0, 2.0)).no_edges();
        cases.push(case(Dtype::F64).ulps(4.0).accumulates(terms, 40.0));
        cases.push(case(Dtype::F32).no_grad());
        if complex {
            cases.push(case(Dtype::C64).no_grad());
        }
        let [m @ 2..=3, n @ 2..=4] = **shape else { continue };
        if complex {
            let part = (0..m * n).flat_map(|i| FAR_APART[i / n][i % n]).collect();
            cases.push(Case::new(prim.clone()).input(shape, Domain::Exact(Dtype::C64, part)).no_edges());
        }
    }
    cases
}

const FAR_APART: [[[f64; 2]; 4]; 3] = [
    [[2.0, 1.0], [0.3, -0.2], [-0.1, 0.4], [0.2, 0.1]],
    [[0.1, -0.3], [-1.2, 0.2], [0.0, 0.3], [-0.3, 0.2]],
    [[0.25, 0.0], [-0.2, 0.1], [0.6, -0.1], [0.1, 0.0]],
];
