//! `mlx.core.fast`.

use crate::args::{ArrayLike, Count, MaskArg, StreamArg, optional};
use crate::array::{Out, PyArray, out};
use crate::ops::{docstring, format, functions};
use isobit::ops::Quantized;
use isobit::ops::rope::Offset;
use isobit::{Error, fast};
use pyo3::prelude::*;

functions! {
    cross_entropy rms_norm layer_norm rope scaled_dot_product_attention quantized_scaled_dot_product_attention
}

#[doc = docstring!("cross_entropy")]
#[pyfunction]
#[pyo3(signature = (logits, targets, *, stream=None))]
fn cross_entropy(logits: ArrayLike, targets: ArrayLike, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(fast::cross_entropy(&logits.array(), &targets.array()))
}

#[doc = docstring!("rms_norm")]
#[pyfunction]
#[pyo3(signature = (x, weight, eps, *, stream=None))]
fn rms_norm(x: ArrayLike, weight: Option<ArrayLike>, eps: f32, stream: Option<StreamArg>) -> Out {
    let _ = stream;
    out(fast::rms_norm(&x.array(), optional(weight).as_ref(), eps))
}

#[doc = docstring!("layer_norm")]
#[pyfunction]
#[pyo3(signature = (x, weight, bias, eps, *, stream=None))]
fn layer_norm(
    x: ArrayLike,
    weight: Option<ArrayLike>,
    bias: Option<ArrayLike>,
    eps: f32,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    out(fast::layer_norm(&x.array(), optional(weight).as_ref(), optional(bias).as_ref(), eps))
}

/// Where positions begin.
#[derive(FromPyObject)]
enum Start<'py> {
    #[pyo3(transparent)]
    Array(Bound<'py, PyArray>),
    #[pyo3(transparent)]
    At(i32),
}

#[doc = docstring!("rope")]
#[pyfunction]
#[pyo3(signature = (a, dims, *, traditional, base, scale, offset, freqs=None, stream=None))]
#[allow(clippy::too_many_arguments)]
fn rope(
    a: ArrayLike,
    dims: isize,
    traditional: bool,
    base: Option<f32>,
    scale: f32,
    offset: Start<'_>,
    freqs: Option<ArrayLike>,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let Some(dims) = usize::try_from(dims).ok().filter(|&d| d > 0) else {
        return Err(Error::value("rope", format!("expected dims of at least 1, got {dims}")).into());
    };
    let array;
    let offset = match offset {
        Start::At(n) => Offset::At(n),
        Start::Array(a) => {
            array = a.get().array();
            Offset::Array(&array)
        }
    };
    out(fast::rope(&a.array(), dims, traditional, base, scale, offset, optional(freqs).as_ref()))
}

#[doc = docstring!("scaled_dot_product_attention")]
#[pyfunction]
#[pyo3(signature = (q, k, v, *, scale, mask=None, sinks=None, force_fused=false, stream=None))]
#[allow(clippy::too_many_arguments)]
fn scaled_dot_product_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    scale: f32,
    mask: Option<MaskArg>,
    sinks: Option<ArrayLike>,
    force_fused: bool,
    stream: Option<StreamArg>,
) -> Out {
    let _ = (force_fused, stream);
    let (q, k, v) = (q.array(), k.array(), v.array());
    out(fast::scaled_dot_product_attention(&q, &k, &v, scale, MaskArg::mask(&mask), optional(sinks).as_ref()))
}

/// Codes, scales and biases, as `quantize` gives them.
fn quantized(name: &str, parts: Vec<ArrayLike>) -> isobit::Result<Quantized> {
    let count = parts.len();
    let mut parts = parts.into_iter().map(ArrayLike::array);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(codes), Some(scales), biases) if count < 4 => Ok(Quantized { codes, scales, biases }),
        _ => Err(Error::value(
            "quantized_scaled_dot_product_attention",
            format!("expected {name} as codes, scales and biases, got {count} arrays"),
        )),
    }
}

// Of isobit alone: MLX dequantizes, or makes it of two quantized products.
#[doc = docstring!("quantized_scaled_dot_product_attention")]
#[pyfunction]
#[pyo3(signature = (
    q, keys, values, *, scale, mask=None, sinks=None, group_size=None, bits=None, mode="affine", stream=None
))]
#[allow(clippy::too_many_arguments)]
fn quantized_scaled_dot_product_attention(
    q: ArrayLike,
    keys: Vec<ArrayLike>,
    values: Vec<ArrayLike>,
    scale: f32,
    mask: Option<MaskArg>,
    sinks: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    stream: Option<StreamArg>,
) -> Out {
    let _ = stream;
    let (keys, values) = (quantized("keys", keys)?, quantized("values", values)?);
    let (format, mask, sinks) = (format(group_size, bits, mode)?, MaskArg::mask(&mask), optional(sinks));
    out(fast::quantized_scaled_dot_product_attention(&q.array(), &keys, &values, format, scale, mask, sinks.as_ref()))
}
