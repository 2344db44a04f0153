//! Where keys and values come from: rows of floats, or rows of codes with scales and biases.

use super::ahead::Ahead;
use super::pack::{PackKeys, PackValues};
use super::{AttentionElement, AttentionInputs, BLOCK, Operand};
use crate::float_lanes::FloatLanes;
use crate::isa::Level;
use crate::quant::{Codes as Meaning, Format};
use crate::simd::{Kernel, Simd, dispatch_at};
use crate::transpose16::{copy_transposed, transpose16};
use half::{bf16, f16};

/// What knows how much memory its strides reach.
pub trait Checked {
    /// Panics unless every row of `dim` elements can be read.
    fn check(&self, dims: &[usize; 3], dim: usize, what: &str);
}

impl<T> Checked for Operand<'_, T> {
    fn check(&self, dims: &[usize; 3], dim: usize, what: &str) {
        Operand::check(self, dims, dim, what);
    }
}

/// Rows of keys or of values, `[batch, heads, length]`.
pub(crate) trait Source: Checked + Copy + Send + Sync {
    /// Of rows that can be used where they lie.
    type Element: FloatLanes;
    /// The lines of `rows` rows of `dim` elements from row `at` on.
    fn lines(&self, at: [usize; 3], rows: usize, dim: usize) -> Ahead;
    /// Up to 64 rows from row `at` on as columns of f32, zeros behind them; `room` has 64 rows of `dim`.
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
    );
    /// Row `at` where it lies, and the stride, if there are elements.
    fn direct(&self, at: [usize; 3]) -> Option<(*const Self::Element, isize)>;
    /// Up to 64 rows from row `at` on as rows of f32, `padded` apart and zero past `dim`.
    fn rows(&self, level: Level, at: [usize; 3], rows: usize, dim: usize, padded: usize, to: &mut [f32]);
}

impl<T: FloatLanes> Source for Operand<'_, T> {
    type Element = T;

    fn lines(&self, [b, h, i]: [usize; 3], rows: usize, dim: usize) -> Ahead {
        Ahead::new(self.row(b, h, i), self.strides[2], rows, dim)
    }

    #[allow(clippy::too_many_arguments)]
    fn columns(
        &self,
        level: Level,
        [b, h, i]: [usize; 3],
        keys: usize,
        dim: usize,
        to: &mut [f32],
        _: &mut [f32],
        ahead: Ahead,
    ) {
        let from = self.row(b, h, i);
        dispatch_at(level, PackKeys { from, stride: self.strides[2], keys, dim, to, ahead });
    }

    fn direct(&self, [b, h, i]: [usize; 3]) -> Option<(*const T, isize)> {
        Some((self.row(b, h, i), self.strides[2]))
    }

    fn rows(&self, level: Level, [b, h, i]: [usize; 3], keys: usize, dim: usize, padded: usize, to: &mut [f32]) {
        let from = self.row(b, h, i);
        dispatch_at(level, PackValues { from, stride: self.strides[2], keys, dim, padded, to });
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
/// As [`super::attention`]; groups that are no multiples of 16 codes, or do not divide the rows.
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
        assert!(dim.is_multiple_of(f.group) && (1..=8).contains(&f.bits), "{what}");
        self.codes.check(dims, self.words(dim), what);
        self.scales.check(dims, self.groups(dim) * f.scales.size(), what);
        self.biases.check(dims, self.groups(dim) * f.scales.size(), what);
    }
}

impl Source for QuantizedOperand<'_> {
    type Element = f32;

    fn lines(&self, [b, h, i]: [usize; 3], rows: usize, dim: usize) -> Ahead {
        Ahead::new(self.codes.row(b, h, i), self.codes.strides[2], rows, self.words(dim))
    }

    #[allow(clippy::too_many_arguments)]
    fn columns(
        &self,
        level: Level,
        at: [usize; 3],
        keys: usize,
        dim: usize,
        to: &mut [f32],
        room: &mut [f32],
        ahead: Ahead,
    ) {
        let codes = Codes { from: self, at, rows: keys, dim };
        match self.format.bits {
            2 => dispatch_at(level, Columns::<2> { codes, to, ahead }),
            4 => dispatch_at(level, Columns::<4> { codes, to, ahead }),
            8 => dispatch_at(level, Columns::<8> { codes, to, ahead }),
            _ => {
                dispatch_at(level, Rows { codes, padded: dim, to: &mut *room });
                dispatch_at(level, PackKeys { from: room.as_ptr(), stride: dim as isize, keys, dim, to, ahead });
            }
        }
    }

    fn direct(&self, _: [usize; 3]) -> Option<(*const f32, isize)> {
        None
    }

    fn rows(&self, level: Level, at: [usize; 3], rows: usize, dim: usize, padded: usize, to: &mut [f32]) {
        dispatch_at(level, Rows { codes: Codes { from: self, at, rows, dim }, padded, to });
    }
}

/// Rows of codes from row `at` on.
#[derive(Clone, Copy)]
struct Codes<'a> {
    from: &'a QuantizedOperand<'a>,
    at: [usize; 3],
    rows: usize,
    dim: usize,
}

impl Codes<'_> {
    #[inline(always)]
    fn words(&self, row: usize) -> *const u32 {
        self.from.codes.row(self.at[0], self.at[1], self.at[2] + row)
    }

    /// Scale and bias of a row's group.
    #[inline(always)]
    fn scale(&self, row: usize, group: usize) -> (f32, f32) {
        let [b, h, i] = self.at;
        let (scales, step) = (self.from.format.scales, group * self.from.format.scales.size());
        // SAFETY: `check` found scales and biases of all rows and groups inside their slices.
        unsafe {
            let scale = scales.read(self.from.scales.row(b, h, i + row).add(step));
            (scale, scales.read(self.from.biases.row(b, h, i + row).add(step)))
        }
    }
}

