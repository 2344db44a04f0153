//! Blocks: 16 columns and 256 k (whole groups) of a quantized matrix, as the product reads them.
//!
//! ```text
//! [words of the groups][16 lanes] u32        word w of 16 rows of the matrix, group after group
//! then, for bfloat16 scales, [groups][16] u32    scale in the low half, bias in the high half
//! else                       [groups][16] f32 scales, each followed by [16] f32 biases if there are any
//! ```
//!
//! The blocks of 16 columns (a strip) lie one after the other in ascending k, strip after strip: a product with one row reads
//! a few sequential streams, on 2 MiB pages if the blocks are kept.
//!
//! Making them is a transposition: 16x16 words, and 16x16 scales, in registers. Cost: about that of copying the matrix.

use super::{Matrix, Scales};
use crate::gemm::scratch::Pages;
use crate::isa;
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};
use crate::transpose16::{copy_transposed, transpose16};

/// Codes of a full block, per column: a multiple of every group.
pub(super) const SPAN: usize = 256;

/// Where things lie in the blocks of a strip, in 32-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Words of a group.
    words: usize,
    /// Vectors of scales (and biases) of a group.
    pub(super) extra: usize,
    /// Groups of a strip.
    groups: usize,
    /// Groups of a full block.
    per: usize,
}

impl Layout {
    pub(super) fn of(m: &Matrix) -> Layout {
        let extra = if m.format.scales == Scales::Bf16 || m.biases.is_null() { 1 } else { 2 };
        Layout { words: m.words(), extra, groups: m.k / m.format.group, per: SPAN / m.format.group }
    }

    /// Numbers of a strip.
    #[inline(always)]
    pub(super) fn strip(&self) -> usize {
        self.groups * (self.words + self.extra) * LANES
    }

    /// Bytes of a group.
    #[inline(always)]
    pub(super) fn bytes(&self) -> usize {
        4 * (self.words + self.extra) * LANES
    }

    /// Blocks of a strip.
    pub(super) fn blocks(&self) -> usize {
        self.groups.div_ceil(self.per)
    }

    /// Groups of block `b`.
    #[inline(always)]
    pub(super) fn groups(&self, b: usize) -> std::ops::Range<usize> {
        b * self.per..self.groups.min((b + 1) * self.per)
    }

    /// Start of block `b`.
    #[inline(always)]
    fn block(&self, b: usize) -> usize {
        b * self.per * (self.words + self.extra) * LANES
    }

    /// The words of group `g`.
    #[inline(always)]
    pub(super) fn words(&self, g: usize) -> usize {
        self.block(g / self.per) + g % self.per * self.words * LANES
    }

    /// The scales of group `g`.
    #[inline(always)]
    pub(super) fn scales(&self, g: usize) -> usize {
        let b = g / self.per;
        self.block(b) + (self.groups(b).len() * self.words + g % self.per * self.extra) * LANES
    }
}

/// Makes the blocks of a strip. Lanes beyond the last row repeat it.
pub(super) struct Make<'a> {
    pub(super) m: &'a Matrix,
    pub(super) layout: Layout,
    pub(super) strip: usize,
    /// Valid for the blocks of the strip; what the matrix describes is readable.
    pub(super) to: *mut i32,
}

impl Kernel for Make<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let l = self.layout;
        for b in 0..l.blocks() {
            let words = l.groups(b).len() * l.words;
            let to = self.to.wrapping_add(l.block(b));
            for first in (0..words).step_by(LANES) {
                let at = b * l.per * l.words + first;
                // SAFETY: every row has words for every group; the block has `words` vectors of them.
                unsafe { self.words(s, at, LANES.min(words - first), to.wrapping_add(first * LANES)) };
            }
        }
        for first in (0..l.groups).step_by(LANES) {
            // SAFETY: every row has a scale (and a bias) for every group.
            unsafe { self.scales(s, first, LANES.min(l.groups - first)) };
        }
    }
}

