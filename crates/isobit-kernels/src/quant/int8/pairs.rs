//! AVX2 without `VPDPBUSD`: pairs of products, added in 16 bits for as long as the sums fit.
//!
//! ```text
//! per run: per fold of `fits` vectors of codes:  acc = 0 (16 bits); acc += VPMADDUBSW(codes, bytes of x)
//!                                                sum += VPMADDWD(acc, 1)
//!          total = fma(sum, scale * d, total)
//! ```
//!
//! 1. Widening a pair of products at once would cost as many multiplications as the products. Of codes of up to 4 bits a whole
//!    run fits: 8 vectors of two products of at most 15 * 127 are 30480. Of 5 bits and of E2M1 half a run does, of 6 a quarter.
//! 2. Two products of 8 bits do not fit. There the bytes of x are written as `16 h + l` with digits of -8 to 8, and either digit
//!    has a fold of its own: 16 products of at most 8 * 255 are 32640. The codes need no preparation.
//! 3. A tile has six rows and 16 columns; its sums in 16 bits are in registers, totals and unfinished sums in memory, where a
//!    fold adds to them as it loads.
//!
//! Cost of a run, per row and 8 columns, on four ports, two of which multiply: 19 instructions up to 4 bits, 21 with 5 and E2M1,
//! 25 (12 of them multiplications) with 6, 36 (18) with 8.

use super::codes::{Reader, with_codes};
use super::rounding::{Operands, WORDS};
use super::tile::{OneRow, Tile};
use super::{LANES, span};
use crate::isa::Level;
use crate::quant::block;
use crate::quant::{Codes, Format};
use crate::simd::{self, Simd, avx2::Avx2};
use std::arch::x86_64::*;
use std::sync::atomic::{Ordering, compiler_fence};

/// Strips that one row takes at a time.
const NV: usize = 4;
/// Rows of a tile, at most.
const MOST: usize = 6;

/// Whether the level's dot products are these.
pub(super) fn takes(level: Level) -> bool {
    level == Level::Avx2 && !(super::tile::vnni() && is_x86_feature_detected!("avxvnni"))
}

/// Digits that the bytes of the activations are written in.
pub(super) const fn digits(bits: usize) -> usize {
    if bits == 8 { 2 } else { 1 }
}

/// Vectors of codes whose products with (a digit of) the activations can be added in 16 bits: a power of two, at most 8.
const fn fits(bits: usize, e2m1: bool) -> usize {
    let product = if e2m1 {
        24 * 127
    } else if digits(bits) == 2 {
        255 * 8
    } else {
        ((1 << bits) - 1) * 127
    };
    let (mut n, most) = (1, i16::MAX as usize / (2 * product));
    while 2 * n <= most && n < 8 {
        n *= 2;
    }
    n
}

/// What a digit counts.
#[inline(always)]
fn weight(digit: usize) -> __m256i {
    // SAFETY: the callers have AVX2.
    unsafe { _mm256_set1_epi16(if digit == 0 { 1 } else { 16 }) }
}

/// Runs a tile of one strip.
///
/// # Safety
/// The machine has AVX2, FMA and F16C; everything in the tile is valid for that many rows, at most [`MOST`].
pub(super) unsafe fn tile(format: Format, rows: usize, t: &Tile) {
    macro_rules! rows {
        ($($r:literal)*) => {
            match (format.codes, format.bits, span(format), rows) {
                $(
                    (Codes::E2m1, _, 16, $r) => of_rows::<$r, 4, { fits(4, true) }, 1>(t),
                    (Codes::E2m1, _, _, $r) => of_rows::<$r, 8, { fits(4, true) }, 1>(t),
                    (_, 2..=4, _, $r) => of_rows::<$r, 8, { fits(4, false) }, 1>(t),
                    (_, 5, _, $r) => of_rows::<$r, 8, { fits(5, false) }, 1>(t),
                    (_, 6, _, $r) => of_rows::<$r, 8, { fits(6, false) }, 1>(t),
                    (_, _, _, $r) => of_rows::<$r, 8, { fits(8, false) }, 2>(t),
                )*
                _ => unreachable!("no tile of {rows} rows"),
            }
        };
    }
    // SAFETY: the caller's promise.
    unsafe {
        rows! { 1 2 3 4 5 6 }
    }
}

