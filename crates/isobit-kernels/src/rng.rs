//! Random bits: the counter-based generator threefry2x32 with 20 rounds, laid out as MLX lays it out.
//!
//! The bits are a pure function of (key, position): no state, no order of evaluation, no thread count. Distributions
//! (uniform, normal, ...) are built from these bits elsewhere. It is a generator for simulation, not for secrets.
//!
//! # Layout
//! For one key the output is `n = ceil(bytes / 4)` little-endian 32-bit words `w`. With `h = n / 2` and `odd = n % 2`:
//!
//! ```text
//! (w[i], w[h + odd + i]) = hash(key, (i, h + odd + i))     for i < h
//!  w[h]                  = hash(key, (h, 0)).0             if odd
//! ```
//!
//! and the last word is cut after `bytes` bytes.
//!
//! Source of the function: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).

use crate::disjoint::Disjoint;
use crate::isa::{self, Level};
use crate::par;

/// Word pairs per task; a multiple of every vector length. It cannot change a bit.
const PAIRS_PER_TASK: usize = 1 << 15;

const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// threefry2x32 with 20 rounds: two words from a key of two words and a counter of two words.
#[inline(always)]
pub fn threefry2x32(key: (u32, u32), counter: (u32, u32)) -> (u32, u32) {
    let ks = [key.0, key.1, 0x1BD1_1BDA ^ key.0 ^ key.1];
    let mut x = counter.0.wrapping_add(ks[0]);
    let mut y = counter.1.wrapping_add(ks[1]);
    for group in 0..5u32 {
        for r in ROTATIONS[group as usize % 2] {
            x = x.wrapping_add(y);
            y = y.rotate_left(r) ^ x;
        }
        x = x.wrapping_add(ks[(group as usize + 1) % 3]);
        y = y.wrapping_add(ks[(group as usize + 2) % 3]).wrapping_add(group + 1);
    }
    (x, y)
}

/// The key of a seed: high word, low word.
pub fn key_from_seed(seed: u64) -> [u32; 2] {
    [(seed >> 32) as u32, seed as u32]
}

/// Fills `out` with random bytes: `bytes_per_key` bytes for each key (two words) of `keys`, in order.
///
/// # Panics
/// If `keys` is not made of pairs or `out` is not `bytes_per_key` bytes for each of them.
pub fn random_bits(keys: &[u32], bytes_per_key: usize, out: &mut [u8]) {
    let (pairs, rest) = keys.as_chunks::<2>();
    assert!(rest.is_empty(), "random_bits: keys must be pairs of words");
    assert_eq!(out.len(), pairs.len() * bytes_per_key, "random_bits: output size");
    if out.is_empty() {
        return;
    }
    let words = bytes_per_key.div_ceil(4);
    let level = isa::level();
    let shared = Disjoint::new(out);
    if words / 2 >= 2 * PAIRS_PER_TASK {
        let per_key = (words / 2).div_ceil(PAIRS_PER_TASK);
        par::run(pairs.len() * per_key, |t| {
            let k = t / per_key;
            let from = (t % per_key) * PAIRS_PER_TASK;
            let to = (from + PAIRS_PER_TASK).min(words / 2);
            // SAFETY: a task writes the words of its own counters of its own key only.
            unsafe { one_key(level, pairs[k], &shared, k * bytes_per_key, bytes_per_key, from..to) };
        });
        return;
    }
    let keys_per_task = (2 * PAIRS_PER_TASK / words).max(1);
    par::run(pairs.len().div_ceil(keys_per_task), |t| {
        let range = t * keys_per_task..((t + 1) * keys_per_task).min(pairs.len());
        for (k, &key) in pairs.iter().enumerate().take(range.end).skip(range.start) {
            // SAFETY: a task writes the words of its own keys only.
            unsafe { one_key(level, key, &shared, k * bytes_per_key, bytes_per_key, 0..words / 2) };
        }
    });
}

/// The word pairs `range` of one key whose bytes start at `at`; the range that starts at 0 also writes the odd word.
///
/// # Safety
/// No other task may write the same words.
unsafe fn one_key(
    level: Level,
    key: [u32; 2],
    out: &Disjoint<u8>,
    at: usize,
    bytes: usize,
    range: std::ops::Range<usize>,
) {
    let words = bytes.div_ceil(4);
    let (half, odd) = (words / 2, words % 2);
    let key = (key[0], key[1]);
    let second = half + odd;
    if odd == 1 && range.start == 0 {
        let w = threefry2x32(key, (half as u32, 0)).0.to_le_bytes();
        let len = (bytes - 4 * half).min(4);
        // SAFETY: the caller's promise; this word belongs to the first range alone.
        unsafe { out.slice(at + 4 * half, len) }.copy_from_slice(&w[..len]);
    }
    // The very last word may be cut: then its pair is done by hand.
    let cut = range.end == half && half > 0 && !bytes.is_multiple_of(4);
    let end = if cut { range.end - 1 } else { range.end };
    if cut {
        let (x, y) = threefry2x32(key, (end as u32, (second + end) as u32));
        let len = bytes % 4;
        // SAFETY: the caller's promise; both words belong to this range.
        unsafe {
            out.slice(at + 4 * end, 4).copy_from_slice(&x.to_le_bytes());
            out.slice(at + 4 * (second + end), len).copy_from_slice(&y.to_le_bytes()[..len]);
        }
    }
    let n = end.saturating_sub(range.start);
    if n == 0 {
        return;
    }
    // SAFETY: the caller's promise; first words and second words are disjoint since `second >= half`.
    let (a, b) = unsafe { (out.slice(at + 4 * range.start, 4 * n), out.slice(at + 4 * (second + range.start), 4 * n)) };
    let (a, b) = (a.as_chunks_mut::<4>().0, b.as_chunks_mut::<4>().0);
    let counter = (range.start as u32, (second + range.start) as u32);
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level says that the machine has these features.
        Level::Avx512 => unsafe { pairs_avx512(key, counter, a, b) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { pairs_avx2(key, counter, a, b) },
        _ => pairs(key, counter, a, b),
    }
}

