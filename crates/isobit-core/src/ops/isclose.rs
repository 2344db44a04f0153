//! Equality within tolerances.

use crate::array::Array;
use crate::error::Result;

/// Whether `|a - b| <= atol + rtol |b|`, element by element. Infinities are close if they are equal; NaN is close to
/// NaN if `equal_nan`, and to nothing else.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any; integers and bools are compared in float32. The result is bool.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 100.0], &[2])?;
/// let b = Array::from_slice(&[1.1f32, 110.0], &[2])?;
/// // The relative tolerance is of `b`.
/// assert_eq!(ops::isclose(&a, &b, 0.0, 0.2, false)?.to_vec::<bool>()?, [true, false]);
/// assert_eq!(ops::isclose(&a, &b, 0.095, 0.0, false)?.to_vec::<bool>()?, [true, true]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    let dtype = a.dtype().promote(b.dtype()).at_least_float();
    let (a, b) = (super::astype(a, dtype)?, super::astype(b, dtype)?);
    let value = |v| Array::scalar(v, dtype.real());
    let bound = super::add(&super::multiply(&super::abs(&b)?, &value(rtol))?, &value(atol))?;
    let near = super::less_equal(&super::abs(&super::subtract(&a, &b)?)?, &bound)?;
    // With an infinity the bound is infinite or the distance NaN: only equality counts.
    let finite = super::logical_and(&super::isfinite(&a)?, &super::isfinite(&b)?)?;
    let mut close = super::logical_or(&super::logical_and(&near, &finite)?, &super::equal(&a, &b)?)?;
    if equal_nan {
        close = super::logical_or(&close, &super::logical_and(&super::isnan(&a)?, &super::isnan(&b)?)?)?;
    }
    Ok(close)
}
