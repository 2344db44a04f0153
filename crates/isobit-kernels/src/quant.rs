//! Quantized matrices: codes in words, and products with them in the contract's order (`docs/numerics.md`).
//!
//! - A row of codes is one stream of bits, least significant first, in 32-bit words.
//! - `y[m, n] = total`, from +0, groups ascending: `total = fma(sum(x * code), scale, total)`, then, with biases,
//!   `total = fma(sum(x), bias, total)`. Sums are over the group's k, ascending, by fused steps from +0, in float32.
//! - With bfloat16 activations the steps go pair by pair, the odd element before the even one, and all of it up to the
//!   total flushes subnormals (what `VDPBF16PS` does). The total is rounded once, in the default mode.
//!
//! Nothing else influences a bit: not m, n, strides, tiles, threads or the instruction set.

mod activations;
mod block;
mod codes;
mod decode;
mod dense;
#[cfg(target_arch = "x86_64")]
mod few;
mod int8;
mod product;
mod quantize;
mod rooms;
#[cfg(feature = "self-test")]
mod tests;

pub use block::Packed;
pub use codes::{pack_bits, unpack_bits};
pub use dense::{Dense, DenseElement, dense};
pub use int8::{has_int8, product_int8, products_int8};
pub use product::{Product, product, products};
pub use quantize::{Affine, quantize};

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// The number itself.
    Unsigned,
    /// A 4-bit float: 0, 0.5, 1, 1.5, 2, 3, 4, 6; bit 3 is the sign.
    E2m1,
    /// An 8-bit float with 4 exponent bits; 0x7F and 0xFF are NaN.
    E4m3,
}

/// How scales (and biases) are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scales {
    /// Double precision ([`dense`] only).
    F64,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// A byte `s` for `2^(s - 127)`; 255 is NaN.
    E8m0,
    /// A byte as in [`Codes::E4m3`].
    E4m3,
}

impl Scales {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Scales::F64 => 8,
            Scales::F32 => 4,
            Scales::F16 | Scales::Bf16 => 2,
            Scales::E8m0 | Scales::E4m3 => 1,
        }
    }

    /// Reads one.
    ///
    /// # Safety
    /// `p` is valid for reads of [`Scales::size`] bytes.
    #[inline(always)]
    pub(crate) unsafe fn read(self, p: *const u8) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Scales::F64 => p.cast::<f64>().read_unaligned() as f32,
                Scales::F32 => p.cast::<f32>().read_unaligned(),
                Scales::F16 => crate::simd::f16_to_f32(p.cast::<u16>().read_unaligned()),
                Scales::Bf16 => crate::simd::bf16_to_f32(p.cast::<u16>().read_unaligned()),
                Scales::E8m0 => e8m0(*p),
                Scales::E4m3 => e4m3(*p),
            }
        }
    }
}

impl Scales {
    /// Reads one, exactly.
    ///
    /// # Safety
    /// `p` is valid for reads of [`Scales::size`] bytes.
    #[inline(always)]
    unsafe fn read_f64(self, p: *const u8) -> f64 {
        // SAFETY: the caller's promise.
        unsafe { if self == Scales::F64 { p.cast::<f64>().read_unaligned() } else { f64::from(self.read(p)) } }
    }
}

/// The value of an E2M1 code.
pub fn e2m1(code: u8) -> f32 {
    let magnitude = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0][usize::from(code & 7)];
    if code & 8 == 0 { magnitude } else { -magnitude }
}

/// The value of an E8M0 scale.
pub fn e8m0(s: u8) -> f32 {
    match s {
        0 => f32::from_bits(0x0040_0000),
        255 => f32::NAN,
        s => f32::from_bits(u32::from(s) << 23),
    }
}

/// The value of an E4M3 number.
pub fn e4m3(code: u8) -> f32 {
    let magnitude = u32::from(code & 0x7f);
    let value = match magnitude {
        0x7f => f32::NAN,
        // Multiples of 2^-9.
        0..8 => magnitude as f32 * f32::from_bits((127 - 9) << 23),
        _ => f32::from_bits((magnitude << 20) + ((127 - 7) << 23)),
    };
    if code & 0x80 == 0 { value } else { -value }
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of a code: 2, 3, 4, 5, 6 or 8.
    pub bits: usize,
    /// Codes that share a scale: a multiple of 16, at most 128, that fills whole words.
    pub group: usize,
    /// What codes are.
    pub codes: Codes,
    /// What scales are.
    pub scales: Scales,
}

/// A quantized matrix of `n` rows of `k` codes.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Its format.
    pub format: Format,
    /// Rows.
    pub n: usize,
    /// Codes per row: a multiple of the group.
    pub k: usize,
    /// The first word.
    pub codes: *const u32,
    /// Words from row to row.
    pub code_stride: isize,
    /// The first scale.
    pub scales: *const u8,
    /// The first bias; null if there are none.
    pub biases: *const u8,
    /// Scales (and biases) from row to row.
    pub scale_stride: isize,
}

// SAFETY: a description of memory that is only read.
unsafe impl Sync for Matrix {}

impl Matrix {
    /// Words of a group.
    #[inline(always)]
    fn words(&self) -> usize {
        self.format.group * self.format.bits / 32
    }
}
