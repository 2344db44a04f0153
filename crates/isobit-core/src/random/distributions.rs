//! Continuous distributions.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::ops;
use crate::spec::broadcast_shapes;

/// A parameter of a distribution: a number or an array, which must broadcast to the shape of the samples.
pub trait Parameter {
    /// As an array of `dtype`.
    fn array(&self, dtype: Dtype) -> Result<Array>;
    /// As an array of the dtype that it has by itself.
    fn own(&self) -> Result<Array>;
    /// The number, if it is one.
    fn number(&self) -> Option<f64> {
        None
    }
}

macro_rules! numbers {
    ($($t:ty: $own:ident),*) => {$(
        impl Parameter for $t {
            fn array(&self, dtype: Dtype) -> Result<Array> {
                Ok(Array::scalar(*self, dtype))
            }
            fn own(&self) -> Result<Array> {
                self.array(Dtype::$own)
            }
            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )*};
}
numbers!(f64: F32, f32: F32, i32: I32, i64: I64, u32: U32, u64: U64);

impl Parameter for Array {
    fn array(&self, dtype: Dtype) -> Result<Array> {
        ops::astype(self, dtype)
    }
    fn own(&self) -> Result<Array> {
        Ok(self.clone())
    }
}

impl<T: Parameter> Parameter for &T {
    fn array(&self, dtype: Dtype) -> Result<Array> {
        (**self).array(dtype)
    }
    fn own(&self) -> Result<Array> {
        (**self).own()
    }
    fn number(&self) -> Option<f64> {
        (**self).number()
    }
}

fn floating(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype.is_float() {
        return Ok(dtype);
    }
    Err(Error::dtype(op, format!("expected a real floating dtype, got {dtype}")))
}

/// The shape of the samples, if parameters of shape `found` fit into it.
pub(super) fn check_shape(op: &'static str, shape: &[usize], found: &[usize]) -> Result<()> {
    if broadcast_shapes(op, shape, found)?.as_slice() == shape {
        return Ok(());
    }
    Err(Error::value(op, format!("expected parameters that broadcast to shape {shape:?}, got {found:?}")))
}

/// Uniform in `[low, high)`.
///
/// A random word over `2^32 - 1`, in float32 (in float64 for float64), capped just below 1, rounded to `dtype`, then
/// scaled and moved in `dtype`.
///
/// # Errors
/// A dtype that is not a float; parameters that do not broadcast to `shape`.
pub fn uniform(
    low: impl Parameter,
    high: impl Parameter,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    let dtype = floating("uniform", dtype)?;
    let (low, high) = (low.array(dtype)?, high.array(dtype)?);
    let range = ops::subtract(&high, &low)?;
    check_shape("uniform", shape, range.shape())?;
    let wide = if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let below_one = match dtype {
        Dtype::F16 => 1.0 - f64::from(2f32.powi(-11)),
        Dtype::BF16 => 1.0 - f64::from(2f32.powi(-8)),
        Dtype::F32 => f64::from(1f32.next_down()),
        _ => 1f64.next_down(),
    };
    let words = ops::astype(&super::words(shape, key)?, wide)?;
    let unit = ops::divide(&words, &Array::scalar(f64::from(u32::MAX), wide))?;
    let unit = ops::astype(&ops::minimum(&unit, &Array::scalar(below_one, wide))?, dtype)?;
    ops::add(&ops::multiply(&range, &unit)?, &low)
}

/// Uniform in `(-1, 1)`, in float32 (float64 for float64).
fn symmetric(shape: &[usize], dtype: Dtype, key: Option<&Array>) -> Result<Array> {
    let lowest = f64::from((-1f32).next_up());
    let x = uniform(lowest, 1.0, shape, Dtype::F32, key)?;
    ops::astype(&x, if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 })
}

/// Gaussian with mean `loc` and standard deviation `scale`. Of complex numbers that is the deviation of their distance from
/// `loc`; real and imaginary part have half the variance each.
///
/// # Errors
/// A dtype that is neither a float nor complex64; parameters that do not broadcast to `shape`.
pub fn normal(
    shape: &[usize],
    dtype: Dtype,
    loc: impl Parameter,
    scale: impl Parameter,
    key: Option<&Array>,
) -> Result<Array> {
    if dtype == Dtype::C64 {
        return complex_normal(shape, &loc, &scale, key);
    }
    let dtype = floating("normal", dtype)?;
    let root = Array::scalar(std::f64::consts::SQRT_2, dtype);
    let samples = ops::astype(&ops::erfinv(&symmetric(shape, dtype, key)?)?, dtype)?;
    let factor = if scale.number() == Some(1.0) { root } else { ops::multiply(&root, &scale.array(dtype)?)? };
    check_shape("normal", shape, factor.shape())?;
    moved("normal", ops::multiply(&factor, &samples)?, &loc, dtype)
}

/// [`normal`] of complex numbers, which are pairs of neighbouring real samples.
fn complex_normal(shape: &[usize], loc: &impl Parameter, scale: &impl Parameter, key: Option<&Array>) -> Result<Array> {
    let parts = ops::erfinv(&symmetric(&[shape, &[2]].concat(), Dtype::F32, key)?)?;
    let mut samples = ops::squeeze(&ops::view(&parts, Dtype::C64)?, -1)?;
    if scale.number() != Some(1.0) {
        let scale = scale.array(Dtype::C64)?;
        check_shape("normal", shape, scale.shape())?;
        samples = ops::multiply(&scale, &samples)?;
    }
    moved("normal", samples, loc, Dtype::C64)
}

