//! Normalisation over the last axis.

use crate::Module;
use isobit::{Array, Dtype, Result, fast, ops};

/// `x / √(mean(x²) + eps) · weight`.
#[derive(Clone, Module)]
pub struct RMSNorm {
    /// One factor per element of the last axis.
    pub weight: Array,
    /// Added to the mean square.
    pub eps: f32,
}

impl RMSNorm {
    /// Factors of one.
    pub fn new(width: usize, eps: f32, dtype: Dtype) -> Result<RMSNorm> {
        Ok(RMSNorm { weight: ops::ones(&[width], dtype)?, eps })
    }

    /// Normalises the last axis of `x`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        fast::rms_norm(x, Some(&self.weight), self.eps)
    }
}

/// `(x − mean) / √(var + eps) · weight + bias`.
#[derive(Clone, Module)]
pub struct LayerNorm {
    /// One factor per element of the last axis.
    pub weight: Option<Array>,
    /// One term per element of the last axis.
    pub bias: Option<Array>,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    /// Factors of one and, with `bias`, terms of zero.
    pub fn new(width: usize, eps: f32, bias: bool, dtype: Dtype) -> Result<LayerNorm> {
        let bias = if bias { Some(ops::zeros(&[width], dtype)?) } else { None };
        Ok(LayerNorm { weight: Some(ops::ones(&[width], dtype)?), bias, eps })
    }

    /// Normalises the last axis of `x`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        fast::layer_norm(x, self.weight.as_ref(), self.bias.as_ref(), self.eps)
    }
}
