//! Logarithm of cumulative sums of exponentials.

use super::scan::{Scan, finite, scan_cases};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Cases, Domain, Grads, Jvp, Prim, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The logarithm of the sum of the exponentials so far along `axis`; without an axis, of the flattened array.
///
/// `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
/// the input, and the first one is -inf.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Floats; integers and bools are converted to float32. Half precision is accumulated in float32 and rounded once.
///
/// # Gradients
/// For each element, the cotangents of the sums it is in times its share of each.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.0f32, 0.0], &[2])?;
/// assert_eq!(ops::logcumsumexp(&a, 0, false, true)?.to_vec::<f32>()?, [0.0, std::f32::consts::LN_2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn logcumsumexp(a: &Array, axis: impl Into<Option<isize>>, reverse: bool, inclusive: bool) -> Result<Array> {
    let (a, scan) = Scan::resolve("logcumsumexp", a, axis.into(), reverse, inclusive)?;
    let a = super::astype(&a, a.dtype().at_least_float())?;
    apply(Logcumsumexp { scan }, &[&a])
}

/// The primitive of [`logcumsumexp`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logcumsumexp {
    scan: Scan,
}

impl Logcumsumexp {
    /// Axis, direction, inclusive or not.
    pub fn scan(&self) -> Scan {
        self.scan
    }

    /// Each element's share of the sum up to it, and the share of what was before: both at most one, so the
    /// recurrences below cannot overflow.
    fn shares(&self, x: &Array) -> Result<(Array, Array)> {
        let so_far = logcumsumexp(x, self.scan.at(), self.scan.reverse, true)?;
        let nothing = super::full_like(x, f64::NEG_INFINITY)?;
        let empty = super::equal(&so_far, &nothing)?;
        // -inf - -inf is no number; of an empty sum every share is exp(-inf - 0) = 0.
        let floor = super::where_(&empty, &super::zeros_like(x)?, &so_far)?;
        let before = self.scan.before(&so_far, f64::NEG_INFINITY)?;
        Ok((super::exp(&super::subtract(x, &floor)?)?, super::exp(&super::subtract(&before, &floor)?)?))
    }
}

impl Primitive for Logcumsumexp {
    const NAME: &'static str = "logcumsumexp";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        super::require_inexact(Self::NAME, inputs[0].dtype)?;
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let (Some(t), true) = (&cx.tangents[0], cx.outs[0].dtype().is_inexact()) else {
            return crate::prim::no_tangent();
        };
        let (own, before) = self.shares(&cx.inputs[0])?;
        crate::prim::tangent(self.scan.own_tangent(self.scan.recur(&before, &super::multiply(t, &own)?)?)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        let ct = self.scan.inclusive_ct(&ct)?;
        cx.each(|i| {
            let (own, before) = self.shares(&cx.inputs[i])?;
            super::multiply(&super::conj(&own)?, &self.scan.recur_back(&super::conj(&before)?, &ct)?)
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Logcumsumexp { scan: self.scan.batched() }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let make = |scan: Scan| -> Prim { Logcumsumexp { scan }.into() };
        let mut cases = scan_cases(make, &[Domain::Real(-4.0, 4.0)], |c| finite(c.accumulates(40, 10.0)));
        // Sums of such exponentials stay off the cut of the logarithm.
        let parts = [Domain::Of(crate::dtype::Dtype::C64, -1.2, 1.2)];
        cases.extend(scan_cases(make, &parts, |c| finite(c.accumulates(40, 10.0).no_edges())));
        cases
    }
}
