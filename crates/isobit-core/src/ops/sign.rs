//! Sign.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise -1, 0 or 1 with the sign of `a`; NaN for NaN. Of a complex number `a / |a|`, and 0 for 0.
///
/// # Dtypes
/// Any.
///
/// # Gradients
/// Zero; of a complex number the part of the cotangent across its direction, over its magnitude.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[-3.0f32, 0.0, 2.0], &[3])?;
/// assert_eq!(ops::sign(&a)?.to_vec::<f32>()?, [-1.0, 0.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sign(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::Bool {
        return Ok(a.clone());
    }
    apply(Sign, &[a])
}

/// The primitive of [`sign`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sign;

impl Elementwise for Sign {
    const NAME: &'static str = "sign";
    const ARITY: usize = 1;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        super::require_number(Self::NAME, inputs[0])
    }

    /// Of a complex number: what `t` has across the number's direction, over its magnitude. That map is symmetric.
    fn scaled(&self, _: usize, x: &[Array], out: &Array, t: &Array) -> Result<Option<Array>> {
        if x[0].dtype() != Dtype::C64 {
            return Ok(None);
        }
        let along = super::multiply(out, &super::real(&super::multiply(&super::conj(out)?, t)?)?)?;
        let size = super::abs(&x[0])?;
        let at_zero = super::equal(&size, &super::constant(&size, 0.0))?;
        let size = super::where_(&at_zero, &super::constant(&size, 1.0), &size)?;
        let across = super::divide(&super::subtract(t, &along)?, &size)?;
        super::where_(&at_zero, &super::constant(t, 0.0), &across).map(Some)
    }

    fn pulled(&self, i: usize, x: &[Array], out: &Array, ct: &Array) -> Result<Option<Array>> {
        self.scaled(i, x, out, ct)
    }

    fn cases() -> Cases {
        [Case::elementwise(Sign, &[Domain::Number(-4.0, 4.0)]), Case::analytic(Sign, &[(0.3, 4.0)])].concat()
    }
}

crate::primitive_via!(Elementwise, Sign);
