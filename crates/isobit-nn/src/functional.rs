//! Layers as functions of their parameters: what [`Linear`](crate::Linear), [`Embedding`](crate::Embedding),
//! [`SwitchLinear`](crate::SwitchLinear), their quantized forms and the layers of the Python package compute.
//!
//! Weights are `[outputs, inputs]`, or `[experts, outputs, inputs]` for switched maps; a quantized weight is its codes,
//! scales and biases ([`ops::quantize()`] along the inputs) with their [`Format`].

mod attention;
mod norm;
mod pool;
mod position;
mod recurrent;
mod resize;

pub use attention::{causal_mask, multi_head_attention};
pub use norm::{batch_norm, batch_statistics, group_norm, instance_norm, running_statistics};
pub use pool::{Window, avg_pool, max_pool};
pub use position::{alibi_matrix, alibi_slopes, sinusoidal_encoding, sinusoidal_frequencies};
pub use recurrent::{gru, lstm, rnn};
pub use resize::{Interpolation, upsample};

use crate::quantized::Activations;
use crate::term::term;
use isobit::quant::Format;
use isobit::random;
use isobit::{Array, Dtype, Error, Result, ops};

/// `x @ weight.T + bias`.
///
/// # Errors
/// A weight that is no matrix, a last axis of another size than its inputs.
pub fn linear(x: &Array, weight: &Array, bias: Option<&Array>) -> Result<Array> {
    let [_, inputs] = *weight.shape() else {
        return Err(Error::value("linear", format!("expected a matrix, got weight {:?}", weight.shape())));
    };
    check_inputs("linear", x, inputs)?;
    let w = ops::swapaxes(weight, 0, 1)?;
    match bias {
        Some(b) => ops::addmm(b, x, &w, 1.0, 1.0),
        None => ops::matmul(x, &w),
    }
}

/// A quantized matrix, or a stack of them, and how products with it take their inputs.
#[derive(Clone, Copy)]
pub struct QuantizedWeight<'a> {
    /// Codes in 32-bit words.
    pub codes: &'a Array,
    /// One per group.
    pub scales: &'a Array,
    /// One per group, in affine formats.
    pub biases: Option<&'a Array>,
    /// What codes and scales mean.
    pub format: Format,
    /// How products take their inputs.
    pub activations: Activations,
}

impl QuantizedWeight<'_> {
    /// Inputs of a map.
    fn inputs(&self) -> usize {
        self.codes.shape().last().map_or(0, |&words| self.format.codes(words))
    }

    /// `x @ w.T`.
    ///
    /// # Errors
    /// As [`ops::quantized_matmul()`] and [`ops::quantized_matmul_int8()`].
    pub fn matmul(&self, x: &Array) -> Result<Array> {
        let QuantizedWeight { codes, scales, biases, format, activations } = *self;
        match activations {
            Activations::Exact => ops::quantized_matmul(x, codes, scales, biases, true, format),
            Activations::Int8 => ops::quantized_matmul_int8(x, codes, scales, biases, format),
        }
    }

    /// `x[lhs] @ w[rhs].T`.
    fn gather_matmul(&self, x: &Array, lhs: &Array, rhs: &Array) -> Result<Array> {
        let QuantizedWeight { codes, scales, biases, format, activations } = *self;
        match activations {
            Activations::Exact => ops::gather_qmm(x, codes, scales, biases, Some(lhs), Some(rhs), true, format),
            Activations::Int8 => ops::gather_qmm_int8(x, codes, scales, biases, Some(lhs), Some(rhs), format),
        }
    }
}

/// `x @ w.T + bias` for the quantized matrix `w`.
///
/// # Errors
/// As [`QuantizedWeight::matmul`]; a last axis of another size than the matrix's inputs.
pub fn quantized_linear(x: &Array, w: &QuantizedWeight<'_>, bias: Option<&Array>) -> Result<Array> {
    check_inputs("quantized_linear", x, w.inputs())?;
    plus_bias(w.matmul(x)?, bias)
}

