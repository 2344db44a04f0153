//! Angle of a point.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// The angle of the point `(b, a)` in radians, in `[-pi, pi]`.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted; integers and bools are computed in float32.
///
/// # Gradients
/// `b / (a^2 + b^2)` and `-a / (a^2 + b^2)` times the cotangent.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 0.0], &[2])?;
/// let b = Array::from_slice(&[1.0f32, -1.0], &[2])?;
/// assert_eq!(ops::arctan2(&a, &b)?.to_vec::<f32>()?, [0.7853981, std::f32::consts::PI]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arctan2(a: &Array, b: &Array) -> Result<Array> {
    super::binary_as("arctan2", Arctan2, a, b, a.dtype().promote(b.dtype()).at_least_float())
}

crate::elementwise_primitive!(
    /// The primitive of [`arctan2`].
    Arctan2, "arctan2", 2, super::require_float,
    |i, x, _, t| {
        let norm = super::add(&super::square(&x[0])?, &super::square(&x[1])?)?;
        let slope = super::divide(&x[1 - i], &norm)?;
        let term = super::multiply(t, &slope)?;
        if i == 0 { Ok(Some(term)) } else { super::negative(&term).map(Some) }
    },
    Case::elementwise(Arctan2, &[Domain::Real(0.5, 4.0), Domain::Real(-4.0, 4.0)]),
);
