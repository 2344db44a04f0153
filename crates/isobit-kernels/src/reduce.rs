//! Reductions of a contiguous `[outer, n, inner]` view over its middle axis, in the canonical orders.
//!
//! ```text
//! inner == 1  rows:     16 lanes x 4 accumulators, vector v goes to accumulator v mod 4, ascending;
//!                       (a0 + a1) + (a2 + a3), then the lane tree; missing tail lanes contribute nothing
//!             n > 65536: chunks of 65536 as rows, their results as a row again
//! inner > 1   columns:  blocks of 256 rows from the identity, ascending; block results in ascending order
//! ```
//!
//! 1. The order is a function of `n` and of whether `inner` is 1; never of threads, level, `outer`, or the place of a row.
//! 2. `f16` and `bf16` accumulate in `f32` and are rounded once, `f64` runs the same structure in `f64`, integers wrap.
//! 3. `max` and `min` hand on a NaN; `argmax` and `argmin` give the first among equals, and a NaN wins (NumPy's rule).

use crate::dtype::Dtype;
use crate::par;
use half::{bf16, f16};
use std::fmt;

mod columns;
mod plain;
pub(crate) mod rows;
#[cfg(feature = "self-test")]
mod tests;

pub(crate) use plain::{double_row_max, double_row_sum};

/// What to reduce by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// The sum.
    Sum,
    /// The product.
    Prod,
    /// The sum divided by the count, before the one rounding. Floats only.
    Mean,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// Whether any is not 0.
    Any,
    /// Whether none is 0.
    All,
    /// Where the greatest is, as `u32`.
    ArgMax,
    /// Where the least is, as `u32`.
    ArgMin,
    /// `ln(sum(e^x))`. Floats only.
    LogSumExp,
}

/// A reduction that is not defined for its element types; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The reduction.
    pub op: ReduceOp,
    /// The type of the input.
    pub from: Dtype,
    /// The type of the output.
    pub to: Dtype,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not defined from {:?} to {:?}", self.op, self.from, self.to)
    }
}

impl std::error::Error for Unsupported {}

/// Elements of a row that are reduced in one piece.
pub(crate) const ROW_CHUNK: usize = 65_536;
/// Rows of a column that are reduced in one piece.
pub(crate) const COLUMN_BLOCK: usize = 256;
/// Elements of work per task, about.
const TASK: usize = 32_768;

/// The view that is reduced: `outer * n * inner` contiguous elements; the output has `outer * inner`.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Independent slabs.
    pub outer: usize,
    /// Elements per reduction.
    pub n: usize,
    /// Reductions side by side in a slab.
    pub inner: usize,
}

/// An address that tasks write at disjoint places.
#[derive(Clone, Copy)]
pub(crate) struct Target<T>(pub *mut T);

// SAFETY: tasks write disjoint elements, by the cut of each caller.
unsafe impl<T> Sync for Target<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Target<T> {}

impl<T> Target<T> {
    /// The address of element `i`.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}

/// An address that tasks only read.
#[derive(Clone, Copy)]
pub(crate) struct Origin<T>(pub *const T);

// SAFETY: only read.
unsafe impl<T> Sync for Origin<T> {}
// SAFETY: only read.
unsafe impl<T> Send for Origin<T> {}

impl<T> Origin<T> {
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> *const T {
        self.0.wrapping_add(i)
    }
}

/// Cuts `rows` rows of `n` elements into tasks and calls `f(first, count)`.
pub(crate) fn for_rows(rows: usize, n: usize, f: impl Fn(usize, usize) + Sync) {
    let per_task = (TASK / n.max(1)).max(1);
    par::for_chunks(rows, per_task, |a, b| f(a, b - a));
}

/// Reduces `src` into `dst`.
///
/// The output's type: for `Sum` and `Prod` of integers or bools any integer type (the arithmetic wraps in it); `Bool` for
/// `Any` and `All`; `U32` for `ArgMax` and `ArgMin`; else the input's. With `n == 0` the result is the identity (for
/// `Max`, `Min`, `ArgMax` and `ArgMin` there is none: infinities, the type's ends, and 0 stand in).
///
/// # Errors
/// When the reduction is not defined for the types; then nothing was written.
///
/// # Safety
/// `src` is valid for `outer * n * inner` elements, `dst` for `outer * inner`; they do not overlap.
pub unsafe fn reduce(
    op: ReduceOp,
    from: Dtype,
    to: Dtype,
    src: *const u8,
    dst: *mut u8,
    extent: Extent,
) -> Result<(), Unsupported> {
    use ReduceOp::*;
    let refused = Err(Unsupported { op, from, to });
    if from == Dtype::C64 {
        return refused;
    }
    if extent.outer == 0 || extent.inner == 0 {
        return Ok(());
    }
    // SAFETY: the caller's promise, passed on with the types it was made for.
    unsafe {
        match op {
            Any | All => {
                if to != Dtype::Bool {
                    return refused;
                }
                plain::any_all(op, from, src, dst, extent);
            }
            ArgMax | ArgMin => {
                if to != Dtype::U32 {
                    return refused;
                }
                plain::arg(op, from, src, dst.cast(), extent);
            }
            _ if from.is_float() => {
                if to != from {
                    return refused;
                }
                match from {
                    Dtype::F32 => float::<f32>(op, src.cast(), dst.cast(), extent),
                    Dtype::F16 => float::<f16>(op, src.cast(), dst.cast(), extent),
                    Dtype::BF16 => float::<bf16>(op, src.cast(), dst.cast(), extent),
                    _ => plain::double(op, src.cast(), dst.cast(), extent),
                }
            }
            Sum | Prod | Max | Min => {
                if to.is_float() || (matches!(op, Max | Min) && to != from) {
                    return refused;
                }
                plain::integer(op, from, to, src, dst, extent);
            }
            Mean | LogSumExp => return refused,
        }
    }
    Ok(())
}

/// # Safety
/// As for [`reduce`].
unsafe fn float<T: crate::float_lanes::FloatLanes>(op: ReduceOp, src: *const T, dst: *mut T, e: Extent) {
    // SAFETY: the caller's promise.
    unsafe {
        if e.inner == 1 {
            rows::reduce_rows(op, src, dst, e.outer, e.n);
        } else {
            columns::reduce_columns(op, src, dst, e);
        }
    }
}
