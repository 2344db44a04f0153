//! Rows of a table by index.

use crate::init::{self, Keys};
use crate::quantized::QuantizedLayer;
use crate::{Module, functional};
use isobit::quant::Format;
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

/// [`Embedding`] with a quantized table; parameters are named as in MLX.
#[derive(Clone, Module)]
pub struct QuantizedEmbedding {
    /// Codes, `[count, width * bits / 32]`.
    pub weight: Array,
    /// `[count, width / group_size]`.
    pub scales: Array,
    /// As the scales, in affine formats.
    pub biases: Option<Array>,
    #[module(skip)]
    format: Format,
}

impl QuantizedEmbedding {
    /// `layer` with its rows quantized.
    ///
    /// # Errors
    /// A width that groups do not divide.
    pub fn new(layer: &Embedding, format: Format) -> Result<QuantizedEmbedding> {
        let q = ops::quantize(&layer.weight, format, None)?;
        Ok(QuantizedEmbedding { weight: q.codes, scales: q.scales, biases: q.biases, format })
    }

    /// The rows at `indices`, along a new last axis, in [`QuantizedEmbedding::dtype`].
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        functional::quantized_embedding(&self.weight, &self.scales, self.biases.as_ref(), indices, self.format)
    }

    /// The table used the other way round: one score per row (tied output weights).
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        ops::quantized_matmul(x, &self.weight, &self.scales, self.biases.as_ref(), true, self.format)
    }

    /// The dtype of the rows: that of the scales, bfloat16 in formats whose scales are not floats.
    pub fn dtype(&self) -> Dtype {
        if self.scales.dtype().is_float() { self.scales.dtype() } else { Dtype::BF16 }
    }
}

impl QuantizedLayer for QuantizedEmbedding {
    fn codes(&self) -> &Array {
        &self.weight
    }

    fn format(&self) -> Format {
        self.format
    }
}
