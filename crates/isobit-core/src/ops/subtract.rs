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
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[5.0f32, 1.0], &[2])?;
/// let b = Array::from_slice(&[2.0f32, 4.0], &[2])?;
/// assert_eq!(ops::subtract(&a, &b)?.to_vec::<f32>()?, [3.0, -3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn subtract(a: &Array, b: &Array) -> Result<Array> {
    super::binary("subtract", Subtract, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`subtract`].
    Subtract, "subtract", 2, super::require_any,
    |i, _, _, t| if i == 0 { Ok(Some(t.clone())) } else { super::negative(t).map(Some) },
    [
        Case::elementwise(Subtract, &[Domain::Any(-4.0, 4.0), Domain::Any(-4.0, 4.0)]),
        Case::complex(Subtract, &[(-4.0, 4.0); 2]),
    ]
    .concat(),
);
