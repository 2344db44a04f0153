//! Products, comparisons with options, choices.

use super::{docstring, functions};
use crate::args::{ArrayLike, AxesArg, Ints, StreamArg, axes, pair};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use isobit::{Error, ops};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

functions! {
    addmm tensordot vecdot divmod minmax array_equal allclose isclose r#where clip nan_to_num round softmax einsum einsum_path hadamard_transform
}

#[doc = docstring!("addmm")]
#[pyfunction]
#[pyo3(signature = (c, a, b, /, alpha=1.0, beta=1.0, *, stream=None))]
fn addmm(c: ArrayLike, a: ArrayLike, b: ArrayLike, alpha: f64, beta: f64, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::addmm(&c.array(), &a.array(), &b.array(), alpha, beta))
}

/// A number of axes, or the axes of either array.
#[derive(FromPyObject)]
enum Contracted {
    Count(usize),
    Axes([Ints; 2]),
}

#[doc = docstring!("tensordot")]
#[pyfunction]
#[pyo3(signature = (a, b, /, axes=None, *, stream=None))]
fn tensordot(a: ArrayLike, b: ArrayLike, axes: Option<Contracted>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = (a.array(), b.array());
    match axes.unwrap_or(Contracted::Count(2)) {
        Contracted::Count(n) => out(ops::tensordot::tensordot_last(&a, &b, n)),
        Contracted::Axes([i, j]) => out(ops::tensordot(&a, &b, &i.list, &j.list)),
    }
}

#[doc = docstring!("vecdot")]
#[pyfunction]
#[pyo3(signature = (a, b, /, *, axis=-1, stream=None))]
fn vecdot(a: ArrayLike, b: ArrayLike, axis: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::vecdot(&a, &b, axis))
}

#[doc = docstring!("divmod")]
#[pyfunction]
#[pyo3(signature = (a, b, stream=None))]
fn divmod(a: ArrayLike, b: ArrayLike, stream: Option<StreamArg>) -> Res<(PyArray, PyArray)> {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    let (q, r) = ops::divmod(&a, &b)?;
    Ok((q.into(), r.into()))
}

/// The least and the greatest elements over `axis`, as from `min` and `max`.
#[pyfunction]
#[pyo3(signature = (a, /, axis=None, keepdims=false, *, stream=None))]
fn minmax(a: ArrayLike, axis: Option<AxesArg>, keepdims: bool, stream: Option<StreamArg>) -> Res<(PyArray, PyArray)> {
    let _ = stream;
    let (a, axes) = (a.array(), axes(axis));
    Ok((ops::min(&a, axes.clone(), keepdims)?.into(), ops::max(&a, axes, keepdims)?.into()))
}

#[doc = docstring!("array_equal")]
#[pyfunction]
#[pyo3(signature = (a, b, equal_nan=false, stream=None))]
fn array_equal(a: ArrayLike, b: ArrayLike, equal_nan: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::array_equal(&a, &b, equal_nan))
}

#[doc = docstring!("allclose")]
#[pyfunction]
#[pyo3(signature = (a, b, /, rtol=1e-5, atol=1e-8, *, equal_nan=false, stream=None))]
fn allclose(a: ArrayLike, b: ArrayLike, rtol: f64, atol: f64, equal_nan: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::allclose(&a, &b, rtol, atol, equal_nan))
}

#[doc = docstring!("isclose")]
#[pyfunction]
#[pyo3(signature = (a, b, /, rtol=1e-5, atol=1e-8, *, equal_nan=false, stream=None))]
fn isclose(a: ArrayLike, b: ArrayLike, rtol: f64, atol: f64, equal_nan: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::isclose(&a, &b, rtol, atol, equal_nan))
}

#[doc = docstring!("where_")]
#[pyfunction]
#[pyo3(signature = (condition, x, y, /, *, stream=None))]
fn r#where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (x, y) = pair(x, y)?;
    out(ops::where_(&condition.array(), &x, &y))
}

#[doc = docstring!("clip")]
#[pyfunction]
#[pyo3(signature = (a, /, a_min, a_max, *, stream=None))]
fn clip(a: ArrayLike, a_min: Option<ArrayLike>, a_max: Option<ArrayLike>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let a = a.array();
    if a_min.is_none() && a_max.is_none() {
        return Err(Error::value("clip", "expected at least one limit, got neither a_min nor a_max").into());
    }
    let min = a_min.map(|x| x.beside(a.dtype())).transpose()?;
    let max = a_max.map(|x| x.beside(a.dtype())).transpose()?;
    out(ops::clip(&a, min.as_ref(), max.as_ref()))
}

#[doc = docstring!("nan_to_num")]
#[pyfunction]
#[pyo3(signature = (a, nan=0.0, posinf=None, neginf=None, *, stream=None))]
fn nan_to_num(a: ArrayLike, nan: f64, posinf: Option<f64>, neginf: Option<f64>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::nan_to_num(&a.array(), nan, posinf, neginf))
}

#[doc = docstring!("round")]
#[pyfunction]
#[pyo3(signature = (a, /, decimals=0, stream=None))]
fn round(a: ArrayLike, decimals: i32, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::round(&a.array(), decimals))
}

#[doc = docstring!("softmax")]
#[pyfunction]
#[pyo3(signature = (a, /, axis=None, *, precise=false, stream=None))]
fn softmax(a: ArrayLike, axis: Option<AxesArg>, precise: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::softmax(&a.array(), axes(axis), precise))
}

#[doc = docstring!("einsum")]
#[pyfunction]
#[pyo3(signature = (subscripts, *operands, stream=None))]
fn einsum(subscripts: &str, operands: Vec<ArrayLike>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let operands: Vec<_> = operands.into_iter().map(ArrayLike::array).collect();
    out(ops::einsum(subscripts, &operands))
}

#[doc = docstring!("einsum_path")]
#[pyfunction]
#[pyo3(signature = (subscripts, *operands))]
fn einsum_path<'py>(
    py: Python<'py>,
    subscripts: &str,
    operands: Vec<ArrayLike>,
) -> Res<(Vec<Bound<'py, PyTuple>>, String)> {
    let operands: Vec<_> = operands.into_iter().map(ArrayLike::array).collect();
    let path = ops::einsum_path(subscripts, &operands)?;
    let text = format!("{subscripts}: {path:?}");
    Ok((path.into_iter().map(|step| PyTuple::new(py, step)).collect::<PyResult<_>>()?, text))
}

#[doc = docstring!("hadamard_transform")]
#[pyfunction]
#[pyo3(signature = (a, scale=None, stream=None))]
fn hadamard_transform(a: ArrayLike, scale: Option<f64>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::hadamard_transform(&a.array(), scale))
}
