//! Options of a quantized key-value cache.

use clap::Args;
use isobit::quant::{Format, Mode};
use isobit::{Error, Result};
use isobit_lm::Qwen3;

/// How keys and values are stored.
#[derive(Args, Clone, Copy)]
pub struct CacheOptions {
    /// Store keys and values quantized, in 2, 3, 4, 5, 6 or 8 bits (results differ from those of a cache of floats)
    #[arg(long, value_name = "BITS", value_parser = choice(&[2, 3, 4, 5, 6, 8]))]
    kv_bits: Option<u64>,
    /// Elements of a key or value that share a scale: 32, 64 or 128 (default: 64 if it divides the head width, else 32)
    #[arg(long, value_name = "SIZE", requires = "kv_bits", value_parser = choice(&[32, 64, 128]))]
    kv_group_size: Option<u64>,
}

/// A parser of numbers from a short list.
fn choice(list: &'static [u64]) -> impl Fn(&str) -> std::result::Result<u64, String> + Clone + Send + Sync {
    move |s| match s.parse() {
        Ok(n) if list.contains(&n) => Ok(n),
        _ => Err(format!("expected one of {list:?}")),
    }
}

impl CacheOptions {
    /// Makes new caches of `model` what the options say.
    ///
    /// # Errors
    /// Groups that do not divide the head width.
    pub fn apply(&self, model: &mut Qwen3) -> Result<()> {
        let Some(bits) = self.kv_bits else { return Ok(()) };
        let width = model.config().head_dim;
        let group = match self.kv_group_size {
            Some(n) => n as usize,
            None => [64, 32].into_iter().find(|&g| width.is_multiple_of(g)).ok_or_else(|| {
                Error::value(
                    "kv_cache",
                    format!("--kv-bits: no group size (32, 64 or 128) divides the head width {width}"),
                )
            })?,
        };
        model.set_cache_format(Some(Format::new(Mode::Affine, Some(group), Some(bits as usize))?))
    }
}
