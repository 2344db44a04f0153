//! Rows of a table by index.

use crate::init::{self, Keys};
use crate::quantized::{QuantizeLayer, QuantizedOf};
use crate::{Module, functional};
use isobit::{Array, Dtype, Result, ops};

/// A table of vectors, `[count, width]`.
#[derive(Clone, Module)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Array,
}

impl Embedding {
    /// Normal with variance 1/width.
    pub fn new(count: usize, width: usize, keys: &mut Keys) -> Result<Embedding> {
        let std = 1.0 / (width.max(1) as f64).sqrt();
        Ok(Embedding { weight: init::normal(&[count, width], 0.0, std, Dtype::F32, &keys.next()?)? })
    }

    /// All zeros, to be filled by [`Module::load`]; takes no memory until then.
    pub fn zeros(count: usize, width: usize, dtype: Dtype) -> Result<Embedding> {
        Ok(Embedding { weight: ops::zeros(&[count, width], dtype)? })
    }

    /// The rows at `indices`, along a new last axis.
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        functional::embedding(&self.weight, indices)
    }

    /// The table used the other way round: one score per row (tied output weights).
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        ops::matmul(x, &ops::swapaxes(&self.weight, 0, 1)?)
    }
}

/// [`Embedding`] with a quantized table.
pub type QuantizedEmbedding = QuantizedOf<Embedding>;

impl QuantizeLayer for Embedding {
    fn matrix(&self) -> &Array {
        &self.weight
    }
}

impl QuantizedEmbedding {
    /// The rows at `indices`, along a new last axis, in [`QuantizedEmbedding::dtype`].
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        functional::quantized_embedding(&self.matrix(), indices)
    }

    /// The table used the other way round: one score per row (tied output weights).
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        self.matrix().matmul(x)
    }

    /// The dtype of the rows: that of the scales, bfloat16 in formats whose scales are not floats.
    pub fn dtype(&self) -> Dtype {
        if self.scales.dtype().is_float() { self.scales.dtype() } else { Dtype::BF16 }
    }
}
