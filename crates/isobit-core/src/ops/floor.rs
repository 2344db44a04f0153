//! Rounding down.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Case, Domain};

/// The greatest integer not above each element.
///
/// # Dtypes
/// Any; integers and bools are returned as they are.
///
/// # Gradients
/// Zero.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[-1.5f32, 1.8], &[2])?;
/// assert_eq!(ops::floor(&a)?.to_vec::<f32>()?, [-2.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn floor(a: &Array) -> Result<Array> {
    if a.dtype().is_inexact() { apply(Floor, &[a]) } else { Ok(a.clone()) }
}

crate::elementwise_primitive!(
    /// The primitive of [`floor`].
    Floor, "floor", 1, super::require_float,
    |_, _, _, _| Ok(None),
    Case::elementwise(Floor, &[Domain::Real(-4.0, 4.0)]),
);
