//! Quantization against MLX's bits, and the bits of quantized and gathered products.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, random, transforms};

fn format(mode: Mode, group: usize, bits: usize) -> Format {
    Format::new(mode, Some(group), Some(bits)).unwrap()
}

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Array {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed))).unwrap(), dtype).unwrap()
}

const FORMATS: [(Mode, usize, usize); 9] = [
    (Mode::Affine, 64, 4),
    (Mode::Affine, 32, 2),
    (Mode::Affine, 32, 3),
    (Mode::Affine, 64, 5),
    (Mode::Affine, 128, 6),
    (Mode::Affine, 32, 8),
    (Mode::Mxfp4, 32, 4),
    (Mode::Mxfp8, 32, 8),
    (Mode::Nvfp4, 16, 4),
];

/// The values that the reference implementation gives for a fixed ramp, by hand from the published formulas.
#[test]
fn affine_codes_of_a_ramp() -> Result<()> {
    let ramp: Vec<f32> = (0..32).map(|i| i as f32 - 8.0).collect();
    let w = Array::from_slice(&ramp, &[1, 32])?;
    let q = ops::quantize(&w, format(Mode::Affine, 32, 4), None)?;
    // max - min = 31, scale 31/15; the maximum 23 has the larger magnitude, so the scale is negative and
    // q0 = round(23 / (-31/15)) = -11: scale = -23/11, bias = 23.
    assert_eq!(q.scales.to_vec::<f32>()?, [23.0f32 / -11.0]);
    assert_eq!(q.biases.as_ref().unwrap().to_vec::<f32>()?, [23.0]);
    let codes = ops::unpack_bits(&q.codes, 4)?.to_vec::<u8>()?;
    let want: Vec<u8> =
        ramp.iter().map(|w| ((w - 23.0) / (23.0f32 / -11.0)).round_ties_even().clamp(0.0, 15.0) as u8).collect();
    assert_eq!(codes, want);
    Ok(())
}

#[test]
fn zeros_constants_and_tiny_groups() -> Result<()> {
    for (mode, group, bits) in FORMATS {
        let f = format(mode, group, bits);
        for value in [0.0f32, 3.25, -0.5, 1e-30] {
            let w = ops::full(&[2, group * 2], f64::from(value), Dtype::F32)?;
            let q = ops::quantize(&w, f, None)?;
            let back =
                ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), f, None, Some(Dtype::F32))?.to_vec::<f32>()?;
            // A constant affine group is exact; the others have three (E2M1: one) mantissa bits.
            let error = match mode {
                Mode::Affine if value.abs() > 1e-7 || value == 0.0 => 1e-6,
                // Below the least scale everything is lost.
                Mode::Affine => 1.0,
                Mode::Nvfp4 if value.abs() < 1e-4 => 1.0,
                _ => 0.34,
            };
            assert!(
                back.iter().all(|b| b.is_finite() && (b - value).abs() <= error * value.abs().max(1e-30)),
                "{mode:?} {value}"
            );
        }
    }
    Ok(())
}

#[test]
fn fp8_round_trip() -> Result<()> {
    let all: Vec<u8> = (0..=255).collect();
    let codes = Array::from_slice(&all, &[256])?;
    let values = ops::from_fp8(&codes, Dtype::F32)?;
    let back = ops::to_fp8(&values)?.to_vec::<u8>()?;
    for (i, (&c, &b)) in all.iter().zip(&back).enumerate() {
        // A NaN has no code to come back to: it saturates.
        let want = if c & 0x7f == 0x7f { c - 1 } else { c };
        assert_eq!(b, want, "code {i}");
    }
    let x =
        [0.0f32, -0.0, 1e-10, 0.001_953_125, 0.000_976_562_5, 448.0, 464.0, 1e9, f32::INFINITY, f32::NAN, 17.0, 19.0];
    let codes = ops::to_fp8(&Array::from_slice(&x, &[12])?)?.to_vec::<u8>()?;
    assert_eq!(codes, [0, 128, 0, 1, 0, 126, 126, 126, 126, 126, 88, 90]);
    Ok(())
}

