//! Slices of an array at indices that are arrays themselves.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::ops::scatter::{Reduce, Scatter};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec, resolve_axis};
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// Slices of `slice_sizes`, one for each element of `indices`: index array `k` says where a slice begins along axis
/// `axes[k]`; along other axes it begins at 0.
///
/// # Shapes
/// The common shape of the index arrays, followed by `slice_sizes`.
///
/// # Dtypes
/// That of `a`; indices are integers. Negative ones count from the end. An index whose slice would not lie inside the
/// array is clamped to the nearest that does: values of index arrays are not known when the graph is built, and memory
/// outside the array is never read.
///
/// # Gradients
/// The cotangent, added into zeros at the same places. None for indices.
///
/// # Errors
/// Axes that are out of range or repeated, indices that are not integers or do not broadcast, a slice that is larger
/// than the array.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[3, 2])?;
/// let rows = Array::from_slice(&[2i32, 0], &[2])?;
/// // Two slices of one row and both columns.
/// assert_eq!(ops::gather(&a, &[rows], &[0], &[1, 2])?.to_vec::<i32>()?, [5, 6, 1, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn gather(a: &Array, indices: &[Array], axes: &[isize], slice_sizes: &[usize]) -> Result<Array> {
    let (axes, indices) = placed("gather", a, indices, axes)?;
    if slice_sizes.len() != a.ndim() {
        let (n, got) = (a.ndim(), slice_sizes.len());
        return Err(Error::value("gather", format!("expected {n} slice sizes, got {got}")));
    }
    let sizes = (0..a.ndim())
        .map(|d| if !axes.contains(&d) && slice_sizes[d] == a.shape()[d] { WHOLE } else { slice_sizes[d] as isize })
        .collect();
    let mut inputs = vec![a];
    inputs.extend(&indices);
    apply(Gather { axes, sizes }, &inputs)
}

/// Checks axes and indices of a gather or scatter; the index arrays come back broadcast to their common shape.
pub(crate) fn placed(
    op: &'static str,
    a: &Array,
    indices: &[Array],
    axes: &[isize],
) -> Result<(SmallVec<[usize; 4]>, Vec<Array>)> {
    if indices.len() != axes.len() {
        let (i, n) = (indices.len(), axes.len());
        return Err(Error::value(op, format!("expected one index array per axis, got {i} for {n} axes")));
    }
    let axes: SmallVec<[usize; 4]> = axes.iter().map(|&x| resolve_axis(op, x, a.ndim())).collect::<Result<_>>()?;
    for i in indices {
        require_integer(op, i)?;
    }
    let mut shape = Shape::new();
    for i in indices {
        shape = crate::spec::broadcast_shapes(op, &shape, i.shape())?;
    }
    let indices = indices.iter().map(|i| super::broadcast_to(i, &shape)).collect::<Result<_>>()?;
    Ok((axes, indices))
}

/// An error unless the array is one of integers.
pub(crate) fn require_integer(op: &'static str, indices: &Array) -> Result<()> {
    if indices.dtype().is_integer() {
        return Ok(());
    }
    Err(Error::dtype(op, format!("expected indices of an integer dtype, got {}", indices.dtype())))
}

/// A slice size: the whole axis, however long it is.
const WHOLE: isize = -1;

/// Checks the index specs of a gather or scatter against the array's; returns the indices' shape.
pub(crate) fn infer_indices(op: &'static str, x: &Spec, axes: &[usize], indices: &[Spec]) -> Result<Shape> {
    let shape = indices.first().map_or_else(Shape::new, |i| i.shape.clone());
    let fits = axes.len() == indices.len() && indices.iter().all(|i| i.shape == shape && i.dtype.is_integer());
    let distinct = axes.iter().enumerate().all(|(k, d)| *d < x.ndim() && !axes[..k].contains(d));
    if !fits || !distinct {
        return Err(Error::value(
            op,
            format!("expected distinct axes of {:?}, got {axes:?} with indices {indices:?}", x.shape.as_slice()),
        ));
    }
    Ok(shape)
}

/// The primitive of [`gather`]: inputs are the array and one index array per axis, all of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    axes: SmallVec<[usize; 4]>,
    sizes: SmallVec<[isize; 4]>,
}

impl Gather {
    /// The axis that each index array counts along.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// The shape of one slice of an array of that shape.
    pub fn window(&self, shape: &[usize]) -> Shape {
        self.sizes.iter().zip(shape).map(|(&s, &n)| if s == WHOLE { n } else { s as usize }).collect()
    }

