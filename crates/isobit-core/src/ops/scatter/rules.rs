//! Derivatives of combining updates into places, for every [`Reduce`], whatever says where the places are.
//!
//! In terms of two linear maps: `gather` reads what lies at the places, `scatter(Add)` is its transpose.

use super::Reduce;
use crate::array::Array;
use crate::error::Result;
use crate::ops;
use crate::prim::{Grads, Tangents, Vjp};
use smallvec::smallvec;

/// Where updates go.
pub(crate) trait Placement {
    /// `updates` combined into `x`.
    fn scatter(&self, x: &Array, updates: &Array, reduce: Reduce) -> Result<Array>;
    /// For each update the element of `x` that it meets.
    fn gather(&self, x: &Array) -> Result<Array>;
    /// Whether no two updates can have the same place, known without looking at indices.
    fn distinct(&self) -> bool;
}

/// Forward rule, for `(x, updates)` and their tangents.
pub(crate) fn forward(
    p: &impl Placement,
    reduce: Reduce,
    (x, updates): (&Array, &Array),
    (tx, tu): (&Option<Array>, &Option<Array>),
    out: &Array,
) -> Result<Tangents> {
    if tx.is_none() && tu.is_none() {
        return crate::prim::no_tangent();
    }
    let or_zeros = |t: &Option<Array>, like: &Array| t.clone().map_or_else(|| ops::zeros_like(like), Ok);
    let t = match reduce {
        Reduce::Set | Reduce::Add => p.scatter(&or_zeros(tx, x)?, &or_zeros(tu, updates)?, reduce)?,
        Reduce::Multiply => {
            let mut sum = match tx {
                Some(t) => p.scatter(t, updates, Reduce::Multiply)?,
                None => ops::zeros_like(out)?,
            };
            if let Some(t) = tu {
                sum = p.scatter(&sum, &ops::multiply(t, &others(p, x, updates)?)?, Reduce::Add)?;
            }
            sum
        }
        Reduce::Maximum | Reduce::Minimum => {
            let (wx, wu) = shares(p, x, updates, out)?;
            let mut sum = match tx {
                Some(t) => ops::multiply(t, &wx)?,
                None => ops::zeros_like(out)?,
            };
            if let Some(t) = tu {
                sum = p.scatter(&sum, &ops::multiply(t, &wu)?, Reduce::Add)?;
            }
            sum
        }
    };
    crate::prim::tangent(t)
}

/// Reverse rule; `ix` and `iu` say which inputs are the array and the updates.
pub(crate) fn reverse(p: &impl Placement, reduce: Reduce, cx: &Vjp<'_>, ix: usize, iu: usize) -> Result<Grads> {
    let mut grads: Grads = smallvec![None; cx.inputs.len()];
    let (x, updates, ct) = (&cx.inputs[ix], &cx.inputs[iu], cx.ct()?);
    match reduce {
        Reduce::Set => {
            if cx.wanted(ix) {
                grads[ix] = Some(p.scatter(&ct, &ops::zeros_like(updates)?, Reduce::Set)?);
            }
            if cx.wanted(iu) {
                let read = p.gather(&ct)?;
                grads[iu] = Some(match last(p, x, updates)? {
                    None => read,
                    Some(last) => ops::where_(&last, &read, &zero(&read)?)?,
                });
            }
        }
        Reduce::Add => {
            if cx.wanted(iu) {
                grads[iu] = Some(p.gather(&ct)?);
            }
            if cx.wanted(ix) {
                grads[ix] = Some(ct);
            }
        }
        Reduce::Multiply => {
            if cx.wanted(iu) {
                grads[iu] = Some(ops::multiply(&p.gather(&ct)?, &ops::conj(&others(p, x, updates)?)?)?);
            }
            if cx.wanted(ix) {
                grads[ix] = Some(p.scatter(&ct, &ops::conj(updates)?, Reduce::Multiply)?);
            }
        }
        Reduce::Maximum | Reduce::Minimum => {
            let (wx, wu) = shares(p, x, updates, &cx.outs[0])?;
            if cx.wanted(iu) {
                grads[iu] = Some(ops::multiply(&p.gather(&ct)?, &wu)?);
            }
            if cx.wanted(ix) {
                grads[ix] = Some(ops::multiply(&ct, &wx)?);
            }
        }
    }
    Ok(grads)
}

