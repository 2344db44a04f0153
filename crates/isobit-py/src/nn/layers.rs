//! Layers as functions of their parameters.

use crate::args::{ArrayLike, Count, DtypeArg, MaskArg, optional};
use crate::array::{Out, PyArray, out};
use crate::error::{Failure, Res, stash};
use crate::ops::{docstring, format, functions};
use isobit::Array;
use isobit_nn::Activations;
use isobit_nn::functional::{self, QuantizedWeight, Window};
use pyo3::prelude::*;

functions! {
    linear bilinear quantized_linear embedding quantized_embedding dropout multi_head_attention causal_mask instance_norm
    group_norm batch_statistics running_statistics batch_norm max_pool avg_pool upsample sinusoidal_frequencies
    sinusoidal_encoding alibi_slopes alibi_matrix rnn gru lstm
}

fn two(r: isobit::Result<(Array, Array)>) -> Res<(PyArray, PyArray)> {
    let (a, b) = r?;
    Ok((a.into(), b.into()))
}

#[doc = docstring!("nn_linear")]
#[pyfunction]
#[pyo3(signature = (x, weight, bias=None))]
fn linear(x: ArrayLike, weight: ArrayLike, bias: Option<ArrayLike>) -> Out {
    out(functional::linear(&x.array(), &weight.array(), optional(bias).as_ref()))
}

#[doc = docstring!("nn_bilinear")]
#[pyfunction]
#[pyo3(signature = (x1, x2, weight, bias=None))]
fn bilinear(x1: ArrayLike, x2: ArrayLike, weight: ArrayLike, bias: Option<ArrayLike>) -> Out {
    out(functional::bilinear(&x1.array(), &x2.array(), &weight.array(), optional(bias).as_ref()))
}

#[doc = docstring!("nn_quantized_linear")]
#[pyfunction]
#[pyo3(signature = (x, weight, scales, biases, bias, group_size, bits, mode, activations="exact"))]
#[allow(clippy::too_many_arguments)]
fn quantized_linear(
    x: ArrayLike,
    weight: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    bias: Option<ArrayLike>,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
    activations: &str,
) -> Out {
    let (codes, scales, biases) = (weight.array(), scales.array(), optional(biases));
    let (format, activations) = (format(group_size, bits, mode)?, activations.parse()?);
    let w = QuantizedWeight { codes: &codes, scales: &scales, biases: biases.as_ref(), format, activations };
    out(functional::quantized_linear(&x.array(), &w, optional(bias).as_ref()))
}

#[doc = docstring!("nn_embedding")]
#[pyfunction]
fn embedding(weight: ArrayLike, x: ArrayLike) -> Out {
    out(functional::embedding(&weight.array(), &x.array()))
}

#[doc = docstring!("nn_quantized_embedding")]
#[pyfunction]
#[pyo3(signature = (weight, scales, biases, x, group_size, bits, mode))]
fn quantized_embedding(
    weight: ArrayLike,
    scales: ArrayLike,
    biases: Option<ArrayLike>,
    x: ArrayLike,
    group_size: Option<Count>,
    bits: Option<Count>,
    mode: &str,
) -> Out {
    let (codes, scales, biases) = (weight.array(), scales.array(), optional(biases));
    let (format, activations) = (format(group_size, bits, mode)?, Activations::Exact);
    let table = QuantizedWeight { codes: &codes, scales: &scales, biases: biases.as_ref(), format, activations };
    out(functional::quantized_embedding(&table, &x.array()))
}

#[doc = docstring!("nn_dropout")]
#[pyfunction]
#[pyo3(signature = (x, p, shared=0, key=None))]
fn dropout(x: ArrayLike, p: f64, shared: usize, key: Option<ArrayLike>) -> Out {
    out(functional::dropout(&x.array(), p, shared, optional(key).as_ref()))
}

#[doc = docstring!("nn_multi_head_attention")]
#[pyfunction]
#[pyo3(signature = (q, k, v, heads, mask=None))]
fn multi_head_attention(q: ArrayLike, k: ArrayLike, v: ArrayLike, heads: usize, mask: Option<MaskArg>) -> Out {
    out(functional::multi_head_attention(&q.array(), &k.array(), &v.array(), heads, MaskArg::mask(&mask)))
}

#[doc = docstring!("nn_causal_mask")]
#[pyfunction]
fn causal_mask(n: usize, dtype: DtypeArg) -> Out {
    out(functional::causal_mask(n, dtype.0))
}

#[doc = docstring!("nn_instance_norm")]
#[pyfunction]
fn instance_norm(x: ArrayLike, weight: Option<ArrayLike>, bias: Option<ArrayLike>, eps: f64) -> Out {
    out(functional::instance_norm(&x.array(), optional(weight).as_ref(), optional(bias).as_ref(), eps))
}

#[doc = docstring!("nn_group_norm")]
#[pyfunction]
fn group_norm(
    x: ArrayLike,
    groups: usize,
    weight: Option<ArrayLike>,
    bias: Option<ArrayLike>,
    eps: f32,
    contiguous: bool,
) -> Out {
    let (weight, bias) = (optional(weight), optional(bias));
    out(functional::group_norm(&x.array(), groups, weight.as_ref(), bias.as_ref(), eps, contiguous))
}

#[doc = docstring!("nn_batch_statistics")]
#[pyfunction]
fn batch_statistics(x: ArrayLike) -> Res<(PyArray, PyArray)> {
    two(functional::batch_statistics(&x.array()))
}

