//! `mlx.core.distributed` for the group that there is: this process alone.

use crate::args::{ArrayLike, DtypeArg, ShapeArg, StreamArg};
use crate::array::{Out, PyArray};
use crate::error::Res;
use crate::ops::functions as module_functions;
use isobit::Error;
use pyo3::prelude::*;

/// Processes that work together; today always one.
#[pyclass(frozen, name = "Group", module = "isobit.core.distributed")]
pub struct PyGroup;

#[pymethods]
impl PyGroup {
    /// This process's number.
    fn rank(&self) -> usize {
        0
    }

    /// How many processes there are.
    fn size(&self) -> usize {
        1
    }

    /// The part of the group with this color.
    #[pyo3(signature = (color, key=-1))]
    fn split(&self, color: i64, key: i64) -> PyGroup {
        let _ = (color, key);
        PyGroup
    }
}

mod functions {
    use super::*;
    module_functions! { is_available init all_sum all_max all_min all_gather sum_scatter send recv recv_like }
}

/// Whether processes can work together.
#[pyfunction]
#[pyo3(signature = (backend="any"))]
fn is_available(backend: &str) -> bool {
    let _ = backend;
    false
}

/// The group of all processes; `strict` refuses one of a single process.
#[pyfunction]
#[pyo3(signature = (strict=false, backend="any", *, all_gather_factory=None))]
fn init(strict: bool, backend: &str, all_gather_factory: Option<Bound<'_, PyAny>>) -> Res<PyGroup> {
    let _ = (backend, all_gather_factory);
    if strict {
        return Err(Error::runtime("distributed", "there is no way to work with other processes yet").into());
    }
    Ok(PyGroup)
}

macro_rules! collectives {
    ($($op:ident $what:literal)*) => {
        $(
            #[doc = $what]
            #[pyfunction]
            #[pyo3(signature = (x, *, group=None, stream=None))]
            fn $op(x: ArrayLike, group: Option<Bound<'_, PyGroup>>, stream: Option<StreamArg>) -> Out {
                let _ = (group, stream);
                Ok(PyArray::from(x.array()))
            }
        )*
    };
}
collectives! {
    all_sum "The sum of all processes' arrays."
    all_max "The greatest of all processes' elements."
    all_min "The least of all processes' elements."
    all_gather "All processes' arrays, one after the other along axis 0."
    sum_scatter "This process's part, along axis 0, of the sum of all processes' arrays."
}

fn alone() -> Res<PyArray> {
    Err(Error::runtime("distributed", "there is no other process to send to or to receive from").into())
}

/// An array that is sent to another process when it is evaluated; there is none.
#[pyfunction]
#[pyo3(signature = (x, dst, *, group=None, stream=None))]
fn send(x: ArrayLike, dst: usize, group: Option<Bound<'_, PyGroup>>, stream: Option<StreamArg>) -> Out {
    let _ = (x, dst, group, stream);
    alone()
}

/// An array that another process sends; there is none.
#[pyfunction]
#[pyo3(signature = (shape, dtype, src, *, group=None, stream=None))]
fn recv(
    shape: ShapeArg,
    dtype: DtypeArg,
    src: usize,
    group: Option<Bound<'_, PyGroup>>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (shape, dtype, src, group, stream);
    alone()
}

/// An array with the shape and dtype of `x` that another process sends; there is none.
#[pyfunction]
#[pyo3(signature = (x, src, *, group=None, stream=None))]
fn recv_like(x: ArrayLike, src: usize, group: Option<Bound<'_, PyGroup>>, stream: Option<StreamArg>) -> Out {
    let _ = (x, src, group, stream);
    alone()
}

/// Fills the submodule.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyGroup>()?;
    functions::register(m)
}
