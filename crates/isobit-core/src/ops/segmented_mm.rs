//! Products over segments of the inner axis.

use super::matmul::{promoted, t};
use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Prim, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `a[:, start:end] @ b[start:end, :]` for every pair `(start, end)` in `segments`.
///
/// A product has the bits that [`matmul`](crate::ops::matmul()) gives those two slices. Pairs are read as Python's slices:
/// negative numbers count from the end, numbers beyond it are cut, and an empty segment gives zeros.
///
/// # Shapes
/// `a`: `[M, K]`, `b`: `[K, N]`, `segments`: `[..., 2]`; result `[..., M, N]`.
///
/// # Dtypes
/// `a` and `b`: floats, promoted; `segments`: integers.
///
/// # Gradients
/// Of both operands; what an element gets from several segments is added up in float32 (float64) in ascending order.
///
/// # Errors
/// Operands that are no matrices (`vmap` batches them), inner sizes that differ, segments that are no pairs of integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0], &[1, 3])?;
/// let b = Array::from_slice(&[1.0f32, 10.0, 100.0], &[3, 1])?;
/// let segments = Array::from_slice(&[0u32, 2, 2, 3, 1, 1], &[3, 2])?;
/// assert_eq!(ops::segmented_mm(&a, &b, &segments)?.to_vec::<f32>()?, [21.0, 300.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn segmented_mm(a: &Array, b: &Array, segments: &Array) -> Result<Array> {
    const OP: &str = "segmented_mm";
    if a.ndim() != 2 || b.ndim() != 2 {
        let (x, y) = (a.shape(), b.shape());
        return Err(Error::value(OP, format!("expected two matrices, got {x:?} and {y:?}; vmap batches them")));
    }
    let (a, b) = promoted(OP, a, b)?;
    if segments.shape().last() != Some(&2) {
        return Err(Error::value(OP, format!("expected segments of shape [..., 2], got {:?}", segments.shape())));
    }
    super::gather::require_integer(OP, segments)?;
    let lead = &segments.shape()[..segments.ndim() - 1];
    let count: usize = lead.iter().product();
    let list = super::reshape(segments, &[1, count as isize, 2])?;
    let out = apply(SegmentedMm, &[&super::expand_dims(&a, 0)?, &super::expand_dims(&b, 0)?, &list])?;
    let shape = [lead, &[a.shape()[0], b.shape()[1]]].concat();
    super::reshape(&out, &super::broadcast::signed(&shape))
}

/// The primitive of [`segmented_mm`]: `a` `[B, M, K]`, `b` `[B, K, N]` and segments `[B, S, 2]` to `[B, S, M, N]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentedMm;

/// Its transpose: `c` `[B, S, M, N]`, `b` `[B, K, N]` and segments `[B, S, 2]` to `[B, M, K]`. Column `k` of the result is
/// the sum of `c[s] @ b[k]` over the segments `s` that contain `k`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentedOuter;

/// The output's spec, if operands fit that have these axes: batch, and an inner size that must agree.
fn fitting(op: &'static str, inputs: &[Spec], fits: bool, shape: &[usize]) -> Result<Specs> {
    let [a, b, segments] = inputs else {
        return Err(Error::value(op, format!("expected three inputs, got {}", inputs.len())));
    };
    let n = segments.ndim();
    let pairs =
        fits && n == 3 && segments.shape[2] == 2 && segments.dtype.is_integer() && segments.shape[0] == a.shape[0];
    if !pairs || a.dtype != b.dtype || !a.dtype.is_float() || a.shape[0] != b.shape[0] {
        return Err(Error::value(op, format!("operands {a:?}, {b:?} and {segments:?} do not fit")));
    }
    crate::spec::checked_size(op, shape, a.dtype.size())?;
    Ok(smallvec![Spec { shape: shape.into(), dtype: a.dtype }])
}

/// The sum of what each of two operands' tangents gives.
fn bilinear_jvp(prim: &(impl Into<Prim> + Clone), cx: &Jvp<'_>) -> Result<Tangents> {
    let (a, b, segments) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2]);
    let left = cx.tangents[0].as_ref().map(|x| apply(prim.clone(), &[x, b, segments])).transpose()?;
    let right = cx.tangents[1].as_ref().map(|x| apply(prim.clone(), &[a, x, segments])).transpose()?;
    Ok(smallvec![match (left, right) {
        (Some(l), Some(r)) => Some(super::add(&l, &r)?),
        (l, r) => l.or(r),
    }])
}