/// `R` rows times one strip: runs of `QUADS` vectors of codes, `FIT` of which are added in 16 bits.
///
/// # Safety
/// As for [`tile`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn of_rows<const R: usize, const QUADS: usize, const FIT: usize, const DIGITS: usize>(t: &Tile) {
    let Tile { mut codes, mut scales, groups, spans, x, totals, .. } = *t;
    let Operands { mut q, mut d, mut sums, mut starts } = x;
    // Sums of the folds but the last one. The compiler would rather keep them in registers, of which there are none left.
    let mut room = [[_mm256_setzero_si256(); 2]; MOST];
    let unfinished: *mut [__m256i; 2] = std::hint::black_box(room.as_mut_ptr());
    // SAFETY: the caller's promise: codes, activations, scales and totals of the tile; the room has place for every row.
    unsafe {
        for _ in 0..groups {
            for _ in 0..spans {
                for first in (0..QUADS).step_by(FIT) {
                    for digit in 0..DIGITS {
                        let acc = fold::<R, FIT, DIGITS>(codes, q, first, digit);
                        let weight = weight(digit);
                        if first + FIT < QUADS || digit + 1 < DIGITS {
                            for r in 0..R {
                                let start = if starts.is_null() { 0 } else { *starts.add(r) };
                                for v in 0..2 {
                                    let sum = _mm256_madd_epi16(acc[r][v], weight);
                                    let at = &raw mut (*unfinished.add(r))[v];
                                    let before = match first + digit {
                                        0 if DIGITS == 2 => _mm256_setzero_si256(),
                                        0 => _mm256_set1_epi32(start),
                                        _ => at.read(),
                                    };
                                    at.write(_mm256_add_epi32(sum, before));
                                }
                            }
                            compiler_fence(Ordering::SeqCst);
                            continue;
                        }
                        for r in 0..R {
                            let d = _mm256_set1_ps(*d.add(r));
                            for v in 0..2 {
                                let mut sum = _mm256_madd_epi16(acc[r][v], weight);
                                if QUADS > FIT || DIGITS > 1 {
                                    sum = _mm256_add_epi32(sum, (*unfinished.add(r))[v]);
                                } else if !starts.is_null() {
                                    sum = _mm256_add_epi32(sum, _mm256_set1_epi32(*starts.add(r)));
                                }
                                let scale = _mm256_mul_ps(_mm256_loadu_ps(scales.add(8 * v)), d);
                                let at = totals.add(r * LANES + 8 * v);
                                let total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, _mm256_loadu_ps(at));
                                _mm256_storeu_ps(at, total);
                            }
                        }
                        compiler_fence(Ordering::SeqCst);
                    }
                }
                codes = codes.add(QUADS * LANES);
                q = q.add(QUADS * DIGITS * R);
                d = d.add(R);
                if !starts.is_null() {
                    starts = starts.add(R);
                }
            }
            if !sums.is_null() {
                for r in 0..R {
                    let sum = _mm256_set1_ps(*sums.add(r));
                    for v in 0..2 {
                        let at = totals.add(r * LANES + 8 * v);
                        let bias = _mm256_loadu_ps(scales.add(LANES + 8 * v));
                        _mm256_storeu_ps(at, _mm256_fmadd_ps(sum, bias, _mm256_loadu_ps(at)));
                    }
                }
                compiler_fence(Ordering::SeqCst);
                sums = sums.add(R);
            }
            scales = scales.add(2 * LANES);
        }
    }
}

/// Sums in 16 bits of the products of `FIT` vectors of codes with a digit of the activations.
///
/// # Safety
/// `codes` and `q` are a run's.
#[inline(always)]
unsafe fn fold<const R: usize, const FIT: usize, const DIGITS: usize>(
    codes: *const i32,
    q: *const i32,
    first: usize,
    digit: usize,
) -> [[__m256i; 2]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[_mm256_setzero_si256(); 2]; R];
        for j in first..first + FIT {
            let at: *const __m256i = codes.add(j * LANES).cast();
            let u = [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))];
            let q = q.add((j / WORDS * R * DIGITS + digit) * WORDS + j % WORDS);
            for r in 0..R {
                let x = _mm256_set1_epi32(*q.add(r * DIGITS * WORDS));
                for v in 0..2 {
                    let pairs = _mm256_maddubs_epi16(u[v], x);
                    acc[r][v] = if j == first { pairs } else { _mm256_add_epi16(acc[r][v], pairs) };
                }
            }
            // Keeps the compiler from loading now what comes later, for which there would be no registers.
            compiler_fence(Ordering::SeqCst);
        }
        acc
    }
}

/// One row times some strips, codes straight from the words.
///
/// # Safety
/// The machine has AVX2, FMA and F16C; as for the fields.
pub(super) unsafe fn one_row(row: OneRow) {
    struct Take<'a>(OneRow<'a>);
    impl Take<'_> {
        #[allow(clippy::extra_unused_type_parameters, reason = "the macro names the level")]
        #[inline(always)]
        fn of<S: Simd, const BITS: usize, const E2M1: bool, const QUADS: usize>(self) {
            // SAFETY: the promise of `one_row`.
            unsafe {
                match (BITS, E2M1) {
                    (8, _) => of_one::<BITS, E2M1, QUADS, 8, 2>(self.0),
                    (6, _) => of_one::<BITS, E2M1, QUADS, { fits(6, false) }, 1>(self.0),
                    (5, _) | (_, true) => of_one::<BITS, E2M1, QUADS, { fits(5, false) }, 1>(self.0),
                    _ => of_one::<BITS, E2M1, QUADS, { fits(4, false) }, 1>(self.0),
                }
            }
        }
    }
    let (format, take) = (row.p.w.format, Take(row));
    with_codes!(format, take.of::<Avx2>());
}

