//! The memory functions of `mlx.core`.

use crate::ops::functions;
use isobit::alloc;
use pyo3::prelude::*;

functions! {
    get_active_memory get_peak_memory reset_peak_memory get_cache_memory set_memory_limit set_cache_limit
    set_wired_limit clear_cache
}

/// Bytes that arrays hold.
#[pyfunction]
fn get_active_memory() -> usize {
    alloc::active_memory()
}

/// The most bytes that arrays have held since the start or `reset_peak_memory`.
#[pyfunction]
fn get_peak_memory() -> usize {
    alloc::peak_memory()
}

/// Makes the peak what is held now.
#[pyfunction]
fn reset_peak_memory() {
    alloc::reset_peak_memory();
}

/// Bytes of freed buffers that are kept for reuse.
#[pyfunction]
fn get_cache_memory() -> usize {
    alloc::cache_memory()
}

/// The limit that is told, for programs that set one; returns the previous one. Memory is bounded by the machine.
#[pyfunction]
fn set_memory_limit(limit: usize) -> usize {
    static LIMIT: std::sync::OnceLock<std::sync::atomic::AtomicUsize> = std::sync::OnceLock::new();
    let told = LIMIT.get_or_init(|| alloc::physical_memory().into());
    told.swap(limit, std::sync::atomic::Ordering::Relaxed)
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
