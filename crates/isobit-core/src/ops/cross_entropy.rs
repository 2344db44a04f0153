//! The negative log-probability of classes.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// `logsumexp(logits) - logits[target]` over the last axis.
///
/// # Shapes
/// `targets`: the logits' shape without the last axis, and so the result.
///
/// # Dtypes
/// Integer targets (negative ones count from the end); float32, or float64 for logits of it.
///
/// # Gradients
/// `softmax(logits)`, less 1 at the target, times the cotangent.
///
/// # Errors
/// Targets of another shape or that are no integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let logits = Array::from_slice(&[0.0f32, 0.0, 0.0, 0.0], &[2, 2])?;
/// let targets = Array::from_slice(&[0i32, 1], &[2])?;
/// assert_eq!(ops::cross_entropy(&logits, &targets)?.to_vec::<f32>()?, [2f32.ln(); 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cross_entropy(logits: &Array, targets: &Array) -> Result<Array> {
    let lead = &logits.shape()[..logits.ndim().saturating_sub(1)];
    if logits.ndim() == 0 || targets.shape() != lead {
        let (want, got) = (lead, targets.shape());
        return Err(Error::value("cross_entropy", format!("expected targets of shape {want:?}, got {got:?}")));
    }
    let x = super::astype(logits, logits.dtype().promote(Dtype::F32))?;
    let chosen = super::take_along_axis(&x, &super::expand_dims(targets, -1)?, -1)?;
    super::subtract(&super::logsumexp(&x, -1, false)?, &super::squeeze(&chosen, -1)?)
}
