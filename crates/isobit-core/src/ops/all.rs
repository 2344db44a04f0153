//! Conjunction over axes.

use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// Whether every element over `axes` (with `..`, over all) is not zero. A NaN is not zero.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: true.
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
/// let a = Array::from_slice(&[true, true, false, true], &[2, 2])?;
/// assert_eq!(ops::all(&a, 1, false)?.to_vec::<bool>()?, [true, false]);
/// assert_eq!(ops::all(&a, .., false)?.to_vec::<bool>()?, [false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn all(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("all", a.ndim())?;
    let a = super::astype(a, Dtype::Bool)?;
    if axes.is_empty() {
        return Ok(a);
    }
    let out = apply(All { axes: axes.clone() }, &[&a])?;
    drop_axes(out, &axes, keepdims)
}

/// The primitive of [`all`], on bools. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct All {
    axes: SmallVec<[usize; 4]>,
}

impl All {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl NonDifferentiable for All {
    const NAME: &'static str = "all";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if inputs[0].dtype != Dtype::Bool {
            return Err(Error::dtype(Self::NAME, format!("expected bool, got {}", inputs[0].dtype)));
        }
        crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &self.axes), dtype: Dtype::Bool })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(All { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = reduction_cases(|axes| Case::new(All { axes: axes.into() }).exact(), Domain::Bool);
        let case = |axes: &[usize]| Case::new(All { axes: axes.into() }).exact();
        cases.push(case(&[0]).input(&[3], Domain::Exact(Dtype::Bool, vec![0.0; 3])));
        cases.push(case(&[0]).input(&[3], Domain::Exact(Dtype::Bool, vec![1.0; 3])));
        cases.push(case(&[0]).input(&[0, 2], Domain::Bool));
        cases
    }
}

crate::primitive_via!(NonDifferentiable, All);
