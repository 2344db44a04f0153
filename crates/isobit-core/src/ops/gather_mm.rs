//! Products of matrices that are chosen by index: mixtures of experts.

use super::matmul::t;
use super::scatter::{Reduce, Scatter};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec};
use smallvec::smallvec;
use std::ops::Range;

/// `a[lhs[i]] @ b[rhs[i]]` for every index pair `i`: the leading axes of `a` and `b`, flattened, are what is indexed.
///
/// A product has the bits that [`matmul`](crate::ops::matmul()) gives those two matrices.
///
/// # Shapes
/// `a`: `[..., M, K]` (or `[K]`), `b`: `[..., K, N]` (or `[K]`); `lhs` and `rhs` broadcast together, to `[I...]`. Without
/// `lhs` or `rhs` each matrix of that operand is used once, in order. Result `[I..., M, N]`, without the axis that a vector
/// lacks.
///
/// # Dtypes
/// Floats, promoted; indices are integers. Negative ones count from the end, and one that is out of range is clamped.
///
/// # Gradients
/// Of both operands; what one matrix gets from several pairs is added up in ascending order.
///
/// # Errors
/// Operands without axes, inner sizes that differ, indices that do not broadcast, other dtypes.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 3.0], &[2, 1, 1])?;
/// let b = Array::from_slice(&[10.0f32, 100.0], &[2, 1, 1])?;
/// let lhs = Array::from_slice(&[0i32, 1, 1], &[3])?;
/// let rhs = Array::from_slice(&[1i32, 0, 1], &[3])?;
/// assert_eq!(ops::gather_mm(&a, &b, Some(&lhs), Some(&rhs))?.to_vec::<f32>()?, [200.0, 30.0, 300.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn gather_mm(a: &Array, b: &Array, lhs: Option<&Array>, rhs: Option<&Array>) -> Result<Array> {
    const OP: &str = "gather_mm";
    if a.ndim() == 1 {
        return super::squeeze(&gather_mm(&super::expand_dims(a, 0)?, b, lhs, rhs)?, -2);
    }
    if b.ndim() == 1 {
        return super::squeeze(&gather_mm(a, &super::expand_dims(b, 1)?, lhs, rhs)?, -1);
    }
    let (a, b) = super::matmul::promoted(OP, a, b)?;
    let (lhs, rhs) = pairs(OP, &a, &b, lhs, rhs)?;
    apply(GatherMm, &[&stacked(&a)?, &stacked(&b)?, &lhs, &rhs])
}

/// The array as one stack of matrices: `[..., P, Q] -> [S, P, Q]`.
pub(crate) fn stacked(a: &Array) -> Result<Array> {
    let n = a.ndim();
    let count: usize = a.shape()[..n - 2].iter().product();
    super::reshape(a, &[count as isize, a.shape()[n - 2] as isize, a.shape()[n - 1] as isize])
}

/// Both index arrays, given or all in order, in their common shape.
pub(crate) fn pairs(
    op: &'static str,
    a: &Array,
    b: &Array,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
) -> Result<(Array, Array)> {
    for x in [a, b] {
        if x.ndim() < 2 {
            return Err(Error::value(op, format!("expected operands of at least two axes, got {:?}", x.shape())));
        }
    }
    let of = |indices: Option<&Array>, x: &Array| match indices {
        Some(i) => {
            super::gather::require_integer(op, i)?;
            Ok(i.clone())
        }
        None => {
            let lead = &x.shape()[..x.ndim() - 2];
            super::reshape(&super::arange::iota(lead.iter().product())?, &super::broadcast::signed(lead))
        }
    };
    let both = super::broadcast_arrays(&[of(lhs, a)?, of(rhs, b)?])?;
    Ok((both[0].clone(), both[1].clone()))
}

/// The specs of index arrays, checked; their shape.
pub(crate) fn index_shape(op: &'static str, lhs: &Spec, rhs: &Spec) -> Result<Shape> {
    if lhs.shape != rhs.shape || !lhs.dtype.is_integer() || !rhs.dtype.is_integer() {
        return Err(Error::value(op, format!("expected integer indices of one shape, got {lhs:?} and {rhs:?}")));
    }
    Ok(lhs.shape.clone())
}

/// `updates` (one matrix per index) added up in a stack of zeros like `stack`.
pub(crate) fn scatter_matrices(stack: &Array, updates: &Array, indices: &Array) -> Result<Array> {
    let zeros = super::zeros_like(stack)?;
    let updates = super::astype(&super::expand_dims(updates, -3isize)?, stack.dtype())?;
    Scatter::new(smallvec![0], Reduce::Add).of(&zeros, &updates, std::slice::from_ref(indices))
}

/// One index per pair that walks through the products themselves.
pub(crate) fn each_pair(indices: &Array) -> Result<Array> {
    super::reshape(&super::arange::iota(indices.size())?, &super::broadcast::signed(indices.shape()))
}

/// A stack with the batch folded into it, and indices that find their element's part of it.
pub(crate) fn fold_batch(cx: &Vmap<'_>, stack: usize, index: &Array) -> Result<(Array, Array)> {
    if !cx.batched(stack) {
        return Ok((cx.inputs[stack].clone(), index.clone()));
    }
    let x = cx.front(stack)?;
    Ok((merged(&x)?, in_merged(index, x.shape()[1])?))
}

