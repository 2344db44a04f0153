//! Devices and streams. There is one device, the CPU, and every thread may use every array: streams exist because
//! programs name them.

use crate::error::Res;
use isobit::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A kind of device.
#[pyclass(frozen, eq, hash, name = "DeviceType", module = "isobit.core")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyDeviceType {
    gpu: bool,
}

#[pymethods]
impl PyDeviceType {
    #[classattr]
    fn cpu() -> PyDeviceType {
        PyDeviceType { gpu: false }
    }

    #[classattr]
    fn gpu() -> PyDeviceType {
        PyDeviceType { gpu: true }
    }

    fn __repr__(&self) -> String {
        format!("DeviceType.{}", self.label())
    }

    fn __copy__(&self) -> PyDeviceType {
        *self
    }

    fn __deepcopy__(&self, memo: &Bound<'_, PyAny>) -> PyDeviceType {
        let _ = memo;
        *self
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>, &'static str))> {
        let class = py.import("isobit.core")?.getattr("DeviceType")?;
        Ok((py.import("builtins")?.getattr("getattr")?, (class, self.label())))
    }
}

impl PyDeviceType {
    fn label(&self) -> &'static str {
        if self.gpu { "gpu" } else { "cpu" }
    }
}

/// A device of a kind.
#[pyclass(frozen, name = "Device", module = "isobit.core")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyDevice {
    kind: PyDeviceType,
    index: usize,
}

const CPU: PyDevice = PyDevice { kind: PyDeviceType { gpu: false }, index: 0 };

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (r#type, index=0))]
    fn new(r#type: &Bound<'_, PyDeviceType>, index: usize) -> PyDevice {
        PyDevice { kind: *r#type.get(), index }
    }

    /// The kind of device.
    #[getter]
    fn r#type(&self) -> PyDeviceType {
        self.kind
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        device(other).is_ok_and(|d| d == *self)
    }

    fn __hash__(&self) -> u64 {
        2 * self.index as u64 + u64::from(self.kind.gpu)
    }

    fn __repr__(&self) -> String {
        format!("Device({}, {})", self.kind.label(), self.index)
    }
}

/// An order of operations on a device.
#[pyclass(frozen, eq, hash, name = "Stream", module = "isobit.core")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyStream {
    index: usize,
    on: PyDevice,
}

#[pymethods]
impl PyStream {
    /// The stream's device.
    #[getter]
    fn device(&self) -> PyDevice {
        self.on
    }

    fn __repr__(&self) -> String {
        format!("Stream({}, {})", self.on.__repr__(), self.index)
    }
}

/// A device that is there: the argument itself, or the first of its kind.
fn device(obj: &Bound<'_, PyAny>) -> PyResult<PyDevice> {
    if let Ok(d) = obj.cast::<PyDevice>() {
        return Ok(*d.get());
    }
    if let Ok(t) = obj.cast::<PyDeviceType>() {
        return Ok(PyDevice { kind: *t.get(), index: 0 });
    }
    Err(PyTypeError::new_err(format!("expected a Device or DeviceType, got {}", obj.get_type().name()?)))
}

fn present(op: &'static str, d: PyDevice) -> Res<PyDevice> {
    if d.kind.gpu || d.index > 0 {
        return Err(Error::value(op, format!("there is no {}", d.__repr__())).into());
    }
    Ok(d)
}

/// `None`, a stream or a device: where an operation is meant to run. It is checked and has no effect.
#[derive(Clone, Copy, Default)]
pub struct StreamArg;

impl<'a, 'py> FromPyObject<'a, 'py> for StreamArg {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<StreamArg> {
        if obj.is_none() || obj.is_instance_of::<PyStream>() {
            return Ok(StreamArg);
        }
        present("stream", device(&obj)?)?;
        Ok(StreamArg)
    }
}

/// Makes a stream or device the default for a `with` block.
#[pyclass(frozen, name = "StreamContext", module = "isobit.core")]
pub struct PyStreamContext;

#[pymethods]
impl PyStreamContext {
    #[new]
    fn new(s: StreamArg) -> PyStreamContext {
        let _ = s;
        PyStreamContext
    }

    fn __enter__(&self) {}

    #[pyo3(signature = (exc_type=None, exc_value=None, traceback=None))]
    fn __exit__(
        &self,
        exc_type: Option<Bound<'_, PyAny>>,
        exc_value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) {
        let _ = (exc_type, exc_value, traceback);
    }
}

