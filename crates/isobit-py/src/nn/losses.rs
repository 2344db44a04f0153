//! Losses.

use crate::args::{ArrayLike, AxesArg, axes, optional};
use crate::array::{Out, out};
use crate::error::Failure;
use crate::ops::{docstring, functions};
use isobit_nn::losses;
use pyo3::prelude::*;

functions! {
    cross_entropy binary_cross_entropy l1_loss mse_loss nll_loss gaussian_nll_loss kl_div_loss smooth_l1_loss
    triplet_loss hinge_loss huber_loss log_cosh_loss cosine_similarity_loss margin_ranking_loss
}

/// A reduction by its name.
struct Reduction(losses::Reduction);

impl Reduction {
    const NONE: Reduction = Reduction(losses::Reduction::None);
    const MEAN: Reduction = Reduction(losses::Reduction::Mean);
}

impl<'a, 'py> FromPyObject<'a, 'py> for Reduction {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Reduction> {
        Ok(Reduction(losses::Reduction::parse(obj.extract()?).map_err(Failure::from)?))
    }
}

#[doc = docstring!("nn_cross_entropy")]
#[pyfunction]
#[pyo3(signature = (logits, targets, weights=None, axis=-1, label_smoothing=0.0, reduction=Reduction::NONE))]
#[pyo3(text_signature = "(logits, targets, weights=None, axis=-1, label_smoothing=0.0, reduction='none')")]
fn cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    weights: Option<ArrayLike>,
    axis: isize,
    label_smoothing: f64,
    reduction: Reduction,
) -> Out {
    let (logits, targets, weights) = (logits.array(), targets.array(), optional(weights));
    out(losses::cross_entropy(&logits, &targets, weights.as_ref(), axis, label_smoothing, reduction.0))
}

#[doc = docstring!("nn_binary_cross_entropy")]
#[pyfunction]
#[pyo3(signature = (inputs, targets, weights=None, with_logits=true, reduction=Reduction::MEAN))]
#[pyo3(text_signature = "(inputs, targets, weights=None, with_logits=True, reduction='mean')")]
fn binary_cross_entropy(
    inputs: ArrayLike,
    targets: ArrayLike,
    weights: Option<ArrayLike>,
    with_logits: bool,
    reduction: Reduction,
) -> Out {
    let (inputs, targets, weights) = (inputs.array(), targets.array(), optional(weights));
    out(losses::binary_cross_entropy(&inputs, &targets, weights.as_ref(), with_logits, reduction.0))
}

macro_rules! of_two {
    ($($name:ident($a:ident, $b:ident) $reduction:ident $signature:literal)*) => {$(
        #[doc = include_str!(concat!(env!("OUT_DIR"), "/nn_", stringify!($name), ".txt"))]
        #[pyfunction]
        #[pyo3(signature = ($a, $b, reduction=Reduction::$reduction), text_signature = $signature)]
        fn $name($a: ArrayLike, $b: ArrayLike, reduction: Reduction) -> Out {
            out(losses::$name(&$a.array(), &$b.array(), reduction.0))
        }
    )*};
}
of_two! {
    l1_loss(predictions, targets) MEAN "(predictions, targets, reduction='mean')"
    mse_loss(predictions, targets) MEAN "(predictions, targets, reduction='mean')"
    hinge_loss(inputs, targets) NONE "(inputs, targets, reduction='none')"
    log_cosh_loss(inputs, targets) NONE "(inputs, targets, reduction='none')"
}

macro_rules! with_number {
    ($($name:ident($a:ident, $number:ident = $default:literal) $reduction:ident $signature:literal)*) => {$(
        #[doc = include_str!(concat!(env!("OUT_DIR"), "/nn_", stringify!($name), ".txt"))]
        #[pyfunction]
        #[pyo3(signature = ($a, targets, $number=$default, reduction=Reduction::$reduction), text_signature = $signature)]
        fn $name($a: ArrayLike, targets: ArrayLike, $number: f64, reduction: Reduction) -> Out {
            out(losses::$name(&$a.array(), &targets.array(), $number, reduction.0))
        }
    )*};
}
with_number! {
    smooth_l1_loss(predictions, beta = 1.0) MEAN "(predictions, targets, beta=1.0, reduction='mean')"
    huber_loss(inputs, delta = 1.0) NONE "(inputs, targets, delta=1.0, reduction='none')"
}

