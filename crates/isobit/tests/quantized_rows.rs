//! Every number of rows from 1 to 130, and 512: a row of a quantized product has the bits that it has among all the others,
//! for every format, dtype and side, plain and gathered, in the layout of files and in blocks that are kept.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, random};
use isobit_testing::settings;
use std::sync::{Mutex, MutexGuard, PoisonError};

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];
/// The rows that all others are a part of.
const ALL: usize = 512;

/// The instruction-set level belongs to the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every format that there is.
fn formats() -> Vec<Format> {
    let mut all = Vec::new();
    for group in [32, 64, 128] {
        all.extend([2, 3, 4, 5, 6, 8].map(|bits| Format::new(Mode::Affine, Some(group), Some(bits)).unwrap()));
    }
    all.extend([Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4].map(|mode| Format::new(mode, None, None).unwrap()));
    all
}

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Result<Array> {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed)))?, dtype)
}

/// Rows `from..from + count`.
fn rows(a: &Array, from: usize, count: usize) -> Result<Array> {
    ops::slice(a, &[from as isize], &[(from + count) as isize], &[1])
}

/// The product of rows with one matrix, in one of the ways that there are.
type Product<'a> = (&'static str, &'a dyn Fn(&Array) -> Result<Array>);

/// What a product of all the rows gave.
struct Whole {
    name: String,
    x: Array,
    bytes: Vec<u8>,
    row: usize,
    size: usize,
}

impl Whole {
    fn of(name: String, x: &Array, (way, product): Product<'_>) -> Result<Whole> {
        let y = product(x)?;
        let row = y.shape()[1] * y.dtype().size();
        Ok(Whole { name: format!("{name} {way}"), x: x.clone(), bytes: y.to_bytes()?, row, size: y.dtype().size() })
    }

    /// `m` of the rows, wherever they are: the bits are those among all.
    fn has(&self, m: usize, (way, product): Product<'_>, setting: &str) -> Result<()> {
        let from = m * 37 % (ALL - m + 1);
        let y = product(&rows(&self.x, from, m)?)?.to_bytes()?;
        let want = &self.bytes[from * self.row..(from + m) * self.row];
        if y == want {
            return Ok(());
        }
        let name = &self.name;
        assert_eq!(y.len(), want.len(), "{name}: {way}, M = {m}");
        let at = y.iter().zip(want).take_while(|(a, b)| a == b).count();
        let (row, column) = (at / self.row, at % self.row / self.size);
        panic!("{name}: {way}, M = {m} {setting}: row {row} (of all: {}), column {column} has other bits", from + row);
    }
}

/// The parts of a quantized matrix, each changed.
fn each(q: &ops::Quantized, change: impl Fn(&Array) -> Result<Array>) -> Result<ops::Quantized> {
    let biases = q.biases.as_ref().map(&change).transpose()?;
    Ok(ops::Quantized { codes: change(&q.codes)?, scales: change(&q.scales)?, biases })
}

/// Numbers of rows at which kernels change what they do, and their neighbours.
const FEW: [usize; 18] = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 33, 63, 65, 97, 130];

