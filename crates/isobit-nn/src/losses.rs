//! Losses, with MLX's names and definitions.

use crate::term::{Operand, Term, term};
use isobit::{Array, Axes, Dtype, Error, Result, ops};
use std::f64::consts::{LN_2, PI};

/// What becomes of the losses of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// One loss per target.
    None,
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
}

impl Reduction {
    /// The reduction of that name: `"none"`, `"sum"` or `"mean"`.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &str) -> Result<Reduction> {
        match name {
            "none" => Ok(Reduction::None),
            "sum" => Ok(Reduction::Sum),
            "mean" => Ok(Reduction::Mean),
            _ => Err(Error::value("loss", format!("expected reduction 'none', 'mean' or 'sum', got {name:?}"))),
        }
    }

    fn of(self, loss: Term) -> Result<Array> {
        match self {
            Reduction::None => loss.0,
            Reduction::Sum => loss.sum(.., false).0,
            Reduction::Mean => loss.mean(.., false).0,
        }
    }
}

fn same_shape(op: &'static str, a: &Array, b: &Array) -> Result<()> {
    match a.shape() == b.shape() {
        true => Ok(()),
        false => Err(Error::value(op, format!("expected one shape, got {:?} and {:?}", a.shape(), b.shape()))),
    }
}

/// The elements of `a` that class numbers choose along `axis`, which goes away.
fn chosen(a: &Array, classes: &Array, axis: isize) -> Result<Array> {
    ops::squeeze(&ops::take_along_axis(a, &ops::expand_dims(classes, axis)?, axis)?, axis)
}

/// The negative log-probability of class numbers, or the cross-entropy with probabilities, given logits:
/// `logsumexp(logits) - logits[target]`, in float32 at least and then rounded to the dtype of the logits.
///
/// `targets` are integers of the logits' shape without `axis`, or probabilities of their shape. `label_smoothing` spreads
/// that share of each target evenly over all classes. `weights`, of the shape without `axis`, scale each loss.
///
/// # Errors
/// Targets or weights of another shape, targets that are neither; smoothing outside `[0, 1)`.
pub fn cross_entropy(
    logits: &Array,
    targets: &Array,
    weights: Option<&Array>,
    axis: isize,
    label_smoothing: f64,
    reduction: Reduction,
) -> Result<Array> {
    const OP: &str = "cross_entropy";
    if !(0.0..1.0).contains(&label_smoothing) {
        return Err(Error::value(OP, format!("expected label_smoothing in [0, 1), got {label_smoothing}")));
    }
    let class_axis = Axes::from(axis).resolve(OP, logits.ndim())?[0];
    let mut lead = logits.shape().to_vec();
    lead.remove(class_axis);
    let probabilities = targets.ndim() == logits.ndim();
    if targets.shape() != if probabilities { logits.shape() } else { &lead } {
        let (t, l) = (targets.shape(), logits.shape());
        return Err(Error::value(OP, format!("targets of shape {t:?} do not fit logits of shape {l:?}")));
    }
    if let Some(w) = weights.filter(|w| w.shape() != lead) {
        return Err(Error::value(OP, format!("weights of shape {:?} do not fit targets {lead:?}", w.shape())));
    }
    let dtype = logits.dtype().at_least_float();
    let dtype = if probabilities { dtype.promote(targets.dtype()) } else { dtype };
    // Relative to the largest logit, since only differences count and they are small beside a large offset.
    let wide = ops::astype(logits, dtype.promote(Dtype::F32))?;
    let wide = ops::subtract(&wide, &ops::stop_gradient(&ops::max(&wide, axis, true)?)?)?;
    let x = term(&wide);
    let mut score = match probabilities {
        true => (&x * targets).sum(axis, false),
        false => Term(chosen(&wide, targets, axis)),
    };
    if label_smoothing > 0.0 {
        score = score * (1.0 - label_smoothing) + x.mean(axis, false) * label_smoothing;
    }
    let loss = (x.logsumexp(axis, false) - score).astype(dtype);
    reduction.of(match weights {
        Some(w) => loss * w,
        None => loss,
    })
}

/// The binary cross-entropy of logits, or of probabilities, whose logarithms are at least -100.
///
/// # Errors
/// Inputs, targets and weights that are not of one shape.
pub fn binary_cross_entropy(
    inputs: &Array,
    targets: &Array,
    weights: Option<&Array>,
    with_logits: bool,
    reduction: Reduction,
) -> Result<Array> {
    same_shape("binary_cross_entropy", inputs, targets)?;
    let (x, t) = (term(inputs), term(targets));
    let loss = match with_logits {
        true => x.logaddexp(0.0) - &x * &t,
        false => -(&t * x.log().max(-100) + (1 - &t) * (1 - &x).log().max(-100)),
    };
    reduction.of(match weights {
        Some(w) => {
            same_shape("binary_cross_entropy", w, inputs)?;
            loss * w
        }
        None => loss,
    })
}

