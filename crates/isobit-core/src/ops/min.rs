//! Smallest element over axes.

use super::max::{extremum_jvp, extremum_vjp, require_elements};
use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// The smallest element over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Any; the result has the input's. A NaN among the elements makes the result NaN.
///
/// # Gradients
/// The cotangent to the smallest element, split evenly if several are equal.
///
/// # Errors
/// Axes out of range or repeated; a reduced axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::min(&a, 0, false)?.to_vec::<f32>()?, [0.0, 1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn min(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("min", a.ndim())?;
    if axes.is_empty() {
        return Ok(a.clone());
    }
    let out = apply(Min { axes: axes.clone() }, &[a])?;
    drop_axes(out, &axes, keepdims)
}

/// The primitive of [`min`]. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Min {
    axes: SmallVec<[usize; 4]>,
}

impl Min {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl Primitive for Min {
    const NAME: &'static str = "min";

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
        crate::prim::batched_front(apply(Min { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        // Any in every dtype; derivatives need elements that are not tied. Which of two zeros it is, is left open.
        let case = |axes: &[usize]| Case::new(Min { axes: axes.into() });
        let mut cases =
            reduction_cases(|axes| case(axes).ulps(0.0).accumulates(1, 0.0).no_grad(), Domain::Any(-4.0, 4.0));
        cases.extend(reduction_cases(|axes| case(axes).ulps(0.0).accumulates(1, 0.0), Domain::Distinct(-4.0, 4.0)));
        let ties = Domain::Exact(Dtype::F64, vec![2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 0.0, 0.0]);
        cases.push(case(&[1]).input(&[2, 4], ties).ulps(0.0).accumulates(1, 0.0).no_grad());
        cases.push(case(&[1]).input(&[0, 3], Domain::Any(0.0, 1.0)).ulps(0.0).accumulates(1, 0.0));
        cases
    }
}
