//! The same elements in row-major order under another shape.

use super::broadcast::signed;
use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Shape, Spec, resolve_axis};

/// `a` under another shape of as many elements; one entry may be -1 and is computed. A view where strides allow it.
///
/// # Gradients
/// The cotangent in the old shape.
///
/// # Errors
/// A shape with another number of elements, more than one -1.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[6])?;
/// assert_eq!(ops::reshape(&a, &[2, -1])?.shape(), [2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn reshape(a: &Array, shape: &[isize]) -> Result<Array> {
    let any_size = shape == [-1] && a.ndim() == 1;
    let shape = resolve(a, shape)?;
    if shape.as_slice() == a.shape() {
        if !any_size {
            crate::eval::sizes_matter();
        }
        return Ok(a.clone());
    }
    apply(Reshape { shape }, &[a])
}

fn resolve(a: &Array, shape: &[isize]) -> Result<Shape> {
    let bad =
        || Error::value("reshape", format!("cannot reshape {:?} ({} elements) to {shape:?}", a.shape(), a.size()));
    if shape.iter().any(|&n| n < -1) || shape.iter().filter(|&&n| n == -1).count() > 1 {
        return Err(bad());
    }
    let mut known = 1usize;
    for &n in shape.iter().filter(|&&n| n >= 0) {
        known = known.checked_mul(n as usize).ok_or_else(bad)?;
    }
    if shape.contains(&-1) && (known == 0 || !a.size().is_multiple_of(known)) {
        return Err(bad());
    }
    let out: Shape =
        shape.iter().map(|&n| if n >= 0 { n as usize } else { a.size().checked_div(known).unwrap_or(0) }).collect();
    if out.iter().product::<usize>() != a.size() {
        return Err(bad());
    }
    Ok(out)
}

/// The axes from `start` to `end` (inclusive) as one.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let a = ops::zeros(&[2, 3, 4], Dtype::F32)?;
/// assert_eq!(ops::flatten(&a, 0, -1)?.shape(), [24]);
/// assert_eq!(ops::flatten(&a, 1, 2)?.shape(), [2, 12]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn flatten(a: &Array, start: isize, end: isize) -> Result<Array> {
    if a.ndim() == 0 {
        return reshape(a, &[1]);
    }
    let (s, e) = (resolve_axis("flatten", start, a.ndim())?, resolve_axis("flatten", end, a.ndim())?);
    if s > e {
        return Err(Error::value("flatten", format!("expected start <= end, got {start} and {end}")));
    }
    let mut shape = signed(&a.shape()[..s]);
    shape.push(a.shape()[s..=e].iter().product::<usize>() as isize);
    shape.extend(signed(&a.shape()[e + 1..]));
    reshape(a, &shape)
}

/// The primitive of [`reshape`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reshape {
    shape: Shape,
}

impl Linear for Reshape {
    const NAME: &'static str = "reshape";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        let spec = Spec { shape: self.shape.clone(), dtype: x.dtype };
        if spec.size() != x.size() {
            let (from, to) = (x.shape.as_slice(), self.shape.as_slice());
            return Err(Error::value("reshape", format!("cannot reshape {from:?} to {to:?}")));
        }
        Ok(spec)
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        reshape(ct, &signed(&x.shape))
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        let mut shape = signed(&x.shape()[..1]);
        shape.extend(signed(&self.shape));
        reshape(x, &shape)
    }

    fn cases() -> Cases {
        let case = |from: &[usize], to: &[usize]| {
            Case::new(Reshape { shape: to.into() }).input(from, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![
            case(&[6], &[2, 3]),
            case(&[2, 3, 4], &[4, 6]),
            case(&[2, 3], &[6]),
            case(&[], &[1, 1]),
            case(&[0, 3], &[3, 0, 2]),
        ]
    }
}

crate::primitive_via!(Linear, Reshape);
