//! The array type: a place that holds an isobit array and can be given another one (`a += b`, `a[0] = b`).

mod arithmetic;
mod at;
mod index;
mod methods;
mod protocol;

pub use at::PyArrayAt;
pub use index::PyArrayIterator;

use crate::args::{AxesArg, DtypeArg, PyDtype, StreamArg};
use crate::convert;
use crate::error::Res;
use isobit::transforms::sizes_matter;
use isobit::{Array, ops};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// An n-dimensional array, computed when its values are needed.
#[pyclass(frozen, subclass, name = "array", module = "isobit.core", weakref)]
pub struct PyArray(Mutex<Array>);

/// What an operation gives.
pub type Out = Res<PyArray>;

/// An operation's result, for Python.
#[inline]
pub fn out(r: isobit::Result<Array>) -> Out {
    Ok(PyArray::from(r?))
}

impl From<Array> for PyArray {
    fn from(a: Array) -> PyArray {
        PyArray(Mutex::new(a))
    }
}

impl PyArray {
    /// The array, which is cheap to clone.
    #[inline]
    pub fn array(&self) -> Array {
        self.0.lock().clone()
    }

    /// Puts another array in its place.
    pub fn set(&self, a: Array) {
        // The old array is dropped after the lock is free.
        let old = std::mem::replace(&mut *self.0.lock(), a);
        drop(old);
    }

    /// The array, with its values computed; other Python threads run meanwhile.
    pub fn evaluated(&self, py: Python<'_>) -> Res<Array> {
        let a = self.array();
        if !a.is_evaluated() {
            py.detach(|| a.eval())?;
        }
        Ok(a)
    }
}

#[pymethods]
impl PyArray {
    #[new]
    #[pyo3(signature = (val, dtype=None))]
    fn new(val: &Bound<'_, PyAny>, dtype: Option<DtypeArg>) -> Out {
        Ok(convert::array(val, dtype.map(|d| d.0))?.into())
    }

    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        sizes_matter();
        self.0.lock().size()
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.lock().ndim()
    }

    /// Bytes per element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.lock().dtype().size()
    }

    /// Bytes of all elements.
    #[getter]
    fn nbytes(&self) -> usize {
        sizes_matter();
        self.0.lock().nbytes()
    }

    /// Sizes of the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        sizes_matter();
        PyTuple::new(py, self.0.lock().shape())
    }

    /// The type of the elements.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.0.lock().dtype())
    }

    /// The array with its axes in reverse order.
    #[getter]
    #[pyo3(name = "T")]
    fn transposed(&self) -> Out {
        out(ops::transpose(&self.array(), ..))
    }

    /// The array with its last two axes exchanged.
    #[getter]
    #[pyo3(name = "mT")]
    fn matrix_transposed(&self) -> Out {
        out(ops::swapaxes(&self.array(), -1, -2))
    }

    /// The array in another dtype.
    #[pyo3(signature = (dtype, stream=None))]
    fn astype(&self, dtype: DtypeArg, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::astype(&self.array(), dtype.0))
    }

    /// The one element of an array of size 1, as a Python number.
    fn item<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        convert::item(py, &self.evaluated(py)?)
    }

    /// The elements as nested lists of Python numbers.
    fn tolist<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        convert::nested_list(py, &self.evaluated(py)?)
    }

    /// Updates of the places that an index selects: `x.at[index].add(value)`.
    #[getter]
    fn at(slf: Bound<'_, Self>) -> PyArrayAt {
        PyArrayAt::new(slf.get().array())
    }

    /// The array in another shape: sizes one by one or as a sequence.
    #[pyo3(signature = (*shape, stream=None))]
    fn reshape(&self, shape: &Bound<'_, PyTuple>, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::reshape(&self.array(), &convert::variadic(shape)?.list))
    }

    /// The array with its axes in another order: one by one or as a sequence, reversed if there are none.
    #[pyo3(signature = (*axes, stream=None))]
    fn transpose(&self, axes: &Bound<'_, PyTuple>, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        let all = axes.is_empty() || (axes.len() == 1 && axes.get_item(0)?.is_none());
        let axes =
            if all { AxesArg(isobit::Axes::All) } else { AxesArg(isobit::Axes::List(convert::variadic(axes)?.list)) };
        out(ops::transpose(&self.array(), axes.0))
    }
}

/// Adds the array type and its companions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyArray>()?;
    m.add_class::<PyArrayAt>()?;
    m.add_class::<PyArrayIterator>()?;
    m.add_function(wrap_pyfunction!(protocol::_unpickle, m)?)
}