    fn of(&self, x: &Array, indices: &[Array]) -> Result<Array> {
        let mut inputs = vec![x];
        inputs.extend(indices);
        apply(self.clone(), &inputs)
    }
}

impl Primitive for Gather {
    const NAME: &'static str = "gather";

    fn selectors(&self) -> Range<usize> {
        1..usize::MAX
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let mut shape = infer_indices("gather", x, &self.axes, &inputs[1..])?;
        let empty = shape.contains(&0);
        let window = self.window(&x.shape);
        let fits = window.len() == x.ndim() && window.iter().zip(&x.shape).all(|(s, n)| s <= n || empty);
        if !fits {
            let (w, s) = (window.as_slice(), x.shape.as_slice());
            return Err(Error::value(
                "gather",
                format!("slices of shape {w:?} do not fit into an array of shape {s:?}"),
            ));
        }
        shape.extend_from_slice(&window);
        crate::spec::checked_size("gather", &shape, x.dtype.size())?;
        Ok(smallvec![Spec { shape, dtype: x.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        match &cx.tangents[0] {
            Some(t) => crate::prim::tangent(self.of(t, &cx.inputs[1..])?),
            None => crate::prim::no_tangent(),
        }
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        if cx.wanted(0) {
            let add = Scatter::new(self.axes.clone(), Reduce::Add);
            grads[0] = Some(add.of(&super::zeros_like(&cx.inputs[0])?, &cx.ct()?, &cx.inputs[1..])?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let n = cx.inputs.len();
        let indices_batched = (1..n).any(|i| cx.batched(i));
        if !cx.batched(0) {
            let indices = (1..n).map(|i| cx.front_full(i)).collect::<Result<Vec<_>>>()?;
            return crate::prim::batched_front(self.of(&cx.inputs[0], &indices)?);
        }
        let x = cx.front(0)?;
        let mut axes: SmallVec<[usize; 4]> = self.axes.iter().map(|d| d + 1).collect();
        let mut sizes = self.sizes.clone();
        if !indices_batched {
            // The batch is part of every slice.
            sizes.insert(0, WHOLE);
            let at = cx.inputs.get(1).map_or(0, Array::ndim);
            return Ok(smallvec![(Gather { axes, sizes }.of(&x, &cx.inputs[1..])?, Some(at))]);
        }
        // One more index: the number of the batch element.
        axes.insert(0, 0);
        sizes.insert(0, 1);
        let mut indices = (1..n).map(|i| cx.front_full(i)).collect::<Result<Vec<_>>>()?;
        let at = indices[0].ndim();
        indices.insert(0, batch_index(indices[0].shape())?);
        let out = Gather { axes, sizes }.of(&x, &indices)?;
        crate::prim::batched_front(super::squeeze(&out, at as isize)?)
    }

    fn cases() -> Cases {
        let any = || Domain::Any(-4.0, 4.0);
        let ints = |low, high| Domain::Integer(low, high);
        let case =
            |axes: &[usize], sizes: &[isize]| Case::new(Gather { axes: axes.into(), sizes: sizes.into() }).exact();
        vec![
            case(&[0], &[1, WHOLE]).input(&[5, 3], any()).input(&[4], ints(-5, 4)),
            case(&[1], &[WHOLE, 2]).input(&[2, 5], any()).input(&[2, 2], ints(-9, 9)),
            case(&[0, 2], &[1, WHOLE, 1]).input(&[3, 2, 4], any()).input(&[3], ints(-3, 2)).input(&[3], ints(0, 3)),
            case(&[0], &[1]).input(&[6], any()).input(&[], ints(0, 5)),
            case(&[0], &[1, WHOLE]).input(&[3, 2], any()).input(&[0], ints(0, 1)),
            case(&[], &[WHOLE, 2]).input(&[2, 3], any()),
            case(&[0], &[1, WHOLE])
                .input(&[3, 2], Domain::Of(crate::dtype::Dtype::C64, -4.0, 4.0))
                .input(&[4], ints(-3, 2)),
        ]
    }
}

/// An index array of that shape (batch axis in front) whose elements are the numbers of their batch element.
pub(crate) fn batch_index(shape: &[usize]) -> Result<Array> {
    let iota = super::arange::iota(shape[0])?;
    let axes: Vec<isize> = (1..shape.len() as isize).collect();
    super::broadcast_to(&super::expand_dims(&iota, axes.as_slice())?, shape)
}
