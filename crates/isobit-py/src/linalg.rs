//! `mlx.core.linalg`, as far as it needs no factorisation.

use crate::args::{ArrayLike, AxesArg, StreamArg, axes, pair};
use crate::array::{Out, out};
use crate::ops::{docstring, functions};
use isobit::ops::{self, norm::Order};
use pyo3::prelude::*;

functions! { norm cross }

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
