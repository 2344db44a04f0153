//! Inverse tangent.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse tangent, an angle in `[-pi/2, pi/2]`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `1 + a^2`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::arctan(&a)?.to_vec::<f32>()?, [0.0, 0.7853981]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arctan(a: &Array) -> Result<Array> {
    super::unary_float(Arctan, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`arctan`].
    Arctan, "arctan", 1, super::require_inexact,
    |_, x, _, t| super::divide(t, &super::add(&super::constant(t, 1.0), &super::square(&x[0])?)?).map(Some),
    [
        Case::elementwise(Arctan, &[Domain::Real(-3.0, 3.0)]),
        Case::analytic(Arctan, &[(0.3, 2.0)]),
    ]
    .concat(),
);
