//! Inequality.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Whether `a != b`, element by element; a NaN differs from everything.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, compared in their common dtype; the result is bool.
///
/// # Gradients
/// None.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, f32::NAN], &[2])?;
/// let b = Array::from_slice(&[1.0f32, f32::NAN], &[2])?;
/// assert_eq!(ops::not_equal(&a, &b)?.to_vec::<bool>()?, [false, true]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn not_equal(a: &Array, b: &Array) -> Result<Array> {
    super::binary("not_equal", NotEqual, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`not_equal`].
    NotEqual, "not_equal", 2, super::compared,
    |_, _, _, _| Ok(None),
    [Case::elementwise(NotEqual, &[Domain::Any(-2.0, 2.0), Domain::Any(-2.0, 2.0)]), Case::complex(NotEqual, &[(-2.0, 2.0); 2])]
        .concat()
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
