//! `y = x @ w.T` with a quantized `w`, codes and scales as they lie in files or in kept blocks.
//!
//! ```text
//! pack x (activations.rs)
//! per task, some strips of 16 columns: blocks of w (block.rs), kept or made here
//!   one row:   per group: acc[strip] = 0; for k: acc = fma(x[k], code, acc), codes straight from the words,
//!              while those of the next block are asked for
//!   1 to 12 rows with AVX2: few.rs
//!   few rows:  the same with several accumulators per strip (AVX-512)
//!   more rows: per 128 k (or a group; 256 with AVX2): codes to floats [k][lane]; per panel of rows and group:
//!              acc[row][strip] = 0; for k: acc = fma(x[k][row], code, acc)
//!              with AVX-512 the first panel's rows go as few rows do, per 256 k, and leave the floats behind
//!   per group: total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//!   round totals once, store
//! ```
//!
//! 1. For bfloat16 activations the odd element of a pair is stored before the even one in x, and the codes of a pair are
//!    taken in that order: then the same loop runs in the contract's order, under flush-to-zero.
//! 2. The floats of 32 columns and 128 k (256 with AVX-512, and of 16 columns with AVX2) stay in the first-level cache while the
//!    rows go by; the rows of 256 k and the totals of up to 256 columns stay in the second.
//! 3. With AVX-512 tiles have 7 rows rather than 13, and their totals stay in registers beside the sums: a group's end that
//!    loads totals from memory takes three times as long as its fused steps (measured: 92 % of the peak with, 96 % without).
//! 4. One row takes four strips at a time: with eight there are not enough registers, and the compiler spills. A line of the
//!    blocks is asked for twice, a block ahead for the second-level cache and half a block ahead for the first.
//!
//! Cost: one row of kept blocks is bound by reading them (4 bits: 2.5 instructions per 16 codes on two ports); many rows are
//! bound by FMAs, to which the groups' ends add one in 32 each for scale and bias.

use super::activations::{Pack, Packed};
use super::block::{self, Layout, Make, Packed as Blocks};
use super::decode::{E2M1, E4M3, Words, decode, decode_strips, with_kind};
use super::rooms::Rooms;
use super::{Codes, Matrix};
use crate::dtype::Dtype;
use crate::gemm::flush::{self, Flush};
use crate::gemm::scratch::Scratch;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::fused::{Kind, LongFlushed, ShortFlushed, fused};
use crate::simd::{self, Kernel, LANES, Simd};
use std::ops::Range;
use tiles::{Few, Tiles};

mod tiles;

/// A product of `m` rows by a quantized matrix of `n` rows of `k` codes.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The quantized matrix.
    pub w: Matrix,
    /// Its blocks, if they are kept: then codes, scales and biases themselves are not read.
    pub kept: Option<&'a Blocks>,
    /// Rows of `x`.
    pub m: usize,
    /// Activations: f32, f16 or bf16.
    pub dtype: Dtype,
    /// The first activation.
    pub x: *const u8,
    /// Elements from row to row of `x`; elements of a row are adjacent.
    pub x_stride: isize,
    /// The first output; its dtype is that of `x`, elements of a row are adjacent.
    pub out: *mut u8,
    /// Elements from row to row of the output.
    pub out_stride: isize,
    /// Where the rows are, if they are not one stride apart: elements from the first one of `x` and of the output.
    pub rows: Option<&'a [(isize, isize)]>,
}

// SAFETY: operands are read, and tasks write disjoint columns of the output.
unsafe impl Sync for Product<'_> {}

impl Product<'_> {
    /// The first element of row `m` of `x`.
    pub(super) fn row(&self, m: usize) -> *const u8 {
        let at = self.rows.map_or(m as isize * self.x_stride, |rows| rows[m].0);
        self.x.wrapping_offset(at * self.dtype.size() as isize)
    }

    /// Element `column` of row `m` of the output.
    fn out(&self, m: usize, column: usize) -> *mut u8 {
        let at = self.rows.map_or(m as isize * self.out_stride, |rows| rows[m].1);
        self.out.wrapping_offset((at + column as isize) * self.dtype.size() as isize)
    }

    /// Rounds and stores `width` totals of row `m` from strip `first` on, as far as there are columns; a NaN of single
    /// precision becomes the canonical one.
    ///
    /// # Safety
    /// `totals` is valid for `width` reads, the output for writes; `width` is a multiple of 16.
    pub(super) unsafe fn store(&self, m: usize, first: usize, totals: *const f32, width: usize) {
        simd::dispatch(Store { p: self, rows: m..m + 1, first, totals, width });
    }
}

