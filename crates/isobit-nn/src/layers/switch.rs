//! Mixtures of experts: maps that are chosen by index, and the feed-forward block made of them.

use crate::activations::silu;
use crate::init::{self, Keys};
use crate::layers::Linear;
use crate::quantized::{MaybeQuantized, QuantizeLayer, QuantizedOf};
use crate::{Module, functional};
use isobit::{Array, Dtype, Error, Result, ops};

/// One affine map per expert, with `weight` of shape `[experts, outputs, inputs]`.
#[derive(Clone, Module)]
pub struct SwitchLinear {
    /// `[experts, outputs, inputs]`.
    pub weight: Array,
    /// `[experts, outputs]`.
    pub bias: Option<Array>,
}

impl SwitchLinear {
    /// Uniform in ±1/√inputs, without biases.
    pub fn new(experts: usize, inputs: usize, outputs: usize, keys: &mut Keys) -> Result<SwitchLinear> {
        let weight = init::within(&[experts, outputs, inputs], inputs, Dtype::F32, &keys.next()?)?;
        Ok(SwitchLinear { weight, bias: None })
    }

    /// All zeros, without biases, to be filled by [`Module::load`]; takes no memory until then.
    pub fn zeros(experts: usize, inputs: usize, outputs: usize, dtype: Dtype) -> Result<SwitchLinear> {
        Ok(SwitchLinear { weight: ops::zeros(&[experts, outputs, inputs], dtype)?, bias: None })
    }

    /// The maps of `experts` `[..., k]` on the rows of `x`, see [`functional::switch_linear`].
    ///
    /// # Errors
    /// Shapes that do not fit one another.
    pub fn forward(&self, x: &Array, experts: &Array) -> Result<Array> {
        functional::switch_linear(x, &self.weight, self.bias.as_ref(), experts)
    }
}

/// [`SwitchLinear`] with quantized weights.
pub type QuantizedSwitchLinear = QuantizedOf<SwitchLinear>;

impl QuantizeLayer for SwitchLinear {
    fn matrix(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        self.bias.as_ref()
    }
}

impl QuantizedSwitchLinear {
    /// As [`SwitchLinear::forward`].
    ///
    /// # Errors
    /// Shapes that do not fit one another.
    pub fn forward(&self, x: &Array, experts: &Array) -> Result<Array> {
        functional::quantized_switch_linear(x, &self.matrix(), self.bias.as_ref(), experts)
    }
}

/// [`MLP`](crate::MLP) with one set of weights per expert, named as in MLX.
#[derive(Clone, Module)]
pub struct SwitchGLU {
    /// `width` to `hidden`, through silu.
    pub gate_proj: MaybeQuantized<SwitchLinear>,
    /// `width` to `hidden`.
    pub up_proj: MaybeQuantized<SwitchLinear>,
    /// `hidden` back to `width`.
    pub down_proj: MaybeQuantized<SwitchLinear>,
}

impl SwitchGLU {
    fn with(
        width: usize,
        hidden: usize,
        mut linear: impl FnMut(usize, usize) -> Result<SwitchLinear>,
    ) -> Result<SwitchGLU> {
        Ok(SwitchGLU {
            gate_proj: linear(width, hidden)?.into(),
            up_proj: linear(width, hidden)?.into(),
            down_proj: linear(hidden, width)?.into(),
        })
    }

    /// `[..., k, width]`: what each of the `experts` `[..., k]` makes of its row of `x` `[..., width]`.
    ///
    /// # Errors
    /// Shapes that do not fit one another.
    pub fn forward(&self, x: &Array, experts: &Array) -> Result<Array> {
        let gate = silu(&self.gate_proj.forward(x, experts)?)?;
        self.down_proj.forward(&ops::multiply(&gate, &self.up_proj.forward(x, experts)?)?, experts)
    }
}

/// The numbers that fix a [`SparseMoe`] block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoeShape {
    /// Width of the input and output.
    pub width: usize,
    /// Width inside each expert.
    pub hidden: usize,
    /// Experts.
    pub experts: usize,
    /// Experts that a row goes to.
    pub chosen: usize,
    /// Whether the weights of a row's experts are scaled to add up to one.
    pub normalize: bool,
}

/// Each row goes to the experts that a router scores highest, and their results are added with the scores as weights.
///
/// The router's scores are a softmax over all experts in float32. Of equal scores the lower expert wins, and experts are
/// added from the highest score to the lowest: a row's result is a function of that row.
#[derive(Clone, Module)]
pub struct SparseMoe {
    /// The router, `width` to one score per expert.
    pub gate: MaybeQuantized<Linear>,
    /// The experts.
    pub switch_mlp: SwitchGLU,
    #[module(skip)]
    shape: MoeShape,
}

impl SparseMoe {
    /// Random weights, initialised as [`Linear::new`].
    ///
    /// # Errors
    /// No expert chosen, or more than there are.
    pub fn new(shape: MoeShape, keys: &mut Keys) -> Result<SparseMoe> {
        let gate = Linear::new(shape.width, shape.experts, false, keys)?;
        SparseMoe::with(shape, gate, |i, o| SwitchLinear::new(shape.experts, i, o, keys))
    }

    /// All zeros, to be filled by [`Module::load`].
    ///
    /// # Errors
    /// As [`SparseMoe::new`].
    pub fn zeros(shape: MoeShape, dtype: Dtype) -> Result<SparseMoe> {
        let gate = Linear::zeros(shape.width, shape.experts, false, dtype)?;
        SparseMoe::with(shape, gate, |i, o| SwitchLinear::zeros(shape.experts, i, o, dtype))
    }

    fn with(
        shape: MoeShape,
        gate: Linear,
        linear: impl FnMut(usize, usize) -> Result<SwitchLinear>,
    ) -> Result<SparseMoe> {
        if shape.chosen == 0 || shape.chosen > shape.experts {
            return Err(Error::value(
                "sparse_moe",
                format!("expected 1 to {} experts per row, got {}", shape.experts, shape.chosen),
            ));
        }
        let switch_mlp = SwitchGLU::with(shape.width, shape.hidden, linear)?;
        Ok(SparseMoe { gate: gate.into(), switch_mlp, shape })
    }

    /// The experts of every row, best first, `[..., chosen]`, and their weights in float32.
    ///
    /// # Errors
    /// A last axis of another size than the width.
    pub fn route(&self, x: &Array) -> Result<(Array, Array)> {
        let scores = ops::softmax(&ops::astype(&self.gate.forward(x)?, Dtype::F32)?, -1isize, true)?;
        let order = ops::argsort(&ops::negative(&scores)?, -1)?;
        let mut stop: Vec<isize> = order.shape().iter().map(|&n| n as isize).collect();
        stop[order.ndim() - 1] = self.shape.chosen as isize;
        let experts = ops::slice(&order, &vec![0; stop.len()], &stop, &vec![1; stop.len()])?;
        let mut weights = ops::take_along_axis(&scores, &experts, -1)?;
        if self.shape.normalize {
            weights = ops::divide(&weights, &ops::sum(&weights, -1isize, true)?)?;
        }
        Ok((experts, weights))
    }

    /// Applies the block to the last axis of `x`.
    ///
    /// # Errors
    /// A last axis of another size than the width.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let (experts, weights) = self.route(x)?;
        let y = self.switch_mlp.forward(x, &experts)?;
        let weights = ops::expand_dims(&ops::astype(&weights, y.dtype())?, -1)?;
        ops::sum(&ops::multiply(&y, &weights)?, -2isize, false)
    }
}