/// Every row has the bits it has alone, in any number of rows, batched, gathered, sorted or not, vmapped or looped.
#[test]
fn a_row_has_its_bits_in_any_company() -> Result<()> {
    for (mode, group, bits) in FORMATS {
        for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
            for transpose in [true, false] {
                let f = format(mode, group, bits);
                let (k, n) = if transpose { (2 * group, 33) } else { (33, 2 * group) };
                let (rows, width) = if transpose { (n, k) } else { (k, n) };
                let w = normal(&[rows, width], 3, dtype);
                let q = ops::quantize(&w, f, None)?;
                let x = normal(&[130, k], 4, dtype);
                let product =
                    |x: &Array| ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), transpose, f);
                let want = product(&x)?.to_bytes()?;
                let row = n * dtype.size();
                for m in [1usize, 2, 3, 5, 8, 31, 33, 64, 129] {
                    let first = 130 - m;
                    let part = ops::slice(&x, &[first as isize, 0], &[130, k as isize], &[1, 1])?;
                    assert_eq!(
                        product(&part)?.to_bytes()?,
                        want[first * row..],
                        "{mode:?} {dtype} {transpose} {m} rows"
                    );
                }
                let looped = transforms::vmap(|x: &[Array]| Ok(vec![product(&x[0])?]))(std::slice::from_ref(&x))?;
                assert_eq!(looped[0].to_bytes()?, want, "{mode:?} {dtype} vmap");
                // The same matrix twice in a stack, rows chosen one by one.
                let both = |a: &Array| ops::stack(&[a.clone(), a.clone()], 0);
                let biases = q.biases.as_ref().map(both).transpose()?;
                let lhs = Array::from_slice(&(0..130i32).rev().collect::<Vec<_>>(), &[130])?;
                let rhs = Array::from_slice(&(0..130i32).map(|i| i % 2).collect::<Vec<_>>(), &[130])?;
                let stack = ops::expand_dims(&x, 1)?;
                let got = ops::gather_qmm(
                    &stack,
                    &both(&q.codes)?,
                    &both(&q.scales)?,
                    biases.as_ref(),
                    Some(&lhs),
                    Some(&rhs),
                    transpose,
                    f,
                )?
                .to_bytes()?;
                for i in 0..130 {
                    let from = (129 - i) * row;
                    assert_eq!(got[i * row..(i + 1) * row], want[from..from + row], "{mode:?} {dtype} gathered {i}");
                }
            }
        }
    }
    Ok(())
}

