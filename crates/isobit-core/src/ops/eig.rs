//! Eigenvalues and eigenvectors of square matrices.

use super::factorisation::{batch_of, off_diagonal_ratio, require_dtype, square, transposed, turn_of_columns};
use crate::array::{Array, apply, apply_multi};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(w, v)` with `a @ v = v @ diag(w)` of a square matrix: `w` ascends by real part, then by imaginary part; the columns of
/// `v` have length 1, and the first element of a column that is about as large as its largest (0.999 of it) is positive.
///
/// # Shapes
/// `[..., n, n]` to `[..., n]` and `[..., n, n]`.
///
/// # Dtypes
/// float32, float64, complex64; the results are complex64. Computed in double precision.
///
/// # Gradients
/// Boeddeker et al. (2017), with lengths and phases kept, where eigenvalues are different. At equal ones there is none: an
/// error, infinities or NaN.
///
/// # Errors
/// Matrices that are not square. A matrix that holds a NaN or an infinity has values and vectors of NaN.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, -2.0, 2.0, 0.0], &[2, 2])?;
/// let (w, v) = ops::eig(&a)?;
/// assert_eq!(ops::imag(&w)?.to_vec::<f32>()?, [-2.0, 2.0]);
/// assert_eq!(v.shape(), [2, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn eig(a: &Array) -> Result<(Array, Array)> {
    let mut outs = apply_multi(Eig { vectors: true }, &[a])?.into_iter();
    match (outs.next(), outs.next()) {
        (Some(w), Some(v)) => Ok((w, v)),
        _ => Err(crate::Error::runtime("eig", "expected two outputs")),
    }
}

/// The eigenvalues of a square matrix: those of [`eig`] without the vectors.
///
/// # Shapes
/// `[..., n, n]` to `[..., n]`.
///
/// # Dtypes
/// float32, float64, complex64; the result is complex64. Computed in double precision.
///
/// # Gradients
/// As [`eig`].
///
/// # Errors
/// Matrices that are not square.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 0.0, -2.0], &[2, 2])?;
/// assert_eq!(ops::real(&ops::eigvals(&a)?)?.to_vec::<f32>()?, [-2.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn eigvals(a: &Array) -> Result<Array> {
    apply(Eig { vectors: false }, &[a])
}

/// The primitive of [`eig`] and [`eigvals`]: values and vectors, or values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Eig {
    vectors: bool,
}

impl Eig {
    /// Whether vectors are wanted.
    pub fn vectors(&self) -> bool {
        self.vectors
    }
}

impl Primitive for Eig {
    const NAME: &'static str = "eig";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let n = square(Self::NAME, x)?;
        require_dtype(Self::NAME, x.dtype, true)?;
        let w = batch_of(x, &[n], Dtype::C64);
        Ok(if self.vectors { smallvec![w, Spec { dtype: Dtype::C64, ..x.clone() }] } else { smallvec![w] })
    }

    // P = V⁻¹ dA V: dw is its diagonal, dV = V (P_ij / (w_j - w_i)) + V D, where the diagonal D keeps the length of every
    // column and its leading element positive.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return Ok(cx.outs.iter().map(|_| None).collect()) };
        let fresh;
        let (w, v) = if self.vectors {
            (&cx.outs[0], &cx.outs[1])
        } else {
            fresh = eig(&cx.inputs[0])?;
            (&fresh.0, &fresh.1)
        };
        let p = super::solve(v, &super::matmul(&super::astype(t, Dtype::C64)?, v)?)?;
        let dw = super::diagonal(&p, 0, -2, -1)?;
        if !self.vectors {
            return Ok(smallvec![Some(dw)]);
        }
        let n = w.shape()[w.ndim() - 1];
        let gap = super::subtract(&super::expand_dims(w, -2)?, &super::expand_dims(w, -1)?)?;
        let mut dv = super::matmul(v, &off_diagonal_ratio(&p, &gap, n)?)?;
        if n > 0 {
            let longer = super::real(&super::sum(&super::multiply(&super::conj(v)?, &dv)?, -2, true)?)?;
            dv = super::subtract(&dv, &super::multiply(&longer, v)?)?;
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
        // Eigenvalues far apart: results are in single precision, and so are differences. A real spectrum, a conjugate pair.
        let real = [3.0, 1.0, 0.5, -0.5, 1.0, 0.25, 0.25, -0.5, -2.0];
        let pair = [0.5, -2.0, 0.25, 1.5, 1.0, -0.5, 0.25, 0.5, -3.0];
        let complex = [1.0, 2.0, 0.5, -0.25, 0.25, 0.5, -1.5, 0.5];
        let mut cases = Vec::new();
        for vectors in [true, false] {
            let case = |shape: &[usize], dtype: Dtype, values: &[f64]| {
                Case::new(Eig { vectors }).input(shape, Domain::Exact(dtype, values.to_vec())).no_edges()
            };
            for dtype in [Dtype::F64, Dtype::F32] {
                cases.push(case(&[3, 3], dtype, &real));
                cases.push(case(&[3, 3], dtype, &pair));
                cases.push(case(&[2, 2, 2], dtype, &[1.0, 2.0, 0.5, -1.0, 0.0, -1.0, 1.5, 0.25]));
                cases.push(case(&[1, 1], dtype, &[2.0]));
                cases.push(case(&[0, 0], dtype, &[]));
            }
            cases.push(case(&[2, 2], Dtype::C64, &complex));
            cases.push(case(&[0, 2, 2], Dtype::C64, &[]));
        }
        cases
    }
}
