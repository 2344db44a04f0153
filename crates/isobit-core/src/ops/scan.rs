//! What the cumulative operations share: their parameters, shape rule and shifts along the axis.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::Scalar;
use crate::prim::{Case, Cases, Domain, Prim};
use crate::spec::resolve_axis;

/// Along which axis, in which direction, and whether an element includes its own input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// The axis.
    pub axis: usize,
    /// From the last element to the first.
    pub reverse: bool,
    /// Whether element `i` of the result includes element `i` of the input.
    pub inclusive: bool,
}

impl Scan {
    /// The input and the parameters of a call: without an axis, the flattened array.
    pub(crate) fn resolve(
        op: &'static str,
        a: &Array,
        axis: Option<isize>,
        reverse: bool,
        inclusive: bool,
    ) -> Result<(Array, Scan)> {
        match axis {
            None => Ok((super::reshape(a, &[a.size() as isize])?, Scan { axis: 0, reverse, inclusive })),
            Some(axis) => Ok((a.clone(), Scan { axis: resolve_axis(op, axis, a.ndim())?, reverse, inclusive })),
        }
    }

    /// With a batch axis in front.
    pub(crate) fn batched(self) -> Scan {
        Scan { axis: self.axis + 1, ..self }
    }

    /// In the other direction.
    pub(crate) fn reversed(self) -> Scan {
        Scan { reverse: !self.reverse, ..self }
    }

    /// The axis, signed.
    pub(crate) fn at(self) -> isize {
        self.axis as isize
    }

    /// In the order of the scan: element `i` of the result is element `i - 1` of `y`, the first one `fill`.
    pub(crate) fn before(self, y: &Array, fill: impl Into<Scalar>) -> Result<Array> {
        shift(y, self.axis, fill.into(), !self.reverse)
    }

    /// In the order of the scan: element `i` of the result is element `i + 1` of `y`, the last one `fill`.
    pub(crate) fn after(self, y: &Array, fill: impl Into<Scalar>) -> Result<Array> {
        shift(y, self.axis, fill.into(), self.reverse)
    }

    /// The cotangent of the inclusive result, given that of this scan's result.
    pub(crate) fn inclusive_ct(self, ct: &Array) -> Result<Array> {
        if self.inclusive { Ok(ct.clone()) } else { self.after(ct, 0.0) }
    }

    /// The tangent of this scan's result, given that of the inclusive one.
    pub(crate) fn own_tangent(self, t: Array) -> Result<Array> {
        if self.inclusive { Ok(t) } else { self.before(&t, 0.0) }
    }

    /// `h[i] = a[i] * h[i - 1] + b[i]` in this scan's order.
    pub(crate) fn recur(self, a: &Array, b: &Array) -> Result<Array> {
        super::linear_recurrence(a, b, self.at(), self.reverse)
    }

    /// `h[i] = a[i + 1] * h[i + 1] + b[i]`: the transpose of [`Scan::recur`] in `b`.
    pub(crate) fn recur_back(self, a: &Array, b: &Array) -> Result<Array> {
        super::linear_recurrence(&self.after(a, 0.0)?, b, self.at(), !self.reverse)
    }
}

/// All elements moved by one place along `axis`, towards the end if `up`; `fill` takes the free place.
fn shift(y: &Array, axis: usize, fill: Scalar, up: bool) -> Result<Array> {
    let n = y.shape()[axis] as isize;
    if n == 0 {
        return Ok(y.clone());
    }
    let mut one = crate::spec::Shape::from_slice(y.shape());
    one[axis] = 1;
    let edge = super::full(&one, fill, y.dtype())?;
    let parts = super::split_at(y, &[if up { n - 1 } else { 1 }], axis as isize)?;
    let both = if up { [edge, parts[0].clone()] } else { [parts[1].clone(), edge] };
    super::concatenate(&both, axis as isize)
}

/// Tangent of a cumulative extremum: that of the latest element that `attained` it.
pub(crate) fn latest_jvp(scan: Scan, attained: &Array, t: &Array) -> Result<Array> {
    let zero = super::zeros_like(t)?;
    let carried = super::where_(attained, &zero, &super::ones_like(t)?)?;
    scan.own_tangent(scan.recur(&carried, &super::where_(attained, t, &zero)?)?)
}

/// Cotangent of a cumulative extremum's input: each element that `attained` it gets those of the results up to the next.
pub(crate) fn latest_vjp(scan: Scan, attained: &Array, ct: &Array) -> Result<Array> {
    let zero = super::zeros_like(ct)?;
    let carried = super::where_(attained, &zero, &super::ones_like(ct)?)?;
    super::where_(attained, &scan.recur_back(&carried, &scan.inclusive_ct(ct)?)?, &zero)
}

/// Cases of a cumulative operation: axes, both directions, inclusive or not.
pub(crate) fn scan_cases(make: impl Fn(Scan) -> Prim, domains: &[Domain], change: impl Fn(Case) -> Case) -> Cases {
    let shapes: [(&[usize], usize); 5] = [(&[7], 0), (&[3, 40], 1), (&[40, 3], 0), (&[2, 3, 2], 1), (&[1, 2], 0)];
    let mut cases = Cases::new();
    for (shape, axis) in shapes {
        for (reverse, inclusive) in [(false, true), (true, true), (false, false), (true, false)] {
            for domain in domains {
                let case = Case::new(make(Scan { axis, reverse, inclusive })).input(shape, domain.clone());
                cases.push(change(case));
            }
        }
    }
    let empty = Case::new(make(Scan { axis: 0, reverse: false, inclusive: false }));
    cases.push(change(empty.input(&[0, 2], Domain::Of(Dtype::F32, 0.0, 1.0))));
    cases
}

/// The case without finite differences if it is exclusive, since its first element is infinite.
pub(crate) fn finite(case: Case) -> Case {
    let scan = match &case.prim {
        Prim::Cummax(p) => p.scan(),
        Prim::Cummin(p) => p.scan(),
        Prim::Logcumsumexp(p) => p.scan(),
        _ => return case,
    };
    if scan.inclusive { case } else { case.no_grad() }
}