/// For each output `x1 @ weight[output] @ x2`, plus `bias`: `[..., first]` and `[..., second]` with weights
/// `[outputs, second, first]` are `[..., outputs]`.
///
/// # Errors
/// Weights with other than three axes, inputs that do not fit them.
pub fn bilinear(x1: &Array, x2: &Array, weight: &Array, bias: Option<&Array>) -> Result<Array> {
    let [outputs, second, first] = *weight.shape() else {
        return Err(Error::value("bilinear", format!("expected weights of three axes, got {:?}", weight.shape())));
    };
    check_inputs("bilinear", x1, first)?;
    check_inputs("bilinear", x2, second)?;
    let (o, s, f) = (outputs as isize, second as isize, first as isize);
    let mut shape: Vec<isize> = x1.shape().iter().map(|&n| n as isize).collect();
    if let Some(last) = shape.last_mut() {
        *last = o;
    }
    // [n, first] @ [first, outputs * second] -> [n, outputs, second] @ [n, second, 1]
    let flat = ops::transpose(&ops::reshape(weight, &[o * s, f])?, ..)?;
    let y = term(x1).reshape(&[-1, f]).matmul(flat).reshape(&[-1, o, s]);
    plus_bias(y.matmul(term(x2).reshape(&[-1, s, 1])).reshape(&shape).0?, bias)
}

/// Sets elements to zero with probability `p` and scales the others by `1 / (1 - p)`. The `shared` axes before the last
/// share a draw, so that whole channels of images are dropped. Without a key the next of the process-wide ones is used.
///
/// # Errors
/// A probability outside `[0, 1)`, fewer axes than are shared.
pub fn dropout(x: &Array, p: f64, shared: usize, key: Option<&Array>) -> Result<Array> {
    if !(0.0..1.0).contains(&p) {
        return Err(Error::value("dropout", format!("expected a probability in [0, 1), got {p}")));
    }
    if shared > 0 && x.ndim() != shared + 1 && x.ndim() != shared + 2 {
        let message = format!("expected {} or {} dimensions, got {}", shared + 1, shared + 2, x.ndim());
        return Err(Error::value("dropout", message));
    }
    if p == 0.0 {
        return Ok(x.clone());
    }
    let mut shape = x.shape().to_vec();
    let channels = shape.len().saturating_sub(1);
    shape[channels.saturating_sub(shared)..channels].fill(1);
    let kept = random::bernoulli(1.0 - p, &shape, key)?;
    (term(&ops::astype(&kept, x.dtype())?) * (1.0 / (1.0 - p)) * x).0
}

/// Rows of `table` at integer `indices`, along a new last axis.
///
/// # Errors
/// Indices that are no integers.
pub fn embedding(table: &Array, indices: &Array) -> Result<Array> {
    if !indices.dtype().is_integer() {
        return Err(Error::dtype("embedding", format!("expected integer indices, got {}", indices.dtype())));
    }
    ops::take(table, indices, 0)
}

/// Rows of a quantized table: only the rows that are asked for are dequantized.
///
/// # Errors
/// Indices that are no integers; a table that does not fit the format.
pub fn quantized_embedding(table: &QuantizedWeight<'_>, indices: &Array) -> Result<Array> {
    let flat = ops::flatten(indices, 0, -1)?;
    let biases = table.biases.map(|b| embedding(b, &flat)).transpose()?;
    let (codes, scales) = (embedding(table.codes, &flat)?, embedding(table.scales, &flat)?);
    let rows = ops::dequantize(&codes, &scales, biases.as_ref(), table.format, None, None)?;
    let mut shape: Vec<isize> = indices.shape().iter().map(|&n| n as isize).collect();
    shape.push(table.inputs() as isize);
    ops::reshape(&rows, &shape)
}