fn zero(like: &Array) -> Result<Array> {
    ops::zeros(&[], like.dtype())
}

/// Which updates are the last at their place; `None` if all are.
fn last(p: &impl Placement, x: &Array, updates: &Array) -> Result<Option<Array>> {
    if p.distinct() {
        return Ok(None);
    }
    let shape = ops::broadcast::signed(updates.shape());
    let number = ops::reshape(&ops::arange::iota(updates.size())?, &shape)?;
    let winner = p.scatter(&ops::zeros(x.shape(), number.dtype())?, &number, Reduce::Set)?;
    ops::equal(&p.gather(&winner)?, &number).map(Some)
}

/// For each update the product of everything else at its place: of the element and of the other updates there.
///
/// ```text
/// updates sorted by place; runs of one place
/// before, after = products of the run's updates on either side, by doubling
/// others        = element * before * after, put back in order
/// ```
///
/// There is no division, so that it is right for zeros too, and can be differentiated again.
fn others(p: &impl Placement, x: &Array, updates: &Array) -> Result<Array> {
    let element = p.gather(x)?;
    if p.distinct() || updates.size() <= 1 {
        return Ok(element);
    }
    let numbers = ops::reshape(&ops::arange::iota(x.size())?, &ops::broadcast::signed(x.shape()))?;
    let places = ops::flatten(&p.gather(&numbers)?, 0, -1)?;
    let order = ops::argsort(&places, 0)?;
    let places = ops::take(&places, &order, 0)?;
    let sorted = ops::take(&ops::flatten(updates, 0, -1)?, &order, 0)?;
    let before = product_before(&sorted, &places, x.size())?;
    let after = ops::flip(&product_before(&ops::flip(&sorted, 0)?, &ops::flip(&places, 0)?, x.size())?, 0)?;
    let rest = ops::take(&ops::multiply(&before, &after)?, &ops::argsort(&order, 0)?, 0)?;
    ops::multiply(&element, &ops::reshape(&rest, &ops::broadcast::signed(updates.shape()))?)
}

/// For each element of a vector the product of those before it in its run of equal `places`, all below `end`.
fn product_before(x: &Array, places: &Array, end: usize) -> Result<Array> {
    let one = ops::ones(&[], x.dtype())?;
    // What stands `k` further in front, and 1 where that is not of the same run. Chosen before it is multiplied, so that
    // neither an infinity of another run nor its derivative comes in.
    let in_front = |product: &Array, k: usize| -> Result<Array> {
        let shifted = |a: &Array, fill: Array| {
            let kept = ops::slice(a, &[0], &[(a.size() - k) as isize], &[1])?;
            ops::concatenate(&[ops::broadcast_to(&fill, &[k])?, kept], 0)
        };
        let same = ops::equal(places, &shifted(places, Array::scalar(end, places.dtype()))?)?;
        ops::where_(&same, &shifted(product, one.clone())?, &one)
    };
    let mut product = x.clone();
    let mut k = 1;
    while k < x.size() {
        product = ops::multiply(&product, &in_front(&product, k)?)?;
        k *= 2;
    }
    in_front(&product, 1)
}

/// How much of an extreme's derivative belongs to the element and to each update: those equal to it share evenly.
fn shares(p: &impl Placement, x: &Array, updates: &Array, out: &Array) -> Result<(Array, Array)> {
    let dtype = out.dtype();
    let (x, updates, out) = (ops::stop_gradient(x)?, ops::stop_gradient(updates)?, ops::stop_gradient(out)?);
    let wx = ops::astype(&ops::equal(&x, &out)?, dtype)?;
    let wu = ops::astype(&ops::equal(&updates, &p.gather(&out)?)?, dtype)?;
    let count = p.scatter(&wx, &wu, Reduce::Add)?;
    Ok((ops::divide(&wx, &count)?, ops::divide(&wu, &p.gather(&count)?)?))
}
