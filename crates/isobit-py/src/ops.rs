//! The operations as functions of the module: each a signature and one expression. Docstrings come from isobit-core.

mod creation;
mod families;
mod linear;
mod quantized;
mod shape;

pub use creation::dense;
pub use quantized::format;
pub use shape::split_by;

use crate::array::PyArray;
use crate::error::Res;
use isobit::Array;
use pyo3::prelude::*;

/// Several results as a list.
pub fn list(r: isobit::Result<Vec<Array>>) -> Res<Vec<PyArray>> {
    Ok(r?.into_iter().map(PyArray::from).collect())
}

/// Several results as a tuple.
pub fn tuple(py: Python<'_>, r: isobit::Result<Vec<Array>>) -> Res<Bound<'_, pyo3::types::PyTuple>> {
    Ok(pyo3::types::PyTuple::new(py, list(r)?)?)
}

/// Adds every function.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    families::register(m)?;
    creation::register(m)?;
    m.add("empty", m.getattr("zeros")?)?;
    m.add("empty_like", m.getattr("zeros_like")?)?;
    shape::register(m)?;
    linear::register(m)?;
    quantized::register(m)
}

/// Defines the functions of a file and `register`, which adds them to the module.
macro_rules! functions {
    ($($name:ident)*) => {
        /// Adds this file's functions.
        pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($name, m)?)?; )*
            Ok(())
        }
    };
}
pub(crate) use functions;

/// The docstring of an operation.
macro_rules! docstring {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".txt"))
    };
}
pub(crate) use docstring;
