//! New axes of size 1.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// `a` with axes of size 1 inserted, so that they stand at `axes` of the result.
///
/// # Gradients
/// The cotangent without those axes.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// assert_eq!(ops::expand_dims(&a, 0)?.shape(), [1, 2]);
/// assert_eq!(ops::expand_dims(&a, [0, -1])?.shape(), [1, 2, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn expand_dims(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    let axes = axes.into();
    let extra = match &axes {
        Axes::All => 0,
        Axes::List(l) => l.len(),
    };
    if extra == 0 {
        return Ok(a.clone());
    }
    apply(ExpandDims { axes: axes.resolve("expand_dims", a.ndim() + extra)? }, &[a])
}

/// The primitive of [`expand_dims`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpandDims {
    axes: SmallVec<[usize; 4]>,
}

impl Linear for ExpandDims {
    const NAME: &'static str = "expand_dims";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        let mut spec = x.clone();
        for &a in &self.axes {
            spec.shape.insert(a, 1);
        }
        Ok(spec)
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        super::squeeze(ct, axes.as_slice())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize + 1).collect();
        expand_dims(x, axes.as_slice())
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], axes: &[usize]| {
            Case::new(ExpandDims { axes: axes.into() }).input(shape, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![case(&[], &[0]), case(&[2, 3], &[1]), case(&[2, 3], &[0, 2, 4]), case(&[0], &[1])]
    }
}

crate::primitive_via!(Linear, ExpandDims);
