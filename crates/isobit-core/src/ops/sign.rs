//! Sign.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise -1, 0 or 1 with the sign of `a`; NaN for NaN.
///
/// # Dtypes
/// Any.
///
/// # Gradients
/// Zero.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[-3.0f32, 0.0, 2.0], &[3])?;
/// assert_eq!(ops::sign(&a)?.to_vec::<f32>()?, [-1.0, 0.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sign(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::Bool {
        return Ok(a.clone());
    }
    apply(Sign, &[a])
}

crate::elementwise_primitive!(
    /// The primitive of [`sign`].
    Sign, "sign", 1, super::require_number,
    |_, _, _, _| Ok(None),
    Case::elementwise(Sign, &[Domain::Number(-4.0, 4.0)]),
);
