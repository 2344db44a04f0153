//! Reductions, scans and sorts: what the matrix does not know: results at the edges, MLX's dtypes, errors, ties.
use isobit::{Array, Dtype, Result, ops, ops::Side, transforms};

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

fn everywhere(f: impl Fn()) {
    for name in ["cpu", "ref"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), &f);
    }
}
fn f32s(x: &[f32]) -> Array {
    Array::from_slice(x, &[x.len()]).unwrap()
}
fn floats(a: Result<Array>) -> Vec<f32> {
    a.unwrap().to_vec::<f32>().unwrap()
}
fn words(a: Result<Array>) -> Vec<u32> {
    a.unwrap().to_vec::<u32>().unwrap()
}
fn same(got: Result<Array>, want: &[f32]) {
    let got = floats(got);
    let equal = got.iter().zip(want).all(|(g, w)| g == w || g.is_nan() && w.is_nan());
    assert!(got.len() == want.len() && equal, "{got:?} {want:?}");
}

#[test]
fn nan_and_infinities() {
    everywhere(|| {
        let a = f32s(&[3.0, 1.0, NAN, 2.0, 5.0, 4.0]);
        same(ops::max(&a, .., false), &[NAN]);
        same(ops::min(&a, .., false), &[NAN]);
        assert_eq!(words(ops::argmax(&a, None, false)), [2]);
        assert_eq!(words(ops::argmin(&a, 0, false)), [2]);
        same(ops::sort(&a, -1), &[1.0, 2.0, 3.0, 4.0, 5.0, NAN]);
        assert_eq!(words(ops::argsort(&a, -1)), [1, 3, 0, 5, 4, 2]);
        same(ops::sort(&ops::topk(&a, 3, -1).unwrap(), -1), &[4.0, 5.0, NAN]);
        same(ops::cummax(&f32s(&[1.0, NAN, 2.0]), 0, false, true), &[1.0, NAN, NAN]);
        same(ops::prod(&f32s(&[2.0, INF, -3.0]), .., false), &[-INF]);
        same(ops::prod(&f32s(&[0.0, INF]), .., false), &[NAN]);
        same(ops::cumprod(&f32s(&[2.0, -INF, 0.0, 1.0]), 0, false, true), &[2.0, -INF, NAN, NAN]);
        same(ops::logsumexp(&f32s(&[-INF, -INF]), .., false), &[-INF]);
        same(ops::logsumexp(&f32s(&[INF, 1.0]), .., false), &[INF]);
        same(ops::logsumexp(&f32s(&[1.0, NAN]), .., false), &[NAN]);
        same(ops::softmax(&f32s(&[-INF, -INF]), .., false), &[NAN, NAN]);
        same(ops::softmax(&f32s(&[-INF, 3.0]), .., false), &[0.0, 1.0]);
        same(ops::logcumsumexp(&f32s(&[-INF, 0.0, INF]), 0, false, true), &[-INF, 0.0, INF]);
        same(ops::var(&f32s(&[1.0, 2.0, 3.0]), .., false, 3), &[INF]);
        assert!(ops::any(&f32s(&[0.0, NAN]), .., false).unwrap().item::<bool>().unwrap());
    });
}

#[test]
fn empty_arrays() {
    everywhere(|| {
        let none = f32s(&[]);
        same(ops::sum(&none, .., false), &[0.0]);
        same(ops::prod(&none, .., false), &[1.0]);
        same(ops::mean(&none, .., false), &[NAN]);
        for e in [ops::max(&none, .., false), ops::argmin(&none, None, false), ops::logsumexp(&none, .., false)] {
            assert!(e.is_err());
        }
        let wide = ops::zeros(&[0, 3], Dtype::F32).unwrap();
        assert!(floats(ops::max(&wide, 1, false)).is_empty());
        assert_eq!(ops::sort(&wide, 0).unwrap().shape(), [0, 3]);
        assert!(floats(ops::cumsum(&wide, 0, false, false)).is_empty());
        assert!(floats(ops::topk(&f32s(&[1.0]), 0, 0)).is_empty());
    });
}

