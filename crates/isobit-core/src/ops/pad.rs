//! Borders around an array.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::host::Scalar;
use crate::ops::slice::Region;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec, checked_size};
use smallvec::{SmallVec, smallvec};

/// What a border is made of.
#[derive(Clone)]
pub enum PadMode {
    /// One value, converted to the array's dtype.
    Constant(Array),
    /// The nearest element.
    Edge,
    /// The array mirrored at its edge elements, which are not repeated.
    Reflect,
    /// The array mirrored at its edges, whose elements are repeated.
    Symmetric,
}

impl PadMode {
    /// The mode of that name: `"constant"` (with `value`), `"edge"`, `"reflect"` or `"symmetric"`.
    ///
    /// # Errors
    /// Another name.
    pub fn named(name: &str, value: &Array) -> Result<PadMode> {
        Ok(match name {
            "constant" => PadMode::Constant(value.clone()),
            "edge" => PadMode::Edge,
            "reflect" => PadMode::Reflect,
            "symmetric" => PadMode::Symmetric,
            other => return Err(Error::value("pad", format!("expected a mode of padding, got {other:?}"))),
        })
    }
}

impl From<&Array> for PadMode {
    fn from(value: &Array) -> PadMode {
        PadMode::Constant(value.clone())
    }
}

impl<T: Into<Scalar>> From<T> for PadMode {
    fn from(value: T) -> PadMode {
        let value = value.into();
        PadMode::Constant(Array::scalar(value, value.default_dtype()))
    }
}

/// `a` with borders: `widths[d]` is how many elements to put before and after along axis `d`; one pair counts for
/// every axis.
///
/// # Gradients
/// The cotangent's inner part for `a`; the sum of its border for a constant's value; mirrored elements collect theirs.
///
/// # Errors
/// As many widths as neither 1 nor the number of axes, a constant of more than one element, an empty axis that is to be
/// repeated or mirrored.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let nine = Array::scalar(9, Dtype::I32);
/// assert_eq!(ops::pad(&a, &[(1, 2)], ops::PadMode::Constant(nine))?.to_vec::<i32>()?, [9, 1, 2, 3, 9, 9]);
/// assert_eq!(ops::pad(&a, &[(1, 2)], ops::PadMode::Edge)?.to_vec::<i32>()?, [1, 1, 2, 3, 3, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn pad(a: &Array, widths: &[(usize, usize)], mode: impl Into<PadMode>) -> Result<Array> {
    let widths: SmallVec<[(usize, usize); 4]> = match widths {
        [one] => smallvec![*one; a.ndim()],
        all if all.len() == a.ndim() => all.into(),
        other => {
            let (n, got) = (a.ndim(), other.len());
            return Err(Error::value("pad", format!("expected 1 or {n} pairs of widths, got {got}")));
        }
    };
    if widths.iter().all(|&w| w == (0, 0)) {
        return Ok(a.clone());
    }
    match mode.into() {
        PadMode::Constant(value) => {
            if value.size() != 1 {
                let shape = value.shape();
                return Err(Error::value("pad", format!("expected a scalar to pad with, got shape {shape:?}")));
            }
            let value = super::reshape(&super::astype(&value, a.dtype())?, &[])?;
            apply(Pad { widths }, &[a, &value])
        }
        mode => {
            let mut out = a.clone();
            for (axis, &(low, high)) in widths.iter().enumerate() {
                out = extend(&out, axis, low, high, &mode)?;
            }
            Ok(out)
        }
    }
}

/// One axis longer by elements of the array itself: pieces that run forwards, backwards or stand still, joined.
fn extend(a: &Array, axis: usize, low: usize, high: usize, mode: &PadMode) -> Result<Array> {
    if low == 0 && high == 0 {
        return Ok(a.clone());
    }
    let n = a.shape()[axis] as isize;
    if n == 0 {
        return Err(Error::value("pad", format!("axis {axis} is empty: there is nothing to repeat or mirror")));
    }
    let source = |i: isize| match mode {
        PadMode::Symmetric => {
            let k = i.rem_euclid(2 * n);
            k.min(2 * n - 1 - k)
        }
        PadMode::Reflect if n > 1 => {
            let k = i.rem_euclid(2 * n - 2);
            k.min(2 * n - 2 - k)
        }
        _ => i.clamp(0, n - 1),
    };
    checked_size("pad", &[low, high, a.shape()[axis]], 0)?;
    let (first, end) = (-(low as isize), n + high as isize);
    let mut parts = Vec::new();
    let mut i = first;
    while i < end {
        let from = source(i);
        let step = if i + 1 < end { source(i + 1) - from } else { 1 };
        let mut count = 1;
        while i + count < end && source(i + count) == from + step * count {
            count += 1;
        }
        parts.push(piece(a, axis, from, step, count)?);
        i += count;
    }
    super::concatenate(&parts, axis as isize)
}

