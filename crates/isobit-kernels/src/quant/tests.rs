//! Codes against their definition, products against float64, and the bits of rows, levels and threads.

use super::*;
use crate::dtype::Dtype;
use crate::simd::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::test_settings::{each, each_level, lock};
use crate::{isa, par};
use std::sync::atomic::Ordering;

fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut s = seed;
    move || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        s
    }
}

self_test!(quant_codes_round_trip);
fn quant_codes_round_trip() {
    for bits in 1..=8usize {
        let (rows, n) = (3, 96);
        let mut next = noise(7 + bits as u64);
        let codes: Vec<u8> = (0..rows * n).map(|_| next() as u8 & ((1u16 << bits) - 1) as u8).collect();
        let width = n * bits / 32;
        let (mut words, mut back) = (vec![0u32; rows * width], vec![0u8; rows * n]);
        // SAFETY: the buffers have the sizes that the functions name.
        unsafe {
            pack_bits(bits, codes.as_ptr(), words.as_mut_ptr(), rows, n);
            unpack_bits(bits, words.as_ptr(), back.as_mut_ptr(), rows, width);
        }
        assert_eq!(codes, back, "{bits} bits");
        for (i, &c) in codes[..n].iter().enumerate() {
            let stream = |b: usize| words[b / 32] >> (b % 32) & 1;
            let want = (0..bits).fold(0, |v, b| v | stream(i * bits + b) << b);
            assert_eq!(u32::from(c), want);
        }
    }
}

const FORMATS: [Format; 10] = [
    Format { bits: 4, group: 64, codes: Codes::Unsigned, scales: Scales::F32 },
    Format { bits: 2, group: 32, codes: Codes::Unsigned, scales: Scales::Bf16 },
    Format { bits: 3, group: 64, codes: Codes::Unsigned, scales: Scales::F16 },
    Format { bits: 5, group: 128, codes: Codes::Unsigned, scales: Scales::Bf16 },
    Format { bits: 6, group: 32, codes: Codes::Unsigned, scales: Scales::F32 },
    Format { bits: 8, group: 64, codes: Codes::Unsigned, scales: Scales::Bf16 },
    Format { bits: 4, group: 128, codes: Codes::Unsigned, scales: Scales::Bf16 },
    Format { bits: 4, group: 32, codes: Codes::E2m1, scales: Scales::E8m0 },
    Format { bits: 8, group: 32, codes: Codes::E4m3, scales: Scales::E8m0 },
    Format { bits: 4, group: 16, codes: Codes::E2m1, scales: Scales::E4m3 },
];

struct Matrix {
    format: Format,
    n: usize,
    k: usize,
    codes: Vec<u8>,
    words: Vec<u32>,
    scales: Vec<u8>,
    biases: Vec<u8>,
}

fn stored(scales: Scales, x: f32) -> Vec<u8> {
    match scales {
        Scales::F64 => f64::from(x).to_le_bytes().to_vec(),
        Scales::F32 => x.to_le_bytes().to_vec(),
        Scales::F16 => f32_to_f16(x).to_le_bytes().to_vec(),
        Scales::Bf16 => f32_to_bf16(x).to_le_bytes().to_vec(),
        Scales::E8m0 => vec![(x.abs().log2().round() + 127.0) as u8],
        Scales::E4m3 => vec![40 + (x.abs() * 100.0) as u8 % 20],
    }
}

impl Matrix {
    fn random(format: Format, n: usize, k: usize, seed: u64) -> Matrix {
        let mut next = noise(seed);
        let mask = ((1u16 << format.bits) - 1) as u8;
        let nan = |c: u8| format.codes == Codes::E4m3 && c & 0x7f == 0x7f;
        let codes: Vec<u8> = (0..n * k).map(|_| next() as u8 & mask).map(|c| if nan(c) { 1 } else { c }).collect();
        let mut words = vec![0u32; n * k * format.bits / 32];
        // SAFETY: the buffers have the sizes that the function names.
        unsafe { pack_bits(format.bits, codes.as_ptr(), words.as_mut_ptr(), n, k) };
        let mut unit = || (next() >> 40) as f32 / (1u64 << 24) as f32;
        let groups = n * k / format.group;
        let scales = (0..groups).flat_map(|_| stored(format.scales, 0.02 + 0.1 * unit())).collect();
        let affine = format.codes == Codes::Unsigned;
        let biases =
            if affine { (0..groups).flat_map(|_| stored(format.scales, unit() - 0.5)).collect() } else { vec![] };
        Matrix { format, n, k, codes, words, scales, biases }
    }

