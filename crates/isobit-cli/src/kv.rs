//! Options of a quantized key-value cache.

use clap::Args;
use isobit::Result;
use isobit::quant::{Format, Mode};
use isobit_lm::Qwen3;

/// How keys and values are stored.
#[derive(Args, Clone, Copy, Default)]
pub struct CacheOptions {
    /// Store keys and values quantized, in 2, 3, 4, 5, 6 or 8 bits (results differ from those of a cache of floats)
    #[arg(long, allow_negative_numbers = true, value_name = "BITS", value_parser = choice(&[2, 3, 4, 5, 6, 8]))]
    kv_bits: Option<u64>,
    /// Elements of a key or value that share a scale: 32, 64 or 128 (default: 64, or 32 if head widths take
    /// less room with it; a width that groups do not divide is filled up with zeros)
    #[arg(long, allow_negative_numbers = true, value_name = "SIZE", requires = "kv_bits", value_parser = choice(&[32, 64, 128]))]
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
    /// Whether a quantized cache is asked for.
    pub fn is_given(&self) -> bool {
        self.kv_bits.is_some()
    }

    /// Makes new caches of `model` what the options say.
    ///
    /// # Errors
    /// A format that caches do not take.
    pub fn apply(&self, model: &mut Qwen3) -> Result<()> {
        let Some(bits) = self.kv_bits else { return Ok(()) };
        let width = model.config().head_dim;
        let least = if width.next_multiple_of(32) < width.next_multiple_of(64) { 32 } else { 64 };
        let group = self.kv_group_size.map_or(least, |n| n as usize);
        model.set_cache_format(Some(Format::new(Mode::Affine, Some(group), Some(bits as usize))?))
    }
}
