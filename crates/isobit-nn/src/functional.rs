//! Layers as functions of their parameters: what [`Linear`](crate::Linear), [`Embedding`](crate::Embedding),
//! [`SwitchLinear`](crate::SwitchLinear) and their quantized forms compute.
//!
//! Weights are `[outputs, inputs]`, or `[experts, outputs, inputs]` for switched maps; a quantized weight is its codes,
//! scales and biases ([`ops::quantize()`] along the inputs) with their [`Format`].

use isobit::quant::Format;
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

/// `x @ w.T + bias` for the quantized matrix `w`.
///
/// # Errors
/// As [`ops::quantized_matmul()`]; a last axis of another size than the matrix's inputs.
pub fn quantized_linear(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    bias: Option<&Array>,
    format: Format,
) -> Result<Array> {
    check_inputs("quantized_linear", x, width(codes, format))?;
    plus_bias(ops::quantized_matmul(x, codes, scales, biases, true, format)?, bias)
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
pub fn quantized_embedding(
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    indices: &Array,
    format: Format,
) -> Result<Array> {
    let flat = ops::flatten(indices, 0, -1)?;
    let biases = biases.map(|b| embedding(b, &flat)).transpose()?;
    let rows =
        ops::dequantize(&embedding(codes, &flat)?, &embedding(scales, &flat)?, biases.as_ref(), format, None, None)?;
    let mut shape: Vec<isize> = indices.shape().iter().map(|&n| n as isize).collect();
    shape.push(width(codes, format) as isize);
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
/// As [`switch_linear`] and [`ops::gather_qmm()`].
pub fn quantized_switch_linear(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    bias: Option<&Array>,
    experts: &Array,
    format: Format,
) -> Result<Array> {
    let [_, outputs, _] = *codes.shape() else {
        return Err(Error::value(
            "quantized_switch_linear",
            format!("expected codes [experts, outputs, words], got {:?}", codes.shape()),
        ));
    };
    let sizes = (width(codes, format), outputs);
    switched("quantized_switch_linear", x, sizes, bias, experts, |rows, lhs, rhs| {
        ops::gather_qmm(rows, codes, scales, biases, Some(lhs), Some(rhs), true, format)
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

fn width(codes: &Array, format: Format) -> usize {
    codes.shape().last().map_or(0, |&words| format.codes(words))
}

fn check_inputs(op: &'static str, x: &Array, inputs: usize) -> Result<()> {
    if x.shape().last() == Some(&inputs) {
        return Ok(());
    }
    Err(Error::value(op, format!("expected a last axis of {inputs}, got {:?}", x.shape())))
}
