//! Codes of a row as elements with AVX2: what [`values`](super::values) makes of them, without bytes in between.
//!
//! Elements of two and three bits are looked up ([`Eighths`]): a lookup of eight sees three bits of a lane, whatever is above them.
//! Longer codes become the upper bits of numbers of sixteen bits, which the upper halves of powers of two make floats ([`Fields`]).

use super::values::Kind;
use super::words::element;
use crate::simd::Simd;
use crate::simd::avx2::{Avx2, F2};
use std::arch::x86_64::*;

/// Lookups of the elements of all eight codes of a group, or of all four twice. With `SHORT` scales have so few bits that products
/// with codes are exact, and are no great numbers.
#[derive(Clone, Copy)]
pub(super) struct Eighths<const BITS: usize, const SHORT: bool> {
    codes: __m256,
    turn: [__m256i; 2],
}

impl<const BITS: usize, const SHORT: bool> Eighths<BITS, SHORT> {
    /// The byte, behind the first, from which on the second eight of sixteen codes are read.
    const SECOND: usize = if BITS == 2 { 0 } else { 2 };

    #[inline(always)]
    pub fn new(_: Avx2) -> Self {
        let (mut codes, mut turn) = ([0f32; 8], [[0i32; 8]; 2]);
        for i in 0..8 {
            codes[i] = (i % (1 << BITS)) as f32;
            turn[0][i] = (BITS * i) as i32;
            turn[1][i] = (BITS * (8 + i) - 8 * Self::SECOND) as i32;
        }
        // SAFETY: the arrays have eight numbers; the argument is the proof that the machine has the instructions.
        unsafe {
            let turn = [_mm256_loadu_si256(turn[0].as_ptr().cast()), _mm256_loadu_si256(turn[1].as_ptr().cast())];
            Eighths { codes: _mm256_loadu_ps(codes.as_ptr()), turn }
        }
    }
}

impl<const BITS: usize, const SHORT: bool> Kind<Avx2> for Eighths<BITS, SHORT> {
    const ADDS: usize = 1;
    const MOST: usize = if SHORT { 8 } else { 2 };
    type Numbers = __m256;
    #[inline(always)]
    fn at(vector: usize) -> usize {
        2 * BITS * vector
    }
    #[inline(always)]
    unsafe fn numbers(&self, _: Avx2, scale: *const f32, adds: *const f32) -> __m256 {
        // SAFETY: the caller's promise, and the level is the proof of the instructions.
        unsafe {
            let (scale, bias) = (_mm256_set1_ps(*scale), _mm256_set1_ps(*adds));
            if SHORT {
                _mm256_fmadd_ps(self.codes, scale, bias)
            } else {
                _mm256_add_ps(_mm256_mul_ps(self.codes, scale), bias)
            }
        }
    }
    #[inline(always)]
    unsafe fn elements(&self, _: Avx2, from: *const u8, _: usize, table: &__m256) -> F2 {
        // SAFETY: the caller's promise: sixteen codes, which are four bytes, or six.
        unsafe {
            let word = |at: *const u8| _mm256_set1_epi32(at.cast::<i32>().read_unaligned());
            let low = _mm256_srlv_epi32(word(from), self.turn[0]);
            let high = _mm256_srlv_epi32(word(from.add(Self::SECOND)), self.turn[1]);
            F2(_mm256_permutevar8x32_ps(*table, low), _mm256_permutevar8x32_ps(*table, high))
        }
    }
}

/// The place of a code of so many bits in the mantissa of [`base`].
pub(super) const fn place(bits: usize) -> usize {
    16 - bits
}

/// The power of two over whose mantissa's upper sixteen bits but seven codes are.
pub(super) const fn base(bits: usize) -> f32 {
    (1u32 << (23 - place(bits))) as f32
}

/// The upper halves of [`base`], as numbers of sixteen bits.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
pub(super) unsafe fn tops(bits: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_set1_epi16((base(bits).to_bits() >> 16) as i16) }
}

