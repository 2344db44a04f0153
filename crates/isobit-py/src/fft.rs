//! `mlx.core.fft`, as far as it needs no transform.

use crate::args::{ArrayLike, AxesArg, StreamArg, axes};
use crate::array::{Out, out};
use crate::error::Res;
use crate::ops::{docstring, functions};
use isobit::{Error, ops};
use pyo3::prelude::*;

functions! { fftfreq rfftfreq fftshift ifftshift }

fn samples(n: isize) -> Res<usize> {
    usize::try_from(n).map_err(|_| Error::value("fftfreq", format!("expected samples, got {n}")).into())
}

#[doc = docstring!("fftfreq")]
#[pyfunction]
#[pyo3(signature = (n, d=1.0, *, stream=None))]
fn fftfreq(n: isize, d: f64, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::fftfreq(samples(n)?, d))
}

#[doc = docstring!("rfftfreq")]
#[pyfunction]
#[pyo3(signature = (n, d=1.0, *, stream=None))]
fn rfftfreq(n: isize, d: f64, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::rfftfreq(samples(n)?, d))
}

#[doc = docstring!("fftshift")]
#[pyfunction]
#[pyo3(signature = (a, axes=None, *, stream=None))]
fn fftshift(a: ArrayLike, axes: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::fftshift(&a.array(), self::axes(axes)))
}

#[doc = docstring!("ifftshift")]
#[pyfunction]
#[pyo3(signature = (a, axes=None, *, stream=None))]
fn ifftshift(a: ArrayLike, axes: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::ifftshift(&a.array(), self::axes(axes)))
}
