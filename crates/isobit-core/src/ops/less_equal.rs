//! Order.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Whether `a <= b`, element by element; false with a NaN.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, compared in their common dtype; the result is bool.
///
/// # Gradients
/// None.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let b = Array::from_slice(&[2i32, 2, 2], &[3])?;
/// assert_eq!(ops::less_equal(&a, &b)?.to_vec::<bool>()?, [true, true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn less_equal(a: &Array, b: &Array) -> Result<Array> {
    super::binary("less_equal", LessEqual, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`less_equal`].
    LessEqual, "less_equal", 2, super::compared,
    |_, _, _, _| Ok(None),
    [Case::elementwise(LessEqual, &[Domain::Any(-2.0, 2.0), Domain::Any(-2.0, 2.0)]), Case::complex(LessEqual, &[(-2.0, 2.0); 2])]
        .concat()
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
