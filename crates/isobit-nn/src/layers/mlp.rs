//! The gated feed-forward block.

use crate::Module;
use crate::activations::silu;
use crate::init::Keys;
use crate::layers::Linear;
use crate::quantized::MaybeQuantized;
use isobit::{Array, Dtype, Result, ops};

/// SwiGLU: `down_proj(silu(gate_proj(x)) · up_proj(x))`, named as in Llama-like weight files.
#[derive(Clone, Module)]
pub struct MLP {
    /// `width` to `hidden`, through silu.
    pub gate_proj: MaybeQuantized<Linear>,
    /// `width` to `hidden`.
    pub up_proj: MaybeQuantized<Linear>,
    /// `hidden` back to `width`.
    pub down_proj: MaybeQuantized<Linear>,
}

impl MLP {
    /// Three bias-free maps, initialised as [`Linear::new`].
    pub fn new(width: usize, hidden: usize, keys: &mut Keys) -> Result<MLP> {
        Ok(MLP {
            gate_proj: Linear::new(width, hidden, false, keys)?.into(),
            up_proj: Linear::new(width, hidden, false, keys)?.into(),
            down_proj: Linear::new(hidden, width, false, keys)?.into(),
        })
    }

    /// All zeros, to be filled by [`Module::load`].
    pub fn zeros(width: usize, hidden: usize, dtype: Dtype) -> Result<MLP> {
        Ok(MLP {
            gate_proj: Linear::zeros(width, hidden, false, dtype)?.into(),
            up_proj: Linear::zeros(width, hidden, false, dtype)?.into(),
            down_proj: Linear::zeros(hidden, width, false, dtype)?.into(),
        })
    }

    /// Applies the block to the last axis of `x`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let gate = silu(&self.gate_proj.forward(x)?)?;
        self.down_proj.forward(&ops::multiply(&gate, &self.up_proj.forward(x)?)?)
    }
}
