//! Position of the largest element.

use super::max::require_elements;
use super::sum::reduced;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Spec, resolve_axis};

/// The position of the largest element along `axis`, the first one if several are equal; without an axis, the position
/// in the flattened array. A NaN counts as the largest.
///
/// # Shapes
/// The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Any; the result is uint32.
///
/// # Gradients
/// None.
///
/// # Errors
/// An axis out of range; an axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::argmax(&a, 1, false)?.to_vec::<u32>()?, [0, 1]);
/// assert_eq!(ops::argmax(&a, None, false)?.to_vec::<u32>()?, [4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn argmax(a: &Array, axis: impl Into<Option<isize>>, keepdims: bool) -> Result<Array> {
    let Some(axis) = axis.into() else {
        let out = apply(ArgMax { axis: 0 }, &[&super::reshape(a, &[-1])?])?;
        return super::reshape(&out, &vec![1; if keepdims { a.ndim() } else { 0 }]);
    };
    let axis = resolve_axis("argmax", axis, a.ndim())?;
    let out = apply(ArgMax { axis }, &[a])?;
    super::sum::drop_axes(out, &[axis], keepdims)
}

/// The primitive of the position of an extremum: largest and smallest differ in their kernels alone.
macro_rules! position_of_extremum {
    ($prim:ident, $name:literal) => {
        #[doc = concat!("The primitive of [`", $name, "`].")]
        /// Keeps the reduced axis with size 1.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $prim {
            axis: usize,
        }

        impl $prim {
            /// The reduced axis.
            pub fn axis(&self) -> usize {
                self.axis
            }
        }

        impl NonDifferentiable for $prim {
            const NAME: &'static str = $name;

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                require_elements(Self::NAME, &inputs[0], &[self.axis])?;
                crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &[self.axis]), dtype: Dtype::U32 })
            }

            fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
                crate::prim::batched_front(apply($prim { axis: self.axis + 1 }, &[&cx.front(0)?])?)
            }

            fn cases() -> Cases {
                let case =
                    |shape: &[usize], axis| Case::new($prim { axis }).input(shape, Domain::Any(-4.0, 4.0)).exact();
                vec![
                    case(&[7], 0),
                    case(&[3, 40], 1),
                    case(&[40, 3], 0),
                    case(&[2, 3, 4], 1),
                    case(&[0, 2], 1),
                    case(&[2, 1], 1),
                ]
            }
        }

        crate::primitive_via!(NonDifferentiable, $prim);
    };
}
pub(crate) use position_of_extremum;

position_of_extremum!(ArgMax, "argmax");
