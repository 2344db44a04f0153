//! Learning rates as functions of the step.
//!
//! Computed on the host in f64 with portable functions (`libm`), so that a run has the same rates on every machine.

pub mod traced;

use isobit::{Error, Result};
use std::f64::consts::PI;
use std::ops::{Add, Mul};
use std::sync::Arc;

/// A learning rate for every step (the first step is 0).
#[derive(Clone)]
pub struct Schedule(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl Schedule {
    /// The schedule that `f` computes.
    pub fn new(f: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule(Arc::new(f))
    }

    /// The rate at `step`.
    pub fn at(&self, step: u64) -> f64 {
        (self.0)(step)
    }
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Schedule {
        Schedule::new(move |_| rate)
    }
}

/// A number of steps in a formula: a number, or an array whose value is not known yet ([`traced`]).
trait Steps: Clone + Add<f64, Output = Self> + Mul<f64, Output = Self> {
    fn at_most(self, n: f64) -> Self;
    fn floor_div(self, n: f64) -> Self;
    fn cos(self) -> Self;
    fn as_power_of(self, base: f64) -> Self;
}

impl Steps for f64 {
    fn at_most(self, n: f64) -> f64 {
        self.min(n)
    }
    fn floor_div(self, n: f64) -> f64 {
        (self / n).floor()
    }
    fn cos(self) -> f64 {
        libm::cos(self)
    }
    fn as_power_of(self, base: f64) -> f64 {
        libm::pow(base, self)
    }
}

fn cosine<S: Steps>(step: S, init: f64, decay_steps: f64, end: f64) -> S {
    ((step.at_most(decay_steps) * (PI / decay_steps)).cos() + 1.0) * (0.5 * (init - end)) + end
}

fn linear<S: Steps>(step: S, init: f64, end: f64, steps: f64) -> S {
    step.at_most(steps) * ((end - init) / steps) + init
}

fn exponential<S: Steps>(step: S, init: f64, rate: f64) -> S {
    step.as_power_of(rate) * init
}

fn stairs<S: Steps>(step: S, init: f64, rate: f64, every: f64) -> S {
    exponential(step.floor_div(every), init, rate)
}

/// From `init` along half a cosine to `end` over `decay_steps` steps, `end` ever after.
pub fn cosine_decay(init: f64, decay_steps: u64, end: f64) -> Schedule {
    Schedule::new(move |step| cosine(step as f64, init, decay_steps.max(1) as f64, end))
}

/// From `init` in a straight line to `end` over `steps` steps, `end` ever after. The warm-up.
pub fn linear_schedule(init: f64, end: f64, steps: u64) -> Schedule {
    Schedule::new(move |step| linear(step as f64, init, end, steps.max(1) as f64))
}

/// `init · rateˢᵗᵉᵖ`.
pub fn exponential_decay(init: f64, rate: f64) -> Schedule {
    Schedule::new(move |step| exponential_decay_at(step as f64, init, rate))
}

/// [`exponential_decay`] at one step.
pub fn exponential_decay_at(step: f64, init: f64, rate: f64) -> f64 {
    exponential(step, init, rate)
}

/// `init`, multiplied by `rate` after every `every` steps.
pub fn step_decay(init: f64, rate: f64, every: u64) -> Schedule {
    Schedule::new(move |step| step_decay_at(step as f64, init, rate, every.max(1) as f64))
}

/// [`step_decay`] at one step.
pub fn step_decay_at(step: f64, init: f64, rate: f64, every: f64) -> f64 {
    stairs(step, init, rate, every)
}

/// One schedule after another; each counts its steps from the boundary at which it begins.
///
/// # Errors
/// No schedule; a number of boundaries other than one less than the schedules; boundaries that do not ascend.
pub fn join_schedules(schedules: Vec<Schedule>, boundaries: Vec<u64>) -> Result<Schedule> {
    if schedules.is_empty() || boundaries.len() + 1 != schedules.len() {
        return Err(Error::value(
            "join_schedules",
            format!("expected one boundary less than schedules, got {} and {}", boundaries.len(), schedules.len()),
        ));
    }
    if boundaries.windows(2).any(|w| w[0] >= w[1]) {
        return Err(Error::value("join_schedules", format!("expected ascending boundaries, got {boundaries:?}")));
    }
    Ok(Schedule::new(move |step| {
        let i = boundaries.partition_point(|&b| b <= step);
        let begin = if i == 0 { 0 } else { boundaries[i - 1] };
        schedules[i].at(step - begin)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_then_cosine() {
        let s = join_schedules(vec![linear_schedule(0.0, 1.0, 10), cosine_decay(1.0, 100, 0.1)], vec![10]).unwrap();
        let want = [(0, 0.0), (5, 0.5), (10, 1.0), (60, 0.55), (110, 0.1), (1000, 0.1)];
        for (step, rate) in want {
            assert!((s.at(step) - rate).abs() < 1e-12, "{step}: {} {rate}", s.at(step));
        }
        assert!((exponential_decay(2.0, 0.5).at(3) - 0.25).abs() < 1e-12);
        assert!((step_decay(1.0, 0.5, 10).at(25) - 0.25).abs() < 1e-12);
        assert_eq!(Schedule::from(0.25).at(7), 0.25);
    }

    #[test]
    fn joining_checks_its_arguments() {
        let s = || Schedule::from(1.0);
        assert!(join_schedules(vec![], vec![]).is_err());
        assert!(join_schedules(vec![s(), s()], vec![]).is_err());
        assert!(join_schedules(vec![s(), s(), s()], vec![5, 5]).is_err());
    }
}
