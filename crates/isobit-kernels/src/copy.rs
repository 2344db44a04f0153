//! Strided copies: any view into any view of the same shape, by element size; computes nothing.
//!
//! ```text
//! simplify:  drop axes of length 1, order axes by output stride, merge neighbours that are one axis in both views
//! one axis, both strides 1     a flat copy, past the caches when large
//! an axis contiguous in the input and another in the output:  transposition in blocks held in registers
//! anything else                rows along the output's innermost axis: copy, fill or gather
//! ```
//!
//! 1. A transposition block is 16x16 for 4-byte elements and 32x32 for 2-byte ones (as 16x16 pairs, then the pairs are
//!    split). Blocks go along strips of four cache lines per output row: each input line is read once and each output
//!    line written once, whole, with its three neighbours, which is within a fifth of the speed of a flat copy.
//! 2. Work is cut by the shape only and shared among threads when large.

use crate::elementwise::{STREAM_BYTES, StreamOut};
use crate::par;
use crate::reduce::{Origin, Target};
use crate::simd;

mod block;
#[cfg(feature = "self-test")]
mod tests;

/// An axis of both views: its length, and the strides in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    n: usize,
    src: isize,
    dst: isize,
}

/// Bytes per task, about.
const TASK_BYTES: usize = 128 << 10;
/// Elements of a row that one task copies at most.
const SEGMENT: usize = 32_768;
/// Bytes of an output row in one strip of a transposition.
const STRIP_BYTES: usize = 256;
/// Output rows per transposition task.
const BAND: usize = 4096;

/// How to copy between two views of one shape, for any number of places that they may begin at.
#[derive(Clone, Debug)]
pub struct CopyPlan {
    size: usize,
    axes: Vec<Axis>,
    /// Elements to the first one copied, where an axis is run backwards.
    src_shift: isize,
    dst_shift: isize,
}

impl CopyPlan {
    /// A plan for elements of `size` bytes (1, 2, 4 or 8). Strides are in elements, and may be zero (in the input only) or
    /// negative.
    pub fn new(size: usize, shape: &[usize], src_strides: &[isize], dst_strides: &[isize]) -> CopyPlan {
        let mut plan = CopyPlan { size, axes: Vec::with_capacity(shape.len().max(1)), src_shift: 0, dst_shift: 0 };
        for (&n, (&src, &dst)) in shape.iter().zip(src_strides.iter().zip(dst_strides)) {
            if n != 1 {
                // The output is written forwards.
                let back = if dst < 0 { n as isize - 1 } else { 0 };
                plan.src_shift += back * src;
                plan.dst_shift += back * dst;
                plan.axes.push(if dst < 0 { Axis { n, src: -src, dst: -dst } } else { Axis { n, src, dst } });
            }
        }
        plan.axes.sort_by_key(|a| std::cmp::Reverse(a.dst));
        plan.axes.dedup_by(|a, outer| {
            let merges = outer.src == a.src * a.n as isize && outer.dst == a.dst * a.n as isize;
            if merges {
                *outer = Axis { n: outer.n * a.n, src: a.src, dst: a.dst };
            }
            merges
        });
        if plan.axes.is_empty() {
            plan.axes.push(Axis { n: 1, src: 1, dst: 1 });
        }
        plan
    }

    /// Copies, on the pool's threads if that is worth it.
    ///
    /// # Safety
    /// With index 0 of the views at `src` and `dst`: every element of either view is valid; the views do not overlap; no
    /// two elements of the output share an address; addresses are aligned to the size.
    pub unsafe fn run(&self, src: *const u8, dst: *mut u8) {
        let (size, axes) = (self.size, &self.axes[..]);
        if axes.iter().any(|a| a.n == 0) {
            return;
        }
        let src = Origin(offset(src, self.src_shift, size));
        let dst = Target(offset(dst, self.dst_shift, size).cast_mut());
        let last = axes.len() - 1;
        let inner = axes[last];
        if axes.len() == 1 && inner.src == 1 && inner.dst == 1 {
            return flat(src, dst, inner.n * size);
        }
        let across = axes[..last].iter().position(|a| a.src == 1 && a.n >= 4);
        // SAFETY: the caller's promise.
        unsafe {
            match across {
                Some(r) if inner.dst == 1 && inner.src != 1 && inner.src != 0 && inner.n >= 4 => {
                    let mut outer = axes.to_vec();
                    outer.remove(last);
                    let band = outer.remove(r);
                    transpose(size, &outer, band, inner, src, dst);
                }
                _ => rows(size, axes, src, dst),
            }
        }
    }
}

