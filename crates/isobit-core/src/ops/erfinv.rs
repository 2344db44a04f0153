//! Inverse error function.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise inverse of [`erf`](super::erf()); infinite at -1 and 1, NaN beyond.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// `sqrt(pi)/2 e^(result^2)` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 0.5], &[2])?;
/// assert_eq!(ops::erfinv(&a)?.to_vec::<f32>()?, [0.0, 0.47693628]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn erfinv(a: &Array) -> Result<Array> {
    super::unary_float(Erfinv, a)
}

crate::elementwise_primitive!(
    /// The primitive of [`erfinv`].
    Erfinv, "erfinv", 1, super::require_float,
    |_, _, out, t| {
        let scale = super::constant(t, 1.0 / std::f64::consts::FRAC_2_SQRT_PI);
        super::multiply(t, &super::multiply(&super::exp(&super::square(out)?)?, &scale)?).map(Some)
    },
    Case::elementwise(Erfinv, &[Domain::Real(-0.9, 0.9)])
        .into_iter()
        .map(|c| c.ulps(6.0))
        .collect(),
);
