//! Strict mode: operations outside the contract on numbers are errors.

use isobit::numerics;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

crate::ops::functions! { numerical_strict_mode }

/// What [`numerical_strict_mode`] gives: true if the mode is on, and a context that ends what was switched.
#[pyclass(frozen, module = "isobit.core")]
struct StrictMode {
    before: bool,
}

#[pymethods]
impl StrictMode {
    fn __bool__(&self) -> bool {
        numerics::strict()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        numerics::set_strict(self.before);
    }
}

/// Switches strict mode for the process: an operation whose bits its backend does not guarantee to be independent of shapes
/// is an error when it is evaluated. As a context manager, until the end of the block. Without an argument it switches
/// nothing; the result is true if the mode is on. On the CPU every operation is inside the guarantee.
#[pyfunction]
#[pyo3(signature = (enabled=None))]
fn numerical_strict_mode(enabled: Option<bool>) -> StrictMode {
    StrictMode { before: enabled.map_or_else(numerics::strict, numerics::set_strict) }
}
