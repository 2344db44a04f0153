//! Hyperbolic tangent.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise hyperbolic tangent.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `1 - result^2` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::tanh(&a)?.to_vec::<f32>()?, [0.0, 0.7615942]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn tanh(a: &Array) -> Result<Array> {
    super::unary_float(Tanh, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`tanh`].
    Tanh, "tanh", 1, super::require_inexact,
    |_, _, out, t| super::multiply(t, &super::subtract(&super::constant(t, 1.0), &super::square(out)?)?).map(Some),
    [
        Case::elementwise(Tanh, &[Domain::Real(-3.0, 3.0)]),
        Case::analytic(Tanh, &[(0.2, 1.2)]),
    ]
    .concat(),
);
