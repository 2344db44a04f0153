//! Inverse sine.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse sine, an angle in `[-pi/2, pi/2]`; NaN outside `[-1, 1]`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `sqrt(1 - a^2)`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::arcsin(&a)?.to_vec::<f32>()?, [0.0, std::f32::consts::FRAC_PI_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arcsin(a: &Array) -> Result<Array> {
    super::unary_float(Arcsin, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arcsin`].
    Arcsin, "arcsin", 1, super::require_inexact,
    |_, x, _, t| {
        let slope = super::rsqrt(&super::subtract(&super::constant(t, 1.0), &super::square(&x[0])?)?)?;
        super::multiply(t, &slope).map(Some)
    },
    [
        Case::elementwise(Arcsin, &[Domain::Real(-0.9, 0.9)]),
        Case::analytic(Arcsin, &[(0.3, 2.0)]),
    ]
    .concat(),
);
