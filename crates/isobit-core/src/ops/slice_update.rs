//! An array with a rectangular region replaced.

use super::slice::Region;
use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec};
use smallvec::{SmallVec, smallvec};

/// `a` with the region `start:stop:step` (as in [`slice`](super::slice())) replaced by `update`, which is broadcast to
/// the region's shape and converted to the dtype of `a`. The buffer of `a` is reused if nothing else needs it.
///
/// # Gradients
/// With respect to `a`: the cotangent with zeros in the region; with respect to `update`: the cotangent's region.
///
/// # Errors
/// See [`slice`](super::slice()); an `update` that does not broadcast to the region.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// let update = Array::from_slice(&[8i32, 9], &[2])?;
/// assert_eq!(ops::slice_update(&a, &update, &[0], &[4], &[2])?.to_vec::<i32>()?, [8, 2, 9, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn slice_update(a: &Array, update: &Array, start: &[isize], stop: &[isize], step: &[isize]) -> Result<Array> {
    let region = Region::resolve("slice_update", a.shape(), start, stop, step)?;
    update_region(a, &super::astype(update, a.dtype())?, region)
}

/// [`slice_update`] with resolved bounds.
pub(crate) fn update_region(a: &Array, update: &Array, region: Region) -> Result<Array> {
    let update = super::broadcast_to(update, region.shape())?;
    if region.is_whole(a.shape()) {
        return Ok(update);
    }
    apply(SliceUpdate { region: Box::new(region) }, &[a, &update])
}

/// The primitive of [`slice_update`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SliceUpdate {
    region: Box<Region>,
}

impl SliceUpdate {
    /// What is replaced.
    pub fn region(&self) -> &Region {
        &self.region
    }

    fn read(&self, x: &Array) -> Result<Array> {
        // `stop` just beyond the last element, in the direction of the step.
        let r = &self.region;
        let stop: SmallVec<[isize; 4]> = (0..r.shape.len())
            .map(|d| {
                let last = r.start[d] + r.step[d] * (r.shape[d] as isize - 1);
                let beyond = if r.step[d] > 0 { last + 1 } else { last - 1 };
                if r.shape[d] == 0 {
                    r.start[d]
                } else if beyond < 0 {
                    isize::MIN
                } else {
                    beyond
                }
            })
            .collect();
        super::slice(x, &r.start, &stop, &r.step)
    }

    fn write(&self, x: &Array, update: &Array) -> Result<Array> {
        apply(self.clone(), &[x, update])
    }
}

impl Primitive for SliceUpdate {
    const NAME: &'static str = "slice_update";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, update) = (&inputs[0], &inputs[1]);
        self.region.check("slice_update", &x.shape)?;
        if update.shape.as_slice() != self.region.shape() || update.dtype != x.dtype {
            return Err(Error::value(
                "slice_update",
                format!(
                    "expected an update of shape {:?} and dtype {}, got {:?} and {}",
                    self.region.shape(),
                    x.dtype,
                    update.shape.as_slice(),
                    update.dtype
                ),
            ));
        }
        Ok(smallvec![x.clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let part = |i: usize| match &cx.tangents[i] {
            Some(t) => Ok(t.clone()),
            None => super::zeros_like(&cx.inputs[i]),
        };
        Ok(smallvec![Some(self.write(&part(0)?, &part(1)?)?)])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        cx.each(|i| if i == 0 { self.write(&ct, &super::zeros_like(&cx.inputs[1])?) } else { self.read(&ct) })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let prim = SliceUpdate { region: Box::new(self.region.batched(cx.size)) };
        crate::prim::batched_front(apply(prim, &[&cx.front_full(0)?, &cx.front_full(1)?])?)
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], start: &[isize], step: &[isize], count: &[usize]| {
            let region = Region { start: start.into(), step: step.into(), shape: Shape::from_slice(count) };
            Case::new(SliceUpdate { region: Box::new(region) })
                .input(shape, Domain::Any(-4.0, 4.0))
                .input(count, Domain::Any(-4.0, 4.0))
                .exact()
        };
        let part = || Domain::Of(crate::dtype::Dtype::C64, -4.0, 4.0);
        let region =
            Region { start: [1].as_slice().into(), step: [2].as_slice().into(), shape: Shape::from_slice(&[2]) };
        vec![
            Case::new(SliceUpdate { region: Box::new(region) }).input(&[4], part()).input(&[2], part()).exact(),
            case(&[7], &[1], &[2], &[3]),
            case(&[7], &[6], &[-1], &[7]),
            case(&[4, 5], &[1, 4], &[1, -2], &[2, 3]),
            case(&[2, 3, 4], &[0, 1, 0], &[1, 1, 1], &[2, 1, 4]),
            case(&[3], &[0], &[1], &[0]),
        ]
    }
}
