//! Removal of axes of size 1.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// `a` without `axes`, which must have size 1; with `..`, without every axis of size 1.
///
/// # Gradients
/// The cotangent with the axes put back.
///
/// # Errors
/// Axes out of range, repeated, or of another size.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let a = ops::zeros(&[1, 3, 1], Dtype::F32)?;
/// assert_eq!(ops::squeeze(&a, ..)?.shape(), [3]);
/// assert_eq!(ops::squeeze(&a, 0)?.shape(), [3, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn squeeze(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    let axes = match axes.into() {
        Axes::All => (0..a.ndim()).filter(|&d| a.shape()[d] == 1).collect(),
        list => list.resolve("squeeze", a.ndim())?,
    };
    if axes.is_empty() {
        return Ok(a.clone());
    }
    apply(Squeeze { axes }, &[a])
}

/// The primitive of [`squeeze`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Squeeze {
    axes: SmallVec<[usize; 4]>,
}

impl Linear for Squeeze {
    const NAME: &'static str = "squeeze";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        if let Some(&a) = self.axes.iter().find(|&&a| x.shape[a] != 1) {
            let shape = x.shape.as_slice();
            return Err(Error::value("squeeze", format!("expected axis {a} of {shape:?} to have size 1")));
        }
        let kept = (0..x.ndim()).filter(|d| !self.axes.contains(d)).map(|d| x.shape[d]).collect();
        Ok(Spec { shape: kept, dtype: x.dtype })
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        super::expand_dims(ct, axes.as_slice())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize + 1).collect();
        squeeze(x, axes.as_slice())
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], axes: &[usize]| {
            Case::new(Squeeze { axes: axes.into() }).input(shape, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![case(&[1], &[0]), case(&[2, 1, 3], &[1]), case(&[1, 2, 1, 3, 1], &[0, 2, 4]), case(&[1, 0], &[0])]
    }
}

crate::primitive_via!(Linear, Squeeze);
