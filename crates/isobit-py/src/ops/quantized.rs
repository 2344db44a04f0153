//! Quantization, and products with quantized and with gathered matrices.

use super::{docstring, functions, tuple};
use crate::args::{ArrayLike, Count, DtypeArg, StreamArg, optional};
use crate::array::{Out, out};
use crate::error::Res;
use isobit::quant::{Format, Mode};
use isobit::{Dtype, Error, ops};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

functions! {
    quantize dequantize quantized_matmul quantized_matmul_int8 qqmm gather_mm gather_qmm gather_qmm_int8 gather_qqmm
    block_masked_mm segmented_mm to_fp8 from_fp8
}

/// The format that the arguments name.
pub fn format(group_size: Option<Count>, bits: Option<Count>, mode: &str) -> isobit::Result<Format> {
    Format::new(mode.parse::<Mode>()?, group_size.map(|n| n.0), bits.map(|n| n.0))
}

#[doc = docstring!("quantize")]
#[pyfunction]
#[pyo3(signature = (w, /, group_size=None, bits=None, mode="affine", *, global_scale=None, stream=None))]
fn quantize<'py>(
    py: Python<'py>,
    w: ArrayLike,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    global_scale: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Res<Bound<'py, PyTuple>> {
    let _ = stream;
    let q = ops::quantize(&w.array(), format(group_size, bits, mode)?, optional(global_scale).as_ref())?;
    tuple(py, Ok([q.codes, q.scales].into_iter().chain(q.biases).collect()))
}

#[doc = docstring!("dequantize")]
#[pyfunction]
#[pyo3(signature = (
    w, /, scales, biases=None, group_size=None, bits=None, mode="affine", global_scale=None, dtype=None, *, stream=None
))]
#[allow(clippy::too_many_arguments)]
fn dequantize(
    w: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    global_scale: Option<ArrayLike>,
    dtype: Option<DtypeArg>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let f = format(group_size, bits, mode)?;
    let (biases, global) = (optional(biases), optional(global_scale));
    out(ops::dequantize(&w.array(), &scales.array(), biases.as_ref(), f, global.as_ref(), dtype.map(|d| d.0)))
}

#[doc = docstring!("quantized_matmul")]
#[pyfunction]
#[pyo3(signature = (
    x, w, /, scales, biases=None, transpose=true, group_size=None, bits=None, mode="affine", *, stream=None
))]
#[allow(clippy::too_many_arguments)]
fn quantized_matmul(
    x: ArrayLike,
    w: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    transpose: bool,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let f = format(group_size, bits, mode)?;
    out(ops::quantized_matmul(&x.array(), &w.array(), &scales.array(), optional(biases).as_ref(), transpose, f))
}

// Of isobit alone: MLX has no such mode.
#[doc = docstring!("quantized_matmul_int8")]
#[pyfunction]
#[pyo3(signature = (x, w, /, scales, biases=None, group_size=None, bits=None, mode="affine", *, stream=None))]
#[allow(clippy::too_many_arguments)]
fn quantized_matmul_int8(
    x: ArrayLike,
    w: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let f = format(group_size, bits, mode)?;
    out(ops::quantized_matmul_int8(&x.array(), &w.array(), &scales.array(), optional(biases).as_ref(), f))
}

#[doc = docstring!("gather_mm")]
#[pyfunction]
#[pyo3(signature = (a, b, /, lhs_indices=None, rhs_indices=None, *, sorted_indices=false, stream=None))]
fn gather_mm(
    a: ArrayLike,
    b: ArrayLike,
    lhs_indices: Option<ArrayLike>,
    rhs_indices: Option<ArrayLike>,
    sorted_indices: bool,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (sorted_indices, stream);
    out(ops::gather_mm(&a.array(), &b.array(), optional(lhs_indices).as_ref(), optional(rhs_indices).as_ref()))
}

#[doc = docstring!("gather_qmm")]
#[pyfunction]
#[pyo3(signature = (
    x, w, /, scales, biases=None, lhs_indices=None, rhs_indices=None, transpose=true, group_size=None, bits=None,
    mode="affine", global_scale=None, *, sorted_indices=false, stream=None
))]
#[allow(clippy::too_many_arguments)]
fn gather_qmm(
    x: ArrayLike,
    w: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    lhs_indices: Option<ArrayLike>,
    rhs_indices: Option<ArrayLike>,
    transpose: bool,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    global_scale: Option<ArrayLike>,
    sorted_indices: bool,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (sorted_indices, stream);
    let (x, w, scales, biases) = (x.array(), w.array(), scales.array(), optional(biases));
    let (lhs, rhs) = (optional(lhs_indices), optional(rhs_indices));
    let (lhs, rhs, f) = (lhs.as_ref(), rhs.as_ref(), format(group_size, bits, mode)?);
    match optional(global_scale) {
        None => out(ops::gather_qmm(&x, &w, &scales, biases.as_ref(), lhs, rhs, transpose, f)),
        Some(g) => out(ops::gather_qmm_scaled(&x, &w, &scales, biases.as_ref(), lhs, rhs, transpose, f, &g)),
    }
}

