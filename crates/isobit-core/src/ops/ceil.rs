//! Rounding up.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Case, Domain};

/// The least integer not below each element.
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
/// let a = Array::from_slice(&[-1.5f32, 1.2], &[2])?;
/// assert_eq!(ops::ceil(&a)?.to_vec::<f32>()?, [-1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn ceil(a: &Array) -> Result<Array> {
    if a.dtype().is_inexact() { apply(Ceil, &[a]) } else { Ok(a.clone()) }
}

crate::elementwise_primitive!(
    /// The primitive of [`ceil`].
    Ceil, "ceil", 1, super::require_float,
    |_, _, _, _| Ok(None),
    Case::elementwise(Ceil, &[Domain::Real(-4.0, 4.0)]),
);
