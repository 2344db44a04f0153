//! Choice between two arrays.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};
use crate::spec::broadcast_shapes;

/// Element by element `x` where `condition` holds and `y` elsewhere (`where` in Python, which Rust reserves).
///
/// # Shapes
/// All three are broadcast together.
///
/// # Dtypes
/// `x` and `y`: any, promoted. `condition`: any; what is not 0 holds.
///
/// # Gradients
/// The cotangent goes to the array that was chosen and nothing, not even a NaN, to the other.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let condition = Array::from_slice(&[true, false], &[2])?;
/// let a = Array::from_slice(&[1i32, 2], &[2])?;
/// let b = Array::from_slice(&[3i32, 4], &[2])?;
/// assert_eq!(ops::where_(&condition, &a, &b)?.to_vec::<i32>()?, [1, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn where_(condition: &Array, x: &Array, y: &Array) -> Result<Array> {
    let dtype = x.dtype().promote(y.dtype());
    let shape = broadcast_shapes("where", x.shape(), y.shape())?;
    let shape = broadcast_shapes("where", condition.shape(), &shape)?;
    let fit = |a: &Array, dtype| super::broadcast::stretched(&super::astype(a, dtype)?, &shape);
    apply(Select, &[&fit(condition, Dtype::Bool)?, &fit(x, dtype)?, &fit(y, dtype)?])
}

/// The primitive of [`where_`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select;

impl Elementwise for Select {
    const NAME: &'static str = "select";
    const ARITY: usize = 3;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        if inputs[0] != Dtype::Bool || inputs[1] != inputs[2] {
            return Err(Error::dtype("where", format!("expected a bool and two equal dtypes, got {inputs:?}")));
        }
        Ok(inputs[1])
    }

    fn scaled(&self, i: usize, inputs: &[Array], _: &Array, t: &Array) -> Result<Option<Array>> {
        let zero = super::constant(t, 0.0);
        match i {
            0 => Ok(None),
            1 => where_(&inputs[0], t, &zero).map(Some),
            _ => where_(&inputs[0], &zero, t).map(Some),
        }
    }

    fn cases() -> Cases {
        let domains = [Domain::Bool, Domain::Any(-4.0, 4.0), Domain::Any(-4.0, 4.0)];
        let part = || Domain::Of(Dtype::C64, -4.0, 4.0);
        let complex = Case::elementwise(Select, &[Domain::Bool, part(), part()]);
        [Case::elementwise(Select, &domains), complex].concat().into_iter().map(Case::exact).collect()
    }
}

crate::primitive_via!(Elementwise, Select);
