//! What Python writes between brackets, as isobit's index entries; iteration.

use super::{Out, PyArray, out};
use crate::args::ArrayLike;
use crate::convert;
use crate::error::Res;
use isobit::transforms::sizes_matter;
use isobit::{Array, Index};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

/// The entries of an index.
pub fn indices(obj: &Bound<'_, PyAny>) -> Res<Vec<Index>> {
    match obj.cast::<PyTuple>() {
        Ok(entries) => entries.iter().map(|e| entry(&e)).collect(),
        Err(_) => Ok(vec![entry(obj)?]),
    }
}

fn entry(obj: &Bound<'_, PyAny>) -> Res<Index> {
    if let Ok(a) = obj.cast::<PyArray>() {
        return Ok(Index::Array(a.get().array()));
    }
    if obj.is_instance_of::<PyInt>() && !obj.is_instance_of::<PyBool>() {
        return Ok(Index::At(obj.extract()?));
    }
    if let Ok(s) = obj.cast::<PySlice>() {
        let step = bound(s, "step")?.unwrap_or(1);
        if step == 0 {
            return Err(PyValueError::new_err("slice step cannot be zero").into());
        }
        return Ok(Index::Range { start: bound(s, "start")?, stop: bound(s, "stop")?, step });
    }
    if obj.is_none() {
        return Ok(Index::NewAxis);
    }
    if obj.is_instance_of::<PyEllipsis>() {
        return Ok(Index::Ellipsis);
    }
    if obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyBool>() {
        return Ok(Index::Array(convert::array(obj, None)?));
    }
    match convert::foreign(obj, None)? {
        Some(a) => Ok(Index::Array(a)),
        None => match obj.extract::<isize>() {
            Ok(i) => Ok(Index::At(i)),
            Err(_) => {
                let got = obj.get_type().name()?;
                Err(PyValueError::new_err(format!("cannot index an array with a {got}")).into())
            }
        },
    }
}

/// One end or the step of a slice: an integer, or an integer array of one element.
fn bound(s: &Bound<'_, PySlice>, name: &str) -> Res<Option<isize>> {
    let x = s.getattr(name)?;
    if x.is_none() {
        return Ok(None);
    }
    if let Ok(a) = x.cast::<PyArray>() {
        return Ok(Some(convert::item(s.py(), &a.get().evaluated(s.py())?)?.extract()?));
    }
    Ok(Some(x.extract().map_err(|_| PyValueError::new_err("slice indices must be integers or None"))?))
}

#[pymethods]
impl PyArray {
    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> Out {
        out(self.array().index(indices(index)?))
    }

    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Res<()> {
        let value = match value.extract::<ArrayLike>() {
            Ok(v) => v,
            Err(_) if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() => {
                ArrayLike::Foreign(convert::array(value, None)?)
            }
            Err(e) => return Err(e.into()),
        };
        let result = self.with(index, value)?;
        self.set(result);
        Ok(())
    }

    fn __len__(&self) -> PyResult<usize> {
        sizes_matter();
        self.array().shape().first().copied().ok_or_else(|| PyTypeError::new_err("len() of a 0-dimensional array"))
    }

    fn __iter__(&self) -> PyResult<PyArrayIterator> {
        PyArrayIterator::over(self.array())
    }

    fn __reversed__(&self) -> Res<PyArrayIterator> {
        let mut all = PyArrayIterator::over(self.array())?;
        all.array = isobit::ops::flip(&all.array, 0isize)?;
        Ok(all)
    }
}

/// Hands out the slices of an array along its first axis.
#[pyclass(name = "ArrayIterator", module = "isobit.core")]
pub struct PyArrayIterator {
    array: Array,
    next: usize,
}

impl PyArrayIterator {
    fn over(array: Array) -> PyResult<PyArrayIterator> {
        if array.ndim() == 0 {
            return Err(PyTypeError::new_err("iteration over a 0-dimensional array"));
        }
        sizes_matter();
        Ok(PyArrayIterator { array, next: 0 })
    }
}

#[pymethods]
impl PyArrayIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Res<Option<PyArray>> {
        if self.next >= self.array.shape()[0] {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.array.index(self.next - 1)?.into()))
    }
}
