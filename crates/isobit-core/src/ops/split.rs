//! An array in several parts along an axis.

use crate::array::{Array, apply_multi};
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Spec, resolve_axis};
use smallvec::smallvec;

/// `a` in `parts` equal parts along `axis`. They are views.
///
/// # Gradients
/// The parts' cotangents, joined.
///
/// # Errors
/// An axis that `parts` does not divide.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// let parts = ops::split(&a, 2, 0)?;
/// assert_eq!(parts[1].to_vec::<i32>()?, [3, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn split(a: &Array, parts: usize, axis: isize) -> Result<Vec<Array>> {
    let d = resolve_axis("split", axis, a.ndim())?;
    let n = a.shape()[d];
    if parts == 0 || !n.is_multiple_of(parts) {
        return Err(Error::value("split", format!("axis {axis} of size {n} cannot be split into {parts} equal parts")));
    }
    let at: Vec<isize> = (1..parts).map(|i| (i * (n / parts)) as isize).collect();
    split_at(a, &at, axis)
}

/// `a` cut before each of the positions `at` along `axis`. They are views.
///
/// # Gradients
/// The parts' cotangents, joined.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[4])?;
/// let parts = ops::split_at(&a, &[1, 3], 0)?;
/// assert_eq!(parts[1].to_vec::<i32>()?, [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn split_at(a: &Array, at: &[isize], axis: isize) -> Result<Vec<Array>> {
    let d = resolve_axis("split", axis, a.ndim())?;
    let n = a.shape()[d] as isize;
    let position = |x: isize| if x < 0 { (x + n).max(0) } else { x.min(n) };
    let mut bounds: Vec<isize> = vec![0];
    bounds.extend(at.iter().map(|&x| position(x)));
    bounds.push(n);
    if bounds.len() == 2 {
        return Ok(vec![a.clone()]);
    }
    if bounds.is_sorted() {
        let sizes = bounds.windows(2).map(|w| (w[1] - w[0]) as usize).collect();
        return apply_multi(Split { axis: d, sizes }, &[a]);
    }
    // Cuts out of order: the parts overlap or leave something out.
    bounds
        .windows(2)
        .map(|w| {
            let mut start = vec![0; a.ndim()];
            let mut stop: Vec<isize> = a.shape().iter().map(|&n| n as isize).collect();
            (start[d], stop[d]) = (w[0], w[1].max(w[0]));
            super::slice(a, &start, &stop, &vec![1; a.ndim()])
        })
        .collect()
}

/// The primitive of [`split`]: as many outputs as sizes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Split {
    axis: usize,
    sizes: Vec<usize>,
}

impl Split {
    /// The axis along which parts follow one another.
    pub fn axis(&self) -> usize {
        self.axis
    }
}

impl Primitive for Split {
    const NAME: &'static str = "split";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        if x.shape.get(self.axis) != Some(&self.sizes.iter().sum()) {
            let (shape, axis) = (x.shape.as_slice(), self.axis);
            return Err(Error::value(
                "split",
                format!("parts {:?} do not make up axis {axis} of {shape:?}", self.sizes),
            ));
        }
        let part = |&n: &usize| {
            let mut spec = x.clone();
            spec.shape[self.axis] = n;
            spec
        };
        Ok(self.sizes.iter().map(part).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        match &cx.tangents[0] {
            Some(t) => Ok(apply_multi(self.clone(), &[t])?.into_iter().map(Some).collect()),
            None => Ok(smallvec![None; self.sizes.len()]),
        }
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        cx.each(|_| {
            let parts = (0..self.sizes.len()).map(|i| cx.ct_of(i)).collect::<Result<Vec<_>>>()?;
            super::concatenate(&parts, self.axis as isize)
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let prim = Split { axis: self.axis + 1, sizes: self.sizes.clone() };
        Ok(apply_multi(prim, &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], axis: usize, sizes: &[usize]| {
            Case::new(Split { axis, sizes: sizes.to_vec() }).input(shape, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![
            case(&[7], 0, &[3, 4]),
            case(&[2, 6], 1, &[2, 2, 2]),
            case(&[4, 3], 0, &[1, 0, 3]),
            case(&[2, 3, 4], 1, &[2, 1]),
            case(&[0, 4], 1, &[2, 2]),
        ]
    }
}
