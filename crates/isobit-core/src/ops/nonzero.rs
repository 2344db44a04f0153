//! Where an array is not zero. The one family of operations whose shapes depend on values: it evaluates.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// The indices of the elements that are not zero, in row-major order: one vector per axis.
///
/// Evaluates, since the number of indices depends on values.
///
/// # Dtypes
/// int32, or int64 if an axis is too long for it.
///
/// # Gradients
/// None.
///
/// # Errors
/// A scalar; an argument of a function that `vmap` or `compile` is recording, which has no values.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[0i32, 1, 2, 0], &[2, 2])?;
/// let places = ops::nonzero(&a)?;
/// // One vector of positions per axis.
/// let rows = ops::astype(&places[0], Dtype::I32)?;
/// let columns = ops::astype(&places[1], Dtype::I32)?;
/// assert_eq!(rows.to_vec::<i32>()?, [0, 1]);
/// assert_eq!(columns.to_vec::<i32>()?, [1, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn nonzero(a: &Array) -> Result<Vec<Array>> {
    if a.ndim() == 0 {
        return Err(Error::value("nonzero", "expected at least one axis, got a scalar"));
    }
    let set = super::astype(a, Dtype::Bool)?.to_vec::<bool>()?;
    let flat: Vec<usize> = set.iter().enumerate().filter(|(_, b)| **b).map(|(i, _)| i).collect();
    let mut step = 1;
    let mut outs = Vec::with_capacity(a.ndim());
    for &n in a.shape().iter().rev() {
        let along = flat.iter().map(|&i| i / step % n.max(1));
        outs.push(match i32::try_from(n) {
            Ok(_) => Array::from_slice(&along.map(|i| i as i32).collect::<Vec<_>>(), &[flat.len()])?,
            Err(_) => Array::from_slice(&along.map(|i| i as i64).collect::<Vec<_>>(), &[flat.len()])?,
        });
        step *= n.max(1);
    }
    outs.reverse();
    Ok(outs)
}

/// The indices of the elements that are not zero, one row per element. See [`nonzero`].
///
/// # Errors
/// As [`nonzero`].
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[0i32, 1, 2, 0], &[2, 2])?;
/// assert_eq!(ops::astype(&ops::argwhere(&a)?, Dtype::I32)?.to_vec::<i32>()?, [0, 1, 1, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn argwhere(a: &Array) -> Result<Array> {
    super::stack(&nonzero(a)?, 1)
}
