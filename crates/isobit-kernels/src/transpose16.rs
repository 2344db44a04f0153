//! The 16x16 transposition in registers, the same at every level.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use crate::simd::Simd;

/// Lane `j` of output vector `i` is lane `i` of input vector `j`.
///
/// Four rounds of interleaving vector `i` with vector `i + 8`: each moves one bit of the vector's number into the lane.
#[inline(always)]
pub(crate) fn transpose16<S: Simd>(s: S, x: [S::F; 16]) -> [S::F; 16] {
    let mut x = x;
    for _ in 0..4 {
        let y = x;
        for i in 0..8 {
            (x[2 * i], x[2 * i + 1]) = s.interleave(y[i], y[i + 8]);
        }
    }
    x
}

/// Reads 16 rows of 16 32-bit numbers, `stride` bytes apart, and writes them as columns `pitch` elements apart:
/// `to[i * pitch + j]` is number `i` of row `j`. With `PAIRS` a number is two bfloat16, which become the f32 columns
/// `2 i` (its low half) and `2 i + 1`.
///
/// Also asks for the same part of the 16 rows after these to be brought into the cache.
///
/// Tricks: (1) quarters (halves with AVX2) of rows are put together while loading, which leaves a 4x4 transposition
/// within 128-bit lanes, 2 shuffles per vector instead of 4; (2) all levels do the same moves, nothing is computed.
///
/// # Safety
/// The rows must be readable, the columns writable.
#[inline(always)]
pub(crate) unsafe fn copy_transposed<S: Simd, const PAIRS: bool>(
    s: S,
    from: *const u8,
    stride: isize,
    to: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise; the level is the proof of the instructions.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if S::LEVEL == crate::isa::Level::Avx512 {
            return x86::tile512::<PAIRS>(from, stride, to, pitch, 4);
        }
        #[cfg(target_arch = "x86_64")]
        if S::LEVEL == crate::isa::Level::Avx2 {
            for i in 0..2 {
                for j in 0..2 {
                    let columns = 8 * i * (1 + PAIRS as usize) * pitch;
                    let from = from.wrapping_offset(8 * j as isize * stride + 32 * i as isize);
                    x86::tile256::<PAIRS>(from, stride, to.add(columns + 8 * j), pitch);
                }
            }
            return;
        }
        let mut rows = [s.splat(0.0); 16];
        for (j, row) in rows.iter_mut().enumerate() {
            *row = s.load(from.wrapping_offset(j as isize * stride).cast());
        }
        let columns = transpose16(s, rows);
        for i in 0..16 {
            if PAIRS {
                let bits = s.to_bits(columns[i]);
                s.store(to.add(2 * i * pitch), s.from_bits(s.shl(bits, 16)));
                s.store(to.add((2 * i + 1) * pitch), s.from_bits(s.and(bits, s.splat_i(-0x1_0000))));
            } else {
                s.store(to.add(i * pitch), columns[i]);
            }
        }
    }
}