/// Numbers of sixteen bits, of which the lower halves of the lanes of sixteen are 0 to 3, 8 to 11, 4 to 7 and 12 to 15, under upper
/// halves.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
pub(super) unsafe fn under(tops: __m256i, halves: __m256i) -> F2 {
    // SAFETY: the caller's promise.
    unsafe {
        F2(
            _mm256_castsi256_ps(_mm256_unpacklo_epi16(halves, tops)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(halves, tops)),
        )
    }
}

/// Codes of 5, 6 and 8 bits, each moved to the top of its two bytes by a product.
///
/// Sixteen codes of 5 or 6 bits are fewer than the sixteen bytes that are read: with those of the vector behind them, or, if a
/// vector's number is odd, with those of the vector before it. So rows have an even number of vectors.
#[derive(Clone, Copy)]
pub(super) struct Fields<const BITS: usize, const EXACT: bool> {
    bytes: [__m256i; 2],
    up: __m256i,
    mask: __m256i,
    tops: __m256i,
}

impl<const BITS: usize, const EXACT: bool> Fields<BITS, EXACT> {
    /// Bytes that are read before those of a vector with an odd number.
    const BEFORE: usize = 16 - 2 * BITS;

    #[inline(always)]
    pub fn new(_: Avx2) -> Self {
        let (mut bytes, mut up) = ([[0u8; 32]; 2], [0i16; 16]);
        for (lane, up) in up.iter_mut().enumerate() {
            // Lanes of quarters in the order of `under`.
            let bit = BITS * (lane / 8 * 4 + lane % 8 / 4 * 8 + lane % 4);
            *up = 1 << (16 - BITS - bit % 8);
            for (odd, bytes) in bytes.iter_mut().enumerate() {
                let first = bit / 8 + odd * Self::BEFORE;
                // What is above a code is moved out. Eight bits are the upper byte, under which is zero.
                (bytes[2 * lane], bytes[2 * lane + 1]) =
                    if BITS == 8 { (0x80, first as u8) } else { (first as u8, (first + 1) as u8 % 16) };
            }
        }
        // SAFETY: the arrays are as long as registers; the argument is the proof that the machine has the instructions.
        unsafe {
            let load = |of: *const u8| _mm256_loadu_si256(of.cast());
            Fields {
                bytes: [load(bytes[0].as_ptr()), load(bytes[1].as_ptr())],
                up: _mm256_loadu_si256(up.as_ptr().cast()),
                mask: _mm256_set1_epi16(-1 << place(BITS)),
                tops: tops(BITS),
            }
        }
    }
}

impl<const BITS: usize, const EXACT: bool> Kind<Avx2> for Fields<BITS, EXACT> {
    const ADDS: usize = 1;
    const MOST: usize = if EXACT { 8 } else { 2 };
    type Numbers = [F2; 2];
    #[inline(always)]
    fn at(vector: usize) -> usize {
        2 * BITS * vector - vector % 2 * Self::BEFORE
    }
    #[inline(always)]
    fn from_vector(self, vector: usize) -> Self {
        let [even, odd] = self.bytes;
        if vector.is_multiple_of(2) { self } else { Fields { bytes: [odd, even], ..self } }
    }
    #[inline(always)]
    unsafe fn numbers(&self, s: Avx2, scale: *const f32, adds: *const f32) -> [F2; 2] {
        // SAFETY: the caller's promise.
        unsafe { [s.splat(*scale), s.splat(*adds)] }
    }
    #[inline(always)]
    unsafe fn elements(&self, s: Avx2, from: *const u8, v: usize, &[scale, add]: &[F2; 2]) -> F2 {
        const { assert!(BITS == 5 || BITS == 6 || BITS == 8) }
        // SAFETY: the caller's promise: sixteen bytes with these codes.
        let number = unsafe {
            let all = _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast()));
            let mut halves = _mm256_shuffle_epi8(all, self.bytes[v % 2]);
            if BITS != 8 {
                halves = _mm256_and_si256(_mm256_mullo_epi16(halves, self.up), self.mask);
            }
            under(self.tops, halves)
        };
        element::<Avx2, EXACT>(s, number, base(BITS), scale, add)
    }
}
