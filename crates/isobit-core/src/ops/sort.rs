//! Elements in ascending order.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Spec, resolve_axis};

/// The elements of `a` in ascending order along `axis`; without an axis, of the flattened array. NaNs come last.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any real dtype; the result has the input's.
///
/// # Gradients
/// The cotangent, put back into the order of the input.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::sort(&a, 1)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sort(a: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, axis) = along("sort", a, axis.into())?;
    apply(Sort { axis }, &[&a])
}

/// The input and the axis of a call: without an axis, the flattened array.
pub(crate) fn along(op: &'static str, a: &Array, axis: Option<isize>) -> Result<(Array, usize)> {
    match axis {
        None => Ok((super::reshape(a, &[a.size() as isize])?, 0)),
        Some(axis) => Ok((a.clone(), resolve_axis(op, axis, a.ndim())?)),
    }
}

/// Tangent of a result whose elements are those of the input at positions `order` along `axis`.
pub(crate) fn reordered_jvp(cx: &Jvp<'_>, order: impl Fn(&Array) -> Result<Array>, axis: usize) -> Result<Tangents> {
    match &cx.tangents[0] {
        Some(t) if cx.outs[0].dtype().is_inexact() => {
            crate::prim::tangent(super::take_along_axis(t, &order(&cx.inputs[0])?, axis as isize)?)
        }
        _ => crate::prim::no_tangent(),
    }
}

/// Cotangent of the input for such a result: sorting the positions gives the way back.
pub(crate) fn reordered_vjp(cx: &Vjp<'_>, order: impl Fn(&Array) -> Result<Array>, axis: usize) -> Result<Grads> {
    let ct = cx.ct()?;
    cx.each(|i| {
        let back = super::argsort(&order(&cx.inputs[i])?, axis as isize)?;
        super::take_along_axis(&ct, &back, axis as isize)
    })
}

/// The primitive of [`sort`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sort {
    axis: usize,
}

impl Sort {
    /// The sorted axis.
    pub fn axis(&self) -> usize {
        self.axis
    }
}

impl Primitive for Sort {
    const NAME: &'static str = "sort";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        reordered_jvp(cx, |x| super::argsort(x, self.axis as isize), self.axis)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        reordered_vjp(cx, |x| super::argsort(x, self.axis as isize), self.axis)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Sort { axis: self.axis + 1 }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        sort_cases(|axis| Case::new(Sort { axis }).exact(), true)
    }
}

/// Shapes and axes that every sort is tried on: any dtype, and for derivatives elements that are not tied.
pub(crate) fn sort_cases(case: impl Fn(usize) -> Case, differentiable: bool) -> Cases {
    let shapes: [(&[usize], usize); 6] =
        [(&[7], 0), (&[3, 40], 1), (&[40, 3], 0), (&[2, 3, 4], 1), (&[2, 1], 1), (&[3, 0], 0)];
    let mut cases = Cases::new();
    for (shape, axis) in shapes {
        cases.push(case(axis).input(shape, Domain::Any(-4.0, 4.0)).no_grad());
        if differentiable {
            cases.push(case(axis).input(shape, Domain::Distinct(-4.0, 4.0)));
        }
    }
    let parts = Domain::Exact(crate::dtype::Dtype::C64, vec![1.0, 2.0, 1.0, -1.0, 1.0, 2.0, -0.0, 4.0, 0.0, -3.0]);
    cases.push(case(0).input(&[5], parts).no_grad());
    if differentiable {
        let ties = Domain::Exact(crate::dtype::Dtype::F64, vec![2.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        cases.push(case(0).input(&[6], ties).no_grad());
        let complex = vec![1.0, 2.0, 3.0, -1.0, -2.0, 0.0, 2.0, 4.0, 0.5, -3.0, -1.0, 1.0];
        cases.push(case(1).input(&[2, 3], Domain::Exact(crate::dtype::Dtype::C64, complex)));
    }
    cases
}