/// The batch folded into the one that the primitives have.
fn folded(prim: impl Into<Prim>, cx: &Vmap<'_>) -> Result<Batched> {
    let all = cx.all_front()?;
    let batch = all[0].shape()[1];
    let all = all.iter().map(super::gather_mm::merged).collect::<Result<Vec<_>>>()?;
    let out = apply(prim, &all.iter().collect::<Vec<_>>())?;
    let mut shape = super::broadcast::signed(out.shape());
    shape.splice(0..1, [cx.size as isize, batch as isize]);
    crate::prim::batched_front(super::reshape(&out, &shape)?)
}

impl Primitive for SegmentedMm {
    const NAME: &'static str = "segmented_mm";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (a, b, segments) = (&inputs[0], &inputs[1], &inputs[2]);
        let fits = a.ndim() == 3 && b.ndim() == 3 && a.shape[2] == b.shape[1] && segments.ndim() == 3;
        let shape = if fits { vec![a.shape[0], segments.shape[1], a.shape[1], b.shape[2]] } else { Vec::new() };
        fitting(Self::NAME, inputs, fits, &shape)
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        bilinear_jvp(self, cx)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let (a, b, segments, ct) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], cx.ct()?);
        let mut grads: Grads = smallvec![None; 3];
        if cx.wanted(0) {
            grads[0] = Some(apply(SegmentedOuter, &[&ct, b, segments])?);
        }
        if cx.wanted(1) {
            grads[1] = Some(t(&apply(SegmentedOuter, &[&t(&ct)?, &t(a)?, segments])?)?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        folded(self.clone(), cx)
    }

    fn cases() -> Cases {
        // (batch, segments, M, K, N)
        let operands = |[b, s, m, k, n]: [usize; 5], least: i64| {
            Case::new(SegmentedMm)
                .input(&[b, m, k], Domain::Real(-2.0, 2.0))
                .input(&[b, k, n], Domain::Real(-2.0, 2.0))
                .input(&[b, s, 2], Domain::Integer(least, k as i64 + 1))
        };
        let case = |sizes: [usize; 5]| operands(sizes, 0).sums(sizes[3]);
        vec![
            case([1, 3, 4, 12, 5]),
            case([2, 2, 3, 35, 33]),
            case([1, 5, 1, 7, 1]),
            case([1, 0, 2, 3, 2]),
            case([1, 2, 0, 3, 2]),
            case([1, 2, 2, 0, 2]),
            // Counted from the end; the bound of `sums` would take such numbers' absolute values.
            operands([1, 4, 2, 9, 3], -9).accumulates(9, 36.0),
        ]
    }
}

impl Primitive for SegmentedOuter {
    const NAME: &'static str = "segmented_outer";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (c, b, segments) = (&inputs[0], &inputs[1], &inputs[2]);
        let fits = c.ndim() == 4
            && b.ndim() == 3
            && c.shape[3] == b.shape[2]
            && segments.ndim() == 3
            && segments.shape[1] == c.shape[1];
        let shape = if fits { vec![c.shape[0], c.shape[2], b.shape[1]] } else { Vec::new() };
        fitting(Self::NAME, inputs, fits, &shape)
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        bilinear_jvp(self, cx)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let (c, b, segments, ct) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], cx.ct()?);
        let mut grads: Grads = smallvec![None; 3];
        if cx.wanted(0) {
            grads[0] = Some(apply(SegmentedMm, &[&ct, b, segments])?);
        }
        if cx.wanted(1) {
            grads[1] = Some(t(&apply(SegmentedOuter, &[&t(c)?, &t(&ct)?, segments])?)?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        folded(self.clone(), cx)
    }

    fn cases() -> Cases {
        let case = |[b, s, m, k, n]: [usize; 5]| {
            Case::new(SegmentedOuter)
                .input(&[b, s, m, n], Domain::Real(-2.0, 2.0))
                .input(&[b, k, n], Domain::Real(-2.0, 2.0))
                .input(&[b, s, 2], Domain::Integer(0, k as i64 + 1))
                .sums(s * n)
        };
        vec![case([1, 3, 4, 6, 5]), case([2, 2, 3, 35, 17]), case([1, 0, 2, 3, 2]), case([1, 2, 2, 3, 0])]
    }
}
