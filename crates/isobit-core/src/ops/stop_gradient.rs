//! A value through which no derivative flows.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `a`, treated as a constant by `grad`, `vjp` and `jvp`.
///
/// # Shapes
/// Any; the result has the input's shape and dtype.
///
/// # Gradients
/// Zero.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32], &[1])?;
/// let f = |x: &[Array]| ops::multiply(&x[0], &ops::stop_gradient(&x[0])?);
/// let gradient = isobit::transforms::grad(f, [0])(&[ops::reshape(&a, &[])?])?;
/// // Not 6: the second factor counts as a constant.
/// assert_eq!(gradient[0].to_vec::<f32>()?, [3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn stop_gradient(a: &Array) -> Result<Array> {
    apply(StopGradient, &[a])
}

/// The primitive of [`stop_gradient`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopGradient;

impl NonDifferentiable for StopGradient {
    const NAME: &'static str = "stop_gradient";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(smallvec![inputs[0].clone()])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(smallvec![(stop_gradient(&cx.inputs[0])?, cx.axes[0])])
    }

    fn cases() -> Cases {
        // The derivative is zero by definition, not the limit of differences.
        vec![Case::new(StopGradient).input(&[2, 3], Domain::Any(-4.0, 4.0)).exact().no_grad()]
    }
}

crate::primitive_via!(NonDifferentiable, StopGradient);
