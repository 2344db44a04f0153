//! Product of two arrays.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise product.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, promoted; the product of two bools is their conjunction. That of complex numbers is made of four products in
/// float32, each rounded.
///
/// # Gradients
/// The cotangent times the other factor (its conjugate, of complex numbers).
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 3.0], &[2])?;
/// let b = Array::from_slice(&[4.0f32, 0.5], &[2])?;
/// assert_eq!(ops::multiply(&a, &b)?.to_vec::<f32>()?, [8.0, 1.5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn multiply(a: &Array, b: &Array) -> Result<Array> {
    super::binary("multiply", Multiply, a, b)
}

/// The primitive of [`multiply`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multiply;

impl Elementwise for Multiply {
    const NAME: &'static str = "multiply";
    const ARITY: usize = 2;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        Ok(inputs[0])
    }

    fn scaled(&self, i: usize, inputs: &[Array], _: &Array, t: &Array) -> Result<Option<Array>> {
        multiply(t, &inputs[1 - i]).map(Some)
    }

    fn cases() -> Cases {
        let any = || Domain::Any(-4.0, 4.0);
        [Case::elementwise(Multiply, &[any(), any()]), Case::analytic(Multiply, &[(-4.0, 4.0); 2])].concat()
    }
}

crate::primitive_via!(Elementwise, Multiply);