    fn value(&self, row: usize, k: usize) -> f64 {
        let code = self.codes[row * self.k + k];
        let g = (row * self.k + k) / self.format.group;
        let read = |list: &[u8]| {
            let size = self.format.scales.size();
            // SAFETY: the list holds one stored number per group.
            f64::from(unsafe { self.format.scales.read(list[g * size..].as_ptr()) })
        };
        let q = match self.format.codes {
            Codes::Unsigned => f64::from(code),
            Codes::E2m1 => f64::from(e2m1(code)),
            Codes::E4m3 => f64::from(e4m3(code)),
        };
        read(&self.scales) * q + if self.biases.is_empty() { 0.0 } else { read(&self.biases) }
    }

    fn described(&self) -> super::Matrix {
        super::Matrix {
            format: self.format,
            n: self.n,
            k: self.k,
            codes: self.words.as_ptr(),
            code_stride: (self.k * self.format.bits / 32) as isize,
            scales: self.scales.as_ptr(),
            biases: if self.biases.is_empty() { std::ptr::null() } else { self.biases.as_ptr() },
            scale_stride: (self.k / self.format.group) as isize,
        }
    }

    /// The product with rows that lie `stride` elements apart, as bits of the output's dtype; kept blocks give the same.
    fn product(&self, x: &[u8], dtype: Dtype, m: usize, stride: usize) -> Vec<u32> {
        let size = dtype.size();
        let mut out = vec![0xffu8; m * self.n * size];
        let w = self.described();
        let p = Product {
            w,
            m,
            dtype,
            x: x.as_ptr(),
            x_stride: stride as isize,
            out: out.as_mut_ptr(),
            out_stride: self.n as isize,
            kept: None,
            rows: None,
        };
        // SAFETY: the buffers have the sizes and strides that the fields name.
        unsafe { product(&p) };
        let mut again = vec![0xffu8; out.len()];
        // SAFETY: as above.
        unsafe {
            let kept = Packed::new(&w);
            product(&super::Product { out: again.as_mut_ptr(), kept: Some(&kept), ..p });
        }
        assert!(out == again, "kept blocks give other bits");
        out.chunks(size).map(|b| b.iter().rev().fold(0, |v, &b| v << 8 | u32::from(b))).collect()
    }
}

fn activations(dtype: Dtype, n: usize, seed: u64) -> (Vec<u8>, Vec<f64>) {
    let mut next = noise(seed);
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let x = ((next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 2.0;
        match dtype {
            Dtype::F32 => (bytes.extend(x.to_le_bytes()), values.push(f64::from(x))),
            Dtype::F16 => {
                (bytes.extend(f32_to_f16(x).to_le_bytes()), values.push(f64::from(f16_to_f32(f32_to_f16(x)))))
            }
            _ => (bytes.extend(f32_to_bf16(x).to_le_bytes()), values.push(f64::from(bf16_to_f32(f32_to_bf16(x))))),
        };
    }
    (bytes, values)
}

fn float(dtype: Dtype, bits: u32) -> f64 {
    f64::from(match dtype {
        Dtype::F32 => f32::from_bits(bits),
        Dtype::F16 => f16_to_f32(bits as u16),
        _ => bf16_to_f32(bits as u16),
    })
}

self_test!(quant_products_match_float64);
fn quant_products_match_float64() {
    for (i, format) in FORMATS.into_iter().enumerate() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            for (m, n) in [(1, 37), (3, 5), (9, 16), (1, 1), (13, 35), (40, 18)] {
                let k = 3 * format.group;
                let w = Matrix::random(format, n, k, 11 + i as u64);
                let (x, values) = activations(dtype, m * k, 3);
                let got = w.product(&x, dtype, m, k);
                let eps = match dtype {
                    Dtype::F32 => 0.0,
                    Dtype::F16 => 2f64.powi(-11),
                    _ => 2f64.powi(-8),
                };
                for r in 0..m {
                    for c in 0..n {
                        let terms = (0..k).map(|j| values[r * k + j] * w.value(c, j));
                        let (want, size) = terms.fold((0.0, 0.0), |(s, a), t| (s + t, a + t.abs()));
                        let got = float(dtype, got[r * n + c]);
                        // float32 accumulation, 2 k steps; scale and bias terms may cancel.
                        let codes: f64 = (0..k).map(|j| values[r * k + j].abs() * 0.15 * 255.0).sum();
                        let bound = eps * want.abs() * 1.01 + 2f64.powi(-24) * (size + codes) * 8.0;
                        assert!((got - want).abs() <= bound, "{format:?} {dtype:?} {m}x{n}: {got} for {want}");
                    }
                }
            }
        }
    }
}

