//! Strided copies of elements that are only moved.
//!
//! ```text
//! plan:  axes of size 1 dropped, destination strides made positive, axes ordered by them, neighbours that run on merged
//! run:   for each index of the outer axes: one inner piece
//! inner: row       both dense: memcpy
//!        fill      source stands still
//!        tile      destination dense along one axis, source along another: 32 x 32 blocks
//!        strided   anything else, one element at a time
//! ```
//!
//! Cost: a row copy runs at memory speed; a tile copy touches each cache line once per block (about a third of that);
//! a strided one about one element per cycle. Pieces of at least 64 KiB go to threads; which thread moves an element
//! changes nothing.

use super::{Shared, by_size};
use isobit_core::{Result, Tensor};
use isobit_kernels::par;
use smallvec::SmallVec;

/// The same values, dense and row-major.
pub fn copy(t: &Tensor) -> Result<Tensor> {
    let out = Tensor::alloc(t.shape(), t.dtype())?;
    let plan = Plan::new(t.shape(), t.strides(), out.strides(), t.dtype().size());
    // SAFETY: the tensor's elements, and a fresh buffer with room for them.
    unsafe { plan.run_parallel(t.as_byte_ptr(), out.as_mut_byte_ptr()) };
    Ok(out)
}

/// Bytes that are worth a task of their own.
const TASK: usize = 64 << 10;
/// Side of a block of a tile copy.
const BLOCK: usize = 32;

#[derive(Clone, Copy)]
struct Axis {
    n: usize,
    /// Bytes from one element to the next, in the source and the destination.
    src: isize,
    dst: isize,
}

#[derive(Clone, Copy, PartialEq)]
enum Inner {
    Row,
    Fill,
    Strided,
    Tile,
}

/// How to copy elements of one shape between two layouts.
pub(crate) struct Plan {
    item: usize,
    /// Bytes to the first element, nonzero where an axis is run backwards.
    src_shift: isize,
    dst_shift: isize,
    outer: SmallVec<[Axis; 6]>,
    /// The axis along which the inner piece can be cut; for a tile the source's dense one.
    cut: Axis,
    /// For a tile: the destination's dense axis.
    dense: Axis,
    inner: Inner,
    empty: bool,
}

impl Plan {
    /// A plan for strides in elements of `item` bytes.
    pub fn new(shape: &[usize], src: &[isize], dst: &[isize], item: usize) -> Plan {
        let unit = item as isize;
        let one = Axis { n: 1, src: unit, dst: unit };
        let mut plan = Plan {
            item,
            src_shift: 0,
            dst_shift: 0,
            outer: SmallVec::new(),
            cut: one,
            dense: one,
            inner: Inner::Row,
            empty: shape.contains(&0),
        };
        let mut axes: SmallVec<[Axis; 6]> = SmallVec::new();
        for d in 0..shape.len() {
            if shape[d] == 1 || plan.empty {
                continue;
            }
            let mut axis = Axis { n: shape[d], src: src[d] * unit, dst: dst[d] * unit };
            if axis.dst < 0 {
                plan.src_shift += axis.src * (axis.n as isize - 1);
                plan.dst_shift += axis.dst * (axis.n as isize - 1);
                (axis.src, axis.dst) = (-axis.src, -axis.dst);
            }
            axes.push(axis);
        }
        axes.sort_by_key(|a| std::cmp::Reverse(a.dst));
        let mut merged: SmallVec<[Axis; 6]> = SmallVec::new();
        for a in axes {
            match merged.last_mut() {
                Some(m) if m.src == a.src * a.n as isize && m.dst == a.dst * a.n as isize => {
                    *m = Axis { n: m.n * a.n, src: a.src, dst: a.dst };
                }
                _ => merged.push(a),
            }
        }
        if let Some(last) = merged.pop() {
            plan.cut = last;
            let other = merged.iter().position(|a| a.src == unit && a.n >= 4);
            plan.inner = match (last.src, last.dst, other) {
                (s, d, _) if s == unit && d == unit => Inner::Row,
                (0, d, _) if d == unit => Inner::Fill,
                (_, d, Some(other)) if d == unit && last.n >= 4 => {
                    plan.dense = last;
                    plan.cut = merged.remove(other);
                    Inner::Tile
                }
                _ => Inner::Strided,
            };
        }
        plan.outer = merged;
        plan
    }

    /// Copies on the calling thread.
    ///
    /// # Safety
    /// From `src` and `dst` the planned elements must be readable and writable, those of `dst` by nobody else; the two
    /// must not overlap.
    pub unsafe fn run(&self, src: *const u8, dst: *mut u8) {
        if self.empty {
            return;
        }
        if self.outer.is_empty() {
            // SAFETY: the caller's promise.
            return unsafe { self.piece(src.offset(self.src_shift), dst.offset(self.dst_shift), 0, self.cut.n) };
        }
        let units = self.outer.iter().map(|a| a.n).product();
        // SAFETY: the caller's promise.
        unsafe { self.units(src, dst, 0, units, 1) };
    }

