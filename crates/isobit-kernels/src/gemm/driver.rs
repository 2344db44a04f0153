//! The packed product: panels of A and B, tiles of outputs, tasks for the pool.
//!
//! ```text
//! for rows of at most ROWS, columns of at most COLS, spans of K of at most SPAN bytes of panels:
//!     pack A                                                                   -- one fork
//!     for tasks of column panels (x groups of row panels):                     -- one fork
//!         for chunks of at most CHUNK column panels: for blocks of 256 k:
//!             pack B's chunk; for row panels: for column panels: micro-kernel
//! ```
//!
//! Products with many rows pack A on the way instead (`large.rs`).
//!
//! 1. Totals of unfinished sums live tile by tile in scratch, so that the inner loops never meet the output's stride.
//! 2. A task packs B itself, a chunk at a time into a buffer that stays in its L2, and B is read once. While a chunk is
//!    multiplied, the micro-kernels prefetch what the next one will be packed from, a few lines per tile.
//! 3. A's panel (14 KiB) stays in L1 while the chunk's panels go by.
//! 4. Where A's panels of all K fit in L2 (few rows), K runs inside and a panel's totals stay in cache.
//! 5. Rows are split evenly over panels (m = 16 is 8 + 8, not 14 + 2).

use super::flush::Flush;
use super::micro::{Ahead, Tile};
use super::scheme::{KB, Lanes, Scheme};
use super::scratch::Scratch;
use super::store::{Rect, store};
use super::{Element, Kept, Mat, PackedB, Problem, Shared};
use crate::isa::Level;
use crate::par;
use std::ops::Range;

/// Multiply-adds below which forking costs more than it brings.
pub(super) const FORK_WORK: usize = 1 << 18;
/// Rows packed at a time.
const ROWS: usize = 2048;
/// Columns packed at a time.
const COLS: usize = 2048;
/// Bytes of A's packed panels at a time, about: read panel by panel in order, they may come from L3.
const SPAN: usize = 8 << 20;
/// Bytes of A's panels that may stay in L2 while columns go by.
const L2: usize = 1 << 20;
/// Row panels up to which K may run inside.
pub(super) const WHOLE_PANELS: usize = 24;
/// Column panels of B that are packed together.
const CHUNK: usize = 8;
/// Rows of B that are packed at a time where its columns are contiguous.
const SLICE: usize = 16;
/// Row panels that make a task's own packing of B cheap.
const TASK_ROWS: usize = 12;

/// Where the right operand comes from.
pub(super) enum Source<'a, T: Element> {
    /// A strided matrix, packed on the way.
    Strided(Mat<T>),
    /// Panels interleaved once and kept.
    Packed(&'a PackedB<T>),
}

/// Where one block of one right panel lies.
#[derive(Clone, Copy)]
pub(super) enum Right<T, W> {
    /// In a strided matrix with contiguous columns and rows so far apart; so many columns.
    Rows(*const T, isize, usize),
    /// As words, ready for the micro-kernel.
    Words(*const W),
    /// As a [`PackedB`] keeps it, for a kernel that widens on the way.
    Stored(*const u8),
    /// Several of these, bytes from one to the next; so many columns.
    Panels(*const u8, usize, usize),
}

/// What a block of a chunk of B is packed from: runs of bytes, so far apart.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub ptr: *const u8,
    pub runs: usize,
    /// Pairs of cache lines per run.
    pub pairs: usize,
    pub stride: isize,
}

impl Region {
    pub(super) const NONE: Region = Region { ptr: std::ptr::null(), runs: 0, pairs: 1, stride: 0 };

    /// Part `i` of `parts`.
    pub(super) fn part(&self, i: usize, parts: usize) -> Ahead {
        let all = self.runs * self.pairs;
        if all == 0 {
            return Ahead::NONE;
        }
        let (from, to) = (all * i / parts, all * (i + 1) / parts);
        let (run, pair) = (from / self.pairs, from % self.pairs);
        Ahead {
            ptr: self.ptr.wrapping_offset(run as isize * self.stride).wrapping_add(pair * 128),
            count: to - from,
            left: self.pairs - pair,
            run: self.pairs,
            jump: self.stride - (self.pairs - 1) as isize * 128,
        }
    }
}

