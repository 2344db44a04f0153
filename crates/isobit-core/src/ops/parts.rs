//! Real and imaginary parts and conjugates, of the dtypes that are computed with: real ones.

use super::sum::require_real;
use crate::array::Array;
use crate::error::Result;

/// The complex conjugate: of real numbers, the numbers.
///
/// # Errors
/// complex64, which is not computed with yet.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::conj(&a)?.to_vec::<f32>()?, [1.0, -2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn conj(a: &Array) -> Result<Array> {
    require_real("conj", a.dtype())?;
    Ok(a.clone())
}

/// The real part: of real numbers, the numbers.
///
/// # Errors
/// complex64, which is not computed with yet.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::real(&a)?.to_vec::<f32>()?, [1.0, -2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn real(a: &Array) -> Result<Array> {
    require_real("real", a.dtype())?;
    Ok(a.clone())
}

/// The imaginary part: of real numbers, zeros.
///
/// # Errors
/// complex64, which is not computed with yet.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::imag(&a)?.to_vec::<f32>()?, [0.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn imag(a: &Array) -> Result<Array> {
    require_real("imag", a.dtype())?;
    super::zeros_like(a)
}