    /// Copies on the pool's threads, if it is worth it.
    ///
    /// # Safety
    /// As [`Plan::run`].
    pub unsafe fn run_parallel(&self, src: *const u8, dst: *mut u8) {
        let units: usize = self.outer.iter().map(|a| a.n).product();
        let line = self.item * if self.inner == Inner::Tile { self.dense.n } else { 1 };
        if self.empty || units * self.cut.n * line < 2 * TASK || par::threads() == 1 {
            // SAFETY: the caller's promise.
            return unsafe { self.run(src, dst) };
        }
        // A dense copy in few large parts, so that memcpy sees their size.
        let least = if self.outer.is_empty() { (self.cut.n * line / (4 * par::threads())).max(TASK) } else { TASK };
        let lines = least.div_ceil(line).next_multiple_of(BLOCK);
        let pieces = self.cut.n.div_ceil(lines);
        let total = units * pieces;
        let each = (least / (self.cut.n.min(lines) * line)).max(1);
        let (src, dst) = (Shared::new(src), Shared::new(dst));
        // SAFETY: the caller's promise; tasks write different pieces.
        par::for_chunks(total, each, |a, b| unsafe { self.units(src.ptr(), dst.ptr(), a, b, pieces) });
    }

    /// Pieces `from .. to`, each unit being cut into `pieces`.
    ///
    /// # Safety
    /// As [`Plan::run`].
    unsafe fn units(&self, src: *const u8, dst: *mut u8, from: usize, to: usize, pieces: usize) {
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, self.outer.len());
        let (mut s, mut d) = (self.src_shift, self.dst_shift);
        let mut rest = from / pieces;
        for (i, a) in index.iter_mut().zip(&self.outer).rev() {
            *i = rest % a.n;
            rest /= a.n;
            s += a.src * *i as isize;
            d += a.dst * *i as isize;
        }
        let lines = self.cut.n.div_ceil(pieces).next_multiple_of(if pieces > 1 { BLOCK } else { 1 });
        for p in from..to {
            let start = (p % pieces) * lines;
            // SAFETY: the caller's promise; the indices stay inside the planned shape.
            unsafe { self.piece(src.offset(s), dst.offset(d), start.min(self.cut.n), (start + lines).min(self.cut.n)) };
            if p % pieces + 1 < pieces {
                continue;
            }
            for (i, a) in index.iter_mut().zip(&self.outer).rev() {
                *i += 1;
                s += a.src;
                d += a.dst;
                if *i < a.n {
                    break;
                }
                s -= a.src * a.n as isize;
                d -= a.dst * a.n as isize;
                *i = 0;
            }
        }
    }

    /// The inner piece from `start` to `end` along the cut axis.
    ///
    /// # Safety
    /// As [`Plan::run`], for the elements of this piece.
    #[inline]
    unsafe fn piece(&self, src: *const u8, dst: *mut u8, start: usize, end: usize) {
        let (n, cut) = (end - start, self.cut);
        // SAFETY: elements of the plan, by the caller's promise.
        let (src, dst) = unsafe { (src.offset(cut.src * start as isize), dst.offset(cut.dst * start as isize)) };
        // SAFETY: as above.
        unsafe {
            match self.inner {
                Inner::Row => std::ptr::copy_nonoverlapping(src, dst, n * self.item),
                Inner::Fill => by_size!(self.item, T => fill::<T>(src.cast(), dst.cast(), n)),
                Inner::Strided => by_size!(self.item, T => strided::<T>(src, dst, n, cut)),
                Inner::Tile => by_size!(self.item, T => tile::<T>(src, dst, n, cut.dst, self.dense)),
            }
        }
    }
}

/// # Safety
/// `src` readable, `n` elements from `dst` writable.
unsafe fn fill<T: Copy>(src: *const T, dst: *mut T, n: usize) {
    // SAFETY: the caller's promise.
    let value = unsafe { src.read() };
    for i in 0..n {
        // SAFETY: as above. Writes only: the destination may be fresh memory.
        unsafe { dst.add(i).write(value) };
    }
}

/// # Safety
/// `n` elements along the axis are readable and writable.
unsafe fn strided<T: Copy>(src: *const u8, dst: *mut u8, n: usize, axis: Axis) {
    for i in 0..n as isize {
        // SAFETY: the caller's promise.
        unsafe { *dst.offset(axis.dst * i).cast::<T>() = *src.offset(axis.src * i).cast::<T>() };
    }
}

/// `rows` rows of the destination (`row` bytes apart, dense along `dense`), the source being dense across the rows.
///
/// # Safety
/// All those elements are readable and writable.
unsafe fn tile<T: Copy>(src: *const u8, dst: *mut u8, rows: usize, row: isize, dense: Axis) {
    let src = src.cast::<T>();
    let across = dense.src / size_of::<T>() as isize;
    for r0 in (0..rows).step_by(BLOCK) {
        let r1 = (r0 + BLOCK).min(rows);
        for c0 in (0..dense.n).step_by(BLOCK) {
            let c1 = (c0 + BLOCK).min(dense.n);
            for r in r0..r1 {
                // SAFETY: the caller's promise.
                unsafe {
                    let to = dst.offset(row * r as isize).cast::<T>();
                    for c in c0..c1 {
                        *to.add(c) = *src.add(r).offset(across * c as isize);
                    }
                }
            }
        }
    }
}
