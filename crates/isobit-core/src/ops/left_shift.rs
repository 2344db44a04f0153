//! Shift to the left.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a << b`; the bits shifted out are lost.
///
/// A distance below 0, or not below the number of bits, shifts every bit out.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Integers, promoted; two bools are shifted as uint8.
///
/// # Gradients
/// None.
///
/// # Errors
/// Shapes that do not broadcast; a floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 3], &[2])?;
/// let b = Array::from_slice(&[4i32, 1], &[2])?;
/// assert_eq!(ops::left_shift(&a, &b)?.to_vec::<i32>()?, [16, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn left_shift(a: &Array, b: &Array) -> Result<Array> {
    let dtype = match a.dtype().promote(b.dtype()) {
        Dtype::Bool => Dtype::U8,
        d => d,
    };
    super::binary_as("left_shift", LeftShift, a, b, dtype)
}

crate::elementwise_primitive!(
    /// The primitive of [`left_shift`].
    LeftShift, "left_shift", 2, super::require_integer,
    |_, _, _, _| Ok(None),
    Case::elementwise(LeftShift, &[Domain::Integer(0, 100), Domain::Integer(0, 7)])
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
