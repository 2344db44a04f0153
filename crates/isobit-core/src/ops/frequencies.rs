//! The order of frequencies in Fourier transforms.

use super::windows::collected;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::spec::Axes;

/// The frequencies of a discrete Fourier transform of `n` samples that are `d` apart, in its order: 0 and the positive
/// ones, then the negative ones.
///
/// # Errors
/// No samples, a distance of 0.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// assert_eq!(ops::fftfreq(4, 1.0)?.to_vec::<f32>()?, [0.0, 0.25, -0.5, -0.25]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn fftfreq(n: usize, d: f64) -> Result<Array> {
    check_samples("fftfreq", n, d)?;
    let k = (0..n).map(|i| if i < n.div_ceil(2) { i as f64 } else { i as f64 - n as f64 });
    collected("fftfreq", n, k.map(|k| (k / (n as f64 * d)) as f32))
}

/// The frequencies of a transform of `n` real samples that are `d` apart.
///
/// # Errors
/// No samples, a distance of 0.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// assert_eq!(ops::rfftfreq(4, 1.0)?.to_vec::<f32>()?, [0.0, 0.25, 0.5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn rfftfreq(n: usize, d: f64) -> Result<Array> {
    check_samples("rfftfreq", n, d)?;
    let k = (0..n / 2 + 1).map(|k| (k as f64 / (n as f64 * d)) as f32);
    collected("rfftfreq", n / 2 + 1, k)
}

fn check_samples(op: &'static str, n: usize, d: f64) -> Result<()> {
    if n == 0 || d == 0.0 {
        return Err(Error::value(op, format!("expected samples at a distance, got {n} samples {d} apart")));
    }
    Ok(())
}

fn halves(a: &Array, axes: Axes, back: bool) -> Result<Array> {
    let axes = axes.resolve("fftshift", a.ndim())?;
    let mut out = a.clone();
    for &d in &axes {
        let half = (a.shape()[d] / 2) as isize;
        out = super::roll(&out, &[if back { -half } else { half }], d as isize)?;
    }
    Ok(out)
}

/// The array with frequency 0 moved to the middle of each axis.
///
/// # Errors
/// Axes out of range or named twice.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0i32, 1, 2], &[3])?;
/// assert_eq!(ops::fftshift(&a, ..)?.to_vec::<i32>()?, [2, 0, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn fftshift(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    halves(a, axes.into(), false)
}

/// Undoes [`fftshift`].
///
/// # Errors
/// Axes out of range or named twice.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2i32, 0, 1], &[3])?;
/// assert_eq!(ops::ifftshift(&a, ..)?.to_vec::<i32>()?, [0, 1, 2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn ifftshift(a: &Array, axes: impl Into<Axes>) -> Result<Array> {
    halves(a, axes.into(), true)
}
