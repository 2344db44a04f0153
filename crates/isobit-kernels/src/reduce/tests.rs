//! Reductions, softmax and norms: bits against a plain scalar twin of the canonical order, at every level and thread
//! count, and errors against `f64`.

use super::*;
use crate::norm::{Parameter, layer_norm, rms_norm};
use crate::softmax::softmax;
use crate::test_settings::{each, lock};

fn sequence(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2654435761) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state as f32 / u32::MAX as f32 - 0.5) * 4.0
        })
        .collect()
}

const LENGTHS: [usize; 24] =
    [1, 2, 3, 7, 15, 16, 17, 31, 33, 47, 63, 64, 65, 79, 80, 81, 96, 127, 128, 130, 255, 256, 257, 1000];
const LONG: [usize; 4] = [65_535, 65_536, 65_537, 200_003];

/// The canonical order, one number at a time: what the contract says, written without vectors.
fn row_twin(x: &[f32], start: f32, f: &dyn Fn(f32, f32) -> f32) -> f32 {
    if x.len() > ROW_CHUNK {
        let parts: Vec<f32> = x.chunks(ROW_CHUNK).map(|c| row_twin(c, start, f)).collect();
        return row_twin(&parts, start, f);
    }
    let mut acc = [[start; 16]; 4];
    for (i, &v) in x.iter().enumerate() {
        let a = &mut acc[i / 16 % 4][i % 16];
        *a = f(*a, v);
    }
    let mut lanes: Vec<f32> = (0..16).map(|k| f(f(acc[0][k], acc[1][k]), f(acc[2][k], acc[3][k]))).collect();
    for width in [8, 4, 2, 1] {
        for k in 0..width {
            lanes[k] = f(lanes[k], lanes[k + width]);
        }
    }
    lanes[0]
}

fn column_twin(x: &[f32], n: usize, inner: usize, j: usize, start: f32, f: &dyn Fn(f32, f32) -> f32) -> f32 {
    let column: Vec<f32> = (0..n).map(|r| x[r * inner + j]).collect();
    column.chunks(COLUMN_BLOCK).map(|c| c.iter().fold(start, |a, &v| f(a, v))).reduce(f).unwrap_or(start)
}

fn run<A, B: Default + Clone>(op: ReduceOp, from: Dtype, to: Dtype, x: &[A], e: Extent) -> Result<Vec<B>, Unsupported> {
    assert_eq!(x.len(), e.outer * e.n * e.inner);
    let mut out = vec![B::default(); e.outer * e.inner];
    // SAFETY: the sizes agree.
    unsafe { reduce(op, from, to, x.as_ptr().cast(), out.as_mut_ptr().cast(), e)? };
    Ok(out)
}

fn floats(op: ReduceOp, x: &[f32], e: Extent) -> Vec<f32> {
    run(op, Dtype::F32, Dtype::F32, x, e).unwrap()
}

type Combine = fn(f32, f32) -> f32;

const FOLDS: [(ReduceOp, f32, Combine); 4] = [
    (ReduceOp::Sum, 0.0, |a, b| a + b),
    (ReduceOp::Prod, 1.0, |a, b| a * b),
    (ReduceOp::Max, f32::NEG_INFINITY, |a, b| if a > b { a } else { b }),
    (ReduceOp::Min, f32::INFINITY, |a, b| if a < b { a } else { b }),
];

self_test!(rows_follow_the_canonical_order);
fn rows_follow_the_canonical_order() {
    let _lock = lock();
    for (op, start, f) in FOLDS {
        let cases: Vec<(usize, usize)> = LENGTHS.iter().map(|&n| (n, 5)).chain(LONG.map(|n| (n, 2))).collect();
        for (n, rows) in cases {
            let x: Vec<f32> = sequence(n * rows + 1, n as u32)
                .iter()
                .map(|v| if op == ReduceOp::Prod { 1.0 + v * 1e-3 } else { *v })
                .collect();
            // An offset of one element: rows need no alignment.
            let x = &x[1..];
            let expect: Vec<u32> = x.chunks(n).map(|r| row_twin(r, start, &f).to_bits()).collect();
            each(|how| {
                let got: Vec<u32> =
                    floats(op, x, Extent { outer: rows, n, inner: 1 }).iter().map(|v| v.to_bits()).collect();
                assert_eq!(got, expect, "{op:?} n={n} {how}");
                let one = floats(op, &x[..n], Extent { outer: 1, n, inner: 1 });
                assert_eq!(one[0].to_bits(), expect[0], "{op:?} n={n} alone {how}");
            });
        }
    }
}