/// The absolute difference.
///
/// # Errors
/// Predictions and targets that are not of one shape.
pub fn l1_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    same_shape("l1_loss", predictions, targets)?;
    reduction.of((term(predictions) - targets).abs())
}

/// The squared difference.
///
/// # Errors
/// Predictions and targets that are not of one shape.
pub fn mse_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    same_shape("mse_loss", predictions, targets)?;
    reduction.of((term(predictions) - targets).square())
}

/// Minus the log-probability of class numbers along `axis`.
pub fn nll_loss(inputs: &Array, targets: &Array, axis: isize, reduction: Reduction) -> Result<Array> {
    reduction.of(-Term(chosen(inputs, targets, axis)))
}

/// Minus the log-density of targets under Gaussians with means `inputs` and variances `vars` (at least `eps`); with
/// `full` the constant is included.
///
/// # Errors
/// Arrays that are not of one shape.
pub fn gaussian_nll_loss(
    inputs: &Array,
    targets: &Array,
    vars: &Array,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Result<Array> {
    same_shape("gaussian_nll_loss", inputs, targets)?;
    same_shape("gaussian_nll_loss", inputs, vars)?;
    let vars = term(vars).max(eps);
    let loss = (vars.log() + (term(targets) - inputs).square() / &vars) * 0.5;
    reduction.of(if full { loss + 0.5 * libm::log(2.0 * PI) } else { loss })
}

/// The Kullback-Leibler divergence of log-probabilities along axes: of `inputs` from `targets`.
pub fn kl_div_loss(inputs: &Array, targets: &Array, axis: impl Into<Axes>, reduction: Reduction) -> Result<Array> {
    let t = term(targets);
    reduction.of((t.exp() * (&t - inputs)).sum(axis, false))
}

/// Quadratic for differences below `beta`, linear above.
///
/// # Errors
/// Arrays that are not of one shape; a negative `beta`.
pub fn smooth_l1_loss(predictions: &Array, targets: &Array, beta: f64, reduction: Reduction) -> Result<Array> {
    if beta.is_nan() || beta < 0.0 {
        return Err(Error::value("smooth_l1_loss", format!("expected beta of at least 0, got {beta}")));
    }
    same_shape("smooth_l1_loss", predictions, targets)?;
    let difference = (term(predictions) - targets).abs();
    if beta == 0.0 {
        return reduction.of(difference);
    }
    let quadratic = difference.square() * 0.5 / beta;
    reduction.of(quadratic.where_(&difference.less(beta), &difference - 0.5 * beta))
}

/// How much less than `margin` further the negatives are than the positives, by their `p`-distance along axes.
#[allow(clippy::too_many_arguments)]
pub fn triplet_loss(
    anchors: &Array,
    positives: &Array,
    negatives: &Array,
    axis: impl Into<Axes>,
    p: f64,
    margin: f64,
    eps: f64,
    reduction: Reduction,
) -> Result<Array> {
    let axis = axis.into();
    let distance = |x: &Array| ((term(anchors) - x).abs().power(p).sum(axis.clone(), false) + eps).power(1.0 / p);
    reduction.of((distance(positives) - distance(negatives) + margin).max(0))
}

/// How much less than 1 the product with a target of -1 or 1 is.
pub fn hinge_loss(inputs: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    reduction.of((1 - term(inputs) * targets).max(0))
}

/// Quadratic for differences up to `delta`, linear above.
pub fn huber_loss(inputs: &Array, targets: &Array, delta: f64, reduction: Reduction) -> Result<Array> {
    let difference = (term(inputs) - targets).abs();
    let linear = (&difference - 0.5 * delta) * delta;
    reduction.of((difference.square() * 0.5).where_(&difference.less_equal(delta), linear))
}

/// The logarithm of the hyperbolic cosine of the difference.
pub fn log_cosh_loss(inputs: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    let difference = term(inputs) - targets;
    reduction.of(difference.logaddexp(-&difference) - LN_2)
}

/// The cosine of the angle between vectors along axes; the product of their lengths counts as `eps` at least.
pub fn cosine_similarity_loss(
    x1: &Array,
    x2: &Array,
    axis: impl Into<Axes>,
    eps: f64,
    reduction: Reduction,
) -> Result<Array> {
    let axis = axis.into();
    let length = |x: &Array| term(x).square().sum(axis.clone(), false).sqrt();
    reduction.of((term(x1) * x2).sum(axis.clone(), false) / (length(x1) * length(x2)).max(eps))
}

/// How much less than `margin` the first input is above the second one (target 1) or below it (target -1).
///
/// # Errors
/// Arrays that are not of one shape.
pub fn margin_ranking_loss(
    inputs1: &Array,
    inputs2: &Array,
    targets: &Array,
    margin: impl Operand,
    reduction: Reduction,
) -> Result<Array> {
    same_shape("margin_ranking_loss", inputs1, inputs2)?;
    same_shape("margin_ranking_loss", inputs1, targets)?;
    reduction.of((-(term(targets) * (term(inputs1) - inputs2)) + margin).max(0))
}
