//! `mlx.core.random`.

use crate::args::{ArrayLike, DtypeArg, ShapeArg, StreamArg};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use crate::ops::docstring;
use isobit::random::{self, Parameter};
use isobit::{Array, Dtype, Shape, ops};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

mod functions {
    use super::*;
    crate::ops::functions! {
        seed key split uniform normal randint bernoulli truncated_normal gumbel laplace categorical permutation
    }
}

/// The key that the process-wide sequence goes on from, as a list of one array that programs read and capture.
#[pyclass(frozen, name = "_RandomState", module = "isobit.core.random")]
pub struct RandomState;

#[pymethods]
impl RandomState {
    fn __len__(&self) -> usize {
        1
    }

    fn __getitem__(&self, index: isize) -> PyResult<PyArray> {
        match index {
            0 | -1 => Ok(random::state().into()),
            _ => Err(PyIndexError::new_err("the state is one key")),
        }
    }

    fn __setitem__(&self, index: isize, key: Bound<'_, PyArray>) -> Res<()> {
        match index {
            0 | -1 => Ok(random::set_state(&key.get().array())?),
            _ => Err(PyIndexError::new_err("the state is one key").into()),
        }
    }
}

impl Parameter for ArrayLike {
    fn array(&self, dtype: Dtype) -> isobit::Result<Array> {
        match self {
            ArrayLike::Array(a) => ops::astype(a, dtype),
            ArrayLike::Number(n) => Ok(Array::scalar(*n, dtype)),
        }
    }

    fn own(&self) -> isobit::Result<Array> {
        Ok(self.clone().array())
    }

    fn number(&self) -> Option<f64> {
        ArrayLike::number(self).map(|n| n.to_f64())
    }
}

type Key<'a, 'py> = Option<&'a Bound<'py, PyArray>>;

fn key_of(key: Key<'_, '_>) -> Option<Array> {
    key.map(|k| k.get().array())
}

fn shape_of(shape: Option<ShapeArg>) -> Shape {
    shape.map_or_else(Shape::new, |s| s.0)
}

fn float(dtype: Option<DtypeArg>) -> Dtype {
    dtype.map_or(Dtype::F32, |d| d.0)
}

#[doc = docstring!("random_seed")]
#[pyfunction]
fn seed(seed: u64) {
    random::seed(seed);
}

#[doc = docstring!("random_key")]
#[pyfunction]
fn key(seed: u64) -> PyArray {
    random::key(seed).into()
}

#[doc = docstring!("random_split")]
#[pyfunction]
#[pyo3(signature = (key, num=2, stream=None))]
fn split(key: &Bound<'_, PyArray>, num: usize, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(random::split(&key.get().array(), num))
}

#[doc = docstring!("random_uniform")]
#[pyfunction]
#[pyo3(signature = (low=None, high=None, shape=None, dtype=None, key=None, stream=None))]
fn uniform(
    low: Option<ArrayLike>,
    high: Option<ArrayLike>,
    shape: Option<ShapeArg>,
    dtype: Option<DtypeArg>,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let zero = ArrayLike::Number(0i64.into());
    let (low, high) = (low.unwrap_or(zero), high.unwrap_or(ArrayLike::Number(1i64.into())));
    out(random::uniform(low, high, &shape_of(shape), float(dtype), key_of(key).as_ref()))
}

#[doc = docstring!("random_normal")]
#[pyfunction]
#[pyo3(signature = (shape=None, dtype=None, loc=None, scale=None, key=None, stream=None))]
fn normal(
    shape: Option<ShapeArg>,
    dtype: Option<DtypeArg>,
    loc: Option<ArrayLike>,
    scale: Option<ArrayLike>,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (loc, scale) = (loc.unwrap_or(ArrayLike::Number(0i64.into())), scale.unwrap_or(ArrayLike::Number(1i64.into())));
    out(random::normal(&shape_of(shape), float(dtype), loc, scale, key_of(key).as_ref()))
}

