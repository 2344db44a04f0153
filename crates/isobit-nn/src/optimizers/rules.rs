//! Update rules: one parameter after a step along its gradient, and what is kept for the next one. Optimizers of Rust and
//! of Python call them; nothing is kept here.
//!
//! Results come in the order parameter, then state. A `rate` is a number or an array, and is used in the gradient's dtype.

use crate::term::{Operand, Term, term};
use isobit::{Array, Error, Result, ops};

/// The learning rate in the dtype of the gradient.
fn rate_for(rate: &impl Operand, gradient: &Array) -> Term {
    Term(rate.beside(gradient.dtype())).astype(gradient.dtype())
}

/// `decay · old + fresh`; what was never set is zero.
fn moved(old: Option<&Array>, decay: f64, fresh: Term) -> Result<Array> {
    match old {
        Some(old) => (term(old) * decay + fresh).0,
        None => fresh.0,
    }
}

/// A running mean: `decay · old + (1 - decay) · value`.
fn averaged(old: Option<&Array>, decay: f64, value: &Term) -> Result<Array> {
    moved(old, decay, value * (1.0 - decay))
}

/// What [`sgd`] is told beside the rate.
#[derive(Clone, Copy)]
pub struct Momentum {
    /// The share of the old velocity that stays; without one none is kept.
    pub momentum: f64,
    /// An L2 penalty of the parameter.
    pub weight_decay: f64,
    /// The share of a gradient that does not enter the velocity.
    pub dampening: f64,
    /// Whether steps look ahead.
    pub nesterov: bool,
}

/// Gradient descent: `v ← μ v + (1 - τ) g`, `w ← w - λ v`, with Nesterov's momentum `w ← w - λ (g + μ v)`.
pub fn sgd(
    gradient: &Array,
    parameter: &Array,
    v: Option<&Array>,
    rate: impl Operand,
    how: Momentum,
) -> Result<(Array, Option<Array>)> {
    let Momentum { momentum, weight_decay, dampening, nesterov } = how;
    let mut g = term(gradient);
    if weight_decay != 0.0 {
        g = g + term(parameter) * weight_decay;
    }
    let rate = rate_for(&rate, gradient);
    if momentum <= 0.0 {
        return Ok(((term(parameter) - rate * g).0?, None));
    }
    let fresh = if dampening > 0.0 { &g * (1.0 - dampening) } else { g.clone() };
    let v = moved(v, momentum, fresh)?;
    let step = if nesterov { g + term(&v) * momentum } else { term(&v) };
    Ok(((term(parameter) - rate * step).0?, Some(v)))
}

/// Gradients over the root of a running mean of their squares (Hinton, 2012).
pub fn rmsprop(
    gradient: &Array,
    parameter: &Array,
    v: Option<&Array>,
    rate: impl Operand,
    alpha: f64,
    eps: f64,
) -> Result<(Array, Array)> {
    let g = term(gradient);
    let v = averaged(v, alpha, &g.square())?;
    let step = rate_for(&rate, gradient) * g / (term(&v).sqrt() + eps);
    Ok(((term(parameter) - step).0?, v))
}

/// Gradients over the root of the sum of their squares (Duchi et al., 2011).
pub fn adagrad(
    gradient: &Array,
    parameter: &Array,
    v: Option<&Array>,
    rate: impl Operand,
    eps: f64,
) -> Result<(Array, Array)> {
    let g = term(gradient);
    let v = moved(v, 1.0, g.square())?;
    let step = rate_for(&rate, gradient) * g / (term(&v).sqrt() + eps);
    Ok(((term(parameter) - step).0?, v))
}

/// Steps scaled by running means of squared gradients `v` and squared steps `u` (Zeiler, 2012).
pub fn adadelta(
    gradient: &Array,
    parameter: &Array,
    v: &Array,
    u: &Array,
    rate: impl Operand,
    rho: f64,
    eps: f64,
) -> Result<(Array, Array, Array)> {
    let g = term(gradient);
    let v = averaged(Some(v), rho, &g.square())?;
    let step = (term(u) + eps).sqrt() / (term(&v) + eps).sqrt() * g;
    let u = averaged(Some(u), rho, &step.square())?;
    Ok(((term(parameter) - rate_for(&rate, gradient) * step).0?, v, u))
}

