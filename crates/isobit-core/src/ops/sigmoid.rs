//! Logistic function.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `1 / (1 + e^-a)`.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// `result (1 - result)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, f32::INFINITY], &[2])?;
/// assert_eq!(ops::sigmoid(&a)?.to_vec::<f32>()?, [0.5, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sigmoid(a: &Array) -> Result<Array> {
    super::unary_float(Sigmoid, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`sigmoid`].
    Sigmoid, "sigmoid", 1, super::require_float,
    |_, _, out, t| {
        let rest = super::subtract(&super::constant(t, 1.0), out)?;
        super::multiply(t, &super::multiply(out, &rest)?).map(Some)
    },
    Case::elementwise(Sigmoid, &[Domain::Real(-4.0, 4.0)]),
);