#[doc = docstring!("nn_running_statistics")]
#[pyfunction]
fn running_statistics(
    x: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    momentum: f64,
) -> Res<(PyArray, PyArray)> {
    let (mean, var) = (mean.array(), var.array());
    let running = (running_mean.array(), running_var.array());
    two(functional::running_statistics(&x.array(), (&mean, &var), (&running.0, &running.1), momentum))
}

#[doc = docstring!("nn_batch_norm")]
#[pyfunction]
fn batch_norm(
    x: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    weight: Option<ArrayLike>,
    bias: Option<ArrayLike>,
    eps: f64,
) -> Out {
    let (x, mean, var) = (x.array(), mean.array(), var.array());
    out(functional::batch_norm(&x, &mean, &var, optional(weight).as_ref(), optional(bias).as_ref(), eps))
}

#[doc = docstring!("nn_max_pool")]
#[pyfunction]
fn max_pool(x: ArrayLike, kernel_size: Vec<usize>, stride: Vec<usize>, padding: Vec<usize>) -> Out {
    out(functional::max_pool(&x.array(), &Window { size: &kernel_size, stride: &stride, padding: &padding }))
}

#[doc = docstring!("nn_avg_pool")]
#[pyfunction]
fn avg_pool(x: ArrayLike, kernel_size: Vec<usize>, stride: Vec<usize>, padding: Vec<usize>) -> Out {
    out(functional::avg_pool(&x.array(), &Window { size: &kernel_size, stride: &stride, padding: &padding }))
}

/// An interpolation by its name.
struct Interpolation(functional::Interpolation);

impl<'a, 'py> FromPyObject<'a, 'py> for Interpolation {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Interpolation> {
        Ok(Interpolation(functional::Interpolation::parse(obj.extract()?).map_err(Failure::from)?))
    }
}

#[doc = docstring!("nn_upsample")]
#[pyfunction]
fn upsample(x: ArrayLike, scale: Vec<f64>, mode: Interpolation, align_corners: bool, antialias: bool) -> Out {
    out(functional::upsample(&x.array(), &scale, mode.0, align_corners, antialias))
}

#[doc = docstring!("nn_sinusoidal_frequencies")]
#[pyfunction]
fn sinusoidal_frequencies(dims: usize, low: f64, high: f64, full_turns: bool) -> Out {
    out(functional::sinusoidal_frequencies(dims, low, high, full_turns))
}

#[doc = docstring!("nn_sinusoidal_encoding")]
#[pyfunction]
fn sinusoidal_encoding(x: ArrayLike, frequencies: ArrayLike, scale: f64, cos_first: bool) -> Out {
    out(functional::sinusoidal_encoding(&x.array(), &frequencies.array(), scale, cos_first))
}

#[doc = docstring!("nn_alibi_slopes")]
#[pyfunction]
fn alibi_slopes(heads: usize) -> Out {
    out(functional::alibi_slopes(heads))
}

#[doc = docstring!("nn_alibi_matrix")]
#[pyfunction]
fn alibi_matrix(queries: usize, keys: usize, heads: usize, offset: usize, dtype: DtypeArg) -> Out {
    out(functional::alibi_matrix(queries, keys, heads, offset, dtype.0))
}

#[doc = docstring!("nn_rnn")]
#[pyfunction]
fn rnn(
    x: ArrayLike,
    wx: ArrayLike,
    wh: ArrayLike,
    bias: Option<ArrayLike>,
    hidden: Option<ArrayLike>,
    nonlinearity: &Bound<'_, PyAny>,
) -> Out {
    let py = nonlinearity.py();
    let call = |a: &Array| -> PyResult<Array> {
        Ok(nonlinearity.call1((Bound::new(py, PyArray::from(a.clone()))?,))?.extract::<ArrayLike>()?.array())
    };
    let (x, wx, wh, bias, hidden) = (x.array(), wx.array(), wh.array(), optional(bias), optional(hidden));
    out(functional::rnn(&x, &wx, &wh, bias.as_ref(), hidden.as_ref(), |a| call(a).map_err(stash)))
}

#[doc = docstring!("nn_gru")]
#[pyfunction]
fn gru(
    x: ArrayLike,
    wx: ArrayLike,
    wh: ArrayLike,
    bias: Option<ArrayLike>,
    new_bias: Option<ArrayLike>,
    hidden: Option<ArrayLike>,
) -> Out {
    let (x, wx, wh, bias) = (x.array(), wx.array(), wh.array(), optional(bias));
    let (new_bias, hidden) = (optional(new_bias), optional(hidden));
    out(functional::gru(&x, &wx, &wh, bias.as_ref(), new_bias.as_ref(), hidden.as_ref()))
}

#[doc = docstring!("nn_lstm")]
#[pyfunction]
fn lstm(
    x: ArrayLike,
    wx: ArrayLike,
    wh: ArrayLike,
    bias: Option<ArrayLike>,
    hidden: Option<ArrayLike>,
    cell: Option<ArrayLike>,
) -> Res<(PyArray, PyArray)> {
    let (x, wx, wh, bias) = (x.array(), wx.array(), wh.array(), optional(bias));
    two(functional::lstm(&x, &wx, &wh, bias.as_ref(), optional(hidden).as_ref(), optional(cell).as_ref()))
}
