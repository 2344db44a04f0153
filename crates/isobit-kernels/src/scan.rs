//! Cumulative sum, product, maximum, minimum and log-sum-exp along one axis of a contiguous `[outer, n, inner]` array.
//!
//! Inclusive or exclusive, from the front or from the back. A scanned line's bits depend on that line alone: not on
//! `outer`, `inner`, its neighbours, the threads or the instruction set. A reversed scan is the scan of the reversed line.
//!
//! # The order
//! A line is cut into chunks of 65,536 elements from its first one, a chunk into blocks of 16. With `*` the operation:
//!
//! ```text
//! in a block, for w = 1, 2, 4, 8:  x[i] = x[last j below i's w-half] * x[i]  for every i with bit w set   (Sklansky)
//! out[i] = chunk_carry * (block_carry * x[i])
//! block_carry = block_carry * x[15]           from the identity in every chunk
//! chunk_carry = chunk_carry * block_carry     from the identity in every line
//! ```
//!
//! The identities (-0 for sums, 1, -inf, +inf) change no bit of the other operand, so the first block and chunk need no
//! exception. Rounding error grows with `n / 16`, not `n`. Half-precision lines are accumulated in f32 and rounded once
//! per element; integers wrap. An exclusive scan starts with 0, 1, or the dtype's lowest or highest value.
//! Log-sum-exp joins two values as `max + log1p(exp(min - max))`. Maximum and minimum pass on a NaN; of equal zeros the earlier one stays.
//!
//! The tree makes a scan along contiguous elements as fast as memory (lanes = 16 blocks, after a transposition) and
//! costs a column scan (lanes = columns) little, and the chunks let several threads share one line.

mod float;
mod plain;
mod recurrence;

pub use recurrence::{RecurrenceElement, linear_recurrence};

use crate::disjoint::Disjoint;
use crate::par;
use std::ops::Range;

/// Elements of a line whose scan starts afresh from the identity; part of the order.
const CHUNK: usize = 65_536;
/// Columns that one task scans together; not part of the order.
const STRIP: usize = 256;
/// Elements per task when there are many lines.
const PER_TASK: usize = 1 << 15;

/// The operation of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanOp {
    /// Cumulative sum.
    Sum,
    /// Cumulative product.
    Prod,
    /// Cumulative maximum.
    Max,
    /// Cumulative minimum.
    Min,
    /// Cumulative logarithm of a sum of exponentials; of float types only.
    LogSumExp,
}

/// How the lines lie and how they are scanned.
#[derive(Clone, Copy, Debug)]
pub struct ScanSpec {
    /// Lines' length.
    pub n: usize,
    /// Elements between neighbours of a line; 1 for the last axis.
    pub inner: usize,
    /// Whether element `i` of the result includes element `i` of the line.
    pub inclusive: bool,
    /// Whether to scan from the last element to the first.
    pub reverse: bool,
}

impl ScanSpec {
    /// Where the line's element of sequence number `i` lies, from the line's first element in memory.
    #[inline(always)]
    fn at(&self, i: usize) -> usize {
        (if self.reverse { self.n - 1 - i } else { i }) * self.inner
    }

    /// Where the scanned value of sequence number `i` goes, if anywhere.
    #[inline(always)]
    fn goes(&self, i: usize) -> Option<usize> {
        let to = i + !self.inclusive as usize;
        if to < self.n { Some(self.at(to)) } else { None }
    }
}

/// An element type that can be scanned.
pub trait ScanElement: Copy + Send + Sync + 'static {
    /// Scans `src` into `dst`; both are `[outer, n, inner]`.
    #[doc(hidden)]
    fn scan(op: ScanOp, src: &[Self], dst: &mut [Self], spec: ScanSpec);
}

/// Scans every line of the contiguous `[outer, n, inner]` array `src` into `dst`.
///
/// # Panics
/// If `src` and `dst` differ in length or are not whole lines, or for the log-sum-exp of integers.
pub fn scan<T: ScanElement>(op: ScanOp, src: &[T], dst: &mut [T], spec: ScanSpec) {
    assert_eq!(src.len(), dst.len(), "scan: output size");
    if src.is_empty() {
        return;
    }
    let slab = spec.n * spec.inner;
    assert!(slab > 0 && src.len().is_multiple_of(slab), "scan: lines of {} x {} elements expected", spec.n, spec.inner);
    T::scan(op, src, dst, spec);
}

