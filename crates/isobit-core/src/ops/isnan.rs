//! Numbers that are none, and infinite ones.

use crate::array::Array;
use crate::error::Result;

/// Whether each element is NaN.
///
/// # Dtypes
/// Any; the result is bool, false for integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::isnan(&a)?.to_vec::<bool>()?, [true, false, false, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isnan(a: &Array) -> Result<Array> {
    super::not_equal(a, a)
}

/// Whether each element is neither NaN nor infinite.
///
/// # Dtypes
/// Any; the result is bool, true for integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::isfinite(&a)?.to_vec::<bool>()?, [false, false, false, true]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isfinite(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return super::equal(a, a);
    }
    let finite = |a: &Array| super::less(&super::abs(a)?, &super::constant(a, f64::INFINITY));
    if a.dtype() == crate::Dtype::C64 {
        return super::logical_and(&finite(&super::real(a)?)?, &finite(&super::imag(a)?)?);
    }
    finite(a)
}

/// Whether each element is infinite: a complex number, if a part is.
///
/// # Dtypes
/// Any; the result is bool, false for integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::isinf(&a)?.to_vec::<bool>()?, [false, true, true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isinf(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return super::not_equal(a, a);
    }
    let infinite = |a: &Array| super::equal(&super::abs(a)?, &super::constant(a, f64::INFINITY));
    if a.dtype() == crate::Dtype::C64 {
        return super::logical_or(&infinite(&super::real(a)?)?, &infinite(&super::imag(a)?)?);
    }
    infinite(a)
}

/// Whether each element is positive infinity.
///
/// # Dtypes
/// Any; the result is bool, false for integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::isposinf(&a)?.to_vec::<bool>()?, [false, true, false, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isposinf(a: &Array) -> Result<Array> {
    is_exactly(a, f64::INFINITY)
}

/// Whether each element is negative infinity.
///
/// # Dtypes
/// Any; the result is bool, false for integers.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::isneginf(&a)?.to_vec::<bool>()?, [false, false, true, false]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn isneginf(a: &Array) -> Result<Array> {
    is_exactly(a, f64::NEG_INFINITY)
}

fn is_exactly(a: &Array, value: f64) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return super::not_equal(a, a);
    }
    super::equal(a, &super::constant(a, value))
}