/// [`copy_transposed`] without pairs for any number of columns that four divides, on the levels that have a way for it. Says
/// whether this is one; otherwise nothing is done.
///
/// # Safety
/// As for [`copy_transposed`] with so many columns.
#[inline(always)]
pub(crate) unsafe fn copy_columns<S: Simd>(
    _: S,
    (from, stride): (*const u8, isize),
    to: *mut f32,
    pitch: usize,
    columns: usize,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if S::LEVEL == crate::isa::Level::Avx2 {
        for quarter in 0..columns / 4 {
            for j in [0, 8] {
                let from = from.wrapping_offset(j as isize * stride).wrapping_add(16 * quarter);
                // SAFETY: the caller's promise; the level is the proof of the instructions.
                unsafe { x86::quarter256::<false>(from, stride, to.add(4 * quarter * pitch + j), pitch) };
            }
        }
        return true;
    }
    #[cfg(target_arch = "x86_64")]
    if S::LEVEL == crate::isa::Level::Avx512 {
        // SAFETY: the caller's promise; the level is the proof of the instructions.
        unsafe { x86::tile512::<false>(from, stride, to, pitch, columns / 4) };
        return true;
    }
    let _ = (from, stride, to, pitch, columns);
    false
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Columns `4 q .. 4 q + 4` of 16 rows at a time.
    ///
    /// # Safety
    /// As [`super::copy_transposed`], on a machine with AVX-512 F, for the first `4 quarters` columns.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn tile512<const PAIRS: bool>(
        from: *const u8,
        stride: isize,
        to: *mut f32,
        pitch: usize,
        quarters: usize,
    ) {
        let row = |j: usize| from.wrapping_offset(j as isize * stride);
        for j in 16..32 {
            _mm_prefetch::<_MM_HINT_T0>(row(j).cast());
        }
        for q in 0..quarters {
            // SAFETY: the caller's promise.
            unsafe {
                macro_rules! gather {
                    ($i:expr) => {{
                        let part = |j: usize| _mm_loadu_ps(row(j).add(16 * q).cast());
                        let v = _mm512_castps128_ps512(part($i));
                        let v = _mm512_insertf32x4::<1>(v, part($i + 4));
                        let v = _mm512_insertf32x4::<2>(v, part($i + 8));
                        _mm512_insertf32x4::<3>(v, part($i + 12))
                    }};
                }
                let (a, b, c, d) = (gather!(0), gather!(1), gather!(2), gather!(3));
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                let (ab2, cd2) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                let pd = |x| _mm512_castps_pd(x);
                let columns = [
                    _mm512_unpacklo_pd(pd(ab), pd(cd)),
                    _mm512_unpackhi_pd(pd(ab), pd(cd)),
                    _mm512_unpacklo_pd(pd(ab2), pd(cd2)),
                    _mm512_unpackhi_pd(pd(ab2), pd(cd2)),
                ];
                for i in 0..4 {
                    let v = columns[i];
                    let i = 4 * q + i;
                    if PAIRS {
                        let bits = _mm512_castpd_si512(v);
                        _mm512_storeu_si512(to.add(2 * i * pitch).cast(), _mm512_slli_epi32::<16>(bits));
                        let odd = _mm512_and_si512(bits, _mm512_set1_epi32(-0x1_0000));
                        _mm512_storeu_si512(to.add((2 * i + 1) * pitch).cast(), odd);
                    } else {
                        _mm512_storeu_ps(to.add(i * pitch), _mm512_castpd_ps(v));
                    }
                }
            }
        }
    }

    /// An 8x8 part.
    ///
    /// # Safety
    /// As [`super::copy_transposed`] for 8 rows and columns, on a machine with AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn tile256<const PAIRS: bool>(from: *const u8, stride: isize, to: *mut f32, pitch: usize) {
        for j in 16..24 {
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_offset(j as isize * stride).cast());
        }
        let columns = 4 * (1 + PAIRS as usize) * pitch;
        for q in 0..2 {
            // SAFETY: the caller's promise.
            unsafe { quarter256::<PAIRS>(from.wrapping_add(16 * q), stride, to.add(q * columns), pitch) };
        }
    }

    /// Four columns of 8 rows.
    ///
    /// # Safety
    /// As [`super::copy_transposed`] for as many, on a machine with AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn quarter256<const PAIRS: bool>(from: *const u8, stride: isize, to: *mut f32, pitch: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            macro_rules! gather {
                ($i:expr) => {{
                    let part = |j: usize| _mm_loadu_ps(from.wrapping_offset(j as isize * stride).cast());
                    _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(part($i)), part($i + 4))
                }};
            }
            let (a, b, c, d) = (gather!(0), gather!(1), gather!(2), gather!(3));
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (ab2, cd2) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            let pd = |x| _mm256_castps_pd(x);
            let columns = [
                _mm256_unpacklo_pd(pd(ab), pd(cd)),
                _mm256_unpackhi_pd(pd(ab), pd(cd)),
                _mm256_unpacklo_pd(pd(ab2), pd(cd2)),
                _mm256_unpackhi_pd(pd(ab2), pd(cd2)),
            ];
            for i in 0..4 {
                let v = columns[i];
                if PAIRS {
                    let bits = _mm256_castpd_si256(v);
                    _mm256_storeu_si256(to.add(2 * i * pitch).cast(), _mm256_slli_epi32::<16>(bits));
                    let odd = _mm256_and_si256(bits, _mm256_set1_epi32(-0x1_0000));
                    _mm256_storeu_si256(to.add((2 * i + 1) * pitch).cast(), odd);
                } else {
                    _mm256_storeu_ps(to.add(i * pitch), _mm256_castpd_ps(v));
                }
            }
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch_at};

    struct Run;
    impl Kernel for Run {
        type Out = [[f32; 16]; 16];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Out {
            let rows = std::array::from_fn(|r| s.from_array(std::array::from_fn(|c| (16 * r + c) as f32)));
            transpose16(s, rows).map(|v| s.to_array(v))
        }
    }

    self_test!(rows_become_columns_at_every_level);
    fn rows_become_columns_at_every_level() {
        for level in crate::isa::available() {
            let t = dispatch_at(level, Run);
            for r in 0..16 {
                for c in 0..16 {
                    assert_eq!(t[c][r], (16 * r + c) as f32, "{}", level.name());
                }
            }
        }
    }

    struct Copy<'a>(&'a [u8], usize, bool, &'a mut [f32]);
    impl Kernel for Copy<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let (from, to) = (self.0.as_ptr(), self.3.as_mut_ptr());
            // SAFETY: the test's buffers hold 16 rows and 16 (32) columns.
            unsafe {
                if self.2 {
                    copy_transposed::<S, true>(s, from, self.1 as isize, to, 21)
                } else {
                    copy_transposed::<S, false>(s, from, self.1 as isize, to, 21)
                }
            }
        }
    }

    self_test!(copies_from_misaligned_rows);
    fn copies_from_misaligned_rows() {
        let stride = 71;
        let bytes: Vec<u8> = (0..16 * stride).map(|i| (i * 37 % 251) as u8).collect();
        let number = |j: usize, i: usize| &bytes[1 + j * stride + 4 * i..][..4];
        for level in crate::isa::available() {
            for pairs in [false, true] {
                let mut to = vec![f32::NAN; 32 * 21];
                dispatch_at(level, Copy(&bytes[1..], stride, pairs, &mut to));
                for i in 0..16 {
                    for j in 0..16 {
                        let n = number(j, i);
                        let got = |column: usize| to[column * 21 + j].to_bits();
                        if pairs {
                            assert_eq!(got(2 * i), u32::from_le_bytes([0, 0, n[0], n[1]]), "{}", level.name());
                            assert_eq!(got(2 * i + 1), u32::from_le_bytes([0, 0, n[2], n[3]]), "{}", level.name());
                        } else {
                            assert_eq!(got(i), u32::from_le_bytes([n[0], n[1], n[2], n[3]]), "{}", level.name());
                        }
                    }
                }
            }
        }
    }
}