self_test!(columns_follow_the_canonical_order);
fn columns_follow_the_canonical_order() {
    let _lock = lock();
    for (op, start, f) in FOLDS {
        for (outer, n, inner) in [
            (1, 1, 2),
            (3, 5, 7),
            (2, 255, 17),
            (2, 256, 33),
            (2, 257, 16),
            (1, 1000, 3),
            (1, 700, 1030),
            (1, 9000, 40),
            (40, 300, 5),
        ] {
            let x: Vec<f32> = sequence(outer * n * inner + 1, 9)
                .iter()
                .map(|v| if op == ReduceOp::Prod { 1.0 + v * 1e-3 } else { *v })
                .collect();
            let x = &x[1..];
            let expect: Vec<u32> = (0..outer * inner)
                .map(|i| column_twin(&x[i / inner * n * inner..], n, inner, i % inner, start, &f).to_bits())
                .collect();
            each(|how| {
                let got: Vec<u32> = floats(op, x, Extent { outer, n, inner }).iter().map(|v| v.to_bits()).collect();
                assert_eq!(got, expect, "{op:?} {outer}x{n}x{inner} {how}");
            });
        }
    }
}

self_test!(sixteen_bit_floats_round_once);
fn sixteen_bit_floats_round_once() {
    let _lock = lock();
    for (n, inner) in [(1000, 1), (65_537, 1), (300, 37)] {
        let x = sequence(2 * n * inner, 4);
        let e = Extent { outer: 2, n, inner };
        let h: Vec<f16> = x.iter().map(|&v| f16::from_f32(v)).collect();
        let b: Vec<bf16> = x.iter().map(|&v| bf16::from_f32(v)).collect();
        let (hw, bw): (Vec<f32>, Vec<f32>) =
            (h.iter().map(|v| v.to_f32()).collect(), b.iter().map(|v| v.to_f32()).collect());
        each(|how| {
            for op in [ReduceOp::Sum, ReduceOp::Mean, ReduceOp::Max, ReduceOp::LogSumExp] {
                let got: Vec<f16> = run(op, Dtype::F16, Dtype::F16, &h, e).unwrap();
                let expect: Vec<f16> = floats(op, &hw, e).iter().map(|&v| f16::from_f32(v)).collect();
                assert_eq!(got, expect, "{op:?} f16 {how}");
                let got: Vec<bf16> = run(op, Dtype::BF16, Dtype::BF16, &b, e).unwrap();
                let expect: Vec<bf16> = floats(op, &bw, e).iter().map(|&v| bf16::from_f32(v)).collect();
                assert_eq!(got, expect, "{op:?} bf16 {how}");
            }
        });
    }
}

self_test!(sums_are_accurate);
fn sums_are_accurate() {
    let _lock = lock();
    // Each accumulator sees at most n / 64 (rows) or 256 + n / 256 (columns) additions.
    for (n, inner) in [(1000, 1), (65_536, 1), (300_000, 1), (5000, 20)] {
        let x = sequence(n * inner, 11);
        let e = Extent { outer: 1, n, inner };
        let (sum, mean, lse) =
            (floats(ReduceOp::Sum, &x, e), floats(ReduceOp::Mean, &x, e), floats(ReduceOp::LogSumExp, &x, e));
        for j in 0..inner {
            let column = || (0..n).map(|r| x[r * inner + j] as f64);
            let (exact, magnitude): (f64, f64) = (column().sum(), column().map(f64::abs).sum());
            let chain = if inner == 1 { ROW_CHUNK.min(n) / 64 + 16 } else { 256 + n / 256 } as f64;
            let bound = chain * f32::EPSILON as f64 * magnitude;
            assert!((sum[j] as f64 - exact).abs() <= bound, "sum n={n}: {} {exact}", sum[j]);
            assert!((mean[j] as f64 - exact / n as f64).abs() <= 2.0 * bound / n as f64);
            let exact = column().map(f64::exp).sum::<f64>().ln();
            assert!(
                (lse[j] as f64 - exact).abs() <= chain * f32::EPSILON as f64 + 4e-7 * exact.abs(),
                "lse {} {exact}",
                lse[j]
            );
        }
    }
}

