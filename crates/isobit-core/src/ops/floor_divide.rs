//! Quotient of two arrays, rounded down.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// The greatest integer not above `a / b`, element by element.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted. Floats: the quotient that goes with the exact [`remainder`](super::remainder()), infinite for `b = 0`, NaN for
/// infinite `a`. Integers: 0 for `b = 0`; the least integer over -1 wraps. Bools are divided as numbers.
///
/// # Gradients
/// Zero.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[7i32, -7], &[2])?;
/// let b = Array::from_slice(&[2i32, 2], &[2])?;
/// assert_eq!(ops::floor_divide(&a, &b)?.to_vec::<i32>()?, [3, -4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn floor_divide(a: &Array, b: &Array) -> Result<Array> {
    if (a.dtype(), b.dtype()) == (Dtype::Bool, Dtype::Bool) {
        return super::astype(&super::binary_as("floor_divide", FloorDivide, a, b, Dtype::U8)?, Dtype::Bool);
    }
    super::binary("floor_divide", FloorDivide, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`floor_divide`].
    FloorDivide, "floor_divide", 2, super::require_real_number,
    |_, _, _, _| Ok(None),
    [
        Case::elementwise(FloorDivide, &[Domain::Number(-9.0, 9.0), Domain::Number(1.0, 4.0)]),
        Case::elementwise(FloorDivide, &[Domain::Integer(-9, 9), Domain::Integer(-3, 3)]),
    ]
    .concat(),
);