self_test!(quant_bits_depend_on_the_row_alone);
fn quant_bits_depend_on_the_row_alone() {
    let _settings = lock();
    for (i, format) in FORMATS.into_iter().enumerate() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let (n, k, most) = (35, 5 * format.group, 40);
            let w = Matrix::random(format, n, k, 5 + i as u64);
            let (x, _) = activations(dtype, most * k, 23);
            let want = w.product(&x, dtype, most, k);
            for m in (1..=20).chain([23, 30, 31, 37]) {
                for first in [0, most - m] {
                    let rows = &x[first * k * dtype.size()..];
                    let got = w.product(rows, dtype, m, k);
                    assert_eq!(got, want[first * n..(first + m) * n], "{format:?} {dtype:?} rows {first}+{m}");
                }
            }
            each(|at| {
                assert_eq!(w.product(&x, dtype, most, k), want, "{format:?} {dtype:?}: {at}");
                assert_eq!(w.product(&x, dtype, 1, k), want[..n], "{format:?} {dtype:?}, one row: {at}");
            });
        }
    }
}

self_test!(quant_nan_codes_reach_their_column);
/// A code that is NaN makes the numbers of its row NaN, and no other.
fn quant_nan_codes_reach_their_column() {
    let _settings = lock();
    let format = Format { bits: 8, group: 32, codes: Codes::E4m3, scales: Scales::E8m0 };
    let (n, k) = (35, 96);
    for (row, at, code) in [(0, 0, 0x7f_u32), (17, 33, 0xff), (34, 95, 0x7f), (20, 62, 0xff)] {
        let mut w = Matrix::random(format, n, k, 9);
        let word = &mut w.words[(row * k + at) / 4];
        *word = *word & !(0xff << (8 * (at % 4))) | code << (8 * (at % 4));
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let (x, _) = activations(dtype, 3 * k, 4);
            each_level(|level| {
                for m in [1, 3] {
                    for (o, y) in w.product(&x, dtype, m, k).into_iter().enumerate() {
                        assert_eq!(float(dtype, y).is_nan(), o % n == row, "{dtype:?} {level} {m} rows, output {o}");
                    }
                }
            });
        }
    }
}

self_test!(quant_subnormals_are_alike_at_every_level);
/// Activations that are subnormal or close to it: bfloat16 flushes them, at every level alike; the others keep them.
fn quant_subnormals_are_alike_at_every_level() {
    let _settings = lock();
    let k = 128;
    for format in [FORMATS[0], FORMATS[1], FORMATS[6]] {
        let w = Matrix::random(format, 20, k, 9);
        for (dtype, exponent) in [Dtype::F32, Dtype::BF16].into_iter().flat_map(|d| [0, 1, 4, 5, 6].map(|e| (d, e))) {
            let tiny: Vec<u8> = (0..k as u32)
                .flat_map(|i| {
                    let sign = if i % 3 == 0 { 0x8000_0000 } else { 0 };
                    let zero = exponent > 0 && i % 7 == 0;
                    let b = if zero { sign } else { sign | ((exponent << 23) + (i << 17)) }.to_le_bytes();
                    if dtype == Dtype::F32 { b.to_vec() } else { b[2..].to_vec() }
                })
                .collect();
            let want = w.product(&tiny, dtype, 1, k);
            each_level(|at| {
                assert_eq!(
                    w.product(&tiny, dtype, 1, k),
                    want,
                    "{format:?} {dtype:?} from exponent {exponent} on: {at}"
                )
            });
        }
    }
}

