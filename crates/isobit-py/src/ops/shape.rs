//! Shapes, orders of axes, pieces and indices.

use super::{docstring, functions, list, tuple};
use crate::args::{ArrayLike, AxesArg, Count, DtypeArg, Ints, ShapeArg, StreamArg, axes, optional, pair};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use isobit::ops::{PadMode, Side};
use isobit::{Array, Error, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

functions! {
    reshape flatten unflatten squeeze expand_dims flip roll transpose permute_dims moveaxis swapaxes matrix_transpose
    broadcast_to broadcast_arrays broadcast_shapes concatenate concat stack unstack split repeat tile pad astype view
    contiguous atleast_1d atleast_2d atleast_3d take take_along_axis put_along_axis topk unique searchsorted diff depends as_strided slice slice_update
}

fn all(arrays: Vec<ArrayLike>) -> Vec<Array> {
    arrays.into_iter().map(ArrayLike::array).collect()
}

/// Split into equal parts or at places.
pub fn split_by(a: &Array, by: &Ints, axis: isize) -> Res<Vec<PyArray>> {
    if !by.one {
        return list(ops::split_at(a, &by.list, axis));
    }
    let parts = usize::try_from(by.list[0]).map_err(|_| PyValueError::new_err("[split] expected a number of parts"))?;
    list(ops::split(a, parts, axis))
}

#[doc = docstring!("reshape")]
#[pyfunction]
#[pyo3(signature = (a, /, shape, *, stream=None))]
fn reshape(a: ArrayLike, shape: Ints, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::reshape(&a.array(), &shape.list))
}

#[doc = docstring!("flatten")]
#[pyfunction]
#[pyo3(signature = (a, /, start_axis=0, end_axis=-1, *, stream=None))]
fn flatten(a: ArrayLike, start_axis: isize, end_axis: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::flatten(&a.array(), start_axis, end_axis))
}

#[doc = docstring!("unflatten")]
#[pyfunction]
#[pyo3(signature = (a, /, axis, shape, *, stream=None))]
fn unflatten(a: ArrayLike, axis: isize, shape: Ints, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::unflatten(&a.array(), axis, &shape.list))
}

#[doc = docstring!("squeeze")]
#[pyfunction]
#[pyo3(signature = (a, /, axis=None, *, stream=None))]
fn squeeze(a: ArrayLike, axis: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::squeeze(&a.array(), axes(axis)))
}

#[doc = docstring!("expand_dims")]
#[pyfunction]
#[pyo3(signature = (a, /, axis, *, stream=None))]
fn expand_dims(a: ArrayLike, axis: Ints, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::expand_dims(&a.array(), axis.list.as_slice()))
}

#[doc = docstring!("flip")]
#[pyfunction]
#[pyo3(signature = (a, /, axis=None, *, stream=None))]
fn flip(a: ArrayLike, axis: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::flip(&a.array(), axes(axis)))
}

#[doc = docstring!("roll")]
#[pyfunction]
#[pyo3(signature = (a, shift, axis=None, *, stream=None))]
fn roll(a: ArrayLike, shift: Ints, axis: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::roll(&a.array(), &shift.list, axes(axis)))
}

#[doc = docstring!("transpose")]
#[pyfunction]
#[pyo3(signature = (a, /, axes=None, *, stream=None))]
fn transpose(a: ArrayLike, axes: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::transpose(&a.array(), crate::args::axes(axes)))
}

#[doc = docstring!("transpose")]
#[pyfunction]
#[pyo3(signature = (a, /, axes=None, *, stream=None))]
fn permute_dims(a: ArrayLike, axes: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::transpose(&a.array(), crate::args::axes(axes)))
}

#[doc = docstring!("moveaxis")]
#[pyfunction]
#[pyo3(signature = (a, /, source, destination, *, stream=None))]
fn moveaxis(a: ArrayLike, source: isize, destination: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::moveaxis(&a.array(), source, destination))
}

