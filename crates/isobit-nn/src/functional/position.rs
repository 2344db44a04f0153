//! Encodings of positions. Rotary ones are [`isobit::fast::rope()`].

use crate::term::term;
use isobit::{Array, Dtype, Error, Result, ops};

/// Frequencies from `high` down to `low`, evenly spaced in logarithm; with `full_turns` as angles per step.
///
/// # Errors
/// No or an odd number of `dims`, of which there are two per frequency.
pub fn sinusoidal_frequencies(dims: usize, low: f64, high: f64, full_turns: bool) -> Result<Array> {
    if dims == 0 || !dims.is_multiple_of(2) {
        return Err(Error::value("positions", format!("expected an even, positive number of dims, got {dims}")));
    }
    let half = dims / 2;
    let place = 1 - term(&ops::arange(0, half as i64, 1, None)?) / (half.max(2) - 1) as i32;
    let (low, high) = (libm::log(low), libm::log(high));
    let frequencies = (place * (high - low) + low).exp();
    if full_turns { (frequencies * (2.0 * std::f64::consts::PI)).0 } else { frequencies.0 }
}

/// Sines and cosines of `x` times `frequencies`, along a new last axis, times `scale`.
pub fn sinusoidal_encoding(x: &Array, frequencies: &Array, scale: f64, cos_first: bool) -> Result<Array> {
    let angles = term(x).expand_dims(-1) * frequencies;
    let (sin, cos) = (angles.sin().0?, angles.cos().0?);
    let y = ops::concatenate(&if cos_first { [cos, sin] } else { [sin, cos] }, -1)?;
    if scale == 1.0 { Ok(y) } else { (term(&y) * scale).0 }
}

/// Penalties per unit of distance: powers of `2 ^ (-8 / heads)`, `[heads, 1, 1]` (Press et al., 2022).
pub fn alibi_slopes(heads: usize) -> Result<Array> {
    let ratio = libm::pow(2.0, -8.0 / heads.max(1) as f64);
    if heads > 1 << 24 {
        return Err(Error::value("positions", format!("expected a number of heads, got {heads}")));
    }
    let slopes: Vec<f32> = (1..=heads).map(|h| libm::pow(ratio, h as f64) as f32).collect();
    Array::from_slice(&slopes, &[heads, 1, 1])
}

/// What attention scores of queries `offset..queries` and keys `0..keys` get for their distance, `[1, heads, q, k]`.
pub fn alibi_matrix(queries: usize, keys: usize, heads: usize, offset: usize, dtype: Dtype) -> Result<Array> {
    let q = term(&ops::arange(offset as i64, queries as i64, 1, Dtype::I32)?).expand_dims(1);
    let k = term(&ops::arange(0, keys as i64, 1, Dtype::I32)?).expand_dims(0);
    let distance = -(q - k).abs();
    (distance.expand_dims([0, 1]) * alibi_slopes(heads)?).astype(dtype).0
}
