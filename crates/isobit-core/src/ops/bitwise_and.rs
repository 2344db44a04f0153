//! Bitwise conjunction.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a & b`.
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
pub fn bitwise_and(a: &Array, b: &Array) -> Result<Array> {
    super::binary("bitwise_and", BitwiseAnd, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`bitwise_and`].
    BitwiseAnd, "bitwise_and", 2, super::require_bits,
    |_, _, _, _| Ok(None),
    Case::elementwise(BitwiseAnd, &[Domain::Bits(0, 100), Domain::Bits(0, 100)])
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
