//! Elements along one axis, chosen separately for every other index.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::ops::put_along_axis::{PutAlongAxis, check_shapes};
use crate::ops::scatter::Reduce;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec, broadcast_shapes, resolve_axis};
use smallvec::smallvec;
use std::ops::Range;

/// The elements `a[.., indices[.., i, ..], ..]` with the index along `axis`; without an axis, of the flattened array.
///
/// # Shapes
/// `indices` has as many axes as `a`; other axes than `axis` broadcast. The result has the shape of `indices` then.
///
/// # Dtypes
/// That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped.
///
/// # Gradients
/// The cotangent, added into zeros at the same places. None for indices.
///
/// # Errors
/// An axis out of range, indices that are not integers or of another number of axes, shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// let indices = Array::from_slice(&[1i32, 0], &[2, 1])?;
/// assert_eq!(ops::take_along_axis(&a, &indices, 1)?.to_vec::<i32>()?, [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn take_along_axis(a: &Array, indices: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    let (a, indices, axis) = along("take_along_axis", a, indices, axis.into())?;
    apply(TakeAlongAxis { axis }, &[&a, &indices])
}

/// Array and indices broadcast against one another except along the axis; without an axis, flattened.
pub(crate) fn along(
    op: &'static str,
    a: &Array,
    indices: &Array,
    axis: Option<isize>,
) -> Result<(Array, Array, usize)> {
    // Where there is no index, its dtype does not matter: `array([])` is float32.
    let none = (indices.size() == 0).then(|| super::astype(indices, Dtype::I32)).transpose()?;
    let indices = none.as_ref().unwrap_or(indices);
    super::gather::require_integer(op, indices)?;
    let Some(axis) = axis else {
        return Ok((super::reshape(a, &[-1])?, super::reshape(indices, &[-1])?, 0));
    };
    let axis = resolve_axis(op, axis, a.ndim())?;
    if indices.ndim() != a.ndim() {
        let (n, got) = (a.ndim(), indices.ndim());
        return Err(Error::value(op, format!("expected indices of {n} dimensions, got {got}")));
    }
    let without = |x: &Array| -> Shape {
        let mut shape = x.spec().shape.clone();
        shape[axis] = 1;
        shape
    };
    let common = broadcast_shapes(op, &without(a), &without(indices))?;
    let along = |x: &Array| {
        let mut shape = common.clone();
        shape[axis] = x.shape()[axis];
        super::broadcast_to(x, &shape)
    };
    Ok((along(a)?, along(indices)?, axis))
}

/// The primitive of [`take_along_axis`]: inputs are the array and the indices, of one shape except along the axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TakeAlongAxis {
    axis: usize,
}

impl TakeAlongAxis {
    /// The axis that indices count along.
    pub fn axis(&self) -> usize {
        self.axis
    }
}

impl Primitive for TakeAlongAxis {
    const NAME: &'static str = "take_along_axis";

    fn selectors(&self) -> Range<usize> {
        1..2
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        check_shapes("take_along_axis", x, indices, self.axis)?;
        Ok(smallvec![Spec { shape: indices.shape.clone(), dtype: x.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        match &cx.tangents[0] {
            Some(t) => crate::prim::tangent(apply(self.clone(), &[t, &cx.inputs[1]])?),
            None => crate::prim::no_tangent(),
        }
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut grads: Grads = smallvec![None, None];
        if cx.wanted(0) {
            let zeros = super::zeros_like(&cx.inputs[0])?;
            let add = PutAlongAxis::new(self.axis, Reduce::Add);
            grads[0] = Some(apply(add, &[&zeros, &cx.inputs[1], &cx.ct()?])?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let prim = TakeAlongAxis { axis: self.axis + 1 };
        crate::prim::batched_front(apply(prim, &[&cx.front_full(0)?, &cx.front_full(1)?])?)
    }

    fn cases() -> Cases {
        let case = |axis, shape: &[usize], indices: &[usize]| {
            Case::new(TakeAlongAxis { axis })
                .input(shape, Domain::Any(-4.0, 4.0))
                .input(indices, Domain::Integer(-4, 5))
                .exact()
        };
        vec![
            case(0, &[7], &[3]),
            case(1, &[2, 3], &[2, 5]),
            case(0, &[4, 3], &[2, 3]),
            case(1, &[2, 3, 4], &[2, 1, 4]),
            case(0, &[4, 2], &[0, 2]),
            Case::new(TakeAlongAxis { axis: 0 })
                .input(&[3, 2], Domain::Of(Dtype::C64, -4.0, 4.0))
                .input(&[4, 2], Domain::Integer(-3, 2))
                .exact(),
        ]
    }
}
