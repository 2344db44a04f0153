//! Update rules of optimizers, and schedules. A parameter's state goes in and comes out as arrays.

use crate::args::{ArrayLike, Tree, optional};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use crate::ops::{docstring, functions};
use isobit::Array;
use isobit_nn::optimizers::rules::{self, AdafactorState, Momentum};
use isobit_nn::schedulers::{self, traced};
use pyo3::prelude::*;

functions! {
    sgd rmsprop adagrad adadelta bias_correction adam decayed adamax lion adafactor_rate adafactor factored_root muon clip_grad_norm
    exponential_decay step_decay cosine_decay linear_schedule
}

type Two = Res<(PyArray, PyArray)>;
type Three = Res<(PyArray, PyArray, PyArray)>;
type Betas = [f64; 2];

fn two(r: isobit::Result<(Array, Array)>) -> Two {
    let (a, b) = r?;
    Ok((a.into(), b.into()))
}

fn three(r: isobit::Result<(Array, Array, Array)>) -> Three {
    let (a, b, c) = r?;
    Ok((a.into(), b.into(), c.into()))
}

#[doc = docstring!("nn_sgd")]
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn sgd(
    gradient: ArrayLike,
    parameter: ArrayLike,
    v: ArrayLike,
    rate: ArrayLike,
    momentum: f64,
    weight_decay: f64,
    dampening: f64,
    nesterov: bool,
) -> Res<(PyArray, Option<PyArray>)> {
    let how = Momentum { momentum, weight_decay, dampening, nesterov };
    let (new, v) = rules::sgd(&gradient.array(), &parameter.array(), Some(&v.array()), rate, how)?;
    Ok((new.into(), v.map(PyArray::from)))
}

#[doc = docstring!("nn_rmsprop")]
#[pyfunction]
fn rmsprop(gradient: ArrayLike, parameter: ArrayLike, v: ArrayLike, rate: ArrayLike, alpha: f64, eps: f64) -> Two {
    two(rules::rmsprop(&gradient.array(), &parameter.array(), Some(&v.array()), rate, alpha, eps))
}

#[doc = docstring!("nn_adagrad")]
#[pyfunction]
fn adagrad(gradient: ArrayLike, parameter: ArrayLike, v: ArrayLike, rate: ArrayLike, eps: f64) -> Two {
    two(rules::adagrad(&gradient.array(), &parameter.array(), Some(&v.array()), rate, eps))
}

#[doc = docstring!("nn_adadelta")]
#[pyfunction]
fn adadelta(
    gradient: ArrayLike,
    parameter: ArrayLike,
    v: ArrayLike,
    u: ArrayLike,
    rate: ArrayLike,
    rho: f64,
    eps: f64,
) -> Three {
    three(rules::adadelta(&gradient.array(), &parameter.array(), &v.array(), &u.array(), rate, rho, eps))
}

#[doc = docstring!("nn_bias_correction")]
#[pyfunction]
fn bias_correction(gradient: ArrayLike, rate: ArrayLike, step: ArrayLike, betas: Betas) -> Two {
    two(rules::bias_correction(&gradient.array(), rate, &step.array(), betas.into()))
}

#[doc = docstring!("nn_adam")]
#[pyfunction]
#[pyo3(signature = (gradient, parameter, m, v, rate, root, betas, eps))]
#[allow(clippy::too_many_arguments)]
fn adam(
    gradient: ArrayLike,
    parameter: ArrayLike,
    m: ArrayLike,
    v: ArrayLike,
    rate: ArrayLike,
    root: Option<ArrayLike>,
    betas: Betas,
    eps: f64,
) -> Three {
    let (gradient, parameter, m, v) = (gradient.array(), parameter.array(), m.array(), v.array());
    three(rules::adam(&gradient, &parameter, (Some(&m), Some(&v)), rate, root, betas.into(), eps))
}

#[doc = docstring!("nn_decayed")]
#[pyfunction]
fn decayed(gradient: ArrayLike, parameter: ArrayLike, rate: ArrayLike, weight_decay: f64) -> Out {
    out(rules::decayed(&gradient.array(), &parameter.array(), rate, weight_decay))
}

#[doc = docstring!("nn_adamax")]
#[pyfunction]
fn adamax(
    gradient: ArrayLike,
    parameter: ArrayLike,
    m: ArrayLike,
    v: ArrayLike,
    rate: ArrayLike,
    betas: Betas,
    eps: f64,
) -> Three {
    three(rules::adamax(&gradient.array(), &parameter.array(), &m.array(), &v.array(), rate, betas.into(), eps))
}

#[doc = docstring!("nn_lion")]
#[pyfunction]
fn lion(
    gradient: ArrayLike,
    parameter: ArrayLike,
    m: ArrayLike,
    rate: ArrayLike,
    betas: Betas,
    weight_decay: f64,
) -> Two {
    two(rules::lion(&gradient.array(), &parameter.array(), &m.array(), rate, betas.into(), weight_decay))
}