#[doc = docstring!("swapaxes")]
#[pyfunction]
#[pyo3(signature = (a, /, axis1, axis2, *, stream=None))]
fn swapaxes(a: ArrayLike, axis1: isize, axis2: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::swapaxes(&a.array(), axis1, axis2))
}

/// The last two axes exchanged.
#[pyfunction]
#[pyo3(signature = (a, /, *, stream=None))]
fn matrix_transpose(a: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::swapaxes(&a.array(), -1, -2))
}

#[doc = docstring!("broadcast_to")]
#[pyfunction]
#[pyo3(signature = (a, /, shape, *, stream=None))]
fn broadcast_to(a: ArrayLike, shape: ShapeArg, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::broadcast_to(&a.array(), &shape.0))
}

#[doc = docstring!("broadcast_arrays")]
#[pyfunction]
#[pyo3(signature = (*arrays, stream=None))]
fn broadcast_arrays(arrays: Vec<ArrayLike>, stream: Option<StreamArg>) -> Res<Vec<PyArray>> {
    let _ = stream;
    list(ops::broadcast_arrays(&all(arrays)))
}

/// The shape that all shapes broadcast to.
#[pyfunction]
#[pyo3(signature = (*shapes))]
fn broadcast_shapes<'py>(py: Python<'py>, shapes: Vec<ShapeArg>) -> Res<Bound<'py, PyTuple>> {
    if shapes.is_empty() {
        return Err(Error::value("broadcast_shapes", "expected at least one shape").into());
    }
    let mut total = isobit::Shape::new();
    for s in &shapes {
        total = isobit::spec::broadcast_shapes("broadcast_shapes", &total, &s.0)?;
    }
    Ok(PyTuple::new(py, total)?)
}

#[doc = docstring!("concatenate")]
#[pyfunction]
#[pyo3(signature = (arrays, axis=Some(0), *, stream=None))]
fn concatenate(arrays: Vec<ArrayLike>, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::concatenate::concatenate_flat(&all(arrays), axis))
}

#[doc = docstring!("concatenate")]
#[pyfunction]
#[pyo3(signature = (arrays, axis=Some(0), *, stream=None))]
fn concat(arrays: Vec<ArrayLike>, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    concatenate(arrays, axis, stream)
}

#[doc = docstring!("stack")]
#[pyfunction]
#[pyo3(signature = (arrays, axis=0, *, stream=None))]
fn stack(arrays: Vec<ArrayLike>, axis: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::stack(&all(arrays), axis))
}

#[doc = docstring!("unstack")]
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=0, stream=None))]
fn unstack(x: ArrayLike, axis: isize, stream: Option<StreamArg>) -> Res<Vec<PyArray>> {
    let _ = stream;
    list(ops::unstack(&x.array(), axis))
}

#[doc = docstring!("split")]
#[pyfunction]
#[pyo3(signature = (a, /, indices_or_sections, axis=0, *, stream=None))]
fn split(a: ArrayLike, indices_or_sections: Ints, axis: isize, stream: Option<StreamArg>) -> Res<Vec<PyArray>> {
    let _ = stream;
    split_by(&a.array(), &indices_or_sections, axis)
}

#[doc = docstring!("repeat")]
#[pyfunction]
#[pyo3(signature = (array, repeats, axis=None, *, stream=None))]
fn repeat(array: ArrayLike, repeats: Count, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::repeat(&array.array(), repeats.0, axis))
}

#[doc = docstring!("tile")]
#[pyfunction]
#[pyo3(signature = (a, reps, /, *, stream=None))]
fn tile(a: ArrayLike, reps: ShapeArg, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::tile(&a.array(), &reps.0))
}

/// How many elements to put before and after: one number, a pair, or a pair per axis.
#[derive(FromPyObject)]
enum Widths {
    One(usize),
    All(Vec<Width>),
}

#[derive(FromPyObject)]
enum Width {
    Both(usize),
    Pair((usize, usize)),
    Single([usize; 1]),
}

