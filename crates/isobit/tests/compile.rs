//! Recorded functions: the bits of the function itself, run once.

use isobit::quant::{Format, Mode};
use isobit::transforms::{Trace, size_pattern, vjp, vmap};
use isobit::{Array, Dtype, Result, dot, ops, random};
use std::cell::Cell;

fn numbers(seed: u64, shape: &[usize]) -> Array {
    random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed))).unwrap()
}

fn bits(arrays: &[Array]) -> Vec<Vec<u8>> {
    arrays.iter().map(|a| a.to_bytes().unwrap()).collect()
}

fn f32s(a: &Array) -> Vec<f32> {
    a.to_vec().unwrap()
}

/// A layer with its loss and gradients, several outputs of one node among them.
fn step(x: &[Array]) -> Result<Vec<Array>> {
    let loss = |p: &[Array]| {
        let h = ops::tanh(&ops::matmul(&x[1], &p[0])?)?;
        let parts = ops::split(&h, 2, -1)?;
        Ok(vec![ops::mean(&ops::multiply(&parts[0], &ops::softmax(&parts[1], -1, true)?)?, .., false)?])
    };
    let (value, grads) = vjp(loss, &x[..1], &[Array::scalar(1.0, Dtype::F32)])?;
    Ok([value, grads].concat())
}

#[test]
fn a_recording_has_the_bits_of_the_function() {
    let calls = Cell::new(0);
    let f = |x: &[Array]| {
        calls.set(calls.get() + 1);
        step(x)
    };
    let args = |seed| [numbers(seed, &[5, 8]), numbers(seed + 1, &[3, 5])];
    let trace = Trace::record(f, &args(0)).unwrap();
    assert!(trace.lasts() && !trace.any_shape() && calls.get() == 1);
    for seed in 0..4 {
        assert_eq!(bits(&trace.call(&args(seed)).unwrap()), bits(&step(&args(seed)).unwrap()));
    }
    assert_eq!(calls.get(), 1);
    assert!(trace.call(&[numbers(0, &[5, 6]), numbers(1, &[3, 5])]).is_err());
    assert!(trace.call(&args(0)[..1]).is_err());
}

#[test]
fn what_is_done_twice_is_done_once() {
    let f = |x: &[Array]| {
        let one = || Array::scalar(1.0, Dtype::F32);
        let (a, b) = (ops::exp(&ops::add(&x[0], &one())?)?, ops::exp(&ops::add(&x[0], &one())?)?);
        Ok(vec![ops::add(&a, &b)?])
    };
    let x = numbers(0, &[4]);
    let count = |outs: &[Array]| dot::graph(&[("", &outs[0])]).matches("label=\"exp").count();
    let trace = Trace::record(f, std::slice::from_ref(&x)).unwrap();
    let (plain, recorded) = (f(std::slice::from_ref(&x)).unwrap(), trace.call(&[x]).unwrap());
    assert_eq!((count(&plain), count(&recorded)), (2, 1));
    assert_eq!(bits(&plain), bits(&recorded));
}

#[test]
fn elementwise_functions_serve_any_sizes() {
    let half = Array::scalar(0.5, Dtype::F32);
    let f = |x: &[Array]| Ok(vec![ops::multiply(&ops::add(&x[0], &x[1])?, &half)?, x[1].clone()]);
    let trace = Trace::record(f, &[numbers(0, &[2, 3]), numbers(1, &[1, 3])]).unwrap();
    assert!(trace.any_shape());
    for (a, b) in [([2, 3], [1, 3]), ([4, 7], [1, 7]), ([3, 2], [1, 2])] {
        let args = [numbers(2, &a), numbers(3, &b)];
        assert_eq!(bits(&trace.call(&args).unwrap()), bits(&f(&args).unwrap()), "{a:?} {b:?}");
    }
    // What is broadcast otherwise needs a recording of its own.
    for (a, b) in
        [([2, 3], [2, 3]), ([4, 1], [4, 7]), ([1, 1], [5, 2]), ([3, 2], [1, 1]), ([0, 3], [1, 3]), ([5, 5], [1, 5])]
    {
        let args = [numbers(2, &a), numbers(3, &b)];
        assert_ne!(size_pattern(&args), size_pattern(&[numbers(2, &[2, 3]), numbers(3, &[1, 3])]));
        assert!(trace.call(&args).is_err(), "{a:?} {b:?}");
    }
    let sized: [fn(&[Array]) -> Result<Vec<Array>>; 5] = [
        |x| Ok(vec![ops::sum(&x[0], .., false)?]),
        |x| Ok(vec![ops::ones_like(&x[0])?]),
        |x| Ok(vec![ops::add(&x[0], &Array::from_slice(&[1.0f32, 2.0], &[2])?)?]),
        |x| Ok(vec![ops::broadcast_to(&x[0], &[3, 2])?]),
        |x| Ok(vec![ops::add(&ops::broadcast_to(&x[0], &[3, 2])?, &Array::scalar(1.0, Dtype::F32))?]),
    ];
    for (i, f) in sized.iter().enumerate() {
        assert!(!Trace::record(f, &[numbers(0, &[2])]).unwrap().any_shape(), "{i}");
    }
}

