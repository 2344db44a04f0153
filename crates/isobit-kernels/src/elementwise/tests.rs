//! Values against a plain twin in `f64` or `i128`; bits across levels, thread counts, lengths, offsets and operand kinds.

use super::*;
use crate::test_settings::{each, lock};
use half::{bf16, f16};

const UNARY: [UnaryOp; 37] = {
    use UnaryOp::*;
    [
        Abs, Neg, Sign, Square, Sqrt, Rsqrt, Reciprocal, Exp, Expm1, Log, Log1p, Log2, Log10, Sin, Cos, Tan, Sinh,
        Cosh, Tanh, Asin, Acos, Atan, Asinh, Acosh, Atanh, Erf, Erfinv, Sigmoid, Floor, Ceil, Round, Trunc, Not,
        LogicalNot, IsNan, IsInf, IsFinite,
    ]
};

const BINARY: [BinaryOp; 25] = {
    use BinaryOp::*;
    [
        Add, Sub, Mul, Div, Rem, FloorDiv, Pow, Max, Min, LogAddExp, Atan2, And, Or, Xor, Shl, Shr, Eq, Ne, Lt, Le, Gt,
        Ge, LogicalAnd, LogicalOr, LogicalXor,
    ]
};

/// A number of any type, for the twin.
#[derive(Clone, Copy, Debug)]
enum Value {
    F(f64),
    I(i128),
}

/// Bytes of `n` elements of a type, from a fixed sequence with special values in it.
fn data(dtype: Dtype, n: usize, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for i in 0..n {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let r = state >> 11;
        let unit = r as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        let f = match (i as u64 + seed) % 23 {
            3 => 0.0,
            5 => -0.0,
            7 => f64::INFINITY,
            9 => f64::NEG_INFINITY,
            11 => f64::NAN,
            13 => 1.0,
            15 => unit * 1e-41,
            17 => unit * 1e30,
            19 => (unit * 9.0).round(),
            _ => unit * 6.0,
        };
        let small = (r % 13) as i64 - 6;
        let int = if i % 3 == 0 { r as i64 ^ (r << 20) as i64 } else { small };
        match dtype {
            Dtype::Bool => out.push((r & 1) as u8),
            Dtype::F16 => out.extend(f16::from_f64(f).to_bits().to_le_bytes()),
            Dtype::BF16 => out.extend(bf16::from_f64(f).to_bits().to_le_bytes()),
            Dtype::F32 => out.extend((f as f32).to_le_bytes()),
            Dtype::F64 => out.extend(f.to_le_bytes()),
            d => out.extend(&int.to_le_bytes()[..d.size()]),
        }
    }
    out
}

fn value(dtype: Dtype, bytes: &[u8], i: usize) -> Value {
    let b = &bytes[i * dtype.size()..(i + 1) * dtype.size()];
    macro_rules! int {
        ($t:ty) => {
            Value::I(<$t>::from_le_bytes(b.try_into().unwrap()) as i128)
        };
    }
    match dtype {
        Dtype::Bool | Dtype::U8 => int!(u8),
        Dtype::U16 => int!(u16),
        Dtype::U32 => int!(u32),
        Dtype::U64 => int!(u64),
        Dtype::I8 => int!(i8),
        Dtype::I16 => int!(i16),
        Dtype::I32 => int!(i32),
        Dtype::I64 => int!(i64),
        Dtype::F16 => Value::F(f16::from_le_bytes(b.try_into().unwrap()).to_f64()),
        Dtype::BF16 => Value::F(bf16::from_le_bytes(b.try_into().unwrap()).to_f64()),
        Dtype::F32 => Value::F(f32::from_le_bytes(b.try_into().unwrap()) as f64),
        Dtype::F64 => Value::F(f64::from_le_bytes(b.try_into().unwrap())),
        Dtype::C64 => unreachable!("complex numbers have tests of their own"),
    }
}

