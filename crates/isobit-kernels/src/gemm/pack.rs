//! Packing: strided lanes of an operand into `[words][width]` panels, widened where the scheme says so.
//!
//! Three shapes of source: lanes next to each other (copied row by row), k next to each other (transposed in
//! registers, sixteen by sixteen or eight by eight), anything else (element by element). Packing moves and widens
//! values; it never rounds.

use super::scheme::Lanes;
use crate::isa::Level;
use half::{bf16, f16};

/// Element by element: `get(lane pointer at word w, elements that remain from there)`.
#[inline(always)]
unsafe fn generic<T, W: Copy>(
    l: Lanes<T>,
    words: usize,
    per: usize,
    zero: W,
    dst: *mut W,
    place: impl Fn(usize) -> usize,
    get: impl Fn(*const T, isize, usize) -> W,
) {
    // SAFETY: reads lanes below `count` and k below `len`, writes `words * width` words.
    unsafe {
        for w in 0..words {
            let row = dst.add(place(w) * l.width);
            if w * per >= l.len {
                for i in 0..l.width {
                    *row.add(i) = zero;
                }
                continue;
            }
            let src = l.ptr.offset((w * per) as isize * l.k);
            for i in 0..l.count {
                *row.add(i) = get(src.offset(i as isize * l.lane), l.k, l.len - w * per);
            }
            for i in l.count..l.width {
                *row.add(i) = zero;
            }
        }
    }
}

#[inline(always)]
unsafe fn one<T: Copy, W>(convert: impl Fn(T) -> W) -> impl Fn(*const T, isize, usize) -> W {
    // SAFETY: the caller passes readable addresses.
    move |p, _, _| convert(unsafe { *p })
}

#[inline(always)]
unsafe fn pair(p: *const bf16, k: isize, left: usize) -> u32 {
    // SAFETY: the caller passes a readable address, and the next k is readable if `left > 1`.
    unsafe {
        let even = u32::from((*p).to_bits());
        let odd = if left > 1 { u32::from((*p.offset(k)).to_bits()) } else { 0 };
        even | odd << 16
    }
}

#[inline(always)]
fn straight(w: usize) -> usize {
    w
}

#[inline(always)]
fn swapped(w: usize) -> usize {
    w ^ 1
}

#[inline(always)]
fn widen_bf16(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

/// f32 lanes.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len * width` words.
pub(super) unsafe fn f32(level: Level, l: Lanes<f32>, dst: *mut f32) {
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.width == 1 && l.k == 1 => std::ptr::copy_nonoverlapping(l.ptr, dst, l.len),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.lane == 1 => avx512::rows_f32(l, l.len, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.k == 1 => avx512::columns_f32(l, l.len, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if l.k == 1 && l.lane != 1 => avx2::columns_f32(l, l.len, dst),
            _ => generic(l, l.len, 1, 0.0, dst, straight, one(|x: f32| x)),
        }
    }
}

/// f64 lanes.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len * width` words.
pub(super) unsafe fn f64(_level: Level, l: Lanes<f64>, dst: *mut f64) {
    // SAFETY: as promised by the caller.
    unsafe { generic(l, l.len, 1, 0.0, dst, straight, one(|x: f64| x)) }
}

/// f16 lanes, widened.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len * width` words.
pub(super) unsafe fn f16(level: Level, l: Lanes<f16>, dst: *mut f32) {
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.lane == 1 => avx512::rows_f16(l, l.len, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.k == 1 => avx512::columns_f16(l, l.len, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if l.k == 1 && l.lane != 1 => avx2::columns_f16(l, l.len, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if l.lane == 1 => avx2::rows_f16(l, dst),
            _ => generic(l, l.len, 1, 0.0, dst, straight, one(f16::to_f32)),
        }
    }
}

/// bf16 lanes, widened, the odd k of each pair before the even one.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len` (rounded up to even) `* width` words.
pub(super) unsafe fn bf16_swapped(level: Level, l: Lanes<bf16>, dst: *mut f32) {
    let words = l.len.next_multiple_of(2);
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.lane == 1 => avx512::rows_bf16(l, words, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.k == 1 => avx512::columns_bf16(l, words, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if l.k == 1 && l.lane != 1 => avx2::columns_bf16(l, words, dst),
            _ => generic(l, words, 1, 0.0, dst, swapped, one(widen_bf16)),
        }
    }
}

/// bf16 lanes as pairs, the even k in the low half.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len / 2` (rounded up) `* width` words.
pub(super) unsafe fn bf16_pairs(level: Level, l: Lanes<bf16>, dst: *mut u32) {
    let words = l.len.div_ceil(2);
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.lane == 1 => avx512::rows_pair(l, dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.k == 1 => avx512::columns_pair(l, words, dst),
            _ => generic(l, words, 2, 0, dst, straight, |p, k, left| pair(p, k, left)),
        }
    }
}

/// f16 lanes as they are.
///
/// # Safety
/// The lanes are readable; `dst` has room for `len * width` words.
pub(super) unsafe fn f16_raw(level: Level, l: Lanes<f16>, dst: *mut f16) {
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.lane == 1 => avx512::rows_raw(l, dst.cast()),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if l.k == 1 => avx512::columns_raw(l, dst.cast()),
            _ => generic(l, l.len, 1, f16::ZERO, dst, straight, one(|x: f16| x)),
        }
    }
}