/// Functions that do nothing at the sizes of their recording, or whose derivative there is elementwise: those of other sizes
/// get a recording of their own.
#[test]
fn what_depends_on_sizes_serves_no_others() {
    type Function = fn(&[Array]) -> Result<Vec<Array>>;
    let gradient: fn(Function, &[Array]) -> Result<Vec<Array>> =
        |f, x| Ok(vjp(f, x, &[Array::scalar(1.0, Dtype::F32)])?.1);
    let functions: [(&str, Function); 9] = [
        ("slice", |x| Ok(vec![ops::slice(&x[0], &[0], &[4], &[1])?])),
        ("reshape", |x| Ok(vec![ops::reshape(&x[0], &[-1, 3])?])),
        ("broadcast_to", |x| Ok(vec![ops::broadcast_to(&x[0], &[2, 3])?])),
        ("roll", |x| Ok(vec![ops::roll(&x[0], &[6], 1)?])),
        ("topk", |x| Ok(vec![ops::topk(&x[0], 3, 1)?])),
        ("squeeze", |x| Ok(vec![ops::squeeze(&x[0], ..)?])),
        ("tril", |x| Ok(vec![ops::tril(&x[0], 0)?])),
        ("a size among the numbers", |x| {
            isobit::transforms::sizes_matter();
            Ok(vec![ops::multiply(&x[0], &Array::scalar(x[0].size() as f64, Dtype::F32))?])
        }),
        ("as it is", |x| Ok(vec![x[0].clone()])),
    ];
    let mut any = Vec::new();
    for (name, f) in functions {
        for from in [[2, 3], [1, 1]] {
            let trace = match Trace::record(f, &[numbers(0, &from)]) {
                Ok(trace) => trace,
                Err(_) => continue,
            };
            if trace.any_shape() {
                any.push((name, from));
            }
            for to in [[3, 4], [4, 9], [2, 6], [1, 3], [3, 1], [9, 1], [1, 1], [3, 3]] {
                let args = [numbers(1, &to)];
                let Ok(y) = trace.call(&args) else { continue };
                let want = f(&args).map(|w| bits(&w)).map_err(|e| e.to_string());
                assert_eq!(Ok(bits(&y)), want, "{name}, from {from:?} to {to:?}");
            }
        }
    }
    assert_eq!(any, [("squeeze", [2, 3]), ("as it is", [2, 3]), ("as it is", [1, 1])]);
    // Means divide by a number that is a size, and sums of what was stretched are not there when nothing was.
    let mean: Function = |x| Ok(vec![ops::mean(&ops::multiply(&x[0], &x[1])?, .., false)?]);
    let trace = Trace::record(|x| gradient(mean, x), &[numbers(0, &[3]), numbers(1, &[3])]).unwrap();
    assert!(!trace.any_shape());
    let product = |x: &[Array]| {
        let f = |y: &[Array]| Ok(vec![ops::multiply(&y[0], &y[1])?]);
        Ok(vjp(f, x, &[ops::multiply(&x[0], &x[1])?])?.1)
    };
    let trace = Trace::record(product, &[numbers(0, &[3]), numbers(1, &[3])]).unwrap();
    assert!(trace.any_shape());
    let args = [numbers(2, &[5]), numbers(3, &[5])];
    assert_eq!(bits(&trace.call(&args).unwrap()), bits(&product(&args).unwrap()));
    assert!(trace.call(&[numbers(2, &[1]), numbers(3, &[5])]).is_err());
    // A recording inside a recording hands on what it found.
    let inner = |x: &[Array]| Trace::record(|y| Ok(vec![ops::slice(&y[0], &[0], &[4], &[1])?]), x)?.call(x);
    assert!(!Trace::record(inner, &[numbers(0, &[3])]).unwrap().any_shape());
}

