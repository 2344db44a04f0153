//! Formats of quantized weights: how many bits a code has, how many codes share a scale, what codes and scales mean.
//!
//! A row of codes is one stream of bits, least significant first, in 32-bit words (MLX's packing, for every width).

use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// What codes and scales mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `scale * code + bias`, the code unsigned; scale and bias are floats.
    Affine,
    /// `2^(scale - 127) * E2M1(code)` (OCP microscaling).
    Mxfp4,
    /// `2^(scale - 127) * E4M3(code)` (OCP microscaling).
    Mxfp8,
    /// `E4M3(scale) * E2M1(code)`.
    Nvfp4,
}

impl Mode {
    /// The name, as in MLX.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Affine => "affine",
            Mode::Mxfp4 => "mxfp4",
            Mode::Mxfp8 => "mxfp8",
            Mode::Nvfp4 => "nvfp4",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Mode> {
        [Mode::Affine, Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4].into_iter().find(|m| m.name() == name).ok_or_else(|| {
            Error::value("quantize", format!("expected mode affine, mxfp4, mxfp8 or nvfp4, got {name:?}"))
        })
    }
}

/// A format: mode, codes per scale, bits per code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    mode: Mode,
    group_size: u16,
    bits: u8,
}

impl Format {
    /// A format; `None` is the mode's default (affine: 4 bits in groups of 64).
    ///
    /// # Errors
    /// A group size or width that the mode does not have: affine has groups of 32, 64 and 128 and 2, 3, 4, 5, 6 or 8
    /// bits, mxfp4 and mxfp8 have groups of 32, nvfp4 has groups of 16.
    pub fn new(mode: Mode, group_size: Option<usize>, bits: Option<usize>) -> Result<Format> {
        let (groups, widths): (&[usize], &[usize]) = match mode {
            Mode::Affine => (&[64, 32, 128], &[4, 2, 3, 5, 6, 8]),
            Mode::Mxfp4 => (&[32], &[4]),
            Mode::Mxfp8 => (&[32], &[8]),
            Mode::Nvfp4 => (&[16], &[4]),
        };
        let name = mode.name();
        let pick = |what: &str, got: Option<usize>, list: &[usize]| match got {
            None => Ok(list[0]),
            Some(n) if list.contains(&n) => Ok(n),
            Some(n) => {
                let mut sorted = list.to_vec();
                sorted.sort_unstable();
                Err(Error::value("quantize", format!("expected {what} in {sorted:?} for mode {name}, got {n}")))
            }
        };
        let group_size = pick("a group size", group_size, groups)? as u16;
        Ok(Format { mode, group_size, bits: pick("bits", bits, widths)? as u8 })
    }

    /// What codes and scales mean.
    pub fn mode(self) -> Mode {
        self.mode
    }

    /// Codes that share a scale.
    pub fn group_size(self) -> usize {
        usize::from(self.group_size)
    }

    /// Bits of a code.
    pub fn bits(self) -> usize {
        usize::from(self.bits)
    }

    /// Whether there are biases beside the scales.
    pub fn has_biases(self) -> bool {
        self.mode == Mode::Affine
    }

    /// 32-bit words that `n` codes take; `n` is a multiple of 32 or fills whole words.
    pub fn words(self, n: usize) -> usize {
        n * self.bits() / 32
    }

    /// Codes in that many words.
    pub fn codes(self, words: usize) -> usize {
        words * 32 / self.bits()
    }

    /// Whether codes are, or are half of, integers of eight bits, so that products with activations in eight bits are exact
    /// ([`crate::ops::quantized_matmul_int8()`]): affine codes and 4-bit floats are, 8-bit floats (mxfp8) are not.
    pub fn has_int8(self) -> bool {
        self.mode != Mode::Mxfp8
    }

    /// Whether scales may have that dtype.
    pub(crate) fn takes_scales(self, dtype: Dtype) -> bool {
        if self.has_biases() { dtype.is_float() } else { dtype == Dtype::U8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_errors() {
        let f = Format::new(Mode::Affine, None, None).unwrap();
        assert_eq!((f.group_size(), f.bits(), f.words(64), f.codes(8)), (64, 4, 8, 64));
        assert_eq!(Format::new(Mode::Nvfp4, None, None).unwrap().group_size(), 16);
        let message = Format::new(Mode::Affine, Some(16), None).unwrap_err().to_string();
        assert!(message.contains("[32, 64, 128]") && message.contains("16"), "{message}");
        assert!(Format::new(Mode::Mxfp8, None, Some(4)).is_err());
        assert!(f.has_int8() && !Format::new(Mode::Mxfp8, None, None).unwrap().has_int8());
        assert!("mxfp6".parse::<Mode>().is_err());
    }
}