/// Copies a strided view into a strided view: a [`CopyPlan`] that is used once.
///
/// # Safety
/// `shape` and both strides have one length; the rest as for [`CopyPlan::run`].
pub unsafe fn copy_strided(
    size: usize,
    shape: &[usize],
    src: *const u8,
    src_strides: &[isize],
    dst: *mut u8,
    dst_strides: &[isize],
) {
    // SAFETY: the caller's promise.
    unsafe { CopyPlan::new(size, shape, src_strides, dst_strides).run(src, dst) }
}

/// [`copy_strided`] into a contiguous output.
///
/// # Safety
/// As for [`copy_strided`].
pub unsafe fn copy_to_contiguous(size: usize, shape: &[usize], src: *const u8, src_strides: &[isize], dst: *mut u8) {
    let mut strides = vec![0isize; shape.len()];
    let mut step = 1isize;
    for (stride, &n) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step *= n as isize;
    }
    // SAFETY: the caller's promise.
    unsafe { copy_strided(size, shape, src, src_strides, dst, &strides) }
}

/// A flat copy of bytes.
fn flat(src: Origin<u8>, dst: Target<u8>, bytes: usize) {
    let stream = bytes >= STREAM_BYTES;
    let head = if stream { (64 - dst.at(0) as usize % 64) % 64 } else { 0 };
    // SAFETY: the caller's promise; tasks copy disjoint ranges.
    unsafe { std::ptr::copy_nonoverlapping(src.at(0), dst.at(0), head) };
    let piece = |a: usize, b: usize| {
        let (src, dst, bytes) = (src.at(head + a), dst.at(head + a), b - a);
        if stream {
            simd::dispatch(StreamOut { src, dst, bytes });
        } else {
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping(src, dst, bytes) };
        }
    };
    if bytes < 4 * TASK_BYTES {
        piece(0, bytes - head);
    } else {
        par::for_chunks(bytes - head, TASK_BYTES, piece);
    }
}

/// Runs over the index space of some axes, from any place, keeping both offsets.
struct Walk<'a> {
    axes: &'a [Axis],
    index: Vec<usize>,
    src: isize,
    dst: isize,
}

