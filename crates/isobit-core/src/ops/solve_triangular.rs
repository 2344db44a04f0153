//! Systems of equations with a triangular matrix.

use super::factorisation::{adjoint, batch_of, require_dtype, rows_and_columns, square};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Spec, broadcast_shapes};

/// The `x` with `a @ x = b`, where `a` is lower or `upper` triangular: what lies in the other triangle is not looked at.
///
/// # Shapes
/// `a` is `[..., n, n]`, `b` `[..., n, k]` or one vector `[n]`; leading axes are broadcast together.
///
/// # Dtypes
/// float32, float64 or complex64 together. Computed in double precision.
///
/// # Gradients
/// Giles (2008): the cotangent of `b` solves the adjoint system, that of `a` is its product with `-x*`, in the triangle.
///
/// # Errors
/// Shapes that do not fit; when evaluated, a zero on the diagonal.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 0.0, 1.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[2.0f32, 9.0], &[2])?;
/// assert_eq!(ops::solve_triangular(&a, &b, false)?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn solve_triangular(a: &Array, b: &Array, upper: bool) -> Result<Array> {
    solved("solve_triangular", a, b, |a, b| triangular(a, b, upper, false))
}

/// Runs `f` on a square matrix and a matrix of right-hand sides of one dtype and batch; a vector is one column.
pub(super) fn solved(
    op: &'static str,
    a: &Array,
    b: &Array,
    f: impl FnOnce(&Array, &Array) -> Result<Array>,
) -> Result<Array> {
    let n = square(op, a.spec())?;
    let vector = b.ndim() == 1;
    let b = if vector { super::expand_dims(b, -1)? } else { b.clone() };
    let (m, k) = rows_and_columns(op, b.spec())?;
    if m != n {
        return Err(Error::value(
            op,
            format!("expected right-hand sides of {n} elements, got {m}: shapes {:?} and {:?}", a.shape(), b.shape()),
        ));
    }
    let dtype = a.dtype().promote(b.dtype());
    require_dtype(op, dtype, true)?;
    let mut batch = broadcast_shapes(op, &a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])?;
    let full = |x: &Array, last: [usize; 2], batch: &[usize]| {
        super::broadcast_to(&super::astype(x, dtype)?, &[batch, &last].concat())
    };
    let out = f(&full(a, [n, n], &batch)?, &full(&b, [n, k], &batch)?)?;
    if !vector {
        return Ok(out);
    }
    batch.push(n);
    let shape: Vec<isize> = batch.iter().map(|&n| n as isize).collect();
    super::reshape(&out, &shape)
}

/// The primitive on inputs that fit.
pub(super) fn triangular(a: &Array, b: &Array, upper: bool, unit: bool) -> Result<Array> {
    apply(SolveTriangular { upper, unit }, &[a, b])
}

/// The primitive of [`solve_triangular`]. With `unit` the diagonal counts as 1 and is not looked at either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SolveTriangular {
    upper: bool,
    unit: bool,
}

impl SolveTriangular {
    /// Whether the upper triangle is the matrix.
    pub fn upper(&self) -> bool {
        self.upper
    }

    /// Whether the diagonal counts as 1.
    pub fn unit(&self) -> bool {
        self.unit
    }

    /// The part of a matrix that is looked at.
    fn part(&self, a: &Array) -> Result<Array> {
        let off = isize::from(self.unit);
        if self.upper { super::triu(a, off) } else { super::tril(a, -off) }
    }
}

impl Primitive for SolveTriangular {
    const NAME: &'static str = "solve_triangular";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let (n, (m, k)) = (square(Self::NAME, a)?, rows_and_columns(Self::NAME, b)?);
        require_dtype(Self::NAME, a.dtype, true)?;
        if n != m || a.dtype != b.dtype || a.shape[..a.ndim() - 2] != b.shape[..b.ndim() - 2] {
            return Err(Error::value(
                Self::NAME,
                format!("expected a matrix and right-hand sides of it, got {a:?} and {b:?}"),
            ));
        }
        crate::prim::one(batch_of(b, &[n, k], b.dtype))
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let by_matrix = match &cx.tangents[0] {
            Some(t) => Some(super::negative(&super::matmul(&self.part(t)?, &cx.outs[0])?)?),
            None => None,
        };
        let right = match (by_matrix, &cx.tangents[1]) {
            (Some(x), Some(t)) => super::add(&x, t)?,
            (Some(x), None) => x,
            (None, Some(t)) => t.clone(),
            (None, None) => return crate::prim::no_tangent(),
        };
        crate::prim::tangent(apply(self.clone(), &[&cx.inputs[0], &right])?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let back = SolveTriangular { upper: !self.upper, unit: self.unit };
        let of_b = apply(back, &[&adjoint(&cx.inputs[0])?, &cx.ct()?])?;
        cx.each(|i| match i {
            0 => self.part(&super::negative(&super::matmul(&of_b, &adjoint(&cx.outs[0])?)?)?),
            _ => Ok(of_b.clone()),
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        // One matrix for a batch of right-hand sides: they are its columns.
        let xs = cx.all_front()?;
        crate::prim::batched_front(apply(self.clone(), &[&xs[0], &xs[1]])?)
    }

    fn cases() -> Cases {
        let mut cases = Vec::new();
        for (upper, unit) in [(false, false), (true, false), (false, true), (true, true)] {
            for (batch, n, k) in
                [(&[][..], 3, 2), (&[2][..], 2, 1), (&[], 1, 1), (&[], 0, 2), (&[], 2, 0), (&[0], 2, 2)]
            {
                for dtype in [Dtype::F64, Dtype::F32, Dtype::C64] {
                    let case = Case::new(SolveTriangular { upper, unit })
                        .input(&[batch, &[n, n]].concat(), Domain::Of(dtype, 0.5, 2.0))
                        .input(&[batch, &[n, k]].concat(), Domain::Of(dtype, -2.0, 2.0))
                        .no_edges();
                    cases.push(if dtype == Dtype::F64 { case.ulps(4.0).accumulates(n, 40.0) } else { case });
                }
            }
        }
        cases
    }
}
