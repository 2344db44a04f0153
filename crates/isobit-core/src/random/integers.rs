//! Discrete distributions and permutations.

use super::distributions::{Parameter, check_shape, gumbel, uniform};
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::ops;
use crate::spec::resolve_axis;

/// Up to here every integer is a float32.
const EXACT: f64 = 16_777_216.0;

/// Integers uniform in `[low, high)`; `low` where the interval is empty.
///
/// Bounds that are numbers of at most 2^24 in size: the floor of a float32 [`uniform`], as MLX 0.32 does it. There a
/// float32 cannot tell larger bounds apart, so for those, and for arrays, random words are reduced modulo the range.
///
/// # Errors
/// A dtype that is not an integer; bounds that do not broadcast to `shape`.
pub fn randint(
    low: impl Parameter,
    high: impl Parameter,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    if dtype.is_inexact() {
        return Err(Error::dtype("randint", format!("expected an integer dtype, got {dtype}")));
    }
    let small = |x: Option<f64>| x.is_some_and(|x| x.abs() <= EXACT);
    if small(low.number()) && small(high.number()) {
        let floor = ops::floor(&uniform(&low, &high, shape, Dtype::F32, key)?)?;
        return ops::astype(&ops::maximum(&floor, &low.array(Dtype::F32)?)?, dtype);
    }
    // The difference wraps to the right unsigned width, however far apart the bounds are.
    let order = if dtype.is_unsigned() { Dtype::U64 } else { Dtype::I64 };
    let (low, high) = (low.array(order)?, high.array(order)?);
    let empty = ops::less_equal(&high, &low)?;
    check_shape("randint", shape, empty.shape())?;
    let (low, high) = (ops::astype(&low, Dtype::U64)?, ops::astype(&high, Dtype::U64)?);
    let range = ops::where_(&empty, &Array::scalar(1u64, Dtype::U64), &ops::subtract(&high, &low)?)?;
    let words = if dtype.size() == 8 {
        let both = super::words(&[&[2], shape].concat(), key)?;
        let part = |i| ops::astype(&ops::take_index(&both, i, 0)?, Dtype::U64);
        ops::bitwise_or(&ops::left_shift(&part(1)?, &Array::scalar(32u64, Dtype::U64))?, &part(0)?)?
    } else {
        ops::astype(&super::words(shape, key)?, Dtype::U64)?
    };
    ops::astype(&ops::add(&low, &ops::remainder(&words, &range)?)?, dtype)
}

/// True with probability `p`.
///
/// # Errors
/// A `p` that is not a float or does not broadcast to `shape`.
pub fn bernoulli(p: impl Parameter, shape: &[usize], key: Option<&Array>) -> Result<Array> {
    // The next float32 above 2^32 - 1, so that p = 1 is always true.
    let upper = Array::scalar(f64::from((u32::MAX as f32).next_up()), Dtype::F32);
    let p = p.array(Dtype::F32)?;
    check_shape("bernoulli", shape, p.shape())?;
    let words = ops::astype(&super::words(shape, key)?, Dtype::F32)?;
    ops::less(&words, &ops::multiply(&p, &upper)?)
}

/// Positions along `axis` drawn with probabilities proportional to `exp(logits)`: an array of `shape`, to which the
/// logits' other axes must broadcast (`None`: exactly those axes).
///
/// # Errors
/// An axis out of range; a shape that the logits do not broadcast to.
pub fn categorical(logits: &Array, axis: isize, shape: Option<&[usize]>, key: Option<&Array>) -> Result<Array> {
    let axis = resolve_axis("categorical", axis, logits.ndim())?;
    let mut rest: Vec<usize> = logits.shape().to_vec();
    let count = rest.remove(axis);
    let shape = shape.unwrap_or(&rest);
    check_shape("categorical", shape, &rest)?;
    // Where the axis stands among the samples' axes.
    let at = axis + shape.len() - rest.len();
    let mut full = shape.to_vec();
    full.insert(at, count);
    let noise = gumbel(&full, Dtype::F32, key)?;
    ops::argmax(&ops::add(&noise, logits)?, at as isize, false)
}

/// `samples` draws of [`categorical`] for each set of logits, along a new last axis.
///
/// # Errors
/// An axis out of range.
pub fn categorical_samples(logits: &Array, axis: isize, samples: usize, key: Option<&Array>) -> Result<Array> {
    let axis = resolve_axis("categorical", axis, logits.ndim())?;
    let mut shape: Vec<usize> = logits.shape().to_vec();
    shape.remove(axis);
    shape.push(samples);
    categorical(&ops::expand_dims(logits, -1)?, axis as isize, Some(&shape), key)
}

/// The numbers `0 .. n` in random order, uint32.
///
/// # Errors
/// A key that is not made of two uint32 words.
pub fn permutation(n: usize, key: Option<&Array>) -> Result<Array> {
    ops::argsort(&super::words(&[n], key)?, 0)
}

/// The slices of `a` along `axis` in random order.
///
/// # Errors
/// An axis out of range.
pub fn permutation_of(a: &Array, axis: isize, key: Option<&Array>) -> Result<Array> {
    let n = a.dim(axis)?;
    ops::take(a, &permutation(n, key)?, axis)
}
