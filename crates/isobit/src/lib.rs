//! isobit: array computing for machine learning that gives the same bits every time.

pub use half::{bf16, f16};
pub use isobit_core::*;

// Linking a backend registers it.
pub use isobit_cpu as cpu;
#[doc(hidden)]
pub use isobit_ref as _ref;

/// The README's example runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
