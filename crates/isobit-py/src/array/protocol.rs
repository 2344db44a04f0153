//! What other libraries and the language ask of an array: text, truth, numbers, copies, pickles, buffers, DLPack.

use super::{Out, PyArray};
use crate::args::{DtypeArg, PyDtype, ShapeArg};
use crate::convert::{self, buffer, dlpack};
use crate::error::Res;
use isobit::Array;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::ffi::c_int;

/// A pickled array.
#[pyfunction]
pub fn _unpickle(bytes: &[u8], shape: ShapeArg, dtype: DtypeArg) -> Out {
    super::out(Array::from_bytes(bytes, &shape.0, dtype.0))
}

#[pymethods]
impl PyArray {
    fn __repr__(&self, py: Python<'_>) -> Res<String> {
        let a = self.array();
        // One that has no values, inside vmap, describes itself.
        let _ = py.detach(|| a.eval());
        Ok(a.to_string())
    }

    fn __format__<'py>(slf: Bound<'py, Self>, spec: &Bound<'py, PyString>) -> Res<Bound<'py, PyAny>> {
        let py = slf.py();
        let a = slf.get();
        if a.array().ndim() == 0 {
            return Ok(a.item(py)?.call_method1("__format__", (spec,))?);
        }
        if spec.is_empty()? {
            return Ok(slf.str()?.into_any());
        }
        Err(PyTypeError::new_err("unsupported format string passed to array.__format__").into())
    }

    fn __bool__(&self, py: Python<'_>) -> Res<bool> {
        if self.array().size() != 1 {
            let message = "the truth value of an array with other than one element is ambiguous";
            return Err(PyValueError::new_err(message).into());
        }
        Ok(self.item(py)?.is_truthy()?)
    }

    fn __hash__(slf: Bound<'_, Self>) -> isize {
        // Objects, not values: arrays change and compare elementwise.
        slf.as_ptr() as isize >> 4
    }

    fn __int__<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        Ok(py.get_type::<pyo3::types::PyInt>().call1((self.item(py)?,))?)
    }

    fn __float__<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        Ok(py.get_type::<pyo3::types::PyFloat>().call1((self.item(py)?,))?)
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        Ok(py.get_type::<pyo3::types::PyComplex>().call1((self.item(py)?,))?)
    }

    fn __index__<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyAny>> {
        let a = self.array();
        if a.ndim() > 0 || !a.dtype().is_integer() {
            return Err(PyTypeError::new_err("only integer scalar arrays can be converted to an index").into());
        }
        self.item(py)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Res<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.evaluated(py)?.to_bytes()?))
    }

    fn __copy__(&self) -> PyArray {
        self.array().into()
    }

    fn __deepcopy__(&self, memo: &Bound<'_, PyAny>) -> PyArray {
        let _ = memo;
        self.array().into()
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(&self, py: Python<'py>) -> Res<(Bound<'py, PyAny>, (Bound<'py, PyBytes>, Vec<usize>, PyDtype))> {
        let a = self.evaluated(py)?;
        let build = py.import("isobit.core")?.getattr("_unpickle")?;
        Ok((build, (PyBytes::new(py, &a.to_bytes()?), a.shape().to_vec(), PyDtype(a.dtype()))))
    }

    #[pyo3(signature = (api_version=None))]
    fn __array_namespace__<'py>(
        &self,
        py: Python<'py>,
        api_version: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyModule>> {
        let _ = api_version;
        py.import("isobit.core")
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Res<Bound<'py, PyAny>> {
        convert::to_numpy(&slf, dtype, copy)
    }

    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> Res<Bound<'py, PyAny>> {
        let _ = stream;
        dlpack::export(py, &self.evaluated(py)?, max_version, dl_device, copy)
    }

    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let a = slf.get().evaluated(py)?;
        // SAFETY: Python hands a view to fill.
        unsafe { buffer::fill(slf.into_any(), a, view, flags) }
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the view was filled by `buffer::fill`.
        unsafe { buffer::release(view) }
    }
}
