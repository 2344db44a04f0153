//! Logarithm of a sum of exponentials.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `ln(e^a + e^b)` without overflow.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent, shared out by `sigmoid(a - b)` and `sigmoid(b - a)`.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, f32::NEG_INFINITY], &[2])?;
/// let b = Array::from_slice(&[0.0f32, 5.0], &[2])?;
/// assert_eq!(ops::logaddexp(&a, &b)?.to_vec::<f32>()?, [std::f32::consts::LN_2, 5.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logaddexp(a: &Array, b: &Array) -> Result<Array> {
    super::binary_as("logaddexp", Logaddexp, a, b, a.dtype().promote(b.dtype()).at_least_float())
}

crate::elementwise_primitive!(
    /// The primitive of [`logaddexp`].
    Logaddexp, "logaddexp", 2, super::require_inexact,
    |i, x, out, t| {
        if t.dtype() == Dtype::C64 {
            return super::multiply(t, &super::exp(&super::subtract(&x[i], out)?)?).map(Some);
        }
        let (mine, other) = (&x[i], &x[1 - i]);
        // Equal infinities share evenly; their difference would be NaN.
        let tied = super::logical_and(&super::equal(mine, other)?, &super::isinf(mine)?)?;
        let gap = super::subtract(mine, &super::where_(&tied, mine, other)?)?;
        let gap = super::where_(&tied, &super::constant(t, 0.0), &gap)?;
        super::multiply(t, &super::sigmoid(&gap)?).map(Some)
    },
    // Where the result is near 0 its parts cancel: the error is below an ulp of `a`, not of the result.
    [
        Case::elementwise(Logaddexp, &[Domain::Real(-4.0, 4.0), Domain::Real(-4.0, 4.0)]),
        // The sum of two such exponentials is never near the cut of the logarithm.
        Case::analytic(Logaddexp, &[(-1.2, 1.2); 2]),
    ]
    .concat()
        .into_iter()
        .map(|c| c.ulps(16.0))
        .collect(),
);