fn piece(a: &Array, axis: usize, from: isize, step: isize, count: isize) -> Result<Array> {
    let mut region = Region::resolve("pad", a.shape(), &[], &[], &[])?;
    region.start[axis] = from;
    region.shape[axis] = if step == 0 { 1 } else { count as usize };
    region.step[axis] = if step == 0 { 1 } else { step };
    let part = super::slice::slice_region(a, region)?;
    if step != 0 {
        return Ok(part);
    }
    let mut shape = part.spec().shape.clone();
    shape[axis] = count as usize;
    super::broadcast_to(&part, &shape)
}

/// The primitive of [`pad`] with a constant: inputs are the array and a 0-dimensional value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pad {
    widths: SmallVec<[(usize, usize); 4]>,
}

impl Pad {
    /// How many elements precede the array along each axis.
    pub fn low(&self) -> impl Iterator<Item = usize> {
        self.widths.iter().map(|w| w.0)
    }

    /// Where the array of that shape lies in the result.
    pub fn inner(&self, shape: &[usize]) -> Region {
        Region {
            start: self.low().map(|w| w as isize).collect(),
            step: smallvec![1; shape.len()],
            shape: Shape::from_slice(shape),
        }
    }
}

impl Primitive for Pad {
    const NAME: &'static str = "pad";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, value) = (&inputs[0], &inputs[1]);
        if self.widths.len() != x.ndim() || value.ndim() != 0 || value.dtype != x.dtype {
            return Err(Error::value("pad", format!("widths {:?} and {value:?} do not fit {x:?}", self.widths)));
        }
        let grown = |(&n, w): (&usize, &(usize, usize))| n.checked_add(w.0)?.checked_add(w.1);
        let shape: Option<Shape> = x.shape.iter().zip(&self.widths).map(grown).collect();
        let shape = shape.ok_or_else(|| Error::value("pad", format!("widths {:?} are too large", self.widths)))?;
        checked_size("pad", &shape, x.dtype.size())?;
        Ok(smallvec![Spec { shape, dtype: x.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let part = |i: usize| cx.tangents[i].clone().map_or_else(|| super::zeros_like(&cx.inputs[i]), Ok);
        crate::prim::tangent(apply(self.clone(), &[&part(0)?, &part(1)?])?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        let inner = self.inner(cx.inputs[0].shape());
        cx.each(|i| {
            if i == 0 {
                return super::slice::slice_region(&ct, inner.clone());
            }
            let zero = super::zeros(&[], ct.dtype())?;
            super::sum(&super::slice_update::update_region(&ct, &zero, inner.clone())?, .., false)
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let x = cx.front_full(0)?;
        if !cx.batched(1) {
            let mut widths = self.widths.clone();
            widths.insert(0, (0, 0));
            return crate::prim::batched_front(apply(Pad { widths }, &[&x, &cx.inputs[1]])?);
        }
        // A value per element of the batch: the array written into it.
        let mut shape: Shape = smallvec![cx.size];
        shape.extend(x.shape()[1..].iter().zip(&self.widths).map(|(n, w)| n + w.0 + w.1));
        let axes: Vec<isize> = (1..shape.len() as isize).collect();
        let value = super::broadcast_to(&super::expand_dims(&cx.front(1)?, axes.as_slice())?, &shape)?;
        let inner = self.inner(&x.shape()[1..]).batched(cx.size);
        crate::prim::batched_front(super::slice_update::update_region(&value, &x, inner)?)
    }

    fn cases() -> Cases {
        let any = || Domain::Any(-4.0, 4.0);
        let case = |shape: &[usize], widths: &[(usize, usize)]| {
            Case::new(Pad { widths: widths.into() }).input(shape, any()).input(&[], any()).exact()
        };
        let part = || Domain::Of(crate::dtype::Dtype::C64, -4.0, 4.0);
        vec![
            case(&[7], &[(2, 3)]),
            case(&[2, 3], &[(0, 1), (2, 0)]),
            case(&[2, 3, 2], &[(1, 1), (0, 0), (0, 1)]),
            case(&[0, 3], &[(1, 1), (1, 0)]),
            Case::new(Pad { widths: [(1, 2)].as_slice().into() }).input(&[3], part()).input(&[], part()).exact(),
        ]
    }
}
