//! Remainder of a division.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise remainder of `a / b` with the sign of `b`, as in Python.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted. Floats: exact, NaN for `b = 0`; a zero has the sign of `b`. Integers: 0 for `b = 0`. Bools are divided as
/// numbers.
///
/// # Gradients
/// The cotangent, and minus it times `a // b`.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[7i32, -7], &[2])?;
/// let b = Array::from_slice(&[3i32, 3], &[2])?;
/// assert_eq!(ops::remainder(&a, &b)?.to_vec::<i32>()?, [1, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn remainder(a: &Array, b: &Array) -> Result<Array> {
    if (a.dtype(), b.dtype()) == (Dtype::Bool, Dtype::Bool) {
        return super::astype(&super::binary_as("remainder", Remainder, a, b, Dtype::U8)?, Dtype::Bool);
    }
    super::binary("remainder", Remainder, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`remainder`].
    Remainder, "remainder", 2, super::require_real_number,
    |i, x, _, t| {
        if i == 0 {
            return Ok(Some(t.clone()));
        }
        super::negative(&super::multiply(t, &super::floor_divide(&x[0], &x[1])?)?).map(Some)
    },
    [
        Case::elementwise(Remainder, &[Domain::Number(-9.0, 9.0), Domain::Number(1.0, 4.0)]),
        Case::elementwise(Remainder, &[Domain::Integer(-9, 9), Domain::Integer(-3, 3)]),
    ]
    .concat(),
);
