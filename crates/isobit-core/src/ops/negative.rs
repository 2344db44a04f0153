//! Sign change.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise `-a`.
///
/// # Dtypes
/// Any number; unsigned integers wrap.
///
/// # Gradients
/// The negated cotangent.
///
/// # Errors
/// A bool array.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::negative(&a)?.to_vec::<f32>()?, [-1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn negative(a: &Array) -> Result<Array> {
    apply(Negative, &[a])
}

/// The primitive of [`negative`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Negative;

impl Elementwise for Negative {
    const NAME: &'static str = "negative";
    const ARITY: usize = 1;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        match inputs[0] {
            Dtype::Bool => Err(Error::dtype(Self::NAME, "expected a number, got bool (use logical_not)")),
            d => Ok(d),
        }
    }

    fn scaled(&self, _: usize, _: &[Array], _: &Array, t: &Array) -> Result<Option<Array>> {
        negative(t).map(Some)
    }

    fn cases() -> Cases {
        [Case::elementwise(Negative, &[Domain::Number(-4.0, 4.0)]), Case::complex(Negative, &[(-4.0, 4.0)])].concat()
    }
}

crate::primitive_via!(Elementwise, Negative);
