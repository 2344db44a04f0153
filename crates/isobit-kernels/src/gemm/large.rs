//! Products with many rows and many columns: A is packed on the way, a panel at a time.
//!
//! ```text
//! for tasks, a grid of row panels x column panels:                             -- one fork
//!     for chunks of column panels (1 MiB of panels): for blocks of 256 k:
//!         pack B's chunk
//!         for row panels: { pack A's panel; for column panels: micro-kernel }
//! ```
//!
//! 1. A's panel (14 KiB) is written to and read from L1, and A is read from memory once per chunk, never written; packed
//!    all at once it would go to L3 and come back for every few columns.
//! 2. B's chunk is packed into one buffer that stays in L2. Where its columns are contiguous whole runs of rows are packed
//!    together; elsewhere a panel is packed right before its first use, and the next one is prefetched meanwhile.
//! 3. The next panel of A is prefetched within one tile: a tile that prefetches pays for one more mispredicted loop.
//!
//! Packing costs about 0.4 tiles per panel of A and 1.1 per panel of B: some 3 % of a product of 1024 by 1024 outputs.

use super::Shared;
use super::driver::{Region, Right, Run, Source, Stage, WHOLE_PANELS, cut};
use super::flush::Flush;
use super::micro::Ahead;
use super::scheme::{KB, Scheme};
use super::scratch::Scratch;
use crate::par;
use std::ops::Range;

/// Column panels of B that are packed together: half of an L2 of 2 MiB.
const CHUNK: usize = 32;
/// Column panels that a task must have to be worth packing A's panels again.
const LEAST: usize = 8;

/// Rows and columns of the grid of tasks for so many panels: the cheapest by what packing costs, with two tasks per thread
/// (a late thread's are taken over) where that costs at most 1.5 %.
fn grid(rows: usize, cols: usize, threads: usize) -> (usize, usize) {
    let best = |rounds: usize| {
        (1..=cols.min(rounds * threads))
            .map(|c| {
                let r = (rounds * threads).div_ceil(c).min(rows);
                let (height, width) = (rows.div_ceil(r), cols.div_ceil(c));
                // In hundredths of a tile.
                let task = 100 * height * width + 42 * height + 110 * width;
                ((r * c).div_ceil(threads) * task, (r, c))
            })
            .min()
            .unwrap_or((usize::MAX, (1, 1)))
    };
    if threads == 1 {
        return (1, 1);
    }
    let (one, two) = (best(1), best(2));
    if two.0 <= one.0 + one.0 / 64 { two.1 } else { one.1 }
}

