//! Between Python objects and arrays, both ways.

pub mod buffer;
pub mod dlpack;
mod lists;

pub use lists::{item, nested_list};

use crate::args::{Ints, number};
use crate::array::PyArray;
use crate::error::Res;
use isobit::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Anything that can be an array: of `dtype`, else of what suits the elements.
pub fn array(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> Res<Array> {
    if let Ok(a) = obj.cast::<PyArray>() {
        let a = a.get().array();
        return Ok(dtype.map_or(Ok(a.clone()), |d| ops::astype(&a, d))?);
    }
    if let Some(n) = number(obj.as_borrowed())? {
        return Ok(Array::from_scalars(&[n], &[], dtype)?);
    }
    if obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyTuple>() {
        return lists::array(obj, dtype);
    }
    match foreign(obj, dtype)? {
        Some(a) => Ok(a),
        None => Err(PyValueError::new_err(format!("cannot make an array of a {}", obj.get_type().name()?)).into()),
    }
}

/// An array of another library: what says that it is one of ours, a buffer, DLPack. `None` for other objects.
pub fn foreign(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Option<Array>> {
    if let Ok(convert) = obj.getattr("__mlx__array__") {
        let a = convert.call0()?;
        let a = a.cast::<PyArray>()?.get().array();
        return Ok(Some(dtype.map_or(Ok(a.clone()), |d| ops::astype(&a, d)).map_err(crate::error::Failure::Core)?));
    }
    if let Some(a) = buffer::import(obj, dtype)? {
        return Ok(Some(a));
    }
    if obj.hasattr("__dlpack__")? {
        return Ok(Some(dlpack::import(obj, dtype)?));
    }
    Ok(None)
}

/// Sizes or axes given one by one or as one sequence.
pub fn variadic(args: &Bound<'_, PyTuple>) -> PyResult<Ints> {
    if args.len() == 1 { args.get_item(0)?.extract() } else { args.extract() }
}

/// A NumPy array of the values: a view of the same memory if `copy` is false.
pub fn to_numpy<'py>(
    a: &Bound<'py, PyArray>,
    dtype: Option<Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> Res<Bound<'py, PyAny>> {
    let py = a.py();
    let numpy = py.import("numpy")?;
    let array = a.get().array();
    let Some(format) = array.dtype().format() else {
        // NumPy has no bfloat16: its values fit float32.
        if copy == Some(false) {
            return Err(PyValueError::new_err("NumPy has no bfloat16: a copy is needed").into());
        }
        let wide = Bound::new(py, PyArray::from(ops::astype(&array, Dtype::F32)?))?;
        return to_numpy(&wide, dtype, None);
    };
    let _ = format;
    let view = numpy.call_method1("asarray", (buffer::memory_view(a)?,))?;
    let kwargs = PyDict::new(py);
    kwargs.set_item("copy", copy.unwrap_or(true))?;
    let dtype = dtype.unwrap_or(view.getattr("dtype")?);
    if copy == Some(false) {
        return Ok(view.call_method("astype", (dtype,), Some(&kwargs))?);
    }
    Ok(view.call_method("astype", (dtype,), Some(&kwargs))?)
}
