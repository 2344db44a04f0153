//! Pseudo-inverses.

use super::factorisation::{adjoint, batch_of, identity_like, require_dtype, rows_and_columns, transposed};
use super::qr::factor_cases;
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The Moore-Penrose pseudo-inverse: `v @ diag(1 / s) @ u*` of the singular values that are larger than
/// `10 max(m, n) eps` of the largest one, where `eps` is that of the dtype.
///
/// # Shapes
/// `[..., m, n]` to `[..., n, m]`.
///
/// # Dtypes
/// float32, float64, complex64. Computed in double precision.
///
/// # Gradients
/// Golub and Pereyra (1973), where the rank does not change.
///
/// # Errors
/// Fewer than two dimensions. A matrix that holds a NaN or an infinity has a pseudo-inverse of NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 2.0, 4.0, 0.0, 0.0, 0.0], &[3, 2])?;
/// assert_eq!(ops::pinv(&a)?.to_vec::<f32>()?, [0.0, 0.25, 0.0, 0.5, 0.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn pinv(a: &Array) -> Result<Array> {
    apply(Pinv, &[a])
}

/// The primitive of [`pinv`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pinv;

impl Primitive for Pinv {
    const NAME: &'static str = "pinv";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let (m, n) = rows_and_columns(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        crate::prim::one(batch_of(x, &[n, m], x.dtype))
    }

    // dP = -P dA P + P P* dA* (1 - A P) + (1 - P A) dA* P* P.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return crate::prim::no_tangent() };
        let (a, p) = (&cx.inputs[0], &cx.outs[0]);
        let (m, n) = rows_and_columns(Self::NAME, a.spec())?;
        let product = |x: &Array, y: &Array, z: &Array| super::matmul(&super::matmul(x, y)?, z);
        let (ta, pa) = (adjoint(t)?, adjoint(p)?);
        let off_rows = super::subtract(&identity_like(a, m)?, &super::matmul(a, p)?)?;
        let off_columns = super::subtract(&identity_like(a, n)?, &super::matmul(p, a)?)?;
        let from_rows = product(&super::matmul(p, &pa)?, &ta, &off_rows)?;
        let from_columns = product(&off_columns, &ta, &super::matmul(&pa, p)?)?;
        crate::prim::tangent(super::subtract(&super::add(&from_rows, &from_columns)?, &product(p, t, p)?)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Pinv, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        factor_cases(&Pinv, &[&[3, 3], &[3, 2], &[2, 4], &[2, 3, 2], &[1, 1], &[0, 3], &[3, 0], &[0, 2, 2]], true)
    }
}
