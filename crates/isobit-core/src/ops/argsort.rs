//! Positions in ascending order of their elements.

use super::sort::{along, sort_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Specs, Vmap};
use crate::spec::Spec;

/// The positions along `axis` (without an axis: in the flattened array) that [`sort`](super::sort()) takes its elements
/// from. Equal elements stay in their order; NaNs come last.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any real dtype; the result is uint32.
///
/// # Gradients
/// None.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0], &[3])?;
/// assert_eq!(ops::argsort(&a, 0)?.to_vec::<u32>()?, [1, 2, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn argsort(a: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, axis) = along("argsort", a, axis.into())?;
    apply(Argsort { axis }, &[&a])
}

/// The primitive of [`argsort`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Argsort {
    axis: usize,
}

impl Argsort {
    /// The sorted axis.
    pub fn axis(&self) -> usize {
        self.axis
    }
}

impl NonDifferentiable for Argsort {
    const NAME: &'static str = "argsort";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        crate::prim::one(Spec { shape: inputs[0].shape.clone(), dtype: Dtype::U32 })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Argsort { axis: self.axis + 1 }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        sort_cases(|axis| Case::new(Argsort { axis }).exact(), false)
    }
}

crate::primitive_via!(NonDifferentiable, Argsort);