/// One wrapped into a type, as the wrapping operations do.
fn wrap(dtype: Dtype, x: i128) -> i128 {
    match dtype {
        Dtype::Bool => (x != 0) as i128,
        Dtype::U8 => x as u8 as i128,
        Dtype::U16 => x as u16 as i128,
        Dtype::U32 => x as u32 as i128,
        Dtype::U64 => x as u64 as i128,
        Dtype::I8 => x as i8 as i128,
        Dtype::I16 => x as i16 as i128,
        Dtype::I32 => x as i32 as i128,
        _ => x as i64 as i128,
    }
}

/// Units in the last place of a float type at a value.
fn ulp(dtype: Dtype, x: f64) -> f64 {
    let (bits, least) = match dtype {
        Dtype::F16 => (10, -24),
        Dtype::BF16 => (7, -133),
        Dtype::F32 => (23, -149),
        _ => (52, -1074),
    };
    let exponent = if x == 0.0 || !x.is_finite() { -2000 } else { x.abs().log2().floor() as i32 - bits };
    2f64.powi(exponent.max(least).max(-1022))
}

fn max_finite(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => 65504.0,
        Dtype::BF16 => bf16::MAX.to_f64(),
        Dtype::F32 => f32::MAX as f64,
        _ => f64::MAX,
    }
}

/// Whether a float result is within `ulps` of the exact value, overflow and NaN alike.
fn close(dtype: Dtype, got: f64, exact: f64, ulps: f64) -> bool {
    if got.is_nan() || exact.is_nan() {
        return got.is_nan() && exact.is_nan();
    }
    if got == exact {
        return true;
    }
    if got.is_infinite() || exact.abs() > max_finite(dtype) {
        return got.signum() == exact.signum()
            && exact.abs() > max_finite(dtype) * (1.0 - 1e-2)
            && got.abs() >= max_finite(dtype) * (1.0 - 1e-6);
    }
    (got - exact).abs() <= ulps * ulp(dtype, exact)
}

fn exact_unary(op: UnaryOp, x: f64) -> f64 {
    use UnaryOp::*;
    match op {
        Abs => x.abs(),
        Neg => -x,
        Sign => {
            if x.is_nan() {
                x
            } else if x == 0.0 {
                0.0
            } else {
                x.signum()
            }
        }
        Conj | Real | Imag => unreachable!("complex numbers have tests of their own"),
        Square => x * x,
        Sqrt => x.sqrt(),
        Rsqrt => 1.0 / x.sqrt(),
        Reciprocal => 1.0 / x,
        Exp => libm::exp(x),
        Expm1 => libm::expm1(x),
        Log => libm::log(x),
        Log1p => libm::log1p(x),
        Log2 => libm::log2(x),
        Log10 => libm::log10(x),
        Sin => libm::sin(x),
        Cos => libm::cos(x),
        Tan => libm::tan(x),
        Sinh => libm::sinh(x),
        Cosh => libm::cosh(x),
        Tanh => libm::tanh(x),
        Asin => libm::asin(x),
        Acos => libm::acos(x),
        Atan => libm::atan(x),
        Asinh => libm::asinh(x),
        Acosh => {
            if x < 1.0 {
                f64::NAN
            } else {
                libm::acosh(x)
            }
        }
        Atanh => libm::atanh(x),
        Erf => libm::erf(x),
        Erfinv => double::erfinv(x),
        Sigmoid => {
            if x < 0.0 {
                libm::exp(x) / (1.0 + libm::exp(x))
            } else {
                1.0 / (1.0 + libm::exp(-x))
            }
        }
        Floor => x.floor(),
        Ceil => x.ceil(),
        Round => x.round_ties_even(),
        Trunc => x.trunc(),
        LogicalNot => (x == 0.0) as u8 as f64,
        IsNan => x.is_nan() as u8 as f64,
        IsInf => x.is_infinite() as u8 as f64,
        IsFinite => x.is_finite() as u8 as f64,
        Not => unreachable!("not defined for floats"),
    }
}

