//! `x.at[index].add(value)`.

use super::index::indices;
use super::{Out, PyArray, out};
use crate::args::ArrayLike;
use crate::error::Res;
use isobit::{Array, Index};
use pyo3::prelude::*;

/// The places of an array that an index selects.
#[pyclass(frozen, name = "ArrayAt", module = "isobit.core")]
pub struct PyArrayAt {
    array: Array,
    index: Option<Vec<Index>>,
}

impl PyArrayAt {
    /// Without an index yet.
    pub fn new(array: Array) -> PyArrayAt {
        PyArrayAt { array, index: None }
    }

    fn places(&self, value: ArrayLike) -> Res<(isobit::array::At<'_>, Array)> {
        let Some(index) = &self.index else {
            return Err(isobit::Error::value("at", "expected an index: x.at[index]").into());
        };
        let value = value.beside(self.array.dtype())?;
        Ok((self.array.at(index.as_slice()), value))
    }
}

#[pymethods]
impl PyArrayAt {
    fn __getitem__(&self, indices: &Bound<'_, PyAny>) -> Res<PyArrayAt> {
        Ok(PyArrayAt { array: self.array.clone(), index: Some(self::indices(indices)?) })
    }
}

macro_rules! updates {
    ($($op:ident $what:literal)*) => {
        #[pymethods]
        impl PyArrayAt {
            $(
                #[doc = $what]
                fn $op(&self, value: ArrayLike) -> Out {
                    let (at, value) = self.places(value)?;
                    out(at.$op(&value))
                }
            )*
        }
    };
}
updates! {
    add "The array with the value added there; places that are named twice get it twice."
    subtract "The array with the value subtracted there."
    multiply "The array multiplied by the value there."
    divide "The array divided by the value there."
    maximum "The larger of the array and the value there."
    minimum "The smaller of the array and the value there."
}

impl PyArray {
    /// The array with `value` at `index`.
    pub(super) fn with(&self, index: &Bound<'_, PyAny>, value: ArrayLike) -> Res<Array> {
        let a = self.array();
        let value = value.beside(a.dtype())?;
        Ok(a.at(indices(index)?.as_slice()).set(&value)?)
    }
}
