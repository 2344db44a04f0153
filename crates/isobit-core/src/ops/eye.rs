//! Ones on a diagonal.

use super::slice::Region;
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::spec::checked_size;
use smallvec::smallvec;

/// An `n` by `m` matrix with ones on diagonal `k` (0 is the main one, positive above it) and zeros elsewhere.
///
/// # Errors
/// A shape with too many elements.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::eye(2, 3, 1, Dtype::I32)?.to_vec::<i32>()?, [0, 1, 0, 0, 0, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn eye(n: usize, m: usize, k: isize, dtype: Dtype) -> Result<Array> {
    checked_size("eye", &[n, m], dtype.size())?;
    let flat = super::zeros(&[n * m], dtype)?;
    let region = diagonal_region(n, m, k);
    let ones = super::ones(region.shape(), dtype)?;
    let out = super::slice_update::update_region(&flat, &ones, region)?;
    super::reshape(&out, &[n as isize, m as isize])
}

/// The `n` by `n` identity matrix.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::identity(2, Dtype::F32)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn identity(n: usize, dtype: Dtype) -> Result<Array> {
    eye(n, n, 0, dtype)
}

/// Diagonal `k` as a region of the flattened `n` by `m` matrix.
pub(crate) fn diagonal_region(n: usize, m: usize, k: isize) -> Region {
    let (row, col) = if k >= 0 { (0, k.unsigned_abs()) } else { (k.unsigned_abs(), 0) };
    let count = n.saturating_sub(row).min(m.saturating_sub(col));
    let start = if count == 0 { 0 } else { (row * m + col) as isize };
    Region { start: smallvec![start], step: smallvec![m as isize + 1], shape: smallvec![count] }
}
