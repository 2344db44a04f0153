//! A block of keys with AVX2: numbers of sixteen bits by column, and elements out of these.
//!
//! Sixteen codes of `b` bits of a row are `b` numbers of sixteen bits. With a column of such numbers in a register one shift and
//! one mask leave sixteen keys' codes at the top of theirs, and two instructions put them under the upper halves of powers of two.

use super::Codes;
use super::fields::{base, place, tops, under};
use super::words::{Way, by_column, element, room, way_of};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::simd::avx2::{Avx2, F2};
use crate::simd::{LANES, Simd};
use std::arch::x86_64::*;
use std::sync::atomic::{Ordering, compiler_fence};

/// Elements of working memory for [`Keys`].
pub(super) fn keys_room(bits: usize, dim: usize, groups: usize) -> usize {
    dim * bits / 32 * BLOCK + 3 * room(groups)
}

/// A block of keys in room of its own: halves of words, scales and biases by column.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    halves: *const u16,
    scales: *const f32,
    biases: *const f32,
    groups: usize,
    group: usize,
    way: Way,
}

impl Keys {
    /// Reads the block. Asks for the lines `ahead` meanwhile.
    #[inline(always)]
    pub fn read(s: Avx2, codes: &Codes, room: &mut [f32], ahead: &mut Ahead) -> Keys {
        let (bits, groups) = (codes.bits(), codes.groups());
        let (n, each) = (codes.dim * bits / 32 * BLOCK, self::room(groups));
        assert!(room.len() >= keys_room(bits, codes.dim, groups) && (1..=BLOCK).contains(&codes.rows));
        let to = room.as_mut_ptr();
        // SAFETY: there is room for halves, scales and biases, and a place beside them.
        unsafe {
            let from = (codes.words(0).cast::<u8>(), 4 * codes.from.codes.strides[2]);
            columns(from, codes.rows, codes.dim * bits / 16, to.cast(), ahead);
            let (a, b, c) = (to.add(n), to.add(n + each), to.add(n + 2 * each));
            let scales = by_column(s, codes, &codes.from.scales, a, b, 1.0);
            let free = if std::ptr::eq(scales, a) { b } else { a };
            let biases = by_column(s, codes, &codes.from.biases, c, free, 0.0);
            let way = way_of(s, codes, [place(bits); 2], scales, biases, BLOCK * groups);
            Keys { halves: to.cast(), scales, biases, groups, group: codes.group(), way }
        }
    }

    /// Calls `f` with the elements `d` of `16 V` rows from row `first` on, `d` ascending.
    ///
    /// # Safety
    /// The room is as it was read, from codes of `BITS` bits; `first` is a multiple of 16, and `first + 16 V` at most 64.
    #[inline(always)]
    pub unsafe fn decode<const BITS: usize, const V: usize>(
        &self,
        s: Avx2,
        first: usize,
        f: impl FnMut(usize, [F2; V]),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.way {
                Way::Exact => self.decode_by::<BITS, V, true>(s, first, f),
                Way::Steps => self.decode_by::<BITS, V, false>(s, first, f),
            }
        }
    }

    /// [`Keys::decode`] in one of the ways.
    ///
    /// # Safety
    /// As for [`Keys::decode`].
    #[inline(always)]
    unsafe fn decode_by<const BITS: usize, const V: usize, const EXACT: bool>(
        &self,
        s: Avx2,
        first: usize,
        mut f: impl FnMut(usize, [F2; V]),
    ) {
        // SAFETY: the level is the proof of the instructions.
        let (mask, tops) = unsafe { (_mm256_set1_epi16(-1 << place(BITS)), tops(BITS)) };
        let mut at = self.halves.wrapping_add(first);
        for g in 0..self.groups {
            let numbers = g * BLOCK + first;
            let mut add = [s.splat(0.0); V];
            for v in 0..V {
                // SAFETY: the group has 64 scales and biases.
                unsafe {
                    add[v] = s.load(self.biases.add(numbers + LANES * v));
                    if EXACT {
                        add[v] = s.fnma(s.load(self.scales.add(numbers + LANES * v)), s.splat(base(BITS)), add[v]);
                    }
                }
            }
            for d in (g * self.group..(g + 1) * self.group).step_by(LANES) {
                // SAFETY: the group has these columns.
                let column =
                    |half: usize, v: usize| unsafe { _mm256_loadu_si256(at.add(half * BLOCK + LANES * v).cast()) };
                // SAFETY: as above.
                let up = |x, n: usize| unsafe { _mm256_sll_epi16(x, _mm_cvtsi32_si128(n as i32)) };
                let mut held = [tops; V];
                // One code of each row; written out, so that places are constants.
                macro_rules! codes {
                    ($($c:literal)*) => {$({
                        let (half, bit) = ($c * BITS / 16, $c * BITS % 16);
                        let mut x = [add[0]; V];
                        // Scales are read again: there are not registers for all of them.
                        compiler_fence(Ordering::SeqCst);
                        for v in 0..V {
                            if bit == 0 {
                                held[v] = column(half, v);
                            }
                            // SAFETY: as above.
                            unsafe {
                                let code = if bit + BITS > 16 {
                                    let low = _mm_cvtsi32_si128((bit + BITS - 16) as i32);
                                    let low = _mm256_srl_epi16(held[v], low);
                                    held[v] = column(half + 1, v);
                                    _mm256_and_si256(_mm256_or_si256(low, up(held[v], 32 - bit - BITS)), mask)
                                } else if bit == 0 {
                                    up(held[v], 16 - BITS)
                                } else if bit + BITS == 16 {
                                    _mm256_and_si256(held[v], mask)
                                } else {
                                    _mm256_and_si256(up(held[v], 16 - bit - BITS), mask)
                                };
                                let scale = s.load(self.scales.add(numbers + LANES * v));
                                x[v] = element::<Avx2, EXACT>(s, under(tops, code), base(BITS), scale, add[v]);
                            }
                        }
                        f(d + $c, x);
                    })*};
                }
                codes!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                at = at.wrapping_add(BITS * BLOCK);
            }
        }
    }
}

