//! The cross product.

use crate::array::Array;
use crate::error::{Error, Result};

/// The cross product of vectors of three elements along `axis`; of two, which count as having a third of 0.
///
/// # Shapes
/// Broadcast together; the result has three elements along `axis`.
///
/// # Errors
/// An axis out of range, vectors of other than two or three elements.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 0.0, 0.0], &[3])?;
/// let b = Array::from_slice(&[0.0f32, 1.0, 0.0], &[3])?;
/// assert_eq!(ops::cross(&a, &b, -1)?.to_vec::<f32>()?, [0.0, 0.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cross(a: &Array, b: &Array, axis: isize) -> Result<Array> {
    let op = "cross";
    let resolve = |x: &Array| crate::spec::resolve_axis(op, axis, x.ndim());
    resolve(a)?;
    resolve(b)?;
    let to_last = |x: &Array| -> Result<Array> {
        let x = super::moveaxis(x, axis, -1)?;
        match x.shape()[x.ndim() - 1] {
            3 => Ok(x),
            2 => {
                let mut widths = vec![(0, 0); x.ndim()];
                widths[x.ndim() - 1] = (0, 1);
                super::pad(&x, &widths, 0i64)
            }
            n => Err(Error::value(op, format!("expected vectors of 2 or 3 elements, got {n}"))),
        }
    };
    let (a, b) = (to_last(a)?, to_last(b)?);
    let turned = |x: &Array, by: isize| super::roll(x, &[by], -1);
    let out = super::subtract(
        &super::multiply(&turned(&a, -1)?, &turned(&b, -2)?)?,
        &super::multiply(&turned(&a, -2)?, &turned(&b, -1)?)?,
    )?;
    super::moveaxis(&out, -1, axis)
}
