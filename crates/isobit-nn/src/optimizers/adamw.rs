//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

use super::{Optimizer, apply_rule, expect_empty, put_slot, put_step, rules, take_slot, take_step};
use crate::module::{Module, Params};
use crate::schedulers::Schedule;
use isobit::{Array, Error, Result};

/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w (1 − λ·decay) − λ m / (√v + ε)`.
///
/// `decay` applies to every parameter that has a gradient, as in MLX, unless [`AdamW::with_decay_for`] says otherwise.
/// With [`AdamW::with_bias_correction`], `m` and `v` are divided by `1 − βᵗ` first (off by default, as in MLX).
pub struct AdamW {
    rate: Schedule,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decays: Box<dyn Fn(&str, &Array) -> bool + Send + Sync>,
    bias_correction: bool,
    step: u64,
    m: Params,
    v: Params,
}

impl AdamW {
    /// Betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01, no bias correction.
    pub fn new(learning_rate: impl Into<Schedule>) -> AdamW {
        AdamW {
            rate: learning_rate.into(),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.01,
            decays: Box::new(|_, _| true),
            bias_correction: false,
            step: 0,
            m: Params::new(),
            v: Params::new(),
        }
    }

    /// With other decay rates of the moments.
    ///
    /// # Errors
    /// A rate outside `[0, 1)`.
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Result<AdamW> {
        if !(0.0..1.0).contains(&beta1) || !(0.0..1.0).contains(&beta2) {
            return Err(Error::value("adamw", format!("expected betas in [0, 1), got {beta1} and {beta2}")));
        }
        self.betas = (beta1, beta2);
        Ok(self)
    }

    /// With another epsilon.
    pub fn with_eps(mut self, eps: f64) -> AdamW {
        self.eps = eps;
        self
    }

    /// With another weight decay.
    pub fn with_weight_decay(mut self, weight_decay: f64) -> AdamW {
        self.weight_decay = weight_decay;
        self
    }

    /// With weight decay for those parameters alone for which `decays(name, parameter)` is true. Common practice is
    /// `|_, a| a.ndim() >= 2`: matrices and embedding tables decay, factors of norms and biases do not.
    pub fn with_decay_for(mut self, decays: impl Fn(&str, &Array) -> bool + Send + Sync + 'static) -> AdamW {
        self.decays = Box::new(decays);
        self
    }

    /// With the correction of the moments' start at zero.
    pub fn with_bias_correction(mut self) -> AdamW {
        self.bias_correction = true;
        self
    }
}

impl Optimizer for AdamW {
    fn update(&mut self, model: &mut impl Module, grads: &Params) -> Result<()> {
        let rate = self.rate.at(self.step);
        let t = (self.step + 1) as f64;
        let AdamW { betas, eps, weight_decay, bias_correction, ref decays, ref mut m, ref mut v, .. } = *self;
        // Factors of m and of the root of v.
        let (factor, root) = match bias_correction {
            true => (rate / (1.0 - libm::pow(betas.0, t)), Some(1.0 / (1.0 - libm::pow(betas.1, t)).sqrt())),
            false => (rate, None),
        };
        apply_rule("adamw", model, grads, |name, p, g| {
            let decayed = match weight_decay != 0.0 && decays(name, p) {
                true => rules::decayed(g, p, rate, weight_decay)?,
                false => p.clone(),
            };
            let moments = (m.get(name), v.get(name));
            let (new, m_new, v_new) = rules::adam(g, &decayed, moments, factor, root, betas, eps)?;
            m.insert(name.to_owned(), m_new);
            v.insert(name.to_owned(), v_new);
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
        put_slot(&mut state, "m", &self.m);
        put_slot(&mut state, "v", &self.v);
        state
    }

    fn load_state(&mut self, mut state: Params) -> Result<()> {
        let step = take_step("adamw", &mut state)?;
        let m = take_slot("adamw", &mut state, "m")?;
        let v = take_slot("adamw", &mut state, "v")?;
        expect_empty("adamw", &state)?;
        if !m.keys().eq(v.keys()) {
            return Err(Error::value("adamw", "the first and second moments belong to different parameters"));
        }
        (self.step, self.m, self.v) = (step, m, v);
        Ok(())
    }
}
