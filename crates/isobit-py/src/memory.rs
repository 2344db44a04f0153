//! The memory functions of `mlx.core`.

use crate::args::Tree;
use crate::error::Res;
use crate::ops::functions;
use isobit::{Array, Error, alloc};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

functions! {
    get_active_memory get_peak_memory reset_peak_memory get_cache_memory set_memory_limit set_cache_limit
    set_wired_limit clear_cache get_memory_limit get_array_buffer_size
}

/// Bytes that arrays hold.
#[pyfunction]
fn get_active_memory() -> usize {
    alloc::active_memory()
}

/// The most bytes that arrays have held after an allocation since the start or `reset_peak_memory`.
#[pyfunction]
fn get_peak_memory() -> usize {
    alloc::peak_memory()
}

/// Starts a new measurement of the peak, which is 0 until something is allocated.
#[pyfunction]
fn reset_peak_memory() {
    alloc::reset_peak_memory();
}

/// Bytes of freed buffers that are kept for reuse.
#[pyfunction]
fn get_cache_memory() -> usize {
    alloc::cache_memory()
}

/// The limit that programs have set, at first the machine's memory.
fn told() -> &'static AtomicUsize {
    static LIMIT: OnceLock<AtomicUsize> = OnceLock::new();
    LIMIT.get_or_init(|| alloc::physical_memory().into())
}

/// The limit that is told, for programs that set one; returns the previous one. Memory is bounded by the machine.
#[pyfunction]
fn set_memory_limit(limit: usize) -> usize {
    told().swap(limit, Ordering::Relaxed)
}

/// What `set_memory_limit` was told last, at first the machine's memory.
#[pyfunction]
fn get_memory_limit() -> usize {
    told().load(Ordering::Relaxed)
}

/// Bytes of the buffers that evaluated arrays (or trees of them) hold, each buffer counted once.
#[pyfunction]
#[pyo3(signature = (*args))]
fn get_array_buffer_size(args: &Bound<'_, PyTuple>) -> Res<usize> {
    let mut arrays = Vec::new();
    Tree::flatten(args.as_any(), &mut arrays)?;
    if !arrays.iter().all(Array::is_evaluated) {
        return Err(Error::value("get_array_buffer_size", "expected evaluated arrays").into());
    }
    let mut buffers = BTreeMap::new();
    for a in &arrays {
        let tensor = a.tensor()?;
        buffers.insert(Arc::as_ptr(tensor.buffer()), tensor.buffer().len());
    }
    Ok(buffers.values().sum())
}

/// Bounds the bytes kept for reuse; returns the previous bound.
#[pyfunction]
fn set_cache_limit(limit: usize) -> usize {
    alloc::set_cache_limit(limit)
}

/// A limit for memory that a GPU keeps resident, which there is none of; returns 0.
#[pyfunction]
fn set_wired_limit(limit: usize) -> usize {
    let _ = limit;
    0
}

/// Gives the memory kept for reuse back to the system.
#[pyfunction]
fn clear_cache() {
    alloc::clear_cache();
}
