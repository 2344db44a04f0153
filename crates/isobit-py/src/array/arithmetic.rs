//! Operators. A number takes the dtype that suits the array beside it; something that is neither leaves the operator to
//! the other operand.

use super::{Out, PyArray, out};
use crate::args::{ArrayLike, not_an_operand, number};
use crate::error::Res;
use isobit::{Array, ops};
use pyo3::basic::CompareOp;
use pyo3::prelude::*;

/// The other operand, or `None` if it is nothing to compute with.
fn operand(obj: &Bound<'_, PyAny>, beside: &Array) -> Res<Option<Array>> {
    match obj.extract::<ArrayLike>() {
        Ok(x) => Ok(Some(x.beside(beside.dtype())?)),
        Err(e) if e.is_instance_of::<pyo3::exceptions::PyTypeError>(obj.py()) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// An operator's result, or Python's `NotImplemented`.
type Operated<'py> = Res<Bound<'py, PyAny>>;

fn apply<'py>(
    obj: &Bound<'py, PyAny>,
    a: Array,
    f: impl FnOnce(&Array, &Array) -> isobit::Result<Array>,
) -> Operated<'py> {
    let py = obj.py();
    match operand(obj, &a)? {
        Some(b) => Ok(Bound::new(py, PyArray::from(f(&a, &b)?))?.into_any()),
        // Sequences have operators of their own, which would take the array for a number.
        None if obj.len().is_ok() => Err(not_an_operand(obj).into()),
        None => Ok(py.NotImplemented().into_bound(py)),
    }
}

fn update(place: &PyArray, obj: &Bound<'_, PyAny>, f: impl FnOnce(&Array, &Array) -> isobit::Result<Array>) -> Res<()> {
    let a = place.array();
    let Some(b) = operand(obj, &a)? else {
        return Err(not_an_operand(obj).into());
    };
    let result = f(&a, &b)?;
    drop(a);
    place.set(result);
    Ok(())
}

macro_rules! operators {
    ($($op:ident, $forward:ident, $reflected:ident, $in_place:ident;)*) => {
        #[pymethods]
        impl PyArray {
            $(
                fn $forward<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
                    apply(other, self.array(), |a, b| ops::$op(a, b))
                }

                fn $reflected<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
                    apply(other, self.array(), |a, b| ops::$op(b, a))
                }

                fn $in_place(&self, other: &Bound<'_, PyAny>) -> Res<()> {
                    update(self, other, |a, b| ops::$op(a, b))
                }
            )*
        }
    };
}
operators! {
    add, __add__, __radd__, __iadd__;
    subtract, __sub__, __rsub__, __isub__;
    multiply, __mul__, __rmul__, __imul__;
    floor_divide, __floordiv__, __rfloordiv__, __ifloordiv__;
    remainder, __mod__, __rmod__, __imod__;
    bitwise_and, __and__, __rand__, __iand__;
    bitwise_or, __or__, __ror__, __ior__;
    bitwise_xor, __xor__, __rxor__, __ixor__;
    left_shift, __lshift__, __rlshift__, __ilshift__;
    right_shift, __rshift__, __rrshift__, __irshift__;
}

/// Division of arrays, which gives floats.
#[pymethods]
impl PyArray {
    fn __truediv__<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
        apply(other, self.array(), ops::divide)
    }

    fn __rtruediv__<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
        apply(other, self.array(), |a, b| ops::divide(b, a))
    }

    fn __itruediv__(&self, other: &Bound<'_, PyAny>) -> Res<()> {
        let dtype = self.array().dtype();
        if !dtype.is_inexact() {
            // As in MLX.
            let message = format!("an array of {dtype} is not divided in place");
            return Err(isobit::Error::dtype("divide", message).into());
        }
        update(self, other, ops::divide)
    }
}

/// Products of matrices, which numbers are not.
#[pymethods]
impl PyArray {
    fn __matmul__<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
        if number(other.as_borrowed())?.is_some() {
            return Ok(other.py().NotImplemented().into_bound(other.py()));
        }
        apply(other, self.array(), ops::matmul)
    }

    fn __rmatmul__<'py>(&self, other: &Bound<'py, PyAny>) -> Operated<'py> {
        if number(other.as_borrowed())?.is_some() {
            return Ok(other.py().NotImplemented().into_bound(other.py()));
        }
        apply(other, self.array(), |a, b| ops::matmul(b, a))
    }

    fn __imatmul__(&self, other: &Bound<'_, PyAny>) -> Res<()> {
        if number(other.as_borrowed())?.is_some() {
            return Err(not_an_operand(other).into());
        }
        update(self, other, ops::matmul)
    }
}

#[pymethods]
impl PyArray {
    fn __pow__<'py>(&self, other: &Bound<'py, PyAny>, modulo: Option<Bound<'py, PyAny>>) -> Operated<'py> {
        no_modulo(modulo)?;
        apply(other, self.array(), ops::power)
    }

    fn __rpow__<'py>(&self, other: &Bound<'py, PyAny>, modulo: Option<Bound<'py, PyAny>>) -> Operated<'py> {
        no_modulo(modulo)?;
        apply(other, self.array(), |a, b| ops::power(b, a))
    }

    fn __ipow__(&self, other: &Bound<'_, PyAny>, modulo: Option<Bound<'_, PyAny>>) -> Res<()> {
        no_modulo(modulo)?;
        update(self, other, ops::power)
    }

    fn __neg__(&self) -> Out {
        out(ops::negative(&self.array()))
    }

    fn __pos__(&self) -> Out {
        Ok(self.array().into())
    }

    fn __abs__(&self) -> Out {
        out(ops::abs(&self.array()))
    }

    fn __invert__(&self) -> Out {
        out(ops::bitwise_invert(&self.array()))
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> Operated<'py> {
        let compare = match op {
            CompareOp::Lt => ops::less,
            CompareOp::Le => ops::less_equal,
            CompareOp::Gt => ops::greater,
            CompareOp::Ge => ops::greater_equal,
            CompareOp::Eq => ops::equal,
            CompareOp::Ne => ops::not_equal,
        };
        let py = other.py();
        let a = self.array();
        match (operand(other, &a)?, op) {
            (Some(b), _) => Ok(Bound::new(py, PyArray::from(compare(&a, &b)?))?.into_any()),
            (None, CompareOp::Eq | CompareOp::Ne) => {
                Ok(pyo3::types::PyBool::new(py, matches!(op, CompareOp::Ne)).to_owned().into_any())
            }
            (None, _) => Err(not_an_operand(other).into()),
        }
    }
}

fn no_modulo(modulo: Option<Bound<'_, PyAny>>) -> PyResult<()> {
    match modulo {
        Some(m) if !m.is_none() => Err(pyo3::exceptions::PyTypeError::new_err("pow() of an array takes no modulus")),
        _ => Ok(()),
    }
}
