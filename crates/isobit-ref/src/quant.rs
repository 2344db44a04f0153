//! Quantized and gathered products by their definition.

use crate::matmul;
use crate::value::Values;
use isobit_core::quant::{Format, Mode};

/// Codes of `bits` bits to words: one stream per row, least significant bit first.
pub fn pack_bits(codes: &Values, row: usize, bits: usize) -> Values {
    let mut words = Vec::new();
    for row in codes.ints().chunks(row.max(1)) {
        let stream: Vec<bool> = row.iter().flat_map(|&c| (0..bits).map(move |b| c >> b & 1 == 1)).collect();
        words.extend(stream.chunks(32).map(|w| w.iter().rev().fold(0, |n, &b| 2 * n + i128::from(b))));
    }
    Values::I(words)
}

/// The inverse of [`pack_bits`]; `row` is the number of words of a row.
pub fn unpack_bits(words: &Values, row: usize, bits: usize) -> Values {
    let mut codes = Vec::new();
    for row in words.ints().chunks(row.max(1)) {
        let stream: Vec<bool> = row.iter().flat_map(|&w| (0..32).map(move |b| w >> b & 1 == 1)).collect();
        codes.extend(stream.chunks(bits).map(|c| c.iter().rev().fold(0, |n, &b| 2 * n + i128::from(b))));
    }
    Values::I(codes)
}

fn e2m1(code: i128) -> f64 {
    let magnitude = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0][(code & 7) as usize];
    if code & 8 == 0 { magnitude } else { -magnitude }
}

fn e4m3(code: i128) -> f64 {
    let (exponent, mantissa) = ((code >> 3 & 15) as i32, (code & 7) as f64);
    let magnitude = match (exponent, code & 7) {
        (15, 7) => f64::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2f64.powi(exponent - 7),
    };
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

fn scale(format: Format, s: f64) -> f64 {
    match format.mode() {
        Mode::Affine => s,
        Mode::Nvfp4 => e4m3(s as i128),
        Mode::Mxfp4 | Mode::Mxfp8 if s == 255.0 => f64::NAN,
        Mode::Mxfp4 | Mode::Mxfp8 => 2f64.powi(s as i32 - 127),
    }
}

/// The dense matrices (row-major, as many as there are) that codes, scales and biases stand for.
fn dense(w: &[Values], words: usize, format: Format) -> Vec<f64> {
    let codes = unpack_bits(&w[0], words, format.bits()).ints();
    let scales = w[1].floats();
    let biases = w.get(2).map(Values::floats);
    let value = |(i, q): (usize, i128)| {
        let g = i / format.group_size();
        let q = match format.mode() {
            Mode::Affine => q as f64,
            Mode::Mxfp8 => e4m3(q),
            Mode::Mxfp4 | Mode::Nvfp4 => e2m1(q),
        };
        scale(format, scales[g]) * q + biases.as_ref().map_or(0.0, |b| b[g])
    };
    codes.into_iter().enumerate().map(value).collect()
}

/// Rows and columns of matrices exchanged.
fn transposed(w: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let one = |m: &[f64]| -> Vec<f64> {
        (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| m[r * columns + c]).collect()
    };
    w.chunks((rows * columns).max(1)).flat_map(one).collect()
}

/// The matrices of a quantized operand as right operands of a plain product, and their shape.
fn right(w: &[Values], shape: &[usize], format: Format, transpose: bool) -> (Vec<f64>, [usize; 2]) {
    let n = shape.len();
    let (rows, columns) = (shape[n - 2], format.codes(shape[n - 1]));
    let w = dense(w, shape[n - 1], format);
    if transpose { (transposed(&w, rows, columns), [columns, rows]) } else { (w, [rows, columns]) }
}

/// Activations rounded to eight bits, 32 in a row (or a smaller group) by one scale, and back; the rounding is defined in
/// float32.
pub fn int8(x: &Values, format: Format) -> Values {
    let run = |x: &[f64]| -> Vec<f64> {
        let most = x.iter().fold(0f32, |a, v| a.max(v.abs() as f32));
        if x.iter().any(|v| !v.is_finite()) {
            return vec![f64::NAN; x.len()];
        }
        if most < 2f32.powi(-100) {
            return vec![0.0; x.len()];
        }
        let (scale, inverse) = (f64::from(most / 127.0), 127.0 / most);
        x.iter().map(|&v| f64::from((v as f32 * inverse).round_ties_even()) * scale).collect()
    };
    Values::F(x.floats().chunks(format.group_size().min(32)).flat_map(run).collect())
}

/// `x @ w`, equal leading axes.
pub fn quantized_matmul(x: &[Values], shapes: &[&[usize]], format: Format, transpose: bool) -> Values {
    let (w, [k, n]) = right(&x[1..], shapes[1], format, transpose);
    let d = shapes[0].len();
    matmul::matmul(&x[0], shapes[0], &Values::F(w), &[&shapes[0][..d - 2], &[k, n]].concat())
}

/// The element that an index names: from the end if negative, clamped.
fn at(index: i128, count: usize) -> usize {
    let i = if index < 0 { index + count as i128 } else { index };
    i.clamp(0, count as i128 - 1) as usize
}

/// `a[lhs[i]] @ b[rhs[i]]` for every pair; `a` is `[.., M, K]`, `b` `[.., K, N]`.
fn gathered(
    a: &[f64],
    [m, k]: [usize; 2],
    b: &[f64],
    n: usize,
    lhs: &Values,
    rhs: &Values,
    counts: [usize; 2],
) -> Values {
    let mut out = Vec::new();
    for (l, r) in lhs.ints().into_iter().zip(rhs.ints()) {
        let (l, r) = (at(l, counts[0]), at(r, counts[1]));
        let one = |x: &[f64], i: usize, size: usize| Values::F(x[i * size..(i + 1) * size].to_vec());
        out.extend(matmul::matmul(&one(a, l, m * k), &[m, k], &one(b, r, k * n), &[k, n]).floats());
    }
    Values::F(out)
}

/// Inputs `a`, `b`, `lhs`, `rhs`.
pub fn gather_mm(x: &[Values], shapes: &[&[usize]]) -> Values {
    let (a, b) = (shapes[0], shapes[1]);
    gathered(&x[0].floats(), [a[1], a[2]], &x[1].floats(), b[2], &x[2], &x[3], [a[0], b[0]])
}

/// Inputs `x`, `lhs`, `rhs`, codes, scales, biases.
pub fn gather_qmm(x: &[Values], shapes: &[&[usize]], format: Format, transpose: bool) -> Values {
    let (w, [_, n]) = right(&x[3..], shapes[3], format, transpose);
    let a = shapes[0];
    gathered(&x[0].floats(), [a[1], a[2]], &w, n, &x[1], &x[2], [a[0], shapes[3][0]])
}
