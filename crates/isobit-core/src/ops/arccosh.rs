//! Inverse hyperbolic cosine.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse hyperbolic cosine; NaN below 1.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
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
        let one = super::constant(t, 1.0);
        let slope = match x[0].dtype() {
            // The root of the square would have the wrong sign in half of the plane.
            Dtype::C64 => super::multiply(
                &super::rsqrt(&super::subtract(&x[0], &one)?)?,
                &super::rsqrt(&super::add(&x[0], &one)?)?,
            )?,
            _ => super::rsqrt(&super::subtract(&super::square(&x[0])?, &one)?)?,
        };
        super::multiply(t, &slope).map(Some)
    },
    [
        Case::elementwise(Arccosh, &[Domain::Real(1.2, 4.0)]),
        Case::analytic(Arccosh, &[(0.3, 2.0)]),
    ]
    .concat(),
);
