//! Rounding towards zero.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Each element without its fraction.
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
/// let a = Array::from_slice(&[-1.8f32, 1.8], &[2])?;
/// assert_eq!(ops::trunc(&a)?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn trunc(a: &Array) -> Result<Array> {
    if a.dtype().is_inexact() { apply(Trunc, &[a]) } else { Ok(a.clone()) }
}

crate::elementwise_primitive!(
    /// The primitive of [`trunc`].
    Trunc, "trunc", 1, super::require_float,
    |_, _, _, _| Ok(None),
    Case::elementwise(Trunc, &[Domain::Real(-4.0, 4.0)]),
);
