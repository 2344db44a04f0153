//! Bitwise exclusive or.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a ^ b`.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Bools and integers, promoted.
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
/// let a = Array::from_slice(&[12i32, 5], &[2])?;
/// let b = Array::from_slice(&[10i32, 3], &[2])?;
/// assert_eq!(ops::bitwise_xor(&a, &b)?.to_vec::<i32>()?, [6, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn bitwise_xor(a: &Array, b: &Array) -> Result<Array> {
    super::binary("bitwise_xor", BitwiseXor, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`bitwise_xor`].
    BitwiseXor, "bitwise_xor", 2, super::require_bits,
    |_, _, _, _| Ok(None),
    Case::elementwise(BitwiseXor, &[Domain::Bits(0, 100), Domain::Bits(0, 100)])
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
