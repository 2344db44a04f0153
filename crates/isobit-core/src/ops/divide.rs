//! Quotient of two arrays.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise true quotient.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted; integers and bools are divided in float32.
///
/// # Gradients
/// The cotangent over `b`, and minus that times the result.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 3.0], &[2])?;
/// let b = Array::from_slice(&[2.0f32, 4.0], &[2])?;
/// assert_eq!(ops::divide(&a, &b)?.to_vec::<f32>()?, [0.5, 0.75]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn divide(a: &Array, b: &Array) -> Result<Array> {
    super::binary_as("divide", Divide, a, b, a.dtype().promote(b.dtype()).at_least_float())
}

crate::elementwise_primitive!(
    /// The primitive of [`divide`].
    Divide, "divide", 2, super::require_inexact,
    |i, x, out, t| {
        let slope = super::divide(t, &x[1])?;
        if i == 0 { Ok(Some(slope)) } else { super::negative(&super::multiply(&slope, out)?).map(Some) }
    },
    [
        Case::elementwise(Divide, &[Domain::Real(-4.0, 4.0), Domain::Real(0.5, 4.0)]),
        Case::analytic(Divide, &[(-4.0, 4.0), (0.3, 4.0)]),
    ]
    .concat(),
);