/// One output of the eight-bit mode by its definition.
fn int8_by_definition(w: &Matrix, row: usize, x: &[f32]) -> f32 {
    let Format { group, codes, .. } = w.format;
    let read = |list: &[u8], g: usize| {
        // SAFETY: the list holds one stored number per group.
        unsafe { w.format.scales.read(list[(row * w.k / group + g) * w.format.scales.size()..].as_ptr()) }
    };
    let (unit, code): (f32, fn(u8) -> i32) =
        if codes == Codes::E2m1 { (0.5, |c| (2.0 * e2m1(c)) as i32) } else { (1.0, i32::from) };
    let mut total = 0f32;
    for g in 0..w.k / group {
        let mut xsum = 0f32;
        let run = group.min(32);
        for first in (g * group..(g + 1) * group).step_by(run) {
            let x = &x[first..first + run];
            let most = x.iter().fold(0f32, |a, v| a.max(v.abs()));
            let bad = x.iter().any(|v| !v.is_finite());
            let (d, inverse) = match () {
                () if bad => (f32::NAN, 0.0),
                () if most < 2f32.powi(-100) => (0.0, 0.0),
                () => (most / 127.0, 127.0 / most),
            };
            let q: Vec<i32> = x.iter().map(|v| if bad { 0 } else { (v * inverse).round_ties_even() as i32 }).collect();
            assert!(q.iter().all(|q| (-127..=127).contains(q)));
            let codes = &w.codes[row * w.k + first..];
            let sum: i32 = q.iter().zip(codes).map(|(q, &c)| q * code(c)).sum();
            total = (sum as f32).mul_add(read(&w.scales, g) * (unit * d), total);
            xsum = d.mul_add(q.iter().sum::<i32>() as f32, xsum);
        }
        if !w.biases.is_empty() {
            total = xsum.mul_add(read(&w.biases, g), total);
        }
    }
    total
}

/// Activations with a row of zeros, one of tiny numbers, one with an infinity and one with a NaN, and what they are.
fn special_activations(dtype: Dtype, m: usize, k: usize) -> (Vec<u8>, Vec<f32>) {
    let (mut x, _) = activations(dtype, m * k, 23);
    let size = dtype.size();
    x[2 * k * size..3 * k * size].fill(0);
    x[3 * k * size..4 * k * size].chunks_mut(size).for_each(|b| b[size - 1] &= 0x80);
    x[5 * k * size..][..size].copy_from_slice(&stored_as(dtype, f32::INFINITY));
    x[(6 * k + 40) * size..][..size].copy_from_slice(&stored_as(dtype, f32::NAN));
    let values = x.chunks(size).map(|b| number(dtype, b)).collect();
    (x, values)
}

fn stored_as(dtype: Dtype, v: f32) -> Vec<u8> {
    match dtype {
        Dtype::F32 => v.to_le_bytes().to_vec(),
        Dtype::F16 => f32_to_f16(v).to_le_bytes().to_vec(),
        _ => f32_to_bf16(v).to_le_bytes().to_vec(),
    }
}

fn number(dtype: Dtype, bytes: &[u8]) -> f32 {
    float(dtype, bytes.iter().rev().fold(0, |v, &b| v << 8 | u32::from(b))) as f32
}

self_test!(int8_products_have_the_bits_of_their_definition);
fn int8_products_have_the_bits_of_their_definition() {
    let _settings = lock();
    for (i, format) in FORMATS.into_iter().filter(|f| has_int8(*f)).enumerate() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            // Groups beyond a chunk of codes.
            let (n, k, most) = (35, if i == 0 { 9 } else { 5 } * format.group.max(32), 27);
            let w = Matrix::random(format, n, k, 5 + i as u64);
            let (x, values) = special_activations(dtype, most, k);
            let size = dtype.size();
            let want: Vec<Vec<u8>> = (0..most * n)
                .map(|o| int8_by_definition(&w, o % n, &values[o / n * k..][..k]))
                .map(|y| stored_as(dtype, if y.is_nan() { f32::NAN } else { y }))
                .collect();
            // SAFETY: the matrix has the sizes and strides that the description names.
            let kept = unsafe { Packed::new(&w.described()) };
            let vnni = |on: bool| int8::NO_VNNI.store(!on, Ordering::Relaxed);
            each(|at| {
                // Also as machines do that have no instruction for it: with one thread, which is enough.
                let both = cfg!(target_arch = "x86_64") && par::threads() == 1 && isa::level() >= isa::Level::Avx2;
                let rows = [1, 2, 3, 4, 6, 7, 12, 13, 26, 27];
                for (m, on) in rows.into_iter().flat_map(|m| [(m, true), (m, false)]).filter(|(_, on)| *on || both) {
                    vnni(on);
                    let mut out = vec![0xffu8; m * n * size];
                    let from = most - m;
                    let p = Product {
                        w: w.described(),
                        kept: (m % 2 == 0).then_some(&kept),
                        m,
                        dtype,
                        x: x[from * k * size..].as_ptr(),
                        x_stride: k as isize,
                        out: out.as_mut_ptr(),
                        out_stride: n as isize,
                        rows: None,
                    };
                    // SAFETY: the buffers have the sizes and strides that the fields name.
                    unsafe { product_int8(&p) };
                    for (o, got) in out.chunks(size).enumerate() {
                        let want = &want[from * n + o];
                        assert!(
                            got == want || number(dtype, got).is_nan() && number(dtype, want).is_nan(),
                            "{format:?} {dtype:?} {m} rows, output {o}, VPDPBUSD {on}: {at}"
                        );
                    }
                    vnni(true);
                }
            });
        }
    }
}

