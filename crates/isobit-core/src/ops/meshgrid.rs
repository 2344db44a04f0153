//! Coordinate grids.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::Shape;

/// For each vector its values over the grid that the vectors span. With `sparse`, as views that broadcast to the grid.
///
/// # Shapes
/// One axis per vector, in order (`"ij"`), or with the first two exchanged (`"xy"`). Scalars count as one element.
///
/// # Errors
/// Arrays of more than one axis, another `indexing`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let b = Array::from_slice(&[4i32, 5], &[2])?;
/// let grid = ops::meshgrid(&[a.clone(), b.clone()], false, "xy")?;
/// assert_eq!(grid[0].to_vec::<i32>()?, [1, 2, 3, 1, 2, 3]);
/// assert_eq!(grid[1].to_vec::<i32>()?, [4, 4, 4, 5, 5, 5]);
/// let grid = ops::meshgrid(&[a, b], false, "ij")?;
/// assert_eq!(grid[0].to_vec::<i32>()?, [1, 1, 2, 2, 3, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn meshgrid(arrays: &[Array], sparse: bool, indexing: &str) -> Result<Vec<Array>> {
    let swap = match indexing {
        "xy" => arrays.len() > 1,
        "ij" => false,
        other => return Err(Error::value("meshgrid", format!("expected indexing \"xy\" or \"ij\", got {other:?}"))),
    };
    if let Some(a) = arrays.iter().find(|a| a.ndim() > 1) {
        return Err(Error::value("meshgrid", format!("expected vectors, got shape {:?}", a.shape())));
    }
    let place = |i: usize| if swap && i < 2 { 1 - i } else { i };
    let mut grid: Shape = arrays.iter().map(Array::size).collect();
    if swap {
        grid.swap(0, 1);
    }
    let outs = arrays.iter().enumerate().map(|(i, a)| {
        let mut shape = vec![1isize; arrays.len()];
        shape[place(i)] = -1;
        let a = super::reshape(a, &shape)?;
        if sparse { Ok(a) } else { super::broadcast_to(&a, &grid) }
    });
    outs.collect()
}
