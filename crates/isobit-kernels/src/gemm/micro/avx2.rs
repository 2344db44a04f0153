//! AVX2: up to 6 rows of two vectors, a panel being walked in strips of that width; up to 3 rows of a panel's whole
//! width, so that memory is read in order.

use super::{Tile, few};
use half::{bf16, f16};
use std::arch::x86_64::*;

/// Rows of the largest tile.
pub(in super::super) const MR: usize = 6;

macro_rules! micro {
    ($name:ident, $rows:ident, $acc:ty, $lanes:literal, $vec:ty, $zero:ident, $load:ident, $store:ident, $set1:ident,
     $fma:ident, $add:ident, $cmp:ident, $blend:ident) => {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $rows<const R: usize>(t: &Tile<$acc, $acc>) {
            // SAFETY: the caller's tile describes panels and rows that exist; partial strips go through a local.
            unsafe {
                let mut c = [[$zero(); 2]; R];
                let (mut a, mut b) = (t.a, t.b);
                for _ in 0..t.words {
                    let b0 = $load(b);
                    let b1 = $load(b.add($lanes));
                    for i in 0..R {
                        let x = $set1(*a.add(i));
                        c[i][0] = $fma(x, b0, c[i][0]);
                        c[i][1] = $fma(x, b1, c[i][1]);
                    }
                    a = a.add(R);
                    b = b.add(t.ldb);
                }
                let nan = $set1(<$acc>::NAN);
                for i in 0..R {
                    let prev = t.prev.wrapping_offset(i as isize * t.ldp);
                    let dst = t.dst.offset(i as isize * t.ldd);
                    if t.n == 2 * $lanes {
                        for v in 0..2 {
                            let mut x = c[i][v];
                            if !t.prev.is_null() {
                                x = $add($load(prev.add(v * $lanes)), x);
                            }
                            if t.canon {
                                x = $blend(x, nan, $cmp::<_CMP_UNORD_Q>(x, x));
                            }
                            $store(dst.add(v * $lanes), x);
                        }
                    } else {
                        let mut row = [0.0; 2 * $lanes];
                        if !t.prev.is_null() {
                            std::ptr::copy_nonoverlapping(prev, row.as_mut_ptr(), t.n);
                        }
                        for v in 0..2 {
                            let mut x = c[i][v];
                            if !t.prev.is_null() {
                                x = $add($load(row.as_ptr().add(v * $lanes)), x);
                            }
                            if t.canon {
                                x = $blend(x, nan, $cmp::<_CMP_UNORD_Q>(x, x));
                            }
                            $store(row.as_mut_ptr().add(v * $lanes), x);
                        }
                        std::ptr::copy_nonoverlapping(row.as_ptr(), dst, t.n);
                    }
                }
            }
        }

        /// # Safety
        /// The tile's pointers are valid for `rows` rows and the machine has the features.
        #[target_feature(enable = "avx2,fma")]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<$acc, $acc>) {
            let mut done = 0;
            while done < t.n {
                let strip = Tile {
                    b: t.b.wrapping_add(done),
                    prev: if t.prev.is_null() { t.prev } else { t.prev.wrapping_add(done) },
                    dst: t.dst.wrapping_add(done),
                    n: (t.n - done).min(2 * $lanes),
                    ..*t
                };
                // SAFETY: as promised by the caller; a strip lies inside its panel.
                unsafe {
                    match rows {
                        1 => $rows::<1>(&strip),
                        2 => $rows::<2>(&strip),
                        3 => $rows::<3>(&strip),
                        4 => $rows::<4>(&strip),
                        5 => $rows::<5>(&strip),
                        _ => $rows::<6>(&strip),
                    }
                }
                done += 2 * $lanes;
            }
        }
    };
}

micro!(
    f32_strips,
    f32_rows,
    f32,
    8,
    __m256,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_cmp_ps,
    _mm256_blendv_ps
);
micro!(
    f64,
    f64_rows,
    f64,
    4,
    __m256d,
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_fmadd_pd,
    _mm256_add_pd,
    _mm256_cmp_pd,
    _mm256_blendv_pd
);

