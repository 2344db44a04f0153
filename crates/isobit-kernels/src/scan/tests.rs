//! Scans against a naive twin.

use super::*;
use crate::test_settings;
use half::{bf16, f16};

fn random(n: usize, seed: u32) -> Vec<u32> {
    let mut bytes = vec![0u8; 4 * n];
    crate::rng::random_bits(&[seed, 11], 4 * n, &mut bytes);
    bytes.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect()
}

/// The order of the module's comment for one line, in the simplest code.
fn naive<A: Copy>(line: &[A], identity: A, op: impl Fn(A, A) -> A) -> Vec<A> {
    let mut out = Vec::new();
    let mut chunk_carry = identity;
    for chunk in line.chunks(CHUNK) {
        let mut block_carry = identity;
        for block in chunk.chunks(16) {
            let mut x = block.to_vec();
            x.resize(16, identity);
            for w in [1, 2, 4, 8] {
                let y = x.clone();
                for i in (0..16).filter(|i| i & w != 0) {
                    x[i] = op(y[i / (2 * w) * (2 * w) + w - 1], x[i]);
                }
            }
            out.extend(x[..block.len()].iter().map(|&x| op(chunk_carry, op(block_carry, x))));
            block_carry = op(block_carry, x[15]);
        }
        chunk_carry = op(chunk_carry, block_carry);
    }
    out
}

trait Sample: ScanElement {
    type Acc: Copy;
    fn sample(r: u32) -> Self;
    fn widen(self) -> Self::Acc;
    fn narrow(a: Self::Acc) -> Self;
    fn bits(self) -> u64;
    /// (operation, identity, start of an exclusive scan, function)
    #[allow(clippy::type_complexity)]
    fn ops() -> Vec<(ScanOp, Self::Acc, Self::Acc, Box<dyn Fn(Self::Acc, Self::Acc) -> Self::Acc>)>;
}

macro_rules! float_sample {
    ($($t:ty, $a:ident, $widen:expr, $narrow:expr;)*) => {$(
        impl Sample for $t {
            type Acc = $a;
            fn sample(r: u32) -> Self {
                let x: $a = match r % 97 {
                    0 => 0.0,
                    1 => -0.0,
                    _ => ((r >> 8) as $a / (1 << 23) as $a - 1.0) * if r % 5 == 0 { 40.0 } else { 1.5 },
                };
                ($narrow)(if r % 40_001 == 3 { $a::NAN } else if r % 60_001 == 4 { $a::INFINITY } else { x })
            }
            fn widen(self) -> $a { ($widen)(self) }
            fn narrow(a: $a) -> Self { ($narrow)(a) }
            // Any NaN counts as one and the same.
            fn bits(self) -> u64 { if self.is_nan() { u64::MAX } else { self.to_bits() as u64 } }
            fn ops() -> Vec<(ScanOp, $a, $a, Box<dyn Fn($a, $a) -> $a>)> {
                vec![
                    (ScanOp::Sum, -0.0, 0.0, Box::new(|a, b| a + b)),
                    (ScanOp::Prod, 1.0, 1.0, Box::new(|a, b| a * b)),
                    (ScanOp::Max, $a::NEG_INFINITY, $a::NEG_INFINITY, Box::new(|a, b| if a >= b || a.is_nan() { a } else { b })),
                    (ScanOp::Min, $a::INFINITY, $a::INFINITY, Box::new(|a, b| if a <= b || a.is_nan() { a } else { b })),
                ]
            }
        }
    )*};
}
float_sample! {
    f32, f32, |x: f32| x, |x: f32| x;
    f64, f64, |x: f64| x, |x: f64| x;
    f16, f32, |x: f16| x.to_f32(), f16::from_f32;
    bf16, f32, |x: bf16| x.to_f32(), bf16::from_f32;
}

macro_rules! int_sample {
    ($($t:ident)*) => {$(
        impl Sample for $t {
            type Acc = $t;
            fn sample(r: u32) -> $t { (r as u64 * 0x1_0001_0001) as $t }
            fn widen(self) -> $t { self }
            fn narrow(a: $t) -> $t { a }
            fn bits(self) -> u64 { self as u64 }
            fn ops() -> Vec<(ScanOp, $t, $t, Box<dyn Fn($t, $t) -> $t>)> {
                vec![
                    (ScanOp::Sum, 0, 0, Box::new(|a, b| a.wrapping_add(b))),
                    (ScanOp::Prod, 1, 1, Box::new(|a, b| a.wrapping_mul(b))),
                    (ScanOp::Max, $t::MIN, $t::MIN, Box::new(|a, b| a.max(b))),
                    (ScanOp::Min, $t::MAX, $t::MAX, Box::new(|a, b| a.min(b))),
                ]
            }
        }
    )*};
}
int_sample!(i8 i16 i32 i64 u8 u16 u32 u64);