#[test]
fn dtypes_are_those_of_mlx() {
    use Dtype::*;
    let of = |d| ops::astype(&Array::from_slice(&[1i32, 0, 1], &[3]).unwrap(), d).unwrap();
    let all = [Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64];
    for d in all {
        let a = of(d);
        let total = match d {
            Bool | I8 | I16 => I32,
            U8 | U16 => U32,
            d => d,
        };
        let float = if d.is_float() { d } else { F32 };
        assert_eq!(ops::sum(&a, .., false).unwrap().dtype(), total);
        assert_eq!(ops::prod(&a, .., false).unwrap().dtype(), total);
        for x in [ops::max(&a, .., false), ops::sort(&a, 0), ops::topk(&a, 1, 0), ops::cumprod(&a, 0, false, true)] {
            assert_eq!(x.unwrap().dtype(), d);
        }
        let scanned = ops::cumsum(&a, None, false, true).unwrap().dtype();
        assert_eq!(scanned, if d == Bool { I32 } else { d });
        for x in [ops::mean(&a, .., false), ops::std(&a, .., false, 0), ops::softmax(&a, .., true)] {
            assert_eq!(x.unwrap().dtype(), float);
        }
        assert_eq!(ops::median(&a, .., false).unwrap().dtype(), float);
        assert_eq!(ops::argmax(&a, 0, false).unwrap().dtype(), U32);
        assert_eq!(ops::all(&a, .., false).unwrap().dtype(), Bool);
    }
    let c = ops::zeros(&[2], C64).unwrap();
    for x in [
        ops::sum(&c, .., false),
        ops::prod(&c, .., false),
        ops::mean(&c, .., false),
        ops::max(&c, .., false),
        ops::sort(&c, 0),
        ops::cumsum(&c, None, false, true),
        ops::softmax(&c, .., true),
    ] {
        assert_eq!(x.unwrap().dtype(), C64);
    }
    assert_eq!(ops::std(&c, .., false, 0).unwrap().dtype(), F32);
    assert_eq!(ops::argmax(&c, 0, false).unwrap().dtype(), U32);
}

#[test]
fn half_precision_is_rounded_once() {
    everywhere(|| {
        let big = ops::full(&[100], 60000.0, Dtype::F16).unwrap();
        assert_eq!(ops::mean(&big, .., false).unwrap().item::<isobit::f16>().unwrap().to_f32(), 60000.0);
        let a = ops::astype(&f32s(&[1.0, 2.0, 300.0]), Dtype::F16).unwrap();
        // The variance is 19800.67, between the float16 numbers 19792 and 19808.
        assert_eq!(ops::var(&a, .., false, 0).unwrap().item::<isobit::f16>().unwrap().to_f32(), 19808.0);
        let ones = ops::ones(&[3000], Dtype::BF16).unwrap();
        assert_eq!(ops::sum(&ones, .., false).unwrap().item::<isobit::bf16>().unwrap().to_f32(), 3008.0);
    });
}

#[test]
fn shapes_and_parameters() {
    everywhere(|| {
        let a = Array::from_slice(&[0i32, 1, 2, 3, 4, 5], &[2, 3]).unwrap();
        assert_eq!(ops::argmax(&a, None, true).unwrap().shape(), [1, 1]);
        assert_eq!(words(ops::argmax(&a, -1, false)), [2, 2]);
        let ints = |x: Result<Array>| x.unwrap().to_vec::<i32>().unwrap();
        assert_eq!(ints(ops::cumsum(&a, None, false, true)), [0, 1, 3, 6, 10, 15]);
        assert_eq!(ints(ops::cumsum(&a, 1, true, false)), [3, 2, 0, 9, 5, 0]);
        assert_eq!(ints(ops::cumprod(&a, 0, false, true)), [0, 1, 2, 0, 4, 10]);
        assert_eq!(ints(ops::cummin(&a, 1, false, false)), [i32::MAX, 0, 0, i32::MAX, 3, 3]);
        let b = Array::from_slice(&[true, false], &[2]).unwrap();
        assert_eq!(ops::cummin(&b, 0, false, false).unwrap().to_vec::<bool>().unwrap(), [true, true]);
        assert_eq!(ints(ops::partition(&Array::from_slice(&[3i32, 1, 2], &[3]).unwrap(), -2, 0)), [1, 2, 3]);
        assert!(ops::partition(&a, 3, 1).is_err() && ops::topk(&a, 4, 1).is_err());
        same(ops::median(&ops::astype(&a, Dtype::F32).unwrap(), [0, 1], true), &[2.5]);
        let s = f32s(&[1.0, 2.0, 2.0, 3.0]);
        assert_eq!(words(ops::searchsorted(&s, &f32s(&[2.0, 0.5, NAN]), Side::Left)), [1, 0, 4]);
        assert_eq!(words(ops::searchsorted(&s, &f32s(&[2.0, 0.5, 3.0]), Side::Right)), [3, 0, 4]);
        assert!(ops::searchsorted(&a, &s, Side::Left).is_err());
        assert!(ops::sum(&a, [0, 0], false).is_err() && ops::sum(&a, 2, false).is_err());
        assert_eq!(ops::sum(&a, [], false).unwrap().shape(), [2, 3]);
    });
}

