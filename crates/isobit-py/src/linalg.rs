//! `mlx.core.linalg`.

use crate::args::{ArrayLike, AxesArg, StreamArg, axes, pair};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use crate::ops::{docstring, functions};
use isobit::ops::{self, norm::Order};
use pyo3::prelude::*;

functions! { norm cross qr svd }

/// A number or a name.
#[derive(FromPyObject)]
enum Ord {
    Number(f64),
    Name(String),
}

#[doc = docstring!("norm")]
#[pyfunction]
#[pyo3(signature = (a, /, ord=None, axis=None, keepdims=false, *, stream=None))]
fn norm(a: ArrayLike, ord: Option<Ord>, axis: Option<AxesArg>, keepdims: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let order = match ord {
        None => Order::Default,
        Some(Ord::Number(p)) => Order::P(p),
        Some(Ord::Name(name)) => Order::named(&name)?,
    };
    out(ops::norm(&a.array(), order, axes(axis), keepdims))
}

#[doc = docstring!("cross")]
#[pyfunction]
#[pyo3(signature = (a, b, axis=-1, *, stream=None))]
fn cross(a: ArrayLike, b: ArrayLike, axis: isize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::cross(&a, &b, axis))
}

#[doc = docstring!("qr")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn qr(a: ArrayLike, stream: Option<StreamArg>) -> Res<(PyArray, PyArray)> {
    let _ = stream;
    let (q, r) = ops::qr(&a.array())?;
    Ok((q.into(), r.into()))
}

/// The factors, or the values alone.
#[derive(IntoPyObject)]
enum Factors {
    Values(PyArray),
    All((PyArray, PyArray, PyArray)),
}

#[doc = docstring!("svd")]
#[pyfunction]
#[pyo3(signature = (a, compute_uv=true, *, stream=None))]
fn svd(a: ArrayLike, compute_uv: bool, stream: Option<StreamArg>) -> Res<Factors> {
    let _ = stream;
    if !compute_uv {
        return Ok(Factors::Values(ops::svdvals(&a.array())?.into()));
    }
    let (u, s, vt) = ops::svd(&a.array(), true)?;
    Ok(Factors::All((u.into(), s.into(), vt.into())))
}
