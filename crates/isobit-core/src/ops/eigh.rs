//! Eigenvalues and eigenvectors of Hermitian matrices.

use super::factorisation::{
    adjoint, batch_of, from_lower_triangle, off_diagonal_ratio, real_dtype, require_dtype, square, transposed,
    turn_of_columns,
};
use super::qr::factor_cases;
use crate::array::{Array, apply, apply_multi};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(w, v)` with `a @ v = v @ diag(w)` of a symmetric or Hermitian matrix, of which only the lower triangle is looked at, or
/// the `upper` one: `w` ascends, the columns of `v` are orthonormal. The first element of a column that is about as large as its
/// largest (0.999 of it) is positive.
///
/// # Shapes
/// `[..., n, n]` to `[..., n]` and `[..., n, n]`.
///
/// # Dtypes
/// float32, float64, complex64 (`w` is float32). Computed in double precision.
///
/// # Gradients
/// Giles (2008), where eigenvalues are different; in the triangle that is looked at. At equal ones the vectors are arbitrary
/// and have no derivative: infinities or NaN.
///
/// # Errors
/// Matrices that are not square. A matrix that holds a NaN or an infinity has values and vectors of NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 0.0, 0.0, -2.0], &[2, 2])?;
/// let (w, v) = ops::eigh(&a, false)?;
/// assert_eq!(w.to_vec::<f32>()?, [-2.0, 3.0]);
/// assert_eq!(v.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn eigh(a: &Array, upper: bool) -> Result<(Array, Array)> {
    let mut outs = apply_multi(Eigh { vectors: true }, &[&looked_at(a, upper)?])?.into_iter();
    match (outs.next(), outs.next()) {
        (Some(w), Some(v)) => Ok((w, v)),
        _ => Err(crate::Error::runtime("eigh", "expected two outputs")),
    }
}

/// The eigenvalues of a symmetric or Hermitian matrix, ascending: those of [`eigh`] without the vectors.
///
/// # Shapes
/// `[..., n, n]` to `[..., n]`.
///
/// # Dtypes
/// float32, float64, complex64 (the result is float32). Computed in double precision.
///
/// # Gradients
/// `v* da v`, where eigenvalues are different; in the triangle that is looked at.
///
/// # Errors
/// Matrices that are not square.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 0.0, 0.0, -2.0], &[2, 2])?;
/// assert_eq!(ops::eigvalsh(&a, false)?.to_vec::<f32>()?, [-2.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn eigvalsh(a: &Array, upper: bool) -> Result<Array> {
    apply(Eigh { vectors: false }, &[&looked_at(a, upper)?])
}

fn looked_at(a: &Array, upper: bool) -> Result<Array> {
    square("eigh", a.spec())?;
    if upper { adjoint(a) } else { Ok(a.clone()) }
}

/// The primitive of [`eigh`] and [`eigvalsh`], of the lower triangle: values and vectors, or values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Eigh {
    vectors: bool,
}

impl Eigh {
    /// Whether vectors are wanted.
    pub fn vectors(&self) -> bool {
        self.vectors
    }
}

impl Primitive for Eigh {
    const NAME: &'static str = "eigh";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let n = square(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        let w = batch_of(x, &[n], real_dtype(x.dtype));
        Ok(if self.vectors { smallvec![w, x.clone()] } else { smallvec![w] })
    }

    // P = V* dA V: dw is its diagonal, dV = V (P_ij / (w_j - w_i)), and complex vectors turn so that leading elements stay
    // positive.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return Ok(cx.outs.iter().map(|_| None).collect()) };
        let fresh;
        let (w, v) = if self.vectors {
            (&cx.outs[0], &cx.outs[1])
        } else {
            fresh = eigh(&cx.inputs[0], false)?;
            (&fresh.0, &fresh.1)
        };
        let p = super::matmul(&adjoint(v)?, &super::matmul(&from_lower_triangle(t)?, v)?)?;
        let dw = super::real(&super::diagonal(&p, 0, -2, -1)?)?;
        if !self.vectors {
            return Ok(smallvec![Some(dw)]);
        }
        let n = w.shape()[w.ndim() - 1];
        let gap = super::subtract(&super::expand_dims(w, -2)?, &super::expand_dims(w, -1)?)?;
        let mut dv = super::matmul(v, &off_diagonal_ratio(&p, &gap, n)?)?;
        if v.dtype() == Dtype::C64 && n > 0 {
            dv = super::subtract(&dv, &super::multiply(&turn_of_columns(v, &dv)?, v)?)?;
        }
        Ok(smallvec![Some(dw), Some(dv)])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        transposed(self, cx)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(apply_multi(self.clone(), &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        let mut cases =
            factor_cases(&Eigh { vectors: true }, &[&[3, 3], &[2, 2, 2], &[1, 1], &[0, 0], &[0, 2, 2]], true);
        cases.extend(factor_cases(&Eigh { vectors: false }, &[&[4, 4], &[2, 3, 3], &[0, 0]], true));
        cases
    }
}
