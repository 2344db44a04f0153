//! Activation functions. Numbers beside `x` (slopes, thresholds) are numbers or arrays and take part in promotion as
//! Python's do: an integer `x` stays one unless the formula has a float.

use crate::term::{Operand, Term, term};
use isobit::{Array, Axes, Dtype, Result, ops};

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &Array) -> Result<Array> {
    ops::sigmoid(x)
}

/// The hyperbolic tangent.
pub fn tanh(x: &Array) -> Result<Array> {
    ops::tanh(x)
}

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Result<Array> {
    term(x).max(0).0
}

/// `max(x, 0)²`.
pub fn relu2(x: &Array) -> Result<Array> {
    term(x).max(0).square().0
}

/// `min(max(x, 0), 6)`.
pub fn relu6(x: &Array) -> Result<Array> {
    term(x).max(0).min(6.0).0
}

/// `x`, below 0 `negative_slope * x`.
pub fn leaky_relu(x: &Array, negative_slope: impl Operand) -> Result<Array> {
    let x = term(x);
    (&x * negative_slope).max(&x).0
}

/// `x`, below 0 `alpha * x`, with a learned `alpha`: a number, or one per feature.
pub fn prelu(x: &Array, alpha: impl Operand) -> Result<Array> {
    let x = term(x);
    (x.max(0) + x.min(0) * alpha).0
}

/// `x`, below 0 `alpha * (exp(x) - 1)`.
pub fn elu(x: &Array, alpha: impl Operand) -> Result<Array> {
    let x = term(x);
    let above = x.greater(0);
    // Not of large numbers, whose infinite derivative would spoil the other branch's.
    let below = Term(x.0.clone().and_then(|a| ops::zeros_like(&a))).where_(&above, &x).expm1() * alpha;
    x.where_(&above, below).0
}

/// `x`, below 0 `alpha * (exp(x / alpha) - 1)`.
pub fn celu(x: &Array, alpha: impl Operand) -> Result<Array> {
    let x = term(x);
    (x.max(0.0) + (x.min(0.0) / &alpha).expm1() * &alpha).0
}

/// The [`elu`] that keeps mean and variance (Klambauer et al., 2017).
pub fn selu(x: &Array) -> Result<Array> {
    (term(&elu(x, 1.67326)?) * 1.0507).0
}

/// `log(1 + exp(x))`.
pub fn softplus(x: &Array) -> Result<Array> {
    term(x).logaddexp(0).0
}

/// `log(sigmoid(x))`.
pub fn log_sigmoid(x: &Array) -> Result<Array> {
    (-(-term(x)).logaddexp(0)).0
}

/// `x / (1 + |x|)`.
pub fn softsign(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x / (1 + x.abs())).0
}

/// `x` moved towards 0 by `lambd`, and 0 where it would cross it.
pub fn softshrink(x: &Array, lambd: impl Operand) -> Result<Array> {
    let x = term(x);
    (&x - x.sign() * &lambd).where_(&x.abs().greater(&lambd), 0).0
}

/// `x`, and 0 where `|x|` is at most `lambd`.
pub fn hard_shrink(x: &Array, lambd: impl Operand) -> Result<Array> {
    let x = term(x);
    x.where_(&x.abs().greater(lambd), 0).0
}

/// `x` between two limits.
pub fn hard_tanh(x: &Array, min_val: impl Operand, max_val: impl Operand) -> Result<Array> {
    term(x).max(min_val).min(max_val).0
}

/// `x * min(max(x + 3, 0), 6) / 6`.
pub fn hardswish(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x * (&x + 3).max(0).min(6) / 6).0
}

/// 0 below the threshold, 1 from it on, as int32.
pub fn step(x: &Array, threshold: impl Operand) -> Result<Array> {
    term(x).greater_equal(threshold).astype(Dtype::I32).0
}

/// `x * tanh(softplus(x))`.
pub fn mish(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x * x.logaddexp(0).tanh()).0
}

/// `x * sigmoid(x)`.
pub fn silu(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x * x.sigmoid()).0
}

/// `x` times the normal distribution function of `x`: `x * (1 + erf(x / √2)) / 2`.
pub fn gelu(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x * ((&x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1) * 0.5).0
}

/// [`gelu`] by its tanh approximation: `x * (1 + tanh(√(2/π) * (x + 0.044715 x³))) / 2`.
pub fn gelu_approx(x: &Array) -> Result<Array> {
    let x = term(x);
    let inner = (&x + &x * &x * &x * 0.044715) * (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
    (&x * ((inner.tanh() + 1) * 0.5)).0
}

/// [`gelu`] by a sigmoid: `x * sigmoid(1.702 x)`.
pub fn gelu_fast_approx(x: &Array) -> Result<Array> {
    let x = term(x);
    (&x * (&x * 1.702).sigmoid()).0
}

/// `exp(x) / sum(exp(x))` along axes.
pub fn softmax(x: &Array, axis: impl Into<Axes>) -> Result<Array> {
    ops::softmax(x, axis, false)
}

/// The [`softmax`] of `-x`.
pub fn softmin(x: &Array, axis: impl Into<Axes>) -> Result<Array> {
    ops::softmax(&ops::negative(x)?, axis, false)
}

/// `x - log(sum(exp(x)))` along axes.
pub fn log_softmax(x: &Array, axis: impl Into<Axes>) -> Result<Array> {
    let axis = axis.into();
    // Relative to the largest, since differences are small beside a large offset.
    let x = term(x) - ops::stop_gradient(&ops::max(x, axis.clone(), true)?)?;
    (&x - x.logsumexp(axis, true)).0
}

/// One half of `x` along `axis` times the sigmoid of the other.
pub fn glu(x: &Array, axis: isize) -> Result<Array> {
    let halves = ops::split(x, 2, axis)?;
    (term(&halves[0]) * ops::sigmoid(&halves[1])?).0
}