/// Which settings a check runs at: [`test_settings::each`], [`test_settings::each_level`] or the one in force.
type Settings = fn(&mut dyn FnMut(&str));

fn as_it_is(f: &mut dyn FnMut(&str)) {
    f("default settings");
}

fn each(f: &mut dyn FnMut(&str)) {
    test_settings::each(f);
}

fn each_level(f: &mut dyn FnMut(&str)) {
    test_settings::each_level(f);
}

fn check<T: Sample>(outer: usize, n: usize, inner: usize, settings: Settings) {
    let data: Vec<T> = random(outer * n * inner + 1, (n + inner) as u32).into_iter().map(T::sample).collect();
    let (src, poison) = (&data[1..], data[0]);
    for (op, identity, first, f) in T::ops() {
        for (inclusive, reverse) in [(true, false), (false, false), (true, true), (false, true)] {
            let mut want = vec![0; src.len()];
            for o in 0..outer {
                for j in 0..inner {
                    let at = |i: usize| (o * n + if reverse { n - 1 - i } else { i }) * inner + j;
                    let line: Vec<T::Acc> = (0..n).map(|i| src[at(i)].widen()).collect();
                    let mut scanned = naive(&line, identity, &f);
                    if !inclusive {
                        scanned.insert(0, first);
                    }
                    (0..n).for_each(|i| want[at(i)] = T::narrow(scanned[i]).bits());
                }
            }
            settings(&mut |what| {
                let mut out = vec![poison; src.len()];
                scan(op, src, &mut out, ScanSpec { n, inner, inclusive, reverse });
                let name = std::any::type_name::<T>();
                for (i, (got, want)) in out.iter().zip(&want).enumerate() {
                    let same = got.bits() == *want;
                    assert!(same, "{op:?} {name} {outer}x{n}x{inner} at {i} {inclusive} {reverse}, {what}");
                }
            });
        }
    }
}

fn check_floats(outer: usize, n: usize, inner: usize) {
    check::<f32>(outer, n, inner, each_level);
    check::<f64>(outer, n, inner, each_level);
    check::<f16>(outer, n, inner, each_level);
    check::<bf16>(outer, n, inner, each_level);
}

self_test!(every_shape_follows_the_order_at_every_level);
fn every_shape_follows_the_order_at_every_level() {
    let _guard = test_settings::lock();
    for n in [1, 2, 3, 15, 16, 17, 31, 63, 64, 65, 80, 81, 255, 256, 257, 300, 511, 512, 513, 1000] {
        for (outer, inner) in [(1, 1), (3, 1), (2, 2), (1, 5), (1, 16), (1, 33)] {
            check_floats(outer, n, inner);
        }
    }
    check_floats(1, 37, 300);
}

/// `op` of two numbers by the scalar level.
fn log_sum_exp(a: f32, b: f32) -> f32 {
    struct One(f32, f32);
    impl crate::simd::Kernel for One {
        type Out = f32;
        #[inline(always)]
        fn run<S: crate::simd::Simd>(self, s: S) -> f32 {
            let d = crate::math::exp(s, s.splat(self.0.min(self.1) - self.0.max(self.1)));
            self.0.max(self.1) + s.to_array(crate::math::log1p(s, d))[0]
        }
    }
    if a == f32::NEG_INFINITY {
        b
    } else if b == f32::NEG_INFINITY {
        a
    } else {
        crate::simd::dispatch_at(crate::isa::Level::Scalar, One(a, b))
    }
}