/// `to[h]` = the halves `h` of the words of all rows, 64 of them, those of sixteen rows in the order that [`under`] wants; with the
/// last row's behind it, if there are fewer. Asks for the lines `ahead` meanwhile.
///
/// # Safety
/// `to` has 64 numbers for every half; the rows have as many halves, and lie `stride` bytes apart.
#[inline(always)]
unsafe fn columns((from, stride): (*const u8, isize), rows: usize, halves: usize, to: *mut u16, ahead: &mut Ahead) {
    let lines = ahead.count().div_ceil(BLOCK / LANES * halves.div_ceil(8).max(1));
    for first in (0..BLOCK).step_by(LANES) {
        let row = |j: usize| from.wrapping_offset((first + j).min(rows - 1) as isize * stride);
        if halves < 8 {
            for (place, j) in [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15].into_iter().enumerate() {
                for h in 0..halves {
                    // SAFETY: the caller's promise.
                    unsafe { *to.add(h * BLOCK + first + place) = row(j).cast::<u16>().add(h).read_unaligned() };
                }
            }
            continue;
        }
        let mut h = 0;
        while h < halves {
            // Eight at a time, the last ones once more if fewer are left.
            h = h.min(halves - 8);
            let to = to.wrapping_add(h * BLOCK + first);
            // SAFETY: the caller's promise.
            unsafe {
                if first + LANES <= rows {
                    eight_columns(row(0).add(2 * h), stride, to);
                } else {
                    let mut some = [0u8; 16 * LANES];
                    for (j, some) in some.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                        *some = row(j).add(2 * h).cast::<[u8; 16]>().read();
                    }
                    eight_columns(some.as_ptr(), 16, to);
                }
            }
            ahead.step_near(lines);
            h += 8;
        }
    }
}

/// Eight columns of sixteen rows. Not inlined: a loop would keep the addresses of all rows, for which there are no registers.
///
/// # Safety
/// Rows have sixteen bytes, and lie `stride` bytes apart; `to` has eight rows of 64. The machine must have AVX2.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn eight_columns(from: *const u8, stride: isize, to: *mut u16) {
    // SAFETY: the caller's promise.
    unsafe {
        macro_rules! pair {
            ($j:expr) => {{
                let row = |j: isize| from.wrapping_offset(j * stride).cast();
                let low = _mm256_castsi128_si256(_mm_loadu_si128(row($j)));
                _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(row($j + 4)))
            }};
        }
        // Each round moves one bit of the row's number into the lane.
        macro_rules! four {
            ($first:expr) => {{
                let (a, b, c, d) = (pair!($first), pair!($first + 1), pair!($first + 2), pair!($first + 3));
                let (ab, cd) = (_mm256_unpacklo_epi16(a, b), _mm256_unpacklo_epi16(c, d));
                let (ab2, cd2) = (_mm256_unpackhi_epi16(a, b), _mm256_unpackhi_epi16(c, d));
                [
                    _mm256_unpacklo_epi32(ab, cd),
                    _mm256_unpackhi_epi32(ab, cd),
                    _mm256_unpacklo_epi32(ab2, cd2),
                    _mm256_unpackhi_epi32(ab2, cd2),
                ]
            }};
        }
        let (x, y) = (four!(0), four!(8));
        for i in 0..4 {
            let to = to.add(2 * i * BLOCK);
            _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi64(x[i], y[i]));
            _mm256_storeu_si256(to.add(BLOCK).cast(), _mm256_unpackhi_epi64(x[i], y[i]));
        }
    }
}
