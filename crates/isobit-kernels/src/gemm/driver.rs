//! The packed product: panels of A and B, tiles of outputs, tasks for the pool.
//!
//! ```text
//! for rows of at most ROWS, columns of at most COLS, spans of K of at most SPAN bytes of panels:
//!     pack A (and B, unless a task packs it on the fly)                       -- one fork
//!     for groups of row panels x column panels:                                -- one fork
//!         for blocks of 256 k: for column panels: for row panels: micro-kernel
//! ```
//!
//! 1. Totals of unfinished sums live tile by tile in scratch, so that the inner loops never meet the output's stride.
//! 2. With one group of rows (m up to a few hundred) nobody else needs a packed panel of B: the task packs each
//!    32-column panel into its own L1-sized buffer just before use, and B is read once.
//! 3. Rows are split evenly over panels (m = 16 is 8 + 8, not 14 + 2).

use super::flush::Flush;
use super::micro::Tile;
use super::scheme::{KB, Lanes, Scheme};
use super::scratch::Scratch;
use super::store::{Rect, store};
use super::{Element, Kept, Mat, PackedB, Problem, Shared};
use crate::isa::Level;
use crate::par;

/// Multiply-adds below which forking costs more than it brings.
pub(super) const FORK_WORK: usize = 1 << 18;
/// Rows packed at a time.
const ROWS: usize = 2048;
/// Columns packed at a time.
const COLS: usize = 2048;
/// Bytes of packed panels at a time (per operand, about).
const SPAN: usize = 2 << 20;
/// Bytes of A's panels that may stay in L2 while columns go by.
const L2: usize = 1 << 20;
/// Row panels per task.
const GROUP_ROWS: usize = 24;
/// Column panels per task.
const GROUP_COLS: usize = 16;

/// Where the right operand comes from.
pub(super) enum Source<'a, T: Element> {
    /// A strided matrix, packed on the way.
    Strided(Mat<T>),
    /// Panels interleaved once and kept.
    Packed(&'a PackedB<T>),
}

/// Where one block of one right panel lies.
#[derive(Clone, Copy)]
enum Right<T, W> {
    /// In a strided matrix with contiguous columns and rows so far apart; so many columns.
    Rows(*const T, isize, usize),
    /// As words, ready for the micro-kernel.
    Words(*const W),
    /// As a [`PackedB`] keeps it, for a kernel that widens on the way.
    Stored(*const u8),
}

/// One product, bound to a level.
pub(super) struct Run<'a, S: Scheme> {
    p: &'a Problem<S::T>,
    b: Source<'a, S::T>,
    level: Level,
    fork: bool,
}

// SAFETY: tasks read the shared operands and write disjoint tiles, as the public entry points' callers promised.
unsafe impl<S: Scheme> Sync for Run<'_, S> {}

/// `count` things cut into `parts` runs whose lengths differ by at most one: start of run `i`.
fn cut(count: usize, parts: usize, i: usize) -> usize {
    count / parts * i + (count % parts).min(i)
}

/// A rectangle of outputs and a span of K, with its panels in memory.
struct Stage<S: Scheme> {
    /// First row, number of rows, row panels.
    row: usize,
    rows: usize,
    row_panels: usize,
    /// First column, number of columns, column panels.
    col: usize,
    cols: usize,
    col_panels: usize,
    /// First k, number of k.
    k: usize,
    len: usize,
    packed_a: *mut S::Word,
    packed_b: *mut S::Word,
    totals: *mut S::Acc,
    /// Whether tasks pack B themselves.
    on_the_fly: bool,
    /// Whether a task then takes all of K before the next panel (the panels of A fit in L2).
    whole: bool,
}

impl<S: Scheme> Stage<S> {
    fn blocks(&self) -> usize {
        self.len.div_ceil(KB)
    }

    fn block_len(&self, block: usize) -> usize {
        (self.len - block * KB).min(KB)
    }

    fn panel_rows(&self, i: usize) -> (usize, usize) {
        let start = cut(self.rows, self.row_panels, i);
        (start, cut(self.rows, self.row_panels, i + 1) - start)
    }

    /// The packed panel of rows from `start` in that block.
    fn a(&self, block: usize, start: usize) -> *mut S::Word {
        let words = S::words(self.block_len(block));
        self.packed_a.wrapping_add(block * (KB / S::PER_WORD) * self.rows + start * words)
    }

    /// The packed panel of columns in that block.
    fn b(&self, block: usize, panel: usize) -> *mut S::Word {
        let words = S::words(self.block_len(block));
        self.packed_b.wrapping_add((block * (KB / S::PER_WORD) * self.col_panels + panel * words) * S::NR)
    }

    /// The totals of one tile, `[rows][NR]`.
    fn tile(&self, start: usize, rows: usize, panel: usize) -> *mut S::Acc {
        self.totals.wrapping_add((start * self.col_panels + panel * rows) * S::NR)
    }
}

