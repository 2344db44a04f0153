//! Cumulative maximum.

use super::scan::{Scan, finite, latest_jvp, latest_vjp, scan_cases};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The largest element so far along `axis`; without an axis, of the flattened array.
///
/// `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
/// the input, and the first one is the dtype's smallest value.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any; the result has the input's. From a NaN on, the result is NaN.
///
/// # Gradients
/// The cotangent to the latest element that is the maximum.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 3.0, 2.0], &[3])?;
/// assert_eq!(ops::cummax(&a, 0, false, true)?.to_vec::<f32>()?, [1.0, 3.0, 3.0]);
/// assert_eq!(ops::cummax(&a, 0, true, true)?.to_vec::<f32>()?, [3.0, 3.0, 2.0]);
/// assert_eq!(ops::cummax(&a, 0, false, false)?.to_vec::<f32>()?, [f32::NEG_INFINITY, 1.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cummax(a: &Array, axis: impl Into<Option<isize>>, reverse: bool, inclusive: bool) -> Result<Array> {
    let (a, scan) = Scan::resolve("cummax", a, axis.into(), reverse, inclusive)?;
    apply(Cummax { scan }, &[&a])
}

/// The primitive of a cumulative extremum: largest and smallest differ in their kernels alone.
macro_rules! cumulative_extremum {
    ($prim:ident, $function:ident, $name:literal) => {
        #[doc = concat!("The primitive of [`", $name, "`].")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $prim {
            scan: Scan,
        }

        impl $prim {
            /// Axis, direction, inclusive or not.
            pub fn scan(&self) -> Scan {
                self.scan
            }

            /// Whether each element is a new extremum, or equals the one so far.
            fn attained(&self, x: &Array) -> Result<Array> {
                super::equal(x, &$function(x, self.scan.at(), self.scan.reverse, true)?)
            }
        }

        impl Primitive for $prim {
            const NAME: &'static str = $name;

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                crate::prim::one(inputs[0].clone())
            }

            fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
                let (Some(t), true) = (&cx.tangents[0], cx.outs[0].dtype().is_inexact()) else {
                    return crate::prim::no_tangent();
                };
                crate::prim::tangent(latest_jvp(self.scan, &self.attained(&cx.inputs[0])?, t)?)
            }

            fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
                let ct = cx.ct()?;
                cx.each(|i| latest_vjp(self.scan, &self.attained(&cx.inputs[i])?, &ct))
            }

            fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
                crate::prim::batched_front(apply($prim { scan: self.scan.batched() }, &[&cx.front(0)?])?)
            }

            fn cases() -> Cases {
                let mut cases =
                    scan_cases(|scan| $prim { scan }.into(), &[Domain::Any(-4.0, 4.0)], |c| c.exact().no_grad());
                cases.extend(scan_cases(
                    |scan| $prim { scan }.into(),
                    &[Domain::Distinct(-4.0, 4.0)],
                    |c| finite(c.exact()),
                ));
                let complex = vec![1.0, 2.0, 3.0, -1.0, -2.0, 0.0, 4.0, 4.0, 0.5, -3.0, -3.0, 1.0];
                let complex = Domain::Exact(crate::dtype::Dtype::C64, complex);
                for (reverse, inclusive) in [(false, true), (true, true), (true, false)] {
                    let case = Case::new($prim { scan: Scan { axis: 0, reverse, inclusive } });
                    cases.push(finite(case.input(&[6], complex.clone()).exact()));
                }
                // Ties: no limit of differences, but the two rules must agree on who gets what.
                let ties = Domain::Exact(crate::dtype::Dtype::F64, vec![1.0, 2.0, 2.0, 0.0, 2.0, 0.0]);
                let scan = Scan { axis: 0, reverse: false, inclusive: true };
                cases.push(Case::new($prim { scan }).input(&[6], ties).exact().no_grad());
                cases
            }
        }
    };
}
pub(crate) use cumulative_extremum;

cumulative_extremum!(Cummax, cummax, "cummax");
