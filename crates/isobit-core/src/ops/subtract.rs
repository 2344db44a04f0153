//! Difference of two arrays.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise difference.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, promoted; integers wrap, and two bools differ or not.
///
/// # Gradients
/// The cotangent, and its negative.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn subtract(a: &Array, b: &Array) -> Result<Array> {
    super::binary("subtract", Subtract, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`subtract`].
    Subtract, "subtract", 2, super::require_any,
    |i, _, _, t| if i == 0 { Ok(Some(t.clone())) } else { super::negative(t).map(Some) },
    Case::elementwise(Subtract, &[Domain::Any(-4.0, 4.0), Domain::Any(-4.0, 4.0)]),
);