impl Widths {
    fn pairs(&self) -> Vec<(usize, usize)> {
        match self {
            Widths::One(n) => vec![(*n, *n)],
            Widths::All(list) => match list.as_slice() {
                [Width::Both(n)] => vec![(*n, *n)],
                [Width::Both(a), Width::Both(b)] => vec![(*a, *b)],
                list => list.iter().map(Width::pair).collect(),
            },
        }
    }
}

impl Width {
    fn pair(&self) -> (usize, usize) {
        match *self {
            Width::Both(n) | Width::Single([n]) => (n, n),
            Width::Pair(p) => p,
        }
    }
}

#[doc = docstring!("pad")]
#[pyfunction]
#[pyo3(signature = (a, pad_width, mode="constant", constant_values=None, *, stream=None))]
fn pad(
    a: ArrayLike,
    pad_width: Widths,
    mode: &str,
    constant_values: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let a = a.array();
    let value = match constant_values {
        Some(v) => v.beside(a.dtype())?,
        None => Array::scalar(0i64, a.dtype()),
    };
    out(ops::pad(&a, &pad_width.pairs(), PadMode::named(mode, &value)?))
}

#[doc = docstring!("astype")]
#[pyfunction]
#[pyo3(signature = (a, /, dtype, *, stream=None))]
fn astype(a: ArrayLike, dtype: DtypeArg, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::astype(&a.array(), dtype.0))
}

#[doc = docstring!("view")]
#[pyfunction]
#[pyo3(signature = (a, dtype, stream=None))]
fn view(a: ArrayLike, dtype: DtypeArg, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::view(&a.array(), dtype.0))
}

#[doc = docstring!("contiguous")]
#[pyfunction]
#[pyo3(signature = (a, /, allow_col_major=false, *, stream=None))]
fn contiguous(a: ArrayLike, allow_col_major: bool, stream: Option<StreamArg>) -> Out {
    let _ = (allow_col_major, stream);
    out(ops::contiguous(&a.array()))
}

macro_rules! at_least {
    ($($op:ident $doc:literal)*) => {
        $(
            #[doc = docstring!($doc)]
            #[pyfunction]
            #[pyo3(signature = (*arys, stream=None))]
            fn $op<'py>(py: Python<'py>, arys: Vec<ArrayLike>, stream: Option<StreamArg>) -> Res<Bound<'py, PyAny>> {
                let _ = stream;
                let mut done = list(arys.into_iter().map(|a| ops::$op(&a.array())).collect())?;
                if done.len() == 1 && let Some(one) = done.pop() {
                    return Ok(Bound::new(py, one)?.into_any());
                }
                Ok(PyList::new(py, done)?.into_any())
            }
        )*
    };
}
at_least! { atleast_1d "atleast_1d" atleast_2d "atleast_2d" atleast_3d "atleast_3d" }

#[doc = docstring!("take")]
#[pyfunction]
#[pyo3(signature = (a, /, indices, axis=None, *, stream=None))]
fn take(a: ArrayLike, indices: ArrayLike, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::take(&a.array(), &indices.array(), axis))
}

#[doc = docstring!("take_along_axis")]
#[pyfunction]
#[pyo3(signature = (a, /, indices, axis=None, *, stream=None))]
fn take_along_axis(a: ArrayLike, indices: ArrayLike, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::take_along_axis(&a.array(), &indices.array(), axis))
}

#[doc = docstring!("put_along_axis")]
#[pyfunction]
#[pyo3(signature = (a, /, indices, values, axis=None, *, stream=None))]
fn put_along_axis(
    a: ArrayLike,
    indices: ArrayLike,
    values: ArrayLike,
    axis: Option<isize>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (a, values) = pair(a, values)?;
    out(ops::put_along_axis(&a, &indices.array(), &values, axis))
}

#[doc = docstring!("as_strided")]
#[pyfunction]
#[pyo3(signature = (a, /, shape=None, strides=None, offset=0, *, stream=None))]
fn as_strided(
    a: ArrayLike,
    shape: Option<ShapeArg>,
    strides: Option<Ints>,
    offset: isize,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (shape, strides) = (shape.map(|s| s.0), strides.map(|s| s.list));
    out(ops::as_strided(&a.array(), shape.as_deref(), strides.as_deref(), offset))
}

