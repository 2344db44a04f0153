//! Random zeros.

use crate::Module;
use crate::activations::times;
use isobit::{Array, Error, Result, ops, random};

/// Sets each element to zero with probability `p` and scales the others by `1 / (1 − p)`.
#[derive(Clone, Module)]
pub struct Dropout {
    p: f32,
}

impl Dropout {
    /// # Errors
    /// A probability outside `[0, 1)`.
    pub fn new(p: f32) -> Result<Dropout> {
        if !(0.0..1.0).contains(&p) {
            return Err(Error::value("dropout", format!("expected a probability in [0, 1), got {p}")));
        }
        Ok(Dropout { p })
    }

    /// With a key: training. Without one: evaluation, which returns `x`. The layer keeps no random state, so the same
    /// key drops the same elements.
    pub fn forward(&self, x: &Array, key: Option<&Array>) -> Result<Array> {
        let Some(key) = key.filter(|_| self.p > 0.0) else { return Ok(x.clone()) };
        let keep = random::bernoulli(1.0 - self.p, x.shape(), Some(key))?;
        let scaled = times(x, 1.0 / (1.0 - f64::from(self.p)))?;
        ops::where_(&keep, &scaled, &Array::scalar(0.0, x.dtype()))
    }
}
