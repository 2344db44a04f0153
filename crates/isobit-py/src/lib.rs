//! `isobit.core`: the Python module. It converts arguments and results and does nothing else: what an operation means
//! is decided in isobit-core.

// What `#[pymethods]` writes inside our own macros counts as ours.
#![allow(unsafe_op_in_unsafe_fn)]

mod args;
mod array;
mod convert;
mod distributed;
mod error;
mod fast;
mod fft;
mod io;
mod linalg;
mod memory;
mod nn;
mod numerics;
mod ops;
mod printing;
mod random;
mod transforms;

use pyo3::prelude::*;

/// Arrays, operations on them and transforms of functions.
#[pymodule]
#[pyo3(name = "core")]
fn core_module(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    args::register_dtypes(m)?;
    args::register_devices(m)?;
    array::register(m)?;
    ops::register(m)?;
    transforms::register(m)?;
    memory::register(m)?;
    numerics::register(m)?;
    io::register(m)?;
    printing::register(m)?;
    for kind in error::Twofold::ALL {
        m.add(kind.name(), kind.class(py)?)?;
    }
    for (name, value) in [
        ("e", std::f64::consts::E),
        ("pi", std::f64::consts::PI),
        ("euler_gamma", 0.577_215_664_901_532_9),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ] {
        m.add(name, value)?;
    }
    m.add("newaxis", py.None())?;
    // Submodules can be imported by their names.
    m.add("__path__", pyo3::types::PyList::empty(py))?;
    submodule(m, "random", random::register)?;
    submodule(m, "fast", fast::register)?;
    submodule(m, "linalg", linalg::register)?;
    submodule(m, "fft", fft::register)?;
    submodule(m, "distributed", distributed::register)?;
    submodule(m, "_nn", nn::register)?;
    m.add("matrix_norm", m.getattr("linalg")?.getattr("norm")?)?;
    submodule(m, "metal", |m| {
        m.add_function(wrap_pyfunction!(start_capture, m)?)?;
        m.add_function(wrap_pyfunction!(stop_capture, m)?)?;
        no_gpu(m)
    })?;
    submodule(m, "cuda", no_gpu)?;
    // Older programs look for the functions of memory there.
    let metal = m.getattr("metal")?;
    for name in METAL {
        metal.setattr(name, m.getattr(name)?)?;
    }
    Ok(())
}

const METAL: [&str; 9] = [
    "get_active_memory",
    "get_peak_memory",
    "reset_peak_memory",
    "get_cache_memory",
    "set_memory_limit",
    "set_cache_limit",
    "set_wired_limit",
    "clear_cache",
    "device_info",
];

/// Whether there is such a device: there is not.
#[pyfunction]
fn is_available() -> bool {
    false
}

/// Records what a GPU is given to do, of which there is none.
#[pyfunction]
fn start_capture(path: std::path::PathBuf) {
    let _ = path;
}

/// Ends a recording.
#[pyfunction]
fn stop_capture() {}

fn no_gpu(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(is_available, m)?)
}

/// Adds a submodule that can also be imported by its name.
fn submodule(
    parent: &Bound<'_, PyModule>,
    name: &str,
    fill: impl Fn(&Bound<'_, PyModule>) -> PyResult<()>,
) -> PyResult<()> {
    let py = parent.py();
    let full = format!("isobit.core.{name}");
    let m = PyModule::new(py, &full)?;
    fill(&m)?;
    parent.add(name, &m)?;
    py.import("sys")?.getattr("modules")?.set_item(full, &m)
}