#[test]
fn arguments_come_in_one_way_only() {
    let x = numbers(0, &[3]);
    let y = ops::exp(&x).unwrap();
    let f = |a: &[Array]| Ok(vec![ops::add(&a[0], &y)?]);
    // `y` is made of `x`, and not evaluated.
    assert!(Trace::record(f, std::slice::from_ref(&x)).is_err());
    assert!(Trace::record(f, std::slice::from_ref(&y)).is_err());
    y.eval().unwrap();
    assert!(Trace::record(f, &[x]).is_ok());
    // A value inside a function that is recorded.
    let wants = |a: &[Array]| {
        a[0].eval()?;
        Ok(a.to_vec())
    };
    assert!(Trace::record(wants, &[numbers(0, &[1])]).is_err());
}

#[test]
fn recordings_inside_transforms() {
    let x = numbers(0, &[3, 4]);
    let plain = |a: &[Array]| Ok(vec![ops::sum(&ops::exp(&a[0])?, .., false)?]);
    let recorded = |a: &[Array]| Trace::record(plain, a)?.call(a);
    let one = [Array::scalar(1.0, Dtype::F32)];
    let xs = std::slice::from_ref(&x);
    assert_eq!(bits(&vjp(recorded, xs, &one).unwrap().1), bits(&vjp(plain, xs, &one).unwrap().1));
    assert_eq!(bits(&vmap(recorded)(xs).unwrap()), bits(&vmap(plain)(xs).unwrap()));
    // A function that takes the transform's argument from around it gives its derivative, and cannot be kept.
    let around = |a: &[Array]| {
        let trace = Trace::record(|b| Ok(vec![ops::sum(&ops::multiply(&b[0], &a[0])?, .., false)?]), &[x.clone()])?;
        assert!(!trace.lasts());
        trace.call(&[x.clone()])
    };
    let grads = vjp(around, xs, &one).unwrap().1;
    assert_eq!(f32s(&grads[0]), f32s(&x));
}

#[test]
fn random_numbers_of_a_recording_come_from_its_own_state() {
    let f = |key: &[Array]| {
        let (sample, last) = random::with_state(&key[0], || random::uniform(0.0, 1.0, &[4], Dtype::F32, None));
        Ok(vec![sample?, last])
    };
    random::seed(7);
    let trace = Trace::record(f, &[random::state()]).unwrap();
    let outside = random::state();
    let first = trace.call(&[random::key(7)]).unwrap();
    let second = trace.call(&first[1..]).unwrap();
    assert_eq!(bits(&[random::state()]), bits(&[outside]), "the process's state is untouched");
    let expected = |_| f32s(&random::uniform(0.0, 1.0, &[4], Dtype::F32, None).unwrap());
    assert_eq!([f32s(&first[0]), f32s(&second[0])], [0, 1].map(expected));
}

