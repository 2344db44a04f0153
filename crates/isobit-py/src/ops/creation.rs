//! Arrays from numbers, shapes and other objects.

use super::{docstring, functions, tuple};
use crate::args::{ArrayLike, Count, DtypeArg, Numbers, ShapeArg, StreamArg};
use crate::array::{Out, PyArray, out};
use crate::convert;
use crate::error::Res;
use isobit::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

functions! {
    arange linspace zeros zeros_like ones ones_like full full_like eye identity tri tril triu meshgrid asarray
    from_dlpack diag diagonal trace
}

fn or_float(dtype: Option<DtypeArg>) -> Dtype {
    dtype.map_or(Dtype::F32, |d| d.0)
}

/// A constant with memory of its own for every element, which strides and figures of memory show; inside isobit
/// constants are views of one element.
pub fn dense(a: isobit::Result<Array>) -> Out {
    let a = a?;
    out(if a.size() > 1 { ops::contiguous(&a) } else { Ok(a) })
}

#[doc = docstring!("arange")]
#[pyfunction]
#[pyo3(signature = (start=None, stop=None, step=None, dtype=None, *, stream=None))]
fn arange(
    start: Option<Numbers>,
    stop: Option<Numbers>,
    step: Option<Numbers>,
    dtype: Option<DtypeArg>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (start, stop) = match (start, stop) {
        (Some(a), Some(b)) => (a.0, b.0),
        (Some(n), None) | (None, Some(n)) => (0i64.into(), n.0),
        (None, None) => return Err(pyo3::exceptions::PyTypeError::new_err("arange() needs a stop").into()),
    };
    out(ops::arange(start, stop, step.map_or(1i64.into(), |s| s.0), dtype.map(|d| d.0)))
}

#[doc = docstring!("linspace")]
#[pyfunction]
#[pyo3(signature = (start, stop, num=Some(50), endpoint=true, dtype=None, stream=None))]
fn linspace(
    start: Numbers,
    stop: Numbers,
    num: Option<isize>,
    endpoint: bool,
    dtype: Option<DtypeArg>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let num = usize::try_from(num.unwrap_or(50))
        .map_err(|_| PyValueError::new_err("[linspace] expected a number of elements of at least 0"))?;
    if endpoint {
        return out(ops::linspace(start.0, stop.0, num, or_float(dtype)));
    }
    out(ops::linspace::linspace_open(start.0, stop.0, num, or_float(dtype)))
}

#[doc = docstring!("zeros")]
#[pyfunction]
#[pyo3(signature = (shape, dtype=None, *, stream=None))]
fn zeros(shape: ShapeArg, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    dense(ops::zeros(&shape.0, or_float(dtype)))
}

#[doc = docstring!("zeros_like")]
#[pyfunction]
#[pyo3(signature = (a, /, dtype=None, *, stream=None))]
fn zeros_like(a: ArrayLike, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let a = a.array();
    dense(ops::zeros(a.shape(), dtype.map_or(a.dtype(), |d| d.0)))
}

#[doc = docstring!("ones")]
#[pyfunction]
#[pyo3(signature = (shape, dtype=None, *, stream=None))]
fn ones(shape: ShapeArg, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    dense(ops::ones(&shape.0, or_float(dtype)))
}

#[doc = docstring!("ones_like")]
#[pyfunction]
#[pyo3(signature = (a, /, dtype=None, *, stream=None))]
fn ones_like(a: ArrayLike, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let a = a.array();
    dense(ops::ones(a.shape(), dtype.map_or(a.dtype(), |d| d.0)))
}

#[doc = docstring!("full")]
#[pyfunction]
#[pyo3(signature = (shape, vals, dtype=None, *, stream=None))]
fn full(shape: ShapeArg, vals: ArrayLike, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    match (vals.number(), dtype) {
        (Some(n), Some(d)) => dense(ops::full(&shape.0, n, d.0)),
        _ => dense(ops::full::filled(&shape.0, &vals.array(), dtype.map(|d| d.0))),
    }
}