self_test!(nan_and_infinities);
fn nan_and_infinities() {
    let _lock = lock();
    for inner in [1usize, 3] {
        for n in [1usize, 5, 16, 70, 300] {
            for at in [0, n / 2, n - 1] {
                let e = Extent { outer: 1, n, inner };
                let mut x = sequence(n * inner, 3);
                x[at * inner] = f32::NAN;
                each(|how| {
                    for op in [ReduceOp::Max, ReduceOp::Min, ReduceOp::Sum, ReduceOp::LogSumExp] {
                        let out = floats(op, &x, e);
                        assert!(out[0].is_nan(), "{op:?} {how} n={n} at={at}");
                        assert!(out[1..].iter().all(|v| !v.is_nan()));
                    }
                    for op in [ReduceOp::ArgMax, ReduceOp::ArgMin] {
                        let out: Vec<u32> = run(op, Dtype::F32, Dtype::U32, &x, e).unwrap();
                        assert_eq!(out[0] as usize, at, "{op:?} {how}");
                    }
                });
                x[at * inner] = f32::INFINITY;
                assert_eq!(floats(ReduceOp::LogSumExp, &x, e)[0], f32::INFINITY);
                x.fill(f32::NEG_INFINITY);
                assert_eq!(floats(ReduceOp::LogSumExp, &x, e)[0], f32::NEG_INFINITY);
            }
        }
    }
}

self_test!(arguments_are_the_first_among_equals);
fn arguments_are_the_first_among_equals() {
    let _lock = lock();
    for (n, inner) in [(1usize, 1usize), (17, 1), (130, 1), (70_000, 1), (5, 4), (300, 600)] {
        let e = Extent { outer: 2, n, inner };
        // Few distinct values: many ties, zeros of both signs among them.
        let x: Vec<f32> = sequence(2 * n * inner, 21).iter().map(|v| (v * 2.0).round()).collect();
        let ints: Vec<i32> = x.iter().map(|&v| v as i32).collect();
        let halves: Vec<f16> = x.iter().map(|&v| f16::from_f32(v)).collect();
        let doubles: Vec<f64> = x.iter().map(|&v| v as f64).collect();
        for op in [ReduceOp::ArgMax, ReduceOp::ArgMin] {
            let expect: Vec<u32> = (0..2 * inner)
                .map(|i| {
                    let at = |r: usize| x[(i / inner * n + r) * inner + i % inner];
                    (0..n).fold(0, |best, r| {
                        if (op == ReduceOp::ArgMax && at(r) > at(best)) || (op == ReduceOp::ArgMin && at(r) < at(best))
                        {
                            r
                        } else {
                            best
                        }
                    }) as u32
                })
                .collect();
            each(|how| {
                assert_eq!(run::<_, u32>(op, Dtype::F32, Dtype::U32, &x, e).unwrap(), expect, "{how} f32 {n} {inner}");
                assert_eq!(run::<_, u32>(op, Dtype::I32, Dtype::U32, &ints, e).unwrap(), expect, "{how} i32");
                assert_eq!(run::<_, u32>(op, Dtype::F16, Dtype::U32, &halves, e).unwrap(), expect, "{how} f16");
                assert_eq!(run::<_, u32>(op, Dtype::F64, Dtype::U32, &doubles, e).unwrap(), expect, "{how} f64");
            });
        }
    }
}

