//! Products whose outputs lie in memory that held NaN (MLX pull request 3563): ten thousand of them, with operands that
//! are not aligned, after quantized work, under `ISOBIT_POISON=1`. No NaN may come through.
//!
//! The only test of its file: the setting has to be there before the first allocation.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, random};

const ITERATIONS: usize = 10_000;

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Result<Array> {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed)))?, dtype)
}

/// The same values at an odd offset of a larger buffer, rows further apart than they are long.
fn misaligned(a: &Array) -> Result<Array> {
    let n = a.ndim();
    let padding: Vec<(usize, usize)> = (0..n).map(|d| if d + 1 == n { (1, 2) } else { (0, 0) }).collect();
    let filler = if a.dtype().is_inexact() { f64::NAN } else { 255.0 };
    let wide = ops::pad(a, &padding, &Array::scalar(filler, a.dtype()))?;
    wide.eval()?;
    let (mut start, mut stop) = (vec![0isize; n], vec![isize::MAX; n]);
    (start[n - 1], stop[n - 1]) = (1, 1 + a.shape()[n - 1] as isize);
    let view = ops::slice(&wide, &start, &stop, &vec![1; n])?;
    view.eval()?;
    Ok(view)
}

enum Right {
    Dense(Array),
    Quantized { codes: Array, scales: Array, biases: Option<Array>, way: Way, format: Format },
}

/// How a quantized matrix is used.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Transposed,
    Plain,
    /// With rows rounded to eight bits.
    Int8,
    /// With rows quantized in the matrix's format.
    Both,
}

/// One kind of product of a row with one of three matrices.
struct Product {
    name: String,
    x: Array,
    right: Right,
    want: Vec<Vec<u8>>,
}

impl Product {
    fn run(&self, row: i32, matrix: i32) -> Result<Array> {
        let (l, r) = (Array::from_slice(&[row], &[1])?, Array::from_slice(&[matrix], &[1])?);
        match &self.right {
            Right::Dense(b) => ops::gather_mm(&self.x, b, Some(&l), Some(&r)),
            Right::Quantized { codes, scales, biases, way, format } => {
                let (x, b, l, r) = (&self.x, biases.as_ref(), Some(&l), Some(&r));
                match way {
                    Way::Int8 => ops::gather_qmm_int8(x, codes, scales, b, l, r, *format),
                    Way::Both => ops::gather_qqmm(x, codes, Some(scales), l, r, *format, None, None),
                    way => ops::gather_qmm(x, codes, scales, b, l, r, *way == Way::Transposed, *format),
                }
            }
        }
    }
}

fn dense(dtype: Dtype, k: usize, n: usize) -> Result<Product> {
    let (x, b) = (normal(&[4, 1, k], 1, dtype)?, normal(&[3, k, n], 2, dtype)?);
    let mut want = Vec::new();
    for row in 0..4 {
        for matrix in 0..3 {
            let y = ops::matmul(&ops::take_index(&x, row, 0)?, &ops::take_index(&b, matrix, 0)?)?;
            assert!(ops::all(&ops::isfinite(&y)?, .., false)?.item::<bool>()?);
            want.push(y.to_bytes()?);
        }
    }
    let name = format!("gather_mm {dtype} {k} by {n}");
    Ok(Product { name, x: misaligned(&x)?, right: Right::Dense(misaligned(&b)?), want })
}

fn quantized(format: Format, way: Way, dtype: Dtype, small: usize) -> Result<Product> {
    let along = 3 * format.group_size();
    let transpose = way != Way::Plain;
    let (k, n) = if transpose { (along, small) } else { (small, along) };
    let (rows, columns) = if transpose { (n, k) } else { (k, n) };
    let x = normal(&[4, 1, k], 1, dtype)?;
    let q = ops::quantize(&normal(&[3, rows, columns], 2, dtype)?, format, None)?;
    let mut want = Vec::new();
    for row in 0..4 {
        for matrix in 0..3 {
            let part = |a: &Array| ops::take_index(a, matrix, 0);
            let biases = q.biases.as_ref().map(part).transpose()?;
            let x = ops::take_index(&x, row, 0)?;
            let (codes, scales, b) = (part(&q.codes)?, part(&q.scales)?, biases.as_ref());
            let y = match way {
                Way::Int8 => ops::quantized_matmul_int8(&x, &codes, &scales, b, format)?,
                Way::Both => ops::qqmm(&x, &codes, Some(&scales), format, None, None)?,
                _ => ops::quantized_matmul(&x, &codes, &scales, b, transpose, format)?,
            };
            assert!(ops::all(&ops::isfinite(&y)?, .., false)?.item::<bool>()?);
            want.push(y.to_bytes()?);
        }
    }
    let biases = q.biases.as_ref().map(misaligned).transpose()?;
    let (codes, scales) = (misaligned(&q.codes)?, misaligned(&q.scales)?);
    let name = format!("{way:?} {format:?} {dtype} {k} by {n}");
    let right = Right::Quantized { codes, scales, biases, way, format };
    Ok(Product { name, x: misaligned(&x)?, right, want })
}

/// Every format that there is.
fn formats() -> Result<Vec<Format>> {
    let mut all = Vec::new();
    for group in [32, 64, 128] {
        for bits in [2, 3, 4, 5, 6, 8] {
            all.push(Format::new(Mode::Affine, Some(group), Some(bits))?);
        }
    }
    for mode in [Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] {
        all.push(Format::new(mode, None, None)?);
    }
    Ok(all)
}

#[test]
fn one_gathered_row_in_memory_that_held_nan() -> Result<()> {
    // SAFETY: nothing else runs yet, and nothing of isobit has run.
    unsafe { std::env::set_var("ISOBIT_POISON", "1") };
    let mut products = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        for (k, n) in [(64, 8), (77, 19), (1, 1), (300, 5), (16, 1000)] {
            products.push(dense(dtype, k, n)?);
        }
        for (i, format) in formats()?.into_iter().enumerate() {
            for way in [Way::Transposed, Way::Plain, Way::Int8, Way::Both] {
                let there = match way {
                    Way::Int8 => format.has_int8(),
                    Way::Both => format.mode() != Mode::Affine,
                    _ => true,
                };
                if there {
                    products.push(quantized(format, way, dtype, [1, 5, 17][i % 3])?);
                    products.push(quantized(format, way, dtype, [37, 3, 64][i % 3])?);
                }
            }
        }
    }
    let nan = ops::full(&[2, 64], f64::NAN, Dtype::F32)?;
    let f = Format::new(Mode::Affine, Some(64), Some(4))?;
    let q = ops::quantize(&normal(&[9, 64], 3, Dtype::F32)?, f, None)?;
    for i in 0..ITERATIONS {
        let p = &products[i * 7919 % products.len()];
        let (row, matrix) = (i / 3 % 4, i % 3);
        let want = &p.want[row * 3 + matrix];
        if i % 4 == 0 {
            // Quantized work that gives nothing but NaN.
            ops::quantized_matmul(&nan, &q.codes, &q.scales, q.biases.as_ref(), true, f)?.eval()?;
        }
        // Buffers of the output's size that held NaN are the next ones to be handed out.
        let spoiled = [want.len(), 2 * want.len()].map(|bytes| ops::full(&[bytes / 2], f64::NAN, Dtype::F16));
        for a in spoiled {
            ops::negative(&ops::contiguous(&a?)?)?.eval()?;
        }
        let y = p.run(row as i32, matrix as i32)?;
        let name = &p.name;
        assert!(&y.to_bytes()? == want, "iteration {i}: {name}, row {row} times matrix {matrix} has other bits");
    }
    Ok(())
}
