//! `mlx.core.random`.

use crate::args::{ArrayLike, Count, DtypeArg, ShapeArg, StreamArg};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use crate::ops::docstring;
use isobit::host::Scalar;
use isobit::random::{self, Parameter};
use isobit::{Array, Dtype, Shape, ops};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

mod functions {
    use super::*;
    crate::ops::functions! {
        seed key split uniform normal multivariate_normal randint bernoulli truncated_normal gumbel laplace categorical permutation
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
            ArrayLike::Array(a) | ArrayLike::Foreign(a) => ops::astype(a, dtype),
            ArrayLike::Number(n) => Ok(Array::scalar(*n, dtype)),
        }
    }

    fn own(&self) -> isobit::Result<Array> {
        Ok(self.clone().array())
    }

    fn number(&self) -> Option<f64> {
        // A complex number is none that can be told by its real part.
        ArrayLike::number(self).filter(|n| !matches!(n, Scalar::Complex(..))).map(|n| n.to_f64())
    }
}

type Key<'a, 'py> = Option<&'a Bound<'py, PyArray>>;

fn key_of(key: Key<'_, '_>) -> Option<Array> {
    key.map(|k| k.get().array())
}

fn shape_of(shape: Option<ShapeArg>) -> Shape {
    shape.map_or_else(Shape::new, |s| s.0)
}

/// An argument, or a number where it was left out.
fn or(arg: Option<ArrayLike>, number: f64) -> ArrayLike {
    arg.unwrap_or_else(|| number.into())
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

/// Functions that draw samples: their own arguments, each with its default, then a key and a stream.
macro_rules! samplers {
    ($($doc:literal $name:ident($($arg:ident: $kind:ty $(= $default:tt)?),*), $key:ident => $body:expr;)*) => {$(
        #[doc = docstring!($doc)]
        #[pyfunction]
        #[pyo3(signature = ($($arg $(= $default)?,)* key=None, stream=None))]
        fn $name($($arg: $kind,)* key: Key<'_, '_>, stream: Option<StreamArg>) -> Out {
            let _ = stream;
            let key = key_of(key);
            let $key = key.as_ref();
            out($body)
        }
    )*};
}

type Like = Option<ArrayLike>;
type Dims = Option<ShapeArg>;
type Kind = Option<DtypeArg>;

samplers! {
    "random_uniform" uniform(low: Like = None, high: Like = None, shape: Dims = None, dtype: Kind = None), key =>
        random::uniform(or(low, 0.0), or(high, 1.0), &shape_of(shape), float(dtype), key);
    "random_normal" normal(shape: Dims = None, dtype: Kind = None, loc: Like = None, scale: Like = None), key =>
        random::normal(&shape_of(shape), float(dtype), or(loc, 0.0), or(scale, 1.0), key);
    "random_multivariate_normal" multivariate_normal(mean: ArrayLike, cov: ArrayLike, shape: Dims = None, dtype: Kind = None), key =>
        random::multivariate_normal(&mean.array(), &cov.array(), &shape_of(shape), float(dtype), key);
    "random_laplace" laplace(shape: Dims = None, dtype: Kind = None, loc: f64 = 0.0, scale: f64 = 1.0), key =>
        random::laplace(&shape_of(shape), float(dtype), loc, scale, key);
    "random_gumbel" gumbel(shape: Dims = None, dtype: Kind = None), key =>
        random::gumbel(&shape_of(shape), float(dtype), key);
    "random_randint" randint(low: ArrayLike, high: ArrayLike, shape: Dims = None, dtype: Kind = None), key =>
        random::randint(low, high, &shape_of(shape), dtype.map_or(Dtype::I32, |d| d.0), key);
    "random_bernoulli" bernoulli(p: Like = None, shape: Dims = None), key =>
        match shape {
            Some(s) => random::bernoulli(or(p, 0.5), &s.0, key),
            None => random::bernoulli_of(or(p, 0.5), key),
        };
    "random_truncated_normal"
    truncated_normal(lower: ArrayLike, upper: ArrayLike, shape: Dims = None, dtype: Kind = None), key =>
        match shape {
            Some(s) => random::truncated_normal(lower, upper, &s.0, float(dtype), key),
            None => random::truncated_normal_of(lower, upper, float(dtype), key),
        };
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
        Err(_) => out(random::permutation(x.extract::<Count>()?.0, key.as_ref())),
    }
}

/// Fills the submodule.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<RandomState>()?;
    m.add("state", RandomState)?;
    functions::register(m)
}
