//! Inverse hyperbolic cosine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse hyperbolic cosine; NaN below 1.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `sqrt(a^2 - 1)`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::arccosh(&a)?.to_vec::<f32>()?, [0.0, 1.316958]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arccosh(a: &Array) -> Result<Array> {
    super::unary_float(Arccosh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arccosh`].
    Arccosh, "arccosh", 1, super::require_inexact,
    |_, x, _, t| {
        let slope = super::rsqrt(&super::subtract(&super::square(&x[0])?, &super::constant(t, 1.0))?)?;
        super::multiply(t, &slope).map(Some)
    },
    Case::elementwise(Arccosh, &[Domain::Real(1.2, 4.0)]),
);
