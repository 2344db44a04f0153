//! Products of two quantized operands, products with global scales, of masked blocks and of segments.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, random, transforms};

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];
const MODES: [Mode; 3] = [Mode::Nvfp4, Mode::Mxfp8, Mode::Mxfp4];

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Array {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed))).unwrap(), dtype).unwrap()
}

fn floats(a: &Array) -> Vec<f64> {
    ops::astype(a, Dtype::F64).unwrap().to_vec().unwrap()
}

/// `x [m, k] @ w [n, k].T` in float64, and with absolute values.
fn exact(x: &[f64], w: &[f64], k: usize) -> Vec<(f64, f64)> {
    let dot = |a: &[f64], b: &[f64]| {
        let terms = || a.iter().zip(b).map(|(a, b)| a * b);
        (terms().sum(), terms().map(f64::abs).sum())
    };
    x.chunks(k).flat_map(|a| w.chunks(k).map(move |b| dot(a, b))).collect()
}

/// Within the bound of `k` float32 additions and some factors, and one rounding to the dtype.
fn within(got: &Array, want: &[(f64, f64)], k: usize, place: &str) {
    let one = match got.dtype() {
        Dtype::F16 => 2f64.powi(-11),
        Dtype::BF16 => 2f64.powi(-8),
        _ => 2f64.powi(-24),
    };
    let got = floats(got);
    assert_eq!(got.len(), want.len(), "{place}");
    for (i, (g, (w, size))) in got.iter().zip(want).enumerate() {
        let bound = one * w.abs() + (k + 8) as f64 * 2f64.powi(-24) * size + 1e-37;
        assert!((g - w).abs() <= bound, "{place}: element {i} is {g}, expected {w} give or take {bound:e}");
    }
}

/// A global scale as it is used: the largest magnitude.
fn largest(a: &Array) -> Result<Array> {
    ops::astype(&ops::max(&ops::abs(a)?, .., false)?, Dtype::F32)
}

