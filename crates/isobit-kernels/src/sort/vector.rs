//! Quicksort of 32-bit keys in AVX-512 registers: which of two equal keys comes first cannot be told afterwards, so it
//! serves keys alone.
//!
//! ```text
//! split(range):  while longer than 256: pivot = median of samples;
//!                    elements below it to the left end, the others to the right end, of the other buffer
//! leaf:          16 vectors: sort their columns by a network, transpose, merge rows of 1, 2, 4, 8 vectors (bitonic)
//! ```
//!
//! 1. Partitioning compresses each vector to its left and its right part and stores both: no branch per element. It
//!    goes back and forth between two buffers, so that nothing unread is ever overwritten.
//! 2. A range that begins with its pivot's predecessor (many equal keys) splits off all that are equal to it.
//! 3. Inputs that defeat the samples end in the standard library's sort after `3 log2 n` rounds.
//!
//! Cost: about a third of a cycle per element and round, and 4 cycles per element in the leaves.
//!
//! Floats become keys without NaN and without -0, which are put back in the order of the input: [`floats`].

#![allow(clippy::needless_range_loop, reason = "vectors are addressed by number, and iterators may not inline")]

use crate::disjoint::Disjoint;
use crate::gemm::pack::avx512::transpose;
use crate::gemm::scratch::Scratch;
use crate::{isa, par};
use std::arch::x86_64::*;

/// Keys that one leaf sorts.
const LEAF: usize = 256;

/// Part of both buffers: where it begins, how long it is, whether it lies in `out`, a lower bound if there is one, and
/// how many rounds it may still take.
#[derive(Clone, Copy)]
struct Part<T> {
    start: usize,
    len: usize,
    in_out: bool,
    low: Option<T>,
    rounds: u32,
}

macro_rules! exchange {
    ($v:ident, $min:ident, $max:ident, $(($a:literal $b:literal))*) => {
        $(
            let low = $min($v[$a], $v[$b]);
            $v[$b] = $max($v[$a], $v[$b]);
            $v[$a] = low;
        )*
    };
}

