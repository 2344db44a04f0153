//! Activation functions.

use isobit::{Array, Result, ops};

/// `a` times a number, in the dtype of `a`.
pub(crate) fn times(a: &Array, factor: f64) -> Result<Array> {
    ops::multiply(a, &Array::scalar(factor, a.dtype()))
}

/// `a` plus a number, in the dtype of `a`.
pub(crate) fn plus(a: &Array, term: f64) -> Result<Array> {
    ops::add(a, &Array::scalar(term, a.dtype()))
}

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Result<Array> {
    ops::maximum(x, &Array::scalar(0.0, x.dtype()))
}

/// `x · sigmoid(x)`.
pub fn silu(x: &Array) -> Result<Array> {
    ops::multiply(x, &ops::sigmoid(x)?)
}

/// `x · Φ(x)` with the normal distribution function: `x · (1 + erf(x / √2)) / 2`.
pub fn gelu(x: &Array) -> Result<Array> {
    let cdf = plus(&ops::erf(&times(x, std::f64::consts::FRAC_1_SQRT_2)?)?, 1.0)?;
    ops::multiply(x, &times(&cdf, 0.5)?)
}

/// [`gelu`] by its tanh approximation: `x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`.
pub fn gelu_approx(x: &Array) -> Result<Array> {
    let cube = ops::multiply(&ops::multiply(x, x)?, x)?;
    let inner = ops::add(x, &times(&cube, 0.044715)?)?;
    let sqrt_2_over_pi = (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
    let t = plus(&ops::tanh(&times(&inner, sqrt_2_over_pi)?)?, 1.0)?;
    ops::multiply(x, &times(&t, 0.5)?)
}
