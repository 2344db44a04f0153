//! Axes in another order.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Axes, Spec, resolve_axis};
use smallvec::SmallVec;

/// `a` with its axes in the order `axes`; with `..`, reversed. A view.
///
/// # Gradients
/// The cotangent with the axes put back.
///
/// # Errors
/// Axes that are not a permutation of those of `a`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3])?;
/// assert_eq!(ops::transpose(&a, ..)?.to_vec::<i32>()?, [1, 4, 2, 5, 3, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn transpose(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    let axes: SmallVec<[usize; 4]> = match axes.into() {
        Axes::All => (0..a.ndim()).rev().collect(),
        Axes::List(list) => list.iter().map(|&x| resolve_axis("transpose", x, a.ndim())).collect::<Result<_>>()?,
    };
    if axes.len() == a.ndim() && axes.iter().enumerate().all(|(i, &x)| i == x) {
        return Ok(a.clone());
    }
    apply(Transpose { axes }, &[a])
}

/// `a` with axis `from` moved to position `to`.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let a = ops::zeros(&[2, 3, 4], Dtype::F32)?;
/// assert_eq!(ops::moveaxis(&a, 0, -1)?.shape(), [3, 4, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn moveaxis(a: &Array, from: isize, to: isize) -> Result<Array> {
    let (from, to) = (resolve_axis("moveaxis", from, a.ndim())?, resolve_axis("moveaxis", to, a.ndim())?);
    let mut axes: Vec<isize> = (0..a.ndim() as isize).collect();
    let x = axes.remove(from);
    axes.insert(to, x);
    transpose(a, axes.as_slice())
}

/// `a` with two axes exchanged.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let a = ops::zeros(&[2, 3, 4], Dtype::F32)?;
/// assert_eq!(ops::swapaxes(&a, 0, 2)?.shape(), [4, 3, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn swapaxes(a: &Array, axis1: isize, axis2: isize) -> Result<Array> {
    let (i, j) = (resolve_axis("swapaxes", axis1, a.ndim())?, resolve_axis("swapaxes", axis2, a.ndim())?);
    let mut axes: Vec<isize> = (0..a.ndim() as isize).collect();
    axes.swap(i, j);
    transpose(a, axes.as_slice())
}

/// The primitive of [`transpose`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transpose {
    axes: SmallVec<[usize; 4]>,
}

impl Transpose {
    /// The order of the axes.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl Linear for Transpose {
    const NAME: &'static str = "transpose";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.ndim()) {
            let (axes, shape) = (self.axes.as_slice(), x.shape.as_slice());
            return Err(Error::value("transpose", format!("{axes:?} is not a permutation of the axes of {shape:?}")));
        }
        Ok(Spec { shape: self.axes.iter().map(|&d| x.shape[d]).collect(), dtype: x.dtype })
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        let mut inverse = vec![0isize; self.axes.len()];
        for (i, &d) in self.axes.iter().enumerate() {
            inverse[d] = i as isize;
        }
        transpose(ct, inverse.as_slice())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        let mut axes = vec![0isize];
        axes.extend(self.axes.iter().map(|&d| d as isize + 1));
        transpose(x, axes.as_slice())
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], axes: &[usize]| {
            Case::new(Transpose { axes: axes.into() }).input(shape, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![
            case(&[2, 3], &[1, 0]),
            case(&[2, 3, 4], &[2, 0, 1]),
            case(&[2, 3, 1, 4], &[0, 3, 2, 1]),
            case(&[0, 3], &[1, 0]),
            case(&[17, 33], &[1, 0]),
        ]
    }
}

crate::primitive_via!(Linear, Transpose);