#[doc = docstring!("random_randint")]
#[pyfunction]
#[pyo3(signature = (low, high, shape=None, dtype=None, key=None, stream=None))]
fn randint(
    low: ArrayLike,
    high: ArrayLike,
    shape: Option<ShapeArg>,
    dtype: Option<DtypeArg>,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let dtype = dtype.map_or(Dtype::I32, |d| d.0);
    out(random::randint(low, high, &shape_of(shape), dtype, key_of(key).as_ref()))
}

#[doc = docstring!("random_bernoulli")]
#[pyfunction]
#[pyo3(signature = (p=None, shape=None, key=None, stream=None))]
fn bernoulli(p: Option<ArrayLike>, shape: Option<ShapeArg>, key: Key<'_, '_>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let p = p.unwrap_or(ArrayLike::Number(0.5.into()));
    if !p.clone().array().dtype().is_inexact() {
        return Err(isobit::Error::dtype("bernoulli", "expected a floating probability").into());
    }
    let shape = shape.map_or_else(|| p.clone().array().spec().shape.clone(), |s| s.0);
    out(random::bernoulli(p, &shape, key_of(key).as_ref()))
}

#[doc = docstring!("random_truncated_normal")]
#[pyfunction]
#[pyo3(signature = (lower, upper, shape=None, dtype=None, key=None, stream=None))]
fn truncated_normal(
    lower: ArrayLike,
    upper: ArrayLike,
    shape: Option<ShapeArg>,
    dtype: Option<DtypeArg>,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let shape = match shape {
        Some(s) => s.0,
        None => {
            let (a, b) = (lower.clone().array(), upper.clone().array());
            isobit::spec::broadcast_shapes("truncated_normal", a.shape(), b.shape())?
        }
    };
    out(random::truncated_normal(lower, upper, &shape, float(dtype), key_of(key).as_ref()))
}

#[doc = docstring!("random_gumbel")]
#[pyfunction]
#[pyo3(signature = (shape=None, dtype=None, key=None, stream=None))]
fn gumbel(shape: Option<ShapeArg>, dtype: Option<DtypeArg>, key: Key<'_, '_>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(random::gumbel(&shape_of(shape), float(dtype), key_of(key).as_ref()))
}

#[doc = docstring!("random_laplace")]
#[pyfunction]
#[pyo3(signature = (shape=None, dtype=None, loc=0.0, scale=1.0, key=None, stream=None))]
fn laplace(
    shape: Option<ShapeArg>,
    dtype: Option<DtypeArg>,
    loc: f64,
    scale: f64,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    out(random::laplace(&shape_of(shape), float(dtype), loc, scale, key_of(key).as_ref()))
}

#[doc = docstring!("random_categorical")]
#[pyfunction]
#[pyo3(signature = (logits, axis=-1, shape=None, num_samples=None, key=None, stream=None))]
fn categorical(
    logits: ArrayLike,
    axis: isize,
    shape: Option<ShapeArg>,
    num_samples: Option<usize>,
    key: Key<'_, '_>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let logits = logits.array();
    match (shape, num_samples) {
        (Some(_), Some(_)) => {
            Err(PyValueError::new_err("[categorical] expected shape or num_samples, got both").into())
        }
        (None, Some(n)) => out(random::categorical_samples(&logits, axis, n, key_of(key).as_ref())),
        (shape, None) => {
            let shape = shape.map(|s| s.0);
            out(random::categorical(&logits, axis, shape.as_deref(), key_of(key).as_ref()))
        }
    }
}

#[doc = docstring!("random_permutation")]
#[pyfunction]
#[pyo3(signature = (x, axis=0, key=None, stream=None))]
fn permutation(x: &Bound<'_, PyAny>, axis: isize, key: Key<'_, '_>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    let key = key_of(key);
    match x.cast::<PyArray>() {
        Ok(a) => out(random::permutation_of(&a.get().array(), axis, key.as_ref())),
        Err(_) => out(random::permutation(x.extract()?, key.as_ref())),
    }
}

/// Fills the submodule.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<RandomState>()?;
    m.add("state", RandomState)?;
    functions::register(m)
}