impl<S: Scheme> Run<'_, S> {
    fn workers(&self) -> usize {
        if self.fork { par::threads() } else { 1 }
    }

    /// Whether the product is one for this loop, with tiles of `mr` rows.
    pub(super) fn large(&self, mr: usize) -> bool {
        let Source::Strided(b) = self.b else { return false };
        let (rows, cols) = (self.p.m.div_ceil(mr), self.p.n.div_ceil(S::NR));
        // Columns apart from each other are read better a few panels at a time, all of A's panels at hand, unless the
        // chunk is all there is.
        let near = b.col_stride == 1 || cols <= CHUNK * self.workers();
        // Sixteen by sixteen in registers; A's other layouts and types take longer to pack, once should do.
        let quick = self.p.a.col_stride == 1 && size_of::<S::T>() <= 4;
        rows > WHOLE_PANELS && near && quick && cols / grid(rows, cols, self.workers()).1 >= LEAST
    }

    /// Multiplies the stage's panels.
    ///
    /// # Safety
    /// As for [`Run::run`].
    pub(super) unsafe fn multiply_large(&self, stage: &Shared<Stage<S>>) {
        let s = stage.get();
        let (r, c) = grid(s.row_panels, s.col_panels, self.workers());
        self.each(r * c, |t| {
            let s = stage.get();
            let rows = cut(s.row_panels, r, t % r)..cut(s.row_panels, r, t % r + 1);
            let cols = cut(s.col_panels, c, t / r)..cut(s.col_panels, c, t / r + 1);
            let flush = Flush::begin(self.level, S::FLUSH);
            // SAFETY: tasks have disjoint tiles of the stage; the caller promised the operands.
            unsafe { self.task_large(s, rows, cols, &flush) };
        });
    }

    /// Where a panel of A, its k contiguous, lies for the block at k = `k`.
    fn left_region(&self, s: &Stage<S>, panel: usize, k: usize) -> Region {
        let a = self.p.a;
        let (start, count) = s.panel_rows(panel);
        let (len, size) = (KB.min(self.p.k - k), size_of::<S::T>());
        let ptr = a.ptr.wrapping_offset((s.row + start) as isize * a.row_stride).wrapping_add(k).cast();
        Region { ptr, runs: count, pairs: (len * size).div_ceil(128), stride: a.row_stride * size as isize }
    }

    /// The tiles of some row panels and some column panels.
    unsafe fn task_large(&self, s: &Stage<S>, rows: Range<usize>, cols: Range<usize>, flush: &Flush) {
        let wide = matches!(self.b, Source::Strided(m) if m.col_stride == 1);
        let chunk = cols.len().div_ceil(cols.len().div_ceil(CHUNK));
        // Not a multiple of 4 KiB, so that the panels' lines do not meet in the same sets of L1.
        let words = (KB / S::PER_WORD) * S::NR + 32;
        let a_words = (KB / S::PER_WORD) * S::mr(self.level, self.p.m) + 32;
        let buffer = Scratch::take::<S::Word>(a_words + chunk * words);
        let a = buffer.ptr::<S::Word>();
        let mut from = cols.start;
        while from < cols.end {
            let to = cols.end.min(from + chunk);
            let place = |panel: usize| a.wrapping_add(a_words + (panel - from) * words);
            for block in 0..s.blocks() {
                let k = s.k + block * KB;
                // What comes after this chunk's block: first panel and k.
                let next = if k + KB < s.k + s.len {
                    Some((from, k + KB))
                } else if to < cols.end {
                    Some((to, s.k))
                } else {
                    None
                };
                let mut right = [Right::Stored(std::ptr::null()); CHUNK];
                if wide {
                    // SAFETY: the buffer holds a chunk of panels; the operand is the caller's.
                    unsafe { self.pack_wide(s, block, from..to, place) };
                    (from..to).for_each(|panel| right[panel - from] = Right::Words(place(panel).cast_const()));
                }
                for i in rows.clone() {
                    let (start, count) = s.panel_rows(i);
                    // SAFETY: the buffer begins with room for a panel of A.
                    unsafe { self.pack_a(s, block, start, count, a) };
                    let next_a = match next {
                        _ if i + 1 < rows.end => self.left_region(s, i + 1, k),
                        Some((_, k)) => self.left_region(s, rows.start, k),
                        None => Region::NONE,
                    };
                    for panel in from..to {
                        let packs = !wide && i == rows.start;
                        if packs {
                            // SAFETY: the buffer has a place for the panel; the operand is the caller's.
                            right[panel - from] = unsafe { self.right(s, block, panel, place(panel), false) };
                        }
                        let ahead = match next {
                            _ if packs && panel + 1 < to => self.region(s, panel + 1, 1, k).part(0, 1),
                            Some((panel_b, k)) if !wide && i + 1 == rows.end && panel + 1 == to => {
                                self.region(s, panel_b, 1, k).part(0, 1)
                            }
                            _ if panel == if packs { to - 1 } else { from + (to - from) / 2 } => next_a.part(0, 1),
                            _ => Ahead::NONE,
                        };
                        let (totals, words) = (s.tile(start, count, panel), (a.cast_const(), right[panel - from]));
                        // SAFETY: tiles are this task's alone.
                        unsafe { self.tile(s, block, (start, count), panel, words, ahead, totals, flush) };
                    }
                }
            }
            from = to;
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::grid;

    self_test!(every_thread_has_a_task);
    fn every_thread_has_a_task() {
        assert_eq!(grid(74, 32, 1), (1, 1));
        for threads in [2, 3, 4, 7, 16, 64] {
            for (rows, cols) in [(25, 8), (37, 16), (74, 32), (147, 64), (147, 1), (586, 128)] {
                let (r, c) = grid(rows, cols, threads);
                assert!(
                    r <= rows && c <= cols && r * c >= threads.min(rows),
                    "{rows} x {cols} on {threads}: {r} x {c}"
                );
                assert!(r * c <= 4 * threads, "{rows} x {cols} on {threads}: {r} x {c}");
            }
        }
        // Few rows' panels of B are packed by one thread only.
        assert_eq!(grid(37, 16, 2), (1, 2));
    }
}