/// One product, bound to a level.
pub(super) struct Run<'a, S: Scheme> {
    pub p: &'a Problem<S::T>,
    pub b: Source<'a, S::T>,
    pub level: Level,
    pub fork: bool,
}

// SAFETY: tasks read the shared operands and write disjoint tiles, as the public entry points' callers promised.
unsafe impl<S: Scheme> Sync for Run<'_, S> {}

/// Asks for a cache line; any address is fine.
#[inline(always)]
fn prefetch(_ptr: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads nothing; SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(_ptr.cast());
    }
}

/// `count` things cut into `parts` runs whose lengths differ by at most one: start of run `i`.
pub(super) fn cut(count: usize, parts: usize, i: usize) -> usize {
    count / parts * i + (count % parts).min(i)
}

/// A rectangle of outputs and a span of K, with its panels in memory.
pub(super) struct Stage<S: Scheme> {
    /// First row, number of rows, row panels.
    pub row: usize,
    pub rows: usize,
    pub row_panels: usize,
    /// First column, number of columns, column panels.
    pub col: usize,
    pub cols: usize,
    pub col_panels: usize,
    /// First k, number of k.
    pub k: usize,
    pub len: usize,
    packed_a: *mut S::Word,
    totals: *mut S::Acc,
    /// Whether a task takes all of K before the next chunk (the panels of A fit in L2).
    whole: bool,
}

impl<S: Scheme> Stage<S> {
    pub(super) fn blocks(&self) -> usize {
        self.len.div_ceil(KB)
    }

    pub(super) fn block_len(&self, block: usize) -> usize {
        (self.len - block * KB).min(KB)
    }

    pub(super) fn panel_rows(&self, i: usize) -> (usize, usize) {
        let start = cut(self.rows, self.row_panels, i);
        (start, cut(self.rows, self.row_panels, i + 1) - start)
    }

    /// The packed panel of rows from `start` in that block.
    fn a(&self, block: usize, start: usize) -> *mut S::Word {
        let words = S::words(self.block_len(block));
        self.packed_a.wrapping_add(block * (KB / S::PER_WORD) * self.rows + start * words)
    }

    /// The totals of one tile, `[rows][NR]`.
    pub(super) fn tile(&self, start: usize, rows: usize, panel: usize) -> *mut S::Acc {
        self.totals.wrapping_add((start * self.col_panels + panel * rows) * S::NR)
    }
}

impl<'a, S: Scheme> Run<'a, S> {
    pub(super) fn new(p: &'a Problem<S::T>, b: Source<'a, S::T>, level: Level, fork: bool) -> Self {
        let work = p.m.saturating_mul(p.n).saturating_mul(p.k);
        Run { p, b, level, fork: fork && work >= FORK_WORK && par::threads() > 1 }
    }

    pub(super) fn each(&self, tasks: usize, f: impl Fn(usize) + Sync) {
        if self.fork && tasks > 1 {
            par::run(tasks, f);
        } else {
            (0..tasks).for_each(f);
        }
    }