impl<'a, S: Scheme> Run<'a, S> {
    pub(super) fn new(p: &'a Problem<S::T>, b: Source<'a, S::T>, level: Level, fork: bool) -> Self {
        let work = p.m.saturating_mul(p.n).saturating_mul(p.k);
        Run { p, b, level, fork: fork && work >= FORK_WORK && par::threads() > 1 }
    }

    fn each(&self, tasks: usize, f: impl Fn(usize) + Sync) {
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
        let mr = S::mr(self.level);
        let rows_max = p.m.min(ROWS);
        let one_group = p.m <= GROUP_ROWS * mr;
        let on_the_fly = one_group || matches!(self.b, Source::Packed(_));
        let whole = one_group && (p.k <= KB || p.m * p.k * 4 <= L2);
        let cols_max = if whole { p.n } else { p.n.min(COLS) };
        // Whole blocks of K, as many as fit.
        let per_block = KB * size_of::<S::Word>() / S::PER_WORD * rows_max.max(cols_max.min(COLS));
        let span = if whole { p.k } else { (SPAN / per_block).max(1).saturating_mul(KB).min(p.k) };
        let panels = cols_max.div_ceil(S::NR);
        let span_words = span.div_ceil(KB) * (KB / S::PER_WORD);
        let packed_a = Scratch::take::<S::Word>(span_words * rows_max);
        let packed_b = (!on_the_fly).then(|| Scratch::take::<S::Word>(span_words * panels * S::NR));
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
                        packed_a: packed_a.ptr(),
                        packed_b: packed_b.as_ref().map_or(std::ptr::null_mut(), Scratch::ptr),
                        totals: totals.as_ref().map_or(std::ptr::null_mut(), Scratch::ptr),
                        on_the_fly,
                        whole,
                    };
                    // With all of K in one span, the rows' panels survive from one set of columns to the next.
                    let fresh_a = col == 0 || span < p.k;
                    let stage = Shared(stage);
                    // SAFETY: as promised by the caller; the scratch is sized for the largest stage.
                    unsafe {
                        self.pack(&stage, fresh_a);
                        self.multiply(&stage);
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

    /// Packs the stage's panels.
    unsafe fn pack(&self, stage: &Shared<Stage<S>>, fresh_a: bool) {
        let s = stage.get();
        let a_tasks = if fresh_a { s.row_panels } else { 0 };
        let chunk = 8;
        let b_tasks = if s.on_the_fly { 0 } else { s.col_panels.div_ceil(chunk) * s.blocks() };
        let task = |t: usize| {
            let s = stage.get();
            // SAFETY: panels are disjoint; sources are readable as the caller promised.
            unsafe {
                if t < a_tasks {
                    let (start, rows) = s.panel_rows(t);
                    for block in 0..s.blocks() {
                        self.pack_a(s, block, start, rows, s.a(block, start));
                    }
                } else {
                    let (block, group) = ((t - a_tasks) % s.blocks(), (t - a_tasks) / s.blocks());
                    for panel in group * chunk..s.col_panels.min((group + 1) * chunk) {
                        self.pack_b(s, block, panel, s.b(block, panel));
                    }
                }
            }
        };
        if s.on_the_fly && s.rows * s.len < 1 << 16 {
            (0..a_tasks).for_each(task);
        } else {
            self.each(a_tasks + b_tasks, task);
        }
    }

    unsafe fn pack_a(&self, s: &Stage<S>, block: usize, start: usize, rows: usize, dst: *mut S::Word) {
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

    /// The right operand's panel in one block: where it lies, or made in `buffer`.
    unsafe fn right(
        &self,
        s: &Stage<S>,
        block: usize,
        panel: usize,
        buffer: *mut S::Word,
        row_panels: usize,
    ) -> Right<S::T, S::Word> {
        let thin = row_panels == 1 && s.rows <= S::thin_rows(self.level);
        let Source::Packed(packed) = self.b else {
            // SAFETY: the buffer holds one panel's block, in either form.
            unsafe {
                if S::KEEP_FIRST && thin {
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

    /// Multiplies the stage's panels.
    unsafe fn multiply(&self, stage: &Shared<Stage<S>>) {
        let s = stage.get();
        let threads = if self.fork { par::threads() } else { 1 };
        // A task that packs B itself takes all rows.
        let on_the_fly_strided = s.on_the_fly && matches!(self.b, Source::Strided(_));
        let mut row_groups = if on_the_fly_strided { 1 } else { s.row_panels.div_ceil(GROUP_ROWS) };
        let mut col_groups = s.col_panels.div_ceil(GROUP_COLS);
        if threads > 1 {
            // Enough tasks that the last one to finish does not matter, but no smaller than a panel.
            let wanted = 4 * threads;
            if row_groups * col_groups < wanted {
                col_groups = s.col_panels.min(wanted.div_ceil(row_groups));
            }
            if row_groups * col_groups < wanted && !on_the_fly_strided {
                row_groups = s.row_panels.min(wanted.div_ceil(col_groups));
            }
        }
        self.each(row_groups * col_groups, |t| {
            let s = stage.get();
            let (r, c) = (t / col_groups, t % col_groups);
            let rows = cut(s.row_panels, row_groups, r)..cut(s.row_panels, row_groups, r + 1);
            let cols = cut(s.col_panels, col_groups, c)..cut(s.col_panels, col_groups, c + 1);
            let flush = Flush::begin(self.level, S::FLUSH);
            // SAFETY: groups are disjoint tiles of the stage; the caller promised the operands.
            unsafe {
                if s.on_the_fly {
                    self.group_on_the_fly(s, rows, cols, &flush);
                } else {
                    for block in 0..s.blocks() {
                        for panel in cols.clone() {
                            let right = Right::Words(s.b(block, panel).cast_const());
                            let next = s.b(block, panel).cast_const().cast();
                            for i in rows.clone() {
                                let (start, count) = s.panel_rows(i);
                                let totals = s.tile(start, count, panel);
                                self.tile(s, block, (start, count), panel, right, next, totals, &flush);
                            }
                        }
                    }
                }
            }
        });
    }

    /// A group whose task packs B itself, panel by panel.
    unsafe fn group_on_the_fly(
        &self,
        s: &Stage<S>,
        rows: std::ops::Range<usize>,
        cols: std::ops::Range<usize>,
        flush: &Flush,
    ) {
        // Where A's panels of all blocks fit in L2, a panel's totals stay in L1 while K runs; else blocks go outside.
        let whole = s.whole;
        let b =
            Scratch::take::<S::Word>((KB / S::PER_WORD) * S::NR + if whole { (s.rows * S::NR).max(512) } else { 0 });
        let own: *mut S::Acc = b.ptr::<S::Word>().wrapping_add((KB / S::PER_WORD) * S::NR).cast();
        let panel_block = |panel: usize, block: usize| {
            // SAFETY: the buffer holds one panel; tiles are the caller's.
            unsafe {
                let from = self.right(s, block, panel, b.ptr(), rows.len());
                for i in rows.clone() {
                    let (start, count) = s.panel_rows(i);
                    let totals = if whole { own.wrapping_add(start * S::NR) } else { s.tile(start, count, panel) };
                    // While the first rows are multiplied, what comes after this block is on its way.
                    let next = match (&self.b, from) {
                        (Source::Packed(packed), Right::Words(b)) if S::STORED && i == rows.start => {
                            b.cast::<u8>().wrapping_add(<S::T as Element>::kept_bytes(KB.min(packed.k())))
                        }
                        (_, Right::Words(b)) => b.cast(),
                        _ => std::ptr::null(),
                    };
                    self.tile(s, block, (start, count), panel, from, next, totals, flush);
                }
            }
        };
        let mut cols = cols;
        if let Source::Strided(m) = self.b
            && whole
            && m.col_stride == 1
            && rows.len() == 1
        {
            let width = S::stream_width(self.level, s.rows);
            while width > 0 && cols.start < cols.end && (s.cols - cols.start * S::NR).min(cols.len() * S::NR) >= width {
                for block in 0..s.blocks() {
                    let lanes = self.right_lanes(s, block, cols.start);
                    let right = Right::Rows(lanes.ptr, lanes.k, width);
                    // SAFETY: the operand has `width` more columns; totals fit, as `rows * width` is at most 384.
                    unsafe {
                        self.tile(s, block, (0, s.rows), cols.start, right, std::ptr::null(), own, flush);
                    }
                }
                cols.start += width / S::NR;
            }
        }
        if whole {
            cols.for_each(|panel| (0..s.blocks()).for_each(|block| panel_block(panel, block)));
        } else {
            (0..s.blocks()).for_each(|block| cols.clone().for_each(|panel| panel_block(panel, block)));
        }
    }

    /// One block of one tile of `count` rows from `start` in the stage.
    #[allow(clippy::too_many_arguments)]
    unsafe fn tile(
        &self,
        s: &Stage<S>,
        block: usize,
        (start, count): (usize, usize),
        panel: usize,
        b: Right<S::T, S::Word>,
        next: *const u8,
        totals: *mut S::Acc,
        flush: &Flush,
    ) {
        let p = self.p;
        let first = s.k == 0 && block == 0;
        let last = s.k + block * KB + s.block_len(block) == p.k;
        let width = if let Right::Rows(_, _, width) = b { width } else { S::NR };
        let n = width.min(s.cols - panel * S::NR);
        let mut tile = Tile {
            a: s.a(block, start),
            b: match b {
                Right::Words(b) => b,
                Right::Stored(b) => b.cast(),
                Right::Rows(b, ..) => b.cast(),
            },
            ldb: S::NR,
            next,
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
                    Right::Stored(_) => S::thin(self.level, count, tile),
                    Right::Rows(_, stride, _) => S::stream(count, tile, stride, s.block_len(block)),
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
                                    next: b.as_ptr().cast(),
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
