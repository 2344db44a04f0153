//! Limits.

use crate::array::Array;
use crate::error::{Error, Result};

/// `a` limited to at least `min` and at most `max`, element by element; where `min > max` it is `max`.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, promoted. A NaN stays.
///
/// # Gradients
/// The cotangent inside the limits. At and beyond a limit it goes to the limit.
///
/// # Errors
/// Shapes that do not broadcast; no limit at all.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[-2.0f32, 0.5, 9.0], &[3])?;
/// let (low, high) = (Array::scalar(-1.0, Dtype::F32), Array::scalar(1.0, Dtype::F32));
/// assert_eq!(ops::clip(&a, Some(&low), Some(&high))?.to_vec::<f32>()?, [-1.0, 0.5, 1.0]);
/// assert_eq!(ops::clip(&a, Some(&low), None)?.to_vec::<f32>()?, [-1.0, 0.5, 9.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn clip(a: &Array, min: Option<&Array>, max: Option<&Array>) -> Result<Array> {
    match (min, max) {
        (None, None) => Err(Error::value("clip", "expected at least one of min and max, got neither")),
        (Some(min), None) => super::maximum(a, min),
        (None, Some(max)) => super::minimum(a, max),
        (Some(min), Some(max)) => super::minimum(&super::maximum(a, min)?, max),
    }
}
