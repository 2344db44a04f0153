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
/// Promoted. Floats: the quotient is rounded once before it is rounded down, so `1 // 0` is inf. Integers: division by
/// 0 gives 0, and the least integer over -1 wraps. Bools are divided as numbers, and `x // false` is false.
///
/// # Gradients
/// Zero.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn floor_divide(a: &Array, b: &Array) -> Result<Array> {
    if (a.dtype(), b.dtype()) == (Dtype::Bool, Dtype::Bool) {
        return super::logical_and(a, b);
    }
    super::binary("floor_divide", FloorDivide, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`floor_divide`].
    FloorDivide, "floor_divide", 2, super::require_number,
    |_, _, _, _| Ok(None),
    [
        Case::elementwise(FloorDivide, &[Domain::Number(-9.0, 9.0), Domain::Number(1.0, 4.0)]),
        Case::elementwise(FloorDivide, &[Domain::Integer(-9, 9), Domain::Integer(-3, 3)]),
    ]
    .concat(),
);