/// Rounds and stores the totals `[row][width]` of some rows, as [`Product::store`].
struct Store<'a> {
    p: &'a Product<'a>,
    rows: Range<usize>,
    first: usize,
    totals: *const f32,
    width: usize,
}

impl Kernel for Store<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let p = self.p;
        let n = self.width.min(p.w.n - self.first * LANES);
        for (i, m) in self.rows.enumerate() {
            let (from, to) = (self.totals.wrapping_add(i * self.width), p.out(m, self.first * LANES));
            for at in (0..n).step_by(LANES) {
                let count = LANES.min(n - at);
                // SAFETY: the totals have whole vectors, and the row has `count` columns from here on.
                unsafe {
                    let x = s.load(from.add(at));
                    let half = to.cast::<u16>().add(at);
                    match (p.dtype, count == LANES) {
                        (Dtype::F32, _) => {
                            s.store_n(to.cast::<f32>().add(at), s.select(s.is_nan(x), s.splat(f32::NAN), x), count)
                        }
                        (Dtype::F16, true) => s.store_f16(half, x),
                        (Dtype::F16, false) => s.store_f16_n(half, x, count),
                        (_, true) => s.store_bf16(half, x),
                        (_, false) => s.store_bf16_n(half, x, count),
                    }
                }
            }
        }
    }
}

/// Rows that are multiplied by codes straight from the words, at most.
const FEW: usize = 12;
/// Numbers of such rows that leave their codes to others.
const HEADS: [usize; 3] = [8, 7, 6];
/// Rows of a tile of two strips whose totals are in registers, beside the sums, at most.
const TOTALS_IN_REGISTERS: usize = 7;

/// How `m` rows are cut into panels: the rows of a first one that is multiplied by codes straight from the words, or 0 if
/// none is, and the number of the others.
fn panels(level: Level, m: usize) -> (usize, usize) {
    match level {
        Level::Avx512 if m <= FEW => (m, 0),
        // The others have 6 or 7 rows each, where there is no way 5: every number of rows has one.
        Level::Avx512 => {
            let others = |head: usize| (m - head).div_ceil(TOTALS_IN_REGISTERS);
            let find = |least: usize| HEADS.into_iter().find(|&head| m - head >= least * others(head));
            let head = find(6).or_else(|| find(5)).unwrap_or(HEADS[0]);
            (head, others(head))
        }
        Level::Avx2 if takes_few(level, m) => (0, few_panels(m)),
        Level::Avx2 | Level::Neon => (0, m.div_ceil(6)),
        Level::Scalar => (0, m.div_ceil(4)),
    }
}

/// Whether the kernels of few.rs take so many rows.
#[inline(always)]
pub(super) fn takes_few(_level: Level, _m: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        _level == Level::Avx2 && super::few::takes(_m)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Panels that they want.
fn few_panels(_m: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        super::few::panels(_m)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        1
    }
}

/// Strips that a kernel takes at a time.
fn strips(level: Level, m: usize) -> usize {
    match (level, m) {
        #[cfg(target_arch = "x86_64")]
        (Level::Avx2, _) if takes_few(level, m) => super::few::strips(m),
        (Level::Avx512, 1..=4) => 4,
        (Level::Avx512, _) => 2,
        (Level::Scalar, _) => 1,
        (_, 1) => 4,
        (_, 2) => 2,
        _ => 1,
    }
}

/// Strips of a task at most.
const TASK: usize = 16;
/// Codes that are floats at a time, per column: with 32 columns, a third of a first-level cache.
const CODES: usize = 128;
/// Rows whose totals stay in the second-level cache.
const ROWS: usize = 1024;

