//! Equality.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Whether `a == b`, element by element; a NaN equals nothing.
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
/// assert_eq!(ops::equal(&a, &b)?.to_vec::<bool>()?, [true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn equal(a: &Array, b: &Array) -> Result<Array> {
    super::binary("equal", Equal, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`equal`].
    Equal, "equal", 2, super::compared,
    |_, _, _, _| Ok(None),
    [Case::elementwise(Equal, &[Domain::Any(-2.0, 2.0), Domain::Any(-2.0, 2.0)]), Case::complex(Equal, &[(-2.0, 2.0); 2])]
        .concat()
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