self_test!(integers_wrap_and_widen);
fn integers_wrap_and_widen() {
    let _lock = lock();
    for (outer, n, inner) in [(3usize, 1000usize, 1usize), (1, 200_000, 1), (2, 300, 700)] {
        let e = Extent { outer, n, inner };
        let x: Vec<i32> = sequence(outer * n * inner, 5).iter().map(|v| v.to_bits() as i32).collect();
        let bytes: Vec<u8> = x.iter().map(|&v| v as u8).collect();
        let small: Vec<i8> = x.iter().map(|&v| v as i8).collect();
        let column = |i: usize| (0..n).map(move |r| (i / inner * n + r) * inner + i % inner);
        let outputs = || 0..outer * inner;
        let sum: Vec<i64> = outputs().map(|i| column(i).map(|k| x[k] as i64).sum()).collect();
        let byte_sum: Vec<u32> = outputs().map(|i| column(i).map(|k| bytes[k] as u32).sum()).collect();
        let small_sum: Vec<i64> = outputs().map(|i| column(i).map(|k| small[k] as i64).sum()).collect();
        let prod: Vec<i32> = outputs().map(|i| column(i).fold(1i32, |a, k| a.wrapping_mul(x[k]))).collect();
        let max: Vec<i8> = outputs().map(|i| column(i).map(|k| small[k]).max().unwrap()).collect();
        let min: Vec<i32> = outputs().map(|i| column(i).map(|k| x[k]).min().unwrap()).collect();
        each(|how| {
            use ReduceOp::*;
            assert_eq!(run::<_, i64>(Sum, Dtype::I32, Dtype::I64, &x, e).unwrap(), sum, "{how}");
            let wrapped: Vec<i32> = sum.iter().map(|&v| v as i32).collect();
            assert_eq!(run::<_, i32>(Sum, Dtype::I32, Dtype::I32, &x, e).unwrap(), wrapped, "{how}");
            assert_eq!(run::<_, u32>(Sum, Dtype::U8, Dtype::U32, &bytes, e).unwrap(), byte_sum, "{how}");
            assert_eq!(run::<_, i64>(Sum, Dtype::I8, Dtype::I64, &small, e).unwrap(), small_sum, "{how}");
            assert_eq!(run::<_, i32>(Prod, Dtype::I32, Dtype::I32, &x, e).unwrap(), prod, "{how}");
            assert_eq!(run::<_, i8>(Max, Dtype::I8, Dtype::I8, &small, e).unwrap(), max, "{how}");
            assert_eq!(run::<_, i32>(Min, Dtype::I32, Dtype::I32, &x, e).unwrap(), min, "{how}");
        });
    }
    let refused =
        run::<_, f32>(ReduceOp::Mean, Dtype::I32, Dtype::F32, &[1i32, 2], Extent { outer: 1, n: 2, inner: 1 });
    assert!(refused.is_err());
}

self_test!(any_and_all);
fn any_and_all() {
    let _lock = lock();
    for (outer, n, inner) in [(1usize, 1usize, 1usize), (4, 33, 1), (1, 200_000, 1), (2, 70, 90)] {
        let e = Extent { outer, n, inner };
        for hole in [None, Some(0), Some(n * inner - 1), Some(n * inner / 2)] {
            // -0 counts as 0.
            let mut some = vec![-0.0f32; outer * n * inner];
            let mut most = vec![-2.5f32; outer * n * inner];
            if let Some(h) = hole {
                some[h] = 1e-40;
                most[h] = 0.0;
            }
            let expect: Vec<u8> = (0..outer * inner)
                .map(|i| (0..n).any(|r| some[(i / inner * n + r) * inner + i % inner] != 0.0) as u8)
                .collect();
            let none: Vec<u8> = expect.iter().map(|x| 1 - x).collect();
            each(|how| {
                assert_eq!(
                    run::<_, u8>(ReduceOp::Any, Dtype::F32, Dtype::Bool, &some, e).unwrap(),
                    expect,
                    "any {how}"
                );
                assert_eq!(run::<_, u8>(ReduceOp::All, Dtype::F32, Dtype::Bool, &most, e).unwrap(), none, "all {how}");
                let bits: Vec<u8> = some.iter().map(|&v| (v != 0.0) as u8).collect();
                assert_eq!(
                    run::<_, u8>(ReduceOp::Any, Dtype::Bool, Dtype::Bool, &bits, e).unwrap(),
                    expect,
                    "any bool {how}"
                );
            });
        }
    }
}

