//! Codes of any width as bytes, and bytes as floats.
//!
//! Eight codes of `b` bits are `b` bytes, so every eight begin with a byte: they become a word of eight bytes by one `pdep`, and
//! sixty-four of them, with VBMI, by a permutation of bytes and a selection of eight bits eight times per word. What is
//! expanded stays in the first-level cache. A byte becomes a float by being put as it is into the mantissa of a power of two.

use crate::isa::Level;
use crate::simd::Simd;
use std::ops::Range;

/// Bytes that [`expand`] may write behind the last row.
pub(super) const SLACK: usize = 64;

/// The byte of a lane that a code's byte becomes: seven bits have room below the exponent.
pub(in crate::attention) const fn place(bits: usize) -> u32 {
    if bits == 8 { 1 } else { 2 }
}

/// Floats `2^k + code` out of bytes of codes of one width.
#[derive(Clone, Copy)]
pub(super) struct Bytes<S: Simd> {
    place: u32,
    top: S::I,
    /// The power of two.
    pub base: f32,
}

impl<S: Simd> Bytes<S> {
    #[inline(always)]
    pub fn new(s: S, bits: usize) -> Self {
        let place = place(bits);
        let base = (1u32 << (23 - 8 * place)) as f32;
        Bytes { place, top: s.splat_i(base.to_bits() as i32), base }
    }

    /// The codes that are byte `byte` of each lane.
    #[inline(always)]
    pub fn of_words(&self, s: S, words: S::I, byte: u32) -> S::F {
        s.from_bits(s.over_byte(self.top, words, byte, self.place))
    }

    /// Sixteen codes after one another.
    ///
    /// # Safety
    /// There are sixteen bytes.
    #[inline(always)]
    pub unsafe fn at(&self, s: S, from: *const u8) -> S::F {
        // SAFETY: the caller's promise.
        s.from_bits(unsafe { s.over_bytes(self.top, from, self.place) })
    }
}

/// Writes the rows' `dim` codes of `bits` bits as bytes, rows `dim` apart.
///
/// # Safety
/// Rows are readable, `stride` bytes apart, and `to` has room for all of them up to the last, and for [`SLACK`] bytes more. `dim`
/// is a multiple of 16.
pub(super) unsafe fn expand(
    level: Level,
    bits: usize,
    (from, stride): (*const u8, isize),
    rows: Range<usize>,
    dim: usize,
    to: *mut u8,
) {
    // SAFETY: the caller's promise; the machine has the instructions.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            if level == Level::Avx512 && is_x86_feature_detected!("avx512vbmi") {
                return x86::expand64(bits, (from, stride), rows, dim, to);
            }
            if level != Level::Scalar && is_x86_feature_detected!("bmi2") {
                return x86::expand8(bits, (from, stride), rows, dim, to);
            }
        }
        let _ = level;
        by_eights((from, stride), bits, rows, dim, to, |word| {
            (0..8).fold(0, |bytes, i| bytes | (word >> (i * bits) & ((1 << bits) - 1)) << (8 * i))
        });
    }
}

/// [`expand`] by what expands eight codes.
///
/// # Safety
/// As for [`expand`].
#[inline(always)]
unsafe fn by_eights(
    (from, stride): (*const u8, isize),
    bits: usize,
    rows: Range<usize>,
    dim: usize,
    to: *mut u8,
    eight: impl Fn(u64) -> u64,
) {
    let bytes = dim / 8 * bits;
    for row in rows {
        let from = from.wrapping_offset(row as isize * stride);
        for i in 0..dim / 8 {
            // SAFETY: the row has `bytes` bytes, and eight of them may be read where as many are left, or else, if there are as
            // many at all, from earlier on; the caller's promise.
            unsafe {
                let at = i * bits;
                let word = if at + 8 <= bytes {
                    u64::from_le(from.add(at).cast::<u64>().read_unaligned())
                } else if bytes >= 8 {
                    u64::from_le(from.add(bytes - 8).cast::<u64>().read_unaligned()) >> (8 * (at + 8 - bytes))
                } else {
                    let mut word = [0u8; 8];
                    std::ptr::copy_nonoverlapping(from.add(at), word.as_mut_ptr(), bytes - at);
                    u64::from_le_bytes(word)
                };
                to.add(row * dim + 8 * i).cast::<u64>().write_unaligned(eight(word).to_le());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    /// # Safety
    /// As for [`super::expand`], on a machine with BMI2.
    #[target_feature(enable = "bmi2")]
    pub unsafe fn expand8(bits: usize, rows_at: (*const u8, isize), rows: Range<usize>, dim: usize, to: *mut u8) {
        let mask = ((1 << bits) - 1) * 0x0101_0101_0101_0101;
        // SAFETY: the caller's promise.
        unsafe { super::by_eights(rows_at, bits, rows, dim, to, |word| _pdep_u64(word, mask)) }
    }

    /// For every width: the byte from which on each of eight words of eight codes is read.
    static FIRST: [[u8; 64]; 9] = {
        let mut all = [[0; 64]; 9];
        let mut bits = 0;
        while bits < 9 {
            let mut i = 0;
            while i < 64 {
                all[bits][i] = (i / 8 * bits + i % 8) as u8;
                i += 1;
            }
            bits += 1;
        }
        all
    };

    /// # Safety
    /// As for [`super::expand`], on a machine with AVX-512 F, BW, VL and VBMI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub unsafe fn expand64(
        bits: usize,
        (from, stride): (*const u8, isize),
        rows: Range<usize>,
        dim: usize,
        to: *mut u8,
    ) {
        // SAFETY: no byte past a row is read; stores are of 64 bytes, and the next row's or the slack is behind them.
        unsafe {
            let first = _mm512_loadu_si512(FIRST[bits].as_ptr().cast());
            let shifts = (0..8).fold(0u64, |all, i| all | ((i * bits) as u64) << (8 * i));
            let (shifts, mask) = (_mm512_set1_epi64(shifts as i64), _mm512_set1_epi8(((1 << bits) - 1) as i8));
            // Rows without gaps are one.
            let row_bytes = dim / 8 * bits;
            let (rows, codes) = if stride == row_bytes as isize {
                (rows.start..rows.start + 1.min(rows.len()), rows.len() * dim)
            } else {
                (rows, dim)
            };
            for row in rows {
                let (from, to) = (from.wrapping_offset(row as isize * stride), to.add(row * dim));
                macro_rules! some {
                    ($held:expr, $d:expr) => {{
                        let words = _mm512_permutexvar_epi8(first, $held);
                        let bytes = _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, words), mask);
                        _mm512_storeu_si512(to.add($d).cast(), bytes);
                    }};
                }
                let whole = codes / 64;
                if bits <= 4 {
                    // Half a register, which lies in one line more often.
                    let there = u32::MAX >> (32 - 8 * bits);
                    for i in 0..whole {
                        let held = _mm256_maskz_loadu_epi8(there, from.add(8 * i * bits).cast());
                        some!(_mm512_castsi256_si512(held), 64 * i);
                    }
                } else {
                    let there = u64::MAX >> (64 - 8 * bits);
                    for i in 0..whole {
                        some!(_mm512_maskz_loadu_epi8(there, from.add(8 * i * bits).cast()), 64 * i);
                    }
                }
                let left = codes % 64 / 8 * bits;
                if left > 0 {
                    let there = u64::MAX >> (64 - left);
                    some!(_mm512_maskz_loadu_epi8(there, from.add(8 * whole * bits).cast()), 64 * whole);
                }
            }
        }
    }
}