/// The same rows through every way that there is to a matrix: batches, stacks, parts and views of operands, indices in any
/// order, blocks that are kept and the layout of files.
#[test]
fn a_row_has_its_bits_however_its_matrix_is_reached() -> Result<()> {
    for (i, (mode, group, bits)) in FORMATS.into_iter().enumerate() {
        for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
            let transpose = i % 3 != 1;
            let f = format(mode, group, bits);
            let (along, across) = (4 * 128, 150);
            let (k, n) = if transpose { (along, across) } else { (across, along) };
            let q = ops::quantize(&normal(&[across, along], 3, dtype), f, None)?;
            isobit::eval(&[q.codes.clone(), q.scales.clone()])?;
            let x = normal(&[512, k], 4, dtype);
            let place = format!("{mode:?} {bits} bits {dtype} transpose {transpose}");
            let by = |x: &Array, q: &ops::Quantized| {
                ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), transpose, f)?.to_bytes()
            };
            let want = by(&x, &q)?;
            let row = n * dtype.size();
            let part = |from: usize, to: usize| ops::slice(&x, &[from as isize], &[to as isize], &[1]);
            // Again and again: from the third thin use on the matrix is kept in blocks. Every number of rows with them.
            for m in (1..=16).chain([1, 2, 33, 130]) {
                assert_eq!(by(&part(7, 7 + m)?, &q)?, want[7 * row..(7 + m) * row], "{place}: {m} rows, kept");
            }
            // A batch, a batch with a stack of one matrix, rows that lie apart, rows from a wider array.
            let batch = ops::reshape(&part(0, 130)?, &[2, 65, k as isize])?;
            assert_eq!(by(&batch, &q)?, want[..130 * row], "{place}: batch");
            let each = |g: &dyn Fn(&Array) -> Result<Array>| -> Result<ops::Quantized> {
                let biases = q.biases.as_ref().map(g).transpose()?;
                Ok(ops::Quantized { codes: g(&q.codes)?, scales: g(&q.scales)?, biases })
            };
            let repeated = each(&|a| ops::broadcast_to(a, &[&[2], a.shape()].concat()))?;
            assert_eq!(by(&batch, &repeated)?, want[..130 * row], "{place}: a matrix repeated with stride 0");
            let stacked = each(&|a| ops::stack(&[a.clone(), a.clone()], 0))?;
            assert_eq!(by(&batch, &stacked)?, want[..130 * row], "{place}: stacked matrices");
            let every_third = ops::slice(&x, &[0], &[512], &[3])?;
            let thirds: Vec<u8> = (0..512).step_by(3).flat_map(|i| want[i * row..(i + 1) * row].to_vec()).collect();
            assert_eq!(by(&every_third, &q)?, thirds, "{place}: every third row");
            let turned = ops::swapaxes(&ops::contiguous(&ops::swapaxes(&part(0, 40)?, 0, 1)?)?, 0, 1)?;
            assert_eq!(by(&turned, &q)?, want[..40 * row], "{place}: columns of x adjacent");
            // Part of the matrix: its rows are the product's columns if it is transposed.
            if transpose {
                let some = each(&|a| ops::slice(a, &[8], &[41], &[1]))?;
                let columns: Vec<u8> =
                    want.chunks(row).flat_map(|r| r[8 * dtype.size()..41 * dtype.size()].to_vec()).collect();
                assert_eq!(by(&x, &some)?, columns, "{place}: some of its rows");
                let copied = each(&|a| ops::contiguous(&ops::slice(a, &[8], &[41], &[1])?))?;
                assert_eq!(by(&x, &copied)?, columns, "{place}: some of its rows, copied");
            }
            // Gathered, sorted and not, one row and several per pair, all indices alike.
            let stack = ops::reshape(&part(0, 120)?, &[40, 3, k as isize])?;
            let gather = |x: &Array, l: &[i32], r: &[i32]| {
                let index = |i: &[i32]| Array::from_slice(i, &[i.len()]);
                let (c, s, b) = (&stacked.codes, &stacked.scales, stacked.biases.as_ref());
                ops::gather_qmm(x, c, s, b, Some(&index(l)?), Some(&index(r)?), transpose, f)?.to_bytes()
            };
            let sorted: Vec<i32> = (0..40).collect();
            let mixed: Vec<i32> = (0..40).map(|i| i * 7 % 40).collect();
            let halves: Vec<i32> = (0..40).map(|i| i / 20).collect();
            for (l, r) in [(&sorted, &halves), (&mixed, &halves), (&halves, &halves), (&mixed, &vec![1; 40])] {
                let got = gather(&stack, l, r)?;
                for (pair, &l) in l.iter().enumerate() {
                    let (at, from) = (pair * 3 * row, l as usize * 3 * row);
                    assert_eq!(got[at..at + 3 * row], want[from..from + 3 * row], "{place}: pair {pair}");
                }
            }
            // Batched over x, over the matrix, over both.
            let w: Vec<Array> = [Some(&stacked.codes), Some(&stacked.scales), stacked.biases.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            let whole: Vec<Array> = std::iter::once(batch.clone()).chain(w).collect();
            let run = |a: &[Array]| Ok(vec![ops::quantized_matmul(&a[0], &a[1], &a[2], a.get(3), transpose, f)?]);
            let got = transforms::vmap(run)(&whole)?[0].to_bytes()?;
            assert_eq!(got, want[..130 * row], "{place}: vmap over x and the matrix");
            let mut axes = vec![Some(0); whole.len()];
            axes[0] = None;
            let all: Vec<Array> = std::iter::once(part(0, 5)?).chain(whole[1..].to_vec()).collect();
            let got = transforms::vmap_with(run, axes, vec![Some(0)])(&all)?[0].to_bytes()?;
            assert_eq!(got, want[..5 * row].repeat(2), "{place}: vmap over the matrix");
        }
    }
    Ok(())
}

