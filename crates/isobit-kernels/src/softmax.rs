//! Softmax of rows: `e^(x - max) / sum(e^(x - max))` in `f32` (`f64` in `f64`), one pass over memory per row.
//!
//! The maximum and the sum are in the canonical row order of [`crate::reduce`], so a row's bits depend on its own
//! elements only. The exponentials are multiplied by the reciprocal of their sum. Rows longer than 65,536 elements are
//! worked on by all threads.

use crate::dtype::Dtype;
use crate::float_lanes::FloatLanes;
use crate::math;
use crate::par;
use crate::reduce::rows::{Fold, fold_max, fold_sum, load_upto, long_row, row, store_upto};
use crate::reduce::{Origin, ROW_CHUNK, Target, for_rows};
use crate::simd::{self, Kernel, LANES, Simd};
use half::{bf16, f16};

/// Softmax of each of `rows` rows of `n` elements; `dst` may equal `src`. Returns `false`, having written nothing, if
/// `dtype` is not a float.
///
/// # Safety
/// `src` and `dst` are valid for `rows * n` elements.
pub unsafe fn softmax(dtype: Dtype, src: *const u8, dst: *mut u8, rows: usize, n: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => softmax_typed::<f32>(src.cast(), dst.cast(), rows, n),
            Dtype::F16 => softmax_typed::<f16>(src.cast(), dst.cast(), rows, n),
            Dtype::BF16 => softmax_typed::<bf16>(src.cast(), dst.cast(), rows, n),
            Dtype::F64 => softmax_f64(src.cast(), dst.cast(), rows, n),
            _ => return false,
        }
    }
    true
}

/// `ln(sum(e^x))` of each of `rows` rows of `n` elements, one output a row. Returns `false`, having written nothing, if
/// `dtype` is not a float.
///
/// # Safety
/// `src` is valid for `rows * n` elements, `dst` for `rows`.
pub unsafe fn logsumexp(dtype: Dtype, src: *const u8, dst: *mut u8, rows: usize, n: usize) -> bool {
    let extent = crate::reduce::Extent { outer: rows, n, inner: 1 };
    // SAFETY: the caller's promise.
    unsafe { crate::reduce::reduce(crate::reduce::ReduceOp::LogSumExp, dtype, dtype, src, dst, extent).is_ok() }
}

/// Rows of at most [`ROW_CHUNK`] elements.
struct Rows<T> {
    src: *const T,
    dst: *mut T,
    rows: usize,
    n: usize,
    /// Room for a row's exponentials.
    scratch: *mut f32,
}

impl<T: FloatLanes> Kernel for Rows<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for r in 0..self.rows {
            // SAFETY: the promise of `softmax`; the scratch has `n` elements.
            unsafe {
                let (src, dst) = (self.src.add(r * self.n), self.dst.add(r * self.n));
                let max = s.splat(fold_max(s, src, self.n));
                exponentials(s, src, self.n, max, self.scratch);
                let sum = fold_sum(
                    s,
                    self.scratch.cast_const(),
                    self.n,
                    #[inline(always)]
                    |a, e| s.add(a, e),
                );
                scale(s, self.scratch, dst, self.n, s.splat(1.0 / sum));
            }
        }
    }
}

/// `out = e^(x - max)`.
///
/// # Safety
/// Both are valid for `n` elements.
#[inline(always)]
unsafe fn exponentials<S: Simd, T: FloatLanes>(s: S, src: *const T, n: usize, max: S::F, out: *mut f32) {
    let mut i = 0;
    while i < n {
        // SAFETY: `n - i` elements remain.
        unsafe {
            let x = load_upto(s, src.add(i), n - i);
            store_upto(s, out.add(i), math::exp(s, s.sub(x, max)), n - i);
        }
        i += LANES;
    }
}

/// `out = x * factor`.
///
/// # Safety
/// Both are valid for `n` elements.
#[inline(always)]
unsafe fn scale<S: Simd, T: FloatLanes>(s: S, src: *const f32, out: *mut T, n: usize, factor: S::F) {
    let mut i = 0;
    while i < n {
        // SAFETY: `n - i` elements remain.
        unsafe { store_upto(s, out.add(i), s.mul(load_upto(s, src.add(i), n - i), factor), n - i) };
        i += LANES;
    }
}

/// One piece of a long row: exponentials into the scratch, and their sum.
struct Exponentials<T> {
    src: *const T,
    n: usize,
    max: f32,
    out: *mut f32,
}

impl<T: FloatLanes> Kernel for Exponentials<T> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // SAFETY: the promise of `long`.
        unsafe {
            exponentials(s, self.src, self.n, s.splat(self.max), self.out);
            fold_sum(
                s,
                self.out.cast_const(),
                self.n,
                #[inline(always)]
                |a, e| s.add(a, e),
            )
        }
    }
}

struct Scale<T> {
    src: *const f32,
    dst: *mut T,
    n: usize,
    factor: f32,
}

impl<T: FloatLanes> Kernel for Scale<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: the promise of `long`.
        unsafe { scale(s, self.src, self.dst, self.n, s.splat(self.factor)) }
    }
}

/// A row of more than [`ROW_CHUNK`] elements, its pieces shared among threads.
///
/// # Safety
/// Both are valid for `n` elements.
unsafe fn long<T: FloatLanes>(src: *const T, dst: *mut T, n: usize) {
    // SAFETY: the caller's promise.
    let max = unsafe { row(Fold::Max, src, n) };
    let mut scratch = vec![0.0f32; n];
    let (src, dst, e) = (Origin(src), Target(dst), Target(scratch.as_mut_ptr()));
    let sum = long_row(Fold::Sum, n, |start, len| {
        simd::dispatch(Exponentials { src: src.at(start), n: len, max, out: e.at(start) })
    });
    let factor = 1.0 / sum;
    par::for_chunks(n, ROW_CHUNK, |a, b| {
        simd::dispatch(Scale { src: e.at(a).cast_const(), dst: dst.at(a), n: b - a, factor });
    });
}

/// # Safety
/// As for [`softmax`].
unsafe fn softmax_typed<T: FloatLanes>(src: *const T, dst: *mut T, rows: usize, n: usize) {
    let (src, dst) = (Origin(src), Target(dst));
    if n > ROW_CHUNK {
        // SAFETY: the caller's promise.
        return (0..rows).for_each(|r| unsafe { long(src.at(r * n), dst.at(r * n), n) });
    }
    for_rows(rows, n, |first, count| {
        let mut scratch = vec![0.0f32; n];
        let (src, dst) = (src.at(first * n), dst.at(first * n));
        simd::dispatch(Rows { src, dst, rows: count, n, scratch: scratch.as_mut_ptr() });
    });
}

/// # Safety
/// As for [`softmax`].
unsafe fn softmax_f64(src: *const f64, dst: *mut f64, rows: usize, n: usize) {
    use crate::reduce::{double_row_max, double_row_sum};
    let (src, dst) = (Origin(src), Target(dst));
    for_rows(rows, n, |first, count| {
        for r in first..first + count {
            let (p, q) = (src.at(r * n), dst.at(r * n));
            // SAFETY: the caller's promise; each task writes its rows, every element after it was read.
            unsafe {
                let max = double_row_max(p, n);
                for i in 0..n {
                    *q.add(i) = libm::exp(*p.add(i) - max);
                }
                let factor = 1.0 / double_row_sum(q, n);
                for i in 0..n {
                    *q.add(i) *= factor;
                }
            }
        }
    });
}