macro_rules! sorter {
    ($module:ident, $t:ty, $vec:ty, $top:expr, $load:ident, $store:ident, $fill_load:ident, $set1:ident, $min:ident,
     $max:ident, $mask_max:ident, $compress:ident, |$x:ident, $p:ident| $less:expr, $less_equal:expr,
     |$b:ident| $bits:expr, |$k:ident| $back:expr) => {
        mod $module {
            use super::*;

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn bits($b: $vec) -> __m512i {
                $bits
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn back($k: __m512i) -> $vec {
                $back
            }

            /// Compares lanes with those that the permutation brings to them; the greater one goes where the mask is set.
            macro_rules! stage {
                ($v:expr, $swapped:expr, $mask:literal) => {{
                    let v = $v;
                    let w = back($swapped(bits(v)));
                    $mask_max($min(v, w), $mask, v, w)
                }};
            }

            /// Sorts lanes that fall after rising (or the reverse): compares lanes 8, 4, 2 and 1 apart.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn settle(v: $vec) -> $vec {
                let v = stage!(v, |b| _mm512_shuffle_i64x2::<0x4e>(b, b), 0xff00);
                let v = stage!(v, |b| _mm512_shuffle_i64x2::<0xb1>(b, b), 0xf0f0);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0x4e>(b), 0xcccc);
                stage!(v, |b| _mm512_shuffle_epi32::<0xb1>(b), 0xaaaa)
            }

            /// Sorts lanes in any order, bitonic.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn sort_lanes(v: $vec) -> $vec {
                // Runs of 2, 4, 8: each round begins by comparing with the reversed neighbour run.
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0xb1>(b), 0xaaaa);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0x1b>(b), 0xcccc);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0xb1>(b), 0xaaaa);
                let v = stage!(v, |b| bits(reverse_halves(back(b))), 0xf0f0);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0x4e>(b), 0xcccc);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0xb1>(b), 0xaaaa);
                let v = stage!(v, |b| bits(reverse(back(b))), 0xff00);
                let v = stage!(v, |b| _mm512_shuffle_i64x2::<0xb1>(b, b), 0xf0f0);
                let v = stage!(v, |b| _mm512_shuffle_epi32::<0x4e>(b), 0xcccc);
                stage!(v, |b| _mm512_shuffle_epi32::<0xb1>(b), 0xaaaa)
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn reverse_halves(v: $vec) -> $vec {
                let b = _mm512_shuffle_epi32::<0x1b>(bits(v));
                back(_mm512_shuffle_i64x2::<0xb1>(b, b))
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn reverse(v: $vec) -> $vec {
                let down = _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                back(_mm512_permutexvar_epi32(down, bits(v)))
            }

            /// Merges neighbouring sorted runs of `M` vectors.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn merge<const V: usize, const M: usize>(v: &mut [$vec; V]) {
                for run in 0..V / (2 * M) {
                    let at = run * 2 * M;
                    let mut upper = [v[at]; M];
                    for i in 0..M {
                        upper[i] = reverse(v[at + 2 * M - 1 - i]);
                    }
                    for i in 0..M {
                        let (a, b) = (v[at + i], upper[i]);
                        v[at + i] = $min(a, b);
                        v[at + M + i] = $max(a, b);
                    }
                    for shift in [3, 2, 1, 0] {
                        let apart = 1 << shift;
                        if apart < M {
                            for i in 0..2 * M {
                                if i & apart == 0 {
                                    let (a, b) = (v[at + i], v[at + i + apart]);
                                    v[at + i] = $min(a, b);
                                    v[at + i + apart] = $max(a, b);
                                }
                            }
                        }
                    }
                    for i in 0..2 * M {
                        v[at + i] = settle(v[at + i]);
                    }
                }
            }

            /// Sorts at most `16 V` keys from one place to another (or the same).
            #[target_feature(enable = "avx512f")]
            unsafe fn small<const V: usize>(from: *const $t, to: *mut $t, n: usize) {
                let mask = |i: usize| -> __mmask16 {
                    let left = n.saturating_sub(16 * i);
                    if left >= 16 { !0 } else { (1 << left) - 1 }
                };
                // SAFETY: the caller's ranges hold `n` keys; other lanes are masked.
                unsafe {
                    let mut v = [$set1($top); V];
                    for i in 0..V {
                        v[i] = $fill_load(v[i], mask(i), from.wrapping_add(16 * i).cast());
                    }
                    if V == 16 {
                        exchange!(v, $min, $max,
                            (0 1) (2 3) (4 5) (6 7) (8 9) (10 11) (12 13) (14 15) (0 2) (1 3) (4 6) (5 7) (8 10) (9 11) (12 14)
            (13 15) (1 2) (5 6) (9 10) (13 14) (0 4) (1 5) (2 6) (3 7) (8 12) (9 13) (10 14) (11 15) (2 4) (3 5)
            (10 12) (11 13) (1 2) (3 4) (5 6) (9 10) (11 12) (13 14) (0 8) (1 9) (2 10) (3 11) (4 12) (5 13) (6 14)
            (7 15) (4 8) (5 9) (6 10) (7 11) (2 4) (3 5) (6 8) (7 9) (10 12) (11 13) (1 2) (3 4) (5 6) (7 8) (9 10)
            (11 12) (13 14));
                        let mut rows = [_mm512_setzero_si512(); 16];
                        for i in 0..16 {
                            rows[i] = bits(v[i % V]);
                        }
                        transpose(&mut rows);
                        for i in 0..V {
                            v[i] = back(rows[i]);
                        }
                    } else {
                        for i in 0..V {
                            v[i] = sort_lanes(v[i]);
                        }
                    }
                    if V >= 2 {
                        merge::<V, 1>(&mut v);
                    }
                    if V >= 4 {
                        merge::<V, 2>(&mut v);
                    }
                    if V >= 8 {
                        merge::<V, 4>(&mut v);
                    }
                    if V >= 16 {
                        merge::<V, 8>(&mut v);
                    }
                    for i in 0..V {
                        $store(to.wrapping_add(16 * i).cast(), mask(i), v[i]);
                    }
                }
            }

            #[target_feature(enable = "avx512f")]
            unsafe fn leaf(from: *const $t, to: *mut $t, n: usize) {
                // SAFETY: the caller's promise.
                unsafe {
                    match n.div_ceil(16) {
                        0 | 1 => small::<1>(from, to, n),
                        2 => small::<2>(from, to, n),
                        3 | 4 => small::<4>(from, to, n),
                        5..=8 => small::<8>(from, to, n),
                        _ => small::<16>(from, to, n),
                    }
                }
            }

            /// A key near the middle.
            #[target_feature(enable = "avx512f")]
            unsafe fn pivot(from: *const $t, n: usize) -> $t {
                let count = if n < 4096 { 16 } else { 64 };
                let mut sample = [$top; 64];
                // SAFETY: samples are inside the range.
                unsafe {
                    for (i, x) in sample[..count].iter_mut().enumerate() {
                        *x = *from.add((2 * i + 1) * (n / (2 * count)));
                    }
                    let at = sample.as_mut_ptr();
                    leaf(at, at, count);
                }
                sample[count / 2]
            }

            /// Keys below the pivot (or not above it) to the left end of `to`, the others to its right end; how many
            /// went left.
            #[target_feature(enable = "avx512f,popcnt")]
            unsafe fn partition<const EQUAL: bool>(from: *const $t, to: *mut $t, n: usize, pivot: $t) -> usize {
                // SAFETY: both ranges hold `n` keys. What is stored beyond the left part is not beyond the right one's
                // beginning, as at least sixteen keys are still to come.
                unsafe {
                    let $p = $set1(pivot);
                    let (mut left, mut right) = (to, to.add(n));
                    let mut step = |$x: $vec, all: __mmask16, whole: bool| {
                        let goes: __mmask16 = all & if EQUAL { $less_equal } else { $less };
                        let stays = all & !goes;
                        let (l, r) = (goes.count_ones() as usize, stays.count_ones());
                        if whole {
                            $store(left.cast(), !0, $compress(goes, $x));
                        } else {
                            $store(left.cast(), ((1u32 << l) - 1) as __mmask16, $compress(goes, $x));
                        }
                        left = left.add(l);
                        right = right.sub(r as usize);
                        $store(right.cast(), ((1u32 << r) - 1) as __mmask16, $compress(stays, $x));
                    };
                    let mut at = 0;
                    while at + 64 <= n {
                        let v = [0, 16, 32, 48].map(|i| $load(from.add(at + i).cast()));
                        step(v[0], !0, true);
                        step(v[1], !0, true);
                        step(v[2], !0, true);
                        step(v[3], !0, true);
                        at += 64;
                    }
                    while at < n {
                        let rest = n - at;
                        let all: __mmask16 = if rest >= 16 { !0 } else { (1 << rest) - 1 };
                        step($fill_load($set1($top), all, from.add(at).cast()), all, false);
                        at += 16;
                    }
                    left.offset_from(to) as usize
                }
            }

            /// Sorts a part, or splits it until its pieces have at most `grain` keys and hands those out.
            #[target_feature(enable = "avx512f,popcnt")]
            unsafe fn split(out: *mut $t, other: *mut $t, part: Part<$t>, grain: usize, hand: &mut Vec<Part<$t>>) {
                let mut part = part;
                loop {
                    let (mut from, mut to) = (other.wrapping_add(part.start), out.wrapping_add(part.start));
                    if part.in_out {
                        std::mem::swap(&mut from, &mut to);
                    }
                    let place = out.wrapping_add(part.start);
                    // SAFETY: the part lies in both buffers, and is this call's alone.
                    unsafe {
                        if part.len <= LEAF {
                            return leaf(from, place, part.len);
                        }
                        if part.len <= grain {
                            return hand.push(part);
                        }
                        if part.rounds == 0 {
                            if !part.in_out {
                                std::ptr::copy_nonoverlapping(from, place, part.len);
                            }
                            let keys = std::slice::from_raw_parts_mut(place, part.len);
                            return keys.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
                        }
                        let pivot = pivot(from, part.len);
                        let (rounds, in_out) = (part.rounds - 1, !part.in_out);
                        if part.low == Some(pivot) {
                            let same = partition::<true>(from, to, part.len, pivot);
                            std::slice::from_raw_parts_mut(place, same).fill(pivot);
                            let (start, len) = (part.start + same, part.len - same);
                            part = Part { start, len, in_out, low: None, rounds };
                            continue;
                        }
                        let below = partition::<false>(from, to, part.len, pivot);
                        let left = Part { len: below, in_out, rounds, ..part };
                        if below > 0 {
                            split(out, other, left, grain, hand);
                        }
                        let (start, len) = (part.start + below, part.len - below);
                        part = Part { start, len, in_out, low: Some(pivot), rounds };
                    }
                }
            }

            /// Sorts the keys, in so many pieces for the threads (about).
            ///
            /// # Safety
            /// The machine has AVX-512 F. No key is a NaN.
            pub unsafe fn sort(keys: &mut [$t], pieces: usize) {
                let n = keys.len();
                if n <= LEAF {
                    // SAFETY: as promised by the caller.
                    return unsafe { leaf(keys.as_ptr(), keys.as_mut_ptr(), n) };
                }
                let scratch = Scratch::take::<$t>(n);
                // SAFETY: the scratch holds `n` keys, which are written before they are read.
                let other = unsafe { std::slice::from_raw_parts_mut(scratch.ptr::<$t>(), n) };
                let whole = Part { start: 0, len: n, in_out: true, low: None, rounds: 3 * n.ilog2() };
                let grain = if pieces > 1 { (n / (8 * pieces)).max(LEAF) } else { 0 };
                let mut parts = Vec::new();
                let (out, other) = (Disjoint::new(keys), Disjoint::new(other));
                // SAFETY: the buffers are this call's; parts that are handed out are disjoint, in either buffer.
                unsafe {
                    split(out.ptr(), other.ptr(), whole, grain, &mut parts);
                    par::run(parts.len(), |i| split(out.ptr(), other.ptr(), parts[i], 0, &mut Vec::new()));
                }
            }
        }
    };
}

