//! `y = x @ w.T` with activations rounded to eight bits: an opt-in mode with numbers of its own.
//!
//! ```text
//! per row and run of 32 k (16 if groups are of 16):
//!     a = max |x|; d = a / 127; q = nearest even of x * (127 / a), an integer of -127..=127
//!     (a below 2^-100: d = 0, q = 0; a not finite: d = NaN, q = 0)
//! per group:         xsum = 0; per run: xsum = fma(d, sum of q, xsum)
//! per output:        total = +0; per run: total = fma(sum of code * q, scale * d, total), the sum an exact integer
//!                    after each group, with biases: total = fma(xsum, bias, total)
//! ```
//!
//! A code is an integer: the unsigned number, or twice an E2M1 value, and then `d` counts half. E4M3 values are no multiples
//! of one step and have no such mode. Nothing else influences a bit: not m, n, strides, tiles, threads or the instruction
//! set. Subnormals are kept.
//!
//! ```text
//! round x (rounding.rs)
//! per task, some strips of 16 columns: blocks of w, kept or made here
//!   one row:   codes straight from the words, four to a 32-bit lane, as VPDPBUSD (or VPMADDUBSW) takes them
//!   more rows: per 512 k: codes to bytes, once for all rows (codes.rs); per panel of rows: a tile of totals (tile.rs)
//! ```
//!
//! 1. The bytes of x are stored in the order in which shifts and masks bring the codes out of their words.
//! 2. E2M1 codes are looked up as `2 * value + 12`, which is unsigned; the sum starts at `-12 * sum of q`.
//! 3. AVX2 without `VPDPBUSD` adds pairs of products in 16 bits first (pairs.rs).
//! 4. The rounded rows of 512 k and the totals of 128 columns stay in the second-level cache, the bytes of the codes in the
//!    first. One panel alone takes each strip to its end, so that the blocks are read as one stream.
//!
//! Cost per 32 k, 16 columns and row: 8 dot products, 1 conversion, 1 multiplication, 1 fused step.

mod codes;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod rounding;
mod tile;

use super::block::{Layout, Make};
use super::product::Product;
use super::rooms::Rooms;
use super::{Codes, Format};
use crate::gemm::scratch::Scratch;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::{self, LANES};
use codes::Fill;
use rounding::{Pack, Rounded};
use tile::{OneRow, Tile};

/// Set by a test of what machines without `VPDPBUSD` use.
#[cfg(feature = "self-test")]
pub(super) static NO_VNNI: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Strips of a task of more than one row.
const TASK: usize = 8;
/// Strips of a task of one row, at most.
const LONG_TASK: usize = 32;
/// Codes that are bytes at a time, per column: a multiple of every group.
const CODES: usize = 512;
/// Rows whose totals stay in the second-level cache.
const ROWS: usize = 1024;

/// Rows of the largest panel.
fn most_rows(level: Level) -> usize {
    match level {
        Level::Avx512 => 12,
        Level::Avx2 => 6,
        _ => 2,
    }
}

/// Whether a format has this mode: its codes are, or are half of, integers of eight bits.
pub fn has_int8(format: Format) -> bool {
    match format.codes {
        Codes::Unsigned => matches!(format.bits, 2..=6 | 8) && format.group.is_multiple_of(32),
        Codes::E2m1 => format.bits == 4 && format.group.is_multiple_of(16),
        Codes::E4m3 => false,
    }
}

/// Activations that share a scale.
fn span(format: Format) -> usize {
    if format.group.is_multiple_of(32) { 32 } else { 16 }
}

/// One product, laid out.
#[derive(Clone, Copy)]
struct Job<'a> {
    p: Product<'a>,
    layout: Layout,
    x: Rounded,
    /// Whether pairs of products are added in 16 bits.
    #[cfg(target_arch = "x86_64")]
    pairs: bool,
    /// Strips of a task.
    width: usize,
    /// Tasks, and panels, of the jobs before this one.
    before: usize,
    panels_before: usize,
    /// The first kept block of the job after it, or null.
    next: *const i32,
}

// SAFETY: what it points at is only read, but for the output, of which tasks write disjoint columns.
unsafe impl Sync for Job<'_> {}

/// The product with rounded activations; the format must have the mode ([`has_int8`]).
///
/// # Safety
/// As for [`super::product`].
pub unsafe fn product_int8(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { products_int8(std::slice::from_ref(p)) }
}

