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
pub fn floor(a: &Array) -> Result<Array> {
    if a.dtype().is_inexact() { apply(Floor, &[a]) } else { Ok(a.clone()) }
}

crate::elementwise_primitive!(
    /// The primitive of [`floor`].
    Floor, "floor", 1, super::require_inexact,
    |_, _, _, _| Ok(None),
    Case::elementwise(Floor, &[Domain::Real(-4.0, 4.0)]),
);
