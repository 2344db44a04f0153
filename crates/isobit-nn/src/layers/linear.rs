//! The affine map.

use crate::Module;
use crate::init::{self, Keys};
use isobit::{Array, Dtype, Error, Result, ops};

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
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        let weight = init::uniform(&[outputs, inputs], -bound, bound, Dtype::F32, &keys.next()?)?;
        let bias = match bias {
            true => Some(init::uniform(&[outputs], -bound, bound, Dtype::F32, &keys.next()?)?),
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
        let [_, inputs] = *self.weight.shape() else {
            return Err(Error::value("linear", format!("expected a matrix, got weight {:?}", self.weight.shape())));
        };
        if x.shape().last() != Some(&inputs) {
            return Err(Error::value("linear", format!("expected a last axis of {inputs}, got {:?}", x.shape())));
        }
        let w = ops::swapaxes(&self.weight, 0, 1)?;
        match &self.bias {
            Some(b) => ops::addmm(b, x, &w, 1.0, 1.0),
            None => ops::matmul(x, &w),
        }
    }
}
