//! Elements shifted around the end.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::{Axes, resolve_axis};

/// `a` with elements moved forward by `shifts` along `axes`, those pushed out at the end coming back at the front. One
/// shift counts for every axis, and several shifts of one axis add up; with `..`, the flattened array is shifted by the
/// sum of `shifts`.
///
/// # Gradients
/// The cotangent, shifted back.
///
/// # Errors
/// Axes out of range, several shifts for another number of axes, no shift or no axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// assert_eq!(ops::roll(&a, &[1], 0)?.to_vec::<i32>()?, [4, 1, 2, 3]);
/// assert_eq!(ops::roll(&a, &[-1], ..)?.to_vec::<i32>()?, [2, 3, 4, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn roll(a: &Array, shifts: &[isize], axes: impl Into<Axes>) -> Result<Array> {
    let axes = match axes.into() {
        Axes::All => {
            let flat = super::reshape(a, &[-1])?;
            let total = shifts.iter().fold(0isize, |s, &x| s.wrapping_add(x));
            return super::reshape(&shift(&flat, total, 0)?, &super::broadcast::signed(a.shape()));
        }
        Axes::List(list) => list,
    };
    if shifts.is_empty() || axes.is_empty() {
        return Err(Error::value("roll", "expected at least one shift and one axis"));
    }
    if shifts.len() != 1 && axes.len() != 1 && shifts.len() != axes.len() {
        let (n, got) = (axes.len(), shifts.len());
        return Err(Error::value("roll", format!("expected 1 or {n} shifts, got {got}")));
    }
    let mut total = vec![0isize; a.ndim()];
    for i in 0..shifts.len().max(axes.len()) {
        let (by, axis) = (shifts[i % shifts.len()], axes[i % axes.len()]);
        let axis = resolve_axis("roll", axis, a.ndim())?;
        total[axis] = total[axis].wrapping_add(by);
    }
    let mut out = a.clone();
    for (axis, &by) in total.iter().enumerate() {
        out = shift(&out, by, axis)?;
    }
    Ok(out)
}

fn shift(a: &Array, by: isize, axis: usize) -> Result<Array> {
    let n = a.shape()[axis] as isize;
    let cut = if n == 0 { 0 } else { (-by.rem_euclid(n)).rem_euclid(n) };
    if cut == 0 {
        crate::eval::sizes_matter();
        return Ok(a.clone());
    }
    let mut parts = super::split_at(a, &[cut], axis as isize)?;
    parts.swap(0, 1);
    super::concatenate(&parts, axis as isize)
}