impl Make<'_> {
    fn row(&self, lane: usize) -> isize {
        (self.strip * LANES + lane).min(self.m.n - 1) as isize
    }

    /// Words `at .. at + count` of every row, as vectors.
    ///
    /// # Safety
    /// The rows have these words; `to` has room for `count` vectors.
    #[inline(always)]
    unsafe fn words<S: Simd>(&self, s: S, at: usize, count: usize, to: *mut i32) {
        let m = self.m;
        // SAFETY: the caller's promise.
        unsafe {
            if count == LANES && (self.strip + 1) * LANES <= m.n {
                let from = m.codes.wrapping_offset(self.row(0) * m.code_stride).wrapping_add(at);
                return copy_transposed::<S, false>(s, from.cast(), 4 * m.code_stride, to.cast(), LANES);
            }
            let mut rows = [s.splat(0.0); LANES];
            for lane in 0..LANES {
                let from = m.codes.wrapping_offset(self.row(lane) * m.code_stride).wrapping_add(at);
                rows[lane] = s.load_n(from.cast(), count, 0.0);
            }
            let columns = transpose16(s, rows);
            for i in 0..count {
                s.store(to.cast::<f32>().add(i * LANES), columns[i]);
            }
        }
    }

    /// Scales and biases of groups `first .. first + count`.
    ///
    /// # Safety
    /// The rows have these groups.
    #[inline(always)]
    unsafe fn scales<S: Simd>(&self, s: S, first: usize, count: usize) {
        let (m, kind, l) = (self.m, self.m.format.scales, self.layout);
        let (mut scales, mut biases) = ([s.splat(0.0); LANES], [s.splat(0.0); LANES]);
        for lane in 0..LANES {
            let at = (self.row(lane) * m.scale_stride + first as isize) * kind.size() as isize;
            // SAFETY: the caller's promise.
            unsafe {
                scales[lane] = read(s, kind, m.scales.wrapping_offset(at), count);
                if !m.biases.is_null() {
                    biases[lane] = read(s, kind, m.biases.wrapping_offset(at), count);
                }
            }
            if kind == Scales::Bf16 {
                let pair = s.or(s.shr(s.to_bits(scales[lane]), 16), s.to_bits(biases[lane]));
                scales[lane] = s.from_bits(pair);
            }
        }
        let columns = transpose16(s, scales);
        for i in 0..count {
            // SAFETY: the strip has room for every group's scales.
            unsafe { s.store(self.to.wrapping_add(l.scales(first + i)).cast(), columns[i]) };
        }
        if l.extra == 2 {
            let columns = transpose16(s, biases);
            for i in 0..count {
                // SAFETY: as above; biases follow the scales.
                unsafe { s.store(self.to.wrapping_add(l.scales(first + i) + LANES).cast(), columns[i]) };
            }
        }
    }
}

/// The first `count` scales of a row in single precision.
///
/// # Safety
/// `p` is valid for reads of that many.
#[inline(always)]
unsafe fn read<S: Simd>(s: S, kind: Scales, p: *const u8, count: usize) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            Scales::Bf16 => s.load_bf16_n(p.cast(), count),
            Scales::F16 => s.load_f16_n(p.cast(), count),
            Scales::F32 => s.load_n(p.cast(), count, 0.0),
            Scales::F64 | Scales::E8m0 | Scales::E4m3 => {
                let mut list = [0f32; LANES];
                for i in 0..count {
                    list[i] = kind.read(p.add(i * kind.size()));
                }
                s.from_array(list)
            }
        }
    }
}

/// Scales and biases (zeros if there are none) of a group.
///
/// # Safety
/// `at` points at the group's scales in a block whose scales are of that kind, with biases or without.
#[inline(always)]
pub(super) unsafe fn scales<S: Simd>(s: S, kind: Scales, extra: usize, at: *const i32) -> (S::F, S::F) {
    // SAFETY: the caller's promise.
    unsafe {
        if kind == Scales::Bf16 {
            let pair = s.load_i(at);
            return (s.from_bits(s.shl(pair, 16)), s.from_bits(s.and(pair, s.splat_i(0xffff_0000u32 as i32))));
        }
        let bias = if extra == 1 { s.splat(0.0) } else { s.load(at.add(LANES).cast()) };
        (s.load(at.cast()), bias)
    }
}

/// All blocks of a matrix, kept.
#[derive(Debug)]
pub struct Packed {
    pages: Pages,
    layout: Layout,
    strips: usize,
}

impl Packed {
    /// Makes the blocks of a matrix.
    ///
    /// # Safety
    /// What the matrix describes is readable.
    pub unsafe fn new(m: &Matrix) -> Packed {
        let (layout, strips) = (Layout::of(m), m.n.div_ceil(LANES));
        let packed = Packed { pages: Pages::map(4 * strips * layout.strip()), layout, strips };
        let (m, to, level) = (*m, &packed, isa::level());
        par::run(strips, |strip| {
            // Every strip has its own place in the mapping; the matrix is the caller's.
            simd::dispatch_at(level, Make { m: &m, layout, strip, to: to.strip(strip).cast_mut() });
        });
        packed
    }

    /// Bytes that the blocks take.
    pub fn bytes(&self) -> usize {
        4 * self.strips * self.layout.strip()
    }

    /// The blocks of a strip.
    #[inline(always)]
    pub(super) fn strip(&self, strip: usize) -> *const i32 {
        self.pages.ptr::<i32>().wrapping_add(strip * self.layout.strip())
    }
}
