//! Every element once.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// What [`unique`] finds.
pub struct Unique {
    /// The elements, ascending, `[size]`.
    pub values: Array,
    /// Where in the flattened array each of them is first (uint32).
    pub index: Array,
    /// For each element of the array which of them it is: the array's shape, uint32.
    pub inverse: Array,
    /// How often each of them is there (int32).
    pub counts: Array,
}

/// The different elements of an array, ascending, in an output of a given size, so that nothing is evaluated: elements beyond
/// it are left out, and places that are left over hold `fill` (without it: the first of the elements) and count 0.
///
/// NaN differs from itself.
///
/// # Dtypes
/// Real ones; the elements have the input's.
///
/// # Gradients
/// Of the values: the cotangent to the elements that stand for them.
///
/// # Errors
/// An empty array where there is nothing to fill the output with; a complex array.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[2i32, 1, 2, 3, 1], &[5])?;
/// let found = ops::unique(&a, 4, None)?;
/// assert_eq!(found.values.to_vec::<i32>()?, [1, 2, 3, 1]);
/// assert_eq!(found.counts.to_vec::<i32>()?, [2, 2, 1, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn unique(a: &Array, size: usize, fill: Option<&Array>) -> Result<Unique> {
    let n = a.size();
    let flat = super::reshape(a, &[-1])?;
    if n == 0 {
        return none(a, &flat, size, fill);
    }
    let order = super::argsort(&flat, 0)?;
    let sorted = super::take(&flat, &super::stop_gradient(&order)?, 0)?;
    let start = super::ones(&[1], Dtype::Bool)?;
    let steps = super::not_equal(&part(&sorted, 1, n)?, &part(&sorted, 0, n - 1)?)?;
    let first = super::concatenate(&[start, steps], 0)?;
    let last = |at: usize| Array::scalar(at as i64, Dtype::I64);
    // Which of the different elements each sorted element is; those beyond the output share a place behind it.
    let rank = super::cumsum(&super::astype(&first, Dtype::I64)?, 0, false, true)?;
    let rank = super::subtract(&rank, &last(1))?;
    let place = super::minimum(&rank, &last(size))?;
    let kept = super::where_(&first, &place, &last(size))?;
    let fill = super::astype(fill.unwrap_or(&part(&sorted, 0, 1)?), a.dtype())?;
    let order = super::astype(&order, Dtype::U32)?;
    let into = |fill: &Array, values: &Array| {
        let empty = super::broadcast_to(fill, &[size + 1])?;
        part(&super::put_along_axis(&empty, &kept, values, 0)?, 0, size)
    };
    let counts = super::zeros(&[size + 1], Dtype::I32)?;
    let counts = super::scatter_add_axis(&counts, &place, &super::ones(&[n], Dtype::I32)?, 0)?;
    let which = super::astype(&super::minimum(&rank, &last(size.saturating_sub(1)))?, Dtype::U32)?;
    let inverse = super::put_along_axis(&super::zeros(&[n], Dtype::U32)?, &order, &which, 0)?;
    Ok(Unique {
        values: into(&fill, &sorted)?,
        index: into(&part(&order, 0, 1)?, &order)?,
        inverse: super::reshape(&inverse, &super::broadcast::signed(a.shape()))?,
        counts: part(&counts, 0, size)?,
    })
}

fn part(a: &Array, start: usize, stop: usize) -> Result<Array> {
    super::slice(a, &[start as isize], &[stop as isize], &[1])
}

/// What there is in an empty array.
fn none(a: &Array, flat: &Array, size: usize, fill: Option<&Array>) -> Result<Unique> {
    let values = match (size, fill) {
        (0, _) => flat.clone(),
        (_, Some(fill)) => super::broadcast_to(&super::astype(fill, a.dtype())?, &[size])?,
        (_, None) => {
            return Err(Error::value("unique", "expected something to fill the output with: the array is empty"));
        }
    };
    Ok(Unique {
        values,
        index: super::zeros(&[size], Dtype::U32)?,
        inverse: super::zeros(a.shape(), Dtype::U32)?,
        counts: super::zeros(&[size], Dtype::I32)?,
    })
}
