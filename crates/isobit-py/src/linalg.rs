//! `mlx.core.linalg`.

use crate::args::{ArrayLike, AxesArg, StreamArg, axes, pair};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use crate::ops::{docstring, functions};
use isobit::ops::{self, norm::Order};
use isobit::{Array, Error};
use pyo3::prelude::*;

functions! {
    norm qr svd inv tri_inv cholesky cholesky_inv pinv cross eigvals eig eigvalsh eigh lu lu_factor solve solve_triangular det slogdet
}

/// A number or a name.
#[derive(FromPyObject)]
enum Ord {
    Number(f64),
    Name(String),
}

type Pair = Res<(PyArray, PyArray)>;

fn two((a, b): (Array, Array)) -> Pair {
    Ok((a.into(), b.into()))
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
fn qr(a: ArrayLike, stream: Option<StreamArg>) -> Pair {
    let _ = stream;
    two(ops::qr(&a.array())?)
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

#[doc = docstring!("inv")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn inv(a: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::inv(&a.array()))
}

#[doc = docstring!("tri_inv")]
#[pyfunction]
#[pyo3(signature = (a, upper=false, *, stream=None))]
fn tri_inv(a: ArrayLike, upper: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::tri_inv(&a.array(), upper))
}

#[doc = docstring!("cholesky")]
#[pyfunction]
#[pyo3(signature = (a, upper=false, *, stream=None))]
fn cholesky(a: ArrayLike, upper: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::cholesky(&a.array(), upper))
}

#[doc = docstring!("cholesky_inv")]
#[pyfunction]
#[pyo3(signature = (a, upper=false, *, stream=None))]
fn cholesky_inv(a: ArrayLike, upper: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::cholesky_inv(&a.array(), upper))
}

#[doc = docstring!("pinv")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn pinv(a: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::pinv(&a.array()))
}

/// Whether the triangle of that name is the upper one.
fn is_upper(name: &str) -> Res<bool> {
    match name {
        "L" | "l" => Ok(false),
        "U" | "u" => Ok(true),
        other => Err(Error::value("eigh", format!("expected UPLO \"L\" or \"U\", got {other:?}")).into()),
    }
}

#[doc = docstring!("eigvals")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn eigvals(a: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::eigvals(&a.array()))
}

#[doc = docstring!("eig")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn eig(a: ArrayLike, stream: Option<StreamArg>) -> Pair {
    let _ = stream;
    two(ops::eig(&a.array())?)
}

#[doc = docstring!("eigvalsh")]
#[pyfunction]
#[allow(non_snake_case, reason = "Python's name")]
#[pyo3(signature = (a, UPLO="L", *, stream=None))]
fn eigvalsh(a: ArrayLike, UPLO: &str, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::eigvalsh(&a.array(), is_upper(UPLO)?))
}

#[doc = docstring!("eigh")]
#[pyfunction]
#[allow(non_snake_case, reason = "Python's name")]
#[pyo3(signature = (a, UPLO="L", *, stream=None))]
fn eigh(a: ArrayLike, UPLO: &str, stream: Option<StreamArg>) -> Pair {
    let _ = stream;
    two(ops::eigh(&a.array(), is_upper(UPLO)?)?)
}

#[doc = docstring!("lu")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn lu(a: ArrayLike, stream: Option<StreamArg>) -> Res<(PyArray, PyArray, PyArray)> {
    let _ = stream;
    let (p, l, u) = ops::lu(&a.array())?;
    Ok((p.into(), l.into(), u.into()))
}

#[doc = docstring!("lu_factor")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn lu_factor(a: ArrayLike, stream: Option<StreamArg>) -> Pair {
    let _ = stream;
    two(ops::lu_factor(&a.array())?)
}

#[doc = docstring!("solve")]
#[pyfunction]
#[pyo3(signature = (a, b, *, stream=None))]
fn solve(a: ArrayLike, b: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::solve(&a, &b))
}

#[doc = docstring!("solve_triangular")]
#[pyfunction]
#[pyo3(signature = (a, b, *, upper=false, stream=None))]
fn solve_triangular(a: ArrayLike, b: ArrayLike, upper: bool, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let (a, b) = pair(a, b)?;
    out(ops::solve_triangular(&a, &b, upper))
}

#[doc = docstring!("det")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn det(a: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::det(&a.array()))
}

#[doc = docstring!("slogdet")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn slogdet(a: ArrayLike, stream: Option<StreamArg>) -> Pair {
    let _ = stream;
    two(ops::slogdet(&a.array())?)
}