#[doc = docstring!("gather_qmm_int8")]
#[pyfunction]
#[pyo3(signature = (
    x, w, /, scales, biases=None, lhs_indices=None, rhs_indices=None, group_size=None, bits=None, mode="affine", *,
    stream=None
))]
#[allow(clippy::too_many_arguments)]
fn gather_qmm_int8(
    x: ArrayLike,
    w: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    lhs_indices: Option<ArrayLike>,
    rhs_indices: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (x, w, scales, biases) = (x.array(), w.array(), scales.array(), optional(biases));
    let (lhs, rhs, f) = (optional(lhs_indices), optional(rhs_indices), format(group_size, bits, mode)?);
    out(ops::gather_qmm_int8(&x, &w, &scales, biases.as_ref(), lhs.as_ref(), rhs.as_ref(), f))
}

#[doc = docstring!("qqmm")]
#[pyfunction]
#[pyo3(signature = (
    x, w, scales=None, group_size=None, bits=None, mode="nvfp4", global_scale_x=None, global_scale_w=None, *, stream=None
))]
#[allow(clippy::too_many_arguments)]
fn qqmm(
    x: ArrayLike,
    w: ArrayLike,
    scales: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    global_scale_x: Option<ArrayLike>,
    global_scale_w: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let f = format(group_size, bits, mode)?;
    let (gx, gw) = (optional(global_scale_x), optional(global_scale_w));
    out(ops::qqmm(&x.array(), &w.array(), optional(scales).as_ref(), f, gx.as_ref(), gw.as_ref()))
}

#[doc = docstring!("gather_qqmm")]
#[pyfunction]
#[pyo3(signature = (
    x, w, /, scales=None, lhs_indices=None, rhs_indices=None, group_size=None, bits=None, mode="nvfp4",
    global_scale_x=None, global_scale_w=None, *, sorted_indices=false, stream=None
))]
#[allow(clippy::too_many_arguments)]
fn gather_qqmm(
    x: ArrayLike,
    w: ArrayLike,
    scales: Option<ArrayLike>,
    lhs_indices: Option<ArrayLike>,
    rhs_indices: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    global_scale_x: Option<ArrayLike>,
    global_scale_w: Option<ArrayLike>,
    sorted_indices: bool,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (sorted_indices, stream);
    out(ops::gather_qqmm(
        &x.array(),
        &w.array(),
        optional(scales).as_ref(),
        optional(lhs_indices).as_ref(),
        optional(rhs_indices).as_ref(),
        format(group_size, bits, mode)?,
        optional(global_scale_x).as_ref(),
        optional(global_scale_w).as_ref(),
    ))
}

#[doc = docstring!("block_masked_mm")]
#[pyfunction]
#[pyo3(signature = (a, b, /, block_size=64, mask_out=None, mask_lhs=None, mask_rhs=None, *, stream=None))]
fn block_masked_mm(
    a: ArrayLike,
    b: ArrayLike,
    block_size: isize,
    mask_out: Option<ArrayLike>,
    mask_lhs: Option<ArrayLike>,
    mask_rhs: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let block = usize::try_from(block_size).map_err(|_| {
        Error::value("block_masked_mm", format!("expected blocks of at least one element, got {block_size}"))
    })?;
    let (o, l, r) = (optional(mask_out), optional(mask_lhs), optional(mask_rhs));
    out(ops::block_masked_mm(&a.array(), &b.array(), block, o.as_ref(), l.as_ref(), r.as_ref()))
}

#[doc = docstring!("segmented_mm")]
#[pyfunction]
#[pyo3(signature = (a, b, /, segments, *, stream=None))]
fn segmented_mm(a: ArrayLike, b: ArrayLike, segments: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::segmented_mm(&a.array(), &b.array(), &segments.array()))
}

#[doc = docstring!("to_fp8")]
#[pyfunction]
#[pyo3(signature = (x, /, *, stream=None))]
fn to_fp8(x: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::to_fp8(&x.array()))
}

#[doc = docstring!("from_fp8")]
#[pyfunction]
#[pyo3(signature = (x, /, dtype=None, *, stream=None))]
fn from_fp8(x: ArrayLike, dtype: Option<DtypeArg>, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(ops::from_fp8(&x.array(), dtype.map_or(Dtype::BF16, |d| d.0)))
}
