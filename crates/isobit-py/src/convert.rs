//! Between Python objects and arrays, both ways.

pub mod buffer;
pub mod dlpack;
mod lists;

pub use lists::{item, nested_list};

use crate::args::{Ints, not_an_operand, number};
use crate::array::PyArray;
use crate::error::Res;
use isobit::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList, PyTuple};

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
        None => Err(not_an_operand(obj).into()),
    }
}

/// The array that an object says it is.
pub fn ours(obj: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let Ok(convert) = obj.getattr("__mlx__array__") else { return Ok(None) };
    Ok(Some(convert.call0()?.cast::<PyArray>()?.get().array()))
}

/// An array of another library: what says that it is one of ours, a buffer, DLPack. `None` for other objects.
pub fn foreign(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Option<Array>> {
    if let Some(a) = ours(obj)? {
        return Ok(Some(dtype.map_or(Ok(a.clone()), |d| ops::astype(&a, d)).map_err(crate::error::Failure::Core)?));
    }
    if let Some(a) = buffer::import(obj, dtype)? {
        return Ok(Some(a));
    }
    if let Some(a) = extended(obj, dtype)? {
        return Ok(Some(a));
    }
    if obj.hasattr("__dlpack__")? {
        return Ok(Some(dlpack::import(obj, dtype, Some(true))?));
    }
    Ok(None)
}

/// Sizes or axes given one by one or as one sequence.
pub fn variadic(args: &Bound<'_, PyTuple>) -> PyResult<Ints> {
    if args.len() == 1 { args.get_item(0)?.extract() } else { args.extract() }
}

/// An array of bfloat16 as the package ml_dtypes gives NumPy that type, for which there is neither a buffer nor DLPack.
fn extended(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Option<Array>> {
    let Ok(name) = obj.getattr("dtype").and_then(|d| d.getattr("name")).and_then(|n| n.extract::<String>()) else {
        return Ok(None);
    };
    let Some(own) = Dtype::parse(&name).filter(|d| !d.has_struct_format()) else { return Ok(None) };
    let bits = obj.call_method1("view", ("uint16",))?;
    let bits = buffer::import(&bits, None)?;
    let made = bits.map(|b| ops::astype(&ops::view(&b, own)?, dtype.unwrap_or(own)));
    Ok(made.transpose().map_err(crate::error::Failure::Core)?)
}

/// A NumPy array of the values: a copy unless `copy` is false. NumPy itself asks for the buffer, and refuses bfloat16's.
pub fn to_numpy<'py>(
    a: &Bound<'py, PyArray>,
    dtype: Option<Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> Res<Bound<'py, PyAny>> {
    let py = a.py();
    let numpy = py.import("numpy")?;
    let array = a.get().array();
    let as_dtype = |x: &Bound<'py, PyAny>, dtype: Option<Bound<'py, PyAny>>, copy| -> PyResult<Bound<'py, PyAny>> {
        let kwargs = [("copy", copy)].into_py_dict(py)?;
        x.call_method("astype", (dtype.map_or_else(|| x.getattr("dtype"), Ok)?,), Some(&kwargs))
    };
    if array.dtype().has_struct_format() {
        let view = numpy.call_method1("asarray", (buffer::memory_view(a)?,))?;
        return Ok(as_dtype(&view, dtype, copy.unwrap_or(true))?);
    }
    // NumPy has no bfloat16 of its own. A package may have given it one, for the same bits; else its values fit float32.
    let dtype = dtype.map(|d| numpy.call_method1("dtype", (d,))).transpose()?;
    if let Some(d) = &dtype
        && d.getattr("name")?.extract::<String>()? == array.dtype().name()
    {
        let bits = Bound::new(py, PyArray::from(ops::view(&array, Dtype::U16)?))?;
        return Ok(to_numpy(&bits, None, copy)?.call_method1("view", (d,))?);
    }
    if copy == Some(false) {
        return Err(PyValueError::new_err("NumPy has no bfloat16: a copy is needed").into());
    }
    let wide = Bound::new(py, PyArray::from(ops::astype(&array, Dtype::F32)?))?;
    to_numpy(&wide, dtype, Some(true))
}