/// A kept block of f16, widened.
///
/// # Safety
/// `stored` holds `len * 32` f16, `dst` has room for as many words.
pub(super) unsafe fn f16_expand(level: Level, stored: *const u8, len: usize, dst: *mut f32) {
    let lanes = Lanes { ptr: stored.cast::<f16>(), lane: 1, k: 32, count: 32, width: 32, len };
    // SAFETY: as promised by the caller.
    unsafe { f16(level, lanes, dst) }
}

unsafe fn expand_bf16(stored: *const u32, pairs: usize, dst: *mut f32) {
    // SAFETY: the caller's block holds `pairs * 32` words, `dst` twice as many.
    unsafe {
        for w in 0..pairs {
            let (src, odd) = (stored.add(w * 32), dst.add(2 * w * 32));
            for i in 0..32 {
                *odd.add(i) = f32::from_bits(*src.add(i) & 0xffff_0000);
                *odd.add(32 + i) = f32::from_bits(*src.add(i) << 16);
            }
        }
    }
}

/// A kept block of bf16 pairs, widened and swapped.
///
/// # Safety
/// `stored` holds `len / 2` (rounded up) `* 32` pairs, `dst` has room for twice as many words.
pub(super) unsafe fn bf16_expand(level: Level, stored: *const u8, len: usize, dst: *mut f32) {
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::expand_bf16(stored.cast(), len.div_ceil(2), dst),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::expand_bf16(stored.cast(), len.div_ceil(2), dst),
            _ => expand_bf16(stored.cast(), len.div_ceil(2), dst),
        }
    }
}