impl<'a> Walk<'a> {
    /// At the `k`-th index.
    fn at(axes: &'a [Axis], mut k: usize) -> Walk<'a> {
        let mut index = vec![0; axes.len()];
        let (mut src, mut dst) = (0, 0);
        for (i, a) in axes.iter().enumerate().rev() {
            index[i] = k % a.n;
            k /= a.n;
            src += index[i] as isize * a.src;
            dst += index[i] as isize * a.dst;
        }
        Walk { axes, index, src, dst }
    }

    /// How many steps are left along the last axis, this one included.
    fn run(&self) -> usize {
        self.axes.last().map_or(1, |a| a.n - self.index[self.axes.len() - 1])
    }

    /// Moves `by <= run()` steps along the last axis.
    fn advance(&mut self, by: usize) {
        let mut by = by;
        for (i, a) in self.axes.iter().enumerate().rev() {
            self.index[i] += by;
            self.src += by as isize * a.src;
            self.dst += by as isize * a.dst;
            if self.index[i] < a.n {
                return;
            }
            self.index[i] = 0;
            self.src -= a.n as isize * a.src;
            self.dst -= a.n as isize * a.dst;
            by = 1;
        }
    }
}

fn product(axes: &[Axis]) -> usize {
    axes.iter().map(|a| a.n).product()
}

fn offset(p: *const u8, elements: isize, size: usize) -> *const u8 {
    p.wrapping_offset(elements * size as isize)
}

/// Rows along the last axis.
///
/// # Safety
/// As for [`copy_strided`].
unsafe fn rows(size: usize, axes: &[Axis], src: Origin<u8>, dst: Target<u8>) {
    let (outer, inner) = (&axes[..axes.len() - 1], axes[axes.len() - 1]);
    let next = outer.last().copied().unwrap_or(Axis { n: 1, src: 0, dst: 0 });
    let segments = inner.n.div_ceil(SEGMENT);
    let count = product(outer);
    let task = |first: usize, last: usize, from: usize, n: usize| {
        let mut walk = Walk::at(outer, first);
        let mut r = first;
        while r < last {
            let run = walk.run().min(last - r);
            let (s, d) = (walk.src + from as isize * inner.src, walk.dst + from as isize * inner.dst);
            let plane = block::Plane {
                src: offset(src.at(0), s, size),
                dst: offset(dst.at(0).cast_const(), d, size).cast_mut(),
                rows: run,
                src_row: next.src,
                dst_row: next.dst,
                n,
                src_step: inner.src,
                dst_step: inner.dst,
            };
            // SAFETY: the caller's promise; tasks write disjoint rows.
            unsafe { block::copy_plane(size, plane) };
            walk.advance(run);
            r += run;
        }
    };
    if count * inner.n * size < 4 * TASK_BYTES {
        task(0, count, 0, inner.n);
    } else if segments > 1 {
        par::run(count * segments, |i| {
            let from = i % segments * SEGMENT;
            task(i / segments, i / segments + 1, from, SEGMENT.min(inner.n - from));
        });
    } else {
        let per_task = (TASK_BYTES / (inner.n * size)).max(1);
        par::for_chunks(count, per_task, |a, b| task(a, b, 0, inner.n));
    }
}

/// Transposes between `band` (contiguous in the input) and `inner` (contiguous in the output), for every outer index.
///
/// # Safety
/// As for [`copy_strided`].
unsafe fn transpose(size: usize, outer: &[Axis], band: Axis, inner: Axis, src: Origin<u8>, dst: Target<u8>) {
    let strip = STRIP_BYTES / size;
    let (bands, strips) = (band.n.div_ceil(BAND), inner.n.div_ceil(strip));
    let slabs = product(outer);
    let bytes = slabs * band.n * inner.n * size;
    let stream = bytes >= STREAM_BYTES;
    let task = |i: usize| {
        let walk = Walk::at(outer, i / (bands * strips));
        let (r, c) = (i / strips % bands * BAND, i % strips * strip);
        let s = walk.src + r as isize + c as isize * inner.src;
        let d = walk.dst + r as isize * band.dst + c as isize;
        let t = block::Transpose {
            src: offset(src.at(0), s, size),
            dst: offset(dst.at(0).cast_const(), d, size).cast_mut(),
            rows: BAND.min(band.n - r),
            columns: strip.min(inner.n - c),
            src_stride: inner.src,
            dst_stride: band.dst,
            stream,
        };
        // SAFETY: the caller's promise; tasks write disjoint blocks.
        unsafe { block::transpose(size, t) };
    };
    let tasks = slabs * bands * strips;
    if bytes < 4 * TASK_BYTES {
        (0..tasks).for_each(task);
    } else {
        // Small slabs go several to a task.
        let per_task = (TASK_BYTES * tasks / bytes).max(1);
        par::for_chunks(tasks, per_task, |a, b| (a..b).for_each(task));
    }
}

/// Gathers elements `start .. start + len` of a view, in row-major order, into contiguous memory.
///
/// # Safety
/// The view's elements are readable, `out` is valid for `len` elements of `size` bytes.
pub unsafe fn gather(
    size: usize,
    shape: &[usize],
    strides: &[isize],
    src: *const u8,
    start: usize,
    len: usize,
    out: *mut u8,
) {
    let axes: Vec<Axis> = shape.iter().zip(strides).map(|(&n, &src)| Axis { n, src, dst: 0 }).collect();
    let mut walk = Walk::at(&axes, start);
    let step = axes.last().map_or(0, |a| a.src);
    let mut done = 0;
    while done < len {
        let run = walk.run().min(len - done);
        let plane = block::Plane {
            src: offset(src, walk.src, size),
            dst: out.wrapping_add(done * size),
            rows: 1,
            src_row: 0,
            dst_row: 0,
            n: run,
            src_step: step,
            dst_step: 1,
        };
        // SAFETY: the caller's promise.
        unsafe { block::copy_plane(size, plane) };
        walk.advance(run);
        done += run;
    }
}
