//! Square.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a a`; integers wrap.
///
/// # Dtypes
/// Any.
///
/// # Gradients
/// `2 a` times the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, -2.0], &[2])?;
/// assert_eq!(ops::square(&a)?.to_vec::<f32>()?, [9.0, 4.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn square(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::Bool {
        return Ok(a.clone());
    }
    apply(Square, &[a])
}

crate::elementwise_primitive!(
    /// The primitive of [`square`].
    Square, "square", 1, super::require_number,
    |_, x, _, t| super::multiply(t, &super::add(&x[0], &x[0])?).map(Some),
    [
        Case::elementwise(Square, &[Domain::Number(-4.0, 4.0)]),
        Case::analytic(Square, &[(-4.0, 4.0)]),
    ]
    .concat(),
);
