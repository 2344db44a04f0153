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
                grads[iu] = Some(ops::multiply(&p.gather(&ct)?, &others(p, x, updates)?)?);
            }
            if cx.wanted(ix) {
                grads[ix] = Some(p.scatter(&ct, updates, Reduce::Multiply)?);
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
/// It is the product of all but zeros, divided by the update unless that is a zero; no division where nothing else is
/// there. A place with a zero among the others has the product 0.
fn others(p: &impl Placement, x: &Array, updates: &Array) -> Result<Array> {
    if p.distinct() {
        return p.gather(x);
    }
    let (zero, one) = (zero(updates)?, ops::ones(&[], updates.dtype())?);
    let is_zero = ops::equal(updates, &zero)?;
    let count = ops::arange::iota(updates.size())?.dtype();
    let marks = ops::astype(&is_zero, count)?;
    let zeros = p.gather(&p.scatter(&ops::zeros(x.shape(), count)?, &marks, Reduce::Add)?)?;
    let other_zeros = ops::not_equal(&zeros, &marks)?;
    let factors = ops::where_(&is_zero, &one, updates)?;
    let product = p.gather(&p.scatter(x, &factors, Reduce::Multiply)?)?;
    let ones = ops::ones(x.shape(), count)?;
    let alone = p.gather(&p.scatter(&ops::zeros(x.shape(), count)?, &p.gather(&ones)?, Reduce::Add)?)?;
    let alone = ops::equal(&alone, &ops::ones(&[], count)?)?;
    let rest = ops::where_(&alone, &p.gather(x)?, &ops::divide(&product, &factors)?)?;
    ops::where_(&other_zeros, &zero, &rest)
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