/// One product, laid out.
#[derive(Clone, Copy)]
struct Job<'a> {
    p: Product<'a>,
    layout: Layout,
    x: Packed,
    /// Rows of the first panel, if it is multiplied by codes straight from the words, and the number of others.
    head: usize,
    others: usize,
    /// Strips of a task, and at a time.
    width: usize,
    nv: usize,
    /// Tasks of the jobs before this one.
    before: usize,
    /// The first kept block of the job after it, or null.
    next: *const i32,
}

// SAFETY: what it points at is only read, but for the output, of which tasks write disjoint columns.
unsafe impl Sync for Job<'_> {}

/// The product.
///
/// # Safety
/// Everything that the fields describe is readable, the output writable, its rows disjoint, and apart from the operands.
pub unsafe fn product(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { products(std::slice::from_ref(p)) }
}

/// Several products, side by side.
///
/// # Safety
/// As for [`product`]; no output is another's.
pub unsafe fn products(all: &[Product]) {
    let level = isa::level();
    // So many rows at a time that their totals stay close.
    let parts = all.iter().flat_map(|p| {
        (0..p.m).step_by(ROWS).map(move |first| Product {
            m: ROWS.min(p.m - first),
            x: if p.rows.is_some() { p.x } else { p.row(first) },
            out: if p.rows.is_some() { p.out } else { p.out(first, 0) },
            rows: p.rows.map(|rows| &rows[first..]),
            ..*p
        })
    });
    let parts: Vec<Product> = parts.filter(|p| p.m > 0 && p.w.n > 0).collect();
    let rooms = Rooms::of(&parts.iter().map(Packed::size).collect::<Vec<_>>());
    let (mut before, mut before_packs) = (0, 0);
    let mut jobs = Vec::with_capacity(parts.len());
    let mut packs_of = Vec::with_capacity(parts.len());
    let all_strips: usize = parts.iter().map(|p| p.w.n.div_ceil(LANES)).sum();
    for (i, p) in parts.into_iter().enumerate() {
        let (head, others) = panels(level, p.m);
        let panels = usize::from(head > 0) + others;
        let nv = strips(level, p.m);
        let most = (all_strips / (4 * par::threads()) / nv * nv).clamp(nv, TASK / nv * nv);
        let width = if p.m == 2 { nv } else { most };
        // Without a place of its own it gets one when a task packs it.
        let x = Packed::new(&p, head, panels, rooms.place(i).unwrap_or(std::ptr::null_mut()));
        packs_of.push((jobs.len(), before_packs));
        before_packs += x.packs();
        let next = std::ptr::null();
        jobs.push(Job { layout: Layout::of(&p.w), x, head, others, width, nv, before, next, p });
        before += p.w.n.div_ceil(LANES * width);
    }
    for i in 1..jobs.len() {
        jobs[i - 1].next = jobs[i].p.kept.map_or(std::ptr::null(), |kept| kept.strip(0));
    }
    let work: usize = jobs.iter().map(|j| j.p.m * j.p.w.k).sum();
    let pack = |job: &Job, part: usize| {
        let flush = Flush::begin(level, job.p.dtype == Dtype::BF16);
        simd::dispatch_at(level, Pack { p: &job.p, x: job.x, part });
        drop(flush);
    };
    let pack_any = |i: usize| {
        let (job, first) = packs_of[packs_of.partition_point(|of| of.1 <= i) - 1];
        pack(&jobs[job], i - first);
    };
    // A fork costs as much as packing some thousand elements.
    if rooms.place(0).is_some() && work < 1 << 15 {
        (0..before_packs).for_each(pack_any)
    } else if rooms.place(0).is_some() {
        par::run(before_packs, pack_any)
    }
    par::run_sliced(before, |i| {
        let index = jobs.partition_point(|j| j.before <= i) - 1;
        let job = &jobs[index];
        // SAFETY: the caller's promise; tasks have columns of their own.
        let run = |job: &Job| unsafe { job.task(level, i - job.before) };
        if rooms.place(index).is_some() {
            return run(job);
        }
        let at = |room| Job { x: job.x.at_place(&job.p, room), ..*job };
        let fill = |room| {
            let job = at(room);
            (0..job.x.packs()).for_each(|part| pack(&job, part));
        };
        rooms.with(index, fill, |room| run(&at(room)));
    });
}

