//! Cumulative sum.

use super::scan::{Scan, scan_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Linear;
use crate::prim::{Cases, Domain};
use crate::spec::Spec;

/// The sum of all elements so far along `axis`; without an axis, of the flattened array.
///
/// `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of the
/// input, and the first one is 0.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any; the result has the input's, bools are summed as int32. Integers wrap; half precision is accumulated in float32
/// and rounded once.
///
/// # Gradients
/// The cumulative sum of the cotangent from the other end.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2i32, 3, 4], &[3])?;
/// assert_eq!(ops::cumsum(&a, 0, false, true)?.to_vec::<i32>()?, [2, 5, 9]);
/// assert_eq!(ops::cumsum(&a, 0, true, false)?.to_vec::<i32>()?, [7, 4, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cumsum(a: &Array, axis: impl Into<Option<isize>>, reverse: bool, inclusive: bool) -> Result<Array> {
    let (a, scan) = Scan::resolve("cumsum", a, axis.into(), reverse, inclusive)?;
    let a = if a.dtype() == Dtype::Bool { super::astype(&a, Dtype::I32)? } else { a };
    apply(Cumsum { scan }, &[&a])
}

/// The primitive of [`cumsum`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cumsum {
    scan: Scan,
}

impl Cumsum {
    /// Axis, direction, inclusive or not.
    pub fn scan(&self) -> Scan {
        self.scan
    }
}

impl Linear for Cumsum {
    const NAME: &'static str = "cumsum";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        Ok(x.clone())
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        apply(Cumsum { scan: self.scan.reversed() }, &[ct])
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        apply(Cumsum { scan: self.scan.batched() }, &[x])
    }

    fn cases() -> Cases {
        scan_cases(
            |scan| Cumsum { scan }.into(),
            &[Domain::Number(-4.0, 4.0), Domain::Of(Dtype::C64, -4.0, 4.0)],
            |case| case.sums(40),
        )
    }
}

crate::primitive_via!(Linear, Cumsum);
