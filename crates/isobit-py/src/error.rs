//! The one bridge from isobit's errors to Python's exceptions, and back for exceptions inside a transform.

use isobit::{Error, ErrorKind};
use pyo3::exceptions::{PyIndexError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyType};
use pyo3::{PyErr, PyTypeInfo};
use std::cell::RefCell;

/// Either side's error, on its way to Python.
pub enum Failure {
    /// Of isobit.
    Core(Error),
    /// Of Python.
    Python(PyErr),
}

/// What every binding returns.
pub type Res<T> = Result<T, Failure>;

/// Marks an isobit error that stands for the exception in [`RAISED`].
const EXCEPTION: &str = "python";

thread_local! {
    /// The exception that a Python function threw while isobit was calling it.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Exceptions of two kinds at once: MLX raises now the one, now the other, or Python's programs expect another one.
#[derive(Clone, Copy)]
pub enum Twofold {
    /// An axis or index out of range.
    Axis,
    /// An object that is no operand.
    Operand,
    /// A file that cannot be read or written.
    File,
}

static TWOFOLD: [PyOnceLock<Py<PyType>>; 3] = [const { PyOnceLock::new() }; 3];

impl Twofold {
    /// All of them.
    pub const ALL: [Twofold; 3] = [Twofold::Axis, Twofold::Operand, Twofold::File];

    /// The exception's name.
    pub fn name(self) -> &'static str {
        match self {
            Twofold::Axis => "AxisError",
            Twofold::Operand => "OperandError",
            Twofold::File => "FileError",
        }
    }

    /// The exception's type.
    pub fn class(self, py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
        let make = || -> PyResult<Py<PyType>> {
            let value = PyValueError::type_object(py);
            let (bases, doc) = match self {
                Twofold::Axis => ((value, PyIndexError::type_object(py)), "An axis or index out of range."),
                Twofold::Operand => {
                    ((PyTypeError::type_object(py), value), "An object that is no array and no number.")
                }
                Twofold::File => {
                    let runtime = PyRuntimeError::type_object(py);
                    ((PyOSError::type_object(py), runtime), "A file that cannot be read or written.")
                }
            };
            let body = [("__module__", "isobit.core"), ("__doc__", doc)].into_py_dict(py)?;
            Ok(PyType::type_object(py).call1((self.name(), bases, body))?.cast_into::<PyType>()?.unbind())
        };
        TWOFOLD[self as usize].get_or_try_init(py, make).map(|t| t.bind(py))
    }

    /// The exception with a message.
    pub fn error(self, message: String) -> PyErr {
        Python::attach(|py| match self.class(py) {
            Ok(t) => PyErr::from_type(t.clone(), message),
            Err(e) => e,
        })
    }
}

/// Keeps an exception while isobit unwinds: the error to return in its place.
pub fn stash(raised: impl Into<PyErr>) -> Error {
    RAISED.with(|slot| *slot.borrow_mut() = Some(raised.into()));
    Error::runtime(EXCEPTION, "a Python function raised an exception")
}

impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        Failure::Core(e)
    }
}

impl From<PyErr> for Failure {
    fn from(e: PyErr) -> Failure {
        Failure::Python(e)
    }
}

impl From<pyo3::CastError<'_, '_>> for Failure {
    fn from(e: pyo3::CastError<'_, '_>) -> Failure {
        Failure::Python(e.into())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> PyErr {
        let e = match failure {
            Failure::Python(e) => return e,
            Failure::Core(e) => e,
        };
        if e.op() == EXCEPTION
            && let Some(raised) = RAISED.with(|slot| slot.borrow_mut().take())
        {
            return raised;
        }
        match e.kind() {
            // MLX reports a dtype that an operation does not take as a ValueError; TypeErrors come from conversions.
            ErrorKind::Value | ErrorKind::Type => PyValueError::new_err(e.to_string()),
            ErrorKind::Index => Twofold::Axis.error(e.to_string()),
            ErrorKind::Runtime => PyRuntimeError::new_err(e.to_string()),
            ErrorKind::Io if e.message().contains("could not") => Twofold::File.error(e.to_string()),
            ErrorKind::Io => PyRuntimeError::new_err(e.to_string()),
        }
    }
}