self_test!(doubles);
fn doubles() {
    let _lock = lock();
    for (outer, n, inner) in [(3usize, 130usize, 1usize), (1, 70_000, 1), (2, 300, 30)] {
        let e = Extent { outer, n, inner };
        let x: Vec<f64> = sequence(outer * n * inner, 8).iter().map(|&v| v as f64 * 1.1).collect();
        let mut first: Option<Vec<Vec<u64>>> = None;
        each(|how| {
            use ReduceOp::*;
            let all: Vec<Vec<f64>> = [Sum, Mean, Max, Min, LogSumExp]
                .iter()
                .map(|&op| run(op, Dtype::F64, Dtype::F64, &x, e).unwrap())
                .collect();
            let bits: Vec<Vec<u64>> = all.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "{how}");
            for i in 0..outer * inner {
                let column = || (0..n).map(|r| x[(i / inner * n + r) * inner + i % inner]);
                let (sum, size): (f64, f64) = (column().sum(), column().map(f64::abs).sum());
                assert!((all[0][i] - sum).abs() <= 2e-16 * n as f64 * size.max(1.0));
                assert_eq!(all[2][i], column().fold(f64::NEG_INFINITY, f64::max));
                let lse = column().map(f64::exp).sum::<f64>().ln();
                assert!((all[4][i] - lse).abs() <= 1e-12);
            }
        });
    }
}

self_test!(softmax_rows);
/// The parts of a norm or softmax that the contract leaves to the canonical sum, with the same operations in plain code.
fn softmax_rows() {
    let _lock = lock();
    for n in LENGTHS.iter().copied().chain([65_536, 65_537, 150_000]) {
        let rows = if n > 1000 { 2 } else { 4 };
        let x: Vec<f32> = sequence(n * rows, 2).iter().map(|v| v * 5.0).collect();
        let halves: Vec<bf16> = x.iter().map(|&v| bf16::from_f32(v)).collect();
        let mut first: Option<(Vec<u32>, Vec<u16>)> = None;
        each(|how| {
            let mut y = vec![f32::NAN; n * rows];
            let mut h = vec![bf16::NAN; n * rows];
            let mut one = x[n..2 * n].to_vec();
            // SAFETY: the sizes agree; the last is in place.
            unsafe {
                assert!(softmax(Dtype::F32, x.as_ptr().cast(), y.as_mut_ptr().cast(), rows, n));
                assert!(softmax(Dtype::BF16, halves.as_ptr().cast(), h.as_mut_ptr().cast(), rows, n));
                assert!(softmax(Dtype::F32, one.as_ptr().cast(), one.as_mut_ptr().cast(), 1, n));
            }
            let bits: (Vec<u32>, Vec<u16>) =
                (y.iter().map(|v| v.to_bits()).collect(), h.iter().map(|v| v.to_bits()).collect());
            assert!(first.get_or_insert_with(|| bits.clone()) == &bits, "n={n} {how}");
            assert!(one.iter().zip(&y[n..2 * n]).all(|(a, b)| a.to_bits() == b.to_bits()), "alone n={n} {how}");
        });
        let y: Vec<f32> = first.unwrap().0.iter().map(|&b| f32::from_bits(b)).collect();
        for (x, y) in x.chunks(n).zip(y.chunks(n)) {
            let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
            let sum: f64 = x.iter().map(|&v| (v as f64 - max).exp()).sum();
            for (&x, &y) in x.iter().zip(y) {
                let exact = (x as f64 - max).exp() / sum;
                // The difference, the exponential, the sum, its reciprocal and the product round; the sum adds a chain.
                let bound = (4.0 + (max - x as f64) * 0.5 + ROW_CHUNK.min(n) as f64 / 64.0 * 0.1) * f32::EPSILON as f64;
                assert!((y as f64 - exact).abs() <= bound * exact, "n={n} {y} {exact}");
            }
        }
    }
}

