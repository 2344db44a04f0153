//! Strided copies against an index-by-index twin.

use super::*;
use crate::test_settings::{each, lock};

/// Copies by index arithmetic.
fn twin(size: usize, shape: &[usize], src: &[u8], s: (isize, &[isize]), dst: &mut [u8], d: (isize, &[isize])) {
    let n: usize = shape.iter().product();
    for k in 0..n {
        let (mut rest, mut from, mut to) = (k, s.0, d.0);
        for i in (0..shape.len()).rev() {
            let at = (rest % shape[i]) as isize;
            rest /= shape[i];
            from += at * s.1[i];
            to += at * d.1[i];
        }
        let (from, to) = (from as usize * size, to as usize * size);
        dst[to..to + size].copy_from_slice(&src[from..from + size]);
    }
}

fn words(bytes: usize, fill: u64) -> Vec<u64> {
    (0..bytes.div_ceil(8) + 8)
        .map(|i| if fill == 0 { (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) } else { fill })
        .collect()
}

fn bytes_of(w: &[u64]) -> Vec<u8> {
    w.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// One case: shape, input strides with the element that index 0 is at, output strides likewise.
type Case = (&'static [usize], isize, &'static [isize], isize, &'static [isize]);

const CASES: &[Case] = &[
    (&[], 3, &[], 5, &[]),
    (&[0, 4], 0, &[4, 1], 0, &[4, 1]),
    (&[1000], 0, &[1], 0, &[1]),
    (&[1000], 999, &[-1], 0, &[1]),
    (&[1000], 7, &[0], 0, &[1]),
    (&[1000], 0, &[3], 0, &[2]),
    (&[40, 30], 0, &[30, 1], 0, &[30, 1]),
    (&[40, 30], 0, &[1, 40], 0, &[30, 1]),
    (&[40, 30], 0, &[0, 1], 0, &[30, 1]),
    (&[40, 30], 5, &[1, 0], 0, &[30, 1]),
    (&[64, 96], 0, &[1, 64], 0, &[96, 1]),
    (&[67, 131], 3, &[1, 70], 2, &[140, 1]),
    (&[67, 131], 131 * 70, &[1, -70], 2, &[140, 1]),
    (&[33, 70], 0, &[70, 1], 0, &[1, 33]),
    (&[33, 70], 0, &[70, 1], 69, &[70, -1]),
    (&[33, 70], 32, &[-1, 33], 32 * 70 + 69, &[-70, -1]),
    (&[200, 300], 0, &[1, 200], 199 * 300, &[-300, 1]),
    (&[9000, 40], 0, &[1, 9000], 0, &[40, 1]),
    (&[5, 7, 9], 0, &[1, 5, 35], 0, &[63, 9, 1]),
    (&[5, 7, 9], 0, &[63, 1, 7], 0, &[63, 9, 1]),
    (&[4, 6, 5, 3], 0, &[90, 1, 18, 6], 0, &[90, 15, 3, 1]),
    (&[2, 3, 1, 50], 1, &[300, 100, 7, 2], 0, &[150, 50, 50, 1]),
    (&[3, 100, 3], 0, &[300, 3, 1], 10, &[500, 5, 1]),
    (&[700, 3], 0, &[1, 700], 0, &[3, 1]),
    (&[3, 700], 0, &[1, 3], 0, &[700, 1]),
    (&[600, 520], 0, &[1, 600], 0, &[520, 1]),
    (&[300, 4200], 1, &[1, 301], 0, &[4200, 1]),
    (&[2, 70_000], 0, &[70_000, 1], 0, &[70_001, 1]),
    (&[100, 40, 60], 0, &[2400, 1, 40], 0, &[2400, 60, 1]),
];

self_test!(every_pattern_size_level_and_thread_count);
fn every_pattern_size_level_and_thread_count() {
    let _lock = lock();
    for &(shape, s0, ss, d0, ds) in CASES {
        let reach = |start: isize, strides: &[isize]| {
            start + shape.iter().zip(strides).map(|(&n, &s)| s.max(0) * (n as isize - 1).max(0)).sum::<isize>() + 1
        };
        for size in [1usize, 2, 4, 8] {
            let src = words(reach(s0, ss) as usize * size, 0);
            let mut expect = bytes_of(&words(reach(d0, ds) as usize * size, 0xaaaa_aaaa_aaaa_aaaa));
            twin(size, shape, &bytes_of(&src), (s0, ss), &mut expect, (d0, ds));
            each(|how| {
                let mut dst = words(reach(d0, ds) as usize * size, 0xaaaa_aaaa_aaaa_aaaa);
                // SAFETY: the buffers reach as far as the strides.
                unsafe {
                    let from = src.as_ptr().cast::<u8>().offset(s0 * size as isize);
                    let to = dst.as_mut_ptr().cast::<u8>().offset(d0 * size as isize);
                    copy_strided(size, shape, from, ss, to, ds);
                }
                assert!(bytes_of(&dst) == expect, "{shape:?} {ss:?} -> {ds:?} size {size} {how}");
            });
        }
    }
}

self_test!(large_copies_stream);
fn large_copies_stream() {
    let _lock = lock();
    // Over the streaming threshold: flat with a misaligned end, and transposed with aligned and unaligned rows.
    for (shape, strides, size) in [
        (vec![STREAM_BYTES + 77], vec![1isize], 1usize),
        (vec![2048, 1040], vec![1isize, 2048], 4),
        (vec![1501, 1499], vec![1isize, 1501], 4),
        (vec![2080, 2112], vec![1isize, 2080], 2),
    ] {
        let n: usize = shape.iter().product();
        let src = words(n * size, 0);
        let mut expect = vec![0u8; n * size];
        let mut contiguous = vec![1isize; shape.len()];
        for i in (0..shape.len().saturating_sub(1)).rev() {
            contiguous[i] = contiguous[i + 1] * shape[i + 1] as isize;
        }
        twin(size, &shape, &bytes_of(&src), (0, &strides), &mut expect, (0, &contiguous));
        each(|how| {
            let mut dst = vec![0u64; (n * size).div_ceil(8) + 8];
            let to = dst.as_mut_ptr().cast::<u8>();
            let to = to.wrapping_add(to.align_offset(64).min(56));
            // SAFETY: 64 bytes to spare.
            let got = unsafe {
                copy_to_contiguous(size, &shape, src.as_ptr().cast(), &strides, to);
                std::slice::from_raw_parts(to, n * size)
            };
            assert!(got == &expect[..], "{shape:?} size {size} {how}");
        });
    }
}

self_test!(gathered_ranges);
fn gathered_ranges() {
    let shape = [4usize, 6, 5];
    let strides = [1isize, 20, -4];
    let src: Vec<u32> = (0..200).collect();
    let all: Vec<u32> = (0..120)
        .map(|k| {
            let (i, j, l) = (k / 30, k / 5 % 6, k % 5);
            src[(50 + i as isize + 20 * j as isize - 4 * l as isize) as usize]
        })
        .collect();
    for start in 0..120 {
        for len in [0, 1, 3, 17, 120 - start] {
            let len = len.min(120 - start);
            let mut out = vec![0u32; len];
            // SAFETY: the view stays within `src`.
            unsafe { gather(4, &shape, &strides, src.as_ptr().add(50).cast(), start, len, out.as_mut_ptr().cast()) };
            assert_eq!(out, all[start..start + len]);
        }
    }
}
