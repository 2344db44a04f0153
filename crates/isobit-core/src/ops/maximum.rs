//! The larger of two.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// The larger of each pair of elements; NaN if one is NaN.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, promoted.
///
/// # Gradients
/// The cotangent, for the larger one; for `b` if they are equal, for neither if one is NaN.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 5.0], &[2])?;
/// let b = Array::from_slice(&[2.0f32, 4.0], &[2])?;
/// assert_eq!(ops::maximum(&a, &b)?.to_vec::<f32>()?, [2.0, 5.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn maximum(a: &Array, b: &Array) -> Result<Array> {
    super::binary("maximum", Maximum, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`maximum`].
    Maximum, "maximum", 2, super::require_any,
    |i, x, _, t| {
        let zero = super::constant(t, 0.0);
        let wins = if i == 0 { super::greater(&x[0], &x[1])? } else { super::greater_equal(&x[1], &x[0])? };
        super::where_(&wins, t, &zero).map(Some)
    },
    [Case::elementwise(Maximum, &[Domain::Any(-4.0, 4.0), Domain::Any(-4.0, 4.0)]), Case::complex(Maximum, &[(-4.0, 4.0); 2])].concat(),
);
