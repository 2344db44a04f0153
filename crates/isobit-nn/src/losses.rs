//! Losses.

use crate::activations::times;
use isobit::{Array, Dtype, Error, Result, ops};

/// What becomes of the losses of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// One loss per target.
    None,
    /// Their sum.
    Sum,
    /// Their mean; with weights, divided by the sum of the weights.
    Mean,
}

/// Cross-entropy of `logits` `[..., classes]` against class indices `targets` `[...]`, in float32:
/// `logsumexp(logits) − logits[target]`.
///
/// `label_smoothing` spreads that share of each target evenly over all classes. `weights`, of the shape of `targets`,
/// scale each loss.
///
/// # Errors
/// Targets that are not integers or whose shape is not that of the logits without the last axis.
pub fn cross_entropy(
    logits: &Array,
    targets: &Array,
    weights: Option<&Array>,
    label_smoothing: f64,
    reduction: Reduction,
) -> Result<Array> {
    let Some((&classes, lead)) = logits.shape().split_last() else {
        return Err(Error::value("cross_entropy", "expected logits with a class axis, got a scalar"));
    };
    if !targets.dtype().is_integer() || targets.shape() != lead {
        return Err(Error::value(
            "cross_entropy",
            format!("expected integer targets {lead:?}, got {} {:?}", targets.dtype(), targets.shape()),
        ));
    }
    if !(0.0..1.0).contains(&label_smoothing) {
        return Err(Error::value("cross_entropy", format!("expected smoothing in [0, 1), got {label_smoothing}")));
    }
    let logits = ops::astype(logits, Dtype::F32)?;
    let index = ops::expand_dims(targets, -1isize)?;
    let score = ops::squeeze(&ops::take_along_axis(&logits, &index, -1)?, -1isize)?;
    let norm = ops::logsumexp(&logits, -1isize, false)?;
    let mut loss = if label_smoothing > 0.0 {
        let all = ops::sum(&logits, -1isize, false)?;
        let spread = times(&all, label_smoothing / classes.max(1) as f64)?;
        ops::subtract(&norm, &ops::add(&times(&score, 1.0 - label_smoothing)?, &spread)?)?
    } else {
        ops::subtract(&norm, &score)?
    };
    if let Some(w) = weights {
        if w.shape() != lead {
            return Err(Error::value("cross_entropy", format!("expected weights {lead:?}, got {:?}", w.shape())));
        }
        loss = ops::multiply(&loss, w)?;
    }
    match (reduction, weights) {
        (Reduction::None, _) => Ok(loss),
        (Reduction::Sum, _) => ops::sum(&loss, .., false),
        (Reduction::Mean, None) => times(&ops::sum(&loss, .., false)?, 1.0 / targets.size().max(1) as f64),
        (Reduction::Mean, Some(w)) => {
            ops::divide(&ops::sum(&loss, .., false)?, &ops::astype(&ops::sum(w, .., false)?, Dtype::F32)?)
        }
    }
}

/// Mean squared difference.
pub fn mse(predictions: &Array, targets: &Array) -> Result<Array> {
    if predictions.shape() != targets.shape() {
        return Err(Error::value(
            "mse",
            format!("expected targets {:?}, got {:?}", predictions.shape(), targets.shape()),
        ));
    }
    let d = ops::subtract(predictions, targets)?;
    times(&ops::sum(&ops::multiply(&d, &d)?, .., false)?, 1.0 / d.size().max(1) as f64)
}

/// Binary cross-entropy of logits against probabilities: `max(x, 0) − x·t + log1p(exp(−|x|))`, averaged.
pub fn binary_cross_entropy(logits: &Array, targets: &Array) -> Result<Array> {
    let soft = ops::log1p(&ops::exp(&ops::negative(&ops::abs(logits)?)?)?)?;
    let linear = ops::subtract(&crate::relu(logits)?, &ops::multiply(logits, targets)?)?;
    let loss = ops::add(&linear, &soft)?;
    times(&ops::sum(&loss, .., false)?, 1.0 / loss.size().max(1) as f64)
}