/// For every row of `x` the maps of the experts that are chosen for it.
///
/// # Shapes
/// `experts`: `[..., k]`; `x`: `[..., inputs]` (each row goes to its `k` experts) or `[..., k, inputs]` (a row for each of
/// them); result `[..., k, outputs]`. `bias`: `[count, outputs]`.
///
/// A row's bits do not depend on its company: rows of one expert are multiplied together, in whatever order they come.
///
/// # Errors
/// Shapes that do not fit one another, indices that are no integers.
pub fn switch_linear(x: &Array, weight: &Array, bias: Option<&Array>, experts: &Array) -> Result<Array> {
    let [_, outputs, inputs] = *weight.shape() else {
        return Err(Error::value(
            "switch_linear",
            format!("expected weights [experts, outputs, inputs], got {:?}", weight.shape()),
        ));
    };
    switched("switch_linear", x, (inputs, outputs), bias, experts, |rows, lhs, rhs| {
        ops::gather_mm(rows, &ops::swapaxes(weight, 1, 2)?, Some(lhs), Some(rhs))
    })
}

/// [`switch_linear`] with quantized weights.
///
/// # Errors
/// As [`switch_linear`] and [`QuantizedWeight::matmul`].
pub fn quantized_switch_linear(
    x: &Array,
    w: &QuantizedWeight<'_>,
    bias: Option<&Array>,
    experts: &Array,
) -> Result<Array> {
    let [_, outputs, _] = *w.codes.shape() else {
        return Err(Error::value(
            "quantized_switch_linear",
            format!("expected codes [experts, outputs, words], got {:?}", w.codes.shape()),
        ));
    };
    switched("quantized_switch_linear", x, (w.inputs(), outputs), bias, experts, |rows, lhs, rhs| {
        w.gather_matmul(rows, lhs, rhs)
    })
}

/// Runs `product` on rows `[R, 1, inputs]` and the index pairs that say which row meets which expert.
fn switched(
    op: &'static str,
    x: &Array,
    (inputs, outputs): (usize, usize),
    bias: Option<&Array>,
    experts: &Array,
    product: impl Fn(&Array, &Array, &Array) -> Result<Array>,
) -> Result<Array> {
    check_inputs(op, x, inputs)?;
    let lead = &x.shape()[..x.ndim() - 1];
    let of = experts.shape();
    let Some(&k) = of.last() else {
        return Err(Error::value(op, "expected experts [..., k], got a scalar"));
    };
    let each = lead == of;
    if !each && *lead != of[..of.len() - 1] {
        return Err(Error::value(op, format!("rows {lead:?} do not fit experts {of:?}")));
    }
    let count: usize = lead.iter().product();
    let rows = ops::reshape(x, &[count as isize, 1, inputs as isize])?;
    let pairs = [(of.iter().product::<usize>() / k.max(1)) as isize, k as isize];
    let rhs = ops::reshape(experts, &pairs)?;
    let lhs = ops::arange(0, count as i64, 1, Dtype::I64)?;
    let lhs = ops::reshape(&lhs, &if each { pairs } else { [count as isize, 1] })?;
    let mut shape: Vec<isize> = of.iter().map(|&n| n as isize).collect();
    shape.push(outputs as isize);
    let out = ops::reshape(&product(&rows, &lhs, &rhs)?, &shape)?;
    match bias {
        Some(b) => ops::add(&out, &ops::take(b, experts, 0)?),
        None => Ok(out),
    }
}

fn plus_bias(out: Array, bias: Option<&Array>) -> Result<Array> {
    match bias {
        Some(b) => ops::add(&out, b),
        None => Ok(out),
    }
}

fn check_inputs(op: &'static str, x: &Array, inputs: usize) -> Result<()> {
    if x.shape().last() == Some(&inputs) {
        return Ok(());
    }
    Err(Error::value(op, format!("expected a last axis of {inputs}, got {:?}", x.shape())))
}