/// Several such products, side by side.
///
/// # Safety
/// As for [`super::products`].
pub unsafe fn products_int8(all: &[Product]) {
    let level = isa::level();
    let parts = all.iter().flat_map(|p| (0..p.m).step_by(ROWS).map(move |first| part(p, first, ROWS.min(p.m - first))));
    let parts: Vec<Product> = parts.filter(|p| p.m > 0 && p.w.n > 0).collect();
    let digits = |p: &Product| digits(level, p.w.format);
    let rooms = Rooms::of(&parts.iter().map(|p| Rounded::size(p, digits(p))).collect::<Vec<_>>());
    let (mut tasks, mut panels) = (0, 0);
    let mut jobs = Vec::with_capacity(parts.len());
    let all_strips: usize = parts.iter().map(|p| p.w.n.div_ceil(LANES)).sum();
    for (i, p) in parts.into_iter().enumerate() {
        assert!(has_int8(p.w.format), "no eight-bit activations for {:?}", p.w.format);
        // Without a place of its own it gets one when a task rounds it.
        let place = rooms.place(i).unwrap_or(std::ptr::null_mut());
        let x = Rounded::new(&p, p.m.div_ceil(most_rows(level)), digits(&p), place);
        let even = all_strips / (4 * par::threads()) / TASK * TASK;
        let width = if p.m == 1 { even.clamp(TASK, LONG_TASK) } else { TASK };
        let (layout, next) = (Layout::of(&p.w), std::ptr::null());
        jobs.push(Job {
            layout,
            x,
            #[cfg(target_arch = "x86_64")]
            pairs: pairs::takes(level),
            width,
            before: tasks,
            panels_before: panels,
            next,
            p,
        });
        tasks += p.w.n.div_ceil(LANES).div_ceil(width);
        panels += x.panels;
    }
    for i in 1..jobs.len() {
        jobs[i - 1].next = jobs[i].p.kept.map_or(std::ptr::null(), |kept| kept.strip(0));
    }
    let pack = |job: &Job, panel: usize| simd::dispatch_at(level, Pack { p: &job.p, x: job.x, panel });
    let pack_any = |i: usize| {
        let job = &jobs[jobs.partition_point(|j| j.panels_before <= i) - 1];
        pack(job, i - job.panels_before);
    };
    // A fork costs as much as rounding some thousand elements.
    if rooms.place(0).is_some() && jobs.iter().map(|j| j.p.m * j.p.w.k).sum::<usize>() < 1 << 15 {
        (0..panels).for_each(pack_any)
    } else if rooms.place(0).is_some() {
        par::run(panels, pack_any)
    }
    par::run_sliced(tasks, |i| {
        let index = jobs.partition_point(|j| j.before <= i) - 1;
        let job = &jobs[index];
        // SAFETY: the caller's promise; tasks have columns of their own.
        let run = |job: &Job| unsafe { job.task(level, (i - job.before) * job.width) };
        if rooms.place(index).is_some() {
            return run(job);
        }
        let at = |room| Job { x: job.x.at_place(&job.p, room), ..*job };
        let fill = |room| {
            let job = at(room);
            (0..job.x.panels).for_each(|panel| pack(&job, panel));
        };
        rooms.with(index, fill, |room| run(&at(room)));
    });
}

/// Bytes of an activation.
fn digits(_level: Level, _format: Format) -> usize {
    #[cfg(target_arch = "x86_64")]
    if pairs::takes(_level) {
        return pairs::digits(_format.bits);
    }
    1
}

/// Some of a product's rows.
fn part<'a>(p: &Product<'a>, first: usize, m: usize) -> Product<'a> {
    let size = p.dtype.size() as isize;
    match p.rows {
        Some(rows) => Product { m, rows: Some(&rows[first..]), ..*p },
        None => Product {
            m,
            x: p.x.wrapping_offset(first as isize * p.x_stride * size),
            out: p.out.wrapping_offset(first as isize * p.out_stride * size),
            ..*p
        },
    }
}

/// Strips that a kernel takes at a time.
fn strips(level: Level, rows: usize) -> usize {
    match (level, rows) {
        (Level::Avx512, 1) => 8,
        (Level::Avx512, 2) => 4,
        (Level::Avx512, 3..=6) => 2,
        (Level::Avx2, 1) => 4,
        (_, 1) => 2,
        _ => 1,
    }
}

