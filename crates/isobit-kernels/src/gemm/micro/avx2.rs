//! AVX2: up to 6 rows of two vectors or 8 of one, a panel being walked in strips of that width; up to 3 rows of a panel's
//! whole width, so that memory is read in order.

use super::{Ahead, Tile, few};
use half::{bf16, f16};
use std::arch::x86_64::*;

/// Rows of the largest tile of a product of `m` rows. Seven and eight go together: of two tiles of four rows, eight chains of
/// fused steps each, every one would read the panel and leave nothing to do while a chain waits.
pub(in super::super) fn mr(m: usize) -> usize {
    if m == 7 || m == 8 { 8 } else { 6 }
}

/// Vectors of a strip for so many rows.
fn vectors(rows: usize) -> usize {
    if rows > 6 { 1 } else { 2 }
}

macro_rules! rows {
    ($rows:expr, $body:ident($($arg:expr),*)) => {
        match $rows {
            1 => $body::<1, 2>($($arg),*),
            2 => $body::<2, 2>($($arg),*),
            3 => $body::<3, 2>($($arg),*),
            4 => $body::<4, 2>($($arg),*),
            5 => $body::<5, 2>($($arg),*),
            6 => $body::<6, 2>($($arg),*),
            7 => $body::<7, 1>($($arg),*),
            _ => $body::<8, 1>($($arg),*),
        }
    };
}

#[target_feature(enable = "avx2,fma")]
unsafe fn f64_rows<const R: usize, const V: usize>(t: &Tile<f64, f64>, column: usize) {
    const LANES: usize = 4;
    // SAFETY: the caller's tile describes panels and rows that exist; partial vectors go through the local.
    unsafe {
        let mut c = [[_mm256_setzero_pd(); V]; R];
        let (mut a, mut b) = (t.a, t.b.wrapping_add(column));
        for _ in 0..t.words {
            let mut x = [_mm256_setzero_pd(); V];
            for v in 0..V {
                x[v] = _mm256_loadu_pd(b.add(v * LANES));
            }
            for i in 0..R {
                for v in 0..V {
                    c[i][v] = _mm256_fmadd_pd(_mm256_set1_pd(*a.add(i)), x[v], c[i][v]);
                }
            }
            a = a.add(R);
            b = b.add(t.ldb);
        }
        for i in 0..R {
            for v in 0..V {
                let column = column + v * LANES;
                let left = t.n.saturating_sub(column).min(LANES);
                let mut local = [0.0f64; LANES];
                let mut prev = t.prev.wrapping_offset(i as isize * t.ldp).wrapping_add(column);
                let dst = t.dst.wrapping_offset(i as isize * t.ldd).wrapping_add(column);
                let mut x = c[i][v];
                if !t.prev.is_null() {
                    if left < LANES {
                        std::ptr::copy_nonoverlapping(prev, local.as_mut_ptr(), left);
                        prev = local.as_ptr();
                    }
                    x = _mm256_add_pd(_mm256_loadu_pd(prev), x);
                }
                if t.canon {
                    x = _mm256_blendv_pd(x, _mm256_set1_pd(f64::NAN), _mm256_cmp_pd::<_CMP_UNORD_Q>(x, x));
                }
                if left < LANES {
                    _mm256_storeu_pd(local.as_mut_ptr(), x);
                    std::ptr::copy_nonoverlapping(local.as_ptr(), dst, left);
                } else {
                    _mm256_storeu_pd(dst, x);
                }
            }
        }
    }
}

/// # Safety
/// The tile's pointers are valid for `rows` rows and the machine has the features.
#[target_feature(enable = "avx2,fma")]
pub(in super::super) unsafe fn f64(rows: usize, t: &Tile<f64, f64>) {
    for column in (0..t.n).step_by(4 * vectors(rows)) {
        // SAFETY: as promised by the caller; a strip lies inside its panel.
        unsafe { rows!(rows, f64_rows(t, column)) }
    }
}

/// Rows up to which kept 16-bit panels are widened in registers.
pub(in super::super) const THIN: usize = 8;
/// Rows up to which a whole panel's width is multiplied at once.
const FEW: usize = 3;
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

