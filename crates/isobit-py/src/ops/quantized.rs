//! Quantization, and products with quantized and with gathered matrices.

use super::{docstring, functions, tuple};
use crate::args::{ArrayLike, DtypeArg, StreamArg};
use crate::array::{Out, out};
use crate::error::Res;
use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, ops};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

functions! { quantize dequantize quantized_matmul gather_mm gather_qmm to_fp8 from_fp8 }

fn format(group_size: Option<usize>, bits: Option<usize>, mode: &str) -> isobit::Result<Format> {
    Format::new(mode.parse::<Mode>()?, group_size, bits)
}

fn optional(a: Option<ArrayLike>) -> Option<Array> {
    a.map(ArrayLike::array)
}

#[doc = docstring!("quantize")]
#[pyfunction]
#[pyo3(signature = (w, /, group_size=None, bits=None, mode="affine", *, global_scale=None, stream=None))]
fn quantize<'py>(
    py: Python<'py>,
    w: ArrayLike,
    group_size: Option<usize>,
    bits: Option<usize>,
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
    group_size: Option<usize>,
    bits: Option<usize>,
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
    group_size: Option<usize>,
    bits: Option<usize>,
    mode: &str,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let f = format(group_size, bits, mode)?;
    out(ops::quantized_matmul(&x.array(), &w.array(), &scales.array(), optional(biases).as_ref(), transpose, f))
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
    mode="affine", *, sorted_indices=false, stream=None
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
    group_size: Option<usize>,
    bits: Option<usize>,
    mode: &str,
    sorted_indices: bool,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (sorted_indices, stream);
    out(ops::gather_qmm(
        &x.array(),
        &w.array(),
        &scales.array(),
        optional(biases).as_ref(),
        optional(lhs_indices).as_ref(),
        optional(rhs_indices).as_ref(),
        transpose,
        format(group_size, bits, mode)?,
    ))
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
