//! Reciprocal square root.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `1 / sqrt(a)`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// `-result / (2 a)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[4.0f32, 0.25], &[2])?;
/// assert_eq!(ops::rsqrt(&a)?.to_vec::<f32>()?, [0.5, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn rsqrt(a: &Array) -> Result<Array> {
    super::unary_float(Rsqrt, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`rsqrt`].
    Rsqrt, "rsqrt", 1, super::require_inexact,
    |_, x, out, t| {
        let slope = super::divide(out, &super::multiply(&x[0], &super::constant(t, -2.0))?)?;
        super::multiply(t, &slope).map(Some)
    },
    [
        Case::elementwise(Rsqrt, &[Domain::Real(0.1, 4.0)]),
        Case::analytic(Rsqrt, &[(0.3, 2.0)]),
    ]
    .concat(),
);
