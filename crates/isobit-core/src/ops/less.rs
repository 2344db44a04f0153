//! Order.

use crate::array::Array;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Whether `a < b`, element by element; false with a NaN.
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
/// assert_eq!(ops::less(&a, &b)?.to_vec::<bool>()?, [true, false, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn less(a: &Array, b: &Array) -> Result<Array> {
    super::binary("less", Less, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`less`].
    Less, "less", 2, super::compared,
    |_, _, _, _| Ok(None),
    [Case::elementwise(Less, &[Domain::Any(-2.0, 2.0), Domain::Any(-2.0, 2.0)]), Case::complex(Less, &[(-2.0, 2.0); 2])]
        .concat()
        .into_iter()
        .map(|c| c.exact().no_grad())
        .collect(),
);
