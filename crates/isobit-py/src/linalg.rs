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

fn two(both: isobit::Result<(Array, Array)>) -> Pair {
    let (a, b) = both?;
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

/// Functions of one matrix that differ in nothing but the operation: `result of ops::name(matrix, options)`.
macro_rules! of_matrix {
    ($result:ty, $give:expr; $($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, *, stream=None))]
            fn $op(a: ArrayLike, stream: Option<StreamArg>) -> $result {
                let _ = stream;
                $give(ops::$op(&a.array()))
            }
        )*
    };
    (upper; $($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, upper=false, *, stream=None))]
            fn $op(a: ArrayLike, upper: bool, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), upper))
            }
        )*
    };
}
of_matrix! { Out, out; inv pinv eigvals det }
of_matrix! { Pair, two; qr eig lu_factor slogdet }
of_matrix! { upper; tri_inv cholesky cholesky_inv }

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

/// Whether the triangle of that name is the upper one.
fn is_upper(name: &str) -> Res<bool> {
    match name {
        "L" | "l" => Ok(false),
        "U" | "u" => Ok(true),
        other => Err(Error::value("eigh", format!("expected UPLO \"L\" or \"U\", got {other:?}")).into()),
    }
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
    two(ops::eigh(&a.array(), is_upper(UPLO)?))
}

#[doc = docstring!("lu")]
#[pyfunction]
#[pyo3(signature = (a, *, stream=None))]
fn lu(a: ArrayLike, stream: Option<StreamArg>) -> Res<(PyArray, PyArray, PyArray)> {
    let _ = stream;
    let (p, l, u) = ops::lu(&a.array())?;
    Ok((p.into(), l.into(), u.into()))
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