impl Job<'_> {
    /// All rows times the strips of one task.
    ///
    /// # Safety
    /// As for [`super::product`].
    unsafe fn task(&self, level: Level, first: usize) {
        let (p, l) = (&self.p, &self.layout);
        let count = self.width.min(p.w.n.div_ceil(LANES) - first);
        let room = p.kept.is_none().then(|| Scratch::take::<i32>(count * l.strip()));
        let mut blocks = [std::ptr::null(); LONG_TASK];
        for i in 0..count.next_multiple_of(TASK) {
            // Strips beyond the last are the last again; they are not stored.
            let j = i.min(count - 1);
            blocks[i] = match (&room, p.kept) {
                (Some(room), _) => room.ptr::<i32>().wrapping_add(j * l.strip()).cast_const(),
                (None, Some(kept)) => kept.strip(first + j),
                (None, None) => unreachable!("blocks are kept or made"),
            };
            if room.is_some() && i == j {
                let make = Make { m: &p.w, layout: *l, strip: first + i, to: blocks[i].cast_mut() };
                simd::dispatch_at(level, make);
            }
        }
        let nv = strips(level, self.x.rows(0).1);
        if p.m > 1 {
            // SAFETY: the caller's promise; the blocks are those of the strips.
            return unsafe { self.rows(level, first, count, nv, &blocks) };
        }
        for at in (0..count).step_by(nv) {
            let mut totals = [0f32; TASK * LANES];
            let next = match p.kept {
                _ if at + nv < count => blocks[at + nv],
                Some(kept) if first + count < p.w.n.div_ceil(LANES) => kept.strip(first + count),
                Some(_) => self.next,
                None => std::ptr::null(),
            };
            let strips = &blocks[at..];
            self.one_row(level, OneRow { p, layout: *l, strips, x: &self.x, totals: &mut totals, next });
            // SAFETY: the kernel's totals; the output is the caller's.
            unsafe { p.store(0, first + at, totals.as_ptr(), nv * LANES) };
        }
    }

    /// All rows, `nv` strips at a time.
    ///
    /// # Safety
    /// As for [`super::product`]; `blocks` are strips' blocks.
    unsafe fn rows(&self, level: Level, first: usize, count: usize, nv: usize, blocks: &[*const i32]) {
        let (p, l, x) = (&self.p, &self.layout, &self.x);
        let (group, width) = (p.w.format.group, nv * LANES);
        let (groups, per) = (p.w.k / group, CODES / group);
        let (parts, chunks) = (count.div_ceil(nv), groups.div_ceil(per));
        let room = Scratch::take::<f32>(parts * p.m * width + CODES / 4 * width + per * 2 * width);
        let totals = room.ptr::<f32>();
        let scales = totals.wrapping_add(parts * p.m * width);
        let codes = scales.wrapping_add(per * 2 * width).cast::<i32>();
        // SAFETY: the scratch has that many elements.
        unsafe { std::ptr::write_bytes(totals, 0, parts * p.m * width) };
        for i in 0..parts * chunks {
            let (part, chunk) = if x.panels == 1 { (i / chunks, i % chunks) } else { (i % parts, i / parts) };
            let at = chunk * per;
            let groups = at..groups.min(at + per);
            let tile = Tile {
                codes,
                scales,
                groups: groups.len(),
                spans: group / x.span,
                pieces: x.span / rounding::PIECE,
                x: x.from(0, at * group),
                totals,
            };
            simd::dispatch_at(level, Fill { p, layout: *l, strips: &blocks[part * nv..][..nv], groups, codes, scales });
            for panel in 0..x.panels {
                let (start, rows) = x.rows(panel);
                let totals = totals.wrapping_add((part * p.m + start) * width);
                self.tile(level, nv, rows, Tile { x: x.from(panel, at * group), totals, ..tile });
            }
        }
        for part in 0..parts {
            for m in 0..p.m {
                let at = totals.wrapping_add((part * p.m + m) * width);
                // SAFETY: row `m` of the part's totals; the output is the caller's.
                unsafe { p.store(m, first + part * nv, at, width) };
            }
        }
    }

    fn one_row(&self, level: Level, row: OneRow) {
        #[cfg(target_arch = "x86_64")]
        if self.pairs {
            // SAFETY: the level in force is one that the machine has.
            return unsafe { pairs::one_row(row) };
        }
        tile::one_row(level, row);
    }

    fn tile(&self, level: Level, nv: usize, rows: usize, t: Tile) {
        #[cfg(target_arch = "x86_64")]
        if self.pairs {
            // SAFETY: the level in force is one that the machine has.
            return unsafe { pairs::tile(self.p.w.format, rows, &t) };
        }
        tile::tile(level, &self.p, nv, rows, t);
    }
}
