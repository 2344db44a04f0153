//! Bounding the length of a step.

use crate::activations::plus;
use crate::module::Params;
use isobit::{Array, Dtype, Error, Result, ops};

/// Gradients scaled down so that their joint Euclidean norm is at most `max_norm`, and the norm that they had.
pub fn clip_grad_norm(grads: &Params, max_norm: f64) -> Result<(Params, Array)> {
    if max_norm.is_nan() || max_norm < 0.0 {
        return Err(Error::value("clip_grad_norm", format!("expected a norm of at least 0, got {max_norm}")));
    }
    let mut total = Array::scalar(0.0, Dtype::F32);
    for g in grads.values() {
        let g = ops::astype(g, Dtype::F32)?;
        total = ops::add(&total, &ops::sum(&ops::square(&g)?, .., false)?)?;
    }
    let norm = ops::sqrt(&total)?;
    let factor = ops::divide(&Array::scalar(max_norm, Dtype::F32), &plus(&norm, 1e-6)?)?;
    let factor = ops::minimum(&factor, &Array::scalar(1.0, Dtype::F32))?;
    let mut clipped = Params::new();
    for (name, g) in grads {
        clipped.insert(name.clone(), ops::multiply(g, &ops::astype(&factor, g.dtype())?)?);
    }
    Ok((clipped, norm))
}
