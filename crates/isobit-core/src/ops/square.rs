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
    Case::elementwise(Square, &[Domain::Number(-4.0, 4.0)]),
);
