//! Discrete distributions and permutations.

use super::distributions::{Parameter, check_shape, gumbel, uniform};
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::ops;
use crate::spec::resolve_axis;

/// Integers uniform in `[low, high)`; `low` where the interval is empty.
///
/// The floor of a float32 [`uniform`], then clamped to `[low, high - 1]` in `dtype`: MLX's algorithm, with its bits. So not
/// every integer can come up where bounds or their distance are beyond 2^24, up to which every integer is a float32.
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
    let drawn = ops::floor(&uniform(&low, &high, shape, Dtype::F32, key)?)?;
    let (low, high) = (low.own()?, high.own()?);
    let last = ops::subtract(&high, &Array::scalar(1, high.dtype()))?;
    let drawn = ops::minimum(&wrapped(&drawn, dtype)?, &wrapped(&last, dtype)?)?;
    ops::maximum(&drawn, &wrapped(&low, dtype)?)
}

/// Numbers cut to integers; those beyond `dtype` wrap around.
fn wrapped(x: &Array, dtype: Dtype) -> Result<Array> {
    if !x.dtype().is_inexact() {
        return ops::astype(x, dtype);
    }
    let signed = ops::astype(&ops::astype(x, Dtype::I64)?, dtype)?;
    if dtype != Dtype::U64 {
        return Ok(signed);
    }
    let negative = ops::less(x, &Array::scalar(0, x.dtype()))?;
    ops::where_(&negative, &signed, &ops::astype(x, dtype)?)
}

/// True with probability `p`.
///
/// # Errors
/// A `p` that is not a float or does not broadcast to `shape`.
pub fn bernoulli(p: impl Parameter, shape: &[usize], key: Option<&Array>) -> Result<Array> {
    // The next float32 above 2^32 - 1, so that p = 1 is always true.
    let upper = Array::scalar(f64::from((u32::MAX as f32).next_up()), Dtype::F32);
    if !p.own()?.dtype().is_inexact() {
        return Err(Error::dtype("bernoulli", format!("expected a floating probability, got {}", p.own()?.dtype())));
    }
    let p = p.array(Dtype::F32)?;
    check_shape("bernoulli", shape, p.shape())?;
    let words = ops::astype(&super::words(shape, key)?, Dtype::F32)?;
    ops::less(&words, &ops::multiply(&p, &upper)?)
}

/// [`bernoulli`] with one sample for each element of `p`.
///
/// # Errors
/// A `p` that is not a float.
pub fn bernoulli_of(p: impl Parameter, key: Option<&Array>) -> Result<Array> {
    let shape = p.own()?.spec().shape.clone();
    bernoulli(p, &shape, key)
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
