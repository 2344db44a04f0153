//! Elements arranged around the one that a sort would put at a given position.

use super::sort::{along, reordered_jvp, reordered_vjp, sort_cases};
use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The elements along `axis` (without an axis: of the flattened array) in three groups: those below the element that a
/// sort would put at position `kth`, then all equal to it, then those above; each group in its order of occurrence.
/// NaNs count as largest. A negative `kth` counts from the end.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any real dtype; the result has the input's.
///
/// # Gradients
/// The cotangent, put back into the order of the input.
///
/// # Errors
/// An axis out of range; a position outside the axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0], &[3])?;
/// let out = ops::partition(&a, 1, 0)?.to_vec::<f32>()?;
/// assert!(out[0] <= 2.0 && out[1] == 2.0 && out[2] >= 2.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn partition(a: &Array, kth: isize, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, axis) = along("partition", a, axis.into())?;
    let kth = position("partition", kth, &a, axis)?;
    apply(Partition { axis, kth }, &[&a])
}

/// `kth` as a position of `axis`.
pub(crate) fn position(op: &'static str, kth: isize, a: &Array, axis: usize) -> Result<usize> {
    let n = a.shape()[axis] as isize;
    if kth < -n || kth >= n {
        return Err(Error::value(op, format!("expected a position within axis {axis} of size {n}, got {kth}")));
    }
    Ok(if kth < 0 { (kth + n) as usize } else { kth as usize })
}

/// Refuses a position that the axis does not have.
pub(crate) fn check(op: &'static str, x: &Spec, axis: usize, kth: usize) -> Result<()> {
    let n = x.shape[axis];
    if kth >= n {
        return Err(Error::value(op, format!("expected a position within axis {axis} of size {n}, got {kth}")));
    }
    Ok(())
}

/// The primitive of [`partition`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    axis: usize,
    kth: usize,
}

impl Partition {
    /// The axis.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// The position around which elements are arranged.
    pub fn kth(&self) -> usize {
        self.kth
    }

    fn order(&self, x: &Array) -> Result<Array> {
        super::argpartition(x, self.kth as isize, self.axis as isize)
    }
}

impl Primitive for Partition {
    const NAME: &'static str = "partition";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check(Self::NAME, &inputs[0], self.axis, self.kth)?;
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        reordered_jvp(cx, |x| self.order(x), self.axis)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        reordered_vjp(cx, |x| self.order(x), self.axis)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Partition { axis: self.axis + 1, kth: self.kth }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        // Every shape of the list has a position 0, some have a position 2.
        let mut cases = sort_cases(|axis| Case::new(Partition { axis, kth: 0 }).exact(), true);
        for (shape, axis) in [(&[7usize] as &[usize], 0), (&[3, 40], 1), (&[40, 3], 0), (&[2, 3, 4], 1)] {
            let domain = crate::prim::Domain::Distinct(-4.0, 4.0);
            cases.push(Case::new(Partition { axis, kth: 2 }).exact().input(shape, domain));
        }
        cases
    }
}