/// The rate of [`adam`] and its factor of the root of the second moment after `step` steps, so that the moments' start at
/// zero does not count. Powers of the step are float32.
pub fn bias_correction(
    gradient: &Array,
    rate: impl Operand,
    step: &Array,
    betas: (f64, f64),
) -> Result<(Array, Array)> {
    let one_minus = |beta: f64| -> Result<Term> { Ok(1 - term(&ops::power(&beta.beside(step.dtype())?, step)?)) };
    let rate = rate_for(&rate, gradient) / one_minus(betas.0)?;
    Ok((rate.0?, one_minus(betas.1)?.rsqrt().astype(gradient.dtype()).0?))
}

/// A running mean of gradients over the root of one of their squares (Kingma and Ba, 2015): `m ← β₁ m + (1 - β₁) g`,
/// `v ← β₂ v + (1 - β₂) g²`, `w ← w - λ m / (√v · root + ε)`, where `root` comes, with the rate, from
/// [`bias_correction`], or is left out.
pub fn adam(
    gradient: &Array,
    parameter: &Array,
    (m, v): (Option<&Array>, Option<&Array>),
    rate: impl Operand,
    root: Option<impl Operand>,
    betas: (f64, f64),
    eps: f64,
) -> Result<(Array, Array, Array)> {
    let g = term(gradient);
    let m = averaged(m, betas.0, &g)?;
    let v = averaged(v, betas.1, &g.square())?;
    let mut length = term(&v).sqrt();
    if let Some(root) = root {
        length = length * root;
    }
    let step = term(&m) * rate_for(&rate, gradient) / (length + eps);
    Ok(((term(parameter) - step).0?, m, v))
}

/// The parameter times `1 - rate · weight_decay`.
pub fn decayed(gradient: &Array, parameter: &Array, rate: impl Operand, weight_decay: f64) -> Result<Array> {
    (term(parameter) * (1 - rate_for(&rate, gradient) * weight_decay)).0
}

/// [`adam`] with the largest gradient in place of the root mean square: `v ← max(β₂ v, |g|)`.
pub fn adamax(
    gradient: &Array,
    parameter: &Array,
    m: &Array,
    v: &Array,
    rate: impl Operand,
    betas: (f64, f64),
    eps: f64,
) -> Result<(Array, Array, Array)> {
    let g = term(gradient);
    let m = averaged(Some(m), betas.0, &g)?;
    let v = (term(v) * betas.1).max(g.abs()).0?;
    let step = rate_for(&rate, gradient) * &m / (term(&v) + eps);
    Ok(((term(parameter) - step).0?, m, v))
}

/// Steps of the sign of an interpolated momentum (Chen et al., 2023).
pub fn lion(
    gradient: &Array,
    parameter: &Array,
    m: &Array,
    rate: impl Operand,
    betas: (f64, f64),
    weight_decay: f64,
) -> Result<(Array, Array)> {
    let g = term(gradient);
    let direction = averaged(Some(m), betas.0, &g)?;
    let m = averaged(Some(m), betas.1, &g)?;
    let rate = rate_for(&rate, gradient);
    let mut w = term(parameter);
    if weight_decay > 0.0 {
        w = w * (1 - &rate * weight_decay);
    }
    Ok(((w - rate * term(&direction).sign()).0?, m))
}

fn rms(x: &Term) -> Term {
    x.square().mean(.., false).sqrt()
}

/// What [`adafactor`] is told beside the rate.
#[derive(Clone, Copy)]
pub struct Adafactor {
    /// Added to squared gradients, and the least size of a parameter.
    pub eps: (f64, f64),
    /// The greatest root mean square of an update.
    pub clip_threshold: f64,
    /// The second moment's decay rate is `1 - step ^ decay_rate`.
    pub decay_rate: f64,
    /// The decay rate of the first moment, if there is one.
    pub beta_1: Option<f64>,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Whether the rate is relative to the parameter's size.
    pub scale_parameter: bool,
}

/// The state of [`adafactor`]: the second moment of a vector, or its row and column means; the first moment.
#[derive(Clone, Default)]
pub struct AdafactorState {
    /// Row and column means, of two or more axes.
    pub factored: Option<(Array, Array)>,
    /// The second moment, of fewer axes.
    pub full: Option<Array>,
    /// The first moment.
    pub mean: Option<Array>,
}

/// The rate of [`adafactor`] where it is not given: `min(lowest, 1 / √step)`, with `warmup` growing from zero.
pub fn adafactor_rate(step: &Array, warmup: bool) -> Result<Array> {
    let step = term(step);
    let root = step.rsqrt();
    if warmup { (&step * 1e-6).min(root).0 } else { root.min(1e-2).0 }
}