/// One hash per position. Everything is lane-wise 32-bit integer work, so the compiler vectorises the loop as it is.
#[inline(always)]
fn pairs(key: (u32, u32), counter: (u32, u32), a: &mut [[u8; 4]], b: &mut [[u8; 4]]) {
    for (i, (a, b)) in a.iter_mut().zip(b).enumerate() {
        let (x, y) = threefry2x32(key, (counter.0.wrapping_add(i as u32), counter.1.wrapping_add(i as u32)));
        *a = x.to_le_bytes();
        *b = y.to_le_bytes();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn pairs_avx512(key: (u32, u32), counter: (u32, u32), a: &mut [[u8; 4]], b: &mut [[u8; 4]]) {
    pairs(key, counter, a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn pairs_avx2(key: (u32, u32), counter: (u32, u32), a: &mut [[u8; 4]], b: &mut [[u8; 4]]) {
    pairs(key, counter, a, b)
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    /// The layout of the module's comment, word by word.
    fn naive(keys: &[u32], bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for k in keys.chunks(2) {
            let key = (k[0], k[1]);
            let n = bytes.div_ceil(4);
            let (h, odd) = (n / 2, n % 2);
            let mut w = vec![0u32; n];
            for i in 0..h {
                (w[i], w[h + odd + i]) = threefry2x32(key, (i as u32, (h + odd + i) as u32));
            }
            if odd == 1 {
                w[h] = threefry2x32(key, (h as u32, 0)).0;
            }
            let all: Vec<u8> = w.iter().flat_map(|w| w.to_le_bytes()).collect();
            out.extend_from_slice(&all[..bytes]);
        }
        out
    }

    fn words(keys: &[u32], n: usize) -> Vec<u32> {
        let mut out = vec![0xAA; 4 * n * keys.len() / 2];
        random_bits(keys, 4 * n, &mut out);
        out.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect()
    }

    self_test!(known_answers_of_the_paper);
    fn known_answers_of_the_paper() {
        assert_eq!(threefry2x32((0, 0), (0, 0)), (0x6b20_0159, 0x99ba_4efe));
        assert_eq!(threefry2x32((!0, !0), (!0, !0)), (0x1cb9_96fc, 0xbb00_2be7));
        assert_eq!(threefry2x32((0x1319_8a2e, 0x0370_7344), (0x243f_6a88, 0x85a3_08d3)), (0xc492_3a9c, 0x483d_f7a0));
    }

    self_test!(same_bits_as_mlx);
    fn same_bits_as_mlx() {
        // Printed by MLX 0.32.4: mx.random.key, mx.random.split (n = 2, 3, 5) and a vmapped split.
        let key = key_from_seed(42);
        assert_eq!(key, [0, 42]);
        assert_eq!(key_from_seed(0x0123_4567_89ab_cdef), [19088743, 2309737967]);
        assert_eq!(words(&key, 4), [2465931498, 3679230171, 255383827, 267815257]);
        let three = words(&key, 6);
        assert_eq!(three, [3134548294, 3733159049, 3746501087, 894150801, 801545058, 2363201431]);
        assert_eq!(
            words(&key_from_seed(0), 10),
            [
                1524306142, 2595015335, 1836460763, 990488084, 1416732029, 1887795613, 1078027127, 1191019179,
                3297765038, 3069809391
            ]
        );
        assert_eq!(
            words(&three, 4),
            [
                2073407881, 1735592262, 1472286103, 2479424396, 674324254, 3228334804, 1103547586, 3522086544,
                1029801476, 891180226, 1359158287, 3098796305
            ]
        );
    }

    self_test!(an_odd_number_of_words_as_in_mlx);
    fn an_odd_number_of_words_as_in_mlx() {
        // mx.random.uniform(shape=(5,), key=mx.random.key(42)) of MLX 0.32.4, as bits: min(w / (2^32 - 1), below 1).
        let got: Vec<u32> = words(&key_from_seed(42), 5)
            .iter()
            .map(|&w| (w as f32 / u32::MAX as f32).min(1f32.next_down()).to_bits())
            .collect();
        assert_eq!(got, [1060820329, 1063158653, 1044981518, 1045769890, 1044322926]);
    }

    self_test!(every_size_level_and_thread_count_gives_the_layout);
    fn every_size_level_and_thread_count_gives_the_layout() {
        let _guard = crate::test_settings::lock();
        let keys: Vec<u32> = (0..14u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
        let sizes = (0..70).chain([255, 256, 257, 1023, 4 * 4099, 4 * (4 * PAIRS_PER_TASK + 7) + 3]);
        for bytes in sizes {
            let keys = if bytes > 100_000 { &keys[..4] } else { &keys[..] };
            let want = naive(keys, bytes);
            crate::test_settings::each(|what| {
                let mut out = vec![0xAA; want.len()];
                random_bits(keys, bytes, &mut out);
                assert!(out == want, "{bytes} bytes, {what}");
            });
        }
    }
}
