//! Arrays, numbers, and whatever can be turned into an array.

use crate::array::PyArray;
use crate::convert;
use crate::error::{Res, Twofold};
use isobit::host::Scalar;
use isobit::{Array, Dtype, ops};
use isobit_nn::Operand;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt};

/// An array, or a number whose dtype depends on what stands beside it.
#[derive(Clone)]
pub enum ArrayLike {
    /// An array.
    Array(Array),
    /// What was an array or a number of another library: weak beside an array, as a Python number is.
    Foreign(Array),
    /// A Python number.
    Number(Scalar),
}

impl ArrayLike {
    /// As an array; a number takes its own dtype.
    pub fn array(self) -> Array {
        match self {
            ArrayLike::Array(a) | ArrayLike::Foreign(a) => a,
            ArrayLike::Number(n) => Array::scalar(n, n.default_dtype()),
        }
    }

    /// As an array; what is weak takes the dtype that suits an array of `other`.
    pub fn beside(self, other: Dtype) -> Res<Array> {
        match self {
            ArrayLike::Array(a) => Ok(a),
            weak => Ok(Operand::beside(&weak, other)?),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<Scalar> {
        match self {
            ArrayLike::Number(n) => Some(*n),
            _ => None,
        }
    }
}

impl Operand for ArrayLike {
    fn beside(&self, other: Dtype) -> isobit::Result<Array> {
        match self {
            ArrayLike::Array(a) => Ok(a.clone()),
            ArrayLike::Foreign(a) => ops::astype(a, a.dtype().weak_beside(other)),
            ArrayLike::Number(n) => n.beside(other),
        }
    }
}

impl From<f64> for ArrayLike {
    fn from(x: f64) -> ArrayLike {
        ArrayLike::Number(Scalar::Float(x))
    }
}

/// An array that may be left out.
pub fn optional(a: Option<ArrayLike>) -> Option<Array> {
    a.map(ArrayLike::array)
}

/// Two operands as arrays.
pub fn pair(a: ArrayLike, b: ArrayLike) -> Res<(Array, Array)> {
    match (a, b) {
        (ArrayLike::Array(a), b) => {
            let b = b.beside(a.dtype())?;
            Ok((a, b))
        }
        (a, ArrayLike::Array(b)) => Ok((a.beside(b.dtype())?, b)),
        (ArrayLike::Foreign(a), b) => {
            let b = b.beside(a.dtype())?;
            Ok((a, b))
        }
        (a, ArrayLike::Foreign(b)) => Ok((a.beside(b.dtype())?, b)),
        (a, b) => Ok((a.array(), b.array())),
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for ArrayLike {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<ArrayLike> {
        if let Ok(a) = obj.cast::<PyArray>() {
            return Ok(ArrayLike::Array(a.get().array()));
        }
        if let Some(n) = number(obj)? {
            return Ok(ArrayLike::Number(n));
        }
        if let Some(a) = convert::ours(&obj)? {
            return Ok(ArrayLike::Array(a));
        }
        match convert::foreign(&obj, None)? {
            Some(a) => Ok(ArrayLike::Foreign(a)),
            None => Err(not_an_operand(&obj)),
        }
    }
}

/// The error for an object that is neither an array nor a number.
pub fn not_an_operand(obj: &Bound<'_, PyAny>) -> PyErr {
    match obj.get_type().name() {
        Ok(got) => Twofold::Operand.error(format!("expected an array or a number, got {got}")),
        Err(e) => e,
    }
}

/// A Python number.
pub fn number(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Option<Scalar>> {
    if obj.is_instance_of::<PyFloat>() {
        return Ok(Some(Scalar::Float(obj.extract()?)));
    }
    if obj.is_instance_of::<PyBool>() {
        return Ok(Some(Scalar::Bool(obj.extract()?)));
    }
    if obj.is_instance_of::<PyInt>() {
        return Ok(Some(match obj.extract::<i64>() {
            Ok(i) => Scalar::Int(i),
            Err(_) => Scalar::UInt(obj.extract::<u64>()?),
        }));
    }
    if obj.is_instance_of::<PyComplex>() {
        let z = obj.cast::<PyComplex>()?;
        return Ok(Some(Scalar::Complex(z.real(), z.imag())));
    }
    Ok(None)
}

/// A Python number where isobit wants a number.
pub struct Numbers(pub Scalar);

impl<'a, 'py> FromPyObject<'a, 'py> for Numbers {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Numbers> {
        match number(obj)? {
            Some(n) => Ok(Numbers(n)),
            None => match obj.call_method0("item") {
                Ok(n) => number(n.as_borrowed())?.map(Numbers).ok_or_else(|| PyTypeError::new_err("expected a number")),
                Err(_) => Err(PyTypeError::new_err(format!("expected a number, got {}", obj.get_type().name()?))),
            },
        }
    }
}