/// Weights that are used again and again are kept in another layout from the third thin use on: no bit changes, and new
/// scales for the same codes are noticed.
#[test]
fn kept_weights_change_nothing() -> Result<()> {
    for (mode, group, bits) in FORMATS {
        let f = format(mode, group, bits);
        let q = ops::quantize(&normal(&[300, 4 * 128], 3, Dtype::BF16), f, None)?;
        isobit::eval(&[q.codes.clone(), q.scales.clone()])?;
        let x = normal(&[17, 4 * 128], 4, Dtype::BF16);
        let row = ops::slice(&x, &[16, 0], &[17, 512], &[1, 1])?;
        let product =
            |x: &Array, s: &Array| ops::quantized_matmul(x, &q.codes, s, q.biases.as_ref(), true, f)?.to_bytes();
        let want = product(&x, &q.scales)?;
        for _ in 0..5 {
            assert_eq!(product(&row, &q.scales)?, want[16 * 600..], "{mode:?} {bits}");
        }
        assert_eq!(product(&x, &q.scales)?, want, "{mode:?} {bits}");
        let fresh = ops::contiguous(&ops::take(
            &q.scales,
            &Array::from_slice(&(0..300i32).rev().collect::<Vec<_>>(), &[300])?,
            0,
        )?)?;
        let other = product(&x, &fresh)?;
        assert_ne!(other, want);
        assert_eq!(product(&row, &fresh)?, other[16 * 600..], "{mode:?} {bits}: other scales");
    }
    Ok(())
}

/// The mode with activations rounded to eight bits: close to the exact product, the same bits for a row in any company, and
/// the exact product's derivatives.
#[test]
fn int8_activations_are_a_mode_of_their_own() -> Result<()> {
    for (mode, group, bits) in FORMATS {
        let f = format(mode, group, bits);
        if !f.has_int8() {
            continue;
        }
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let q = ops::quantize(&normal(&[300, 512], 3, dtype), f, None)?;
            isobit::eval(&[q.codes.clone(), q.scales.clone()])?;
            let x = normal(&[33, 512], 4, dtype);
            let product = |x: &Array| ops::quantized_matmul_int8(x, &q.codes, &q.scales, q.biases.as_ref(), f);
            let exact = |x: &Array| ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), true, f);
            let y = product(&x)?;
            let wide = |a: &Array| ops::astype(a, Dtype::F64);
            let error = ops::abs(&ops::subtract(&wide(&y)?, &wide(&exact(&x)?)?)?)?;
            // Half a step of max / 127 for each of 512 normal terms: a standard deviation of 0.15 (and bfloat16's own).
            let worst = ops::max(&error, .., false)?.item::<f64>()?;
            assert!(worst > 1e-3 && worst < 1.2, "{mode:?} {bits} bits {dtype}: {worst}");
            let want = y.to_bytes()?;
            let row = 300 * dtype.size();
            for i in [0, 5, 32] {
                let one = ops::slice(&x, &[i as isize, 0], &[i as isize + 1, 512], &[1, 1])?;
                // Kept blocks from the third use on.
                assert_eq!(
                    product(&one)?.to_bytes()?,
                    want[i * row..(i + 1) * row],
                    "{mode:?} {bits} bits {dtype} row {i}"
                );
            }
            assert_eq!(product(&x)?.to_bytes()?, want);
            let looped = transforms::vmap(|x: &[Array]| Ok(vec![product(&x[0])?]))(std::slice::from_ref(&x))?;
            assert_eq!(looped[0].to_bytes()?, want, "{mode:?} {bits} bits {dtype} vmap");
        }
    }
    let f = format(Mode::Affine, 64, 4);
    let q = ops::quantize(&normal(&[8, 128], 3, Dtype::F32), f, None)?;
    let (x, b) = (normal(&[3, 128], 4, Dtype::F32), q.biases.clone().unwrap());
    let gradients = |int8: bool, gathered: bool| {
        let codes = q.codes.clone();
        let rhs = Array::from_slice(&[1i32, 0, 0], &[3])?;
        let product = move |p: &[Array]| {
            let stack = |a: &Array| ops::stack(&[a.clone(), a.clone()], 0);
            let y = match (gathered, int8) {
                (false, true) => ops::quantized_matmul_int8(&p[0], &codes, &p[1], Some(&p[2]), f)?,
                (false, false) => ops::quantized_matmul(&p[0], &codes, &p[1], Some(&p[2]), true, f)?,
                (true, int8) => {
                    let x = ops::expand_dims(&p[0], 1)?;
                    let (c, s, b) = (stack(&codes)?, stack(&p[1])?, stack(&p[2])?);
                    let (b, rhs) = (Some(&b), Some(&rhs));
                    if int8 {
                        ops::gather_qmm_int8(&x, &c, &s, b, None, rhs, f)?
                    } else {
                        ops::gather_qmm(&x, &c, &s, b, None, rhs, true, f)?
                    }
                }
            };
            ops::sum(&y, .., false)
        };
        transforms::grad(product, vec![0, 1, 2])(&[x.clone(), q.scales.clone(), b.clone()])
    };
    for gathered in [false, true] {
        for (a, b) in gradients(true, gathered)?.iter().zip(gradients(false, gathered)?) {
            assert_eq!(a.to_bytes()?, b.to_bytes()?, "gathered: {gathered}");
        }
    }
    let tangent = |int8: bool| {
        let t = normal(&[3, 128], 9, Dtype::F32);
        let product = |x: &[Array]| {
            Ok(vec![if int8 {
                ops::quantized_matmul_int8(&x[0], &q.codes, &q.scales, Some(&b), f)?
            } else {
                ops::quantized_matmul(&x[0], &q.codes, &q.scales, Some(&b), true, f)?
            }])
        };
        transforms::jvp(product, &[x.clone()], &[t])?.1[0].to_bytes()
    };
    assert_eq!(tangent(true)?, tangent(false)?);
    let e = ops::quantized_matmul_int8(&x, &q.codes, &q.scales, None, format(Mode::Mxfp8, 32, 8)).unwrap_err();
    assert!(e.to_string().contains("mxfp8") && e.to_string().contains("affine"), "{e}");
    let e = ops::quantized_matmul_int8(&ops::astype(&x, Dtype::F64)?, &q.codes, &q.scales, Some(&b), f).unwrap_err();
    assert!(e.to_string().contains("float64"), "{e}");
    Ok(())
}

