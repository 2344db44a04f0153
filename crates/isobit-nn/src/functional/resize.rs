//! Signals `[batch, ..., channels]` made longer or shorter along their spatial axes, by repetition or interpolation.

use crate::term::term;
use isobit::{Array, Error, Result, ops};

/// Where the values between two elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The element before.
    Nearest,
    /// The line between the neighbours.
    Linear,
    /// Keys' cubic convolution.
    Cubic,
}

impl Interpolation {
    /// The interpolation of that name: `"nearest"`, `"linear"` or `"cubic"`.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &str) -> Result<Interpolation> {
        match name {
            "nearest" => Ok(Interpolation::Nearest),
            "linear" => Ok(Interpolation::Linear),
            "cubic" => Ok(Interpolation::Cubic),
            _ => Err(Error::value("upsample", format!("expected mode nearest, linear or cubic, got {name:?}"))),
        }
    }

    /// How far the neighbours are that take part.
    fn reach(self) -> f64 {
        if self == Interpolation::Cubic { 2.0 } else { 1.0 }
    }

    /// The weight of a neighbour at distance `t`; `a` is the slope of the cubic kernel at its edge.
    fn weight(self, t: f64, a: f64) -> f64 {
        let t = t.abs();
        match self {
            Interpolation::Cubic if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
            Interpolation::Cubic if t < 2.0 => a * (((t - 5.0) * t + 8.0) * t - 4.0),
            Interpolation::Cubic => 0.0,
            _ => (1.0 - t).max(0.0),
        }
    }
}

/// Where along the input each output lies; input `i` lies at `i`.
fn positions(size: usize, scale: f64, align_corners: bool) -> Vec<f64> {
    let count = (size as f64 * scale) as usize;
    let (last, last_input) = ((count.max(1) - 1) as f64, size.max(1) as f64 - 1.0);
    if align_corners {
        let step = if count > 1 { last_input / last } else { 0.0 };
        return (0..count).map(|i| i as f64 * step).collect();
    }
    // The middle of the outputs lies at the middle of the inputs.
    let start = (last_input - last / scale) / 2.0;
    (0..count).map(|i| start + i as f64 / scale).collect()
}

/// For each output the inputs that it is made of, and their weights: both `[outputs, taps]`.
fn taps(size: usize, scale: f64, mode: Interpolation, align_corners: bool, antialias: bool) -> Result<(Array, Array)> {
    let reach = mode.reach();
    let slope = if antialias { -0.5 } else { -0.75 };
    let shrink = if antialias { scale.min(1.0) } else { 1.0 };
    let mut rows: Vec<Vec<(i32, f32)>> = Vec::new();
    for mut x in positions(size, scale, align_corners) {
        if mode == Interpolation::Linear && !antialias {
            x = x.clamp(0.0, size as f64 - 1.0);
        }
        let inside = |t: i64| (0..size as i64).contains(&t);
        let (places, weights): (Vec<i64>, Vec<f64>) = if antialias {
            // What lies outside takes no part; the rest is weighted to one.
            let places = (x - reach / shrink).floor() as i64 + 1..(x + reach / shrink).ceil() as i64;
            let of = |t| if inside(t) { mode.weight((t as f64 - x) * shrink, slope) } else { 0.0 };
            let total: f64 = places.clone().map(of).sum();
            places.map(|t| (t, of(t) / total)).unzip()
        } else {
            // What lies outside is what lies at the edge.
            let (before, reach) = (x.floor() as i64, reach as i64);
            (before - reach + 1..before + reach + 1).map(|t| (t, mode.weight(t as f64 - x, slope))).unzip()
        };
        let clamped = places.iter().map(|&t| t.clamp(0, size as i64 - 1) as i32);
        rows.push(clamped.zip(weights.iter().map(|&w| w as f32)).collect());
    }
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    rows.iter_mut().for_each(|row| row.resize(longest, (0, 0.0)));
    let shape = [rows.len(), longest];
    let (indices, weights): (Vec<i32>, Vec<f32>) = rows.into_iter().flatten().unzip();
    Ok((Array::from_slice(&indices, &shape)?, Array::from_slice(&weights, &shape)?))
}

/// `x` in another size along one axis.
fn resized(
    x: &Array,
    axis: usize,
    scale: f64,
    mode: Interpolation,
    align_corners: bool,
    antialias: bool,
) -> Result<Array> {
    let size = x.shape()[axis];
    if mode == Interpolation::Nearest {
        let count = (size as f64 * scale) as usize;
        let from: Vec<i32> = (0..count).map(|i| ((i as f64 / scale) as usize).min(size.max(1) - 1) as i32).collect();
        return ops::take(x, &Array::from_slice(&from, &[count])?, axis as isize);
    }
    let (indices, weights) = taps(size, scale, mode, align_corners, antialias)?;
    let weights = if x.dtype().is_float() { ops::astype(&weights, x.dtype())? } else { weights };
    let mut shape: Vec<isize> = weights.shape().iter().map(|&n| n as isize).collect();
    shape.resize(2 + x.ndim() - axis - 1, 1);
    let taken = ops::take(x, &indices, axis as isize)?;
    (term(&taken) * ops::reshape(&weights, &shape)?).sum(axis as isize + 1, false).0
}

/// `scale` times the size along every spatial axis: all but the first (the batch) and the last (the channels).
///
/// With `align_corners` the first and the last input and output lie at the same places. With `antialias` a smaller size is
/// made of all inputs that it covers.
///
/// # Errors
/// Another number of scales than of spatial axes, a scale that is not positive; nearest neighbours or aligned corners
/// with `antialias`.
pub fn upsample(x: &Array, scale: &[f64], mode: Interpolation, align_corners: bool, antialias: bool) -> Result<Array> {
    const OP: &str = "upsample";
    if x.ndim() < 3 || scale.len() != x.ndim() - 2 {
        let (n, shape) = (scale.len(), x.shape());
        return Err(Error::value(OP, format!("expected a scale for each spatial axis, got {n} for shape {shape:?}")));
    }
    let sizes = x.shape()[1..].iter().map(|&n| n as f64);
    if scale.iter().zip(sizes).any(|(&s, n)| s.is_nan() || s <= 0.0 || n * s > f64::from(i32::MAX)) {
        return Err(Error::value(OP, format!("expected positive scales to sizes below 2^31, got {scale:?}")));
    }
    if antialias && (mode == Interpolation::Nearest || align_corners) {
        return Err(Error::value(OP, "antialias goes with neither nearest neighbours nor aligned corners"));
    }
    let mut out = x.clone();
    for (d, &s) in scale.iter().enumerate() {
        out = resized(&out, d + 1, s, mode, align_corners, antialias)?;
    }
    Ok(out)
}
