//! Normalisation: zero mean and unit variance over some axes, times `weight`, plus `bias`. Layer and root-mean-square
//! normalisation are [`isobit::fast`]'s.

use crate::term::{Term, term};
use isobit::{Array, Axes, Dtype, Error, Result, fast, ops};

/// `x`, normalised, times one factor per feature plus one term per feature.
fn affine(x: Term, weight: Option<&Array>, bias: Option<&Array>) -> Result<Array> {
    let x = match weight {
        Some(w) => x * w,
        None => x,
    };
    match bias {
        Some(b) => (x + b).0,
        None => x.0,
    }
}

/// Zero mean and unit variance over axes; in float32 at least, since the squares of 16-bit floats overflow.
fn standardised(x: &Array, axes: impl Into<Axes>, eps: f64) -> Term {
    let axes = axes.into();
    let wide = term(x).astype(x.dtype().promote(Dtype::F32));
    let (mean, variance) = (wide.mean(axes.clone(), true), wide.var(axes, true));
    ((wide - mean) * (variance + eps).rsqrt()).astype(x.dtype())
}

/// Zero mean and unit variance over the axes between the first and the last, per element of these two.
///
/// # Errors
/// No axes between the first and the last.
pub fn instance_norm(x: &Array, weight: Option<&Array>, bias: Option<&Array>, eps: f64) -> Result<Array> {
    if x.ndim() < 3 {
        let message = format!("expected axes between the first and the last, got shape {:?}", x.shape());
        return Err(Error::value("instance_norm", message));
    }
    let axes: Vec<isize> = (1..x.ndim() as isize - 1).collect();
    affine(standardised(x, axes.as_slice(), eps), weight, bias)
}

/// Zero mean and unit variance over groups of features and all positions of `x`, `[batch, ..., features]`.
///
/// Feature `i` belongs to group `i % groups`; with `contiguous` (as in PyTorch) to group `i / (features / groups)`.
///
/// # Errors
/// Fewer than two axes; features that groups do not divide.
pub fn group_norm(
    x: &Array,
    groups: usize,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
    contiguous: bool,
) -> Result<Array> {
    let [batch, .., features] = *x.shape() else {
        return Err(Error::value("group_norm", format!("expected at least two axes, got shape {:?}", x.shape())));
    };
    if groups == 0 || features % groups != 0 {
        return Err(Error::value("group_norm", format!("{features} features are not {groups} groups")));
    }
    let (b, g) = (batch as isize, groups as isize);
    let shape: Vec<isize> = x.shape().iter().map(|&n| n as isize).collect();
    let y = if contiguous {
        let grouped = ops::reshape(x, &[b, -1, g, (features / groups) as isize])?;
        let grouped = ops::transpose(&grouped, [0, 2, 1, 3])?;
        let order: Vec<isize> = grouped.shape().iter().map(|&n| n as isize).collect();
        let flat = fast::layer_norm(&ops::reshape(&grouped, &[b, g, -1])?, None, None, eps)?;
        term(&ops::transpose(&ops::reshape(&flat, &order)?, [0, 2, 1, 3])?)
    } else {
        standardised(&ops::reshape(x, &[b, -1, g])?, 1, f64::from(eps))
    };
    affine(y.reshape(&shape), weight, bias)
}

/// Mean and variance per feature: over all axes but the last.
///
/// # Errors
/// Other than 2, 3 or 4 axes.
pub fn batch_statistics(x: &Array) -> Result<(Array, Array)> {
    if !(2..=4).contains(&x.ndim()) {
        return Err(Error::value("batch_norm", format!("expected 2, 3 or 4 dimensions, got {}", x.ndim())));
    }
    let axes: Vec<isize> = (0..x.ndim() as isize - 1).collect();
    Ok((ops::mean(x, axes.as_slice(), false)?, ops::var(x, axes.as_slice(), false, 0)?))
}

/// Running averages moved by `momentum` towards the statistics of a batch, whose variance is that of a sample of as many
/// values per feature as `x` has.
///
/// # Errors
/// A single value per feature.
pub fn running_statistics(
    x: &Array,
    statistics: (&Array, &Array),
    running: (&Array, &Array),
    momentum: f64,
) -> Result<(Array, Array)> {
    let count = x.size() / x.shape().last().copied().unwrap_or(1).max(1);
    if count <= 1 {
        let message = format!("expected more than one value per feature in training, got shape {:?}", x.shape());
        return Err(Error::value("batch_norm", message));
    }
    let unbiased = momentum * (count as f64 / (count as f64 - 1.0));
    let mean = term(running.0) * (1.0 - momentum) + term(statistics.0) * momentum;
    let variance = term(running.1) * (1.0 - momentum) + term(statistics.1) * unbiased;
    Ok((mean.0?, variance.0?))
}

/// `(x - mean) / √(variance + eps)`, per feature, times `weight`, plus `bias`.
///
/// # Errors
/// Other than 2, 3 or 4 axes.
pub fn batch_norm(
    x: &Array,
    mean: &Array,
    variance: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f64,
) -> Result<Array> {
    if !(2..=4).contains(&x.ndim()) {
        return Err(Error::value("batch_norm", format!("expected 2, 3 or 4 dimensions, got {}", x.ndim())));
    }
    affine((term(x) - mean) * (term(variance) + eps).rsqrt(), weight, bias)
}