/// Rows up to which a whole panel's width is multiplied at once, with kept 16-bit panels widened in registers.
pub(in super::super) const THIN: usize = 3;
/// Lanes of a vector.
const LANES: usize = 8;

use _mm256_loadu_ps as load_words;
use _mm256_setzero_ps as zero;

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn step(x: *const f32, b: __m256, acc: __m256) -> __m256 {
    // SAFETY: the caller's panel holds the word.
    unsafe { _mm256_fmadd_ps(_mm256_set1_ps(*x), b, acc) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load_half(p: *const f16) -> __m256 {
    // SAFETY: the caller's row holds eight elements.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_brain(p: *const bf16) -> __m256 {
    // SAFETY: the caller's row holds eight elements.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast())))) }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_odd(p: *const u32) -> __m256 {
    // SAFETY: the caller's panel holds eight pairs.
    unsafe {
        let high = _mm256_set1_epi32(0xffff_0000u32 as i32);
        _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(p.cast()), high))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_even(p: *const u32) -> __m256 {
    // SAFETY: the caller's panel holds eight pairs.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_loadu_si256(p.cast()))) }
}

/// The end of a tile, eight columns of one row.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn put(t: &Tile<f32, f32>, row: usize, column: usize, x: __m256) {
    let left = t.n.saturating_sub(column).min(LANES);
    let mut x = x;
    // SAFETY: the caller's tile describes rows that exist; vectors that do not go through the local.
    unsafe {
        let mut local = [0.0f32; LANES];
        let mut prev = t.prev.wrapping_offset(row as isize * t.ldp).wrapping_add(column);
        let dst = t.dst.wrapping_offset(row as isize * t.ldd).wrapping_add(column);
        if !t.prev.is_null() {
            if left < LANES {
                std::ptr::copy_nonoverlapping(prev, local.as_mut_ptr(), left);
                prev = local.as_ptr();
            }
            x = _mm256_add_ps(_mm256_loadu_ps(prev), x);
        }
        if t.canon {
            x = _mm256_blendv_ps(x, _mm256_set1_ps(f32::NAN), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        }
        if left < LANES {
            _mm256_storeu_ps(local.as_mut_ptr(), x);
            std::ptr::copy_nonoverlapping(local.as_ptr(), dst, left);
        } else {
            _mm256_storeu_ps(dst, x);
        }
    }
}

/// Kept panels that a thin kernel reads side by side for so many rows.
pub(in super::super) fn panels(rows: usize) -> usize {
    if rows == 1 { 2 } else { 1 }
}

macro_rules! thin {
    ($($args:tt)*) => {
        few::thin!($($args)*, "avx2,fma,f16c", (1, 2), (1, 8), (1, 1), (1, 4), (2, 1), (2, 4), (3, 1), (3, 4));
    };
}

thin!(f32_thin, f32_thins, f32, load_words);
thin!(f16_thin, f16_thins, f16, load_half);
thin!(bf16_thin, bf16_thins, u32, load_odd load_even);

/// # Safety
/// The tile's pointers are valid for `rows` rows and the machine has the features.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn f32(rows: usize, t: &Tile<f32, f32>) {
    // SAFETY: as promised by the caller.
    unsafe { if rows <= THIN { f32_thin(rows, t, 1, 0) } else { f32_strips(rows, t) } }
}

/// Columns that the streaming kernels take at a time, 0 if there is none for so many rows.
pub(in super::super) fn stream_width(rows: usize) -> usize {
    match rows {
        1 => 96,
        2 | 3 => 32,
        _ => 0,
    }
}

macro_rules! stream {
    ($($args:tt)*) => {
        few::stream!($($args)*, "avx2,fma,f16c", (1, 12), (2, 4), (3, 4));
    };
}

stream!(f32_stream, f32_streams, f32, load_words, false);
stream!(f16_stream, f16_streams, f16, load_half, false);
stream!(bf16_stream, bf16_streams, bf16, load_brain, true);