#[test]
fn derivatives_of_a_recording_have_the_bits_of_the_functions() {
    // One array stretched twice, used once more, and handed through a transform inside: its cotangents are added in the order
    // and in the shapes in which the function made them.
    let f = |x: &[Array]| {
        let a = ops::multiply(&x[1], &x[0])?;
        let b = ops::logaddexp(&a, &x[1])?;
        let inner = |y: &[Array]| Ok(vec![ops::sin(&ops::multiply(&y[0], &ops::exp(&y[0])?)?)?]);
        let (v, g) = vjp(inner, &x[1..2], &[ops::ones_like(&x[1])?])?;
        Ok(vec![ops::multiply(&b, &ops::add(&v[0], &g[0])?)?, ops::multiply(&x[1], &x[0])?])
    };
    let mut moved = 0;
    for seed in 0..40 {
        let args = [numbers(seed, &[3, 8, 5]), numbers(seed + 100, &[3, 1, 1])];
        let cts = [numbers(seed + 200, &[3, 8, 5]), numbers(seed + 300, &[3, 8, 5])];
        let (y, g) = vjp(f, &args, &cts).unwrap();
        let trace = Trace::record(f, &args).unwrap();
        let (z, h) = vjp(|x| trace.call(x), &args, &cts).unwrap();
        assert_eq!(bits(&y), bits(&z));
        assert_eq!(bits(&g), bits(&h), "seed {seed}");
        // The same in fewer steps is not the same: one stretched array collects cotangents before they are summed.
        let merged = |x: &[Array]| {
            let wide = ops::broadcast_to(&x[1], &[3, 8, 5])?;
            let a = ops::multiply(&wide, &x[0])?;
            Ok(vec![ops::logaddexp(&a, &wide)?])
        };
        let apart = |x: &[Array]| Ok(vec![ops::logaddexp(&ops::multiply(&x[1], &x[0])?, &x[1])?]);
        let one = vjp(merged, &args, &cts[..1]).unwrap().1;
        let two = vjp(apart, &args, &cts[..1]).unwrap().1;
        moved += usize::from(bits(&one) != bits(&two));
    }
    assert!(moved > 10, "{moved}");
}

