//! Logarithm of one plus the argument.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `ln(1 + a)`, exact for small `a`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `1 + a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::log1p(&a)?.to_vec::<f32>()?, [0.0, std::f32::consts::LN_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn log1p(a: &Array) -> Result<Array> {
    super::unary_float(Log1p, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`log1p`].
    Log1p, "log1p", 1, super::require_inexact,
    |_, x, _, t| super::divide(t, &super::add(&x[0], &super::constant(t, 1.0))?).map(Some),
    [
        Case::elementwise(Log1p, &[Domain::Real(-0.9, 4.0)]),
        Case::analytic(Log1p, &[(0.3, 2.0)]),
    ]
    .concat(),
);
