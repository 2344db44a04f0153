//! Keys and values in affine codes.
//!
//! An element is `code * scale + bias` in f32, rounded after each step, as dequantizing makes it; everything after that is
//! attention to floats, in its order. So a result has the bits of queries widened to f32 attending to dequantized keys and
//! values, whichever of the two ways it was computed:
//!
//! 1. A few rows ([`direct_rows`]): what is read is codes, and floats live in registers only ([`direct`], [`values`]). Every code is
//!    decoded once for all rows that share it.
//! 2. Otherwise a block of keys becomes 64 columns of f32 and a block of values 64 rows ([`floats`]), which all rows use.
//!
//! Scales and biases of a block are widened together, before ([`words`]). Keys of other widths than four and eight
//! bits become bytes first, a block at a time, and so do values where a width asks for it ([`bytes`]). With AVX2 neither does
//! for a few rows (`halves`, `fields`).

mod bytes;
pub(super) mod direct;
#[cfg(target_arch = "x86_64")]
mod fields;
mod floats;
#[cfg(target_arch = "x86_64")]
mod halves;
#[cfg(feature = "self-test")]
mod tests;
pub(super) mod values;
mod words;

use super::ahead::Ahead;
use super::source::{Checked, Source};
use super::{AttentionElement, AttentionInputs, Operand};
use crate::isa::Level;
use crate::quant::{Codes as Meaning, Format, Scales};
use crate::simd::dispatch_at;
use floats::{Columns, Rows};
use half::{bf16, f16};

/// How many of some rows attend to codes where they lie.
///
/// With sixteen registers a tile has four rows. It leaves the floats behind for the tiles after it, if all rows see the same
/// keys; otherwise, and with many rows on other levels, floats are made first.
pub(super) fn direct_rows(level: Level, rows: usize) -> usize {
    match level {
        Level::Avx2 => rows.min(4),
        _ if rows <= 8 => rows,
        _ => 0,
    }
}

/// Affine codes `[batch, heads, length]`: an element is `code * scale + bias` in f32, rounded after each step.
#[derive(Clone, Copy)]
pub struct QuantizedOperand<'a> {
    /// Width of codes and groups, and the type of scales and biases.
    pub format: Format,
    /// Words of codes.
    pub codes: Operand<'a, u32>,
    /// Scales, one per group; elements are bytes, also in offset and strides.
    pub scales: Operand<'a, u8>,
    /// Biases, likewise.
    pub biases: Operand<'a, u8>,
}

/// A float type of queries that attend to quantized keys and values.
pub trait QuantizedAttentionElement: AttentionElement {
    #[doc(hidden)]
    fn run_quantized(x: &AttentionInputs<Self, QuantizedOperand>, out: &mut [Self]);
}

macro_rules! element {
    ($($t:ty)*) => {$(
        impl QuantizedAttentionElement for $t {
            fn run_quantized(x: &AttentionInputs<Self, QuantizedOperand>, out: &mut [Self]) {
                super::run(x, out, None)
            }
        }
    )*};
}
element!(f32 f16 bf16);

/// As [`super::attention`], with quantized keys and values that are never rounded to the queries' type: the bits are those of
/// queries widened to f32 attending to dequantized keys and values, rounded once. Memory is read as codes.
///
/// # Panics
/// As [`super::attention`]; groups that are no multiples of 16 codes in whole words, or do not divide the rows.
pub fn attention_quantized<T: QuantizedAttentionElement>(x: &AttentionInputs<T, QuantizedOperand>, out: &mut [T]) {
    let s = x.shape;
    assert_eq!(out.len(), s.batch * s.q_heads * s.q_len * s.value_dim, "attention: output size");
    x.check();
    if !out.is_empty() {
        T::run_quantized(x, out);
    }
}

impl QuantizedOperand<'_> {
    fn groups(&self, dim: usize) -> usize {
        dim / self.format.group
    }

    fn words(&self, dim: usize) -> usize {
        dim * self.format.bits / 32
    }
}

