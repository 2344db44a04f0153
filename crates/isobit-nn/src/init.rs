//! Initial values. Every function takes its key: the same key gives the same bits on every machine.

use isobit::{Array, Dtype, Error, Result, ops, random};

/// A sequence of independent keys from one seed.
pub struct Keys {
    rest: Array,
}

impl Keys {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Result<Keys> {
        Ok(Keys { rest: random::key(seed) })
    }

    /// The next key.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Array> {
        let pair = random::split(&self.rest, 2)?;
        self.rest = ops::take_index(&pair, 0, 0)?;
        ops::take_index(&pair, 1, 0)
    }
}

/// Normal values of the given mean and standard deviation.
pub fn normal(shape: &[usize], mean: f64, std: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    ops::astype(&random::normal(shape, Dtype::F32, mean, std, Some(key))?, dtype)
}

/// Uniform values in `[low, high)`.
pub fn uniform(shape: &[usize], low: f64, high: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    ops::astype(&random::uniform(low, high, shape, Dtype::F32, Some(key))?, dtype)
}

/// Inputs and outputs of a weight `[outputs, inputs, ...]`; further axes are a receptive field.
fn fans(shape: &[usize]) -> Result<(f64, f64)> {
    let [outputs, inputs, field @ ..] = shape else {
        return Err(Error::value("init", format!("expected at least two axes, got {shape:?}")));
    };
    let field = field.iter().product::<usize>() as f64;
    Ok((*inputs as f64 * field, *outputs as f64 * field))
}

/// Glorot and Bengio (2010): normal with variance `gain² · 2 / (inputs + outputs)`.
pub fn glorot_normal(shape: &[usize], gain: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    let (inputs, outputs) = fans(shape)?;
    normal(shape, 0.0, gain * (2.0 / (inputs + outputs)).sqrt(), dtype, key)
}

/// Glorot and Bengio (2010): uniform within `gain · √(6 / (inputs + outputs))`.
pub fn glorot_uniform(shape: &[usize], gain: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    let (inputs, outputs) = fans(shape)?;
    let bound = gain * (6.0 / (inputs + outputs)).sqrt();
    uniform(shape, -bound, bound, dtype, key)
}

/// He et al. (2015): normal with variance `gain² / inputs`.
pub fn he_normal(shape: &[usize], gain: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    normal(shape, 0.0, gain / fans(shape)?.0.sqrt(), dtype, key)
}

/// He et al. (2015): uniform within `gain · √(3 / inputs)`.
pub fn he_uniform(shape: &[usize], gain: f64, dtype: Dtype, key: &Array) -> Result<Array> {
    let bound = gain * (3.0 / fans(shape)?.0).sqrt();
    uniform(shape, -bound, bound, dtype, key)
}
