//! Negation.

use crate::array::Array;
use crate::error::Result;

/// Whether each element is 0 (or false).
///
/// # Dtypes
/// Any; the result is bool. A NaN is not 0.
pub fn logical_not(a: &Array) -> Result<Array> {
    super::equal(a, &super::constant(a, 0.0))
}
