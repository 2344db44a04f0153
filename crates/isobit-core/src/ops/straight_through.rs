//! One array's values with another's derivative.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// The values of `value`, differentiated as if they were those of `like`: the straight-through estimator of a rounding
/// (Bengio and others, 2013).
///
/// # Shapes
/// Both have the same shape, which is the result's.
///
/// # Dtypes
/// Both have the same dtype, which is the result's.
///
/// # Gradients
/// The identity with respect to `like`, zero with respect to `value`.
///
/// # Errors
/// Another shape or dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let x = Array::from_slice(&[1.75f32], &[])?;
/// let f = |x: &[Array]| ops::square(&ops::straight_through(&ops::round(&x[0], 0)?, &x[0])?);
/// assert_eq!(f(&[x.clone()])?.item::<f32>()?, 4.0);
/// // Twice the rounded value, and not 0, which is the derivative of rounding.
/// assert_eq!(isobit::transforms::grad(f, [0])(&[x])?[0].item::<f32>()?, 4.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn straight_through(value: &Array, like: &Array) -> Result<Array> {
    apply(StraightThrough, &[value, like])
}

/// The primitive of [`straight_through`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StraightThrough;

impl Primitive for StraightThrough {
    const NAME: &'static str = "straight_through";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if inputs[0] != inputs[1] {
            let (a, b) = (&inputs[0], &inputs[1]);
            return Err(Error::value(
                Self::NAME,
                format!("expected two arrays of one shape and dtype, got {a:?} {b:?}"),
            ));
        }
        Ok(smallvec![inputs[0].clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(smallvec![cx.tangents[1].clone()])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        Ok(smallvec![None, if cx.wanted(1) { Some(cx.ct()?) } else { None }])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let all = cx.all_front()?;
        crate::prim::batched_front(straight_through(&all[0], &all[1])?)
    }

    fn cases() -> Cases {
        let real = || Domain::Real(-4.0, 4.0);
        // The derivative is that of the other operand by definition, not the limit of differences.
        let case = |shape: &[usize]| Case::new(StraightThrough).input(shape, real()).input(shape, real());
        vec![case(&[2, 3]).exact().no_grad(), case(&[]).exact().no_grad(), case(&[0]).exact().no_grad()]
    }
}