impl Job<'_> {
    /// The columns of one task.
    ///
    /// # Safety
    /// As for [`product`].
    unsafe fn task(&self, level: Level, task: usize) {
        let (p, l) = (&self.p, &self.layout);
        let strips = p.w.n.div_ceil(LANES);
        let first = task * self.width;
        let count = self.width.min(strips - first);
        let room = p.kept.is_none().then(|| Scratch::take::<i32>(count * l.strip()));
        if let Some(room) = &room {
            for i in 0..count {
                let to = room.ptr::<i32>().wrapping_add(i * l.strip());
                simd::dispatch_at(level, Make { m: &p.w, layout: *l, strip: first + i, to });
            }
        }
        let blocks = |i: usize| match (&room, p.kept) {
            (Some(room), _) => room.ptr::<i32>().wrapping_add(i * l.strip()).cast_const(),
            (None, Some(kept)) => kept.strip(first + i),
            (None, None) => unreachable!("blocks are kept or made"),
        };
        // Strips beyond the last are the last again; they are not stored.
        let blocks: [*const i32; TASK] = std::array::from_fn(|i| blocks(i.min(count - 1)));
        // What comes next, if it is there already.
        let after = match p.kept {
            Some(kept) if first + count < strips => kept.strip(first + count),
            Some(_) => self.next,
            None => std::ptr::null(),
        };
        let flush = Flush::begin(level, p.dtype == Dtype::BF16);
        let width = self.nv * LANES;
        if p.m == 1 {
            let mut totals = [0f32; TASK * LANES];
            for (at, totals) in (0..count).step_by(self.nv).zip(totals.chunks_exact_mut(width)) {
                let next = if at + self.nv < count { blocks[at + self.nv] } else { after };
                // SAFETY: the row has been packed.
                if level == Level::Avx2 && p.w.format.codes == Codes::Unsigned && unsafe { self.x.is_scaled(0) } {
                    // SAFETY: the strips' blocks, and zeros as totals.
                    unsafe { self.few(&blocks[at..], next, totals.as_mut_ptr()) };
                    continue;
                }
                simd::dispatch_at(level, OneRow { job: self, strips: &blocks[at..], totals, next });
            }
            drop(flush);
            // SAFETY: the output is the caller's.
            unsafe { self.p.store(0, first, totals.as_ptr(), count * LANES) };
            return;
        }
        let parts = count.div_ceil(self.nv);
        let totals = Scratch::take::<f32>(parts * p.m * width);
        if l.blocks() == 0 || level == Level::Avx2 {
            // Sums of nothing; otherwise the first group writes every total, but where they are zeros to begin with.
            // SAFETY: the scratch has that many elements.
            unsafe { std::ptr::write_bytes(totals.ptr::<f32>(), 0, parts * p.m * width) };
        }
        // SAFETY: the strips' blocks, and totals for every row.
        unsafe {
            if takes_few(level, p.m) {
                for part in 0..parts {
                    let next = if part + 1 < parts { blocks[(part + 1) * self.nv] } else { after };
                    self.few(&blocks[part * self.nv..], next, totals.ptr::<f32>().wrapping_add(part * p.m * width));
                }
            } else {
                self.rows(level, &blocks, parts, after, totals.ptr());
            }
        }
        drop(flush);
        for part in 0..parts {
            let totals = totals.ptr::<f32>().wrapping_add(part * p.m * width);
            // The part's totals, of every row; the output is the caller's.
            simd::dispatch_at(level, Store { p, rows: 0..p.m, first: first + part * self.nv, totals, width });
        }
    }

    /// All rows times `nv` strips by the kernels of few.rs: totals `[row][nv * 16]`, which are zeros before.
    ///
    /// # Safety
    /// `strips` are strips' blocks, `totals` has room; few.rs takes the product.
    unsafe fn few(&self, _strips: &[*const i32], _next: *const i32, _totals: *mut f32) {
        #[cfg(target_arch = "x86_64")]
        {
            let room = Scratch::take::<f32>(super::few::room(self.p.m, self.p.w.format.group));
            let next = if _next.is_null() { 0 } else { _next as isize - _strips[0] as isize };
            let few = super::few::Few { strips: _strips, next, room: room.ptr(), ..self.tiles_of_avx2(_totals) };
            // SAFETY: the caller's promise; the level in force is one that the machine has.
            unsafe { few.run(self.p.m) };
        }
    }

    /// What few.rs needs for tiles of floats with these totals, `[row][strip][16]`.
    #[cfg(target_arch = "x86_64")]
    fn tiles_of_avx2(&self, totals: *mut f32) -> super::few::Few<'_> {
        let p = &self.p;
        super::few::Few {
            format: p.w.format,
            biases: !p.w.biases.is_null(),
            other: p.dtype == Dtype::BF16,
            layout: self.layout,
            strips: &[],
            next: 0,
            x: self.x,
            room: std::ptr::null_mut(),
            totals,
        }
    }

    /// All rows times `parts` times `nv` strips: totals `[part][row][nv * 16]`, with AVX2 zeros before.
    ///
    /// # Safety
    /// `blocks` are strips' blocks, `totals` has room.
    unsafe fn rows(
        &self,
        level: Level,
        blocks: &[*const i32; TASK],
        parts: usize,
        after: *const i32,
        totals: *mut f32,
    ) {
        let (p, l) = (&self.p, &self.layout);
        let (group, width) = (p.w.format.group, self.nv * LANES);
        // With AVX2 all of a panel's activations at once: parts of panels would lie apart, and nobody would fetch them ahead.
        let span = if self.head > 0 || level == Level::Avx2 { block::SPAN } else { group.max(CODES) };
        // Codes and, behind them, each group's scales and biases.
        let codes = Scratch::take::<f32>((span + 2 * (span / group)) * width);
        let ends = codes.ptr::<f32>().wrapping_add(span * width);
        // Chunks of codes, in the order of the work: the groups of each, and its strips.
        let step = span / group;
        let chunks = (0..l.blocks()).flat_map(|b| {
            (0..parts).flat_map(move |part| {
                let all = l.groups(b);
                all.clone().step_by(step).map(move |first| (part, first..all.end.min(first + step)))
            })
        });
        let mut chunks = chunks.peekable();
        while let Some((part, groups)) = chunks.next() {
            let strips = &blocks[part * self.nv..];
            let place = |part: usize, g: usize| blocks[part * self.nv].wrapping_add(l.words(g)) as isize;
            let here = place(part, groups.start);
            let far = match chunks.peek() {
                Some(next) => place(next.0, next.1.start) - here,
                None if after.is_null() => 0,
                None => after as isize - here,
            };
            let (to, totals) = (codes.ptr(), totals.wrapping_add(part * p.m * width));
            if self.head > 0 {
                let few = Few { job: self, strips, groups: groups.clone(), to, ends, far, totals };
                // SAFETY: the strips' blocks, room for their codes, and totals for every row.
                unsafe { few.run() };
            } else {
                self.fill(level, strips, groups.clone(), to, ends, far);
            }
            if self.others == 0 {
                continue;
            }
            #[cfg(target_arch = "x86_64")]
            if level == Level::Avx2 {
                // SAFETY: these are the tiles' operands and totals; the level in force is one that the machine has.
                unsafe { self.tiles_of_avx2(totals).panels(groups, self.others, to, ends) };
                continue;
            }
            // The panels of one row more come first.
            let (each, more) = ((p.m - self.head) / self.others, (p.m - self.head) % self.others);
            let first = usize::from(self.head > 0);
            for (first, count, rows) in [(first, more, each + 1), (first + more, self.others - more, each)] {
                if count > 0 {
                    let groups = groups.clone();
                    let tiles = Tiles { p, x: self.x, first, count, groups, codes: to, ends, totals };
                    // SAFETY: these are the tiles' operands and totals.
                    unsafe { tiles.run(level, self.nv, rows) };
                }
            }
        }
    }

    /// Codes of some groups as floats, `[k][nv][16]`, and their scales and biases, `[group][scale, bias][nv][16]`.
    fn fill(
        &self,
        level: Level,
        strips: &[*const i32],
        groups: Range<usize>,
        to: *mut f32,
        ends: *mut f32,
        far: isize,
    ) {
        let fill = Fill::<1> { p: &self.p, layout: self.layout, strips, groups, to, ends, far };
        match self.nv {
            1 => simd::dispatch_at(level, fill),
            2 => simd::dispatch_at(level, fill.of::<2>()),
            _ => unreachable!("no tile of {} strips", self.nv),
        }
    }
}

