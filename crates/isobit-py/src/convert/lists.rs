//! Nested lists of numbers and arrays.

use crate::args::number;
use crate::error::Res;
use isobit::host::{Scalar, Value};
use isobit::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyList, PyTuple};

/// An array of nested lists.
pub fn array(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> Res<Array> {
    let (mut shape, mut numbers) = (Vec::new(), Vec::new());
    if collect(obj, 0, &mut shape, &mut numbers)? {
        return Ok(Array::from_scalars(&numbers, &shape, dtype)?);
    }
    // Somewhere there is an array: stack from the inside out.
    let items = obj.try_iter()?.map(|x| super::array(&x?, dtype)).collect::<Res<Vec<_>>>()?;
    if items.windows(2).any(|w| w[0].shape() != w[1].shape()) {
        return Err(ragged());
    }
    Ok(ops::stack(&items, 0)?)
}

/// Collects the numbers of nested lists, row-major; false if there is something else than lists and numbers.
fn collect(obj: &Bound<'_, PyAny>, depth: usize, shape: &mut Vec<usize>, numbers: &mut Vec<Scalar>) -> Res<bool> {
    let list = obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyTuple>();
    if !list {
        if depth < shape.len() {
            return ragged_unless_array(obj);
        }
        return Ok(match number(obj.as_borrowed())? {
            Some(n) => {
                numbers.push(n);
                true
            }
            None => false,
        });
    }
    let n = obj.len()?;
    match shape.get(depth) {
        Some(&known) if known != n => return Err(ragged()),
        Some(_) => {}
        None if numbers.is_empty() => shape.push(n),
        None => return Err(ragged()),
    }
    for x in obj.try_iter()? {
        if !collect(&x?, depth + 1, shape, numbers)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn ragged_unless_array(obj: &Bound<'_, PyAny>) -> Res<bool> {
    if number(obj.as_borrowed())?.is_some() { Err(ragged()) } else { Ok(false) }
}

/// MLX's words, which its tests compare.
fn ragged() -> crate::error::Failure {
    PyValueError::new_err("Initialization encountered non-uniform length.").into()
}

/// The one element of an array as a Python number.
pub fn item<'py>(py: Python<'py>, a: &Array) -> Res<Bound<'py, PyAny>> {
    python(py, a.value()?)
}

/// The elements as nested lists.
pub fn nested_list<'py>(py: Python<'py>, a: &Array) -> Res<Bound<'py, PyAny>> {
    let values = a.values()?;
    nest(py, a.shape(), &mut values.into_iter())
}

fn nest<'py>(py: Python<'py>, shape: &[usize], values: &mut impl Iterator<Item = Value>) -> Res<Bound<'py, PyAny>> {
    let Some((&n, inner)) = shape.split_first() else {
        return match values.next() {
            Some(v) => python(py, v),
            None => Err(PyValueError::new_err("an array without elements has no value").into()),
        };
    };
    let items = (0..n).map(|_| nest(py, inner, values)).collect::<Res<Vec<_>>>()?;
    Ok(PyList::new(py, items)?.into_any())
}

fn python(py: Python<'_>, v: Value) -> Res<Bound<'_, PyAny>> {
    Ok(match v {
        Value::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
        Value::Int(i) => PyInt::new(py, i).into_any(),
        Value::Float(x) => PyFloat::new(py, x).into_any(),
        Value::Complex(re, im) => PyComplex::from_doubles(py, re, im).into_any(),
    })
}