/// `to[j][d] = code * scale + bias` for the rows `j`, `padded` apart, zero past the last code.
///
/// Sixteen codes begin at a word or in its middle and lie in at most five words: a permutation brings every lane its word, a
/// second one the next word for codes that straddle two.
struct Rows<'a> {
    codes: Codes<'a>,
    padded: usize,
    to: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Rows { codes, padded, to } = self;
        let f = codes.from.format;
        let (bits, dim) = (f.bits, codes.dim);
        assert!(to.len() >= codes.rows * padded && padded >= dim && dim.is_multiple_of(16));
        let words = codes.from.words(dim);
        // For sixteen codes that begin at bit 0 of a word, and at bit 16.
        let place = |i: usize, start: usize| start + i * bits;
        let tables: [(S::I, S::I, S::I, S::I); 2] = [0, 16].map(
            #[inline(always)]
            |start| {
                let lane = |f: fn(usize) -> usize| {
                    let mut a = [0i32; 16];
                    for (i, a) in a.iter_mut().enumerate() {
                        *a = f(place(i, start)) as i32;
                    }
                    s.from_array_i(a)
                };
                (lane(|p| p / 32), lane(|p| p / 32 + 1), lane(|p| p % 32), lane(|p| 31 - p % 32))
            },
        );
        let mask = s.splat_i((1 << bits) - 1);
        for row in 0..codes.rows {
            let from = codes.words(row);
            let mut scale = (s.splat(0.0), s.splat(0.0));
            for d in (0..dim).step_by(16) {
                if d.is_multiple_of(f.group) {
                    let (a, b) = codes.scale(row, d / f.group);
                    scale = (s.splat(a), s.splat(b));
                }
                let (word, half) = (d * bits / 32, d * bits % 32 / 16);
                let (first, second, down, up) = tables[half];
                // SAFETY: the row has `words` words; `to` has room for `rows` rows.
                unsafe {
                    let held = s.load_n(from.add(word).cast(), (words - word).min(16), 0.0);
                    let mut code = s.shr_v(s.to_bits(s.lookup16(held, first)), down);
                    if 32 % bits != 0 {
                        let next = s.to_bits(s.lookup16(held, second));
                        code = s.or(code, s.shl_v(s.shl(next, 1), up));
                    }
                    let x = s.mul(s.from_i32(s.and(code, mask)), scale.0);
                    s.store(to.as_mut_ptr().add(row * padded + d), s.add(x, scale.1));
                }
            }
            to[row * padded + dim..(row + 1) * padded].fill(0.0);
        }
    }
}

/// `to[d][j] = code * scale + bias` for up to 64 rows `j`, zeros behind them, with codes of 2, 4 or 8 bits.
///
/// Words are transposed, sixteen rows by sixteen words; then a vector of words holds the same codes of sixteen rows, and each
/// is a shift away.
struct Columns<'a, const BITS: u32> {
    codes: Codes<'a>,
    to: &'a mut [f32],
    ahead: Ahead,
}

impl<const BITS: u32> Kernel for Columns<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Columns { codes, to, mut ahead } = self;
        let (dim, group) = (codes.dim, codes.from.format.group);
        assert!(to.len() >= dim * BLOCK && codes.rows <= BLOCK);
        let words = codes.from.words(dim);
        let per_word = 32 / BITS as usize;
        let lines = ahead.count().div_ceil(BLOCK / 16 * words.max(1));
        let mask = s.splat_i((1 << BITS) - 1);
        let to = to.as_mut_ptr();
        let mut columns = [0f32; 256];
        for first in (0..BLOCK).step_by(16) {
            let n = codes.rows.saturating_sub(first).min(16);
            let mut scale = (s.splat(0.0), s.splat(0.0));
            for word in (0..words).step_by(16) {
                let m = (words - word).min(16);
                if n == 16 && m == 16 {
                    let step = codes.from.codes.strides[2] * size_of::<u32>() as isize;
                    // SAFETY: sixteen rows of sixteen words; bits are moved as they are.
                    unsafe {
                        let from = codes.words(first).add(word).cast();
                        copy_transposed::<S, false>(s, from, step, columns.as_mut_ptr(), 16);
                    }
                } else {
                    let mut rows = [s.splat(0.0); 16];
                    for (j, row) in rows.iter_mut().enumerate().take(n) {
                        // SAFETY: the row has `words` words.
                        *row = unsafe { s.load_n(codes.words(first + j).add(word).cast(), m, 0.0) };
                    }
                    for (column, to) in transpose16(s, rows).into_iter().zip(columns.chunks_exact_mut(16)) {
                        // SAFETY: sixteen elements.
                        unsafe { s.store(to.as_mut_ptr(), column) };
                    }
                }
                for i in 0..m {
                    let d = (word + i) * per_word;
                    if d.is_multiple_of(group) {
                        let (mut a, mut b) = ([0.0; 16], [0.0; 16]);
                        for j in 0..n {
                            (a[j], b[j]) = codes.scale(first + j, d / group);
                        }
                        scale = (s.from_array(a), s.from_array(b));
                    }
                    // SAFETY: column `i` of sixteen.
                    let mut held = s.to_bits(unsafe { s.load(columns.as_ptr().add(16 * i)) });
                    for c in 0..per_word {
                        let x = s.mul(s.from_i32(s.and(held, mask)), scale.0);
                        // SAFETY: `to` has `dim` rows of 64.
                        unsafe { s.store(to.add((d + c) * BLOCK + first), s.add(x, scale.1)) };
                        held = s.shr(held, BITS);
                    }
                    ahead.step(lines);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
