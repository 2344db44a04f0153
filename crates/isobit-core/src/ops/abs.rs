//! Magnitude.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise magnitude. The least signed integer stays what it is.
///
/// # Dtypes
/// Any; of complex64, float32.
///
/// # Gradients
/// The cotangent times the sign of `a`; zero at 0. Of a complex number the sign is the number over its magnitude.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[-1.5f32, 0.0, 2.0], &[3])?;
/// assert_eq!(ops::abs(&a)?.to_vec::<f32>()?, [1.5, 0.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn abs(a: &Array) -> Result<Array> {
    if a.dtype().is_unsigned() || a.dtype() == Dtype::Bool {
        return Ok(a.clone());
    }
    apply(Abs, &[a])
}

/// The primitive of [`abs`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Abs;

impl Elementwise for Abs {
    const NAME: &'static str = "abs";
    const ARITY: usize = 1;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        Ok(super::require_number(Self::NAME, inputs[0])?.real())
    }

    fn scaled(&self, _: usize, x: &[Array], _: &Array, t: &Array) -> Result<Option<Array>> {
        let sign = super::sign(&x[0])?;
        super::real(&super::multiply(t, &super::conj(&sign)?)?).map(Some)
    }

    fn pulled(&self, _: usize, x: &[Array], _: &Array, ct: &Array) -> Result<Option<Array>> {
        super::multiply(ct, &super::sign(&x[0])?).map(Some)
    }

    fn cases() -> Cases {
        let complex = Case::complex(Abs, &[(0.3, 4.0)]);
        [Case::elementwise(Abs, &[Domain::Number(-4.0, 4.0)]), complex].concat()
    }
}

crate::primitive_via!(Elementwise, Abs);