/// One row times four strips (as many as the level takes).
struct OneRow<'a> {
    job: &'a Job<'a>,
    strips: &'a [*const i32],
    totals: &'a mut [f32],
    /// The first of the strips that come next, one after the other; null if there are none.
    next: *const i32,
}

impl Kernel for OneRow<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (other, format) = (self.job.p.dtype == Dtype::BF16, self.job.p.w.format);
        with_kind!(format, KIND => match (S::LEVEL, other) {
            (Level::Scalar, false) => self.strips::<S, 1, false, KIND>(s),
            (Level::Scalar, true) => self.strips::<S, 1, true, KIND>(s),
            (_, false) => self.strips::<S, 4, false, KIND>(s),
            (_, true) => self.strips::<S, 4, true, KIND>(s),
        })
    }
}

impl OneRow<'_> {
    #[inline(always)]
    fn strips<S: Simd, const NV: usize, const OTHER: bool, const KIND: usize>(self, s: S) {
        let (p, l, x) = (&self.job.p, &self.job.layout, &self.job.x);
        let format = p.w.format;
        let how = steps::<S>(p);
        let mut total = [s.splat(0.0); NV];
        // In bytes, half a block.
        let near = 2 * l.block(1) as isize;
        // SAFETY: the row has been packed.
        let by_strips = S::LEVEL == Level::Avx2 && matches!(KIND, E2M1 | E4M3) && unsafe { x.is_scaled(0) };
        for b in 0..l.blocks() {
            // The same place of the next block, at last of the first one of the next strips.
            let far = match b + 1 < l.blocks() {
                true => 4 * l.block(1) as isize,
                false if self.next.is_null() => 0,
                false => self.next as isize - self.strips[0] as isize - 4 * l.block(b) as isize,
            };
            for g in l.groups(b) {
                let at = std::array::from_fn(|v| self.strips[v].wrapping_add(l.words(g)));
                let mut acc = [s.splat(0.0); NV];
                let x_of = x.at((0, 1), g * format.group);
                let words = Words { at, far, near };
                // SAFETY: the strips have words for the group, the packed row `group` elements from here on.
                unsafe {
                    if by_strips {
                        decode_strips::<S, NV, OTHER, KIND>(
                            s,
                            format.group,
                            &words,
                            #[inline(always)]
                            |k, v: usize, q: S::F| acc[v] = s.fma(s.splat(*x_of.add(k)), q, acc[v]),
                        );
                    } else {
                        decode::<S, NV, OTHER, KIND>(
                            s,
                            format.group,
                            &words,
                            #[inline(always)]
                            |k, q: [S::F; NV]| {
                                let x = *x_of.add(k);
                                for v in 0..NV {
                                    acc[v] = code_step(s, how, x, q[v], acc[v]);
                                }
                            },
                        );
                    }
                }
                if KIND == E4M3 && by_strips {
                    for v in 0..NV {
                        acc[v] = s.in_order(acc[v]);
                    }
                }
                for v in 0..NV {
                    let at = self.strips[v].wrapping_add(l.scales(g));
                    simd::prefetch_far(at.cast::<u8>().wrapping_offset(far), 4 * l.extra);
                    // SAFETY: the strips have scales for the group.
                    let (scale, bias) = unsafe { block::scales(s, format.scales, l.extra, at) };
                    total[v] = step(s, how, acc[v], scale, total[v]);
                    if !p.w.biases.is_null() {
                        // SAFETY: the packed row has a sum for every group.
                        total[v] = step(s, how, s.splat(unsafe { *x.sums(0, g) }), bias, total[v]);
                    }
                }
            }
        }
        for v in 0..NV {
            // SAFETY: a slice of 16 elements.
            unsafe { s.store(self.totals[v * LANES..][..LANES].as_mut_ptr(), total[v]) };
        }
    }
}

