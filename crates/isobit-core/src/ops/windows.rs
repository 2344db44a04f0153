//! Window functions: `n` float32 weights that fall to (nearly) zero at both ends.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// An array of `n` values of the host.
pub(super) fn collected(op: &'static str, n: usize, values: impl Iterator<Item = f32>) -> Result<Array> {
    let mut all = Vec::new();
    if all.try_reserve_exact(n).is_err() {
        return Err(Error::value(op, format!("there is no memory for {n} elements")));
    }
    all.extend(values);
    Array::from_slice(&all, &[n])
}

/// A sum of cosines of `2 pi i k / (n - 1)`, one coefficient per `k`; 1 for one element.
fn cosines(op: &'static str, n: usize, coefficients: &[f64]) -> Result<Array> {
    if n <= 1 {
        return super::ones(&[n], Dtype::F32);
    }
    let weights = (0..n).map(|i| {
        let angle = std::f64::consts::TAU * i as f64 / (n - 1) as f64;
        coefficients.iter().enumerate().map(|(k, c)| c * (angle * k as f64).cos()).sum::<f64>() as f32
    });
    collected(op, n, weights)
}

/// The Hann window: `0.5 - 0.5 cos(2 pi i / (n - 1))`.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// assert_eq!(ops::hanning(3)?.to_vec::<f32>()?, [0.0, 1.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn hanning(n: usize) -> Result<Array> {
    cosines("hanning", n, &[0.5, -0.5])
}

/// The Hamming window: `0.54 - 0.46 cos(2 pi i / (n - 1))`.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// let window = ops::hamming(3)?.to_vec::<f32>()?;
/// assert!((window[0] - 0.08).abs() < 1e-6 && window[1] == 1.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn hamming(n: usize) -> Result<Array> {
    cosines("hamming", n, &[0.54, -0.46])
}

/// The Blackman window: `0.42 - 0.5 cos(2 pi i / (n - 1)) + 0.08 cos(4 pi i / (n - 1))`.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// let window = ops::blackman(3)?.to_vec::<f32>()?;
/// assert!(window[0].abs() < 1e-6 && (window[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn blackman(n: usize) -> Result<Array> {
    cosines("blackman", n, &[0.42, -0.5, 0.08])
}

/// The Bartlett window: a triangle from 0 to 1 and back.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// assert_eq!(ops::bartlett(5)?.to_vec::<f32>()?, [0.0, 0.5, 1.0, 0.5, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn bartlett(n: usize) -> Result<Array> {
    if n <= 1 {
        return super::ones(&[n], Dtype::F32);
    }
    let half = (n - 1) as f64 / 2.0;
    let weights = (0..n).map(|i| (1.0 - (i as f64 - half).abs() / half) as f32);
    collected("bartlett", n, weights)
}
