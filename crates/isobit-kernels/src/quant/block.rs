//! Blocks: 16 columns and 256 k (whole groups) of a quantized matrix, as the product reads them.
//!
//! ```text
//! [words of the groups][16 lanes] u32        word w of 16 rows of the matrix, group after group
//! then [groups], by kind of scale:
//!     bfloat16 scales          [16] u32      scale in the low half, bias in the high half
//!     scales of a byte         [16] bfloat16 which hold them exactly
//!     half-precision scales    [16] f16      each followed by [16] biases if there are any
//!     single-precision scales  [16] f32      the same
//! ```
//!
//! Words are as in the matrix (its file layout) but for some kinds of codes, for which decoding is cheaper so:
//!
//! ```text
//! 6 bits: 16 codes in 3 words: the first 12 in the low bits of a byte each; of the last 4 two bits above each of those
//! 3 bits: the same, with two codes for each of 6 bits
//! 5 bits: 32 codes in 5 words: the first 20 in the low bits of a byte each; the last 12 above them in parts (decode::FIVE)
//! E4M3:   the second and the third byte of a word exchanged; where a code is NaN, the scale is NaN
//! ```
//!
//! The blocks of 16 columns (a strip) lie one after the other in ascending k, strip after strip: a product with one row reads
//! a few sequential streams, on 2 MiB pages if the blocks are kept.
//!
//! Making them is a transposition: 16x16 words, and 16x16 scales, in registers. Cost: about that of copying the matrix.

use super::decode::{self, FIVE, Part, SIX};
use super::{Codes, Matrix, Scales};
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
    /// Words of a group, of 16 rows.
    words: usize,
    /// Scales (and biases) of a group.
    pub(super) extra: usize,
    /// Groups of a strip.
    groups: usize,
    /// Groups of a full block.
    per: usize,
}

impl Layout {
    pub(super) fn of(m: &Matrix) -> Layout {
        let both = if m.biases.is_null() { 1 } else { 2 };
        let extra = match m.format.scales {
            Scales::Bf16 => LANES,
            Scales::E8m0 | Scales::E4m3 | Scales::F16 => both * LANES / 2,
            Scales::F32 | Scales::F64 => both * LANES,
        };
        let per = SPAN / m.format.group;
        Layout { words: m.words() * LANES, extra, groups: m.k / m.format.group, per }
    }

    /// Numbers of a strip: whole cache lines.
    #[inline(always)]
    pub(super) fn strip(&self) -> usize {
        (self.groups * (self.words + self.extra)).next_multiple_of(LANES)
    }

    /// Bytes of a group.
    #[inline(always)]
    pub(super) fn bytes(&self) -> usize {
        4 * (self.words + self.extra)
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
    pub(super) fn block(&self, b: usize) -> usize {
        b * self.per * (self.words + self.extra)
    }

    /// Bytes from group `g` to the same place of the next block, if there is one.
    #[inline(always)]
    pub(super) fn far(&self, g: usize) -> Option<isize> {
        (g / self.per + 1 < self.blocks()).then(|| 4 * self.block(1) as isize)
    }

    /// Start of the last block.
    #[inline(always)]
    pub(super) fn last_block(&self) -> usize {
        self.block(self.blocks() - 1)
    }

    /// The words of group `g`.
    #[inline(always)]
    pub(super) fn words(&self, g: usize) -> usize {
        self.block(g / self.per) + g % self.per * self.words
    }

    /// The scales of group `g`.
    #[inline(always)]
    pub(super) fn scales(&self, g: usize) -> usize {
        let b = g / self.per;
        self.block(b) + self.groups(b).len() * self.words + g % self.per * self.extra
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
            let words = l.groups(b).len() * l.words / LANES;
            let to = self.to.wrapping_add(l.block(b));
            for first in (0..words).step_by(LANES) {
                let at = b * l.per * l.words / LANES + first;
                // SAFETY: every row has words for every group; the block has `words` vectors of them.
                unsafe { self.words(s, at, LANES.min(words - first), to.wrapping_add(first * LANES)) };
            }
            // SAFETY: these are the block's words; the kinds that are arranged anew have whole units of them.
            unsafe { arrange(s, decode::kind(self.m.format), to, words) };
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
            let mut scale = columns[i];
            if m.format.codes == Codes::E4m3 {
                // SAFETY: the words of the group have been written.
                let nan = unsafe { has_nan(s, self.to.wrapping_add(l.words(first + i)), l.words) };
                scale = s.select(nan, s.splat(f32::NAN), scale);
            }
            // SAFETY: the strip has room for every group's scales.
            unsafe { write(s, kind, self.to.wrapping_add(l.scales(first + i)), 0, scale) };
        }
        if kind != Scales::Bf16 && !m.biases.is_null() {
            let columns = transpose16(s, biases);
            for i in 0..count {
                // SAFETY: as above; biases follow the scales.
                unsafe { write(s, kind, self.to.wrapping_add(l.scales(first + i)), 1, columns[i]) };
            }
        }
    }
}

