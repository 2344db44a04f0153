//! Derivatives with respect to integers.
//!
//! An integer that is an argument of a differentiated function stands for its value: its tangents and cotangents are
//! floats. A step from integers to integers or floats that treats them as numbers is seen by its rules as the same step on
//! floats, so that no rule has to know of integers, and none can cut a derivative to an integer. Through every other step
//! (bits, rounding division, places, codes) nothing passes.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::ops;
use crate::prim::Prim;
use std::borrow::Cow;

/// Holds every integer of up to 53 bits, so that choices among integers are the same choices among floats.
const INSIDE: Dtype = Dtype::F64;

/// Whether the array has tangents: not if it holds bools.
pub(super) fn has_tangents(a: &Array) -> bool {
    a.dtype().is_inexact() || a.dtype().is_integer()
}

/// The dtype that tangents and cotangents of the array have during a walk.
pub(super) fn inside_dtype(a: &Array) -> Dtype {
    if a.dtype().is_integer() { INSIDE } else { a.dtype() }
}

/// The dtype in which a derivative with respect to the array is handed out.
pub(super) fn outside_dtype(a: &Array) -> Dtype {
    if a.dtype().is_integer() { Dtype::F32 } else { a.dtype() }
}

/// A step as its derivative rules see it.
pub(super) struct Seen<'a> {
    pub prim: Cow<'a, Prim>,
    pub inputs: Cow<'a, [Array]>,
    pub outs: Cow<'a, [Array]>,
    integers: bool,
}

impl<'a> Seen<'a> {
    pub fn of(prim: &'a Prim, inputs: &'a [Array], outs: &'a [Array]) -> Result<Self> {
        let places = prim.selectors();
        let number = |i: usize, a: &Array| a.dtype().is_integer() && !places.contains(&i);
        if !treats_as_numbers(prim) || !inputs.iter().enumerate().any(|(i, a)| number(i, a)) {
            let integers = matches!(prim, Prim::Custom(p) if p.0.differentiates_integers());
            let (inputs, outs) = (Cow::Borrowed(inputs), Cow::Borrowed(outs));
            return Ok(Seen { prim: Cow::Borrowed(prim), inputs, outs, integers });
        }
        let floats = |a: &Array, number: bool| if number { ops::astype(a, INSIDE) } else { Ok(a.clone()) };
        let converts = matches!(prim, Prim::Astype(_)) && outs[0].dtype().is_integer();
        Ok(Seen {
            prim: if converts { Cow::Owned(ops::identity::Identity.into()) } else { Cow::Borrowed(prim) },
            inputs: inputs.iter().enumerate().map(|(i, a)| floats(a, number(i, a))).collect::<Result<_>>()?,
            outs: outs.iter().map(|a| floats(a, a.dtype().is_integer())).collect::<Result<_>>()?,
            integers: false,
        })
    }

    /// Whether derivatives pass through this one of the inputs or outs.
    pub fn moves(&self, a: &Array) -> bool {
        if self.integers { has_tangents(a) } else { a.dtype().is_inexact() }
    }
}

/// Whether the primitive's derivative on floats is its derivative on integers too.
fn treats_as_numbers(prim: &Prim) -> bool {
    matches!(
        prim,
        Prim::Abs(_)
            | Prim::Add(_)
            | Prim::Astype(_)
            | Prim::Broadcast(_)
            | Prim::Concatenate(_)
            | Prim::Contiguous(_)
            | Prim::Cummax(_)
            | Prim::Cummin(_)
            | Prim::Cumprod(_)
            | Prim::Cumsum(_)
            | Prim::Depends(_)
            | Prim::ExpandDims(_)
            | Prim::Gather(_)
            | Prim::Identity(_)
            | Prim::Max(_)
            | Prim::Maximum(_)
            | Prim::Min(_)
            | Prim::Minimum(_)
            | Prim::Multiply(_)
            | Prim::Negative(_)
            | Prim::Pad(_)
            | Prim::Partition(_)
            | Prim::Power(_)
            | Prim::Prod(_)
            | Prim::PutAlongAxis(_)
            | Prim::Remainder(_)
            | Prim::Reshape(_)
            | Prim::Scatter(_)
            | Prim::Select(_)
            | Prim::Slice(_)
            | Prim::SliceUpdate(_)
            | Prim::Sort(_)
            | Prim::Split(_)
            | Prim::Square(_)
            | Prim::Squeeze(_)
            | Prim::Subtract(_)
            | Prim::Sum(_)
            | Prim::TakeAlongAxis(_)
            | Prim::Transpose(_)
    )
}