#[test]
fn ties_and_exclusive_scans_have_derivatives() {
    everywhere(|| {
        let x = f32s(&[1.0, 3.0, 3.0, 2.0]);
        let grad = |f: fn(&Array) -> Result<Array>| {
            transforms::grad(move |x: &[Array]| ops::sum(&f(&x[0])?, .., false), [0])(&[x.clone()]).unwrap()[0].clone()
        };
        same(Ok(grad(|x| ops::max(x, .., false))), &[0.0, 0.5, 0.5, 0.0]);
        same(Ok(grad(|x| ops::cummax(x, 0, false, true))), &[1.0, 1.0, 2.0, 0.0]);
        same(Ok(grad(|x| ops::topk(x, 2, 0))), &[0.0, 1.0, 1.0, 0.0]);
        let t = f32s(&[0.0, 1.0, 0.0, 0.0]);
        let f = |x: &[Array]| Ok(vec![ops::max(&x[0], .., false)?]);
        let (_, tangent) = transforms::jvp(f, &[x.clone()], &[t]).unwrap();
        same(Ok(tangent[0].clone()), &[0.5]);
        // Exclusive: the first element is a constant, each later one belongs to the scan up to its predecessor.
        same(Ok(grad(|x| ops::slice(&ops::cummax(x, 0, false, false)?, &[1], &[4], &[1]))), &[1.0, 1.0, 1.0, 0.0]);
        same(Ok(grad(|x| ops::slice(&ops::cummin(x, 0, true, false)?, &[0], &[3], &[1]))), &[0.0, 0.0, 0.0, 3.0]);
        let got = floats(Ok(grad(|x| ops::slice(&ops::logcumsumexp(x, 0, false, false)?, &[1], &[4], &[1]))));
        let e = |v: f64| v.exp();
        let (two, three) = (e(1.0) + e(3.0), e(1.0) + 2.0 * e(3.0));
        let want = [1.0 + e(1.0) / two + e(1.0) / three, e(3.0) / two + e(3.0) / three, e(3.0) / three, 0.0];
        assert!(got.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < 1e-6), "{got:?} {want:?}");
        // Masked elements in front have no weight, and leave no NaN behind.
        let masked = f32s(&[-INF, -INF, 0.0, 0.0]);
        let f = |x: &[Array]| ops::take_index(&ops::logcumsumexp(&x[0], 0, false, true)?, 3, 0);
        same(Ok(transforms::grad(f, [0])(&[masked]).unwrap()[0].clone()), &[0.0, 0.0, 0.5, 0.5]);
    });
}

/// Numbers whose sums depend on their order.
fn noise(shape: &[usize], dtype: Dtype) -> Array {
    let n: usize = shape.iter().product();
    let value = |i: usize| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / 8_388_608.0 - 0.9;
    let x: Vec<f32> = (0..n).map(value).collect();
    ops::astype(&Array::from_slice(&x, shape).unwrap(), dtype).unwrap()
}