/// The first two axes as one.
pub(crate) fn merged(x: &Array) -> Result<Array> {
    let mut shape = super::broadcast::signed(x.shape());
    shape.splice(0..2, [(x.shape()[0] * x.shape()[1]) as isize]);
    super::reshape(x, &shape)
}

/// Indices into stacks of `count`, one stack per element of the batch (`index`'s first axis), as indices into all of them
/// one behind the other.
pub(crate) fn in_merged(index: &Array, count: usize) -> Result<Array> {
    // Normalise before shifting: negative indices count from the end of their own stack, others are clamped to it (uint64
    // before they become signed).
    let index = match index.dtype() {
        Dtype::U64 => &super::minimum(index, &Array::scalar(count as i64, Dtype::U64))?,
        _ => index,
    };
    let wide = super::astype(index, Dtype::I64)?;
    let n = Array::scalar(count as i64, Dtype::I64);
    let zero = Array::scalar(0, Dtype::I64);
    let positive = super::where_(&super::less(&wide, &zero)?, &super::add(&wide, &n)?, &wide)?;
    let last = Array::scalar(count.saturating_sub(1) as i64, Dtype::I64);
    let clamped = super::clip(&positive, Some(&zero), Some(&last))?;
    let element = super::gather::batch_index(index.shape())?;
    super::add(&clamped, &super::multiply(&super::astype(&element, Dtype::I64)?, &n)?)
}

/// The primitive of [`gather_mm`](crate::ops::gather_mm()): inputs are stacks of matrices `[A, M, K]` and `[B, K, N]` of
/// one dtype, and index arrays of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatherMm;

impl Primitive for GatherMm {
    const NAME: &'static str = "gather_mm";

    fn selectors(&self) -> Range<usize> {
        2..4
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let mut shape = index_shape(Self::NAME, &inputs[2], &inputs[3])?;
        let fits = a.ndim() == 3
            && b.ndim() == 3
            && a.shape[2] == b.shape[1]
            && a.dtype == b.dtype
            && a.dtype.is_float()
            && (shape.contains(&0) || a.shape[0] > 0 && b.shape[0] > 0);
        if !fits {
            return Err(Error::value(Self::NAME, format!("operands {a:?} and {b:?} do not fit {shape:?} pairs")));
        }
        shape.extend_from_slice(&[a.shape[1], b.shape[2]]);
        crate::spec::checked_size(Self::NAME, &shape, a.dtype.size())?;
        Ok(smallvec![Spec { shape, dtype: a.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let (a, b, lhs, rhs) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], &cx.inputs[3]);
        let left = cx.tangents[0].as_ref().map(|t| apply(GatherMm, &[t, b, lhs, rhs])).transpose()?;
        let right = cx.tangents[1].as_ref().map(|t| apply(GatherMm, &[a, t, lhs, rhs])).transpose()?;
        Ok(smallvec![match (left, right) {
            (Some(l), Some(r)) => Some(super::add(&l, &r)?),
            (l, r) => l.or(r),
        }])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let (a, b, lhs, rhs) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], &cx.inputs[3]);
        let ct = stacked(&cx.ct()?)?;
        let pair = each_pair(lhs)?;
        let mut grads: Grads = smallvec![None; 4];
        if cx.wanted(0) {
            let each = apply(GatherMm, &[&ct, &t(b)?, &pair, rhs])?;
            grads[0] = Some(scatter_matrices(a, &each, lhs)?);
        }
        if cx.wanted(1) {
            let each = apply(GatherMm, &[&t(a)?, &ct, lhs, &pair])?;
            grads[1] = Some(scatter_matrices(b, &each, rhs)?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if cx.size == 0 {
            return cx.each(|xs| Ok(vec![apply(GatherMm, &xs.iter().collect::<Vec<_>>())?]));
        }
        let (a, lhs) = fold_batch(cx, 0, &cx.front_full(2)?)?;
        let (b, rhs) = fold_batch(cx, 1, &cx.front_full(3)?)?;
        crate::prim::batched_front(apply(GatherMm, &[&a, &b, &lhs, &rhs])?)
    }

    fn cases() -> Cases {
        let real = || Domain::Real(-2.0, 2.0);
        let case = |a: &[usize], b: &[usize], at: &[usize]| {
            let (na, nb) = (a[0] as i64, b[0] as i64);
            Case::new(GatherMm)
                .input(a, real())
                .input(b, real())
                .input(at, Domain::Integer(-na, na - 1))
                .input(at, Domain::Integer(-nb, nb - 1))
                .sums(a[2])
        };
        vec![
            case(&[2, 3, 4], &[3, 4, 2], &[5]),
            case(&[3, 1, 35], &[4, 35, 33], &[2, 3]),
            case(&[2, 1, 5], &[2, 5, 1], &[]),
            case(&[2, 2, 3], &[2, 3, 2], &[0]),
            case(&[2, 0, 3], &[2, 3, 2], &[2]),
            case(&[2, 2, 0], &[2, 0, 2], &[2]),
            case(&[7, 1, 17], &[2, 17, 9], &[7]),
        ]
    }
}
