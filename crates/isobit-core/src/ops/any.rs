//! Disjunction over axes.

use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// Whether any element over `axes` (with `..`, over all) is not zero. A NaN is not zero.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: false.
///
/// # Dtypes
/// Any; the result is bool.
///
/// # Gradients
/// None.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[false, false, false, true], &[2, 2])?;
/// assert_eq!(ops::any(&a, 1, false)?.to_vec::<bool>()?, [false, true]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn any(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("any", a.ndim())?;
    let a = super::astype(a, Dtype::Bool)?;
    if axes.is_empty() {
        return Ok(a);
    }
    let out = apply(Any { axes: axes.clone() }, &[&a])?;
    drop_axes(out, &axes, keepdims)
}

/// The primitive of [`any`], on bools. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Any {
    axes: SmallVec<[usize; 4]>,
}

impl Any {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl NonDifferentiable for Any {
    const NAME: &'static str = "any";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if inputs[0].dtype != Dtype::Bool {
            return Err(Error::dtype(Self::NAME, format!("expected bool, got {}", inputs[0].dtype)));
        }
        crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &self.axes), dtype: Dtype::Bool })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Any { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = reduction_cases(|axes| Case::new(Any { axes: axes.into() }).exact(), Domain::Bool);
        let case = |axes: &[usize]| Case::new(Any { axes: axes.into() }).exact();
        cases.push(case(&[0]).input(&[3], Domain::Exact(Dtype::Bool, vec![0.0; 3])));
        cases.push(case(&[0]).input(&[3], Domain::Exact(Dtype::Bool, vec![1.0; 3])));
        cases.push(case(&[0]).input(&[0, 2], Domain::Bool));
        cases
    }
}

crate::primitive_via!(NonDifferentiable, Any);
