//! Options of printing.

use isobit::array::{print_precision, set_print_precision};
use pyo3::prelude::*;

/// How arrays are printed.
#[pyclass(frozen, eq, name = "PrintOptions", module = "isobit.core")]
#[derive(Clone, PartialEq)]
struct PrintOptions {
    /// Digits behind the point; -1 for six significant digits.
    #[pyo3(get)]
    precision: isize,
}

impl PrintOptions {
    fn digits(&self) -> Option<usize> {
        usize::try_from(self.precision).ok()
    }

    fn of(digits: Option<usize>) -> PrintOptions {
        PrintOptions { precision: digits.map_or(-1, |d| d as isize) }
    }
}

#[pymethods]
impl PrintOptions {
    #[new]
    #[pyo3(signature = (precision=-1))]
    fn new(precision: isize) -> PrintOptions {
        PrintOptions { precision }
    }
}

/// Options for a `with` block.
#[pyclass(name = "_PrintOptionsContext", module = "isobit.core")]
struct PrintOptionsContext {
    options: PrintOptions,
    before: Option<usize>,
}

#[pymethods]
impl PrintOptionsContext {
    fn __enter__(mut slf: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        slf.before = set_print_precision(slf.options.digits());
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, pyo3::types::PyTuple>) {
        set_print_precision(self.before);
    }
}

/// Sets how arrays are printed from now on.
#[pyfunction]
#[pyo3(signature = (precision=-1))]
fn set_printoptions(precision: isize) {
    set_print_precision(PrintOptions::new(precision).digits());
}

/// How arrays are printed.
#[pyfunction]
fn get_printoptions() -> PrintOptions {
    PrintOptions::of(print_precision())
}

/// Sets how arrays are printed in a `with` block.
#[pyfunction]
#[pyo3(signature = (precision=-1))]
fn printoptions(precision: isize) -> PrintOptionsContext {
    PrintOptionsContext { options: PrintOptions::new(precision), before: None }
}

/// Adds the options and their functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PrintOptions>()?;
    m.add_function(wrap_pyfunction!(set_printoptions, m)?)?;
    m.add_function(wrap_pyfunction!(get_printoptions, m)?)?;
    m.add_function(wrap_pyfunction!(printoptions, m)?)
}