/// Some lines: the slabs `outer`, the sequence numbers `rows` (from a chunk's start), at most [`STRIP`] columns `cols`.
struct Lines<T> {
    src: *const T,
    /// Null when only the totals are wanted.
    dst: *mut T,
    spec: ScanSpec,
    outer: Range<usize>,
    rows: Range<usize>,
    cols: Range<usize>,
}

/// Scans [`Lines`]: one operation on one element type.
trait LineScan<T>: Copy + Sync {
    type Acc: Copy + Send + Sync;
    /// The operation's identity.
    fn identity(self) -> Self::Acc;
    /// `a * b`.
    fn combine(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// Scans. `carry` (one per column) is what comes before and becomes what comes after; without it every slab starts
    /// from the identity.
    ///
    /// # Safety
    /// The pointers must be those of a whole array that the ranges lie in, with nobody else at these lines' output.
    unsafe fn run(self, lines: Lines<T>, carry: Option<&mut [Self::Acc]>);
}

/// Deals the lines to the threads, and the chunks of long lines where there are too few lines.
fn drive<T: Send + Sync, K: LineScan<T>>(kernel: K, src: &[T], dst: &mut [T], spec: ScanSpec) {
    let slab = spec.n * spec.inner;
    let outer = src.len() / slab;
    let strips = spec.inner.div_ceil(STRIP);
    let cols = |strip: usize| strip * STRIP..((strip + 1) * STRIP).min(spec.inner);
    let source = Disjoint::of_shared(src);
    let target = Disjoint::new(dst);
    let lines = |outer: Range<usize>, rows: Range<usize>, strip: usize, store: bool| Lines {
        src: source.ptr() as *const T,
        dst: if store { target.ptr() } else { std::ptr::null_mut() },
        spec,
        outer,
        rows,
        cols: cols(strip),
    };
    let chunks = spec.n.div_ceil(CHUNK);
    let threads = par::threads();
    if chunks == 1 || threads == 1 || outer * strips >= 2 * threads {
        let group = (PER_TASK / (spec.n * spec.inner.min(STRIP))).max(1);
        let groups = outer.div_ceil(group);
        par::run(groups * strips, |t| {
            let (g, strip) = (t / strips, t % strips);
            // SAFETY: the ranges are within the array and every (group, strip) is one task's.
            unsafe { kernel.run(lines(g * group..((g + 1) * group).min(outer), 0..spec.n, strip, true), None) };
        });
        return;
    }
    let width = spec.inner.min(STRIP);
    let rows = |c: usize| c * CHUNK..((c + 1) * CHUNK).min(spec.n);
    let mut carry = vec![kernel.identity(); outer * strips * chunks * width];
    let tasks = outer * strips * chunks;
    let place = |t: usize| (t / (strips * chunks), t / chunks % strips, t % chunks);
    {
        let carry = Disjoint::new(&mut carry);
        par::run(tasks, |t| {
            let (o, strip, c) = place(t);
            // SAFETY: every task has its own carries; nothing is stored.
            let carry = unsafe { carry.slice(t * width, width) };
            if c + 1 < chunks {
                // SAFETY: the ranges are within the array.
                unsafe { kernel.run(lines(o..o + 1, rows(c), strip, false), Some(carry)) };
            }
        });
    }
    for line in carry.chunks_exact_mut(chunks * width) {
        for j in 0..width {
            let mut before = kernel.identity();
            for c in 0..chunks {
                let total = line[c * width + j];
                line[c * width + j] = before;
                before = kernel.combine(before, total);
            }
        }
    }
    let carry = Disjoint::new(&mut carry);
    par::run(tasks, |t| {
        let (o, strip, c) = place(t);
        // SAFETY: every task has its own carries and its own part of the output: chunk c of an exclusive scan writes
        // one element further, up to where chunk c + 1 begins to write.
        unsafe { kernel.run(lines(o..o + 1, rows(c), strip, true), Some(carry.slice(t * width, width))) };
    });
}

#[cfg(feature = "self-test")]
mod tests;
