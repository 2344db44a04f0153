//! Initial values. Functions take a key, and the same key gives the same bits on every machine; without one they take the
//! next of the process-wide sequence ([`isobit::random::seed`]).
//!
//! Weights are `[outputs, ..., inputs]`; axes between are a receptive field.

use crate::term::Operand;
use isobit::random::Parameter;
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

/// Which connections of a weight are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The inputs of an output.
    In,
    /// The outputs of an input.
    Out,
}

impl Fan {
    /// The mode of that name: `"fan_in"` or `"fan_out"`.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &str) -> Result<Fan> {
        match name {
            "fan_in" => Ok(Fan::In),
            "fan_out" => Ok(Fan::Out),
            _ => Err(Error::value("init", format!("expected mode 'fan_in' or 'fan_out', got {name:?}"))),
        }
    }

    fn of(self, shape: &[usize]) -> Result<f64> {
        let (inputs, outputs) = fans(shape)?;
        Ok(if self == Fan::In { inputs } else { outputs })
    }
}

/// One value.
pub fn constant(shape: &[usize], value: impl Operand, dtype: Dtype) -> Result<Array> {
    ops::full::filled(shape, &value.beside(dtype)?, Some(dtype))
}

/// Normal values of the given mean and standard deviation.
pub fn normal<'a>(
    shape: &[usize],
    mean: impl Parameter,
    std: impl Parameter,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    random::normal(shape, dtype, mean, std, key.into())
}

/// Uniform values in `[low, high)`.
pub fn uniform<'a>(
    shape: &[usize],
    low: impl Parameter,
    high: impl Parameter,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    random::uniform(low, high, shape, dtype, key.into())
}

/// The identity matrix.
///
/// # Errors
/// A shape that is not that of a square matrix.
pub fn identity(shape: &[usize], dtype: Dtype) -> Result<Array> {
    match *shape {
        [n, m] if n == m => ops::eye(n, m, 0, dtype),
        _ => Err(Error::value("init", format!("identity: expected a square matrix, got shape {shape:?}"))),
    }
}

/// Inputs of an output and outputs of an input.
fn fans(shape: &[usize]) -> Result<(f64, f64)> {
    let [outputs, field @ .., inputs] = shape else {
        return Err(Error::value("init", format!("expected at least 2 dimensions, got {}", shape.len())));
    };
    let field = field.iter().product::<usize>() as f64;
    Ok((*inputs as f64 * field, *outputs as f64 * field))
}

/// Glorot and Bengio (2010): normal with variance `gain² · 2 / (inputs + outputs)`.
pub fn glorot_normal<'a>(shape: &[usize], gain: f64, dtype: Dtype, key: impl Into<Option<&'a Array>>) -> Result<Array> {
    let (inputs, outputs) = fans(shape)?;
    normal(shape, 0.0, gain * (2.0 / (inputs + outputs)).sqrt(), dtype, key)
}

/// Glorot and Bengio (2010): uniform within `gain · √(6 / (inputs + outputs))`.
pub fn glorot_uniform<'a>(
    shape: &[usize],
    gain: f64,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    let (inputs, outputs) = fans(shape)?;
    let bound = gain * (6.0 / (inputs + outputs)).sqrt();
    uniform(shape, -bound, bound, dtype, key)
}

/// He et al. (2015): normal with variance `gain² / fan`.
pub fn he_normal<'a>(
    shape: &[usize],
    mode: Fan,
    gain: f64,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    normal(shape, 0.0, gain / mode.of(shape)?.sqrt(), dtype, key)
}

/// He et al. (2015): uniform within `gain · √(3 / fan)`.
pub fn he_uniform<'a>(
    shape: &[usize],
    mode: Fan,
    gain: f64,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    let bound = gain * (3.0 / mode.of(shape)?).sqrt();
    uniform(shape, -bound, bound, dtype, key)
}

/// Uniform within `1 / √fan`, as the parameters of linear and recurrent layers.
pub fn within<'a>(shape: &[usize], fan: usize, dtype: Dtype, key: impl Into<Option<&'a Array>>) -> Result<Array> {
    let bound = (1.0 / fan.max(1) as f64).sqrt();
    uniform(shape, -bound, bound, dtype, key)
}

/// Normal values, of which in every row the share `sparsity` is zero.
///
/// # Errors
/// Other than 2 dimensions; a share outside `[0, 1]`.
pub fn sparse<'a>(
    shape: &[usize],
    sparsity: f64,
    mean: impl Parameter,
    std: impl Parameter,
    dtype: Dtype,
    key: impl Into<Option<&'a Array>>,
) -> Result<Array> {
    let &[rows, columns] = shape else {
        return Err(Error::value("init", format!("sparse: expected 2 dimensions, got {}", shape.len())));
    };
    if !(0.0..=1.0).contains(&sparsity) {
        return Err(Error::value("init", format!("sparse: expected a share in [0, 1], got {sparsity}")));
    }
    let (first, second) = match key.into() {
        Some(k) => {
            let pair = random::split(k, 2)?;
            (Some(ops::take_index(&pair, 0, 0)?), Some(ops::take_index(&pair, 1, 0)?))
        }
        None => (None, None),
    };
    let zeros = (sparsity * columns as f64).ceil() as isize;
    let order = ops::argsort(&random::uniform(0.0, 1.0, shape, Dtype::F32, first.as_ref())?, 1)?;
    let chosen = ops::slice(&order, &[0, 0], &[rows as isize, zeros], &[1, 1])?;
    let values = normal(shape, mean, std, dtype, second.as_ref())?;
    ops::put_along_axis(&values, &chosen, &Array::scalar(0.0, dtype), 1)
}

/// A matrix with orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al., 2014): the part of a random
/// orthogonal matrix, every one of which is as likely (Mezzadri, 2007).
///
/// # Errors
/// Other than 2 dimensions.
pub fn orthogonal<'a>(shape: &[usize], gain: f64, dtype: Dtype, key: impl Into<Option<&'a Array>>) -> Result<Array> {
    let &[rows, columns] = shape else {
        let message = format!("orthogonal: expected a 2D array, got a {}D array", shape.len());
        return Err(Error::value("init", message));
    };
    let n = rows.max(columns);
    let (q, r) = ops::qr(&normal(&[n, n], 0.0, 1.0, Dtype::F32, key)?)?;
    // Reflections fix the signs of the diagonal; turned to the positive axis, they are as random as the columns.
    let signs = ops::sign(&ops::diagonal(&r, 0, 0, 1)?)?;
    let part = ops::slice(&ops::multiply(&q, &signs)?, &[0, 0], &[rows as isize, columns as isize], &[1, 1])?;
    ops::astype(&ops::multiply(&part, &Array::scalar(gain, Dtype::F32))?, dtype)
}