#[doc = docstring!("nn_adafactor_rate")]
#[pyfunction]
fn adafactor_rate(step: ArrayLike, warmup: bool) -> Out {
    out(rules::adafactor_rate(&step.array(), warmup))
}

/// What Adafactor keeps of a parameter: row and column means or the whole second moment, and the first moment.
type Kept = (Option<PyArray>, Option<PyArray>, Option<PyArray>, Option<PyArray>);

#[doc = docstring!("nn_adafactor")]
#[pyfunction]
#[pyo3(signature = (
    gradient, parameter, state, step, rate, eps, clip_threshold, decay_rate, beta_1, weight_decay, scale_parameter
))]
#[allow(clippy::too_many_arguments)]
fn adafactor(
    gradient: ArrayLike,
    parameter: ArrayLike,
    state: [Option<ArrayLike>; 4],
    step: ArrayLike,
    rate: ArrayLike,
    eps: Betas,
    clip_threshold: f64,
    decay_rate: f64,
    beta_1: Option<f64>,
    weight_decay: f64,
    scale_parameter: bool,
) -> Res<(PyArray, Kept)> {
    let [row, column, full, mean] = state.map(optional);
    let before = AdafactorState { factored: row.zip(column), full, mean };
    let how = rules::Adafactor { eps: eps.into(), clip_threshold, decay_rate, beta_1, weight_decay, scale_parameter };
    let (gradient, parameter, step) = (gradient.array(), parameter.array(), step.array());
    let (new, after) = rules::adafactor(&gradient, &parameter, before, &step, rate, how)?;
    let (row, column) = after.factored.unzip();
    let [row, column, full, mean] = [row, column, after.full, after.mean].map(|a| a.map(PyArray::from));
    Ok((new.into(), (row, column, full, mean)))
}

#[doc = docstring!("nn_factored_root")]
#[pyfunction]
fn factored_root(row: ArrayLike, column: ArrayLike) -> Out {
    out(rules::factored_root(&row.array(), &column.array()))
}

#[doc = docstring!("nn_muon")]
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn muon(
    gradient: ArrayLike,
    parameter: ArrayLike,
    v: ArrayLike,
    rate: ArrayLike,
    momentum: f64,
    weight_decay: f64,
    nesterov: bool,
    steps: usize,
) -> Two {
    let how = Momentum { momentum, weight_decay, dampening: 0.0, nesterov };
    two(rules::muon(&gradient.array(), &parameter.array(), &v.array(), rate, how, steps))
}

#[doc = docstring!("nn_clip_grad_norm")]
#[pyfunction]
fn clip_grad_norm<'py>(grads: &Bound<'py, PyAny>, max_norm: f64) -> Res<(Bound<'py, PyAny>, PyArray)> {
    let mut arrays = Vec::new();
    let tree = Tree::flatten(grads, &mut arrays)?;
    let (clipped, norm) = isobit_nn::optimizers::clip_norm(&arrays, max_norm)?;
    Ok((tree.build(grads.py(), &mut clipped.into_iter())?, norm.into()))
}

/// A rate: a number for a number of steps, an array for an array of it.
#[derive(IntoPyObject)]
enum Rate {
    Number(f64),
    Array(PyArray),
}

#[doc = docstring!("nn_exponential_decay")]
#[pyfunction]
fn exponential_decay(step: ArrayLike, init: f64, decay_rate: f64) -> Res<Rate> {
    Ok(match step.number() {
        Some(n) => Rate::Number(schedulers::exponential_decay_at(n.to_f64(), init, decay_rate)),
        None => Rate::Array(traced::exponential_decay(&step.array(), init, decay_rate)?.into()),
    })
}

#[doc = docstring!("nn_step_decay")]
#[pyfunction]
fn step_decay(step: ArrayLike, init: f64, decay_rate: f64, step_size: f64) -> Res<Rate> {
    Ok(match step.number() {
        Some(n) => Rate::Number(schedulers::step_decay_at(n.to_f64(), init, decay_rate, step_size)),
        None => Rate::Array(traced::step_decay(&step.array(), init, decay_rate, step_size)?.into()),
    })
}

#[doc = docstring!("nn_cosine_decay")]
#[pyfunction]
fn cosine_decay(step: ArrayLike, init: f64, decay_steps: f64, end: f64) -> Out {
    out(traced::cosine_decay(&step.array(), init, decay_steps, end))
}

#[doc = docstring!("nn_linear_schedule")]
#[pyfunction]
fn linear_schedule(step: ArrayLike, init: f64, end: f64, steps: f64) -> Out {
    out(traced::linear_schedule(&step.array(), init, end, steps))
}