#[doc = docstring!("nn_nll_loss")]
#[pyfunction]
#[pyo3(signature = (inputs, targets, axis=-1, reduction=Reduction::NONE))]
#[pyo3(text_signature = "(inputs, targets, axis=-1, reduction='none')")]
fn nll_loss(inputs: ArrayLike, targets: ArrayLike, axis: isize, reduction: Reduction) -> Out {
    out(losses::nll_loss(&inputs.array(), &targets.array(), axis, reduction.0))
}

#[doc = docstring!("nn_gaussian_nll_loss")]
#[pyfunction]
#[pyo3(signature = (inputs, targets, vars, full=false, eps=1e-6, reduction=Reduction::MEAN))]
#[pyo3(text_signature = "(inputs, targets, vars, full=False, eps=1e-06, reduction='mean')")]
fn gaussian_nll_loss(
    inputs: ArrayLike,
    targets: ArrayLike,
    vars: ArrayLike,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Out {
    let (inputs, targets, vars) = (inputs.array(), targets.array(), vars.array());
    out(losses::gaussian_nll_loss(&inputs, &targets, &vars, full, eps, reduction.0))
}

#[doc = docstring!("nn_kl_div_loss")]
#[pyfunction]
#[pyo3(signature = (inputs, targets, axis=Some(AxesArg::last()), reduction=Reduction::NONE))]
#[pyo3(text_signature = "(inputs, targets, axis=-1, reduction='none')")]
fn kl_div_loss(inputs: ArrayLike, targets: ArrayLike, axis: Option<AxesArg>, reduction: Reduction) -> Out {
    out(losses::kl_div_loss(&inputs.array(), &targets.array(), axes(axis), reduction.0))
}

#[doc = docstring!("nn_triplet_loss")]
#[pyfunction]
#[pyo3(signature = (
    anchors, positives, negatives, axis=Some(AxesArg::last()), p=2.0, margin=1.0, eps=1e-6, reduction=Reduction::NONE
))]
#[pyo3(text_signature = "(anchors, positives, negatives, axis=-1, p=2, margin=1.0, eps=1e-06, reduction='none')")]
#[allow(clippy::too_many_arguments)]
fn triplet_loss(
    anchors: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    axis: Option<AxesArg>,
    p: f64,
    margin: f64,
    eps: f64,
    reduction: Reduction,
) -> Out {
    let (anchors, positives, negatives) = (anchors.array(), positives.array(), negatives.array());
    out(losses::triplet_loss(&anchors, &positives, &negatives, axes(axis), p, margin, eps, reduction.0))
}

#[doc = docstring!("nn_cosine_similarity_loss")]
#[pyfunction]
#[pyo3(signature = (x1, x2, axis=Some(AxesArg::at(1)), eps=1e-8, reduction=Reduction::NONE))]
#[pyo3(text_signature = "(x1, x2, axis=1, eps=1e-08, reduction='none')")]
fn cosine_similarity_loss(x1: ArrayLike, x2: ArrayLike, axis: Option<AxesArg>, eps: f64, reduction: Reduction) -> Out {
    out(losses::cosine_similarity_loss(&x1.array(), &x2.array(), axes(axis), eps, reduction.0))
}

#[doc = docstring!("nn_margin_ranking_loss")]
#[pyfunction]
#[pyo3(signature = (inputs1, inputs2, targets, margin=ArrayLike::from(0.0), reduction=Reduction::NONE))]
#[pyo3(text_signature = "(inputs1, inputs2, targets, margin=0.0, reduction='none')")]
fn margin_ranking_loss(
    inputs1: ArrayLike,
    inputs2: ArrayLike,
    targets: ArrayLike,
    margin: ArrayLike,
    reduction: Reduction,
) -> Out {
    let (inputs1, inputs2, targets) = (inputs1.array(), inputs2.array(), targets.array());
    out(losses::margin_ranking_loss(&inputs1, &inputs2, &targets, margin, reduction.0))
}
