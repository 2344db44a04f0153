//! Logarithm to base 2.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise logarithm to base 2.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `a ln 2`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 8.0], &[2])?;
/// assert_eq!(ops::log2(&a)?.to_vec::<f32>()?, [0.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn log2(a: &Array) -> Result<Array> {
    super::unary_float(Log2, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`log2`].
    Log2, "log2", 1, super::require_inexact,
    |_, x, _, t| super::divide(t, &super::multiply(&x[0], &super::constant(t, std::f64::consts::LN_2))?).map(Some),
    [
        Case::elementwise(Log2, &[Domain::Real(0.1, 4.0)]),
        Case::analytic(Log2, &[(0.3, 2.0)]),
    ]
    .concat(),
);
