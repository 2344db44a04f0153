//! `isobit.core._nn`: the functional forms of isobit-nn, which the classes of `isobit.nn` and `isobit.optimizers` call.

mod activations;
mod init;
mod layers;
mod losses;
mod optimizers;

use pyo3::prelude::*;

/// Fills the submodule.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    activations::register(m)?;
    losses::register(m)?;
    layers::register(m)?;
    init::register(m)?;
    optimizers::register(m)
}