/// A product, and several.
type Ways = (unsafe fn(&Product), unsafe fn(&[Product]));

/// More products than threads pack at once, and fewer: of rows anywhere, by blocks that are kept or not.
fn products_of_listed_rows_are_those_of_the_rows((one, several): Ways) {
    let _settings = lock();
    let (format, dtype, n, k, most) = (FORMATS[0], Dtype::BF16, 35, 192, 29);
    for count in [3, 24] {
        let matrices: Vec<Matrix> = (0..count).map(|i| Matrix::random(format, n, k, 40 + i)).collect();
        let (x, _) = activations(dtype, most * k, 23);
        let row = |w: &Matrix, r: usize| {
            let mut out = vec![0xffu8; 2 * n];
            let (w, x, out_stride) = (w.described(), x[2 * r * k..].as_ptr(), n as isize);
            let at = out.as_mut_ptr();
            let p = Product { w, kept: None, m: 1, dtype, x, x_stride: k as isize, out: at, out_stride, rows: None };
            // SAFETY: the buffers have the sizes and strides that the fields name.
            unsafe { one(&p) };
            out
        };
        let some = |i: usize| [most, 1, 13, 20, 9, 2][i % 6];
        let rows_of: Vec<Vec<usize>> =
            (0..count as usize).map(|i| (0..some(i)).map(|r| (r * 11 + i) % most).collect()).collect();
        let want: Vec<Vec<u8>> =
            rows_of.iter().zip(&matrices).map(|(rows, w)| rows.iter().flat_map(|&r| row(w, r)).collect()).collect();
        each(|at| {
            // SAFETY: the description is of vectors that live on.
            let kept: Vec<Packed> = matrices.iter().map(|w| unsafe { Packed::new(&w.described()) }).collect();
            let total: usize = rows_of.iter().map(Vec::len).sum();
            let mut out = vec![0xffu8; 2 * total * n];
            let mut places: Vec<Vec<(isize, isize)>> = Vec::new();
            let mut next = 0;
            for rows in &rows_of {
                places.push(rows.iter().map(|&r| (r * k) as isize).zip((next..).map(|o| (o * n) as isize)).collect());
                next += rows.len();
            }
            let to = out.as_mut_ptr();
            let product = |i: usize| Product {
                w: matrices[i].described(),
                kept: (!i.is_multiple_of(3)).then_some(&kept[i]),
                m: rows_of[i].len(),
                dtype,
                x: x.as_ptr(),
                x_stride: 0,
                out: to,
                out_stride: 0,
                rows: Some(&places[i]),
            };
            let all: Vec<Product> = (0..rows_of.len()).map(product).collect();
            // SAFETY: the lists name rows inside the buffers, and each output row once.
            unsafe { several(&all) };
            assert!(out == want.concat(), "{count} products, {at}");
        });
    }
}

self_test!(quant_products_of_listed_rows);
fn quant_products_of_listed_rows() {
    products_of_listed_rows_are_those_of_the_rows((product, products));
}

self_test!(int8_products_of_listed_rows);
fn int8_products_of_listed_rows() {
    products_of_listed_rows_are_those_of_the_rows((product_int8, products_int8));
}
