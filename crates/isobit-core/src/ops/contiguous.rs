//! A dense row-major copy of a view.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::Spec;

/// `a` with its elements densely in row-major order; no copy if they lie so already.
///
/// # Gradients
/// The cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::contiguous(&ops::transpose(&a, ..)?)?.to_vec::<i32>()?, [1, 3, 2, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn contiguous(a: &Array) -> Result<Array> {
    apply(Contiguous, &[a])
}

/// The primitive of [`contiguous`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contiguous;

impl Linear for Contiguous {
    const NAME: &'static str = "contiguous";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        Ok(x.clone())
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        Ok(ct.clone())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        contiguous(x)
    }

    fn cases() -> Cases {
        let shapes: [&[usize]; 5] = [&[37], &[17, 33], &[2, 3, 4], &[], &[0, 3]];
        shapes.into_iter().map(|s| Case::new(Contiguous).input(s, Domain::Any(-4.0, 4.0)).exact()).collect()
    }
}

crate::primitive_via!(Linear, Contiguous);