/// Quantization and every product with quantized, gathered, masked or segmented operands: a recording serves the sizes that it
/// was made for, with the bits of the function and of its gradient, says so, and refuses others.
#[test]
fn recordings_of_quantized_products() {
    for (mode, group, bits_of) in
        [(Mode::Affine, 32, 5), (Mode::Mxfp4, 32, 4), (Mode::Mxfp8, 32, 8), (Mode::Nvfp4, 16, 4)]
    {
        let f = Format::new(mode, Some(group), Some(bits_of)).unwrap();
        // Arguments: x [m, k], w [n, k], pairs [2, p].
        let parts = |w: &Array| ops::quantize(w, f, None);
        let rows = |x: &Array| ops::expand_dims(x, 1);
        let one = |w: &Array| ops::expand_dims(w, 0);
        let stacked = |w: &Array| {
            let q = parts(w)?;
            Ok::<_, isobit::Error>((one(&q.codes)?, one(&q.scales)?, q.biases.as_ref().map(one).transpose()?))
        };
        let of_pair = |a: &[Array], i: usize| ops::take_index(&a[2], i, 0);
        type Function<'a> = Box<dyn Fn(&[Array]) -> Result<Array> + 'a>;
        let mut all: Vec<(&str, Function<'_>)> = vec![
            ("quantize", Box::new(|a| Ok(parts(&a[1])?.scales))),
            (
                "dequantize",
                Box::new(|a| {
                    let q = parts(&a[1])?;
                    ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), f, None, None)
                }),
            ),
            (
                "quantized_matmul",
                Box::new(|a| {
                    let q = parts(&a[1])?;
                    ops::quantized_matmul(&a[0], &q.codes, &q.scales, q.biases.as_ref(), true, f)
                }),
            ),
            (
                "gather_qmm",
                Box::new(|a| {
                    let (c, s, b) = stacked(&a[1])?;
                    let (l, r) = (of_pair(a, 0)?, of_pair(a, 1)?);
                    ops::gather_qmm(&rows(&a[0])?, &c, &s, b.as_ref(), Some(&l), Some(&r), true, f)
                }),
            ),
            (
                "gather_mm",
                Box::new(|a| {
                    let w = one(&ops::swapaxes(&a[1], 0, 1)?)?;
                    ops::gather_mm(&rows(&a[0])?, &w, Some(&of_pair(a, 0)?), Some(&of_pair(a, 1)?))
                }),
            ),
            (
                "segmented_mm",
                Box::new(|a| ops::segmented_mm(&a[0], &ops::swapaxes(&a[1], 0, 1)?, &ops::swapaxes(&a[2], 0, 1)?)),
            ),
            (
                "block_masked_mm",
                Box::new(|a| {
                    let w = ops::swapaxes(&a[1], 0, 1)?;
                    let mask = ops::slice(&w, &[0, 0], &[isize::MAX, isize::MAX], &[8, 8])?;
                    ops::block_masked_mm(&a[0], &w, 8, None, None, Some(&mask))
                }),
            ),
        ];
        if f.has_int8() {
            all.push((
                "quantized_matmul_int8",
                Box::new(|a| {
                    let q = parts(&a[1])?;
                    ops::quantized_matmul_int8(&a[0], &q.codes, &q.scales, q.biases.as_ref(), f)
                }),
            ));
            all.push((
                "gather_qmm_int8",
                Box::new(|a| {
                    let (c, s, b) = stacked(&a[1])?;
                    let (l, r) = (of_pair(a, 0)?, of_pair(a, 1)?);
                    ops::gather_qmm_int8(&rows(&a[0])?, &c, &s, b.as_ref(), Some(&l), Some(&r), f)
                }),
            ));
        }
        if mode != Mode::Affine {
            all.push(("qqmm", Box::new(|a| ops::qqmm(&a[0], &a[1], None, f, None, None))));
            all.push((
                "qqmm of codes",
                Box::new(|a| {
                    let q = parts(&a[1])?;
                    ops::qqmm(&a[0], &q.codes, Some(&q.scales), f, None, None)
                }),
            ));
            all.push((
                "gather_qqmm",
                Box::new(|a| {
                    let (l, r) = (of_pair(a, 0)?, of_pair(a, 1)?);
                    ops::gather_qqmm(&rows(&a[0])?, &one(&a[1])?, None, Some(&l), Some(&r), f, None, None)
                }),
            ));
            all.push((
                "gather_qqmm of codes",
                Box::new(|a| {
                    let (c, s, _) = stacked(&a[1])?;
                    let (l, r) = (of_pair(a, 0)?, of_pair(a, 1)?);
                    ops::gather_qqmm(&rows(&a[0])?, &c, Some(&s), Some(&l), Some(&r), f, None, None)
                }),
            ));
        }
        for (name, product) in all {
            let whole = |a: &[Array]| Ok(vec![product(a)?]);
            let with_gradient = |a: &[Array]| {
                let y = product(a)?;
                if !y.dtype().is_inexact() {
                    return Ok(vec![y]);
                }
                let f = |t: &[Array]| Ok(vec![product(&[&t[0], &t[1], &a[2]].map(Array::clone))?]);
                let (y, g) = vjp(f, &a[..2], &[ops::ones_like(&y)?])?;
                Ok([y, g].concat())
            };
            let mut earlier: Vec<Trace> = Vec::new();
            for (m, n, groups) in [(3, 40, 4), (1, 7, 2), (33, 9, 3)] {
                let args = |seed| {
                    let pairs = Array::from_slice(&[0i32, m as i32 - 1, 0, 0], &[2, 2]).unwrap();
                    [numbers(seed, &[m, groups * group]), numbers(seed + 1, &[n, groups * group]), pairs]
                };
                let place = format!("{name} {mode:?} {m} {n} {groups}");
                for trace in &earlier {
                    assert!(trace.call(&args(0)).is_err(), "{place}");
                }
                let trace = Trace::record(with_gradient, &args(0)).unwrap();
                assert!(trace.lasts() && !trace.any_shape(), "{place}");
                for seed in [0, 5] {
                    let want = with_gradient(&args(seed)).unwrap();
                    assert_eq!(bits(&trace.call(&args(seed)).unwrap()), bits(&want), "{place}");
                    let plain = Trace::record(whole, &args(seed)).unwrap();
                    assert_eq!(bits(&plain.call(&args(seed)).unwrap()), bits(&want[..1]), "{place}");
                    // The gradient of the recording.
                    if want.len() > 1 {
                        let pairs = &args(seed)[2];
                        let f = |t: &[Array]| plain.call(&[&t[0], &t[1], pairs].map(Array::clone));
                        let (_, g) = vjp(f, &args(seed)[..2], &[ops::ones_like(&want[0]).unwrap()]).unwrap();
                        assert_eq!(bits(&g), bits(&want[1..]), "{place}: gradient");
                    }
                    let stacked: Vec<Array> =
                        args(seed).iter().map(|a| ops::stack(&[a.clone(), a.clone()], 0).unwrap()).collect();
                    let batch = vmap(|a: &[Array]| plain.call(a))(&stacked).unwrap();
                    assert_eq!(bits(&batch)[0], bits(&want)[0].repeat(2), "{place}: batch");
                }
                earlier.push(trace);
            }
        }
    }
}
