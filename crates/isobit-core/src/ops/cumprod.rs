//! Cumulative product.

use super::scan::{Scan, scan_cases};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The product of all elements so far along `axis`; without an axis, of the flattened array.
///
/// `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
/// the input, and the first one is 1.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any; the result has the input's. Integers wrap; half precision is accumulated in float32 and rounded once.
///
/// # Gradients
/// For each element, the cotangents of the products it is in times their other factors; right for zeros too.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 3.0, 4.0], &[3])?;
/// assert_eq!(ops::cumprod(&a, 0, false, true)?.to_vec::<f32>()?, [2.0, 6.0, 24.0]);
/// assert_eq!(ops::cumprod(&a, 0, false, false)?.to_vec::<f32>()?, [1.0, 2.0, 6.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cumprod(a: &Array, axis: impl Into<Option<isize>>, reverse: bool, inclusive: bool) -> Result<Array> {
    let (a, scan) = Scan::resolve("cumprod", a, axis.into(), reverse, inclusive)?;
    apply(Cumprod { scan }, &[&a])
}

/// The primitive of [`cumprod`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cumprod {
    scan: Scan,
}

impl Cumprod {
    /// Axis, direction, inclusive or not.
    pub fn scan(&self) -> Scan {
        self.scan
    }

    /// For every element the product of those before it.
    fn product_before(&self, x: &Array) -> Result<Array> {
        cumprod(x, self.scan.at(), self.scan.reverse, false)
    }
}

impl Primitive for Cumprod {
    const NAME: &'static str = "cumprod";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let (Some(t), true) = (&cx.tangents[0], cx.outs[0].dtype().is_inexact()) else {
            return crate::prim::no_tangent();
        };
        // d(p[i-1] x[i]) = p[i-1] dx[i] + x[i] dp[i-1], with no division.
        let x = &cx.inputs[0];
        let own = super::multiply(t, &self.product_before(x)?)?;
        crate::prim::tangent(self.scan.own_tangent(self.scan.recur(x, &own)?)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        let ct = self.scan.inclusive_ct(&ct)?;
        cx.each(|i| {
            let x = &cx.inputs[i];
            super::multiply(&super::conj(&self.product_before(x)?)?, &self.scan.recur_back(&super::conj(x)?, &ct)?)
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Cumprod { scan: self.scan.batched() }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        // Products of extremes overflow or vanish in another order than the oracle's, whose range is wider.
        let change = |case: crate::prim::Case| case.ulps(24.0).no_edges();
        let mut cases = scan_cases(|scan| Cumprod { scan }.into(), &[Domain::Any(0.8, 1.25)], change);
        let zeros = Domain::Exact(crate::dtype::Dtype::F64, vec![2.0, 0.0, 3.0, -1.0, 0.0]);
        for (reverse, inclusive) in [(false, true), (true, false)] {
            let scan = Scan { axis: 0, reverse, inclusive };
            cases.push(crate::prim::Case::new(Cumprod { scan }).input(&[5], zeros.clone()).no_edges());
        }
        let parts = [Domain::Of(crate::dtype::Dtype::C64, 0.6, 0.8)];
        cases.extend(scan_cases(|scan| Cumprod { scan }.into(), &parts, change));
        cases
    }
}