self_test!(norms);
fn norms() {
    let _lock = lock();
    for n in LENGTHS.iter().copied().chain([4096, 65_537]) {
        let rows = 3;
        let x: Vec<f32> = sequence(n * rows, 6).iter().map(|v| v + 0.3).collect();
        let (weight, bias) = (sequence(n, 7), sequence(n, 8));
        let halves: Vec<f16> = x.iter().map(|&v| f16::from_f32(v)).collect();
        let half_weight: Vec<f16> = weight.iter().map(|&v| f16::from_f32(v)).collect();
        let (w, b) = (
            Parameter { dtype: Dtype::F32, ptr: weight.as_ptr().cast() },
            Parameter { dtype: Dtype::F32, ptr: bias.as_ptr().cast() },
        );
        let hw = Parameter { dtype: Dtype::F16, ptr: half_weight.as_ptr().cast() };
        let mut first: Option<Vec<u32>> = None;
        each(|how| {
            let mut out = vec![vec![f32::NAN; n * rows]; 4];
            let mut h = vec![f16::NAN; n * rows];
            let mut alone = vec![f32::NAN; n];
            let p: *const u8 = x.as_ptr().cast();
            // SAFETY: the sizes agree.
            unsafe {
                assert!(rms_norm(Dtype::F32, p, out[0].as_mut_ptr().cast(), (rows, n), None, 1e-5));
                assert!(rms_norm(Dtype::F32, p, out[1].as_mut_ptr().cast(), (rows, n), Some(w), 1e-5));
                assert!(layer_norm(Dtype::F32, p, out[2].as_mut_ptr().cast(), (rows, n), None, None, 1e-5));
                assert!(layer_norm(Dtype::F32, p, out[3].as_mut_ptr().cast(), (rows, n), Some(w), Some(b), 1e-5));
                assert!(rms_norm(Dtype::F16, halves.as_ptr().cast(), h.as_mut_ptr().cast(), (rows, n), Some(hw), 1e-5));
                let last = x[2 * n..].as_ptr().cast();
                assert!(layer_norm(Dtype::F32, last, alone.as_mut_ptr().cast(), (1, n), Some(w), Some(b), 1e-5));
            }
            let same = alone.iter().zip(&out[3][2 * n..]).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "alone n={n} {how}");
            let bits: Vec<u32> =
                out.iter().flatten().map(|v| v.to_bits()).chain(h.iter().map(|v| v.to_bits() as u32)).collect();
            assert!(first.get_or_insert_with(|| bits.clone()) == &bits, "n={n} {how}");
        });
        let bits = first.unwrap();
        let at = |which: usize, i: usize| f32::from_bits(bits[which * n * rows + i]) as f64;
        for r in 0..rows {
            let row = &x[r * n..(r + 1) * n];
            let mean = row.iter().map(|&v| v as f64).sum::<f64>() / n as f64;
            let square = |c: f64| row.iter().map(|&v| (v as f64 - c).powi(2)).sum::<f64>() / n as f64;
            let (rms, sd) = ((square(0.0) + 1e-5).sqrt(), (square(mean) + 1e-5).sqrt());
            // Chains of n / 64 additions; cancellation against the mean is absolute in units of the largest element.
            let chain = (8.0 + ROW_CHUNK.min(n) as f64 / 64.0 * 0.25) * f32::EPSILON as f64;
            for (j, &v) in row.iter().enumerate() {
                let i = r * n + j;
                let (w, b) = (weight[j] as f64, bias[j] as f64);
                let close = |got: f64, exact: f64, scale: f64| {
                    assert!((got - exact).abs() <= chain * (exact.abs() + scale), "n={n} {got} {exact}")
                };
                close(at(0, i), v as f64 / rms, 0.0);
                close(at(1, i), v as f64 / rms * w, 0.0);
                let y = (v as f64 - mean) / sd;
                // With one element the variance is 0 and eps alone divides a difference of rounding size.
                let scale = 3.0 / sd * (1.0 + y.abs());
                close(at(2, i), y, scale);
                close(at(3, i), y * w + b, scale * w.abs() + b.abs());
            }
        }
    }
}