    /// Computes the product.
    ///
    /// # Safety
    /// The problem's operands are as the public entry points demand.
    pub(super) unsafe fn run(&self) {
        let p = self.p;
        if p.m == 0 || p.n == 0 {
            return;
        }
        if p.k == 0 {
            // SAFETY: as promised by the caller.
            unsafe { self.empty() };
            return;
        }
        let mr = S::mr(self.level, self.p.m);
        let rows_max = p.m.min(ROWS);
        let whole = p.m <= WHOLE_PANELS * mr && (p.k <= KB || p.m * p.k * 4 <= L2);
        let cols_max = if whole { p.n } else { p.n.min(COLS) };
        // Whole blocks of K, as many as fit.
        let per_block = KB * size_of::<S::Word>() / S::PER_WORD * rows_max;
        let large = !whole && self.large(mr);
        let span = if whole || large { p.k } else { (SPAN / per_block).max(1).saturating_mul(KB).min(p.k) };
        let panels = cols_max.div_ceil(S::NR);
        let packed_a = (!large).then(|| Scratch::take::<S::Word>(span.div_ceil(KB) * (KB / S::PER_WORD) * rows_max));
        let totals = (p.k > KB && !whole).then(|| Scratch::take::<S::Acc>(rows_max * panels * S::NR));
        let mut row = 0;
        while row < p.m {
            let rows = rows_max.min(p.m - row);
            let mut col = 0;
            while col < p.n {
                let cols = cols_max.min(p.n - col);
                let mut k = 0;
                while k < p.k {
                    let stage = Stage {
                        row,
                        rows,
                        row_panels: rows.div_ceil(mr),
                        col,
                        cols,
                        col_panels: cols.div_ceil(S::NR),
                        k,
                        len: span.min(p.k - k),
                        packed_a: packed_a.as_ref().map_or(std::ptr::null_mut(), Scratch::ptr),
                        totals: totals.as_ref().map_or(std::ptr::null_mut(), Scratch::ptr),
                        whole,
                    };
                    // With all of K in one span, the rows' panels survive from one set of columns to the next.
                    let fresh_a = col == 0 || span < p.k;
                    let stage = Shared(stage);
                    // SAFETY: as promised by the caller; the scratch is sized for the largest stage.
                    unsafe {
                        if large {
                            self.multiply_large(&stage);
                        } else {
                            if fresh_a {
                                self.pack(&stage);
                            }
                            self.multiply(&stage);
                        }
                    }
                    k += span;
                }
                col += cols;
            }
            row += rows;
        }
    }

    /// k = 0: the epilogue of a zero total.
    unsafe fn empty(&self) {
        let p = self.p;
        let zero = Scratch::take::<S::Acc>(p.n);
        // SAFETY: an all-zero accumulator is +0; the scratch holds `n` of them.
        unsafe {
            std::ptr::write_bytes(zero.ptr::<S::Acc>(), 0, p.n);
            for row in 0..p.m {
                let rect = Rect { totals: zero.ptr(), stride: p.n, row, col: 0, rows: 1, cols: p.n };
                store(self.level, &rect, p.out, &p.epilogue);
            }
        }
    }

    /// Packs the stage's panels of A.
    unsafe fn pack(&self, stage: &Shared<Stage<S>>) {
        let s = stage.get();
        let each = 4;
        let task = |t: usize| {
            let s = stage.get();
            for panel in t * each..s.row_panels.min((t + 1) * each) {
                let (start, rows) = s.panel_rows(panel);
                for block in 0..s.blocks() {
                    // SAFETY: panels are disjoint; sources are readable as the caller promised.
                    unsafe { self.pack_a(s, block, start, rows, s.a(block, start)) };
                }
            }
        };
        let tasks = s.row_panels.div_ceil(each);
        if s.rows * s.len < 1 << 16 {
            (0..tasks).for_each(task);
        } else {
            self.each(tasks, task);
        }
    }

    pub(super) unsafe fn pack_a(&self, s: &Stage<S>, block: usize, start: usize, rows: usize, dst: *mut S::Word) {
        let a = self.p.a;
        let (row, k) = ((s.row + start) as isize, (s.k + block * KB) as isize);
        let lanes = Lanes {
            ptr: a.ptr.wrapping_offset(row * a.row_stride + k * a.col_stride),
            lane: a.row_stride,
            k: a.col_stride,
            count: rows,
            width: rows,
            len: s.block_len(block),
        };
        // SAFETY: as promised by the caller.
        unsafe { S::pack(self.level, lanes, dst) }
    }

