//! Matrix product.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec, broadcast_shapes};
use smallvec::smallvec;

/// Matrix product over the last two axes.
///
/// Every output element is summed in one order that depends on `K` alone (`docs/numerics.md`): a row has the same bits
/// whatever other rows are in the call.
///
/// # Shapes
/// `[..., M, K] @ [..., K, N] -> [..., M, N]`; leading axes broadcast. A 1-d `a` is a row, a 1-d `b` a column; the axis
/// added for them is removed again.
///
/// # Dtypes
/// Floats and complex64, promoted. A complex product is made of the four products of real and imaginary parts. float16 and bfloat16 accumulate in float32 and are rounded once.
///
/// # Gradients
/// `ct @ b.T` and `a.T @ ct`, summed over broadcast axes (`b` and `a` conjugated, if complex).
///
/// # Errors
/// 0-d operands, inner sizes that differ, leading axes that do not broadcast, no floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[1.0f32, 10.0], &[2])?;
/// assert_eq!(ops::matmul(&a, &b)?.to_vec::<f32>()?, [21.0, 43.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn matmul(a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = promoted_inexact("matmul", a, b)?;
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    let a = if row { super::expand_dims(&a, 0)? } else { a };
    let b = if column { super::expand_dims(&b, 1)? } else { b };
    let out = product(&a, &b)?;
    let out = if row { super::squeeze(&out, -2)? } else { out };
    if column { super::squeeze(&out, -1) } else { Ok(out) }
}

/// [`promoted_inexact`] of real operands.
pub(crate) fn promoted(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    super::sum::require_real(op, a.dtype().promote(b.dtype()))?;
    promoted_inexact(op, a, b)
}

/// Both operands in their common floating dtype, with inner sizes that agree.
pub(crate) fn promoted_inexact(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return Err(Error::value(op, "expected operands of at least one dimension, got a scalar"));
    }
    let dtype = a.dtype().promote(b.dtype());
    if !dtype.is_inexact() {
        let (x, y) = (a.dtype(), b.dtype());
        return Err(Error::dtype(op, format!("expected floating dtypes, got {x} and {y}")));
    }
    let inner_b = b.shape()[b.ndim().saturating_sub(2)];
    if a.shape()[a.ndim() - 1] != inner_b {
        let (x, y) = (a.shape(), b.shape());
        return Err(Error::value(op, format!("last axis of {x:?} and second to last axis of {y:?} must agree")));
    }
    Ok((super::astype(a, dtype)?, super::astype(b, dtype)?))
}

/// The product of operands of at least two axes.
fn product(a: &Array, b: &Array) -> Result<Array> {
    if b.ndim() == 2 && a.ndim() > 2 {
        // One tall product rather than a batch that repeats `b`; rows do not depend on one another.
        let (k, n) = (b.shape()[0], b.shape()[1]);
        let mut shape: Vec<isize> = a.shape().iter().map(|&d| d as isize).collect();
        shape[a.ndim() - 1] = n as isize;
        let rows: usize = a.shape()[..a.ndim() - 1].iter().product();
        let flat = super::reshape(a, &[rows as isize, k as isize])?;
        return super::reshape(&apply(Matmul, &[&flat, b])?, &shape);
    }
    let (a, b) = same_batch("matmul", a, b)?;
    apply(Matmul, &[&a, &b])
}

/// Both operands with the same leading axes.
pub(crate) fn same_batch(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    let (na, nb) = (a.ndim() - 2, b.ndim() - 2);
    if a.shape()[..na] == b.shape()[..nb] {
        return Ok((a.clone(), b.clone()));
    }
    let lead = broadcast_shapes(op, &a.shape()[..na], &b.shape()[..nb])?;
    let to = |x: &Array, n: usize| {
        let mut shape: Shape = lead.clone();
        shape.extend_from_slice(&x.shape()[n..]);
        super::broadcast_to(x, &shape)
    };
    Ok((to(a, na)?, to(b, nb)?))
}

/// The last two axes exchanged.
pub(crate) fn t(x: &Array) -> Result<Array> {
    super::swapaxes(x, -1, -2)
}

/// The last two axes exchanged, complex numbers conjugated.
pub(crate) fn adjoint(x: &Array) -> Result<Array> {
    t(&super::conj(x)?)
}

/// The primitive of [`matmul`]: operands of one dtype, at least two axes, the same leading axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matmul;

/// The spec of a product of two primitive operands.
pub(crate) fn product_spec(op: &'static str, a: &Spec, b: &Spec) -> Result<Spec> {
    let (n, m) = (a.ndim(), b.ndim());
    let fits = n >= 2
        && n == m
        && a.dtype == b.dtype
        && a.dtype.is_inexact()
        && a.shape[..n - 2] == b.shape[..n - 2]
        && a.shape[n - 1] == b.shape[n - 2];
    if !fits {
        let (x, y) = (a.shape.as_slice(), b.shape.as_slice());
        let (s, t) = (a.dtype, b.dtype);
        return Err(Error::value(op, format!("operands {s} {x:?} and {t} {y:?} do not fit")));
    }
    let mut shape = a.shape.clone();
    shape[n - 1] = b.shape[n - 1];
    crate::spec::checked_size(op, &shape, a.dtype.size())?;
    Ok(Spec { shape, dtype: a.dtype })
}

impl Primitive for Matmul {
    const NAME: &'static str = "matmul";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(smallvec![product_spec("matmul", &inputs[0], &inputs[1])?])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let left = cx.tangents[0].as_ref().map(|t| apply(Matmul, &[t, &cx.inputs[1]])).transpose()?;
        let right = cx.tangents[1].as_ref().map(|t| apply(Matmul, &[&cx.inputs[0], t])).transpose()?;
        Ok(smallvec![match (left, right) {
            (Some(l), Some(r)) => Some(super::add(&l, &r)?),
            (l, r) => l.or(r),
        }])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        cx.each(|i| {
            if i == 0 {
                apply(Matmul, &[&ct, &adjoint(&cx.inputs[1])?])
            } else {
                apply(Matmul, &[&adjoint(&cx.inputs[0])?, &ct])
            }
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        // An unbatched operand has one axis less and broadcasts.
        let (a, b) = (cx.front(0)?, cx.front(1)?);
        crate::prim::batched_front(product(&a, &b)?)
    }

    fn cases() -> Cases {
        let mut cases = product_cases(|| Case::new(Matmul), || Domain::Real(-2.0, 2.0));
        cases.extend(product_cases(|| Case::new(Matmul).no_edges(), || Domain::Of(Dtype::C64, -2.0, 2.0)));
        cases
    }
}

/// Shapes that matrix products are tried on.
pub(crate) fn product_cases(case: impl Fn() -> Case, real: impl Fn() -> Domain) -> Cases {
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[2, 3], &[3, 4]),
        (&[1, 5], &[5, 1]),
        (&[2, 3, 4], &[2, 4, 2]),
        (&[3, 1, 2, 2], &[3, 1, 2, 3]),
        (&[0, 3], &[3, 2]),
        (&[2, 0], &[0, 3]),
        (&[1, 300], &[300, 17]),
        (&[19, 35], &[35, 33]),
    ];
    let sums = |a: &[usize]| a.last().copied().unwrap_or(1);
    shapes.into_iter().map(|(a, b)| case().input(a, real()).input(b, real()).sums(sums(a))).collect()
}
