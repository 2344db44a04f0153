//! DLPack, both ways (the C structures of dlpack.h 1.0).

use crate::error::{Failure, Res};
use isobit::alloc::Exposed;
use isobit::host::foreign::{Foreign, Kind};
use isobit::{Array, Dtype, Tensor};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::IntoPyDict;
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
    _writable: Option<Exposed>,
    _tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// A tensor that was taken out of its capsule: freed by its own deleter.
enum Taken {
    Plain(*mut Managed),
    Versioned(*mut ManagedVersioned),
}

// SAFETY: whoever exports a tensor says that it may be used and freed on any thread.
unsafe impl Send for Taken {}
// SAFETY: the memory is only read.
unsafe impl Sync for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: taken once, freed once; a deleter may be missing.
        unsafe {
            match *self {
                Taken::Plain(m) => {
                    if let Some(delete) = (*m).deleter {
                        delete(m)
                    }
                }
                Taken::Versioned(m) => {
                    if let Some(delete) = (*m).deleter {
                        delete(m)
                    }
                }
            }
        }
    }
}

impl Taken {
    /// What a capsule holds, which is marked as used.
    fn out_of(capsule: &Bound<'_, PyAny>) -> PyResult<Taken> {
        let raw = capsule.as_ptr();
        // SAFETY: the protocol says what capsules of these names point to and how they are marked.
        unsafe {
            let versioned = ffi::PyCapsule_IsValid(raw, VERSIONED.as_ptr()) == 1;
            let name = if versioned { VERSIONED } else { PLAIN };
            let managed = ffi::PyCapsule_GetPointer(raw, name.as_ptr());
            let used = if versioned { c"used_dltensor_versioned" } else { c"used_dltensor" };
            if managed.is_null() || ffi::PyCapsule_SetName(raw, used.as_ptr()) != 0 {
                return Err(PyErr::fetch(capsule.py()));
            }
            Ok(if versioned { Taken::Versioned(managed.cast()) } else { Taken::Plain(managed.cast()) })
        }
    }

    fn tensor(&self) -> &DlTensor {
        // SAFETY: valid until the deleter is called.
        unsafe {
            match self {
                Taken::Plain(m) => &(**m).tensor,
                Taken::Versioned(m) => &(**m).tensor,
            }
        }
    }

    /// Whether nobody may write to the memory.
    fn is_read_only(&self) -> bool {
        // SAFETY: as above.
        matches!(self, Taken::Versioned(m) if unsafe { (**m).flags } & READ_ONLY != 0)
    }
}

/// The elements of an object that speaks DLPack. Read-only memory is shared and other memory copied, unless `copy` says
/// what to do: whoever shares writable memory must not write to it any more.
pub fn import(obj: &Bound<'_, PyAny>, dtype: Option<Dtype>, copy: Option<bool>) -> PyResult<Array> {
    let py = obj.py();
    let device: (i32, i32) = obj.call_method0("__dlpack_device__")?.extract()?;
    if device.0 != CPU.0 {
        return Err(PyValueError::new_err(format!("expected an array in host memory, got DLPack device {device:?}")));
    }
    let versioned = [("max_version", (1, 0))].into_py_dict(py)?;
    let capsule = match obj.call_method("__dlpack__", (), Some(&versioned)) {
        // An exporter of before version 1.
        Err(e) if e.is_instance_of::<PyTypeError>(py) => obj.call_method0("__dlpack__")?,
        made => made?,
    };
    let taken = Taken::out_of(&capsule)?;
    let t = taken.tensor();
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
    if shape.iter().zip(&strides).any(|(&n, &s)| n > 1 && s < 0) {
        return Err(PyValueError::new_err(format!("expected strides of at least 0, got {strides:?} bytes")));
    }
    let Some(kind) = Kind::of_dlpack(t.dtype.code).filter(|_| t.dtype.lanes == 1) else {
        return Err(PyBufferError::new_err(format!("an array has no dtype for DLPack type code {}", t.dtype.code)));
    };
    // SAFETY: the offset lies in the tensor's memory.
    let data = unsafe { t.data.cast::<u8>().add(t.byte_offset as usize) };
    let foreign = Foreign { data, kind, itemsize, shape: &shape, strides: &strides };
    let read_only = taken.is_read_only();
    let share = match copy {
        Some(copy) => !copy,
        None => read_only && foreign.is_adoptable(dtype),
    };
    // SAFETY: the exporter answers for the memory as long as the tensor is not freed, and nobody writes to it.
    let a = unsafe { if share { foreign.adopt(dtype, Box::new(taken)) } else { foreign.to_array_as_laid_out(dtype) } };
    let a = a.map_err(Failure::Core)?;
    if share && !read_only {
        a.tensor().map_err(Failure::Core)?.buffer().expose();
    }
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
        // Only a newer consumer can be told not to write.
        _ if max_version.is_some_and(|v| v.0 >= 1) => a.tensor()?,
        _ => super::buffer::dense_if_repeated(a)?,
    };
    let (code, bits) = tensor.dtype().dlpack();
    let read_only = !tensor.buffer().is_writable() || super::buffer::repeats(&tensor);
    let data = tensor.as_byte_ptr().cast_mut().cast();
    let mut held = Box::new(Held {
        shape: tensor.shape().iter().map(|&n| n as i64).collect(),
        strides: tensor.strides().iter().map(|&s| s as i64).collect(),
        _writable: (!read_only).then(|| Exposed::new(tensor.buffer())),
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
