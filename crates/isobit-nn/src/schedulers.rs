//! Learning rates as functions of the step.
//!
//! Computed on the host in f64 with portable functions (`libm`), so that a run has the same rates on every machine.

use isobit::{Error, Result};
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

/// From `init` along half a cosine to `end` over `decay_steps` steps, `end` ever after.
pub fn cosine_decay(init: f64, decay_steps: u64, end: f64) -> Schedule {
    Schedule::new(move |step| {
        let part = step.min(decay_steps) as f64 / decay_steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * part));
        end + cosine * (init - end)
    })
}

/// From `init` in a straight line to `end` over `steps` steps, `end` ever after. The warm-up.
pub fn linear_schedule(init: f64, end: f64, steps: u64) -> Schedule {
    Schedule::new(move |step| init + step.min(steps) as f64 * ((end - init) / steps.max(1) as f64))
}

/// `init · rateˢᵗᵉᵖ`.
pub fn exponential_decay(init: f64, rate: f64) -> Schedule {
    Schedule::new(move |step| init * libm::pow(rate, step as f64))
}

/// `init`, multiplied by `rate` after every `every` steps.
pub fn step_decay(init: f64, rate: f64, every: u64) -> Schedule {
    Schedule::new(move |step| init * libm::pow(rate, (step / every.max(1)) as f64))
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
