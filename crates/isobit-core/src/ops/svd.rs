//! Singular values and vectors.

use super::factorisation::{
    adjoint, batch_of, columns, identity_like, off_diagonal_ratio, real_dtype, require_dtype, rows_and_columns,
    transposed, turn_of_columns, turned,
};
use super::qr::factor_cases;
use crate::array::{Array, apply, apply_multi};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(u, s, vt)` with `a = u @ diag(s) @ vt`: the columns of `u` and the rows of `vt` are orthonormal, `s` is not negative and
/// descends. The first element of a column of `u` that is about as large as its largest (0.999 of it) is positive, which fixes
/// the signs (of complex vectors the phases) of both. With `full`, `u` and `vt` are square: completed to bases.
///
/// # Shapes
/// `[..., m, n]` to `[..., m, k]`, `[..., k]`, `[..., k, n]` with `k = min(m, n)`; with `full` to `[..., m, m]`, `[..., k]`,
/// `[..., n, n]`.
///
/// # Dtypes
/// float32, float64, complex64 (`s` is float32). Computed in double precision.
///
/// # Gradients
/// Townsend (2016), where singular values are different and, for vectors of a matrix that is not square, not zero. At equal
/// ones the vectors are arbitrary and have no derivative: infinities or NaN. The vectors that complete a basis are as arbitrary
/// always; their derivative is the one that keeps them orthogonal to the others and does not turn them among themselves, which
/// gives functions of the space that they span the right one.
///
/// # Errors
/// Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 2.0, 3.0, 0.0, 0.0, 0.0], &[3, 2])?;
/// let (u, s, vt) = ops::svd(&a, false)?;
/// assert_eq!(s.to_vec::<f32>()?, [3.0, 2.0]);
/// assert_eq!(vt.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// assert_eq!(u.shape(), [3, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn svd(a: &Array, full: bool) -> Result<(Array, Array, Array)> {
    let mut outs = apply_multi(Svd { vectors: true }, &[a])?.into_iter();
    let (Some(u), Some(s), Some(vt)) = (outs.next(), outs.next(), outs.next()) else {
        return Err(crate::Error::runtime("svd", "expected three outputs"));
    };
    if !full {
        return Ok((u, s, vt));
    }
    Ok((completed(&u)?, s, adjoint(&completed(&adjoint(&vt)?)?)?))
}

/// The singular values of `a`, descending: those of [`svd`] without the vectors.
///
/// # Shapes
/// `[..., m, n]` to `[..., min(m, n)]`.
///
/// # Dtypes
/// float32, float64, complex64 (the result is float32). Computed in double precision.
///
/// # Gradients
/// `u* da v`, where singular values are different and not zero.
///
/// # Errors
/// Fewer than two dimensions.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, -2.0, 3.0, 0.0], &[2, 2])?;
/// assert_eq!(ops::svdvals(&a)?.to_vec::<f32>()?, [3.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn svdvals(a: &Array) -> Result<Array> {
    apply(Svd { vectors: false }, &[a])
}

/// Orthonormal columns `u`, completed to a basis.
///
/// Reflections give some complement W₀, a constant for derivatives. W = (1 - u u*) W₀ is as orthogonal to `u` for others
/// near by, and W (3 - W* W) / 2 orthonormal up to the fourth order of their distance: it has the derivatives of a basis.
fn completed(u: &Array) -> Result<Array> {
    let (m, k) = (u.shape()[u.ndim() - 2], u.shape()[u.ndim() - 1]);
    if m == k {
        return Ok(u.clone());
    }
    let identity = identity_like(u, m)?;
    if k == 0 {
        let shape = batch_of(u.spec(), &[m, m], u.dtype()).shape;
        return super::broadcast_to(&identity, &shape);
    }
    let mut widths = vec![(0, 0); u.ndim()];
    widths[u.ndim() - 1] = (0, m - k);
    let (q, _) = super::qr(&super::pad(&super::stop_gradient(u)?, &widths, 0i64)?)?;
    let w = columns(&super::stop_gradient(&q)?, k, m)?;
    let w = super::subtract(&w, &super::matmul(u, &super::matmul(&adjoint(u)?, &w)?)?)?;
    let three = super::multiply(&identity_like(u, m - k)?, &super::constant(u, 3.0))?;
    let scale = super::subtract(&three, &super::matmul(&adjoint(&w)?, &w)?)?;
    let w = super::multiply(&super::matmul(&w, &scale)?, &super::constant(u, 0.5))?;
    super::concatenate(&[u.clone(), w], -1)
}

/// The primitive of [`svd`] and [`svdvals`]: with vectors three outputs, the short form, else one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Svd {
    vectors: bool,
}

impl Svd {
    /// Whether vectors are wanted.
    pub fn vectors(&self) -> bool {
        self.vectors
    }
}

impl Primitive for Svd {
    const NAME: &'static str = "svd";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let (m, n) = rows_and_columns(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        let k = m.min(n);
        let s = batch_of(x, &[k], real_dtype(x.dtype));
        if !self.vectors {
            return Ok(smallvec![s]);
        }
        Ok(smallvec![batch_of(x, &[m, k], x.dtype), s, batch_of(x, &[k, n], x.dtype)])
    }

    // P = U* dA V. ds is the real diagonal of P. U* dU = F ∘ (P S + S P*) and V* dV = F ∘ (S P + P* S) with
    // F_ij = 1 / (s_j² - s_i²); what leaves the spaces is (1 - U U*) dA V / S and (1 - V V*) dA* U / S. In complex vectors the
    // imaginary diagonal of P turns u against v, and both turn together so that the leading elements stay positive.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return Ok(cx.outs.iter().map(|_| None).collect()) };
        let thin;
        let (u, s, vt) = if self.vectors {
            (&cx.outs[0], &cx.outs[1], &cx.outs[2])
        } else {
            thin = svd(&cx.inputs[0], false)?;
            (&thin.0, &thin.1, &thin.2)
        };
        let (m, n, k) = (u.shape()[u.ndim() - 2], vt.shape()[vt.ndim() - 1], s.shape()[s.ndim() - 1]);
        let (ut, v) = (adjoint(u)?, adjoint(vt)?);
        let tv = super::matmul(t, &v)?;
        let p = super::matmul(&ut, &tv)?;
        let ds = super::real(&super::diagonal(&p, 0, -2, -1)?)?;
        if !self.vectors {
            return Ok(smallvec![Some(ds)]);
        }
        let (row, column) = (super::expand_dims(s, -2)?, super::expand_dims(s, -1)?);
        let gap = super::multiply(&super::add(&row, &column)?, &super::subtract(&row, &column)?)?;
        let (ps, sp) = (super::multiply(&p, &row)?, super::multiply(&column, &p)?);
        let within = |x: &Array| off_diagonal_ratio(&super::add(x, &adjoint(x)?)?, &gap, k);
        let mut turn_u = within(&ps)?;
        if t.dtype() == Dtype::C64 {
            let odd = super::divide(&super::subtract(&p, &adjoint(&p)?)?, &super::add(&row, &row)?)?;
            turn_u = super::where_(&super::eye(k, k, 0, Dtype::Bool)?, &odd, &turn_u)?;
        }
        let mut du = super::matmul(u, &turn_u)?;
        let mut dv = super::matmul(&v, &within(&sp)?)?;
        if m > k {
            let out = super::subtract(&tv, &super::matmul(u, &p)?)?;
            du = super::add(&du, &super::divide(&out, &row)?)?;
        }
        if n > k {
            let tu = super::matmul(&adjoint(t)?, u)?;
            let out = super::subtract(&tu, &super::matmul(&v, &super::matmul(vt, &tu)?)?)?;
            dv = super::add(&dv, &super::divide(&out, &row)?)?;
        }
        if t.dtype() == Dtype::C64 && k > 0 {
            let turn = turn_of_columns(u, &du)?;
            du = super::subtract(&du, &super::multiply(&turn, u)?)?;
            dv = super::subtract(&dv, &super::multiply(&turn, &v)?)?;
        }
        Ok(smallvec![Some(du), Some(ds), Some(super::conj(&turned(&dv)?)?)])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(apply_multi(self.clone(), &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        let shapes: [&[usize]; 8] = [&[3, 3], &[3, 2], &[2, 4], &[2, 3, 2], &[1, 1], &[0, 3], &[3, 0], &[0, 2, 2]];
        let mut cases = factor_cases(&Svd { vectors: true }, &shapes, true);
        cases.extend(factor_cases(&Svd { vectors: false }, &shapes[1..6], true));
        cases
    }
}
