//! Replacement of what is not a finite number.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// `a` with NaN replaced by `nan`, and infinities by `posinf` and `neginf` (`None`: the largest and the least finite
/// number of the dtype).
///
/// # Dtypes
/// Any; integers and bools are returned as they are.
///
/// # Gradients
/// The cotangent where the element was kept.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], &[4])?;
/// assert_eq!(ops::nan_to_num(&a, 0.0, None, None)?.to_vec::<f32>()?, [0.0, f32::MAX, f32::MIN, 1.0]);
/// assert_eq!(ops::nan_to_num(&a, 9.0, Some(2.0), Some(-2.0))?.to_vec::<f32>()?, [9.0, 2.0, -2.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn nan_to_num(a: &Array, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Result<Array> {
    super::sum::require_real("nan_to_num", a.dtype())?;
    let largest = match a.dtype() {
        Dtype::F16 => 65504.0,
        Dtype::BF16 => f64::from(half::bf16::MAX),
        Dtype::F32 => f64::from(f32::MAX),
        Dtype::F64 => f64::MAX,
        _ => return Ok(a.clone()),
    };
    let value = |v| super::constant(a, v);
    let out = super::where_(&super::isnan(a)?, &value(nan), a)?;
    let out = super::where_(&super::isposinf(a)?, &value(posinf.unwrap_or(largest)), &out)?;
    super::where_(&super::isneginf(a)?, &value(neginf.unwrap_or(-largest)), &out)
}