sorter!(
    f32_keys,
    f32,
    __m512,
    f32::INFINITY,
    _mm512_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_mask_loadu_ps,
    _mm512_set1_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    _mm512_mask_max_ps,
    _mm512_maskz_compress_ps,
    |x, p| _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, p),
    _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, p),
    |b| _mm512_castps_si512(b),
    |k| _mm512_castsi512_ps(k)
);
sorter!(
    i32_keys,
    i32,
    __m512i,
    i32::MAX,
    _mm512_loadu_epi32,
    _mm512_mask_storeu_epi32,
    _mm512_mask_loadu_epi32,
    _mm512_set1_epi32,
    _mm512_min_epi32,
    _mm512_max_epi32,
    _mm512_mask_max_epi32,
    _mm512_maskz_compress_epi32,
    |x, p| _mm512_cmplt_epi32_mask(x, p),
    _mm512_cmple_epi32_mask(x, p),
    |b| b,
    |k| k
);

/// Whether the level in force has these sorts.
pub(super) fn available() -> bool {
    isa::level() == isa::Level::Avx512
}

/// Sorts integers.
pub(super) fn integers(row: &[i32], out: &mut [i32], pieces: usize) {
    out.copy_from_slice(row);
    // SAFETY: `available()` was asked.
    unsafe { i32_keys::sort(out, pieces) };
}

/// Sorts floats, stably: NaNs last, zeros of both signs in the order of the input.
pub(super) fn floats(row: &[f32], out: &mut [f32], pieces: usize) {
    let (mut nans, mut minus) = (0usize, 0usize);
    for (o, x) in out.iter_mut().zip(row) {
        nans += usize::from(x.is_nan());
        minus += usize::from(x.to_bits() == 1 << 31);
        let x = if x.to_bits() == 1 << 31 { 0.0 } else { *x };
        *o = if x.is_nan() { f32::INFINITY } else { x };
    }
    // SAFETY: `available()` was asked; no NaN is left.
    unsafe { f32_keys::sort(out, pieces) };
    if nans > 0 {
        let last = out.len() - nans;
        for (o, x) in out[last..].iter_mut().zip(row.iter().filter(|x| x.is_nan())) {
            *o = *x;
        }
    }
    if minus > 0 {
        let first = out.partition_point(|x| *x < 0.0);
        for (o, x) in out[first..].iter_mut().zip(row.iter().filter(|x| **x == 0.0)) {
            *o = *x;
        }
    }
}