/// Codes of some groups of `NV` strips to floats, `[k][NV][16]`.
struct Fill<'a, const NV: usize> {
    p: &'a Product<'a>,
    layout: Layout,
    strips: &'a [*const i32],
    groups: Range<usize>,
    to: *mut f32,
    /// Scales and biases, `[group][scale, bias][NV][16]`.
    ends: *mut f32,
    /// From the words of these groups to those of the next ones.
    far: isize,
}

impl<'a, const NV: usize> Fill<'a, NV> {
    fn of<const OTHER: usize>(self) -> Fill<'a, OTHER> {
        let Fill { p, layout, strips, groups, to, ends, far } = self;
        Fill { p, layout, strips, groups, to, ends, far }
    }
}

impl<const NV: usize> Kernel for Fill<'_, NV> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if !const { tiles::fills(S::LEVEL, NV) } {
            unreachable!("this level has no such tiles, or makes their floats another way");
        }
        with_kind!(self.p.w.format, KIND => match self.p.dtype {
            Dtype::BF16 => self.groups::<S, true, KIND>(s),
            _ => self.groups::<S, false, KIND>(s),
        })
    }
}

impl<const NV: usize> Fill<'_, NV> {
    #[inline(always)]
    fn groups<S: Simd, const OTHER: bool, const KIND: usize>(self, s: S) {
        // Four words ahead: they are in the second-level cache by now.
        let (far, near) = (self.far, 4 * (4 * LANES) as isize);
        let format = self.p.w.format;
        for (i, g) in self.groups.enumerate() {
            let at = std::array::from_fn(|v| self.strips[v].wrapping_add(self.layout.words(g)));
            let to = self.to.wrapping_add(i * format.group * NV * LANES);
            // SAFETY: the strips have words for the group, and the floats room for it.
            unsafe {
                decode::<S, NV, OTHER, KIND>(
                    s,
                    format.group,
                    &Words { at, far, near },
                    #[inline(always)]
                    |k, q: [S::F; NV]| {
                        for v in 0..NV {
                            s.store(to.add((k * NV + v) * LANES), q[v]);
                        }
                    },
                );
            }
            for v in 0..NV {
                let at = self.strips[v].wrapping_add(self.layout.scales(g));
                let to = self.ends.wrapping_add((2 * i * NV + v) * LANES);
                // SAFETY: the strips have scales for the group, and there is room for them.
                unsafe {
                    let (scale, bias) = block::scales(s, format.scales, self.layout.extra, at);
                    s.store(to, scale);
                    s.store(to.add(NV * LANES), bias);
                }
            }
        }
    }
}