static STREAMS: AtomicUsize = AtomicUsize::new(1);

/// The device that operations run on.
#[pyfunction]
fn default_device() -> PyDevice {
    CPU
}

/// Chooses the device that operations run on; there is only one.
#[pyfunction]
fn set_default_device(device: &Bound<'_, PyAny>) -> Res<()> {
    present("set_default_device", self::device(device)?)?;
    Ok(())
}

/// Whether there is such a device.
#[pyfunction]
fn is_available(device: &Bound<'_, PyAny>) -> PyResult<bool> {
    let d = self::device(device)?;
    Ok(!d.kind.gpu && d.index == 0)
}

/// How many devices of a kind there are.
#[pyfunction]
fn device_count(device_type: &Bound<'_, PyDeviceType>) -> usize {
    usize::from(!device_type.get().gpu)
}

/// What is known about a device.
#[pyfunction]
#[pyo3(signature = (d=None))]
fn device_info<'py>(py: Python<'py>, d: Option<&Bound<'py, PyAny>>) -> Res<Bound<'py, PyDict>> {
    present("device_info", d.map_or(Ok(CPU), device)?)?;
    let info = PyDict::new(py);
    info.set_item("device_name", "cpu")?;
    info.set_item("architecture", std::env::consts::ARCH)?;
    info.set_item("memory_size", isobit::alloc::physical_memory())?;
    Ok(info)
}

/// The stream of a device's operations.
#[pyfunction]
fn default_stream(device: &Bound<'_, PyAny>) -> Res<PyStream> {
    let on = present("default_stream", self::device(device)?)?;
    Ok(PyStream { index: 0, on })
}

/// Chooses the stream of later operations, which has no effect on what they compute.
#[pyfunction]
fn set_default_stream(stream: &Bound<'_, PyStream>) {
    let _ = stream;
}

/// Another stream on a device.
#[pyfunction]
fn new_stream(device: &Bound<'_, PyAny>) -> Res<PyStream> {
    let on = present("new_stream", self::device(device)?)?;
    Ok(PyStream { index: STREAMS.fetch_add(1, Ordering::Relaxed), on })
}

/// Forgets streams; they hold nothing.
#[pyfunction]
fn clear_streams() {}

/// Makes a stream or device the default for a `with` block.
#[pyfunction]
fn stream(s: StreamArg) -> PyStreamContext {
    PyStreamContext::new(s)
}

/// Waits until started evaluations are done, and raises the error of one that failed.
#[pyfunction]
#[pyo3(signature = (stream=None))]
fn synchronize(py: Python<'_>, stream: Option<StreamArg>) -> Res<()> {
    let _ = stream;
    py.detach(isobit::eval::synchronize)?;
    isobit::eval::late_error().map_or(Ok(()), |e| Err(e.into()))
}

/// Adds devices and streams.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDevice>()?;
    m.add_class::<PyDeviceType>()?;
    m.add_class::<PyStream>()?;
    m.add_class::<PyStreamContext>()?;
    m.add("ThreadLocalStream", m.getattr("Stream")?)?;
    m.add("cpu", PyDeviceType { gpu: false })?;
    m.add("gpu", PyDeviceType { gpu: true })?;
    m.add_function(wrap_pyfunction!(default_device, m)?)?;
    m.add_function(wrap_pyfunction!(set_default_device, m)?)?;
    m.add_function(wrap_pyfunction!(is_available, m)?)?;
    m.add_function(wrap_pyfunction!(device_count, m)?)?;
    m.add_function(wrap_pyfunction!(device_info, m)?)?;
    m.add_function(wrap_pyfunction!(default_stream, m)?)?;
    m.add_function(wrap_pyfunction!(set_default_stream, m)?)?;
    m.add_function(wrap_pyfunction!(new_stream, m)?)?;
    m.add("new_thread_unsafe_stream", m.getattr("new_stream")?)?;
    m.add("new_thread_local_stream", m.getattr("new_stream")?)?;
    m.add_function(wrap_pyfunction!(clear_streams, m)?)?;
    m.add_function(wrap_pyfunction!(stream, m)?)?;
    m.add_function(wrap_pyfunction!(synchronize, m)?)
}