    /// Lanes of the strided right operand.
    fn right_lanes(&self, s: &Stage<S>, block: usize, panel: usize) -> Lanes<S::T> {
        let Source::Strided(b) = self.b else { unreachable!("kept panels are not packed again") };
        let (col, k) = ((s.col + panel * S::NR) as isize, (s.k + block * KB) as isize);
        Lanes {
            ptr: b.ptr.wrapping_offset(col * b.col_stride + k * b.row_stride),
            lane: b.col_stride,
            k: b.row_stride,
            count: S::NR.min(s.cols - panel * S::NR),
            width: S::NR,
            len: s.block_len(block),
        }
    }

    unsafe fn pack_b(&self, s: &Stage<S>, block: usize, panel: usize, dst: *mut S::Word) {
        // SAFETY: as promised by the caller.
        unsafe { S::pack(self.level, self.right_lanes(s, block, panel), dst) }
    }

    /// Packs panels of a right operand with contiguous columns, a few rows of all panels at a time: memory is read in
    /// longer runs, and the next rows are on their way.
    pub(super) unsafe fn pack_wide(
        &self,
        s: &Stage<S>,
        block: usize,
        panels: Range<usize>,
        place: impl Fn(usize) -> *mut S::Word,
    ) {
        for from in (0..s.block_len(block)).step_by(SLICE) {
            for panel in panels.clone() {
                let mut lanes = self.right_lanes(s, block, panel);
                let next = lanes.ptr.wrapping_offset((from + SLICE) as isize * lanes.k);
                for row in 0..SLICE as isize {
                    for line in 0..lanes.count * size_of::<S::T>() / 64 {
                        prefetch(next.wrapping_offset(row * lanes.k).cast::<u8>().wrapping_add(line * 64));
                    }
                }
                lanes.ptr = lanes.ptr.wrapping_offset(from as isize * lanes.k);
                lanes.len = SLICE.min(lanes.len - from);
                // SAFETY: rows of the block, and their place in its panel.
                unsafe { S::pack(self.level, lanes, place(panel).add(from / S::PER_WORD * S::NR)) };
            }
        }
    }

    /// Where the right operand of `panels` column panels from `panel` lies for the block at k = `k`, if all of it is
    /// worth prefetching.
    pub(super) fn region(&self, s: &Stage<S>, panel: usize, panels: usize, k: usize) -> Region {
        let (len, size) = (KB.min(self.p.k - k), size_of::<S::T>());
        let pairs = |bytes: usize| bytes.div_ceil(128);
        match &self.b {
            Source::Packed(packed) => Region {
                ptr: packed.block(s.col / S::NR + panel, k),
                runs: panels,
                pairs: pairs(<S::T as Element>::kept_bytes(len)),
                stride: <S::T as Element>::kept_bytes(packed.k()) as isize,
            },
            Source::Strided(b) => {
                let col = s.col + panel * S::NR;
                let cols = (panels * S::NR).min(s.col + s.cols - col);
                let ptr = b.ptr.wrapping_offset(col as isize * b.col_stride + k as isize * b.row_stride).cast();
                if b.col_stride == 1 && b.row_stride % 2048 == 0 {
                    // The rows would meet in the same few sets of L2.
                    Region::NONE
                } else if b.col_stride == 1 {
                    Region { ptr, runs: len, pairs: pairs(cols * size), stride: b.row_stride * size as isize }
                } else if b.row_stride == 1 {
                    Region { ptr, runs: cols, pairs: pairs(len * size), stride: b.col_stride * size as isize }
                } else {
                    Region::NONE
                }
            }
        }
    }

