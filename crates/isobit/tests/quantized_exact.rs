//! Quantized products against float64, for every format, side, dtype and number of rows: no further off than the rounding
//! errors of a sum in float32 allow. Gathered products have the bits of the plain ones, and a row those of the row among 130.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, random};

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];
const ROWS: [usize; 11] = [0, 1, 2, 3, 8, 31, 32, 33, 64, 65, 130];

fn formats() -> Vec<Format> {
    let mut all = Vec::new();
    for group in [32, 64, 128] {
        for bits in [2, 3, 4, 5, 6, 8] {
            all.push(Format::new(Mode::Affine, Some(group), Some(bits)).unwrap());
        }
    }
    all.extend([Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4].map(|mode| Format::new(mode, None, None).unwrap()));
    all
}

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Array {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed))).unwrap(), dtype).unwrap()
}

fn floats(a: &Array) -> Vec<f64> {
    ops::astype(a, Dtype::F64).unwrap().to_vec().unwrap()
}

/// A quantized matrix, what it stands for, and the size of the two terms (code and bias) that make up each element.
struct Matrix {
    q: ops::Quantized,
    values: Vec<f64>,
    sizes: Vec<f64>,
    columns: usize,
}

fn e2m1(code: u8) -> f64 {
    let magnitude = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0][usize::from(code & 7)];
    if code & 8 == 0 { magnitude } else { -magnitude }
}

impl Matrix {
    fn new(w: &Array, f: Format) -> Result<Matrix> {
        let q = ops::quantize(w, f, None)?;
        let codes = ops::unpack_bits(&q.codes, f.bits())?.to_vec::<u8>()?;
        let fp8 = |a: &Array| Ok::<_, isobit::Error>(floats(&ops::from_fp8(a, Dtype::F32)?));
        let scales = match f.mode() {
            Mode::Affine => floats(&q.scales),
            Mode::Nvfp4 => fp8(&q.scales)?,
            _ => q.scales.to_vec::<u8>()?.iter().map(|&s| 2f64.powi(i32::from(s) - 127)).collect(),
        };
        let biases = q.biases.as_ref().map(floats);
        let bytes = fp8(&Array::from_slice(&codes, &[codes.len()])?)?;
        let (mut values, mut sizes) = (Vec::new(), Vec::new());
        for (i, &code) in codes.iter().enumerate() {
            let code = match f.mode() {
                Mode::Affine => f64::from(code),
                Mode::Mxfp8 => bytes[i],
                _ => e2m1(code),
            };
            let g = i / f.group_size();
            let (term, bias) = (code * scales[g], biases.as_ref().map_or(0.0, |b| b[g]));
            values.push(term + bias);
            sizes.push(term.abs() + bias.abs());
        }
        Ok(Matrix { q, values, sizes, columns: w.shape()[1] })
    }

    /// Row `x` times the matrix (its transpose), and the size of what is added up.
    fn times(&self, x: &[f64], transpose: bool) -> Vec<(f64, f64)> {
        let c = self.columns;
        if transpose {
            let dot = |w: &[f64], s: &[f64]| {
                let each = || x.iter().zip(w.iter().zip(s));
                (each().map(|(x, (w, _))| x * w).sum(), each().map(|(x, (_, s))| x.abs() * s).sum())
            };
            return self.values.chunks(c).zip(self.sizes.chunks(c)).map(|(w, s)| dot(w, s)).collect();
        }
        let mut out = vec![(0.0, 0.0); c];
        for ((x, w), s) in x.iter().zip(self.values.chunks(c)).zip(self.sizes.chunks(c)) {
            for (o, (w, s)) in out.iter_mut().zip(w.iter().zip(s)) {
                o.0 += x * w;
                o.1 += x.abs() * s;
            }
        }
        out
    }
}

/// No element is further off than `k` additions in float32, two factors per group and one rounding to the dtype make it.
fn within(got: &Array, want: &[(f64, f64)], k: usize, place: &str) {
    let (one, least) = match got.dtype() {
        Dtype::F16 => (2f64.powi(-11), 2f64.powi(-25)),
        Dtype::BF16 => (2f64.powi(-8), 2f64.powi(-126)),
        _ => (2f64.powi(-24), 2f64.powi(-126)),
    };
    let got = floats(got);
    assert_eq!(got.len(), want.len(), "{place}");
    for (i, (g, (w, size))) in got.iter().zip(want).enumerate() {
        let error = (k + 4) as f64 * 2f64.powi(-24) * size;
        let bound = error + one * (w.abs() + error) + least;
        assert!((g - w).abs() <= bound, "{place}: element {i} is {g}, expected {w} give or take {bound:e}");
    }
}

