//! Tangent.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise tangent of an angle in radians.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `1 + result^2` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::tan(&a)?.to_vec::<f32>()?, [0.0, 1.5574077]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tan(a: &Array) -> Result<Array> {
    super::unary_float(Tan, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`tan`].
    Tan, "tan", 1, super::require_inexact,
    |_, _, out, t| super::multiply(t, &super::add(&super::square(out)?, &super::constant(t, 1.0))?).map(Some),
    [
        Case::elementwise(Tan, &[Domain::Real(-1.2, 1.2)]),
        Case::analytic(Tan, &[(0.2, 1.2)]),
    ]
    .concat(),
);
