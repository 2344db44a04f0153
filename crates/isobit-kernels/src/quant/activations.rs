//! Rows of activations as the product reads them: panels of rows, k by k, in single precision, and their sums over groups.
//!
//! ```text
//! [block of 256 k][panel][k][row of the panel] f32        for bfloat16 the two elements of a pair are exchanged
//! [group][row] f32                                        sums, ascending in that order, from +0
//! ```
//!
//! Panels of 16 rows are transposed in registers, 16 k at a time; sums run with the rows in lanes.

use super::block::SPAN;
use super::product::Product;
use crate::dtype::Dtype;
use crate::elementwise::widen;
use crate::gemm::flush;
use crate::isa::Level;
use crate::simd::{Kernel, LANES, Simd};
use crate::transpose16::transpose16;

/// Where packed activations lie.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    x: *mut f32,
    sums: *mut f32,
    m: usize,
    k: usize,
    panels: usize,
}

// SAFETY: tasks write disjoint parts; afterwards it is only read.
unsafe impl Sync for Packed {}
// SAFETY: as above.
unsafe impl Send for Packed {}

impl Packed {
    /// Numbers that a product's activations take.
    pub(super) fn size(p: &Product) -> usize {
        p.m * (p.w.k + p.w.k / p.w.format.group)
    }

    /// Panels of a product in `size` numbers at `at`.
    pub(super) fn new(p: &Product, panels: usize, at: *mut f32) -> Packed {
        Packed { x: at, sums: at.wrapping_add(p.m * p.w.k), m: p.m, k: p.w.k, panels }
    }

    /// Start and number of a panel's rows: as even as can be.
    #[inline(always)]
    pub(super) fn rows(&self, panel: usize) -> (usize, usize) {
        let (each, more) = (self.m / self.panels, self.m % self.panels);
        (panel * each + panel.min(more), each + usize::from(panel < more))
    }

    /// The panel whose rows begin at `start`, `rows` of them, from element `k` on.
    #[inline(always)]
    pub(super) fn at(&self, (start, rows): (usize, usize), k: usize) -> *mut f32 {
        let block = k / SPAN * SPAN;
        let len = SPAN.min(self.k - block);
        self.x.wrapping_add(block * self.m + start * len + (k - block) * rows)
    }

    /// Sums of the rows from `start` on over group `g`; those of the next group are `m` further.
    #[inline(always)]
    pub(super) fn sums(&self, start: usize, g: usize) -> *mut f32 {
        self.sums.wrapping_add(g * self.m + start)
    }
}

/// Packs one panel.
pub(super) struct Pack<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) x: Packed,
    pub(super) panel: usize,
}

impl Kernel for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (p, x) = (self.p, self.x);
        let (start, rows) = x.rows(self.panel);
        // SAFETY: every row has `k` adjacent elements, and the panel has its own place.
        unsafe {
            if p.m == 1 {
                self.one_row(s);
            } else {
                self.transposed(s, start, rows);
            }
        }
        if p.w.biases.is_null() {
            return;
        }
        let soft = p.dtype == Dtype::BF16 && S::LEVEL == Level::Scalar;
        for first in (0..p.w.k / p.w.format.group).step_by(4) {
            // SAFETY: the panel has been written, and has sums of its own.
            unsafe {
                if rows == 1 {
                    self.sums_of_one(first, soft);
                } else {
                    self.sums(s, (start, rows), first, soft);
                }
            }
        }
    }
}

impl Pack<'_> {
    #[inline(always)]
    unsafe fn one_row<S: Simd>(&self, _: S) {
        let (p, to) = (self.p, self.x.x);
        // SAFETY: the caller's promise; k counts pairs.
        unsafe {
            let from = p.row(0);
            match p.dtype {
                Dtype::F32 => std::ptr::copy_nonoverlapping(from.cast(), to, p.w.k),
                d => widen(d, from.cast(), to, p.w.k),
            }
            if p.dtype == Dtype::BF16 {
                for k in (0..p.w.k).step_by(2) {
                    let (a, b) = (*to.add(k), *to.add(k + 1));
                    *to.add(k) = b;
                    *to.add(k + 1) = a;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn transposed<S: Simd>(&self, s: S, start: usize, rows: usize) {
        let p = self.p;
        let other = usize::from(p.dtype == Dtype::BF16);
        for k in (0..p.w.k).step_by(LANES) {
            let mut x = [s.splat(0.0); LANES];
            for r in 0..rows {
                // SAFETY: the row has 16 elements from k on: groups are multiples of 16.
                x[r] = unsafe {
                    let from = p.row(start + r).wrapping_add(k * p.dtype.size());
                    match p.dtype {
                        Dtype::F32 => s.load(from.cast()),
                        Dtype::F16 => s.load_f16(from.cast()),
                        _ => s.load_bf16(from.cast()),
                    }
                };
            }
            let columns = transpose16(s, x);
            let to = self.x.at((start, rows), k);
            for i in 0..LANES {
                // SAFETY: the panel has `rows` elements for each k.
                unsafe { s.store_n(to.add((i ^ other) * rows), columns[i], rows) };
            }
        }
    }

    /// Sums of four groups, the chains side by side.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, s: S, (start, rows): (usize, usize), first: usize, soft: bool) {
        let group = self.p.w.format.group;
        let last = self.p.w.k / group - 1;
        let mut sum = [s.splat(0.0); 4];
        // Groups beyond the last are the last again.
        let from: [*mut f32; 4] = std::array::from_fn(|i| self.x.at((start, rows), (first + i).min(last) * group));
        for j in 0..group {
            for i in 0..4 {
                // SAFETY: the panel has these elements.
                let x = unsafe { s.load_n(from[i].add(j * rows), rows, 0.0) };
                sum[i] = if soft { soft_add(s, sum[i], x) } else { s.add(sum[i], x) };
            }
        }
        for i in 0..4 {
            // SAFETY: the sums have a place for each group.
            unsafe { s.store_n(self.x.sums(start, (first + i).min(last)), sum[i], rows) };
        }
    }

    #[inline(always)]
    unsafe fn sums_of_one(&self, first: usize, soft: bool) {
        let group = self.p.w.format.group;
        let last = self.p.w.k / group - 1;
        let mut sum = [0f32; 4];
        let from: [*mut f32; 4] = std::array::from_fn(|i| self.x.at((0, 1), (first + i).min(last) * group));
        for j in 0..group {
            for i in 0..4 {
                // SAFETY: the row has these elements.
                let x = unsafe { *from[i].add(j) };
                sum[i] = if soft { flush::add(sum[i], x) } else { sum[i] + x };
            }
        }
        for i in 0..4 {
            // SAFETY: the sums have a place for each group.
            unsafe { *self.x.sums(0, (first + i).min(last)) = sum[i] };
        }
    }
}

/// The flushing addition of the level without a mode for it.
#[inline(never)]
fn soft_add<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let (a, b) = (s.to_array(a), s.to_array(b));
    s.from_array(std::array::from_fn(|i| flush::add(a[i], b[i])))
}
