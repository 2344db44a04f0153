//! Shift to the right.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a >> b`; signed integers keep their sign.
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
/// let a = Array::from_slice(&[16i32, -8], &[2])?;
/// let b = Array::from_slice(&[2i32, 1], &[2])?;
/// assert_eq!(ops::right_shift(&a, &b)?.to_vec::<i32>()?, [4, -4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn right_shift(a: &Array, b: &Array) -> Result<Array> {
    let dtype = match a.dtype().promote(b.dtype()) {
        Dtype::Bool => Dtype::U8,
        d => d,
    };
    super::binary_as("right_shift", RightShift, a, b, dtype)
}

crate::elementwise_primitive!(
    /// The primitive of [`right_shift`].
    RightShift, "right_shift", 2, super::require_integer,
    |_, _, _, _| Ok(None),
    Case::elementwise(RightShift, &[Domain::Integer(0, 100), Domain::Integer(0, 7)])
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
