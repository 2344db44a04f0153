//! The buffer protocol, both ways.

use crate::array::PyArray;
use crate::error::Failure;
use isobit::alloc::Exposed;
use isobit::host::foreign::{Foreign, Kind};
use isobit::{Array, Dtype, Tensor};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

/// Releases a view that another object has filled.
struct View(ffi::Py_buffer);

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view was filled by `PyObject_GetBuffer` and is released once.
        unsafe { ffi::PyBuffer_Release(&mut self.0) }
    }
}

/// A copy of an object's buffer; `None` if it has none.
pub fn import(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Option<Array>> {
    // SAFETY: asks the object's type.
    if unsafe { ffi::PyObject_CheckBuffer(obj.as_ptr()) } == 0 {
        return Ok(None);
    }
    let mut view = MaybeUninit::<ffi::Py_buffer>::zeroed();
    // SAFETY: a zeroed view for Python to fill, which it does when it returns 0.
    if unsafe { ffi::PyObject_GetBuffer(obj.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_FULL_RO) } != 0 {
        let e = PyErr::fetch(obj.py());
        // An element type that the protocol cannot describe; perhaps DLPack can.
        return if obj.hasattr("__dlpack__")? { Ok(None) } else { Err(e) };
    }
    // SAFETY: filled above.
    let view = View(unsafe { view.assume_init() });
    let v = &view.0;
    let n = usize::try_from(v.ndim).unwrap_or(0);
    let list = |p: *const ffi::Py_ssize_t| -> &[isize] {
        // SAFETY: a full view has `ndim` sizes and strides (none of them for a scalar).
        if n == 0 || p.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(p, n) } }
    };
    let shape: Vec<usize> = list(v.shape).iter().map(|&x| x.unsigned_abs()).collect();
    // SAFETY: a format is a C string; none means bytes.
    let format = if v.format.is_null() { c"B" } else { unsafe { CStr::from_ptr(v.format) } };
    let format = format.to_string_lossy();
    let Some(kind) = Kind::of_format(&format) else {
        return Err(PyBufferError::new_err(format!("an array has no dtype for elements of format {format:?}")));
    };
    let foreign = Foreign {
        data: v.buf.cast(),
        kind,
        itemsize: usize::try_from(v.itemsize).unwrap_or(0),
        shape: &shape,
        strides: list(v.strides),
    };
    // SAFETY: the exporter answers for the memory as long as the view is held.
    let a = unsafe { foreign.to_array(dtype) }.map_err(Failure::Core)?;
    Ok(Some(a))
}

/// What a view of an array keeps alive, with its shape and strides in Python's form.
struct Held {
    tensor: Tensor,
    _writable: Option<Exposed>,
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
}

/// Whether elements share memory, as in a broadcast array, so that nobody may write to them.
pub fn repeats(tensor: &Tensor) -> bool {
    tensor.shape().iter().zip(tensor.strides()).any(|(&n, &s)| n > 1 && s == 0)
}

/// An array's value; if elements share memory a copy in which they do not, for somebody who may write to it.
pub fn dense_if_repeated(a: &Array) -> isobit::Result<Tensor> {
    let tensor = a.tensor()?;
    if repeats(&tensor) {
        return isobit::backend::current()?.contiguous(tensor);
    }
    Ok(tensor)
}

/// Describes an evaluated array's memory, without a copy.
///
/// # Safety
/// `view` must be one that Python wants filled.
pub unsafe fn fill(owner: Bound<'_, PyAny>, a: Array, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("the view is null"));
    }
    let strided = flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES;
    let as_it_is = strided && flags & ffi::PyBUF_WRITABLE == 0;
    let tensor = if as_it_is { a.tensor() } else { dense_if_repeated(&a) }.map_err(Failure::Core)?;
    let format = match flags & ffi::PyBUF_FORMAT {
        0 => std::ptr::null_mut(),
        _ => tensor.dtype().format().as_ptr().cast_mut(),
    };
    let writable = tensor.buffer().is_writable() && !repeats(&tensor);
    if flags & ffi::PyBUF_WRITABLE != 0 && !writable {
        return Err(PyBufferError::new_err("the array's memory is read-only"));
    }
    if !strided && !tensor.is_contiguous() {
        return Err(PyBufferError::new_err("the array is not contiguous"));
    }
    let size = tensor.dtype().size() as isize;
    let mut held = Box::new(Held {
        shape: tensor.shape().iter().map(|&n| n as isize).collect(),
        strides: tensor.strides().iter().map(|&s| s * size).collect(),
        _writable: writable.then(|| Exposed::new(tensor.buffer())),
        tensor,
    });
    // SAFETY: the view is Python's to fill; what it points to lives in `held` until it is released.
    unsafe {
        (*view).buf = held.tensor.as_byte_ptr().cast_mut().cast();
        (*view).len = held.tensor.size() as isize * size;
        (*view).itemsize = size;
        (*view).readonly = c_int::from(!writable);
        (*view).format = format;
        (*view).ndim = held.shape.len() as c_int;
        (*view).shape = held.shape.as_mut_ptr();
        (*view).strides = held.strides.as_mut_ptr();
        (*view).suboffsets = std::ptr::null_mut();
        (*view).internal = Box::into_raw(held).cast();
        (*view).obj = owner.into_ptr();
    }
    Ok(())
}

/// Frees what [`fill`] has kept.
///
/// # Safety
/// `view` must have been filled by [`fill`] and not be released yet.
pub unsafe fn release(view: *mut ffi::Py_buffer) {
    // SAFETY: `internal` is the box of `fill`.
    drop(unsafe { Box::from_raw((*view).internal.cast::<Held>()) });
}

/// A memory view of an array.
pub fn memory_view<'py>(a: &Bound<'py, PyArray>) -> PyResult<Bound<'py, PyMemoryView>> {
    PyMemoryView::from(a.as_any())
}