/// How the level without fused steps, and without a mode that flushes, computes them.
#[derive(Clone, Copy, PartialEq)]
enum Steps {
    /// By [`Simd::fma`], as the others.
    Plain,
    /// By [`Simd::fma_short`] where activations meet codes.
    Short,
    /// The same, flushed.
    Flushed,
}

fn steps<S: Simd>(p: &Product) -> Steps {
    match p.dtype {
        Dtype::BF16 if S::LEVEL == Level::Scalar => Steps::Flushed,
        Dtype::F16 if S::LEVEL == Level::Scalar => Steps::Short,
        _ => Steps::Plain,
    }
}

/// `sum + x * code`, fused; the mode that is set, or `how`, decides about subnormals.
#[inline(always)]
fn code_step<S: Simd>(s: S, how: Steps, x: f32, code: S::F, sum: S::F) -> S::F {
    match how {
        Steps::Plain => s.fma(s.splat(x), code, sum),
        Steps::Short => s.fma_short(s.splat(x), code, sum),
        // No code is subnormal, nor is a sum.
        Steps::Flushed => in_software::<S, ShortFlushed>(s, s.splat(flush::flush(x)), code, sum),
    }
}

/// `total + sum * scale`, fused; the mode that is set, or `how`, decides about subnormals.
#[inline(always)]
fn step<S: Simd>(s: S, how: Steps, sum: S::F, scale: S::F, total: S::F) -> S::F {
    if how != Steps::Flushed {
        return s.fma(sum, scale, total);
    }
    // Sums and totals are flushed already.
    let scale = s.from_array(s.to_array(scale).map(flush::flush));
    in_software::<S, LongFlushed>(s, sum, scale, total)
}

/// `a * b + c`, fused.
#[inline(never)]
fn in_software<S: Simd, K: Kind>(s: S, a: S::F, b: S::F, c: S::F) -> S::F {
    s.from_array(fused::<K>(&s.to_array(a), &s.to_array(b), &s.to_array(c)))
}
