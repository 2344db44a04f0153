//! Axes and shapes: an integer, a sequence of them, or nothing.

use isobit::{Axes, Shape};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use smallvec::SmallVec;

/// An integer or a sequence of integers.
#[derive(Clone, Debug)]
pub struct Ints {
    /// The integers.
    pub list: SmallVec<[isize; 4]>,
    /// Whether it was one integer, not a sequence.
    pub one: bool,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Ints {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Ints> {
        if let Ok(i) = obj.extract::<isize>() {
            return Ok(Ints { list: SmallVec::from_slice(&[i]), one: true });
        }
        if obj.is_instance_of::<pyo3::types::PyString>() {
            return Err(PyTypeError::new_err("expected an integer or a sequence of integers, got str"));
        }
        let Ok(items) = obj.try_iter() else {
            let got = obj.get_type().name()?;
            return Err(PyTypeError::new_err(format!("expected an integer or a sequence of integers, got {got}")));
        };
        let list = items.map(|i| i?.extract::<isize>()).collect::<PyResult<_>>()?;
        Ok(Ints { list, one: false })
    }
}

/// `None` for all axes, an integer or a sequence of integers.
pub struct AxesArg(pub Axes);

impl AxesArg {
    /// One axis.
    pub fn at(axis: isize) -> AxesArg {
        AxesArg(Axes::from(axis))
    }

    /// The last axis.
    pub fn last() -> AxesArg {
        AxesArg::at(-1)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for AxesArg {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<AxesArg> {
        if obj.is_none() {
            return Ok(AxesArg(Axes::All));
        }
        Ok(AxesArg(Axes::List(obj.extract::<Ints>()?.list)))
    }
}

/// An argument that was left out means all axes.
pub fn axes(arg: Option<AxesArg>) -> Axes {
    arg.map_or(Axes::All, |a| a.0)
}

/// How many: an integer of at least 0.
#[derive(Clone, Copy)]
pub struct Count(pub usize);

impl<'a, 'py> FromPyObject<'a, 'py> for Count {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Count> {
        let n = obj.extract::<isize>()?;
        let count = usize::try_from(n).map(Count);
        count.map_err(|_| PyValueError::new_err(format!("expected a number of at least 0, got {n}")))
    }
}

/// The sizes of an array's axes.
pub struct ShapeArg(pub Shape);

impl<'a, 'py> FromPyObject<'a, 'py> for ShapeArg {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<ShapeArg> {
        let list = obj.extract::<Ints>()?.list;
        let size = |&n: &isize| {
            usize::try_from(n).map_err(|_| PyValueError::new_err(format!("expected sizes of at least 0, got {n}")))
        };
        Ok(ShapeArg(list.iter().map(size).collect::<PyResult<_>>()?))
    }
}
