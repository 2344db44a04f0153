//! Blocks: what the product reads of 16 columns and one group, in one piece.
//!
//! ```text
//! [words of the group][16 lanes] u32     word w of the 16 rows of the matrix
//! then, for bfloat16 scales, [16] u32    scale in the low half, bias in the high half
//! else                      [16] f32 scales, and [16] f32 biases if there are any
//! ```
//!
//! Kept, the blocks of 16 columns lie one after the other in ascending group, strip after strip: a product with one row reads
//! a few sequential streams on 2 MiB pages.

use super::{Matrix, Scales};
use crate::gemm::scratch::Pages;
use crate::par;
use crate::simd::{LANES, Simd};

/// Most codes of a group.
pub(super) const GROUP: usize = 128;
/// Most words of a group.
const WORDS: usize = GROUP * 8 / 32;

/// Room for one block.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Room(pub(super) [i32; (WORDS + 2) * LANES]);

impl Room {
    pub(super) fn new() -> Room {
        Room([0; (WORDS + 2) * LANES])
    }
}

/// 32-bit numbers of a block.
fn size(m: &Matrix) -> usize {
    let scales = if m.format.scales == Scales::Bf16 || m.biases.is_null() { 1 } else { 2 };
    (m.words() + scales) * LANES
}

/// Makes the block of a strip and group. Lanes beyond the last row repeat it.
///
/// # Safety
/// What the matrix describes is readable; `to` is valid for the block.
#[inline(always)]
pub(super) unsafe fn make(m: &Matrix, strip: usize, g: usize, to: *mut i32) {
    let f = m.format;
    let words = m.words();
    for lane in 0..LANES {
        let row = (strip * LANES + lane).min(m.n - 1) as isize;
        let from = m.codes.wrapping_offset(row * m.code_stride).wrapping_add(g * words);
        let at = (row * m.scale_stride + g as isize) * f.scales.size() as isize;
        let bias = (!m.biases.is_null()).then(|| m.biases.wrapping_offset(at));
        let scale = m.scales.wrapping_offset(at);
        // SAFETY: row `row` has a scale (and a bias) and `words` words for group `g`; the block has room.
        unsafe {
            for w in 0..words {
                *to.add(w * LANES + lane) = *from.add(w) as i32;
            }
            let to = to.add(words * LANES + lane);
            if f.scales == Scales::Bf16 {
                let half = |p: *const u8| i32::from(p.cast::<u16>().read_unaligned());
                *to = half(scale) | bias.map_or(0, half) << 16;
            } else {
                *to = f.scales.read(scale).to_bits() as i32;
                if let Some(b) = bias {
                    *to.add(LANES) = f.scales.read(b).to_bits() as i32;
                }
            }
        }
    }
}

/// Scales and biases (zeros if there are none) of a block.
///
/// # Safety
/// `block` is a block of that matrix.
#[inline(always)]
pub(super) unsafe fn scales<S: Simd>(s: S, m: &Matrix, block: *const i32) -> (S::F, S::F) {
    // SAFETY: scales follow the words.
    unsafe {
        let at = block.add(m.words() * LANES);
        if m.format.scales == Scales::Bf16 {
            let pair = s.load_i(at);
            return (s.from_bits(s.shl(pair, 16)), s.from_bits(s.and(pair, s.splat_i(0xffff_0000u32 as i32))));
        }
        let bias = if m.biases.is_null() { s.splat(0.0) } else { s.load(at.add(LANES).cast()) };
        (s.load(at.cast()), bias)
    }
}

/// All blocks of a matrix, kept.
#[derive(Debug)]
pub struct Packed {
    pages: Pages,
    groups: usize,
    size: usize,
    strips: usize,
}

impl Packed {
    /// Makes the blocks of a matrix.
    ///
    /// # Safety
    /// What the matrix describes is readable.
    pub unsafe fn new(m: &Matrix) -> Packed {
        let (groups, strips, size) = (m.k / m.format.group, m.n.div_ceil(LANES), size(m));
        let packed = Packed { pages: Pages::map(4 * groups * strips * size), groups, size, strips };
        let (m, to) = (*m, &packed);
        par::run(strips, |strip| {
            for g in 0..groups {
                // SAFETY: the matrix is the caller's; every block has its own place in the mapping.
                unsafe { make(&m, strip, g, to.block(strip, g).cast_mut()) };
            }
        });
        packed
    }

    /// Bytes that the blocks take.
    pub fn bytes(&self) -> usize {
        4 * self.groups * self.strips * self.size
    }

    #[inline(always)]
    pub(super) fn block(&self, strip: usize, g: usize) -> *const i32 {
        self.pages.ptr::<i32>().wrapping_add((strip * self.groups + g) * self.size)
    }
}
