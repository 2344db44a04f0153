//! Bitwise complement.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise complement of every bit; of a bool, its negation.
///
/// # Dtypes
/// Bools and integers.
///
/// # Gradients
/// None.
///
/// # Errors
/// A floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0i32, 5], &[2])?;
/// assert_eq!(ops::bitwise_invert(&a)?.to_vec::<i32>()?, [-1, -6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn bitwise_invert(a: &Array) -> Result<Array> {
    apply(BitwiseInvert, &[a])
}

crate::elementwise_primitive!(
    /// The primitive of [`bitwise_invert`].
    BitwiseInvert, "bitwise_invert", 1, super::require_bits,
    |_, _, _, _| Ok(None),
    Case::elementwise(BitwiseInvert, &[Domain::Bits(0, 100)])
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