/// Second moments of matrices kept as their row and column means, steps relative to the parameter's size (Shazeer and
/// Stern, 2018). `step` counts from 1.
///
/// # Errors
/// A state that is not one of such a parameter.
pub fn adafactor(
    gradient: &Array,
    parameter: &Array,
    mut state: AdafactorState,
    step: &Array,
    rate: impl Operand,
    how: Adafactor,
) -> Result<(Array, AdafactorState)> {
    let missing = || Error::value("adafactor", "the state does not belong to such a parameter");
    let dtype = parameter.dtype();
    let (g, w) = (term(gradient), term(parameter));
    let size = rms(&w);
    let mut rate = rate_for(&rate, parameter);
    if how.scale_parameter {
        rate = size.max(how.eps.1) * rate;
    }
    let beta = (1.0 - term(step).power(how.decay_rate)).astype(dtype);
    let blend = |old: &Array, new: Term| (&beta * old + (1 - &beta) * new).0;
    let square = g.square() + how.eps.0;
    let inverse_root = if gradient.ndim() >= 2 {
        let (row, column) = state.factored.as_ref().ok_or_else(missing)?;
        let row = blend(row, square.mean(-1, false))?;
        let column = blend(column, square.mean(-2, false))?;
        let root = Term(factored_root(&row, &column));
        state.factored = Some((row, column));
        root
    } else {
        let full = blend(state.full.as_ref().ok_or_else(missing)?, square)?;
        let root = term(&full).rsqrt();
        state.full = Some(full);
        root
    };
    let update = inverse_root * g;
    let clip = (rms(&update) / how.clip_threshold).max(1.0);
    let mut update = &rate * update / clip;
    if let Some(beta_1) = how.beta_1 {
        let mean = averaged(Some(state.mean.as_ref().ok_or_else(missing)?), beta_1, &update)?;
        update = term(&mean);
        state.mean = Some(mean);
    }
    if how.weight_decay != 0.0 {
        return Ok(((&w - &w * (rate * how.weight_decay) - update).0?, state));
    }
    Ok(((w - update).0?, state))
}

/// The inverse root of the second moments of which these are the row and column means.
pub fn factored_root(row: &Array, column: &Array) -> Result<Array> {
    let row = term(row);
    let rows = (&row / row.mean(-1, true)).rsqrt();
    (rows.expand_dims(-1) * term(column).rsqrt().expand_dims(-2)).0
}

/// Coefficients of the quintic iteration that drives singular values towards 1.
const QUINTIC: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// A matrix with the singular vectors of `x` and singular values near 1, by `steps` of Newton and Schulz.
///
/// # Errors
/// Other than two axes.
pub fn orthogonalised(x: &Array, steps: usize) -> Result<Array> {
    let [rows, columns] = *x.shape() else {
        return Err(Error::value("muon", format!("expected a matrix, got shape {:?}", x.shape())));
    };
    let tall = rows > columns;
    let x = if tall { ops::transpose(x, ..)? } else { x.clone() };
    let (a, b, c) = QUINTIC;
    let mut x = term(&x) / (term(&x).square().sum(.., false).sqrt() + 1e-7);
    for _ in 0..steps {
        let gram = x.matmul(ops::transpose(&x.0.clone()?, ..)?);
        let polynomial = &gram * b + gram.matmul(&gram) * c;
        x = &x * a + polynomial.matmul(&x);
    }
    if tall { ops::transpose(&x.0?, ..) } else { x.0 }
}

/// Momentum made orthogonal (Jordan et al., 2024), for parameters of two or more axes; plain momentum for others.
///
/// # Errors
/// As [`orthogonalised`].
pub fn muon(
    gradient: &Array,
    parameter: &Array,
    v: &Array,
    rate: impl Operand,
    how: Momentum,
    steps: usize,
) -> Result<(Array, Array)> {
    let Momentum { momentum, weight_decay, nesterov, .. } = how;
    let mut g = term(gradient);
    if weight_decay != 0.0 {
        g = g + term(parameter) * weight_decay;
    }
    let v = averaged(Some(v), momentum, &g)?;
    let step = if nesterov { g * (1.0 - momentum) + term(&v) * momentum } else { term(&v) };
    let rate = rate_for(&rate, gradient);
    let shape: Vec<isize> = gradient.shape().iter().map(|&n| n as isize).collect();
    let step = match *shape {
        [first, .., columns] if gradient.size() > 0 => {
            let rows = shape[shape.len() - 2];
            let matrix = orthogonalised(&step.reshape(&[first, -1]).0?, steps)?;
            term(&matrix).reshape(&shape) * (rows as f64 / columns as f64).max(1.0).sqrt()
        }
        _ => step,
    };
    Ok(((term(parameter) - rate * step).0?, v))
}
