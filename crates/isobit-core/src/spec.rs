//! Shapes, axes and the [`Spec`] (shape and dtype) of an array.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use smallvec::SmallVec;

/// The sizes of an array's axes, outermost first.
pub type Shape = SmallVec<[usize; 4]>;

/// Shape and dtype: all that shape inference knows of an array.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Element type.
    pub dtype: Dtype,
}

// Every node of a graph clones specs, and the derived clone goes element by element.
impl Clone for Spec {
    #[inline]
    fn clone(&self) -> Spec {
        Spec { shape: copy_small(&self.shape), dtype: self.dtype }
    }
}

/// A copy of a small vector of plain values. One that lies inline is copied whole, without a loop or a call.
#[inline]
pub(crate) fn copy_small<T: Copy, const N: usize>(v: &SmallVec<[T; N]>) -> SmallVec<[T; N]> {
    if v.spilled() {
        return SmallVec::from_slice(v);
    }
    // SAFETY: the vector is not spilled, so it owns no memory, and its elements are `Copy`: two bitwise copies are two
    // independent vectors.
    unsafe { std::ptr::read(v) }
}

impl Spec {
    /// A spec of that shape and dtype.
    pub fn new(shape: impl AsRef<[usize]>, dtype: Dtype) -> Spec {
        Spec { shape: Shape::from_slice(shape.as_ref()), dtype }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }
}

/// Which axes an operation acts on: all, or a list in which negative numbers count from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Every axis.
    All,
    /// These axes.
    List(SmallVec<[isize; 4]>),
}

impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Axes {
        Axes::All
    }
}
impl From<isize> for Axes {
    fn from(a: isize) -> Axes {
        Axes::List(SmallVec::from_slice(&[a]))
    }
}
impl From<&[isize]> for Axes {
    fn from(a: &[isize]) -> Axes {
        Axes::List(SmallVec::from_slice(a))
    }
}
impl<const N: usize> From<[isize; N]> for Axes {
    fn from(a: [isize; N]) -> Axes {
        Axes::List(SmallVec::from_slice(&a))
    }
}
impl<const N: usize> From<&[isize; N]> for Axes {
    fn from(a: &[isize; N]) -> Axes {
        Axes::List(SmallVec::from_slice(a))
    }
}
impl<T: Into<Axes>> From<Option<T>> for Axes {
    fn from(a: Option<T>) -> Axes {
        a.map_or(Axes::All, Into::into)
    }
}

impl Axes {
    /// The axes as sorted, distinct, non-negative numbers.
    pub fn resolve(&self, op: &'static str, ndim: usize) -> Result<SmallVec<[usize; 4]>> {
        match self {
            Axes::All => Ok((0..ndim).collect()),
            Axes::List(list) => {
                let mut out: SmallVec<[usize; 4]> =
                    list.iter().map(|&a| resolve_axis(op, a, ndim)).collect::<Result<_>>()?;
                out.sort_unstable();
                if out.windows(2).any(|w| w[0] == w[1]) {
                    return Err(Error::value(op, format!("expected distinct axes, got {:?}", list.as_slice())));
                }
                Ok(out)
            }
        }
    }
}

/// One axis as a non-negative number.
pub fn resolve_axis(op: &'static str, axis: isize, ndim: usize) -> Result<usize> {
    let n = ndim as isize;
    if axis < -n || axis >= n {
        return Err(Error::index(op, format!("axis {axis} is out of range for an array of {ndim} dimensions")));
    }
    Ok(if axis < 0 { (axis + n) as usize } else { axis as usize })
}

/// The shape that both shapes broadcast to.
pub fn broadcast_shapes(op: &'static str, a: &[usize], b: &[usize]) -> Result<Shape> {
    let n = a.len().max(b.len());
    let mut out = Shape::from_elem(1, n);
    for i in 0..n {
        let x = if i + a.len() >= n { a[i + a.len() - n] } else { 1 };
        let y = if i + b.len() >= n { b[i + b.len() - n] } else { 1 };
        out[i] = match (x, y) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Error::value(op, format!("shapes {a:?} and {b:?} cannot be broadcast"))),
        };
    }
    Ok(out)
}

/// Number of elements of a shape; an error if it does not fit memory.
pub fn checked_size(op: &'static str, shape: &[usize], itemsize: usize) -> Result<usize> {
    let mut n = 1usize;
    for &d in shape {
        n = n.checked_mul(d).ok_or_else(|| Error::value(op, format!("shape {shape:?} has too many elements")))?;
    }
    match n.checked_mul(itemsize) {
        Some(b) if b <= isize::MAX as usize => Ok(n),
        _ => Err(Error::value(op, format!("shape {shape:?} has too many elements"))),
    }
}
