//! The affine map.

use crate::init::{self, Keys};
use crate::quantized::{QuantizeLayer, QuantizedOf};
use crate::{Module, functional};
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

/// [`Linear`] with a quantized weight.
pub type QuantizedLinear = QuantizedOf<Linear>;

impl QuantizeLayer for Linear {
    fn matrix(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        self.bias.as_ref()
    }
}

impl QuantizedLinear {
    /// Applies the map to the last axis of `x`.
    ///
    /// # Errors
    /// A last axis of another size than `inputs`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        functional::quantized_linear(x, &self.matrix(), self.bias.as_ref())
    }
}