/// `loc` added, unless it is the number 0.
fn moved(op: &'static str, samples: Array, loc: &impl Parameter, dtype: Dtype) -> Result<Array> {
    if loc.number() == Some(0.0) {
        return Ok(samples);
    }
    let loc = loc.array(dtype)?;
    check_shape(op, samples.shape(), loc.shape())?;
    ops::add(&loc, &samples)
}

/// Laplacian with mean `loc` and diversity `scale`.
///
/// # Errors
/// A dtype that is not a float; parameters that do not broadcast to `shape`.
pub fn laplace(
    shape: &[usize],
    dtype: Dtype,
    loc: impl Parameter,
    scale: impl Parameter,
    key: Option<&Array>,
) -> Result<Array> {
    let dtype = floating("laplace", dtype)?;
    let u = symmetric(shape, dtype, key)?;
    let samples = ops::multiply(&ops::sign(&u)?, &ops::log1p(&ops::negative(&ops::abs(&u)?)?)?)?;
    let mut samples = ops::astype(&samples, dtype)?;
    if scale.number() != Some(1.0) {
        let scale = scale.array(dtype)?;
        check_shape("laplace", shape, scale.shape())?;
        samples = ops::multiply(&scale, &samples)?;
    }
    moved("laplace", samples, &loc, dtype)
}

/// Standard Gaussian between `lower` and `upper`.
///
/// # Errors
/// A dtype that is not a float; bounds that do not broadcast to `shape`.
pub fn truncated_normal(
    lower: impl Parameter,
    upper: impl Parameter,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    let dtype = floating("truncated_normal", dtype)?;
    let root = Array::scalar(std::f64::consts::SQRT_2, dtype);
    let (lower, upper) = (lower.array(dtype)?, upper.array(dtype)?);
    let cut = |x: &Array| ops::erf(&ops::divide(x, &root)?);
    let u = uniform(cut(&lower)?, cut(&upper)?, shape, dtype, key)?;
    let samples = ops::multiply(&root, &ops::erfinv(&u)?)?;
    ops::maximum(&ops::minimum(&upper, &samples)?, &lower)
}

/// [`truncated_normal`] with one sample for each pair of bounds, which are broadcast together.
///
/// # Errors
/// A dtype that is not a float; bounds that do not broadcast.
pub fn truncated_normal_of(
    lower: impl Parameter,
    upper: impl Parameter,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    let shape = broadcast_shapes("truncated_normal", lower.own()?.shape(), upper.own()?.shape())?;
    truncated_normal(lower, upper, &shape, dtype, key)
}

/// Standard Gumbel: `-log(-log(u))` of a uniform `u`, in `dtype`.
///
/// # Errors
/// A dtype that is not a float.
pub fn gumbel(shape: &[usize], dtype: Dtype, key: Option<&Array>) -> Result<Array> {
    let u = uniform(0.0, 1.0, shape, floating("gumbel", dtype)?, key)?;
    ops::negative(&ops::log(&ops::negative(&ops::log(&u)?)?)?)
}

/// Gaussian vectors with these means and covariances: standard ones times the symmetric root of the covariance, of which the
/// singular values are the variances.
///
/// # Shapes
/// `mean` is `[..., n]`, `cov` `[..., n, n]`; their leading axes broadcast to `shape` (without one: to one another), the result
/// is `[shape..., n]`.
///
/// # Dtypes
/// float32.
///
/// # Errors
/// Another dtype; shapes that do not fit.
pub fn multivariate_normal(
    mean: &Array,
    cov: &Array,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    let op = "multivariate_normal";
    if dtype != Dtype::F32 {
        return Err(Error::dtype(op, format!("expected float32, got {dtype}")));
    }
    let (Some((&n, means)), [covs @ .., rows, columns]) = (mean.shape().split_last(), cov.shape()) else {
        let (m, c) = (mean.ndim(), cov.ndim());
        return Err(Error::value(
            op,
            format!("expected a mean of 1 dimension or more and a covariance of 2, got {m} and {c}"),
        ));
    };
    if *rows != n || *columns != n {
        return Err(Error::value(op, format!("expected covariances of {n} rows and columns, got {:?}", cov.shape())));
    }
    let both = broadcast_shapes(op, means, covs)?;
    let outer = if shape.is_empty() { both } else { shape_that_holds(op, shape, &both)? };
    let (u, s, vt) = ops::svd(&ops::astype(cov, dtype)?, false)?;
    let root = ops::matmul(&ops::multiply(&u, &ops::expand_dims(&ops::sqrt(&s)?, -2)?)?, &vt)?;
    let samples = normal(&[&outer[..], &[1, n]].concat(), dtype, 0.0, 1.0, key)?;
    let turned = ops::squeeze(&ops::matmul(&samples, &root)?, -2)?;
    ops::add(&turned, &ops::astype(mean, dtype)?)
}

/// `shape`, if the other one broadcasts to it.
fn shape_that_holds(op: &'static str, shape: &[usize], other: &[usize]) -> Result<crate::spec::Shape> {
    let both = broadcast_shapes(op, shape, other)?;
    if both[..] != *shape {
        return Err(Error::value(op, format!("expected parameters that broadcast to {shape:?}, got {other:?}")));
    }
    Ok(both)
}
