//! Inverse cosine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse cosine, an angle in `[0, pi]`; NaN outside `[-1, 1]`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The negated cotangent over `sqrt(1 - a^2)`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 0.0, -1.0], &[3])?;
/// assert_eq!(ops::arccos(&a)?.to_vec::<f32>()?, [0.0, std::f32::consts::FRAC_PI_2, std::f32::consts::PI]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arccos(a: &Array) -> Result<Array> {
    super::unary_float(Arccos, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arccos`].
    Arccos, "arccos", 1, super::require_inexact,
    |_, x, _, t| {
        let slope = super::rsqrt(&super::subtract(&super::constant(t, 1.0), &super::square(&x[0])?)?)?;
        super::negative(&super::multiply(t, &slope)?).map(Some)
    },
    [
        Case::elementwise(Arccos, &[Domain::Real(-0.9, 0.9)]),
        Case::analytic(Arccos, &[(0.3, 2.0)]),
    ]
    .concat(),
);