fn run_unary(op: UnaryOp, dtype: Dtype, src: &[u8], n: usize) -> Result<Vec<u8>, Unsupported> {
    // Eight-byte alignment for every type, and a dirty output.
    let aligned: Vec<u64> = src
        .chunks(8)
        .map(|c| {
            let mut b = [0; 8];
            b[..c.len()].copy_from_slice(c);
            u64::from_le_bytes(b)
        })
        .collect();
    let size = op.result(dtype).size();
    let mut out = vec![0xaaaa_aaaa_aaaa_aaaau64; (n * size).div_ceil(8) + 1];
    // SAFETY: both have room for `n` elements.
    unsafe { unary(op, dtype, aligned.as_ptr().cast(), out.as_mut_ptr().cast(), n)? };
    let bytes: Vec<u8> = out.iter().flat_map(|w| w.to_le_bytes()).collect();
    assert!(bytes[n * size..].iter().all(|&b| b == 0xaa), "{op:?} {dtype:?} wrote past the end");
    Ok(bytes[..n * size].to_vec())
}

self_test!(unary_values);
fn unary_values() {
    let _lock = lock();
    let n = 500;
    for dtype in Dtype::ALL {
        let src = data(dtype, n, 3);
        for op in UNARY {
            let Ok(out) = run_unary(op, dtype, &src, n) else {
                assert!(!dtype.is_float() || op == UnaryOp::Not, "{op:?} {dtype:?}");
                continue;
            };
            let result = op.result(dtype);
            for i in 0..n {
                match (value(dtype, &src, i), value(result, &out, i)) {
                    (Value::F(x), Value::F(y)) => {
                        let exact = exact_unary(op, x);
                        let bound = if op == UnaryOp::Erfinv { 4.0 } else { 1.0 };
                        assert!(close(dtype, y, exact, bound), "{op:?} {dtype:?} of {x:e}: {y:e}, exact {exact:e}");
                    }
                    (Value::F(x), Value::I(y)) => assert_eq!(y as f64, exact_unary(op, x), "{op:?} {dtype:?} {x}"),
                    (Value::I(x), Value::I(y)) => {
                        let exact = match op {
                            UnaryOp::Abs => x.abs(),
                            UnaryOp::Neg => -x,
                            UnaryOp::Sign => x.signum(),
                            UnaryOp::Square => x.wrapping_mul(x),
                            UnaryOp::Not if dtype == Dtype::Bool => (x == 0) as i128,
                            UnaryOp::Not => !x,
                            UnaryOp::LogicalNot => (x == 0) as i128,
                            UnaryOp::IsNan | UnaryOp::IsInf => 0,
                            UnaryOp::IsFinite => 1,
                            _ => x,
                        };
                        assert_eq!(y, wrap(result, exact), "{op:?} {dtype:?} {x}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

fn exact_integer(op: BinaryOp, dtype: Dtype, a: i128, b: i128) -> i128 {
    use BinaryOp::*;
    let bits = dtype.size() as i128 * 8;
    match op {
        Add => a + b,
        Sub => {
            if dtype == Dtype::Bool {
                a ^ b
            } else {
                a - b
            }
        }
        Mul => a.wrapping_mul(b),
        Rem => {
            if b == 0 {
                0
            } else {
                a - b * exact_integer(FloorDiv, dtype, a, b)
            }
        }
        FloorDiv => {
            if b == 0 {
                0
            } else {
                a.div_euclid(b) - (b < 0 && a.rem_euclid(b) != 0) as i128
            }
        }
        Pow => {
            if b < 0 {
                return 0;
            }
            (0..64).rev().fold(1i128, |p, k| {
                let q = wrap(dtype, p.wrapping_mul(p));
                if b >> k & 1 == 1 { wrap(dtype, q.wrapping_mul(a)) } else { q }
            })
        }
        Max => a.max(b),
        Min => a.min(b),
        And => a & b,
        Or => a | b,
        Xor => a ^ b,
        Shl => {
            if (0..bits).contains(&b) {
                a << b
            } else {
                0
            }
        }
        Shr => {
            if (0..bits).contains(&b) {
                a >> b
            } else if a < 0 {
                -1
            } else {
                0
            }
        }
        Eq => (a == b) as i128,
        Ne => (a != b) as i128,
        Lt => (a < b) as i128,
        Le => (a <= b) as i128,
        Gt => (a > b) as i128,
        Ge => (a >= b) as i128,
        LogicalAnd => (a != 0 && b != 0) as i128,
        LogicalOr => (a != 0 || b != 0) as i128,
        LogicalXor => ((a != 0) != (b != 0)) as i128,
        Div | LogAddExp | Atan2 => unreachable!("not defined for integers"),
    }
}

fn exact_float(op: BinaryOp, a: f64, b: f64) -> f64 {
    use BinaryOp::*;
    let flag = |x: bool| x as u8 as f64;
    match op {
        Add => a + b,
        Sub => a - b,
        Mul => a * b,
        Div => a / b,
        Rem => {
            let r = libm::fmod(a, b);
            if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
        }
        FloorDiv => {
            let r = libm::fmod(a, b);
            if b == 0.0 {
                a / b
            } else {
                let q = ((a - r) / b).round();
                if r != 0.0 && (r < 0.0) != (b < 0.0) { q - 1.0 } else { q }
            }
        }
        Pow => libm::pow(a, b),
        Max => {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else {
                a.max(b)
            }
        }
        Min => {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else {
                a.min(b)
            }
        }
        LogAddExp => {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else if a == b {
                a + std::f64::consts::LN_2
            } else {
                a.max(b) + libm::log1p(libm::exp(-(a - b).abs()))
            }
        }
        Atan2 => libm::atan2(a, b),
        Eq => flag(a == b),
        Ne => flag(a != b),
        Lt => flag(a < b),
        Le => flag(a <= b),
        Gt => flag(a > b),
        Ge => flag(a >= b),
        LogicalAnd => flag(a != 0.0 && b != 0.0),
        LogicalOr => flag(a != 0.0 || b != 0.0),
        LogicalXor => flag((a != 0.0) != (b != 0.0)),
        And | Or | Xor | Shl | Shr => unreachable!("not defined for floats"),
    }
}

fn words(src: &[u8]) -> Vec<u64> {
    src.chunks(8)
        .map(|c| {
            let mut b = [0; 8];
            b[..c.len()].copy_from_slice(c);
            u64::from_le_bytes(b)
        })
        .collect()
}

/// Runs a binary op with vector and scalar operands (`kind` 0: both vectors, 1: `b` scalar, 2: `a` scalar).
fn run_binary(op: BinaryOp, dtype: Dtype, a: &[u8], b: &[u8], n: usize, kind: usize) -> Result<Vec<u8>, Unsupported> {
    let (a, b) = (words(a), words(b));
    let (p, q): (*const u8, *const u8) = (a.as_ptr().cast(), b.as_ptr().cast());
    let (x, y) = match kind {
        0 => (Operand::Vector(p), Operand::Vector(q)),
        1 => (Operand::Vector(p), Operand::Scalar(q)),
        _ => (Operand::Scalar(p), Operand::Vector(q)),
    };
    let size = op.result(dtype).size();
    let mut out = vec![0xaaaa_aaaa_aaaa_aaaau64; (n * size).div_ceil(8) + 1];
    // SAFETY: all have room for `n` elements.
    unsafe { binary(op, dtype, x, y, out.as_mut_ptr().cast(), n)? };
    let bytes: Vec<u8> = out.iter().flat_map(|w| w.to_le_bytes()).collect();
    assert!(bytes[n * size..].iter().all(|&b| b == 0xaa), "{op:?} {dtype:?} wrote past the end");
    Ok(bytes[..n * size].to_vec())
}

self_test!(binary_values);
fn binary_values() {
    let _lock = lock();
    let n = 23 * 23 + 40;
    for dtype in Dtype::ALL {
        for kind in 0..3 {
            let (a, mut b) = (data(dtype, n, 3 + kind as u64), data(dtype, n, 8));
            // Every special value meets every other.
            let size = dtype.size();
            for i in 0..n {
                let j = (i / 23) % n;
                let element = b[j * size..(j + 1) * size].to_vec();
                if i % 2 == 0 {
                    b[i * size..(i + 1) * size].copy_from_slice(&element);
                }
            }
            for op in BINARY {
                let Ok(out) = run_binary(op, dtype, &a, &b, n, kind) else { continue };
                for i in 0..n {
                    let x = value(dtype, &a, if kind == 2 { 0 } else { i });
                    let y = value(dtype, &b, if kind == 1 { 0 } else { i });
                    let got = value(op.result(dtype), &out, i);
                    let context = || format!("{op:?} {dtype:?} kind {kind}: {x:?} {y:?} -> {got:?}");
                    match (x, y, got) {
                        (Value::I(x), Value::I(y), Value::I(z)) => {
                            assert_eq!(z, wrap(op.result(dtype), exact_integer(op, dtype, x, y)), "{}", context())
                        }
                        (Value::F(x), Value::F(y), Value::I(z)) => {
                            assert_eq!(z as f64, exact_float(op, x, y), "{}", context())
                        }
                        (Value::F(x), Value::F(y), Value::F(z)) => {
                            let exact = exact_float(op, x, y);
                            let bound = match op {
                                BinaryOp::Pow => 2.0,
                                // A sum of two rounded terms, which may cancel: absolute in the larger one.
                                BinaryOp::LogAddExp => {
                                    let larger = x.max(y).abs().max(1.0);
                                    2.0 * (ulp(dtype, larger) / ulp(dtype, exact)).max(1.0)
                                }
                                // The quotient that goes with a remainder rounded in f32 may be one less or more when huge.
                                BinaryOp::FloorDiv => 1.0,
                                _ => 1.0,
                            };
                            let bound = if dtype == Dtype::F64 && op == BinaryOp::FloorDiv { 2.0 } else { bound };
                            assert!(close(dtype, z, exact, bound), "{}, exact {exact:e}", context());
                        }
                        _ => panic!("{}", context()),
                    }
                }
            }
        }
    }
}

/// Bits of a result where a NaN is one value: signs and payloads of NaNs are not part of the contract.
fn canonical(dtype: Dtype, bytes: &[u8]) -> Vec<u64> {
    (0..bytes.len() / dtype.size())
        .map(|i| match value(dtype, bytes, i) {
            Value::F(f) if f.is_nan() => 0x7ff8_0000_0000_0000,
            Value::F(f) => f.to_bits(),
            Value::I(x) => x as u64,
        })
        .collect()
}

self_test!(bits_do_not_depend_on_level_threads_or_length);
fn bits_do_not_depend_on_level_threads_or_length() {
    let _lock = lock();
    let lengths = (0..=70).chain([127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025, 2049]);
    let lengths: Vec<usize> = lengths.filter(|n| !crate::test_settings::sampled() || n % 4 == 1).collect();
    let most = 2049;
    for dtype in Dtype::ALL {
        let (a, b) = (data(dtype, most, 5), data(dtype, most, 6));
        for op in UNARY {
            let Ok(full) = run_unary(op, dtype, &a, most) else { continue };
            let expect = canonical(op.result(dtype), &full);
            for level in crate::isa::available() {
                let old = crate::isa::level();
                crate::isa::set_level(level);
                for &n in &lengths {
                    let got = canonical(op.result(dtype), &run_unary(op, dtype, &a, n).unwrap());
                    assert!(got == expect[..n], "{op:?} {dtype:?} {level:?} n={n}");
                }
                crate::isa::set_level(old);
            }
        }
        for op in BINARY {
            let Ok(full) = run_binary(op, dtype, &a, &b, most, 0) else { continue };
            let expect = canonical(op.result(dtype), &full);
            for level in crate::isa::available() {
                let old = crate::isa::level();
                crate::isa::set_level(level);
                for &n in &lengths {
                    let got = canonical(op.result(dtype), &run_binary(op, dtype, &a, &b, n, 0).unwrap());
                    assert!(got == expect[..n], "{op:?} {dtype:?} {level:?} n={n}");
                }
                crate::isa::set_level(old);
            }
        }
    }
}

self_test!(large_outputs_threads_and_streaming);
fn large_outputs_threads_and_streaming() {
    let _lock = lock();
    // Over the streaming threshold, with a misaligned start and a ragged end.
    let n = (STREAM_BYTES / 4) + 777;
    let src: Vec<f32> = (0..n + 5).map(|i| (i % 8191) as f32 * 0.01 - 40.0).collect();
    let mut expect = vec![0.0f32; n];
    for (e, x) in expect.chunks_mut(1000).zip(src[3..].chunks(1000)) {
        let m = e.len();
        unary_f32(UnaryOp::Exp, &x[..m], e).unwrap();
    }
    let mut dst = vec![f32::NAN; n + 7];
    each(|how| {
        for offset in [0, 1, 5] {
            dst.fill(f32::NAN);
            unary_f32(UnaryOp::Exp, &src[3..n + 3], &mut dst[offset..offset + n]).unwrap();
            let same = dst[offset..offset + n].iter().zip(&expect).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{how} offset {offset}");
            assert!(dst[offset + n].is_nan() && (offset == 0 || dst[offset - 1].is_nan()));
        }
        // In place, and a scalar operand.
        dst[..n].copy_from_slice(&src[..n]);
        let scalar = 3.5f32;
        // SAFETY: `dst` has `n` elements.
        unsafe {
            let p = dst.as_mut_ptr().cast::<u8>();
            binary(BinaryOp::Mul, Dtype::F32, Operand::Vector(p), Operand::Scalar((&raw const scalar).cast()), p, n)
                .unwrap();
        }
        assert!(dst[..n].iter().zip(&src).all(|(d, s)| d.to_bits() == (s * 3.5).to_bits()), "{how} in place");
    });
}

self_test!(fill_and_select);
fn fill_and_select() {
    let _lock = lock();
    each(|how| {
        for n in [0usize, 1, 2, 15, 16, 17, 63, 1025, 100_000] {
            let value = 0x1122_3344_5566_7788u64;
            for size in [1usize, 2, 4, 8] {
                let mut dst = vec![0u64; n + 1];
                // SAFETY: room for `n` elements of at most 8 bytes.
                unsafe { fill(size, (&raw const value).cast(), dst.as_mut_ptr().cast(), n) };
                let bytes: Vec<u8> = dst.iter().flat_map(|w| w.to_le_bytes()).collect();
                for (i, b) in bytes.iter().enumerate() {
                    let expect = if i < n * size { value.to_le_bytes()[i % size] } else { 0 };
                    assert_eq!(*b, expect, "{how} size {size} n {n} byte {i}");
                }
            }
            let cond: Vec<u8> = (0..n.max(1)).map(|i| (i % 3 == 0) as u8).collect();
            let a: Vec<u32> = (0..n.max(1) as u32).collect();
            let b: Vec<u32> = a.iter().map(|x| x + 1_000_000).collect();
            for kinds in 0..8 {
                let operand = |bit: usize, p: *const u8| {
                    if kinds >> bit & 1 == 1 { Operand::Scalar(p) } else { Operand::Vector(p) }
                };
                let mut dst = vec![0u32; n];
                let (c, x, y) =
                    (operand(0, cond.as_ptr()), operand(1, a.as_ptr().cast()), operand(2, b.as_ptr().cast()));
                // SAFETY: all have `n` elements.
                unsafe { select(4, c, x, y, dst.as_mut_ptr().cast(), n) };
                let at = |bit: usize, i: usize| if kinds >> bit & 1 == 1 { 0 } else { i };
                for (i, &d) in dst.iter().enumerate() {
                    assert_eq!(d, if cond[at(0, i)] != 0 { a[at(1, i)] } else { b[at(2, i)] }, "{how} {kinds} {i}");
                }
            }
        }
    });
}

/// The correctly rounded conversion.
fn exact_cast(from: Value, to: Dtype) -> Value {
    match (from, to) {
        (Value::I(x), Dtype::Bool) => Value::I((x != 0) as i128),
        (Value::F(x), Dtype::Bool) => Value::I((x != 0.0) as i128),
        (Value::I(x), d) if !d.is_float() => Value::I(wrap(d, x)),
        (Value::F(x), d) if !d.is_float() => Value::I(match d {
            Dtype::U8 => x as u8 as i128,
            Dtype::U16 => x as u16 as i128,
            Dtype::U32 => x as u32 as i128,
            Dtype::U64 => x as u64 as i128,
            Dtype::I8 => x as i8 as i128,
            Dtype::I16 => x as i16 as i128,
            Dtype::I32 => x as i32 as i128,
            _ => x as i64 as i128,
        }),
        (Value::I(x), Dtype::F64) => Value::F(x as f64),
        (Value::I(x), Dtype::F32) => Value::F(x as f32 as f64),
        (Value::F(x), Dtype::F64) => Value::F(x),
        (Value::F(x), Dtype::F32) => Value::F(x as f32 as f64),
        (v, d) => {
            // To 16 bits: the nearest of the two neighbours, ties to the even one, found by exact comparison.
            let (x, whole) = match v {
                Value::I(x) => (x as f64, Some(x)),
                Value::F(x) => (x, None),
            };
            if x.is_nan() {
                return Value::F(x);
            }
            let of = |b: u16| if d == Dtype::F16 { f16::from_bits(b).to_f64() } else { bf16::from_bits(b).to_f64() };
            let infinity = if d == Dtype::F16 { 0x7c00u16 } else { 0x7f80 };
            let magnitude = x.abs();
            // The greatest pattern not above the magnitude.
            let (mut low, mut high) = (0u16, infinity);
            let not_above = |b: u16| match whole {
                Some(w) if of(b).is_finite() && w.abs() > 1 << 50 => of(b) as i128 <= w.abs(),
                _ => of(b) <= magnitude,
            };
            while high - low > 1 {
                let mid = low + (high - low) / 2;
                if not_above(mid) { low = mid } else { high = mid }
            }
            if x.is_infinite() {
                return Value::F(x);
            }
            // At the top the neighbour is what infinity would be as a number.
            let top = if high == infinity { 2.0 * of(low) - of(low - 1) } else { of(high) };
            let middle = (of(low) + top) / 2.0;
            let order = match whole {
                Some(w) => (2 * w.abs()).cmp(&((2.0 * middle) as i128)),
                None => magnitude.partial_cmp(&middle).unwrap(),
            };
            let pick = match order {
                std::cmp::Ordering::Less => low,
                std::cmp::Ordering::Greater => high,
                _ => low + (low & 1),
            };
            Value::F(of(pick).copysign(x))
        }
    }
}

self_test!(casts_are_exact_or_rounded_once);
fn casts_are_exact_or_rounded_once() {
    let _lock = lock();
    for from in Dtype::ALL {
        let n = 1500;
        let mut src = data(from, n, 77);
        // Values at and around ties of the 16-bit formats, which a second rounding would get wrong.
        if matches!(from, Dtype::I32 | Dtype::I64 | Dtype::U32 | Dtype::U64 | Dtype::F64) {
            for i in 0..400 {
                let tie = (0x101i64 + 2 * (i as i64 % 120)) << (7 + i % 14);
                let x = tie + (i as i64 % 3 - 1) * if i % 2 == 0 { 1 } else { 0 };
                let wide = if from.size() == 8 && i % 5 == 0 { (x << 30) + (i as i64 % 3 - 1) } else { x };
                let bytes = if from == Dtype::F64 {
                    (wide as f64 * if i % 7 == 0 { 2f64.powi(-140) } else { 1.0 }).to_le_bytes().to_vec()
                } else {
                    wide.to_le_bytes()[..from.size()].to_vec()
                };
                src[i * from.size()..(i + 1) * from.size()].copy_from_slice(&bytes);
            }
        }
        let words = words(&src);
        for to in Dtype::ALL {
            for n in [0, 1, 7, 16, 33, n] {
                let mut out = vec![0xaaaa_aaaa_aaaa_aaaau64; (n * to.size()).div_ceil(8) + 1];
                for level in crate::isa::available() {
                    let old = crate::isa::level();
                    crate::isa::set_level(level);
                    // SAFETY: both have `n` elements.
                    unsafe { cast(from, words.as_ptr().cast(), to, out.as_mut_ptr().cast(), n) };
                    crate::isa::set_level(old);
                    let bytes: Vec<u8> = out.iter().flat_map(|w| w.to_le_bytes()).collect();
                    assert!(bytes[n * to.size()..].iter().all(|&b| b == 0xaa));
                    for i in 0..n {
                        let (x, got) = (value(from, &src, i), value(to, &bytes, i));
                        let same = match (exact_cast(x, to), got) {
                            (Value::I(a), Value::I(b)) => a == b,
                            (Value::F(a), Value::F(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                            _ => false,
                        };
                        assert!(
                            same,
                            "{from:?} -> {to:?} {level:?}: {x:?} -> {got:?}, expected {:?}",
                            exact_cast(x, to)
                        );
                    }
                }
            }
        }
    }
}

self_test!(views_are_read_in_row_major_order);
fn views_are_read_in_row_major_order() {
    let _lock = lock();
    let (rows, columns) = (70usize, 45usize);
    let n = rows * columns;
    let a: Vec<f32> = (0..n).map(|i| i as f32 * 0.5).collect();
    let b: Vec<f32> = (0..columns).map(|i| i as f32 - 3.0).collect();
    let (shape, swapped) = ([rows, columns], [columns, rows]);
    let halves: Vec<f16> = a.iter().map(|&x| f16::from_f32(x)).collect();
    let bools: Vec<u8> = (0..n).map(|i| (i % 3 == 1) as u8).collect();
    each(|how| {
        let mut out = vec![0.0f32; n];
        let p = out.as_mut_ptr().cast::<u8>();
        let row = Operand::View(b.as_ptr().cast(), &shape, &[0, 1]);
        // The transpose of `a`, as a view.
        let turned = Operand::View(a.as_ptr().cast(), &swapped, &[1, 45]);
        let at = |i: usize| a[i % rows * columns + i / rows];
        // SAFETY: the views stay within their arrays and have `n` elements.
        unsafe {
            binary(BinaryOp::Sub, Dtype::F32, Operand::Vector(a.as_ptr().cast()), row, p, n).unwrap();
            assert!((0..n).all(|i| out[i] == a[i] - b[i % columns]), "{how}");
            unary_operand(UnaryOp::Neg, Dtype::F32, turned, p, n).unwrap();
            assert!((0..n).all(|i| out[i] == -at(i)), "{how}");
            cast_operand(Dtype::F16, Operand::View(halves.as_ptr().cast(), &swapped, &[1, 45]), Dtype::F32, p, n);
            assert!((0..n).all(|i| out[i] == halves[i % rows * columns + i / rows].to_f32()), "{how}");
            let cond = Operand::View(bools.as_ptr(), &swapped, &[1, 45]);
            select(4, cond, turned, Operand::Scalar(b.as_ptr().cast()), p, n);
            assert!(
                (0..n).all(|i| out[i] == if bools[i % rows * columns + i / rows] != 0 { at(i) } else { -3.0 }),
                "{how}"
            );
            let mut halves_out = vec![f16::ZERO; n];
            let (x, y) =
                (Operand::Vector(halves.as_ptr().cast()), Operand::View(halves.as_ptr().cast(), &shape, &[0, 1]));
            binary(BinaryOp::Add, Dtype::F16, x, y, halves_out.as_mut_ptr().cast(), n).unwrap();
            let sum = |i: usize| f16::from_f32(halves[i].to_f32() + halves[i % columns].to_f32());
            assert!((0..n).all(|i| halves_out[i] == sum(i)), "{how}");
        }
    });
}
