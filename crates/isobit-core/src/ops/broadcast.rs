//! Repetition without copying.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Shape, Spec, broadcast_shapes};

/// `a` repeated to `shape`: axes are added in front, axes of size 1 are repeated. A view.
///
/// # Gradients
/// The cotangent summed over the repeated axes.
///
/// # Errors
/// A shape that `a` does not broadcast to.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::broadcast_to(&a, &[2, 2])?.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn broadcast_to(a: &Array, shape: &[usize]) -> Result<Array> {
    crate::eval::sizes_matter();
    stretched(a, shape)
}

/// [`broadcast_to`] of a shape that comes from the operands' own.
pub(crate) fn stretched(a: &Array, shape: &[usize]) -> Result<Array> {
    if a.shape() == shape {
        return Ok(a.clone());
    }
    apply(Broadcast { shape: shape.into() }, &[a])
}

/// All arrays broadcast to their common shape.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2, 1])?;
/// let b = Array::from_slice(&[3i32, 4, 5], &[1, 3])?;
/// let both = ops::broadcast_arrays(&[a, b])?;
/// assert_eq!(both[0].to_vec::<i32>()?, [1, 1, 1, 2, 2, 2]);
/// assert_eq!(both[1].shape(), [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn broadcast_arrays(arrays: &[Array]) -> Result<Vec<Array>> {
    let mut shape = Shape::new();
    for a in arrays {
        shape = broadcast_shapes("broadcast_arrays", &shape, a.shape())?;
    }
    arrays.iter().map(|a| stretched(a, &shape)).collect()
}

/// The primitive of [`broadcast_to`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broadcast {
    shape: Shape,
}

impl Linear for Broadcast {
    const NAME: &'static str = "broadcast";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        let bad = || {
            let (from, to) = (x.shape.as_slice(), self.shape.as_slice());
            Error::value("broadcast_to", format!("shape {from:?} cannot be broadcast to {to:?}"))
        };
        if x.ndim() > self.shape.len() {
            return Err(bad());
        }
        let lead = self.shape.len() - x.ndim();
        if x.shape.iter().zip(&self.shape[lead..]).any(|(&n, &to)| n != to && n != 1) {
            return Err(bad());
        }
        crate::spec::checked_size("broadcast_to", &self.shape, x.dtype.size())?;
        Ok(Spec { shape: self.shape.clone(), dtype: x.dtype })
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        let lead = self.shape.len() - x.ndim();
        let axes: Vec<isize> = (0..self.shape.len())
            .filter(|&d| d < lead || (x.shape[d - lead] == 1 && self.shape[d] != 1))
            .map(|d| d as isize)
            .collect();
        super::reshape(&super::sum(ct, axes.as_slice(), true)?, &signed(&x.shape))
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        // New axes go between the batch axis and the old ones.
        let mut from: Vec<isize> = vec![x.shape()[0] as isize];
        from.resize(1 + self.shape.len() - (x.ndim() - 1), 1);
        from.extend(x.shape()[1..].iter().map(|&n| n as isize));
        let mut shape = Shape::from_slice(&x.shape()[..1]);
        shape.extend_from_slice(&self.shape);
        broadcast_to(&super::reshape(x, &from)?, &shape)
    }

    fn cases() -> Cases {
        let case = |from: &[usize], to: &[usize]| {
            Case::new(Broadcast { shape: to.into() }).input(from, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![
            case(&[], &[3]),
            case(&[3], &[2, 3]),
            case(&[2, 1], &[2, 3]),
            case(&[1, 3, 1], &[4, 2, 3, 5]),
            case(&[1], &[0]),
            case(&[2, 1], &[2, 1]),
        ]
    }
}

crate::primitive_via!(Linear, Broadcast);

pub(crate) fn signed(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&n| n as isize).collect()
}