self_test!(log_sum_exp_follows_the_order_and_the_definition);
fn log_sum_exp_follows_the_order_and_the_definition() {
    let _guard = test_settings::lock();
    for (n, inner) in [(1, 1), (17, 1), (70, 1), (300, 1), (CHUNK + 40, 1), (77, 3)] {
        let mut src: Vec<f32> = random(n * inner, 6).iter().map(|&r| (r >> 8) as f32 / 1e6 - 8.0).collect();
        src[0] = f32::NEG_INFINITY;
        for reverse in [false, true] {
            let at = |i: usize| (if reverse { n - 1 - i } else { i }) * inner;
            let line: Vec<f32> = (0..n).map(|i| src[at(i)]).collect();
            let want = naive(&line, f32::NEG_INFINITY, log_sum_exp);
            let mut sum = 0f64;
            for i in 0..n {
                sum += (line[i] as f64).exp();
                // Each of the about n / 16 joins adds at most 2 roundings of a result below 24 in size.
                let bound = (n as f64 / 16.0 + 10.0) * 24.0 * f32::EPSILON as f64;
                assert!(sum == 0.0 || (want[i] as f64 - sum.ln()).abs() < bound, "{i}: {} {}", want[i], sum.ln());
            }
            test_settings::each(|what| {
                for inclusive in [true, false] {
                    let mut out = vec![f32::NAN; n * inner];
                    scan(ScanOp::LogSumExp, &src, &mut out, ScanSpec { n, inner, inclusive, reverse });
                    for i in 0..n {
                        let want = if inclusive {
                            want[i]
                        } else if i == 0 {
                            f32::NEG_INFINITY
                        } else {
                            want[i - 1]
                        };
                        assert_eq!(out[at(i)].to_bits(), want.to_bits(), "{n} {inner} at {i}, {what}");
                    }
                }
            });
            let wide: Vec<f64> = src.iter().map(|&x| x as f64).collect();
            let mut out = vec![f64::NAN; n * inner];
            scan(ScanOp::LogSumExp, &wide, &mut out, ScanSpec { n, inner, inclusive: true, reverse });
            let mut sum = 0f64;
            for i in 0..n {
                sum += (line[i] as f64).exp();
                assert!(out[at(i)] == sum.ln() || (out[at(i)] - sum.ln()).abs() < 1e-10);
            }
        }
    }
    let mut out = [0.0; 4];
    let spec = ScanSpec { n: 4, inner: 1, inclusive: true, reverse: false };
    scan(ScanOp::LogSumExp, &[-0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN], &mut out, spec);
    assert_eq!(out[..3], [-0.0, f32::INFINITY, f32::INFINITY]);
    assert!(out[0].is_sign_negative() && out[3].is_nan());
}

self_test!(long_lines_are_cut_into_chunks_the_same_for_all_threads);
fn long_lines_are_cut_into_chunks_the_same_for_all_threads() {
    let _guard = test_settings::lock();
    check::<f32>(1, 2 * CHUNK + 77, 1, each);
    check::<f32>(1, CHUNK, 1, each);
    check::<f32>(1, CHUNK + 1, 3, each);
    check::<bf16>(1, CHUNK + 300, 1, each);
    check::<f64>(1, 2 * CHUNK + 5, 1, each);
    check::<i32>(1, 2 * CHUNK + 5, 1, each);
}

self_test!(integers_wrap);
fn integers_wrap() {
    for (outer, n, inner) in [(1, 1, 1), (2, 77, 1), (2, 40, 3), (1, 19, 35)] {
        check::<i8>(outer, n, inner, as_it_is);
        check::<i16>(outer, n, inner, as_it_is);
        check::<i32>(outer, n, inner, as_it_is);
        check::<i64>(outer, n, inner, as_it_is);
        check::<u8>(outer, n, inner, as_it_is);
        check::<u16>(outer, n, inner, as_it_is);
        check::<u32>(outer, n, inner, as_it_is);
        check::<u64>(outer, n, inner, as_it_is);
    }
}

self_test!(nothing_to_scan);
fn nothing_to_scan() {
    scan::<f32>(ScanOp::Sum, &[], &mut [], ScanSpec { n: 0, inner: 4, inclusive: true, reverse: false });
    scan::<i64>(ScanOp::Max, &[], &mut [], ScanSpec { n: 5, inner: 0, inclusive: false, reverse: true });
}

self_test!(error_stays_far_below_that_of_one_running_sum);
fn error_stays_far_below_that_of_one_running_sum() {
    // 0.1 a million times: bound n / 16 roundings of at most half an ulp of the result, doubled for the carries.
    let n = 1_000_000;
    let src = vec![0.1f32; n];
    let mut out = vec![f32::NAN; n];
    scan(ScanOp::Sum, &src, &mut out, ScanSpec { n, inner: 1, inclusive: true, reverse: false });
    let blocks_per_chunk = (CHUNK / 16) as f64;
    for i in (0..n).step_by(997) {
        let exact = 0.1f32 as f64 * (i + 1) as f64;
        let bound = exact * (blocks_per_chunk + (n / CHUNK) as f64 + 5.0) * f32::EPSILON as f64 / 2.0;
        assert!((out[i] as f64 - exact).abs() <= bound, "{i}: {} {exact}", out[i]);
    }
}
