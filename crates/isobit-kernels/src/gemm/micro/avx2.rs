//! AVX2: up to 6 rows of two vectors, a panel being walked in strips of that width; up to 3 rows of a panel's whole
//! width, so that memory is read in order.

use super::Tile;
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

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn step(x: *const f32, b: __m256, acc: __m256) -> __m256 {
    // SAFETY: the caller's panel holds the word.
    unsafe { _mm256_fmadd_ps(_mm256_set1_ps(*x), b, acc) }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_words(p: *const f32) -> __m256 {
    // SAFETY: the caller's panel holds eight words.
    unsafe { _mm256_loadu_ps(p) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load_f16(p: *const u16) -> __m256 {
    // SAFETY: the caller's panel holds eight words.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
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

/// One row of a tile, 32 totals: adds what came before, makes NaNs canonical, stores the columns that exist.
#[target_feature(enable = "avx2,fma")]
unsafe fn finish(t: &Tile<f32, f32>, row: usize, c: [__m256; 4]) {
    let mut totals = [0.0f32; 32];
    // SAFETY: the caller's tile describes rows that exist; partial rows go through the local.
    unsafe {
        let dst = t.dst.offset(row as isize * t.ldd);
        let to = if t.n == 32 { dst } else { totals.as_mut_ptr() };
        let mut prev = t.prev.wrapping_offset(row as isize * t.ldp);
        if !t.prev.is_null() && t.n < 32 {
            std::ptr::copy_nonoverlapping(prev, to, t.n);
            prev = to;
        }
        for v in 0..4 {
            let mut x = c[v];
            if !t.prev.is_null() {
                x = _mm256_add_ps(_mm256_loadu_ps(prev.add(8 * v)), x);
            }
            if t.canon {
                x = _mm256_blendv_ps(x, _mm256_set1_ps(f32::NAN), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
            }
            _mm256_storeu_ps(to.add(8 * v), x);
        }
        if t.n < 32 {
            std::ptr::copy_nonoverlapping(to, dst, t.n);
        }
    }
}

macro_rules! thin {
    ($name:ident, $rows:ident, $elem:ty, $per:literal, $($load:ident)+) => {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $rows<const R: usize>(t: &Tile<f32, f32>) {
            // SAFETY: the caller's tile describes panels that exist; prefetches read nothing.
            unsafe {
                let mut c = [[_mm256_setzero_ps(); 4]; R];
                let (mut a, mut b) = (t.a, t.b.cast::<$elem>());
                let (mut next, mut run, mut pairs) = (t.ahead.ptr, t.ahead.left, t.ahead.count);
                for _ in 0..t.words / $per {
                    $(
                        for v in 0..4 {
                            let x = $load(b.add(8 * v));
                            for i in 0..R {
                                c[i][v] = step(a.add(i), x, c[i][v]);
                            }
                        }
                        a = a.add(R);
                    )+
                    b = b.add(32);
                    if pairs > 0 {
                        _mm_prefetch::<_MM_HINT_T0>(next.cast());
                        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64).cast());
                        run -= 1;
                        next = next.wrapping_offset(if run == 0 { t.ahead.jump } else { 128 });
                        run = if run == 0 { t.ahead.run } else { run };
                        pairs -= 1;
                    }
                }
                for i in 0..R {
                    finish(t, i, c[i]);
                }
            }
        }

        /// A whole panel's width at a time: `b` points at `[k][32]` elements (pairs along K).
        ///
        /// # Safety
        /// The tile's pointers are valid for `rows <= THIN` rows, `b` for the stored block.
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>) {
            // SAFETY: as promised by the caller.
            unsafe {
                match rows {
                    1 => $rows::<1>(t),
                    2 => $rows::<2>(t),
                    _ => $rows::<3>(t),
                }
            }
        }
    };
}

thin!(f32_thin, f32_thins, f32, 1, load_words);
thin!(f16_thin, f16_thins, u16, 1, load_f16);
thin!(bf16_thin, bf16_thins, u32, 2, load_odd load_even);

/// # Safety
/// The tile's pointers are valid for `rows` rows and the machine has the features.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn f32(rows: usize, t: &Tile<f32, f32>) {
    // SAFETY: as promised by the caller.
    unsafe { if rows <= THIN { f32_thin(rows, t) } else { f32_strips(rows, t) } }
}

macro_rules! stream {
    ($name:ident, $rows:ident, $elem:ty, $load:ident, $pairs:literal) => {
        /// Columns straight from memory, lanes contiguous.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $rows<const R: usize, const V: usize>(t: &Tile<f32, f32>, stride: isize, len: usize) {
            // SAFETY: the caller's matrix has `8 * V` columns and `len` rows here; prefetches read nothing.
            unsafe {
                let mut c = [[_mm256_setzero_ps(); V]; R];
                let (mut a, mut b) = (t.a, t.b.cast::<$elem>());
                let mut k = 0;
                while k < len {
                    if $pairs {
                        // The odd k first; where K ends on an even one, its partner is an exact zero.
                        let odd = b.wrapping_offset(stride);
                        let next = odd.wrapping_offset(AHEAD * stride).cast::<u8>();
                        for v in 0..V {
                            if v * 8 * size_of::<$elem>() % 64 == 0 {
                                _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(v * 8 * size_of::<$elem>()).cast());
                            }
                            let x = if k + 1 < len { $load(odd.wrapping_add(8 * v)) } else { _mm256_setzero_ps() };
                            for i in 0..R {
                                c[i][v] = step(a.add(i), x, c[i][v]);
                            }
                        }
                        a = a.add(R);
                    }
                    let next = b.wrapping_offset(AHEAD * stride).cast::<u8>();
                    for v in 0..V {
                        if v * 8 * size_of::<$elem>() % 64 == 0 {
                            _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(v * 8 * size_of::<$elem>()).cast());
                        }
                        let x = $load(b.wrapping_add(8 * v));
                        for i in 0..R {
                            c[i][v] = step(a.add(i), x, c[i][v]);
                        }
                    }
                    a = a.add(R);
                    let step = if $pairs { 2 } else { 1 };
                    b = b.wrapping_offset(step * stride);
                    k += step as usize;
                }
                for i in 0..R {
                    for v in 0..V {
                        let mut x = c[i][v];
                        if !t.prev.is_null() {
                            x = _mm256_add_ps(_mm256_loadu_ps(t.prev.offset(i as isize * t.ldp).add(8 * v)), x);
                        }
                        if t.canon {
                            x = _mm256_blendv_ps(x, _mm256_set1_ps(f32::NAN), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
                        }
                        _mm256_storeu_ps(t.dst.offset(i as isize * t.ldd).add(8 * v), x);
                    }
                }
            }
        }

        /// # Safety
        /// The tile's pointers are valid for `rows <= 3` rows; `b` has `t.n` columns (see [`stream_width`]) and
        /// `len` rows `stride` apart.
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>, stride: isize, len: usize) {
            // SAFETY: as promised by the caller.
            unsafe {
                match rows {
                    1 => $rows::<1, 12>(t, stride, len),
                    2 => $rows::<2, 4>(t, stride, len),
                    _ => $rows::<3, 4>(t, stride, len),
                }
            }
        }
    };
}

/// Rows that the streaming kernels prefetch ahead.
const AHEAD: isize = 8;

/// Columns that the streaming kernels take at a time, 0 if there is none for so many rows.
pub(in super::super) fn stream_width(rows: usize) -> usize {
    match rows {
        1 => 96,
        2 | 3 => 32,
        _ => 0,
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load_half(p: *const f16) -> __m256 {
    // SAFETY: the caller's row holds eight elements.
    unsafe { load_f16(p.cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_bf16(p: *const bf16) -> __m256 {
    // SAFETY: the caller's row holds eight elements.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast())))) }
}

stream!(f32_stream, f32_streams, f32, load_words, false);
stream!(f16_stream, f16_streams, f16, load_half, false);
stream!(bf16_stream, bf16_streams, bf16, load_bf16, true);
