//! Learning rates of a number of steps that is an array: computed in float32, when a value is needed.

use super::{Steps, cosine, exponential, linear, stairs};
use crate::term::{Operand, Term, term};
use isobit::{Array, Result, ops};

impl Steps for Term {
    fn at_most(self, n: f64) -> Term {
        self.min(n)
    }
    fn floor_div(self, n: f64) -> Term {
        Term(self.0.and_then(|step| ops::floor_divide(&step, &n.beside(step.dtype())?)))
    }
    fn cos(self) -> Term {
        Term::cos(&self)
    }
    fn as_power_of(self, base: f64) -> Term {
        Term(self.0.and_then(|step| ops::power(&base.beside(step.dtype())?, &step)))
    }
}

/// [`cosine_decay`](super::cosine_decay).
pub fn cosine_decay(step: &Array, init: f64, decay_steps: f64, end: f64) -> Result<Array> {
    cosine(term(step), init, decay_steps, end).0
}

/// [`linear_schedule`](super::linear_schedule).
pub fn linear_schedule(step: &Array, init: f64, end: f64, steps: f64) -> Result<Array> {
    linear(term(step), init, end, steps).0
}

/// [`exponential_decay`](super::exponential_decay).
pub fn exponential_decay(step: &Array, init: f64, rate: f64) -> Result<Array> {
    exponential(term(step), init, rate).0
}

/// [`step_decay`](super::step_decay).
pub fn step_decay(step: &Array, init: f64, rate: f64, every: f64) -> Result<Array> {
    stairs(term(step), init, rate, every).0
}
