//! Largest element over axes.

use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// The largest element over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Any; the result has the input's. A NaN among the elements makes the result NaN.
///
/// # Gradients
/// The cotangent to the largest element, split evenly if several are equal.
///
/// # Errors
/// Axes out of range or repeated; a reduced axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::max(&a, 1, false)?.to_vec::<f32>()?, [3.0, 5.0]);
/// assert_eq!(ops::max(&a, .., false)?.to_vec::<f32>()?, [5.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn max(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("max", a.ndim())?;
    if axes.is_empty() {
        return Ok(a.clone());
    }
    let out = apply(Max { axes: axes.clone() }, &[a])?;
    drop_axes(out, &axes, keepdims)
}

/// Refuses what has no smallest and largest element.
pub(crate) fn require_elements(op: &'static str, x: &Spec, axes: &[usize]) -> Result<()> {
    match axes.iter().find(|&&a| x.shape[a] == 0) {
        Some(a) => Err(Error::value(op, format!("expected elements along the reduced axes, got axis {a} of size 0"))),
        None => Ok(()),
    }
}

/// One at the elements that equal their group's result, zero elsewhere, and how many there are of them.
fn attained(x: &Array, out: &Array, axes: &[usize]) -> Result<(Array, Array)> {
    let mask = super::astype(&super::equal(x, out)?, x.dtype())?;
    let count = super::sum(&mask, super::broadcast::signed(axes).as_slice(), true)?;
    Ok((mask, count))
}

/// The mean of the tangents of the elements that attain the extremum: the transpose of [`extremum_vjp`].
pub(crate) fn extremum_jvp(cx: &Jvp<'_>, axes: &[usize]) -> Result<Tangents> {
    let Some(t) = &cx.tangents[0] else { return crate::prim::no_tangent() };
    if !cx.outs[0].dtype().is_inexact() {
        return crate::prim::no_tangent();
    }
    let (mask, count) = attained(&cx.inputs[0], &cx.outs[0], axes)?;
    let picked = super::sum(&super::multiply(&mask, t)?, super::broadcast::signed(axes).as_slice(), true)?;
    crate::prim::tangent(super::divide(&picked, &count)?)
}

/// The cotangent, split evenly among the elements that attain the extremum.
pub(crate) fn extremum_vjp(cx: &Vjp<'_>, axes: &[usize]) -> Result<Grads> {
    let ct = cx.ct()?;
    cx.each(|i| {
        let (mask, count) = attained(&cx.inputs[i], &cx.outs[0], axes)?;
        super::multiply(&mask, &super::divide(&ct, &count)?)
    })
}

/// The primitive of an extremum: largest and smallest differ in their kernels alone.
macro_rules! extremum {
    ($prim:ident, $name:literal) => {
        #[doc = concat!("The primitive of [`", $name, "`].")]
        /// Keeps the reduced axes with size 1.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $prim {
            axes: SmallVec<[usize; 4]>,
        }

        impl $prim {
            /// The reduced axes, ascending.
            pub fn axes(&self) -> &[usize] {
                &self.axes
            }
        }

        impl Primitive for $prim {
            const NAME: &'static str = $name;

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                require_elements(Self::NAME, &inputs[0], &self.axes)?;
                crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &self.axes), dtype: inputs[0].dtype })
            }

            fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
                extremum_jvp(cx, &self.axes)
            }

            fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
                extremum_vjp(cx, &self.axes)
            }

            fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
                crate::prim::batched_front(apply($prim { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
            }

            fn cases() -> Cases {
                // Any in every dtype; derivatives need elements that are not tied. Which of two zeros it is, is left open.
                let case = |axes: &[usize]| Case::new($prim { axes: axes.into() });
                let mut cases =
                    reduction_cases(|axes| case(axes).ulps(0.0).accumulates(1, 0.0).no_grad(), Domain::Any(-4.0, 4.0));
                cases.extend(reduction_cases(
                    |axes| case(axes).ulps(0.0).accumulates(1, 0.0),
                    Domain::Distinct(-4.0, 4.0),
                ));
                let ties = Domain::Exact(Dtype::F64, vec![2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 0.0, 0.0]);
                cases.push(case(&[1]).input(&[2, 4], ties).ulps(0.0).accumulates(1, 0.0).no_grad());
                cases.push(case(&[1]).input(&[0, 3], Domain::Any(0.0, 1.0)).ulps(0.0).accumulates(1, 0.0));
                let complex =
                    Domain::Exact(Dtype::C64, vec![1.0, 2.0, 3.0, -1.0, -2.0, 0.0, 2.0, 4.0, 0.5, -3.0, -1.0, 1.0]);
                cases.push(case(&[1]).input(&[2, 3], complex.clone()));
                cases.push(case(&[0, 1]).input(&[3, 2], complex));
                cases
            }
        }
    };
}
pub(crate) use extremum;

extremum!(Max, "max");
