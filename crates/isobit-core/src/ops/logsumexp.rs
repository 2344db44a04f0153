//! Logarithm of a sum of exponentials.

use super::broadcast::signed;
use super::max::require_elements;
use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// `log(sum(exp(a)))` over `axes` (with `..`, over all) without overflow: the largest element is taken out first.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Floats; integers and bools are converted to float32. Half precision is computed in float32 and rounded once.
///
/// # Gradients
/// The cotangent times the softmax.
///
/// # Errors
/// Axes out of range or repeated; a reduced axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 0.0], &[2])?;
/// assert_eq!(ops::logsumexp(&a, .., false)?.to_vec::<f32>()?, [std::f32::consts::LN_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logsumexp(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("logsumexp", a.ndim())?;
    let a = super::astype(a, a.dtype().at_least_float())?;
    if axes.is_empty() {
        return Ok(a);
    }
    if a.dtype() == Dtype::C64 {
        // Shifted by the largest real part, which only keeps exponentials in range.
        let top = super::stop_gradient(&super::max(&super::real(&a)?, signed(&axes).as_slice(), true)?)?;
        let sum = super::sum(&super::exp(&super::subtract(&a, &top)?)?, signed(&axes).as_slice(), true)?;
        return drop_axes(super::add(&super::log(&sum)?, &top)?, &axes, keepdims);
    }
    let out = apply(LogSumExp { axes: axes.clone() }, &[&a])?;
    drop_axes(out, &axes, keepdims)
}

/// The primitive of [`logsumexp`]. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogSumExp {
    axes: SmallVec<[usize; 4]>,
}

impl LogSumExp {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl Primitive for LogSumExp {
    const NAME: &'static str = "logsumexp";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        require_elements(Self::NAME, &inputs[0], &self.axes)?;
        let dtype = super::require_float(Self::NAME, inputs[0].dtype)?;
        crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &self.axes), dtype })
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(t) = &cx.tangents[0] else { return crate::prim::no_tangent() };
        let axes = super::broadcast::signed(&self.axes);
        let weights = super::softmax(&cx.inputs[0], axes.as_slice(), true)?;
        crate::prim::tangent(super::sum(&super::multiply(&weights, t)?, axes.as_slice(), true)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        let axes = super::broadcast::signed(&self.axes);
        cx.each(|i| super::multiply(&ct, &super::softmax(&cx.inputs[i], axes.as_slice(), true)?))
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(LogSumExp { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = reduction_cases(
            |axes| Case::new(LogSumExp { axes: axes.into() }).accumulates(300, 12.0),
            Domain::Real(-4.0, 4.0),
        );
        let case = |axes: &[usize]| Case::new(LogSumExp { axes: axes.into() });
        cases.push(case(&[1]).input(&[2, 3], Domain::Real(80.0, 120.0)));
        cases.push(case(&[1]).input(&[0, 3], Domain::Real(0.0, 1.0)));
        cases
    }
}
