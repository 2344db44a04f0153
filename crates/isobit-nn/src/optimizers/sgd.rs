//! Stochastic gradient descent.

use super::rules::{self, Momentum};
use super::{Optimizer, apply_rule, expect_empty, put_slot, put_step, take_slot, take_step};
use crate::module::{Module, Params};
use crate::schedulers::Schedule;
use isobit::{Error, Result};

/// `v ← μ v + (1 − τ) g`, `w ← w − λ v` (with Nesterov momentum `w ← w − λ (g + μ v)`), where `g` includes
/// `weight_decay · w`.
pub struct SGD {
    rate: Schedule,
    momentum: f64,
    weight_decay: f64,
    dampening: f64,
    nesterov: bool,
    step: u64,
    velocity: Params,
}

impl SGD {
    /// Plain gradient descent.
    pub fn new(learning_rate: impl Into<Schedule>) -> SGD {
        SGD {
            rate: learning_rate.into(),
            momentum: 0.0,
            weight_decay: 0.0,
            dampening: 0.0,
            nesterov: false,
            step: 0,
            velocity: Params::new(),
        }
    }

    /// With momentum; `dampening` is the share of a gradient that does not enter the velocity.
    pub fn with_momentum(mut self, momentum: f64, dampening: f64) -> SGD {
        (self.momentum, self.dampening) = (momentum, dampening);
        self
    }

    /// With Nesterov's look-ahead.
    ///
    /// # Errors
    /// No momentum, or dampening.
    pub fn with_nesterov(mut self) -> Result<SGD> {
        if self.momentum <= 0.0 || self.dampening != 0.0 {
            return Err(Error::value("sgd", "Nesterov momentum requires a momentum and zero dampening"));
        }
        self.nesterov = true;
        Ok(self)
    }

    /// With an L2 penalty of the weights.
    pub fn with_weight_decay(mut self, weight_decay: f64) -> SGD {
        self.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for SGD {
    fn update(&mut self, model: &mut impl Module, grads: &Params) -> Result<()> {
        let rate = self.rate.at(self.step);
        let SGD { momentum, weight_decay, dampening, nesterov, ref mut velocity, .. } = *self;
        let how = Momentum { momentum, weight_decay, dampening, nesterov };
        apply_rule("sgd", model, grads, |name, p, g| {
            let (new, v) = rules::sgd(g, p, velocity.get(name), rate, how)?;
            if let Some(v) = v {
                velocity.insert(name.to_owned(), v);
            }
            Ok(new)
        })?;
        self.step += 1;
        Ok(())
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn learning_rate(&self) -> f64 {
        self.rate.at(self.step)
    }

    fn state(&self) -> Params {
        let mut state = Params::new();
        put_step(&mut state, self.step);
        put_slot(&mut state, "v", &self.velocity);
        state
    }

    fn load_state(&mut self, mut state: Params) -> Result<()> {
        let step = take_step("sgd", &mut state)?;
        let velocity = take_slot("sgd", &mut state, "v")?;
        expect_empty("sgd", &state)?;
        (self.step, self.velocity) = (step, velocity);
        Ok(())
    }
}