/// One row after products full of NaN: nothing stale may show (MLX pull request 3563).
#[test]
fn one_gathered_row_after_nan() -> Result<()> {
    let nan = ops::full(&[8, 8, 64], f64::NAN, Dtype::F32)?;
    for i in 0..200u64 {
        ops::matmul(&nan, &nan.reshape(&[8, 64, 8])?)?.eval()?;
        let a = normal(&[4, 1, 64], i, Dtype::F32);
        let b = normal(&[4, 64, 8], i + 1, Dtype::F32);
        let at = Array::from_slice(&[(i % 4) as i32], &[1])?;
        let y = ops::gather_mm(&a, &b, Some(&at), Some(&at))?;
        let j = (i % 4) as usize;
        let want = ops::matmul(&ops::take_index(&a, j, 0)?, &ops::take_index(&b, j, 0)?)?;
        assert_eq!(y.to_bytes()?, want.to_bytes()?);
        assert!(y.to_vec::<f32>()?.iter().all(|v| v.is_finite()));
    }
    Ok(())
}

#[test]
fn errors_name_what_is_wrong() {
    let f = format(Mode::Affine, 64, 4);
    let w = ops::zeros(&[4, 100], Dtype::F32).unwrap();
    let e = ops::quantize(&w, f, None).unwrap_err().to_string();
    assert!(e.contains("64") && e.contains("100"), "{e}");
    let q = ops::quantize(&ops::zeros(&[4, 128], Dtype::F32).unwrap(), f, None).unwrap();
    let x = ops::zeros(&[2, 64], Dtype::F32).unwrap();
    let e = ops::quantized_matmul(&x, &q.codes, &q.scales, q.biases.as_ref(), true, f).unwrap_err().to_string();
    assert!(e.contains("128"), "{e}");
    let e = ops::quantized_matmul(&x, &q.codes, &q.scales, None, true, f).unwrap_err().to_string();
    assert!(e.contains("biases"), "{e}");
}