#[doc = docstring!("dynamic_slice")]
#[pyfunction]
#[pyo3(signature = (a, start_indices, axes, slice_size, *, stream=None))]
fn slice(a: ArrayLike, start_indices: ArrayLike, axes: Ints, slice_size: ShapeArg, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::dynamic_slice(&a.array(), &start_indices.array(), &axes.list, &slice_size.0))
}

#[doc = docstring!("dynamic_slice_update")]
#[pyfunction]
#[pyo3(signature = (a, update, start_indices, axes, *, stream=None))]
fn slice_update(
    a: ArrayLike,
    update: ArrayLike,
    start_indices: ArrayLike,
    axes: Ints,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (a, update) = pair(a, update)?;
    out(ops::dynamic_slice_update(&a, &update, &start_indices.array(), &axes.list))
}

#[doc = docstring!("topk")]
#[pyfunction]
#[pyo3(signature = (a, /, k, axis=Some(-1), *, stream=None))]
fn topk(a: ArrayLike, k: Count, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::topk(&a.array(), k.0, axis))
}

#[doc = docstring!("unique")]
#[pyfunction]
#[pyo3(signature = (a, /, size, return_index=false, return_inverse=false, return_counts=false, fill_value=None, *, stream=None))]
#[allow(clippy::too_many_arguments, reason = "Python's signature")]
fn unique<'py>(
    py: Python<'py>,
    a: ArrayLike,
    size: Count,
    return_index: bool,
    return_inverse: bool,
    return_counts: bool,
    fill_value: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Res<Bound<'py, PyAny>> {
    let _ = stream;
    let found = ops::unique(&a.array(), size.0, optional(fill_value).as_ref())?;
    let further = [(return_index, found.index), (return_inverse, found.inverse), (return_counts, found.counts)];
    let mut all: Vec<Array> = further.into_iter().filter(|(wanted, _)| *wanted).map(|(_, a)| a).collect();
    if all.is_empty() {
        return Ok(Bound::new(py, PyArray::from(found.values))?.into_any());
    }
    all.insert(0, found.values);
    Ok(tuple(py, Ok(all))?.into_any())
}

#[doc = docstring!("searchsorted")]
#[pyfunction]
#[pyo3(signature = (sorted_sequence, values, /, side="left", *, stream=None))]
fn searchsorted(sorted_sequence: ArrayLike, values: ArrayLike, side: &str, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (sorted, values) = pair(sorted_sequence, values)?;
    out(ops::searchsorted(&sorted, &values, Side::named(side)?))
}

#[doc = docstring!("diff")]
#[pyfunction]
#[pyo3(signature = (a, /, n=1, axis=-1, *, stream=None))]
fn diff(a: ArrayLike, n: usize, axis: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::diff(&a.array(), n, axis))
}

/// One array, or a sequence of them.
#[derive(FromPyObject)]
enum OneOrMore<'py> {
    One(Bound<'py, PyArray>),
    More(Vec<Bound<'py, PyArray>>),
}

impl OneOrMore<'_> {
    fn arrays(&self) -> Vec<Array> {
        match self {
            OneOrMore::One(a) => vec![a.get().array()],
            OneOrMore::More(list) => list.iter().map(|a| a.get().array()).collect(),
        }
    }
}

#[doc = docstring!("depends")]
#[pyfunction]
#[pyo3(signature = (inputs, dependencies))]
fn depends<'py>(py: Python<'py>, inputs: OneOrMore<'py>, dependencies: OneOrMore<'py>) -> Res<Bound<'py, PyAny>> {
    let mut outs = list(ops::depends(&inputs.arrays(), &dependencies.arrays()))?;
    if matches!(inputs, OneOrMore::One(_))
        && let Some(one) = outs.pop()
    {
        return Ok(Bound::new(py, one)?.into_any());
    }
    Ok(PyList::new(py, outs)?.into_any())
}
