//! One axis taken apart.

use super::broadcast::signed;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::resolve_axis;

/// The slices of `a` along `axis`, without that axis.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// let columns = ops::unstack(&a, 1)?;
/// assert_eq!(columns[0].to_vec::<i32>()?, [1, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn unstack(a: &Array, axis: isize) -> Result<Vec<Array>> {
    let d = resolve_axis("unstack", axis, a.ndim())?;
    (0..a.shape()[d]).map(|i| super::take_index(a, i, d as isize)).collect()
}

/// `a` with `axis` replaced by axes of `shape`, of which one may be -1 and is computed. A view.
///
/// # Errors
/// An axis out of range, an empty shape or one of another number of elements.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[6])?;
/// assert_eq!(ops::unflatten(&a, 0, &[2, -1])?.shape(), [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn unflatten(a: &Array, axis: isize, shape: &[isize]) -> Result<Array> {
    let d = resolve_axis("unflatten", axis, a.ndim())?;
    let n = a.shape()[d];
    let known =
        || shape.iter().filter(|&&k| k != -1).try_fold(1isize, |p, &k| (k >= 0).then(|| p.checked_mul(k)).flatten());
    let fits = match (shape.iter().filter(|&&k| k == -1).count(), known()) {
        (0, Some(p)) => !shape.is_empty() && p as usize == n,
        (1, Some(p)) => p > 0 && n.is_multiple_of(p as usize),
        _ => false,
    };
    if !fits {
        return Err(Error::value("unflatten", format!("axis {axis} of size {n} cannot become {shape:?}")));
    }
    let mut out = signed(a.shape());
    // A second -1 is impossible, since the axes around are known.
    let inner: isize = known().unwrap_or(1);
    let resolved = shape.iter().map(|&k| if k == -1 { n as isize / inner } else { k });
    out.splice(d..=d, resolved);
    super::reshape(a, &out)
}
