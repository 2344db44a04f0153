//! Exponentials normalised to sum to one.

use super::sum::behind_batch;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// `exp(a - max) / sum(exp(a - max))` over `axes`; with `..`, over all.
///
/// `precise` asks for float32 inside half-precision inputs; here it is always so, hence the flag changes nothing.
///
/// # Shapes
/// Any; the result has the input's.
///
/// # Dtypes
/// Floats; integers and bools are converted to float32. Half precision is computed in float32 and rounded once.
///
/// # Gradients
/// `s * (ct - sum(s * ct))`.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 0.0, f32::NEG_INFINITY], &[3])?;
/// assert_eq!(ops::softmax(&a, 0, false)?.to_vec::<f32>()?, [0.5, 0.5, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn softmax(a: &Array, axes: impl Into<Axes>, precise: bool) -> Result<Array> {
    let _ = precise;
    let axes = axes.into().resolve("softmax", a.ndim())?;
    let a = super::astype(a, a.dtype().at_least_float())?;
    if axes.is_empty() {
        // Every element for itself: one, and NaN where there is no number to compare with.
        return super::exp(&super::subtract(&a, &a)?);
    }
    if a.dtype() == Dtype::C64 {
        // Shifted by the largest real part, which only keeps exponentials in range.
        let axes = super::broadcast::signed(&axes);
        let top = super::stop_gradient(&super::max(&super::real(&a)?, axes.as_slice(), true)?)?;
        let e = super::exp(&super::subtract(&a, &top)?)?;
        return super::divide(&e, &super::sum(&e, axes.as_slice(), true)?);
    }
    apply(Softmax { axes }, &[&a])
}

/// The primitive of [`softmax`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Softmax {
    axes: SmallVec<[usize; 4]>,
}

impl Softmax {
    /// The axes over which the result sums to one, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// The Jacobian, which is symmetric, times `t`.
    fn scaled(&self, out: &Array, t: &Array) -> Result<Array> {
        let axes = super::broadcast::signed(&self.axes);
        let weighted = super::multiply(out, t)?;
        let total = super::sum(&weighted, axes.as_slice(), true)?;
        super::subtract(&weighted, &super::multiply(out, &total)?)
    }
}

impl Primitive for Softmax {
    const NAME: &'static str = "softmax";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        super::require_float(Self::NAME, inputs[0].dtype)?;
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        match &cx.tangents[0] {
            Some(t) => crate::prim::tangent(self.scaled(&cx.outs[0], t)?),
            None => crate::prim::no_tangent(),
        }
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        cx.each(|_| self.scaled(&cx.outs[0], &ct))
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Softmax { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = super::sum::reduction_cases(
            |axes| Case::new(Softmax { axes: axes.into() }).ulps(10.0),
            Domain::Real(-4.0, 4.0),
        );
        let case = |axes: &[usize]| Case::new(Softmax { axes: axes.into() }).ulps(10.0);
        cases.push(case(&[1]).input(&[2, 3], Domain::Real(80.0, 120.0)));
        cases.push(case(&[1]).input(&[2, 0], Domain::Real(0.0, 1.0)));
        cases
    }
}