/// Arranges `count` vectors of words as [`decode`] wants them.
///
/// # Safety
/// `words` is valid for them; they are whole units.
#[inline(always)]
unsafe fn arrange<S: Simd>(s: S, kind: usize, words: *mut i32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            3 | 6 => (0..count).step_by(3).for_each(
                #[inline(always)]
                |w| fields::<S, 3, 6>(s, words.add(w * LANES), &[&SIX]),
            ),
            5 => (0..count).step_by(5).for_each(
                #[inline(always)]
                |w| fields::<S, 5, 5>(s, words.add(w * LANES), &[&FIVE.0, &FIVE.1, &FIVE.2]),
            ),
            decode::E4M3 => (0..count).for_each(
                #[inline(always)]
                |w| {
                    let at = words.add(w * LANES);
                    let q = s.load_i(at);
                    let ends = s.and(q, s.splat_i(0xff00_00ff_u32 as i32));
                    let up = s.and(s.shl(q, 8), s.splat_i(0x00ff_0000));
                    let down = s.and(s.shr(q, 8), s.splat_i(0xff00));
                    s.store_i(at, s.or(ends, s.or(up, down)));
                },
            ),
            _ => {}
        }
    }
}

/// Arranges one unit of `WORDS` vectors with fields of `BITS` bits: one at the low end of each byte, the others in parts
/// above them.
///
/// # Safety
/// `words` is valid for the unit.
#[inline(always)]
unsafe fn fields<S: Simd, const WORDS: usize, const BITS: usize>(s: S, words: *mut i32, rest: &[&[Part]]) {
    let mut from = [s.splat_i(0); WORDS];
    for w in 0..WORDS {
        // SAFETY: the caller's promise.
        from[w] = unsafe { s.load_i(words.add(w * LANES)) };
    }
    let mut to = [s.splat_i(0); WORDS];
    for w in 0..WORDS {
        to[w] = four::<S, WORDS, BITS>(s, &from, 4 * w);
    }
    for (i, parts) in rest.iter().enumerate() {
        let q = four::<S, WORDS, BITS>(s, &from, 4 * (WORDS + i));
        let mut below = 0;
        for &(w, shift, upto) in *parts {
            to[w] = s.or(to[w], s.shl(s.and(q, s.splat_i(upto & !below)), shift));
            below = upto;
        }
    }
    for w in 0..WORDS {
        // SAFETY: the caller's promise.
        unsafe { s.store_i(words.add(w * LANES), to[w]) };
    }
}

/// Fields `first .. first + 4`, one in the low bits of each byte.
#[inline(always)]
fn four<S: Simd, const WORDS: usize, const BITS: usize>(s: S, from: &[S::I; WORDS], first: usize) -> S::I {
    let mask = s.splat_i((1 << BITS) - 1);
    let mut q = s.splat_i(0);
    for b in 0..4 {
        let (w, shift) = ((first + b) * BITS / 32, ((first + b) * BITS % 32) as u32);
        let mut field = s.shr(from[w], shift);
        if shift as usize + BITS > 32 {
            field = s.or(field, s.shl(from[w + 1], 32 - shift));
        }
        q = s.or(q, s.shl(s.and(field, mask), 8 * b as u32));
    }
    q
}

/// Whether a lane of `len` numbers of a group has an E4M3 code that is NaN.
///
/// # Safety
/// `words` is valid for them.
#[inline(always)]
unsafe fn has_nan<S: Simd>(s: S, words: *const i32, len: usize) -> S::M {
    let mut found = s.splat_i(0);
    for w in (0..len).step_by(LANES) {
        // SAFETY: the caller's promise.
        let q = unsafe { s.load_i(words.add(w)) };
        found = s.or(found, s.add_i(s.and(q, s.splat_i(0x7f7f_7f7f)), s.splat_i(0x0101_0101)));
    }
    s.not_m(s.eq_i(s.and(found, s.splat_i(0x8080_8080_u32 as i32)), s.splat_i(0)))
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

/// Writes vector `i` of a group's scales and biases.
///
/// # Safety
/// `at` points at the group's scales in a block of that kind.
#[inline(always)]
unsafe fn write<S: Simd>(s: S, kind: Scales, at: *mut i32, i: usize, x: S::F) {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            Scales::E8m0 | Scales::E4m3 => s.store_bf16(at.cast::<u16>().add(i * LANES), x),
            Scales::F16 => s.store_f16(at.cast::<u16>().add(i * LANES), x),
            // Pairs of bfloat16 were put together before.
            Scales::Bf16 | Scales::F32 | Scales::F64 => s.store(at.cast::<f32>().add(i * LANES), x),
        }
    }
}

/// Scales and biases (zeros if there are none) of a group.
///
/// # Safety
/// `at` points at the group's scales in a block whose scales are of that kind, with biases or without.
#[inline(always)]
pub(super) unsafe fn scales<S: Simd>(s: S, kind: Scales, extra: usize, at: *const i32) -> (S::F, S::F) {
    let half = at.cast::<u16>();
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            Scales::Bf16 => {
                let pair = s.load_i(at);
                (s.from_bits(s.shl(pair, 16)), s.from_bits(s.and(pair, s.splat_i(0xffff_0000u32 as i32))))
            }
            Scales::E8m0 | Scales::E4m3 => (s.load_bf16(half), s.splat(0.0)),
            Scales::F16 if extra < LANES => (s.load_f16(half), s.splat(0.0)),
            Scales::F16 => (s.load_f16(half), s.load_f16(half.add(LANES))),
            Scales::F32 | Scales::F64 if extra == LANES => (s.load(at.cast()), s.splat(0.0)),
            Scales::F32 | Scales::F64 => (s.load(at.cast()), s.load(at.add(LANES).cast())),
        }
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