#[test]
fn both_operands_quantized() -> Result<()> {
    for mode in MODES {
        let f = Format::new(mode, None, None)?;
        for dtype in DTYPES {
            for scaled in [false, true] {
                if scaled && mode != Mode::Nvfp4 {
                    continue;
                }
                let (k, n) = (5 * 32, 7);
                let (all, w) = (normal(&[130, k], 1, dtype), normal(&[n, k], 2, dtype));
                let (gx, gw) = (largest(&all)?, largest(&w)?);
                let (gx, gw) = if scaled { (Some(&gx), Some(&gw)) } else { (None, None) };
                let q = ops::quantize(&w, f, gw)?;
                let dense = ops::dequantize(&q.codes, &q.scales, None, f, gw, Some(Dtype::F32))?;
                let whole = ops::qqmm(&all, &q.codes, Some(&q.scales), f, gx, gw)?.to_bytes()?;
                for m in [0usize, 1, 2, 3, 8, 31, 32, 33, 64, 65, 130] {
                    let x = ops::slice(&all, &[0], &[m as isize], &[1])?;
                    let place = format!("{mode:?} {dtype} {m} rows, global scales: {scaled}");
                    let y = ops::qqmm(&x, &q.codes, Some(&q.scales), f, gx, gw)?;
                    assert_eq!((y.shape(), y.dtype()), (&[m, n][..], dtype), "{place}");
                    assert_eq!(y.to_bytes()?, whole[..m * n * dtype.size()], "{place}: a row in other company");
                    // Weights quantized on the way in: the same bits.
                    let other = ops::qqmm(&x, &w, None, f, gx, gw)?;
                    assert_eq!(other.to_bytes()?, y.to_bytes()?, "{place}: quantized on the way");
                    if m > 0 {
                        let p = ops::quantize(&x, f, gx)?;
                        let left = ops::dequantize(&p.codes, &p.scales, None, f, gx, Some(Dtype::F32))?;
                        within(&y, &exact(&floats(&left), &floats(&dense), k), k, &place);
                    }
                }
                // Nothing to add up, with leading axes.
                let none = normal(&[2, 3, 0], 1, dtype);
                let narrow = ops::slice(&w, &[0, 0], &[n as isize, 0], &[1, 1])?;
                let p = ops::quantize(&narrow, f, gw)?;
                for (w, s) in [(&narrow, None), (&p.codes, Some(&p.scales))] {
                    let y = ops::qqmm(&none, w, s, f, gx, gw)?;
                    assert_eq!((y.shape(), y.to_bytes()?), (&[2, 3, n][..], vec![0; 6 * n * dtype.size()]));
                }
                // A row, and leading axes.
                let row = ops::take_index(&all, 3, 0)?;
                let one = ops::qqmm(&row, &q.codes, Some(&q.scales), f, gx, gw)?;
                assert_eq!(one.to_bytes()?, whole[3 * n * dtype.size()..4 * n * dtype.size()]);
                let tall = ops::reshape(&all, &[2, 65, k as isize])?;
                for (w, s) in [(&q.codes, Some(&q.scales)), (&w, None)] {
                    assert_eq!(ops::qqmm(&tall, w, s, f, gx, gw)?.to_bytes()?, whole);
                    let one = |a: &Array| ops::expand_dims(a, 0);
                    let stacked = ops::qqmm(&tall, &one(w)?, s.map(one).transpose()?.as_ref(), f, gx, gw)?;
                    assert_eq!((stacked.shape(), stacked.to_bytes()?), (&[2, 65, n][..], whole.clone()));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn both_operands_quantized_and_gathered() -> Result<()> {
    for mode in MODES {
        let f = Format::new(mode, None, None)?;
        for dtype in DTYPES {
            let (k, n, e) = (64, 5, 3);
            let (x, w) = (normal(&[4, 2, k], 1, dtype), normal(&[e, n, k], 2, dtype));
            let lhs = Array::from_slice(&[0i32, 3, 3, -1, 2, 0], &[6])?;
            let rhs = Array::from_slice(&[2i32, 0, 0, 1, 2, -3], &[6])?;
            let q = ops::quantize(&w, f, None)?;
            let y = ops::gather_qqmm(&x, &q.codes, Some(&q.scales), Some(&lhs), Some(&rhs), f, None, None)?;
            let on_the_way = ops::gather_qqmm(&x, &w, None, Some(&lhs), Some(&rhs), f, None, None)?;
            assert_eq!(y.to_bytes()?, on_the_way.to_bytes()?, "{mode:?} {dtype}");
            for (i, (l, r)) in [(0, 2), (3, 0), (3, 0), (3, 1), (2, 2), (0, 0)].into_iter().enumerate() {
                let (x, w) = (ops::take_index(&x, l, 0)?, ops::take_index(&w, r, 0)?);
                let want = ops::qqmm(&x, &w, None, f, None, None)?;
                assert_eq!(ops::take_index(&y, i, 0)?.to_bytes()?, want.to_bytes()?, "{mode:?} {dtype} pair {i}");
            }
            // One operand without indices: its matrices in order.
            let each = ops::gather_qqmm(&ops::slice(&x, &[0], &[3], &[1])?, &w, None, None, None, f, None, None)?;
            let plain = ops::qqmm(&ops::slice(&x, &[0], &[3], &[1])?, &w, None, f, None, None)?;
            assert_eq!(each.to_bytes()?, plain.to_bytes()?, "{mode:?} {dtype}");
        }
    }
    Ok(())
}

/// Global scales, one per expert: against what the codes stand for, in float64.
#[test]
fn global_scales_per_matrix() -> Result<()> {
    let f = Format::new(Mode::Nvfp4, None, None)?;
    for dtype in DTYPES {
        let (k, n) = (48, 6);
        let w: Vec<Array> = (0..3).map(|i| normal(&[n, k], 10 + i, dtype)).collect();
        let scales = w.iter().map(largest).collect::<Result<Vec<_>>>()?;
        let parts = w.iter().zip(&scales).map(|(w, g)| ops::quantize(w, f, Some(g))).collect::<Result<Vec<_>>>()?;
        let codes = ops::stack(&parts.iter().map(|q| q.codes.clone()).collect::<Vec<_>>(), 0)?;
        let e4m3 = ops::stack(&parts.iter().map(|q| q.scales.clone()).collect::<Vec<_>>(), 0)?;
        let global = ops::stack(&scales, 0)?;
        let x = normal(&[4, 2, k], 5, dtype);
        let rhs = Array::from_slice(&[1u32, 2, 0, 1], &[4])?;
        let y = ops::gather_qmm_scaled(&x, &codes, &e4m3, None, None, Some(&rhs), true, f, &global)?;
        let gx = largest(&x)?;
        let both = ops::gather_qqmm(&x, &codes, Some(&e4m3), None, Some(&rhs), f, Some(&gx), Some(&global))?;
        let all = ops::stack(&w, 0)?;
        let on_the_way = ops::gather_qqmm(&x, &all, None, None, Some(&rhs), f, Some(&gx), Some(&global))?;
        assert_eq!(both.to_bytes()?, on_the_way.to_bytes()?, "{dtype}");
        for (i, r) in [1, 2, 0, 1].into_iter().enumerate() {
            let dense =
                |to| ops::dequantize(&parts[r].codes, &parts[r].scales, None, f, Some(&scales[r]), Some(to)).unwrap();
            let x = ops::take_index(&x, i, 0)?;
            let want = exact(&floats(&x), &floats(&dense(Dtype::F32)), k);
            within(&ops::take_index(&y, i, 0)?, &want, k, &format!("{dtype} pair {i}"));
            let p = ops::quantize(&x, f, Some(&gx))?;
            let x = ops::dequantize(&p.codes, &p.scales, None, f, Some(&gx), Some(Dtype::F32))?;
            let want = exact(&floats(&x), &floats(&dense(Dtype::F32)), k);
            within(&ops::take_index(&both, i, 0)?, &want, k, &format!("{dtype} pair {i}, both quantized"));
        }
        let wrong = ops::ones(&[2], Dtype::F32)?;
        assert!(ops::gather_qmm_scaled(&x, &codes, &e4m3, None, None, Some(&rhs), true, f, &wrong).is_err());
        // Biases are not dropped.
        let biases = ops::zeros(e4m3.shape(), dtype)?;
        let e =
            ops::gather_qmm_scaled(&x, &codes, &e4m3, Some(&biases), None, Some(&rhs), true, f, &global).unwrap_err();
        assert!(e.to_string().contains("has no biases"), "{e}");
    }
    Ok(())
}

/// Rounding is seen through: derivatives of the product of the rounded operands.
#[test]
fn derivatives_look_through_rounding() -> Result<()> {
    for (mode, scaled) in [(Mode::Nvfp4, false), (Mode::Nvfp4, true), (Mode::Mxfp8, false)] {
        let f = Format::new(mode, None, None)?;
        let (x, w, ct) =
            (normal(&[3, 64], 1, Dtype::F32), normal(&[5, 64], 2, Dtype::F32), normal(&[3, 5], 3, Dtype::F32));
        let (gx, gw) = (largest(&x)?, largest(&w)?);
        let (gx, gw) = if scaled { (Some(&gx), Some(&gw)) } else { (None, None) };
        let rounded = |a: &Array, g: Option<&Array>| {
            let q = ops::quantize(a, f, g)?;
            ops::dequantize(&q.codes, &q.scales, None, f, g, Some(Dtype::F32))
        };
        let want_x = ops::matmul(&ct, &rounded(&w, gw)?)?;
        let want_w = ops::matmul(&ops::swapaxes(&ct, 0, 1)?, &rounded(&x, gx)?)?;
        let close = |a: &Array, b: &Array| ops::allclose(a, b, 1e-5, 1e-5, false)?.item::<bool>();
        let (_, g) = transforms::vjp(
            |a: &[Array]| Ok(vec![ops::qqmm(&a[0], &a[1], None, f, gx, gw)?]),
            &[x.clone(), w.clone()],
            std::slice::from_ref(&ct),
        )?;
        assert!(close(&g[0], &want_x)? && close(&g[1], &want_w)?, "{mode:?} {scaled}");
        let q = ops::quantize(&w, f, gw)?;
        let (_, g) = transforms::vjp(
            |a: &[Array]| Ok(vec![ops::qqmm(&a[0], &q.codes, Some(&q.scales), f, gx, gw)?]),
            std::slice::from_ref(&x),
            std::slice::from_ref(&ct),
        )?;
        assert!(close(&g[0], &want_x)?, "{mode:?} {scaled}: quantized weights");
        // Forward: the same, transposed.
        let (tx, tw) = (normal(&[3, 64], 8, Dtype::F32), normal(&[5, 64], 9, Dtype::F32));
        let (_, t) = transforms::jvp(
            |a: &[Array]| Ok(vec![ops::qqmm(&a[0], &a[1], None, f, gx, gw)?]),
            &[x.clone(), w.clone()],
            &[tx.clone(), tw.clone()],
        )?;
        let turned = |a: &Array| ops::swapaxes(a, 0, 1);
        let want =
            ops::add(&ops::matmul(&tx, &turned(&rounded(&w, gw)?)?)?, &ops::matmul(&rounded(&x, gx)?, &turned(&tw)?)?)?;
        assert!(ops::allclose(&t[0], &want, 1e-4, 1e-4, false)?.item::<bool>()?, "{mode:?} {scaled}: jvp");
    }
    Ok(())
}

#[test]
fn batches_of_both_quantized() -> Result<()> {
    let f = Format::new(Mode::Nvfp4, None, None)?;
    let (x, w) = (normal(&[3, 2, 32], 1, Dtype::BF16), normal(&[3, 4, 32], 2, Dtype::BF16));
    let g = ops::add(&ops::arange(0, 3, 1, Dtype::F32)?, &ops::full(&[], 3.0, Dtype::F32)?)?;
    let product = |a: &[Array]| Ok(vec![ops::qqmm(&a[0], &a[1], None, f, Some(&a[2]), Some(&a[2]))?]);
    let slopes = |a: &[Array]| {
        transforms::grad(
            |p: &[Array]| {
                ops::sum(&ops::square(&ops::qqmm(&p[0], &p[1], None, f, Some(&p[2]), Some(&p[2]))?)?, .., false)
            },
            [0, 1],
        )(a)
    };
    let at =
        |a: &Array, i: usize, batched: bool| if batched { ops::take_index(a, i, 0) } else { ops::take_index(a, 0, 0) };
    for mapped in 1..8u32 {
        let on = |i: u32| mapped >> i & 1 == 1;
        let axes: Vec<Option<isize>> = (0..3).map(|i| on(i).then_some(0)).collect();
        let whole: Vec<Array> = [&x, &w, &g]
            .into_iter()
            .enumerate()
            .map(|(i, a)| if on(i as u32) { Ok(a.clone()) } else { at(a, 0, false) })
            .collect::<Result<_>>()?;
        for (name, f) in [("product", &product as &dyn Fn(&[Array]) -> Result<Vec<Array>>), ("gradients", &slopes)] {
            let rows = (0..3)
                .map(|b| f(&[at(&x, b, on(0))?, at(&w, b, on(1))?, at(&g, b, on(2))?]))
                .collect::<Result<Vec<_>>>()?;
            let got = transforms::vmap_with(f, axes.clone(), vec![Some(0); rows[0].len()])(&whole)?;
            for (o, got) in got.iter().enumerate() {
                let want = rows.iter().map(|r| r[o].to_bytes()).collect::<Result<Vec<_>>>()?.concat();
                assert_eq!(got.to_bytes()?, want, "{name}, mapped {mapped:b}, output {o}");
            }
        }
    }
    Ok(())
}

#[test]
fn errors_of_both_quantized() -> Result<()> {
    let f = Format::new(Mode::Nvfp4, None, None)?;
    let (x, w) = (normal(&[2, 32], 1, Dtype::F32), normal(&[3, 32], 2, Dtype::F32));
    let q = ops::quantize(&w, f, None)?;
    let one = ops::ones(&[], Dtype::F32)?;
    let message = |r: Result<Array>| r.map(|_| ()).unwrap_err().to_string();
    let says = |r: Result<Array>, what: &str| {
        let m = message(r);
        assert!(m.contains(what), "{m:?} does not say {what:?}");
    };
    says(ops::qqmm(&x, &q.codes, None, f, None, None), "scales");
    says(ops::qqmm(&x, &w, None, f, Some(&one), None), "both");
    says(ops::qqmm(&x, &w, None, Format::new(Mode::Mxfp8, None, None)?, Some(&one), Some(&one)), "nvfp4");
    says(ops::qqmm(&x, &w, None, Format::new(Mode::Affine, None, None)?, None, None), "affine");
    says(ops::qqmm(&ops::astype(&x, Dtype::I32)?, &w, None, f, None, None), "int32");
    says(ops::qqmm(&ops::astype(&x, Dtype::F64)?, &w, None, f, None, None), "float64");
    says(ops::qqmm(&ops::slice(&x, &[0, 0], &[2, 16], &[1, 1])?, &w, None, f, None, None), "32");
    let ragged = |a: &Array| ops::slice(a, &[0, 0], &[2, 24], &[1, 1]);
    says(ops::qqmm(&ragged(&x)?, &ragged(&w)?, None, f, None, None), "multiple of 16");
    says(ops::qqmm(&x, &w, None, f, Some(&one), Some(&ops::ones(&[3], Dtype::F32)?)), "one float32 number");
    says(ops::dequantize(&q.codes, &q.scales, None, f, None, Some(Dtype::I32)), "int32");
    Ok(())
}

/// Masks of blocks, of any kind and on any operand, against the mask written out element by element.
#[test]
fn masked_blocks() -> Result<()> {
    let (m, k, n) = (70usize, 50, 41);
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F64] {
        let (a, b) = (normal(&[2, m, k], 1, dtype), normal(&[2, k, n], 2, dtype));
        for block in [32usize, 64, 7] {
            let mask = |rows: usize, columns: usize, seed: u64, kind: Dtype| {
                let shape = [2, rows.div_ceil(block), columns.div_ceil(block)];
                let values = random::randint(0, 3, &shape, Dtype::I32, Some(&random::key(seed)))?;
                ops::astype(&values, kind)
            };
            let whole = |mask: &Array, rows: usize, columns: usize| {
                let index = |n: usize| Array::from_slice(&(0..n).map(|i| (i / block) as i32).collect::<Vec<_>>(), &[n]);
                let mask = ops::take(&ops::take(mask, &index(rows)?, 1)?, &index(columns)?, 2)?;
                ops::astype(&mask, dtype)
            };
            for kind in [Dtype::Bool, Dtype::F32, Dtype::I32] {
                let (o, l, r) = (mask(m, n, 3, kind)?, mask(m, k, 4, kind)?, mask(k, n, 5, kind)?);
                let by_hand = |o: Option<&Array>, l: Option<&Array>, r: Option<&Array>| {
                    let with = |x: &Array, mask: Option<&Array>| match mask {
                        Some(mask) => ops::multiply(x, &whole(mask, x.shape()[1], x.shape()[2])?),
                        None => Ok(x.clone()),
                    };
                    with(&ops::matmul(&with(&a, l)?, &with(&b, r)?)?, o)
                };
                for (o, l, r) in [
                    (None, None, None),
                    (Some(&o), None, None),
                    (None, Some(&l), None),
                    (None, None, Some(&r)),
                    (Some(&o), Some(&l), Some(&r)),
                ] {
                    let got = ops::block_masked_mm(&a, &b, block, o, l, r)?;
                    let same = ops::array_equal(&got, &by_hand(o, l, r)?, false)?.item::<bool>()?;
                    assert!(same, "{dtype} blocks of {block}, masks of {kind}");
                }
            }
        }
    }
    // What a bool mask hides may be anything.
    let hidden = Array::from_slice(&[false, true], &[1, 2])?;
    let a = Array::from_slice(&[f32::NAN, 2.0], &[1, 2])?;
    let b = Array::from_slice(&[1.0f32, 10.0], &[2, 1])?;
    assert_eq!(ops::block_masked_mm(&a, &b, 1, None, Some(&hidden), None)?.to_vec::<f32>()?, [20.0]);
    assert!(ops::block_masked_mm(&a, &b, 0, None, None, None).is_err());
    assert!(ops::block_masked_mm(&a, &b, 2, None, Some(&hidden), None).is_err());
    // The derivative with respect to a mask of numbers is the sum over its block.
    let ones = ops::ones(&[1, 1], Dtype::F32)?;
    let x = normal(&[3, 4], 6, Dtype::F32);
    let f = |p: &[Array]| {
        ops::sum(&ops::block_masked_mm(&x, &ops::ones(&[4, 2], Dtype::F32)?, 8, None, Some(&p[0]), None)?, .., false)
    };
    let slope = transforms::grad(f, [0])(&[ones])?[0].item::<f32>()?;
    assert!((slope - 2.0 * ops::sum(&x, .., false)?.item::<f32>()?).abs() < 1e-4);
    Ok(())
}

#[test]
fn segments_have_the_bits_of_slices() -> Result<()> {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F64] {
        let (m, k, n) = (9usize, 601usize, 21);
        let (a, b) = (normal(&[m, k], 1, dtype), normal(&[k, n], 2, dtype));
        let list: [(i32, i32); 7] = [(0, 300), (300, 601), (5, 5), (9, 2), (-10, -3), (100, 9999), (0, 601)];
        let flat: Vec<i32> = list.iter().flat_map(|&(s, e)| [s, e]).collect();
        let got = ops::segmented_mm(&a, &b, &Array::from_slice(&flat, &[7, 2])?)?;
        assert_eq!(got.shape(), [7, m, n]);
        for (i, (s, e)) in list.into_iter().enumerate() {
            let place = |i: i32| (if i < 0 { i + k as i32 } else { i }).clamp(0, k as i32) as isize;
            let (s, e) = (place(s), place(e).max(place(s)));
            let left = ops::slice(&a, &[0, s], &[m as isize, e], &[1, 1])?;
            let right = ops::slice(&b, &[s, 0], &[e, n as isize], &[1, 1])?;
            let want = ops::matmul(&left, &right)?;
            assert_eq!(ops::take_index(&got, i, 0)?.to_bytes()?, want.to_bytes()?, "{dtype} segment {i}");
        }
        // Views of the operands, and other axes of segments.
        let turned = ops::swapaxes(&ops::contiguous(&ops::swapaxes(&a, 0, 1)?)?, 0, 1)?;
        let pairs = Array::from_slice(&flat[..12], &[2, 3, 2])?;
        let again = ops::segmented_mm(&turned, &b, &pairs)?;
        assert_eq!(again.shape(), [2, 3, m, n]);
        assert_eq!(again.to_bytes()?, got.to_bytes()?[..6 * m * n * dtype.size()]);
        let one = ops::segmented_mm(&a, &b, &Array::from_slice(&[0u32, 300], &[2])?)?;
        assert_eq!((one.shape(), one.to_bytes()?), (&[m, n][..], got.to_bytes()?[..m * n * dtype.size()].to_vec()));
    }
    let square = ops::ones(&[3, 3], Dtype::F32)?;
    let bad = |s: &Array| ops::segmented_mm(&square, &square, s).is_err();
    assert!(bad(&ops::zeros(&[2, 3], Dtype::I32)?) && bad(&ops::zeros(&[2, 2], Dtype::F32)?));
    assert!(ops::segmented_mm(&ops::ones(&[1, 3, 3], Dtype::F32)?, &square, &ops::zeros(&[2], Dtype::I32)?).is_err());
    Ok(())
}
