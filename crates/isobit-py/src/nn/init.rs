//! Initial values, of the process-wide sequence of keys.

use crate::args::{ArrayLike, DtypeArg, ShapeArg};
use crate::array::{Out, out};
use crate::error::Failure;
use crate::ops::{dense, docstring, functions};
use isobit_nn::init;
use pyo3::prelude::*;

functions! { constant normal uniform identity glorot_normal glorot_uniform he_normal he_uniform within sparse orthogonal }

/// A count of connections by its name.
struct Fan(init::Fan);

impl<'a, 'py> FromPyObject<'a, 'py> for Fan {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Fan> {
        Ok(Fan(init::Fan::parse(obj.extract()?).map_err(Failure::from)?))
    }
}

#[doc = docstring!("nn_constant")]
#[pyfunction]
fn constant(shape: ShapeArg, value: ArrayLike, dtype: DtypeArg) -> Out {
    dense(init::constant(&shape.0, value, dtype.0))
}

#[doc = docstring!("nn_normal")]
#[pyfunction]
fn normal(shape: ShapeArg, mean: ArrayLike, std: ArrayLike, dtype: DtypeArg) -> Out {
    out(init::normal(&shape.0, mean, std, dtype.0, None))
}

#[doc = docstring!("nn_uniform")]
#[pyfunction]
fn uniform(shape: ShapeArg, low: ArrayLike, high: ArrayLike, dtype: DtypeArg) -> Out {
    out(init::uniform(&shape.0, low, high, dtype.0, None))
}

#[doc = docstring!("nn_identity")]
#[pyfunction]
fn identity(shape: ShapeArg, dtype: DtypeArg) -> Out {
    out(init::identity(&shape.0, dtype.0))
}

#[doc = docstring!("nn_glorot_normal")]
#[pyfunction]
fn glorot_normal(shape: ShapeArg, gain: f64, dtype: DtypeArg) -> Out {
    out(init::glorot_normal(&shape.0, gain, dtype.0, None))
}

#[doc = docstring!("nn_glorot_uniform")]
#[pyfunction]
fn glorot_uniform(shape: ShapeArg, gain: f64, dtype: DtypeArg) -> Out {
    out(init::glorot_uniform(&shape.0, gain, dtype.0, None))
}

#[doc = docstring!("nn_he_normal")]
#[pyfunction]
fn he_normal(shape: ShapeArg, mode: Fan, gain: f64, dtype: DtypeArg) -> Out {
    out(init::he_normal(&shape.0, mode.0, gain, dtype.0, None))
}

#[doc = docstring!("nn_he_uniform")]
#[pyfunction]
fn he_uniform(shape: ShapeArg, mode: Fan, gain: f64, dtype: DtypeArg) -> Out {
    out(init::he_uniform(&shape.0, mode.0, gain, dtype.0, None))
}

#[doc = docstring!("nn_within")]
#[pyfunction]
fn within(shape: ShapeArg, fan: usize, dtype: DtypeArg) -> Out {
    out(init::within(&shape.0, fan, dtype.0, None))
}

#[doc = docstring!("nn_sparse")]
#[pyfunction]
fn sparse(shape: ShapeArg, sparsity: f64, mean: ArrayLike, std: ArrayLike, dtype: DtypeArg) -> Out {
    out(init::sparse(&shape.0, sparsity, mean, std, dtype.0, None))
}

#[doc = docstring!("nn_orthogonal")]
#[pyfunction]
fn orthogonal(shape: ShapeArg, gain: f64, dtype: DtypeArg) -> Out {
    out(init::orthogonal(&shape.0, gain, dtype.0, None))
}
