//! Exponential minus one.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `e^a - 1`, exact for small `a`.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// `e^a` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::expm1(&a)?.to_vec::<f32>()?, [0.0, 1.7182819]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn expm1(a: &Array) -> Result<Array> {
    super::unary_float(Expm1, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`expm1`].
    Expm1, "expm1", 1, super::require_float,
    |_, x, _, t| super::multiply(t, &super::exp(&x[0])?).map(Some),
    Case::elementwise(Expm1, &[Domain::Real(-3.0, 3.0)]),
);