    /// The right operand's panel in one block: where it lies, or made in `buffer`.
    pub(super) unsafe fn right(
        &self,
        s: &Stage<S>,
        block: usize,
        panel: usize,
        buffer: *mut S::Word,
        thin: bool,
    ) -> Right<S::T, S::Word> {
        let Source::Packed(packed) = self.b else {
            // SAFETY: the buffer holds one panel's block, in either form.
            unsafe {
                if thin && S::keep_first(self.level) {
                    <S::T as Element>::keep(self.level, Kept(self.right_lanes(s, block, panel)), buffer.cast());
                    return Right::Stored(buffer.cast_const().cast());
                }
                self.pack_b(s, block, panel, buffer);
            }
            return Right::Words(buffer);
        };
        let stored = packed.block(s.col / S::NR + panel, s.k + block * KB);
        if S::STORED {
            Right::Words(stored.cast())
        } else if thin {
            Right::Stored(stored)
        } else {
            // SAFETY: the stored block is as long as the stage's.
            unsafe { S::expand(self.level, stored, s.block_len(block), buffer) };
            Right::Words(buffer)
        }
    }

    /// Columns that a kernel for few rows reads in place at a time, from a matrix or from several kept panels; 0 where
    /// none does.
    fn stream_width(&self, s: &Stage<S>) -> usize {
        if !s.whole || s.row_panels > 1 {
            return 0;
        }
        match self.b {
            Source::Strided(m) if m.col_stride == 1 => S::stream_width(self.level, s.rows),
            Source::Strided(_) => 0,
            Source::Packed(_) => match S::thin_panels(self.level, s.rows) {
                1 => 0,
                panels => panels * S::NR,
            },
        }
    }

    /// The right operand's next columns in one block, for [`Run::stream_width`].
    fn in_place(&self, s: &Stage<S>, block: usize, panel: usize, width: usize) -> Right<S::T, S::Word> {
        if let Source::Packed(packed) = self.b {
            let stored = packed.block(s.col / S::NR + panel, s.k + block * KB);
            return Right::Panels(stored, <S::T as Element>::kept_bytes(packed.k()), width);
        }
        let lanes = self.right_lanes(s, block, panel);
        Right::Rows(lanes.ptr, lanes.k, width)
    }

