//! Column reductions of floats that are computed in `f32`: lanes along the kept axis, rows added one by one into a buffer.

use super::rows::{Fold, load_upto, store_upto};
use super::{COLUMN_BLOCK, Extent, Origin, ReduceOp, TASK, Target};
use crate::float_lanes::FloatLanes;
use crate::math;
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};

/// Lanes of the kept axis per task: the buffers stay in the first-level cache.
const WIDTH: usize = 1024;

/// `acc[j] = op(acc[j], x[j])` for `rows` rows that lie `stride` elements apart.
struct Accumulate<T> {
    fold: Fold,
    src: *const T,
    stride: usize,
    rows: usize,
    acc: *mut f32,
    width: usize,
    /// For log-sum-exp: the maxima; `e^(x - max)` is added.
    max: *const f32,
}

impl<T: FloatLanes> Kernel for Accumulate<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        macro_rules! each {
            ($f:expr) => {
                for r in 0..self.rows {
                    let mut j = 0;
                    while j < self.width {
                        let k = self.width - j;
                        // SAFETY: the promise of `block`.
                        unsafe {
                            let x = load_upto(s, self.src.add(r * self.stride + j), k);
                            let a = load_upto(s, self.acc.add(j), k);
                            store_upto(s, self.acc.add(j), $f(a, x, j, k), k);
                        }
                        j += LANES;
                    }
                }
            };
        }
        if !self.max.is_null() {
            // SAFETY: there are `width` maxima.
            return each!(|a, x, j, k| s.add(a, math::exp(s, s.sub(x, load_upto(s, self.max.add(j), k)))));
        }
        match self.fold {
            Fold::Sum => each!(|a, x, _, _| s.add(a, x)),
            Fold::Prod => each!(|a, x, _, _| s.mul(a, x)),
            Fold::Max => each!(|a, x, _, _| s.maximum(x, a)),
            Fold::Min => each!(|a, x, _, _| s.minimum(x, a)),
        }
    }
}

/// Turns sums of exponentials into logarithms: `total = max + ln(total)`, or an infinite maximum itself.
struct Finish {
    max: *const f32,
    total: *mut f32,
    width: usize,
}

impl Kernel for Finish {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut j = 0;
        while j < self.width {
            let k = self.width - j;
            // SAFETY: both have `width` elements.
            unsafe {
                let max = load_upto(s, self.max.add(j), k);
                let sum = load_upto(s, self.total.add(j), k);
                let v = s.add(max, math::log(s, sum));
                let finite = s.lt(s.abs(max), s.splat(f32::INFINITY));
                store_upto(s, self.total.add(j), s.select(finite, v, max), k);
            }
            j += LANES;
        }
    }
}

/// The columns `first .. first + width` of one slab.
#[derive(Clone, Copy)]
struct Columns<T> {
    src: *const T,
    n: usize,
    stride: usize,
    width: usize,
}

fn identity(fold: Fold) -> f32 {
    match fold {
        Fold::Sum => 0.0,
        Fold::Prod => 1.0,
        Fold::Max => f32::NEG_INFINITY,
        Fold::Min => f32::INFINITY,
    }
}

/// One block of at most [`COLUMN_BLOCK`] rows, from the identity into `acc`.
///
/// # Safety
/// The columns are readable; `acc` (and `max` unless null) is valid for `width` elements.
unsafe fn block<T: FloatLanes>(fold: Fold, c: Columns<T>, index: usize, acc: *mut f32, max: *const f32) {
    let start = index * COLUMN_BLOCK;
    let rows = COLUMN_BLOCK.min(c.n - start);
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(acc, c.width).fill(identity(fold)) };
    let src = c.src.wrapping_add(start * c.stride);
    simd::dispatch(Accumulate { fold, src, stride: c.stride, rows, acc, width: c.width, max });
}

