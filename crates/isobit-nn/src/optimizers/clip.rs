//! Bounding the length of a step.

use crate::module::Params;
use crate::term::term;
use isobit::{Array, Dtype, Error, Result, ops};

/// Gradients scaled down so that their joint Euclidean norm is at most `max_norm`, and the norm that they had, which is
/// accumulated in float32 at least.
///
/// # Errors
/// A bound that is negative or not a number.
pub fn clip_norm(grads: &[Array], max_norm: f64) -> Result<(Vec<Array>, Array)> {
    if max_norm.is_nan() || max_norm < 0.0 {
        return Err(Error::value("clip_grad_norm", format!("expected a norm of at least 0, got {max_norm}")));
    }
    let mut total = term(&Array::scalar(0.0, Dtype::F32));
    for g in grads {
        let wide = term(g).astype(g.dtype().promote(Dtype::F32));
        total = total + wide.square().sum(.., false);
    }
    let norm = total.sqrt();
    let factor = (max_norm / (&norm + 1e-6)).min(1.0).0?;
    let scaled = |g: &Array| (term(g) * ops::astype(&factor, g.dtype().at_least_float())?).0;
    let clipped = grads.iter().map(scaled).collect::<Result<_>>()?;
    Ok((clipped, norm.0?))
}

/// [`clip_norm`] of gradients by name.
///
/// # Errors
/// As [`clip_norm`].
pub fn clip_grad_norm(grads: &Params, max_norm: f64) -> Result<(Params, Array)> {
    let values: Vec<Array> = grads.values().cloned().collect();
    let (clipped, norm) = clip_norm(&values, max_norm)?;
    Ok((grads.keys().cloned().zip(clipped).collect(), norm))
}