thin!(f32_few, f32_fews, f32, load_words);
thin!(f16_few, f16_fews, f16, load_half);
thin!(bf16_few, bf16_fews, u32, load_odd load_even);

/// Strips of kept panels, widened on the way: `b` points at `[k][32]` elements (with two loads: pairs along K). What the tile
/// says is prefetched meanwhile, evenly: memory then works all the time, and few lines at a time.
macro_rules! strips {
    ($name:ident, $rows:ident, $few:ident, $elem:ty, $($load:ident)+) => {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $rows<const R: usize, const V: usize>(t: &Tile<f32, f32>, column: usize, ahead: Ahead) {
            const PER: usize = [$(stringify!($load)),+].len();
            // SAFETY: the caller's tile describes a panel that exists; prefetches read nothing.
            unsafe {
                let mut c = [[zero(); V]; R];
                let (mut a, mut b) = (t.a, t.b.cast::<$elem>().wrapping_add(column));
                macro_rules! one {
                    () => {
                        $(
                            let mut x = [zero(); V];
                            for v in 0..V {
                                x[v] = $load(b.wrapping_add(v * LANES));
                            }
                            for i in 0..R {
                                for v in 0..V {
                                    c[i][v] = step(a.add(i), x[v], c[i][v]);
                                }
                            }
                            a = a.add(R);
                        )+
                        b = b.wrapping_add(32);
                    };
                }
                let mut left = t.words / PER;
                let (mut next, mut run) = (ahead.ptr, ahead.left);
                let pairs = ahead.count.min(left);
                if pairs > 0 {
                    let every = left / pairs;
                    for _ in 0..pairs {
                        for _ in 0..every {
                            one!();
                        }
                        _mm_prefetch::<_MM_HINT_T1>(next.cast());
                        _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(64).cast());
                        run -= 1;
                        next = next.wrapping_offset(if run == 0 { ahead.jump } else { 128 });
                        run = if run == 0 { ahead.run } else { run };
                    }
                    left -= pairs * every;
                }
                for _ in 0..left {
                    one!();
                }
                if t.n < column + V * LANES {
                    for i in 0..R {
                        for v in 0..V {
                            put(t, i, column + v * LANES, c[i][v]);
                        }
                    }
                    return;
                }
                // The usual case, in few instructions.
                let (mut prev, mut dst) = (t.prev.wrapping_add(column), t.dst.add(column));
                for i in 0..R {
                    if !t.prev.is_null() {
                        for v in 0..V {
                            c[i][v] = _mm256_add_ps(_mm256_loadu_ps(prev.add(v * LANES)), c[i][v]);
                        }
                    }
                    if t.canon {
                        for v in 0..V {
                            let x = c[i][v];
                            c[i][v] = _mm256_blendv_ps(x, _mm256_set1_ps(f32::NAN), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
                        }
                    }
                    for v in 0..V {
                        _mm256_storeu_ps(dst.add(v * LANES), c[i][v]);
                    }
                    prev = prev.wrapping_offset(t.ldp);
                    dst = dst.wrapping_offset(t.ldd);
                }
            }
        }

        /// # Safety
        /// The tile's pointers are valid for `rows` rows, `b` for the stored block of `panels` panels, `apart` bytes from
        /// each other; several panels only for as many rows as [`panels`] says. The machine has the features.
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>, panels: usize, apart: usize) {
            // SAFETY: as promised by the caller; a strip lies inside its panel.
            unsafe {
                if rows <= FEW {
                    return $few(rows, t, panels, apart);
                }
                let width = LANES * vectors(rows);
                let count = t.n.div_ceil(width);
                for i in 0..count {
                    rows!(rows, $rows(t, i * width, t.ahead.part(i, count)));
                }
            }
        }
    };
}

strips!(f32_thin, f32_rows, f32_few, f32, load_words);
strips!(f16_thin, f16_rows, f16_few, f16, load_half);
strips!(bf16_thin, bf16_rows, bf16_few, u32, load_odd load_even);

/// # Safety
/// The tile's pointers are valid for `rows` rows and the machine has the features.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn f32(rows: usize, t: &Tile<f32, f32>) {
    // SAFETY: as promised by the caller.
    unsafe { f32_thin(rows, t, 1, 0) }
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