/// Folds all blocks in ascending order into `total`; with few columns and many rows the blocks are shared among threads.
///
/// # Safety
/// As for [`block`].
unsafe fn fold_blocks<T: FloatLanes>(fold: Fold, c: Columns<T>, total: *mut f32, max: *const f32, share: bool) {
    let blocks = c.n.div_ceil(COLUMN_BLOCK);
    let add = |acc: *const f32| {
        let max = std::ptr::null();
        simd::dispatch(Accumulate { fold, src: acc, stride: 0, rows: 1, acc: total, width: c.width, max });
    };
    // SAFETY: the caller's promise.
    unsafe {
        if blocks == 0 {
            return std::slice::from_raw_parts_mut(total, c.width).fill(identity(fold));
        }
        block(fold, c, 0, total, max);
        if share && blocks > 2 {
            let mut parts = vec![0.0f32; (blocks - 1) * c.width];
            let out = Target(parts.as_mut_ptr());
            let (src, max) = (Origin(c.src), Origin(max));
            let per_task = (TASK / (COLUMN_BLOCK * c.width)).max(1);
            par::for_chunks(blocks - 1, per_task, |a, b| {
                for i in a..b {
                    let c = Columns { src: src.at(0), n: c.n, stride: c.stride, width: c.width };
                    block(fold, c, i + 1, out.at(i * c.width), max.at(0));
                }
            });
            parts.chunks_exact(c.width).for_each(|p| add(p.as_ptr()));
        } else {
            let mut acc = [0.0f32; WIDTH];
            for i in 1..blocks {
                block(fold, c, i, acc.as_mut_ptr(), max);
                add(acc.as_ptr());
            }
        }
    }
}

/// Reduces the middle axis of an `[outer, n, inner]` view with `inner > 1`.
///
/// # Safety
/// `src` is valid for `outer * n * inner` elements, `dst` for `outer * inner`.
pub(super) unsafe fn reduce_columns<T: FloatLanes>(op: ReduceOp, src: *const T, dst: *mut T, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    let strips = e.inner.div_ceil(WIDTH);
    let tasks = e.outer * strips;
    let share = tasks < 8 && e.n * e.inner >= 4 * TASK;
    let strip = |t: usize| {
        let (slab, first) = (t / strips, t % strips * WIDTH);
        let width = WIDTH.min(e.inner - first);
        let c = Columns { src: src.at(slab * e.n * e.inner + first), n: e.n, stride: e.inner, width };
        let (mut total, mut max) = ([0.0f32; WIDTH], [0.0f32; WIDTH]);
        // SAFETY: the caller's promise; the buffers have `WIDTH` elements; each task writes its columns.
        unsafe {
            let none = std::ptr::null();
            match op {
                ReduceOp::LogSumExp => {
                    fold_blocks(Fold::Max, c, max.as_mut_ptr(), none, share);
                    fold_blocks(Fold::Sum, c, total.as_mut_ptr(), max.as_ptr(), share);
                    simd::dispatch(Finish { max: max.as_ptr(), total: total.as_mut_ptr(), width });
                }
                ReduceOp::Prod => fold_blocks(Fold::Prod, c, total.as_mut_ptr(), none, share),
                ReduceOp::Max => fold_blocks(Fold::Max, c, total.as_mut_ptr(), none, share),
                ReduceOp::Min => fold_blocks(Fold::Min, c, total.as_mut_ptr(), none, share),
                _ => fold_blocks(Fold::Sum, c, total.as_mut_ptr(), none, share),
            }
            let count = e.n as f32;
            for (j, &x) in total[..width].iter().enumerate() {
                let x = if op == ReduceOp::Mean { x / count } else { x };
                *dst.at(slab * e.inner + first + j) = T::narrow(x);
            }
        }
    };
    if share {
        (0..tasks).for_each(strip);
    } else {
        let per_task = (TASK / (e.n.max(1) * e.inner.min(WIDTH))).max(1);
        par::for_chunks(tasks, per_task, |a, b| (a..b).for_each(strip));
    }
}
