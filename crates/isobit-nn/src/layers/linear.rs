//! The affine map.

use crate::init::{self, Keys};
use crate::quantized::QuantizedLayer;
use crate::{Module, functional};
use isobit::quant::Format;
use isobit::{Array, Dtype, Result, ops};

/// `x @ weight.T + bias`, with `weight` of shape `[outputs, inputs]`.
#[derive(Clone, Module)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Array,
    /// `[outputs]`.
    pub bias: Option<Array>,
}

impl Linear {
    /// Uniform in ±1/√inputs, as MLX and PyTorch.
    pub fn new(inputs: usize, outputs: usize, bias: bool, keys: &mut Keys) -> Result<Linear> {
        let weight = init::within(&[outputs, inputs], inputs, Dtype::F32, &keys.next()?)?;
        let bias = match bias {
            true => Some(init::within(&[outputs], inputs, Dtype::F32, &keys.next()?)?),
            false => None,
        };
        Ok(Linear { weight, bias })
    }

    /// All zeros, to be filled by [`Module::load`]; takes no memory until then.
    pub fn zeros(inputs: usize, outputs: usize, bias: bool, dtype: Dtype) -> Result<Linear> {
        let bias = if bias { Some(ops::zeros(&[outputs], dtype)?) } else { None };
        Ok(Linear { weight: ops::zeros(&[outputs, inputs], dtype)?, bias })
    }

    /// Applies the map to the last axis of `x`.
    ///
    /// # Errors
    /// A last axis of another size than `inputs`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        functional::linear(x, &self.weight, self.bias.as_ref())
    }
}

/// [`Linear`] with a quantized weight; parameters are named as in MLX.
#[derive(Clone, Module)]
pub struct QuantizedLinear {
    /// Codes, `[outputs, inputs * bits / 32]`.
    pub weight: Array,
    /// `[outputs, inputs / group_size]`.
    pub scales: Array,
    /// As the scales, in affine formats.
    pub biases: Option<Array>,
    /// `[outputs]`.
    pub bias: Option<Array>,
    #[module(skip)]
    format: Format,
}

impl QuantizedLinear {
    /// `layer` with its weight quantized along the inputs.
    ///
    /// # Errors
    /// Inputs that groups do not divide.
    pub fn new(layer: &Linear, format: Format) -> Result<QuantizedLinear> {
        let q = ops::quantize(&layer.weight, format, None)?;
        Ok(QuantizedLinear { weight: q.codes, scales: q.scales, biases: q.biases, bias: layer.bias.clone(), format })
    }

    /// Applies the map to the last axis of `x`.
    ///
    /// # Errors
    /// A last axis of another size than `inputs`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let biases = self.biases.as_ref();
        functional::quantized_linear(x, &self.weight, &self.scales, biases, self.bias.as_ref(), self.format)
    }
}

impl QuantizedLayer for QuantizedLinear {
    fn codes(&self) -> &Array {
        &self.weight
    }

    fn format(&self) -> Format {
        self.format
    }
}
