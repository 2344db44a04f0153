//! Arrays joined along an axis.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Spec, resolve_axis};
use smallvec::smallvec;

/// The arrays joined along an existing axis, in their common dtype.
///
/// # Gradients
/// The cotangent's part for each.
///
/// # Errors
/// No arrays, an axis out of range, shapes that differ in another axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// let b = Array::from_slice(&[5i32, 6], &[2, 1])?;
/// assert_eq!(ops::concatenate(&[a, b], 1)?.to_vec::<i32>()?, [1, 2, 5, 3, 4, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn concatenate(arrays: &[Array], axis: isize) -> Result<Array> {
    let Some(first) = arrays.first() else {
        return Err(Error::value("concatenate", "expected at least one array, got none"));
    };
    let axis = resolve_axis("concatenate", axis, first.ndim())?;
    let dtype = arrays.iter().fold(first.dtype(), |d: Dtype, a| d.promote(a.dtype()));
    let arrays = arrays.iter().map(|a| super::astype(a, dtype)).collect::<Result<Vec<_>>>()?;
    if arrays.len() == 1 {
        return Ok(arrays[0].clone());
    }
    let refs: Vec<&Array> = arrays.iter().collect();
    apply(Concatenate { axis }, &refs)
}

/// The arrays joined along a new axis, which stands at `axis` of the result.
///
/// # Errors
/// No arrays, an axis out of range, shapes that differ.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// let b = Array::from_slice(&[3i32, 4], &[2])?;
/// assert_eq!(ops::stack(&[a, b], 1)?.to_vec::<i32>()?, [1, 3, 2, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn stack(arrays: &[Array], axis: isize) -> Result<Array> {
    let Some(first) = arrays.first() else {
        return Err(Error::value("stack", "expected at least one array, got none"));
    };
    if let Some(other) = arrays.iter().find(|a| a.shape() != first.shape()) {
        let (a, b) = (first.shape(), other.shape());
        return Err(Error::value("stack", format!("expected arrays of one shape, got {a:?} and {b:?}")));
    }
    let axis = resolve_axis("stack", axis, first.ndim() + 1)? as isize;
    let parts = arrays.iter().map(|a| super::expand_dims(a, axis)).collect::<Result<Vec<_>>>()?;
    concatenate(&parts, axis)
}

/// [`concatenate`]; without an axis, of the flattened arrays.
///
/// # Errors
/// As [`concatenate`].
pub fn concatenate_flat(arrays: &[Array], axis: Option<isize>) -> Result<Array> {
    match axis {
        Some(axis) => concatenate(arrays, axis),
        None => {
            let flat = arrays.iter().map(|a| super::reshape(a, &[-1])).collect::<Result<Vec<_>>>()?;
            concatenate(&flat, 0)
        }
    }
}

/// The primitive of [`concatenate`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Concatenate {
    axis: usize,
}

impl Concatenate {
    /// The axis along which inputs follow one another.
    pub fn axis(&self) -> usize {
        self.axis
    }
}

impl Primitive for Concatenate {
    const NAME: &'static str = "concatenate";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let mut out = inputs[0].clone();
        for s in &inputs[1..] {
            let fits = s.ndim() == out.ndim()
                && s.dtype == out.dtype
                && (0..s.ndim()).all(|d| d == self.axis || s.shape[d] == out.shape[d]);
            if !fits {
                let (a, b, axis) = (inputs[0].shape.as_slice(), s.shape.as_slice(), self.axis);
                return Err(Error::value(
                    "concatenate",
                    format!("expected shapes that agree except in axis {axis}, got {a:?} and {b:?}"),
                ));
            }
            out.shape[self.axis] += s.shape[self.axis];
        }
        Ok(smallvec![out])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let parts = cx
            .tangents
            .iter()
            .zip(cx.inputs)
            .map(|(t, x)| t.clone().map_or_else(|| super::zeros_like(x), Ok))
            .collect::<Result<Vec<_>>>()?;
        crate::prim::tangent(concatenate(&parts, self.axis as isize)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut at = 0isize;
        let cuts: Vec<isize> = cx.inputs[..cx.inputs.len() - 1]
            .iter()
            .map(|x| {
                at += x.shape()[self.axis] as isize;
                at
            })
            .collect();
        let parts = super::split_at(&cx.ct()?, &cuts, self.axis as isize)?;
        cx.each(|i| Ok(parts[i].clone()))
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let xs = cx.all_front()?;
        crate::prim::batched_front(concatenate(&xs, self.axis as isize + 1)?)
    }

    fn cases() -> Cases {
        let any = || Domain::Any(-4.0, 4.0);
        let part = || Domain::Of(Dtype::C64, -4.0, 4.0);
        let case = |axis| Case::new(Concatenate { axis }).exact();
        vec![
            case(0).input(&[2, 3], any()).input(&[1, 3], any()),
            case(1).input(&[2, 3], any()).input(&[2, 0], any()).input(&[2, 2], any()),
            case(1).input(&[2, 1, 3], any()).input(&[2, 2, 3], any()),
            case(0).input(&[3], any()).input(&[4], any()),
            case(0).input(&[3], part()).input(&[2], part()),
        ]
    }
}