/// Sixteen-by-sixteen transposes and masked rows.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512 {
    use super::Lanes;
    use half::{bf16, f16};
    use std::arch::x86_64::*;

    /// Transposes a 16x16 block of 32-bit words in place: 64 shuffles.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn transpose(r: &mut [__m512i; 16]) {
        let mut t = [_mm512_setzero_si512(); 16];
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..4 {
            r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
            r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
            r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
            r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_i32x4::<0x88>(r[i], r[i + 4]);
            t[i + 4] = _mm512_shuffle_i32x4::<0xdd>(r[i], r[i + 4]);
            t[i + 8] = _mm512_shuffle_i32x4::<0x88>(r[i + 8], r[i + 12]);
            t[i + 12] = _mm512_shuffle_i32x4::<0xdd>(r[i + 8], r[i + 12]);
        }
        for i in 0..4 {
            r[i] = _mm512_shuffle_i32x4::<0x88>(t[i], t[i + 8]);
            r[i + 8] = _mm512_shuffle_i32x4::<0xdd>(t[i], t[i + 8]);
            r[i + 4] = _mm512_shuffle_i32x4::<0x88>(t[i + 4], t[i + 12]);
            r[i + 12] = _mm512_shuffle_i32x4::<0xdd>(t[i + 4], t[i + 12]);
        }
    }

    #[inline]
    fn mask(n: usize) -> __mmask16 {
        if n >= 16 { !0 } else { (1 << n) - 1 }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(in super::super) unsafe fn load_f32(p: *const f32, n: usize) -> __m512i {
        // SAFETY: the first `n` (at most 16) elements are readable.
        unsafe { _mm512_maskz_loadu_epi32(mask(n), p.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(in super::super) unsafe fn load_bf16(p: *const bf16, n: usize) -> __m512i {
        // SAFETY: the first `n` (at most 16) elements are readable.
        unsafe { _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask(n), p.cast()))) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(in super::super) unsafe fn load_f16(p: *const f16, n: usize) -> __m512i {
        // SAFETY: the first `n` (at most 16) elements are readable.
        unsafe { _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p.cast()))) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(in super::super) unsafe fn load_pair(p: *const bf16, n: usize) -> __m512i {
        let m: __mmask32 = if n >= 32 { !0 } else { (1 << n) - 1 };
        // SAFETY: the first `n` (at most 32) elements are readable.
        unsafe { _mm512_maskz_loadu_epi16(m, p.cast()) }
    }

    macro_rules! columns {
        ($name:ident, $elem:ty, $word:ty, $load:ident, $per:literal, $flip:literal) => {
            /// k contiguous: sixteen lanes by sixteen words at a time.
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            pub(super) unsafe fn $name(l: Lanes<$elem>, words: usize, dst: *mut $word) {
                // SAFETY: masked loads stay inside the lanes' `len`, masked stores inside `words * width`.
                unsafe {
                    let mut g = 0;
                    while g < l.width {
                        let rows = l.count.saturating_sub(g).min(16);
                        let store = mask(l.width - g);
                        let base = l.ptr.wrapping_offset(g as isize * l.lane);
                        let mut w = 0;
                        while w < words {
                            let left = l.len.saturating_sub(w * $per).min(16 * $per);
                            let mut t = [_mm512_setzero_si512(); 16];
                            if rows == 16 && left == 16 * $per {
                                for i in 0..16 {
                                    let p = base.wrapping_offset(i as isize * l.lane).wrapping_add(w * $per);
                                    t[i] = $load(p, 16 * $per);
                                }
                            } else {
                                for i in 0..16 {
                                    if i < rows {
                                        let p = base.wrapping_offset(i as isize * l.lane).wrapping_add(w * $per);
                                        t[i] = $load(p, left);
                                    }
                                }
                            }
                            transpose(&mut t);
                            let out = dst.add(w * l.width + g);
                            if words - w >= 16 && store == !0 {
                                for j in 0..16 {
                                    _mm512_storeu_si512(out.add((j ^ $flip) * l.width).cast(), t[j]);
                                }
                            } else {
                                for j in 0..16 {
                                    if j < words - w {
                                        _mm512_mask_storeu_epi32(out.add((j ^ $flip) * l.width).cast(), store, t[j]);
                                    }
                                }
                            }
                            w += 16;
                        }
                        g += 16;
                    }
                }
            }
        };
    }

    columns!(columns_f32, f32, f32, load_f32, 1, 0);
    columns!(columns_f16, f16, f32, load_f16, 1, 0);
    columns!(columns_bf16, bf16, f32, load_bf16, 1, 1);
    columns!(columns_pair, bf16, u32, load_pair, 2, 0);

    macro_rules! rows {
        ($name:ident, $elem:ty, $load:ident, $flip:literal) => {
            /// Lanes contiguous: one row of the panel per k.
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            pub(super) unsafe fn $name(l: Lanes<$elem>, words: usize, dst: *mut f32) {
                // SAFETY: masked loads stay inside `count` lanes and `len` k, masked stores inside `words * width`.
                unsafe {
                    for w in 0..words {
                        let row = dst.add((w ^ $flip) * l.width);
                        let src = l.ptr.wrapping_offset(w as isize * l.k);
                        let count = if w < l.len { l.count } else { 0 };
                        let mut g = 0;
                        while g < l.width {
                            let v = $load(src.wrapping_add(g), count.saturating_sub(g));
                            _mm512_mask_storeu_epi32(row.add(g).cast(), mask(l.width - g), v);
                            g += 16;
                        }
                    }
                }
            }
        };
    }

    rows!(rows_f32, f32, load_f32, 0);
    rows!(rows_f16, f16, load_f16, 0);
    rows!(rows_bf16, bf16, load_bf16, 1);

    /// Pairs of 32 lanes to a row of odd and a row of even elements.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn expand_bf16(stored: *const u32, pairs: usize, dst: *mut f32) {
        // SAFETY: the caller's block holds `pairs * 32` words, `dst` twice as many.
        unsafe {
            let high = _mm512_set1_epi32(0xffff_0000u32 as i32);
            for w in 0..pairs {
                let (src, odd) = (stored.add(w * 32), dst.add(w * 64));
                let (p, q) = (_mm512_loadu_si512(src.cast()), _mm512_loadu_si512(src.add(16).cast()));
                _mm512_storeu_si512(odd.cast(), _mm512_and_si512(p, high));
                _mm512_storeu_si512(odd.add(16).cast(), _mm512_and_si512(q, high));
                _mm512_storeu_si512(odd.add(32).cast(), _mm512_slli_epi32::<16>(p));
                _mm512_storeu_si512(odd.add(48).cast(), _mm512_slli_epi32::<16>(q));
            }
        }
    }

    /// Lanes contiguous, 16-bit words as they are, at most 32 lanes.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn rows_raw(l: Lanes<f16>, dst: *mut u16) {
        let bits = |n: usize| -> __mmask32 { if n >= 32 { !0 } else { (1 << n) - 1 } };
        // SAFETY: masked loads stay inside `count` lanes, masked stores inside the row of the panel.
        unsafe {
            for k in 0..l.len {
                let v = _mm512_maskz_loadu_epi16(bits(l.count), l.ptr.wrapping_offset(k as isize * l.k).cast());
                _mm512_mask_storeu_epi16(dst.add(k * l.width).cast(), bits(l.width), v);
            }
        }
    }

    /// k contiguous, 16-bit words as they are: sixteen lanes by sixteen pairs of k at a time, then the pairs' halves.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) unsafe fn columns_raw(l: Lanes<f16>, dst: *mut u16) {
        // SAFETY: masked loads stay inside the lanes' `len`, masked stores inside `len * width`.
        unsafe {
            for g in (0..l.width).step_by(16) {
                let rows = l.count.saturating_sub(g).min(16);
                let store = mask(l.width - g);
                let base = l.ptr.wrapping_offset(g as isize * l.lane);
                for from in (0..l.len).step_by(32) {
                    let left = (l.len - from).min(32);
                    let mut t = [_mm512_setzero_si512(); 16];
                    for i in 0..16 {
                        if i < rows {
                            let p = base.wrapping_offset(i as isize * l.lane).wrapping_add(from);
                            t[i] = load_pair(p.cast(), left);
                        }
                    }
                    transpose(&mut t);
                    for j in 0..16 {
                        let out = dst.add((from + 2 * j) * l.width + g);
                        if 2 * j < left {
                            _mm256_mask_storeu_epi16(out.cast(), store, _mm512_cvtepi32_epi16(t[j]));
                        }
                        if 2 * j + 1 < left {
                            let odd = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(t[j]));
                            _mm256_mask_storeu_epi16(out.wrapping_add(l.width).cast(), store, odd);
                        }
                    }
                }
            }
        }
    }

    /// Lanes contiguous, bf16: two rows of k interleaved.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) unsafe fn rows_pair(l: Lanes<bf16>, dst: *mut u32) {
        // SAFETY: masked loads stay inside `count` lanes and `len` k, masked stores inside the panel.
        unsafe {
            for w in 0..l.len.div_ceil(2) {
                let row = dst.add(w * l.width);
                let even = l.ptr.wrapping_offset((2 * w) as isize * l.k);
                let odd = even.wrapping_offset(l.k);
                let odd_count = if 2 * w + 1 < l.len { l.count } else { 0 };
                let mut g = 0;
                while g < l.width {
                    let lo = _mm256_maskz_loadu_epi16(mask(l.count.saturating_sub(g)), even.wrapping_add(g).cast());
                    let hi = load_bf16(odd.wrapping_add(g), odd_count.saturating_sub(g));
                    let v = _mm512_or_si512(_mm512_cvtepu16_epi32(lo), hi);
                    _mm512_mask_storeu_epi32(row.add(g).cast(), mask(l.width - g), v);
                    g += 16;
                }
            }
        }
    }
}

