//! DLPack, both ways (the C structures of dlpack.h 1.0).

use crate::error::{Failure, Res};
use isobit::host::foreign::{Foreign, Kind};
use isobit::{Array, Dtype, Tensor};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_void};

/// DLPack's code for host memory, and the device's number.
pub const CPU: (i32, i32) = (1, 0);

const PLAIN: &CStr = c"dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const READ_ONLY: u64 = 1;

#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: (i32, i32),
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

#[repr(C)]
struct ManagedVersioned {
    version: (u32, u32),
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: DlTensor,
}

/// What an exported tensor keeps alive.
struct Held {
    _tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// A copy of an object that speaks DLPack.
pub fn import(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Array> {
    let device: (i32, i32) = obj.call_method0("__dlpack_device__")?.extract()?;
    if device.0 != CPU.0 {
        return Err(PyValueError::new_err(format!("expected an array in host memory, got DLPack device {device:?}")));
    }
    let capsule = obj.call_method0("__dlpack__")?;
    // SAFETY: asks the capsule for the pointer that it holds under that name.
    let managed = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), PLAIN.as_ptr()) };
    if managed.is_null() {
        return Err(PyErr::fetch(obj.py()));
    }
    // SAFETY: the protocol says what a capsule of that name points to; the capsule frees it, since it keeps its name.
    let t = unsafe { &(*managed.cast::<Managed>()).tensor };
    let n = usize::try_from(t.ndim).unwrap_or(0);
    let list = |p: *const i64| -> Option<&[i64]> {
        // SAFETY: `ndim` numbers, unless the pointer is null.
        if n == 0 { Some(&[]) } else { (!p.is_null()).then(|| unsafe { std::slice::from_raw_parts(p, n) }) }
    };
    let shape: Vec<usize> = list(t.shape).unwrap_or(&[]).iter().map(|&x| x.unsigned_abs() as usize).collect();
    let itemsize = usize::from(t.dtype.bits).div_ceil(8);
    let strides: Vec<isize> = match list(t.strides) {
        Some(s) => s.iter().map(|&s| s as isize * itemsize as isize).collect(),
        None => isobit::layout::contiguous_strides(&shape).iter().map(|&s| s * itemsize as isize).collect(),
    };
    let Some(kind) = Kind::of_dlpack(t.dtype.code).filter(|_| t.dtype.lanes == 1) else {
        return Err(PyBufferError::new_err(format!("an array has no dtype for DLPack type code {}", t.dtype.code)));
    };
    // SAFETY: the offset lies in the tensor's memory.
    let data = unsafe { t.data.cast::<u8>().add(t.byte_offset as usize) };
    let foreign = Foreign { data, kind, itemsize, shape: &shape, strides: &strides };
    // Unlike NumPy's float64 by default, a dtype that comes with a tensor of another library is kept.
    // SAFETY: the exporter answers for the memory as long as the capsule lives.
    let a = unsafe { foreign.to_array(dtype) }.map_err(Failure::Core)?;
    drop(capsule);
    Ok(a)
}

/// A capsule with an evaluated array's memory, or a copy of it.
pub fn export<'py>(
    py: Python<'py>,
    a: &Array,
    max_version: Option<(u32, u32)>,
    device: Option<(i32, i32)>,
    copy: Option<bool>,
) -> Res<Bound<'py, PyAny>> {
    if device.is_some_and(|d| d.0 != CPU.0) {
        return Err(PyBufferError::new_err("the array is in host memory").into());
    }
    let tensor = match copy {
        Some(true) => Array::from_bytes(&a.to_bytes()?, a.shape(), a.dtype())?.tensor()?,
        _ => super::buffer::dense_if_repeated(a)?,
    };
    let (code, bits) = tensor.dtype().dlpack();
    let read_only = !tensor.buffer().is_writable();
    let data = tensor.as_byte_ptr().cast_mut().cast();
    let mut held = Box::new(Held {
        shape: tensor.shape().iter().map(|&n| n as i64).collect(),
        strides: tensor.strides().iter().map(|&s| s as i64).collect(),
        _tensor: tensor,
    });
    let tensor = DlTensor {
        data,
        device: CPU,
        ndim: held.shape.len() as i32,
        dtype: DataType { code, bits, lanes: 1 },
        shape: held.shape.as_mut_ptr(),
        strides: held.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let context = Box::into_raw(held).cast();
    let capsule = if max_version.is_some_and(|v| v.0 >= 1) {
        let flags = if read_only { READ_ONLY } else { 0 };
        let m = ManagedVersioned { version: (1, 0), context, deleter: Some(delete_versioned), flags, tensor };
        // SAFETY: the box is freed by its deleter, which the destructor calls if nobody took the tensor.
        unsafe { ffi::PyCapsule_New(Box::into_raw(Box::new(m)).cast(), VERSIONED.as_ptr(), Some(drop_versioned)) }
    } else {
        let m = Managed { tensor, context, deleter: Some(delete) };
        // SAFETY: as above.
        unsafe { ffi::PyCapsule_New(Box::into_raw(Box::new(m)).cast(), PLAIN.as_ptr(), Some(drop_plain)) }
    };
    // SAFETY: a new reference, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, capsule) }?)
}

unsafe extern "C" fn delete(m: *mut Managed) {
    // SAFETY: called once, with what `export` made.
    unsafe {
        let m = Box::from_raw(m);
        drop(Box::from_raw(m.context.cast::<Held>()));
    }
}

unsafe extern "C" fn delete_versioned(m: *mut ManagedVersioned) {
    // SAFETY: called once, with what `export` made.
    unsafe {
        let m = Box::from_raw(m);
        drop(Box::from_raw(m.context.cast::<Held>()));
    }
}

unsafe extern "C" fn drop_plain(capsule: *mut ffi::PyObject) {
    // SAFETY: a consumer that took the tensor has renamed the capsule.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) == 1 {
            delete(ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast());
        }
    }
}

unsafe extern "C" fn drop_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: a consumer that took the tensor has renamed the capsule.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            delete_versioned(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast());
        }
    }
}
