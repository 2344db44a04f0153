//! Natural logarithm.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise natural logarithm; NaN for negative numbers, -inf for 0.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent over `a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::log(&a)?.to_vec::<f32>()?, [0.0, std::f32::consts::LN_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn log(a: &Array) -> Result<Array> {
    super::unary_float(Log, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`log`].
    Log, "log", 1, super::require_inexact,
    |_, x, _, t| super::divide(t, &x[0]).map(Some),
    [
        Case::elementwise(Log, &[Domain::Real(0.1, 4.0)]),
        Case::analytic(Log, &[(0.3, 2.0)]),
    ]
    .concat(),
);
