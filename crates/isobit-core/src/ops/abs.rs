//! Magnitude.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise magnitude. The least signed integer stays what it is.
///
/// # Dtypes
/// Any.
///
/// # Gradients
/// The cotangent times the sign of `a`; zero at 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[-1.5f32, 0.0, 2.0], &[3])?;
/// assert_eq!(ops::abs(&a)?.to_vec::<f32>()?, [1.5, 0.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn abs(a: &Array) -> Result<Array> {
    if a.dtype().is_unsigned() || a.dtype() == Dtype::Bool {
        return Ok(a.clone());
    }
    apply(Abs, &[a])
}

crate::elementwise_primitive!(
    /// The primitive of [`abs`].
    Abs, "abs", 1, super::require_number,
    |_, x, _, t| super::multiply(t, &super::sign(&x[0])?).map(Some),
    Case::elementwise(Abs, &[Domain::Number(-4.0, 4.0)]),
);
