//! Sum of two arrays.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise sum.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Any, promoted; the sum of two bools is their disjunction.
///
/// # Gradients
/// The cotangent, for both.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[10.0f32, 20.0], &[2])?;
/// assert_eq!(ops::add(&a, &b)?.to_vec::<f32>()?, [11.0, 22.0, 13.0, 24.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn add(a: &Array, b: &Array) -> Result<Array> {
    super::binary("add", Add, a, b)
}

/// The primitive of [`add`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Add;

impl Elementwise for Add {
    const NAME: &'static str = "add";
    const ARITY: usize = 2;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        Ok(inputs[0])
    }

    fn scaled(&self, _: usize, _: &[Array], _: &Array, t: &Array) -> Result<Option<Array>> {
        Ok(Some(t.clone()))
    }

    fn cases() -> Cases {
        let any = || Domain::Any(-4.0, 4.0);
        [Case::elementwise(Add, &[any(), any()]), Case::complex(Add, &[(-4.0, 4.0); 2])].concat()
    }
}

crate::primitive_via!(Elementwise, Add);