#[test]
fn neither_a_batch_nor_a_slice_changes_bits() {
    let shape = [3usize, 300, 2, 70];
    for dtype in [Dtype::F32, Dtype::F16, Dtype::F64] {
        let x = noise(&shape, dtype);
        // Every set of axes that leaves the batch axis 0 alone: a slice of the batch, with and without its axis.
        for set in 1..8usize {
            let axes: Vec<isize> = (0..3).filter(|d| set >> d & 1 == 1).map(|d| d as isize + 1).collect();
            let inner: Vec<isize> = axes.iter().map(|a| a - 1).collect();
            let bytes = |a: &Array, axes: &[isize]| -> Vec<Vec<u8>> {
                let all = [
                    ops::sum(a, axes, false),
                    ops::prod(a, axes, false),
                    ops::mean(a, axes, false),
                    ops::var(a, axes, false, 1),
                    ops::logsumexp(a, axes, false),
                    ops::softmax(a, axes, true),
                ];
                all.into_iter().map(|r| r.unwrap().to_bytes().unwrap()).collect()
            };
            let whole = bytes(&x, &axes);
            let parts: Vec<Vec<Vec<u8>>> = (0..3).map(|b| bytes(&ops::take_index(&x, b, 0).unwrap(), &inner)).collect();
            let kept = |b: isize| ops::slice(&x, &[b], &[b + 1], &[1]).unwrap();
            let thin: Vec<Vec<Vec<u8>>> = (0..3).map(|b| bytes(&kept(b), &axes)).collect();
            for op in 0..whole.len() {
                let join = |p: &[Vec<Vec<u8>>]| p.iter().flat_map(|p| p[op].clone()).collect::<Vec<u8>>();
                assert!(whole[op] == join(&parts), "operation {op}, {dtype}, axes {axes:?}: a batch");
                assert!(whole[op] == join(&thin), "operation {op}, {dtype}, axes {axes:?}: a slice of the batch");
            }
        }
        // A slice of a kept last axis.
        let y = noise(&[700, 5], dtype);
        let all = ops::sum(&y, 0, false).unwrap().to_bytes().unwrap();
        let column = |j: isize| ops::slice(&y, &[0, j], &[700, j + 1], &[1, 1]).unwrap();
        let each: Vec<u8> = (0..5).flat_map(|j| ops::sum(&column(j), 0, false).unwrap().to_bytes().unwrap()).collect();
        assert_eq!(all, each, "{dtype}");
    }
    // Beyond one chunk of a row, strided and not.
    let long = noise(&[2, 70_001], Dtype::F32);
    let turned = ops::transpose(&noise(&[2, 70_001], Dtype::F32), [1, 0]).unwrap();
    let rows = ops::sum(&long, 1, false).unwrap().to_bytes().unwrap();
    assert_eq!(rows, ops::sum(&ops::transpose(&turned, [1, 0]).unwrap(), 1, false).unwrap().to_bytes().unwrap());
    let every: Vec<f32> = floats(Ok(ops::take_index(&long, 1, 0).unwrap()));
    assert_eq!(rows[4..], ops::sum(&f32s(&every), .., false).unwrap().to_bytes().unwrap());
}

#[test]
fn the_documented_order() {
    // Rows of 3: lanes of one vector, so the tree over 16 lanes; columns of 300 in blocks of 256.
    let x = noise(&[300, 4, 3], Dtype::F32);
    let v = x.to_vec::<f32>().unwrap();
    let row = |i: usize, k: usize| {
        let mut lanes = [0f32; 16];
        (0..3).for_each(|j| lanes[j] += v[(i * 4 + k) * 3 + j]);
        for width in [8, 4, 2, 1] {
            (0..width).for_each(|l| lanes[l] += lanes[l + width]);
        }
        lanes[0]
    };
    let column = |k: usize| {
        let block = |from: usize, to: usize| (from..to).fold(0f32, |s, i| s + row(i, k));
        block(0, 256) + block(256, 300)
    };
    let want: Vec<u32> = (0..4).map(|k| column(k).to_bits()).collect();
    let got: Vec<u32> = floats(ops::sum(&x, [0, 2], false)).into_iter().map(f32::to_bits).collect();
    assert_eq!(got, want);
}
