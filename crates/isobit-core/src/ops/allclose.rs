//! Equality of whole arrays within tolerances.

use crate::array::Array;
use crate::error::Result;

/// Whether all elements are close, see [`isclose`](super::isclose()): a 0-dimensional bool.
///
/// # Shapes
/// Broadcast together.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let b = Array::from_slice(&[1.0f32, 2.00001], &[2])?;
/// assert_eq!(ops::allclose(&a, &b, 1e-5, 1e-8, false)?.to_vec::<bool>()?, [true]);
/// assert_eq!(ops::allclose(&a, &b, 1e-7, 1e-8, false)?.to_vec::<bool>()?, [false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn allclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    super::all(&super::isclose(a, b, rtol, atol, equal_nan)?, .., false)
}
