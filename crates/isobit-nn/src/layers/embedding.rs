//! Rows of a table by index.

use crate::Module;
use crate::init::{self, Keys};
use isobit::{Array, Dtype, Error, Result, ops};

/// A table of vectors, `[count, width]`.
#[derive(Clone, Module)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Array,
}

impl Embedding {
    /// Normal with variance 1/width.
    pub fn new(count: usize, width: usize, keys: &mut Keys) -> Result<Embedding> {
        let std = 1.0 / (width.max(1) as f64).sqrt();
        Ok(Embedding { weight: init::normal(&[count, width], 0.0, std, Dtype::F32, &keys.next()?)? })
    }

    /// All zeros, to be filled by [`Module::load`]; takes no memory until then.
    pub fn zeros(count: usize, width: usize, dtype: Dtype) -> Result<Embedding> {
        Ok(Embedding { weight: ops::zeros(&[count, width], dtype)? })
    }

    /// The rows at `indices`, along a new last axis.
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        if !indices.dtype().is_integer() {
            return Err(Error::dtype("embedding", format!("expected integer indices, got {}", indices.dtype())));
        }
        ops::take(&self.weight, indices, 0)
    }

    /// The table used the other way round: one score per row (tied output weights).
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        ops::matmul(x, &ops::swapaxes(&self.weight, 0, 1)?)
    }
}