/// Products of up to 130 rows, by every way to a matrix of no more than 65,535 elements, which is never kept.
#[test]
fn any_number_of_rows_in_every_format() -> Result<()> {
    let _alone = alone();
    for (i, f) in formats().into_iter().enumerate() {
        for (d, dtype) in DTYPES.into_iter().enumerate() {
            for transpose in [true, false] {
                // One group or three, sizes that no tile divides; every width and every dtype meets all of them.
                let (groups, across) = ([3, 1][(i + i / 6 + d) % 2], [21, 37, 5][(i + i / 6 + d) % 3]);
                let (k, n) = (f.group_size() * groups, across);
                let (k, n) = if transpose { (k, n) } else { (n, k) };
                let (high, wide) = if transpose { (n, k) } else { (k, n) };
                let q = ops::quantize(&normal(&[high, wide], 3, dtype)?, f, None)?;
                let other = ops::quantize(&normal(&[high, wide], 4, dtype)?, f, None)?;
                let both = |a: &Array, b: &Array| ops::stack(&[a.clone(), b.clone()], 0);
                let (codes, scales) = (both(&other.codes, &q.codes)?, both(&other.scales, &q.scales)?);
                let biases = other.biases.as_ref().zip(q.biases.as_ref()).map(|(a, b)| both(a, b)).transpose()?;
                isobit::eval(&[codes.clone(), scales.clone(), q.codes.clone(), q.scales.clone()])?;
                let x = normal(&[ALL, k], 5, dtype)?;
                x.eval()?;
                let plain = |x: &Array| ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), transpose, f);
                let one = Array::scalar(1i32, Dtype::I32);
                let gathered = |x: &Array, rhs: &Array| {
                    ops::gather_qmm(x, &codes, &scales, biases.as_ref(), None, Some(rhs), transpose, f)
                };
                // All rows of one pair, and a pair for each row with nothing between them and with every second one of the
                // other matrix.
                let of_one_pair = |x: &Array| gathered(x, &one);
                let each_row = |x: &Array| {
                    let m = x.shape()[0];
                    let y = gathered(&ops::expand_dims(x, 1)?, &ops::broadcast_to(&one, &[m])?)?;
                    ops::squeeze(&y, 1)
                };
                let mixed = |x: &Array| {
                    let m = x.shape()[0];
                    let rhs: Vec<u32> = (0..2 * m).map(|i| (i % 2) as u32).collect();
                    let twice = ops::expand_dims(&ops::repeat(x, 2, 0)?, 1)?;
                    let y = ops::squeeze(&gathered(&twice, &Array::from_slice(&rhs, &[2 * m])?)?, 1)?;
                    ops::slice(&y, &[1], &[isize::MAX], &[2])
                };
                let name = format!("{f:?} {dtype} transpose {transpose} K {k} N {n}");
                let whole = Whole::of(name, &x, ("plain", &plain))?;
                let ways: [Product<'_>; 4] = [
                    ("plain", &plain),
                    ("one pair", &of_one_pair),
                    ("a pair for each row", &each_row),
                    ("pairs among others", &mixed),
                ];
                for m in (1..=130).chain([ALL]) {
                    whole.has(m, ways[0], "")?;
                    whole.has(m, ways[1 + m % 3], "")?;
                }
                settings::every_level(|level| {
                    for m in FEW {
                        whole.has(m, ways[0], level)?;
                    }
                    Ok(())
                })
                .unwrap();
                if transpose && f.has_int8() {
                    let b = biases.as_ref();
                    let plain = |x: &Array| ops::quantized_matmul_int8(x, &q.codes, &q.scales, q.biases.as_ref(), f);
                    let gathered = |x: &Array| ops::gather_qmm_int8(x, &codes, &scales, b, None, Some(&one), f);
                    let whole = Whole::of(whole.name, &x, ("int8", &plain))?;
                    for m in (1..=130).chain([ALL]) {
                        whole.has(m, if m % 3 == 0 { ("one pair", &gathered) } else { ("plain", &plain) }, "")?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The same with a matrix that is large enough to be kept in blocks: its first use is of 512 rows in the layout of files.
#[test]
fn any_number_of_rows_of_kept_matrices() -> Result<()> {
    let _alone = alone();
    for (i, f) in formats().into_iter().enumerate() {
        for (d, dtype) in DTYPES.into_iter().enumerate() {
            // The least that is kept, in tall and wide shapes; groups are 128 or fewer.
            let (k, n) = [(128, 517), (384, 173), (896, 75)][(i + i / 6 + d) % 3];
            let q = ops::quantize(&normal(&[n, k], 3, dtype)?, f, None)?;
            isobit::eval(&[q.codes.clone(), q.scales.clone()])?;
            isobit::eval(&q.biases.clone().into_iter().collect::<Vec<_>>())?;
            let x = normal(&[ALL, k], 5, dtype)?;
            x.eval()?;
            let by = |q: &ops::Quantized, x: &Array| {
                ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), true, f)
            };
            let kept = |x: &Array| by(&q, x);
            let whole = Whole::of(format!("{f:?} {dtype} K {k} N {n}"), &x, ("kept", &kept))?;
            for _ in 0..3 {
                whole.has(1, ("kept", &kept), "")?;
            }
            for m in (1..=130).chain([ALL]) {
                whole.has(m, ("kept", &kept), "")?;
            }
            // The layout of files at this size: nothing is kept of what is used once.
            for m in FEW {
                let fresh = each(&q, |a| Array::from_bytes(&a.to_bytes()?, a.shape(), a.dtype()))?;
                whole.has(m, ("layout of files", &|x| by(&fresh, x)), "")?;
            }
            settings::every_level(|level| {
                for m in [1, 2, 5, 16, 33] {
                    whole.has(m, ("kept", &kept), level)?;
                }
                Ok(())
            })
            .unwrap();
        }
    }
    Ok(())
}

/// Products of two quantized operands, whose left one is quantized on the way in.
#[test]
fn any_number_of_rows_of_two_quantized_operands() -> Result<()> {
    for mode in [Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] {
        let f = Format::new(mode, None, None)?;
        for (d, dtype) in DTYPES.into_iter().enumerate() {
            let (k, n) = (32 * [3, 1, 2][d], [21, 37, 5][d]);
            let w = normal(&[n, k], 3, dtype)?;
            let q = ops::quantize(&w, f, None)?;
            let x = normal(&[ALL, k], 5, dtype)?;
            isobit::eval(&[x.clone(), w.clone(), q.codes.clone(), q.scales.clone()])?;
            let quantized = |x: &Array| ops::qqmm(x, &q.codes, Some(&q.scales), f, None, None);
            let on_the_way = |x: &Array| ops::qqmm(x, &w, None, f, None, None);
            let (one, stack) = (Array::scalar(0i32, Dtype::I32), each(&q, |a| ops::expand_dims(a, 0))?);
            let gathered =
                |x: &Array| ops::gather_qqmm(x, &stack.codes, Some(&stack.scales), None, Some(&one), f, None, None);
            let whole = Whole::of(format!("{f:?} {dtype} K {k} N {n}"), &x, ("both quantized", &quantized))?;
            let ways: [Product<'_>; 3] = [("before", &quantized), ("on the way", &on_the_way), ("gathered", &gathered)];
            for m in (1..=130).chain([ALL]) {
                whole.has(m, ways[0], "")?;
                whole.has(m, ways[1 + m % 2], "")?;
            }
        }
    }
    Ok(())
}