#[doc = docstring!("full_like")]
#[pyfunction]
#[pyo3(signature = (a, vals, dtype=None, *, stream=None))]
fn full_like(a: ArrayLike, vals: ArrayLike, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let a = a.array();
    let dtype = dtype.map_or(a.dtype(), |d| d.0);
    dense(ops::full::filled(a.shape(), &vals.beside(dtype)?, Some(dtype)))
}

#[doc = docstring!("eye")]
#[pyfunction]
#[pyo3(signature = (n, m=None, k=0, dtype=None, *, stream=None))]
fn eye(n: Count, m: Option<Count>, k: isize, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::eye(n.0, m.unwrap_or(n).0, k, or_float(dtype)))
}

#[doc = docstring!("identity")]
#[pyfunction]
#[pyo3(signature = (n, dtype=None, *, stream=None))]
fn identity(n: Count, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::identity(n.0, or_float(dtype)))
}

#[doc = docstring!("tri")]
#[pyfunction]
#[pyo3(signature = (n, m=None, k=0, dtype=None, *, stream=None))]
fn tri(n: usize, m: Option<usize>, k: isize, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::tri(n, m.unwrap_or(n), k, or_float(dtype)))
}

#[doc = docstring!("tril")]
#[pyfunction]
#[pyo3(signature = (x, k=0, *, stream=None))]
fn tril(x: ArrayLike, k: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::tril(&x.array(), k))
}

#[doc = docstring!("triu")]
#[pyfunction]
#[pyo3(signature = (x, k=0, *, stream=None))]
fn triu(x: ArrayLike, k: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::triu(&x.array(), k))
}

#[doc = docstring!("meshgrid")]
#[pyfunction]
#[pyo3(signature = (*arrays, sparse=false, indexing="xy", stream=None))]
fn meshgrid<'py>(
    py: Python<'py>,
    arrays: Vec<ArrayLike>,
    sparse: bool,
    indexing: &str,
    stream: Option<StreamArg>,
) -> Res<Bound<'py, PyTuple>> {
    let _ = stream;
    let arrays: Vec<_> = arrays.into_iter().map(ArrayLike::array).collect();
    tuple(py, ops::meshgrid(&arrays, sparse, indexing))
}

/// The argument as an array.
#[pyfunction]
#[pyo3(signature = (a, dtype=None, *, copy=None))]
fn asarray(a: &Bound<'_, PyAny>, dtype: Option<DtypeArg>, copy: Option<bool>) -> Out {
    // Arrays are values: one that is given away could not be told from a copy, and others are copied in.
    if copy == Some(false) {
        return Err(PyValueError::new_err("[asarray] a copy is needed").into());
    }
    Ok(convert::array(a, dtype.map(|d| d.0))?.into())
}

/// An array of another library that speaks DLPack. By default read-only memory is shared and other memory copied; with
/// `copy=False` all memory is shared, and must not be written to any more, or it is an error.
#[pyfunction]
#[pyo3(signature = (x, /, *, copy=None))]
fn from_dlpack(x: &Bound<'_, PyAny>, copy: Option<bool>) -> Out {
    if let Ok(a) = x.cast::<PyArray>() {
        return Ok(a.get().array().into());
    }
    Ok(convert::dlpack::import(x, None, copy)?.into())
}

#[doc = docstring!("diag")]
#[pyfunction]
#[pyo3(signature = (a, /, k=0, *, stream=None))]
fn diag(a: ArrayLike, k: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::diag(&a.array(), k))
}

#[doc = docstring!("diagonal")]
#[pyfunction]
#[pyo3(signature = (a, offset=0, axis1=0, axis2=1, stream=None))]
fn diagonal(a: ArrayLike, offset: isize, axis1: isize, axis2: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::diagonal(&a.array(), offset, axis1, axis2))
}

#[doc = docstring!("trace")]
#[pyfunction]
#[pyo3(signature = (a, /, offset=0, axis1=0, axis2=1, dtype=None, *, stream=None))]
fn trace(
    a: ArrayLike,
    offset: isize,
    axis1: isize,
    axis2: isize,
    dtype: Option<DtypeArg>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    out(ops::trace(&a.array(), offset, axis1, axis2, dtype.map(|d| d.0)))
}
