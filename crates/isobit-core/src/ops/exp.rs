//! Exponential.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise `e^a`.
///
/// # Dtypes
/// Floats and complex64; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent times the result.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// assert_eq!(ops::exp(&a)?.to_vec::<f32>()?, [1.0, std::f32::consts::E]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn exp(a: &Array) -> Result<Array> {
    super::unary_float(Exp, a)
}

/// The primitive of [`exp`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exp;

impl Elementwise for Exp {
    const NAME: &'static str = "exp";
    const ARITY: usize = 1;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        super::require_inexact(Self::NAME, inputs[0])
    }

    fn scaled(&self, _: usize, _: &[Array], out: &Array, t: &Array) -> Result<Option<Array>> {
        super::multiply(t, out).map(Some)
    }

    fn cases() -> Cases {
        [Case::elementwise(Exp, &[Domain::Real(-3.0, 3.0)]), Case::analytic(Exp, &[(0.1, 3.0)])].concat()
    }
}

crate::primitive_via!(Elementwise, Exp);