/// [`one_row`]: runs of `QUADS` vectors of codes, `FIT` of which are added in 16 bits.
///
/// # Safety
/// As for [`one_row`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn of_one<const BITS: usize, const E2M1: bool, const QUADS: usize, const FIT: usize, const DIGITS: usize>(
    row: OneRow,
) {
    let OneRow { p, layout: l, strips, x, totals, next } = row;
    // SAFETY: the features are enabled here.
    let s = unsafe { Avx2::new() };
    let reader = Reader::<Avx2, BITS, E2M1, QUADS>::new(s);
    let words = Reader::<Avx2, BITS, E2M1, QUADS>::WORDS;
    let format = p.w.format;
    let Operands { mut q, mut d, sums, mut starts } = x.from(0, 0);
    // In bytes, half a block.
    let near = 2 * l.block(1) as isize;
    let to = totals.as_mut_ptr();
    // SAFETY: the strips have words and scales for every group, the row bytes, scales and a sum; the totals have a vector for
    // each strip.
    unsafe {
        for v in 0..2 * NV {
            _mm256_storeu_ps(to.add(8 * v), _mm256_setzero_ps());
        }
        for g in 0..p.w.k / format.group {
            // The same place of the next block, at last of the first one of the next strips.
            let far = match l.far(g) {
                Some(far) => far,
                None if next.is_null() => 0,
                None => next as isize - strips[0] as isize - 4 * l.last_block() as isize,
            };
            for v in 0..NV {
                let ends = strips[v].wrapping_add(l.scales(g));
                simd::prefetch_far(ends.cast::<u8>().wrapping_offset(far), 4 * l.extra);
                let (scale, bias) = block::scales(s, format.scales, l.extra, ends);
                let (scale, bias) = ([scale.0, scale.1], [bias.0, bias.1]);
                let to = to.add(v * LANES);
                let mut total = [_mm256_loadu_ps(to), _mm256_loadu_ps(to.add(8))];
                let mut at = strips[v].wrapping_add(l.words(g));
                for run in 0..format.group / (4 * QUADS) {
                    for line in 0..words {
                        let at = at.wrapping_add(line * LANES).cast::<u8>();
                        simd::prefetch_far(at.wrapping_offset(far), 1);
                        simd::prefetch_near(at.wrapping_offset(near));
                    }
                    let q = q.add(run * QUADS * DIGITS);
                    let mut sum = [_mm256_set1_epi32(if E2M1 { *starts.add(run) } else { 0 }); 2];
                    for first in (0..QUADS).step_by(FIT) {
                        let mut acc = [[_mm256_setzero_si256(); 2]; DIGITS];
                        for j in first..(first + FIT).min(QUADS) {
                            let u = reader.quad(at, j);
                            for digit in 0..DIGITS {
                                let x = q.add((j / WORDS * DIGITS + digit) * WORDS + j % WORDS);
                                let x = _mm256_set1_epi32(*x);
                                acc[digit][0] = _mm256_add_epi16(acc[digit][0], _mm256_maddubs_epi16(u.0, x));
                                acc[digit][1] = _mm256_add_epi16(acc[digit][1], _mm256_maddubs_epi16(u.1, x));
                            }
                        }
                        for digit in 0..DIGITS {
                            for half in 0..2 {
                                let wide = _mm256_madd_epi16(acc[digit][half], weight(digit));
                                sum[half] = _mm256_add_epi32(sum[half], wide);
                            }
                        }
                    }
                    let d = _mm256_set1_ps(*d.add(run));
                    for half in 0..2 {
                        let scale = _mm256_mul_ps(scale[half], d);
                        total[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[half]), scale, total[half]);
                    }
                    at = at.wrapping_add(words * LANES);
                }
                for half in 0..2 {
                    if !p.w.biases.is_null() {
                        total[half] = _mm256_fmadd_ps(_mm256_set1_ps(*sums.add(g)), bias[half], total[half]);
                    }
                    _mm256_storeu_ps(to.add(8 * half), total[half]);
                }
            }
            let runs = format.group / (4 * QUADS);
            q = q.add(runs * QUADS * DIGITS);
            d = d.add(runs);
            if E2M1 {
                starts = starts.add(runs);
            }
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    self_test!(sums_fit_in_16_bits);
    fn sums_fit_in_16_bits() {
        let digit = |q: i32| ((q + 8) >> 4, q - 16 * ((q + 8) >> 4));
        assert!((-127..=127).map(digit).all(|(high, low)| (-8..=8).contains(&high) && (-8..=7).contains(&low)));
        for (bits, e2m1, most) in [
            (2, false, 3),
            (3, false, 7),
            (4, false, 15),
            (5, false, 31),
            (6, false, 63),
            (8, false, 255),
            (4, true, 24),
        ] {
            let x = if digits(bits) == 2 { 8 } else { 127 };
            let n = fits(bits, e2m1);
            assert!(n.is_power_of_two() && n <= 8 && 2 * n * most * x <= 32767, "{bits} bits: {n}");
        }
        assert_eq!(fits(4, true), fits(5, false), "one kernel for both");
    }
}