    /// Runs of column panels for the tasks, long ones first: the last to finish is a short one. `unit` panels go together,
    /// no run but the last has less than `least` units.
    fn guided(panels: usize, unit: usize, least: usize, threads: usize) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut from = 0;
        while from < panels {
            let parts = if threads > 1 { 2 * threads } else { 1 };
            let units = ((panels - from) / (parts * unit)).max(least);
            let to = if panels - from < (units + 1) * unit { panels } else { from + units * unit };
            runs.push(from..to);
            from = to;
        }
        runs
    }

    /// Multiplies the stage's panels.
    unsafe fn multiply(&self, stage: &Shared<Stage<S>>) {
        let s = stage.get();
        let threads = if self.fork { par::threads() } else { 1 };
        // What a kernel for few rows takes at a time.
        let unit = (self.stream_width(s) / S::NR).max(1);
        let row_parts = (s.row_panels / TASK_ROWS).max(1);
        // A chunk of columns reads all panels of A, from L3 where they do not fit in L2: few columns at a time read them
        // too often. Only where threads would have nothing to do are the runs shorter than a chunk.
        let far = s.rows * s.len * size_of::<S::Word>() / S::PER_WORD > L2;
        let least = if far { (s.col_panels * row_parts / (2 * threads)).clamp(1, CHUNK) } else { 1 };
        let runs = Self::guided(s.col_panels, unit, least, threads);
        // Rows are split only where columns do not suffice.
        let wanted = if threads > 1 { (4 * threads).div_ceil(runs.len()) } else { 1 };
        let row_tasks = row_parts.min(wanted);
        self.each(row_tasks * runs.len(), |t| {
            let s = stage.get();
            let (r, c) = (t % row_tasks, t / row_tasks);
            let rows = cut(s.row_panels, row_tasks, r)..cut(s.row_panels, row_tasks, r + 1);
            let flush = Flush::begin(self.level, S::FLUSH);
            // SAFETY: tasks have disjoint tiles of the stage; the caller promised the operands.
            unsafe { self.task(s, rows, runs[c].clone(), &flush) };
        });
    }

    /// The tiles of some row panels and some column panels.
    unsafe fn task(&self, s: &Stage<S>, rows: Range<usize>, cols: Range<usize>, flush: &Flush) {
        // Rows of the right operand are read a whole chunk wide.
        let wide = matches!(self.b, Source::Strided(m) if m.col_stride == 1);
        let chunk = if s.whole && !wide { 1 } else { CHUNK.min(cols.len()) };
        // Not a multiple of 4 KiB, so that the panels' lines do not meet in the same sets of L1.
        let words = (KB / S::PER_WORD) * S::NR + 32;
        let own = if s.whole { (chunk * s.rows * S::NR).max(512) } else { 0 };
        let buffer = Scratch::take::<S::Word>(chunk * words + own);
        // With all of K inside, totals of the present chunk, or of the columns that a streaming kernel takes.
        let own: *mut S::Acc = buffer.ptr::<S::Word>().wrapping_add(chunk * words).cast();
        let thin = rows.len() == 1 && s.row_panels == 1 && s.rows <= S::thin_rows(self.level);
        let mut from = cols.start;
        let width = self.stream_width(s);
        while width > 0 && from < cols.end && (s.cols - from * S::NR).min((cols.end - from) * S::NR) >= width {
            for block in 0..s.blocks() {
                let words = (s.a(block, 0).cast_const(), self.in_place(s, block, from, width));
                // SAFETY: the operand has `width` more columns; totals fit, as `rows * width` is at most 384.
                unsafe { self.tile(s, block, (0, s.rows), from, words, Ahead::NONE, own, flush) };
            }
            from += width / S::NR;
        }
        while from < cols.end {
            let to = cols.end.min(from + chunk);
            for block in 0..s.blocks() {
                let mut right = [Right::Stored(std::ptr::null()); CHUNK];
                let place = |panel: usize| buffer.ptr::<S::Word>().wrapping_add((panel - from) * words);
                // SAFETY: the buffer holds a chunk of panels; the operand is the caller's.
                unsafe {
                    if wide {
                        self.pack_wide(s, block, from..to, place);
                    }
                    for panel in from..to {
                        right[panel - from] = if wide {
                            Right::Words(place(panel).cast_const())
                        } else {
                            self.right(s, block, panel, place(panel), thin)
                        };
                    }
                }
                // What comes next: the next block of these columns, else the next columns, else the next span of K.
                let k = s.k + (block + 1) * KB;
                let region = if k < s.k + s.len {
                    self.region(s, from, to - from, k)
                } else if to < cols.end {
                    self.region(s, to, chunk.min(cols.end - to), s.k)
                } else if k < self.p.k {
                    self.region(s, cols.start, chunk.min(cols.len()), k)
                } else {
                    Region::NONE
                };
                let parts = rows.len() * (to - from);
                let mut part = 0;
                for i in rows.clone() {
                    let (start, count) = s.panel_rows(i);
                    for panel in from..to {
                        let totals = if s.whole {
                            own.wrapping_add(((panel - from) * s.rows + start) * S::NR)
                        } else {
                            s.tile(start, count, panel)
                        };
                        let ahead = region.part(part, parts);
                        let words = (s.a(block, start).cast_const(), right[panel - from]);
                        // SAFETY: tiles are this task's alone.
                        unsafe { self.tile(s, block, (start, count), panel, words, ahead, totals, flush) };
                        part += 1;
                    }
                }
            }
            from = to;
        }
    }

    /// One block of one tile of `count` rows from `start` in the stage.
    #[allow(clippy::too_many_arguments)]
    pub(super) unsafe fn tile(
        &self,
        s: &Stage<S>,
        block: usize,
        (start, count): (usize, usize),
        panel: usize,
        (a, b): (*const S::Word, Right<S::T, S::Word>),
        ahead: Ahead,
        totals: *mut S::Acc,
        flush: &Flush,
    ) {
        let p = self.p;
        let first = s.k == 0 && block == 0;
        let last = s.k + block * KB + s.block_len(block) == p.k;
        let width = if let Right::Rows(_, _, width) | Right::Panels(_, _, width) = b { width } else { S::NR };
        let n = width.min(s.cols - panel * S::NR);
        let mut tile = Tile {
            a,
            b: match b {
                Right::Words(b) => b,
                Right::Stored(b) | Right::Panels(b, ..) => b.cast(),
                Right::Rows(b, ..) => b.cast(),
            },
            ldb: S::NR,
            ahead,
            words: S::words(s.block_len(block)),
            prev: if first { std::ptr::null() } else { totals.cast_const() },
            ldp: width as isize,
            dst: totals,
            ldd: width as isize,
            n,
            canon: false,
        };
        let (row, col) = (s.row + start, s.col + panel * S::NR);
        let micro = |tile: &Tile<S::Word, S::Acc>| {
            // SAFETY: as promised by the caller.
            unsafe {
                match b {
                    Right::Words(_) => S::micro(self.level, count, tile),
                    Right::Stored(_) => S::thin(self.level, count, tile, 1, 0),
                    Right::Panels(_, apart, width) => S::thin(self.level, count, tile, width / S::NR, apart),
                    Right::Rows(_, stride, _) => S::stream(self.level, count, tile, stride, s.block_len(block)),
                }
            }
        };
        // SAFETY: as promised by the caller.
        unsafe {
            if !last {
                micro(&tile);
                return;
            }
            let plain = p.epilogue.is_plain();
            if size_of::<S::T>() == size_of::<S::Acc>() && plain && p.out.col_stride == 1 {
                let dst = p.out.ptr.wrapping_offset(row as isize * p.out.row_stride + col as isize);
                tile.dst = dst.cast();
                tile.ldd = p.out.row_stride;
                tile.canon = true;
                micro(&tile);
                return;
            }
            let mut finished = [const { std::mem::MaybeUninit::<S::Acc>::uninit() }; 14 * 32];
            tile.dst = finished.as_mut_ptr().cast();
            micro(&tile);
            let rect = Rect { totals: tile.dst.cast_const(), stride: width, row, col, rows: count, cols: n };
            if plain {
                store(self.level, &rect, p.out, &p.epilogue);
            } else {
                flush.paused(|| store(self.level, &rect, p.out, &p.epilogue));
            }
        }
    }
}