impl Checked for QuantizedOperand<'_> {
    fn check(&self, dims: &[usize; 3], dim: usize, what: &str) {
        let f = self.format;
        assert!(f.codes == Meaning::Unsigned && f.group.is_multiple_of(16), "{what}: affine groups of sixteens");
        assert!([2, 3, 4, 5, 6, 8].contains(&f.bits) && (f.group * f.bits).is_multiple_of(32), "{what}: whole words");
        assert!(dim.is_multiple_of(f.group), "{what}: whole groups");
        self.codes.check(dims, self.words(dim), what);
        self.scales.check(dims, self.groups(dim) * f.scales.size(), what);
        self.biases.check(dims, self.groups(dim) * f.scales.size(), what);
    }
}

/// Runs a kernel that takes the codes' width as a constant: 4, or 8 for those that are bytes or become bytes first.
macro_rules! with_bits {
    ($bits:expr, $level:expr, $kernel:ident $fields:tt) => {
        match $bits {
            4 => dispatch_at($level, $kernel::<4> $fields),
            _ => dispatch_at($level, $kernel::<8> $fields),
        }
    };
}

impl Source for QuantizedOperand<'_> {
    type Element = f32;

    fn room(&self, dim: usize) -> usize {
        let groups = self.groups(dim);
        let bits = self.format.bits;
        words::keys_room(bits, dim, groups).max(values::sums_room(bits, dim, groups))
    }

    fn lines(&self, [b, h, i]: [usize; 3], rows: usize, dim: usize) -> Ahead {
        Ahead::new(self.codes.row(b, h, i), self.codes.strides[2], rows, self.words(dim))
    }

    #[allow(clippy::too_many_arguments)]
    fn columns(
        &self,
        level: Level,
        at: [usize; 3],
        rows: usize,
        dim: usize,
        to: &mut [f32],
        room: &mut [f32],
        ahead: Ahead,
    ) {
        let codes = Codes { from: self, at, rows, dim };
        with_bits!(self.format.bits, level, Columns { codes, to, room, ahead })
    }

    fn direct(&self, _: [usize; 3]) -> Option<(*const f32, isize)> {
        None
    }

    #[allow(clippy::too_many_arguments)]
    fn rows(
        &self,
        level: Level,
        at: [usize; 3],
        rows: usize,
        dim: usize,
        padded: usize,
        to: &mut [f32],
        room: &mut [f32],
    ) {
        let codes = Codes { from: self, at, rows, dim };
        dispatch_at(level, Rows { codes, padded, to, room });
    }

    fn codes(&self) -> Option<&QuantizedOperand<'_>> {
        Some(self)
    }
}

/// Up to 64 rows of codes from row `at` on.
#[derive(Clone, Copy)]
pub(super) struct Codes<'a> {
    pub from: &'a QuantizedOperand<'a>,
    pub at: [usize; 3],
    pub rows: usize,
    pub dim: usize,
}

impl Codes<'_> {
    /// The words of a row.
    #[inline(always)]
    fn words(&self, row: usize) -> *const u32 {
        self.from.codes.row(self.at[0], self.at[1], self.at[2] + row)
    }

    fn groups(&self) -> usize {
        self.from.groups(self.dim)
    }

    fn group(&self) -> usize {
        self.from.format.group
    }

    fn kind(&self) -> Scales {
        self.from.format.scales
    }

    fn bits(&self) -> usize {
        self.from.format.bits
    }

    /// Writes all codes as bytes, rows `dim` apart.
    ///
    /// # Safety
    /// There is room for [`bytes::SLACK`] more of them than there are.
    unsafe fn expand(&self, level: Level, to: *mut u8) {
        let rows = (self.words(0).cast(), 4 * self.from.codes.strides[2]);
        // SAFETY: rows are there; the caller's promise.
        unsafe { bytes::expand(level, self.bits(), rows, 0..self.rows, self.dim, to) }
    }
}
