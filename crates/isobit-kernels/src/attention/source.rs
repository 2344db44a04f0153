//! Where keys and values come from: rows of floats, or rows of codes ([`super::codes`]).

use super::Operand;
use super::ahead::Ahead;
use super::codes::QuantizedOperand;
use super::pack::{PackKeys, PackValues};
use crate::float_lanes::FloatLanes;
use crate::isa::Level;
use crate::simd::dispatch_at;

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
    /// Elements of working memory that [`Source::columns`] and [`Source::rows`] want for rows of `dim`.
    fn room(&self, dim: usize) -> usize;
    /// The lines of `rows` rows of `dim` elements from row `at` on.
    fn lines(&self, at: [usize; 3], rows: usize, dim: usize) -> Ahead;
    /// Up to 64 rows from row `at` on as columns of f32, any numbers behind them.
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
    );
    /// The codes, if a few rows may attend to them without making floats in memory.
    fn codes(&self) -> Option<&QuantizedOperand<'_>> {
        None
    }
}

impl<T: FloatLanes> Source for Operand<'_, T> {
    type Element = T;

    fn room(&self, _: usize) -> usize {
        0
    }

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

    #[allow(clippy::too_many_arguments)]
    fn rows(
        &self,
        level: Level,
        [b, h, i]: [usize; 3],
        keys: usize,
        dim: usize,
        padded: usize,
        to: &mut [f32],
        _: &mut [f32],
    ) {
        let from = self.row(b, h, i);
        dispatch_at(level, PackValues { from, stride: self.strides[2], keys, dim, padded, to });
    }
}