/// Whether `VDPBF16PS` does more multiply-adds per second here than f32 FMAs: measured once, in some microseconds.
#[cfg(target_arch = "x86_64")]
pub(super) fn dot_is_fast() -> bool {
    use std::sync::OnceLock;
    static FAST: OnceLock<bool> = OnceLock::new();
    *FAST.get_or_init(|| {
        let a = vec![0u32; KB * 14];
        let b = vec![0u32; KB * 32];
        let mut out = vec![0f32; 14 * 32];
        let mut time = |dot: bool| {
            let mut best = u128::MAX;
            for _ in 0..8 {
                let start = std::time::Instant::now();
                for _ in 0..4 {
                    // SAFETY: the panels hold `KB` steps, the output 14 rows; has_bf16_dot() was asked first. The same
                    // K takes half as many steps with pairs.
                    unsafe {
                        macro_rules! tile {
                            ($t:ty, $words:expr) => {
                                Tile::<$t, f32> {
                                    a: a.as_ptr().cast(),
                                    b: b.as_ptr().cast(),
                                    ldb: 32,
                                    ahead: Ahead::NONE,
                                    words: $words,
                                    prev: std::ptr::null(),
                                    ldp: 0,
                                    dst: out.as_mut_ptr(),
                                    ldd: 32,
                                    n: 32,
                                    canon: false,
                                }
                            };
                        }
                        if dot {
                            super::micro::avx512::pair(14, &tile!(u32, KB / 2));
                        } else {
                            super::micro::avx512::f32(14, &tile!(f32, KB));
                        }
                    }
                }
                best = best.min(start.elapsed().as_nanos());
            }
            best
        };
        let fma = time(false);
        let dot = time(true);
        dot < fma
    })
}