/// Sizes that no vector divides: (K, N).
fn sizes(f: Format, transpose: bool, round: usize) -> (usize, usize) {
    let along = f.group_size() * [3, 5, 1][round % 3];
    let across = [37, 5, 3][round % 3];
    if transpose { (along, across) } else { (across, along) }
}

#[test]
fn every_product() -> Result<()> {
    for (round, f) in formats().into_iter().enumerate() {
        for transpose in [true, false] {
            for (d, dtype) in DTYPES.into_iter().enumerate() {
                // Every dtype and width meets all sizes.
                let (k, n) = sizes(f, transpose, round + round / 6 + d);
                let (rows, columns) = if transpose { (n, k) } else { (k, n) };
                let m = Matrix::new(&normal(&[rows, columns], 7, dtype), f)?;
                let all = normal(&[130, k], 8, dtype);
                let want: Vec<(f64, f64)> = floats(&all).chunks(k).flat_map(|x| m.times(x, transpose)).collect();
                let part =
                    |from: usize, to: usize| ops::slice(&all, &[from as isize, 0], &[to as isize, k as isize], &[1, 1]);
                let (codes, scales, biases) = (&m.q.codes, &m.q.scales, m.q.biases.as_ref());
                let place = format!("{f:?} {dtype} transpose {transpose}, {k} by {n}");
                let whole = ops::quantized_matmul(&all, codes, scales, biases, transpose, f)?;
                within(&whole, &want, k, &place);
                let whole = whole.to_bytes()?;
                let row = n * dtype.size();
                // The matrix twice, for three pairs in no order.
                let twice = |a: &Array| ops::stack(&[a.clone(), a.clone()], 0);
                let (both, both_scales) = (twice(codes)?, twice(scales)?);
                let both_biases = biases.map(twice).transpose()?;
                let index = |i: [u32; 3]| Array::from_slice(&i, &[3]);
                let (lhs, rhs) = (index([0, 1, 0])?, index([1, 0, 0])?);
                for rows in ROWS {
                    let x = part(0, rows)?;
                    let y = ops::quantized_matmul(&x, codes, scales, biases, transpose, f)?;
                    assert_eq!((y.shape(), y.dtype()), (&[rows, n][..], dtype), "{place}");
                    assert!(
                        y.to_bytes()? == whole[..rows * row],
                        "{place}: {rows} rows have other bits than among 130"
                    );
                    let x = ops::stack(&[x, part(130 - rows, 130)?], 0)?;
                    let (l, r) = (Some(&lhs), Some(&rhs));
                    let y = ops::gather_qmm(&x, &both, &both_scales, both_biases.as_ref(), l, r, transpose, f)?;
                    assert_eq!((y.shape(), y.dtype()), (&[3, rows, n][..], dtype), "{place}");
                    let (first, last) = (&whole[..rows * row], &whole[(130 - rows) * row..]);
                    assert!(
                        y.to_bytes()? == [first, last, first].concat(),
                        "{place}: {rows} gathered rows have other bits"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gathered_products() -> Result<()> {
    let lists: [(&[i32], &[i32]); 4] = [
        (&[0, 1, 2, 0, 1, 1], &[0, 0, 1, 2, 2, 2]), // sorted
        (&[2, 2, 0, 1, 1, 0], &[2, 0, 1, 2, 0, 2]),
        (&[-1, 1, 0], &[1, -3, 1]),
        (&[], &[]),
    ];
    // A third of the affine formats: the others have these bits too (`every_product`).
    let some = formats().into_iter().filter(|f| f.mode() != Mode::Affine || (f.bits() + f.group_size() / 32) % 3 == 0);
    for (round, f) in some.enumerate() {
        for transpose in [true, false] {
            for (i, dtype) in DTYPES.into_iter().enumerate() {
                let (k, n) = sizes(f, transpose, round + i);
                let (rows, columns) = if transpose { (n, k) } else { (k, n) };
                let experts =
                    (0..3).map(|e| Matrix::new(&normal(&[rows, columns], e, dtype), f)).collect::<Result<Vec<_>>>()?;
                let stack = |part: &dyn Fn(&ops::Quantized) -> Option<Array>| {
                    let parts: Option<Vec<Array>> = experts.iter().map(|m| part(&m.q)).collect();
                    parts.map(|p| ops::stack(&p, 0)).transpose()
                };
                let (codes, scales) = (stack(&|q| Some(q.codes.clone()))?, stack(&|q| Some(q.scales.clone()))?);
                let biases = stack(&|q| q.biases.clone())?;
                let (codes, scales) = (codes.unwrap(), scales.unwrap());
                for m in [0usize, 1, 3, 33] {
                    let x = normal(&[3, m, k], 20 + m as u64, dtype);
                    let xs: Vec<f64> = floats(&x);
                    for (lhs, rhs) in lists {
                        let index = |list: &[i32]| Array::from_slice(list, &[list.len()]);
                        let (l, r) = (index(lhs)?, index(rhs)?);
                        let y =
                            ops::gather_qmm(&x, &codes, &scales, biases.as_ref(), Some(&l), Some(&r), transpose, f)?;
                        assert_eq!(y.shape(), [lhs.len(), m, n]);
                        let at = |i: i32| i.rem_euclid(3) as usize;
                        let want: Vec<(f64, f64)> = lhs
                            .iter()
                            .zip(rhs)
                            .flat_map(|(&l, &r)| {
                                let x = &xs[at(l) * m * k..(at(l) + 1) * m * k];
                                x.chunks(k).flat_map(|x| experts[at(r)].times(x, transpose)).collect::<Vec<_>>()
                            })
                            .collect();
                        within(
                            &y,
                            &want,
                            k,
                            &format!("{f:?} {dtype} transpose {transpose}, {m} rows, {lhs:?} {rhs:?}"),
                        );
                    }
                    // One index set alone, and none.
                    let r = Array::from_slice(&[2i32, 2, 0], &[3])?;
                    let by =
                        |l, r| ops::gather_qmm(&x, &codes, &scales, biases.as_ref(), l, r, transpose, f)?.to_bytes();
                    let order = Array::from_slice(&[0u32, 1, 2], &[3])?;
                    assert_eq!(by(None, Some(&r))?, by(Some(&order), Some(&r))?);
                    assert_eq!(by(Some(&r), None)?, by(Some(&r), Some(&order))?);
                    assert_eq!(by(None, None)?, by(Some(&order), Some(&order))?);
                }
            }
        }
    }
    Ok(())
}

/// Products with dense matrices that are chosen by index.
#[test]
fn gathered_dense_products() -> Result<()> {
    for dtype in DTYPES {
        for (m, (k, n)) in ROWS.into_iter().flat_map(|m| [(m, (77, 19)), (m, (13, 3))]) {
            let b = normal(&[3, k, n], 2, dtype);
            let bs = floats(&b);
            let a = normal(&[4, m, k], 1, dtype);
            let list = [(3usize, 2usize), (0, 0), (3, 1), (1, 1), (1, 1)];
            let index = |part: &dyn Fn(&(usize, usize)) -> usize| {
                Array::from_slice(&list.iter().map(|p| part(p) as u32).collect::<Vec<_>>(), &[list.len()])
            };
            let y = ops::gather_mm(&a, &b, Some(&index(&|p| p.0)?), Some(&index(&|p| p.1)?))?;
            let a = floats(&a);
            let mut want = Vec::new();
            for (l, r) in list {
                for x in a[l * m * k..(l + 1) * m * k].chunks(k) {
                    let w = &bs[r * k * n..(r + 1) * k * n];
                    let term = |c: usize| x.iter().zip(w.chunks(n)).map(move |(x, w)| x * w[c]);
                    want.extend((0..n).map(|c| (term(c).sum::<f64>(), term(c).map(f64::abs).sum::<f64>())));
                }
            }
            within(&y, &want, k, &format!("{dtype} {m} rows"));
        }
    }
    Ok(())
}
