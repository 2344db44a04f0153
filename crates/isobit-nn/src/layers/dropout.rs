//! Random zeros.

use crate::{Module, functional};
use isobit::{Array, Error, Result};

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
        match key {
            Some(key) => functional::dropout(x, f64::from(self.p), 0, Some(key)),
            None => Ok(x.clone()),
        }
    }
}
