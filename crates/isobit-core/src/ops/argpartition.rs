//! Positions arranged around the one that a sort would put at a given place.

use super::partition::{check, position};
use super::sort::{along, sort_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;

/// The positions along `axis` (without an axis: in the flattened array) that [`partition`](super::partition()) takes its
/// elements from.
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
/// An axis out of range; a position outside the axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0], &[3])?;
/// let order = ops::argpartition(&a, 0, 0)?.to_vec::<u32>()?;
/// assert_eq!(order[0], 1);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn argpartition(a: &Array, kth: isize, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, axis) = along("argpartition", a, axis.into())?;
    let kth = position("argpartition", kth, &a, axis)?;
    apply(Argpartition { axis, kth }, &[&a])
}

/// The primitive of [`argpartition`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Argpartition {
    axis: usize,
    kth: usize,
}

impl Argpartition {
    /// The axis.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// The place around which positions are arranged.
    pub fn kth(&self) -> usize {
        self.kth
    }
}

impl NonDifferentiable for Argpartition {
    const NAME: &'static str = "argpartition";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check(Self::NAME, &inputs[0], self.axis, self.kth)?;
        crate::prim::one(Spec { shape: inputs[0].shape.clone(), dtype: Dtype::U32 })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Argpartition { axis: self.axis + 1, kth: self.kth }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let mut cases = sort_cases(|axis| Case::new(Argpartition { axis, kth: 0 }).exact(), false);
        for (shape, axis) in [(&[7usize] as &[usize], 0), (&[3, 40], 1), (&[40, 3], 0), (&[2, 3, 4], 1)] {
            cases.push(Case::new(Argpartition { axis, kth: 2 }).exact().input(shape, Domain::Any(-4.0, 4.0)));
        }
        cases
    }
}

crate::primitive_via!(NonDifferentiable, Argpartition);