/// Eight-by-eight transposes.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Lanes, widen_bf16};
    use half::{bf16, f16};
    use std::arch::x86_64::*;

    /// Transposes an 8x8 block of f32 in place: 24 shuffles.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose(r: &mut [__m256; 8]) {
        let mut t = [_mm256_setzero_ps(); 8];
        for i in 0..4 {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for h in 0..2 {
            let (a, b, c, d) = (t[4 * h], t[4 * h + 1], t[4 * h + 2], t[4 * h + 3]);
            r[4 * h] = _mm256_shuffle_ps::<0x44>(a, c);
            r[4 * h + 1] = _mm256_shuffle_ps::<0xee>(a, c);
            r[4 * h + 2] = _mm256_shuffle_ps::<0x44>(b, d);
            r[4 * h + 3] = _mm256_shuffle_ps::<0xee>(b, d);
        }
        for i in 0..4 {
            let (lo, hi) = (r[i], r[i + 4]);
            t[i] = _mm256_permute2f128_ps::<0x20>(lo, hi);
            t[i + 4] = _mm256_permute2f128_ps::<0x31>(lo, hi);
        }
        *r = t;
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_f32(p: *const f32) -> __m256 {
        // SAFETY: eight elements are readable.
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_bf16(p: *const bf16) -> __m256 {
        // SAFETY: eight elements are readable.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast())))) }
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load_f16(p: *const f16) -> __m256 {
        // SAFETY: eight elements are readable.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }

    macro_rules! columns {
        ($name:ident, $elem:ty, $load:ident, $convert:expr, $flip:literal) => {
            /// k contiguous: eight lanes by eight k at a time, the last k element by element.
            #[target_feature(enable = "avx2,f16c")]
            pub(super) unsafe fn $name(l: Lanes<$elem>, words: usize, dst: *mut f32) {
                // SAFETY: loads stay inside `count` lanes and `len` k, stores inside `words * width`.
                unsafe {
                    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                    let mut g = 0;
                    while g < l.width {
                        let rows = l.count.saturating_sub(g).min(8);
                        let store = _mm256_cmpgt_epi32(_mm256_set1_epi32((l.width - g).min(8) as i32), lanes);
                        let base = l.ptr.wrapping_offset(g as isize * l.lane);
                        let mut w = 0;
                        while w + 8 <= l.len {
                            let mut t = [_mm256_setzero_ps(); 8];
                            for i in 0..8 {
                                if i < rows {
                                    t[i] = $load(base.wrapping_offset(i as isize * l.lane).wrapping_add(w));
                                }
                            }
                            transpose(&mut t);
                            for j in 0..8 {
                                _mm256_maskstore_ps(dst.add((w + (j ^ $flip)) * l.width + g), store, t[j]);
                            }
                            w += 8;
                        }
                        while w < words {
                            for i in 0..(l.width - g).min(8) {
                                *dst.add((w ^ $flip) * l.width + g + i) = if i < rows && w < l.len {
                                    $convert(*base.wrapping_offset(i as isize * l.lane).wrapping_add(w))
                                } else {
                                    0.0
                                };
                            }
                            w += 1;
                        }
                        g += 8;
                    }
                }
            }
        };
    }

    columns!(columns_f32, f32, load_f32, |x: f32| x, 0);
    columns!(columns_f16, f16, load_f16, f16::to_f32, 0);
    columns!(columns_bf16, bf16, load_bf16, widen_bf16, 1);

    /// Pairs of 32 lanes to a row of odd and a row of even elements.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn expand_bf16(stored: *const u32, pairs: usize, dst: *mut f32) {
        // SAFETY: the caller's block holds `pairs * 32` words, `dst` twice as many.
        unsafe {
            let high = _mm256_set1_epi32(0xffff_0000u32 as i32);
            for w in 0..pairs {
                let (src, odd) = (stored.add(w * 32), dst.add(w * 64));
                for v in 0..4 {
                    let p = _mm256_loadu_si256(src.add(8 * v).cast());
                    _mm256_storeu_si256(odd.add(8 * v).cast(), _mm256_and_si256(p, high));
                    _mm256_storeu_si256(odd.add(32 + 8 * v).cast(), _mm256_slli_epi32::<16>(p));
                }
            }
        }
    }

    /// Lanes contiguous, f16.
    #[target_feature(enable = "avx2,f16c")]
    pub(super) unsafe fn rows_f16(l: Lanes<f16>, dst: *mut f32) {
        // SAFETY: loads stay inside `count` lanes and `len` k, stores inside `len * width`.
        unsafe {
            for k in 0..l.len {
                let (row, src) = (dst.add(k * l.width), l.ptr.wrapping_offset(k as isize * l.k));
                let mut g = 0;
                while g + 8 <= l.count {
                    _mm256_storeu_ps(row.add(g), load_f16(src.wrapping_add(g)));
                    g += 8;
                }
                while g < l.width {
                    *row.add(g) = if g < l.count { (*src.wrapping_add(g)).to_f32() } else { 0.0 };
                    g += 1;
                }
            }
        }
    }
}
