//! Elementwise operations: known values, derivatives against finite differences, batching against a loop.
use isobit::{Array, Dtype, Result, ops, transforms};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn f32s(x: &[f32]) -> Array {
    Array::from_slice(x, &[x.len()]).unwrap()
}
fn i32s(x: &[i32]) -> Array {
    Array::from_slice(x, &[x.len()]).unwrap()
}

/// On both backends.
fn everywhere(f: impl Fn()) {
    for name in ["cpu", "ref"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), &f);
    }
}

fn same(got: Result<Array>, want: &[f32]) {
    let got = got.unwrap().to_vec::<f32>().unwrap();
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!(g == w && g.is_sign_negative() == w.is_sign_negative() || g.is_nan() && w.is_nan(), "{got:?} {want:?}");
    }
}
fn ints(got: Result<Array>, want: &[i32]) {
    assert_eq!(got.unwrap().to_vec::<i32>().unwrap(), want);
}
fn bools(got: Result<Array>, want: &[bool]) {
    assert_eq!(got.unwrap().to_vec::<bool>().unwrap(), want);
}

#[test]
fn values_at_the_edges() {
    everywhere(|| {
        let a = f32s(&[-5.5, -5.5, 5.5, 5.5, 0.0, -0.0, 7.0, 5.0, -5.0, 1.0, NAN]);
        let b = f32s(&[3.0, -3.0, 3.0, -3.0, 4.0, -4.0, 0.0, INF, INF, -INF, 1.0]);
        same(ops::remainder(&a, &b), &[0.5, -2.5, 2.5, -0.5, 0.0, -0.0, NAN, 5.0, INF, -INF, NAN]);
        same(ops::floor_divide(&a, &b), &[-2.0, 1.0, 1.0, -2.0, 0.0, 0.0, INF, 0.0, -1.0, -1.0, NAN]);
        let (a, b) = (f32s(&[NAN, 1.0, 2.0, -3.0]), f32s(&[1.0, NAN, 1.0, 4.0]));
        same(ops::maximum(&a, &b), &[NAN, NAN, 2.0, 4.0]);
        same(ops::minimum(&a, &b), &[NAN, NAN, 1.0, -3.0]);
        same(ops::logaddexp(&f32s(&[-INF, INF, -INF, 3.0]), &f32s(&[-INF, INF, INF, -INF])), &[-INF, INF, INF, 3.0]);
        same(ops::sign(&f32s(&[NAN, -0.0, 2.5, -INF])), &[NAN, 0.0, 1.0, -1.0]);
        same(ops::round(&f32s(&[0.5, 1.5, 2.5, -0.5]), 0), &[0.0, 2.0, 2.0, -0.0]);
        same(ops::round(&f32s(&[1234.0, 1250.0]), -2), &[1200.0, 1200.0]);
        same(ops::clip(&f32s(&[NAN, 5.0, -5.0]), Some(&f32s(&[0.0])), Some(&f32s(&[1.0]))), &[NAN, 1.0, 0.0]);
        same(ops::nan_to_num(&f32s(&[NAN, INF, -INF, 2.0]), 0.0, None, Some(-1.0)), &[0.0, f32::MAX, -1.0, 2.0]);
        same(ops::where_(&f32s(&[1.0, 0.0, NAN]), &f32s(&[1.0]), &f32s(&[NAN])), &[1.0, NAN, 1.0]);
        same(ops::rsqrt(&f32s(&[4.0, 0.0, INF])), &[0.5, INF, 0.0]);
        same(ops::erfinv(&f32s(&[1.0, -1.0, 1.5, 0.0])), &[INF, -INF, NAN, 0.0]);
        bools(ops::isfinite(&f32s(&[1.0, NAN, INF])), &[true, false, false]);
        bools(ops::isinf(&f32s(&[1.0, NAN, -INF])), &[false, false, true]);
        bools(ops::isnan(&i32s(&[1, 2])), &[false, false]);
        let close =
            |nan| ops::isclose(&f32s(&[INF, -INF, NAN, 1.0]), &f32s(&[INF, INF, NAN, 1.000001]), 1e-5, 1e-8, nan);
        bools(close(false), &[true, false, false, true]);
        bools(close(true), &[true, false, true, true]);
        bools(ops::greater(&f32s(&[1.0, NAN, 3.0]), &f32s(&[0.0, 0.0, 3.0])), &[true, false, false]);
        bools(ops::logical_not(&f32s(&[0.0, -0.0, NAN, 3.0])), &[true, true, false, false]);
    });
}

#[test]
fn integers() {
    everywhere(|| {
        let (a, b) = (i32s(&[-5, -5, 5, 5, 0, 7, i32::MIN]), i32s(&[3, -3, 3, -3, 4, 0, -1]));
        ints(ops::floor_divide(&a, &b), &[-2, 1, 1, -2, 0, 0, i32::MIN]);
        ints(ops::remainder(&a, &b), &[1, -2, 2, -1, 0, 0, 0]);
        ints(
            ops::power(&i32s(&[2, 3, -2, 0, 2, -1, 1]), &i32s(&[10, 21, 3, 0, -1, -3, -4])),
            &[1024, 1_870_418_611, -8, 1, 0, 0, 0],
        );
        ints(ops::left_shift(&i32s(&[1, 1, -1]), &i32s(&[31, 33, 1])), &[i32::MIN, 0, -2]);
        ints(ops::right_shift(&i32s(&[-8, 8, -8]), &i32s(&[1, 33, 40])), &[-4, 0, -1]);
        ints(ops::round(&i32s(&[15, 25, -35, 14, i32::MAX]), -1), &[20, 20, -40, 10, -2147483646]);
        ints(ops::round(&i32s(&[15]), -25), &[0]);
        ints(ops::abs(&i32s(&[-3, i32::MIN])), &[3, i32::MIN]);
        ints(ops::bitwise_invert(&i32s(&[0, 5])), &[-1, -6]);
        bools(ops::bitwise_invert(&Array::from_slice(&[true, false], &[2]).unwrap()), &[false, true]);
        same(ops::divide(&i32s(&[1, 7]), &i32s(&[2, 2])), &[0.5, 3.5]);
    });
}

#[test]
fn dtypes_follow_the_table() {
    let of = |d| ops::ones(&[2], d).unwrap();
    for d in [Dtype::Bool, Dtype::U8, Dtype::I32, Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64] {
        let x = of(d);
        for r in [ops::abs(&x), ops::sign(&x), ops::square(&x), ops::floor(&x), ops::round(&x, 1), ops::power(&x, &x)] {
            assert_eq!(r.unwrap().dtype(), d);
        }
        for r in [ops::maximum(&x, &x), ops::remainder(&x, &x), ops::floor_divide(&x, &x), ops::subtract(&x, &x)] {
            assert_eq!(r.unwrap().dtype(), d);
        }
        for r in [ops::sqrt(&x), ops::divide(&x, &x), ops::logaddexp(&x, &x), ops::reciprocal(&x), ops::degrees(&x)] {
            assert_eq!(r.unwrap().dtype(), d.at_least_float());
        }
        for r in [ops::equal(&x, &x), ops::less(&x, &x), ops::isnan(&x), ops::logical_or(&x, &x), ops::logical_not(&x)]
        {
            assert_eq!(r.unwrap().dtype(), Dtype::Bool);
        }
        assert_eq!(ops::left_shift(&x, &x).is_ok(), !d.is_float());
        assert_eq!(ops::bitwise_and(&x, &x).is_ok(), !d.is_float());
    }
    assert_eq!(ops::left_shift(&of(Dtype::Bool), &of(Dtype::Bool)).unwrap().dtype(), Dtype::U8);
    let complex = Array::scalar(1.0, Dtype::C64);
    for r in [ops::sin(&complex), ops::add(&complex, &complex), ops::where_(&complex, &complex, &complex)] {
        assert_eq!(r.unwrap().dtype(), Dtype::C64);
    }
    assert_eq!(ops::abs(&complex).unwrap().dtype(), Dtype::F32);
    for r in [
        ops::erf(&complex),
        ops::expm1(&complex),
        ops::sigmoid(&complex),
        ops::floor(&complex),
        ops::remainder(&complex, &complex),
        ops::floor_divide(&complex, &complex),
        ops::arctan2(&complex, &complex),
        ops::bitwise_and(&complex, &complex),
        ops::nan_to_num(&complex, 0.0, None, None),
    ] {
        assert_eq!(r.unwrap_err().kind(), isobit::ErrorKind::Type);
    }
    let err = ops::add(&of(Dtype::F32), &ops::ones(&[3], Dtype::F32).unwrap()).unwrap_err();
    assert!(err.to_string().starts_with("[add] shapes"), "{err}");
}

#[test]
fn gradients_where_the_formula_breaks() {
    everywhere(|| {
        let grad = |f: fn(&Array, &Array) -> Result<Array>, a: &[f32], b: &[f32]| {
            let g = transforms::grad(move |x: &[Array]| ops::sum(&f(&x[0], &x[1])?, .., false), [0, 1]);
            g(&[f32s(a), f32s(b)]).unwrap()
        };
        let g = grad(ops::maximum, &[1.0, 2.0, 3.0, NAN], &[1.0, 3.0, 2.0, 1.0]);
        same(Ok(g[0].clone()), &[0.0, 0.0, 1.0, 0.0]);
        same(Ok(g[1].clone()), &[1.0, 1.0, 0.0, 0.0]);
        let g = grad(ops::power, &[0.0, 2.0, 0.0, 0.0, INF], &[2.0, 3.0, 0.0, 1.0, 0.0]);
        same(Ok(g[0].clone()), &[0.0, 12.0, 0.0, 1.0, 0.0]);
        assert_eq!(g[1].to_vec::<f32>().unwrap()[2..4], [0.0, 0.0]);
        let g = grad(ops::logaddexp, &[-INF, INF, 0.0], &[-INF, INF, 0.0]);
        same(Ok(g[0].clone()), &[0.5, 0.5, 0.5]);
        let limits = |x: &[Array]| ops::sum(&ops::clip(&x[0], Some(&f32s(&[-1.0])), Some(&f32s(&[1.0])))?, .., false);
        let g = transforms::grad(limits, [0])(&[f32s(&[-2.0, -0.5, 0.5, 2.0])]).unwrap();
        same(Ok(g[0].clone()), &[0.0, 1.0, 1.0, 0.0]);
        // Nothing of the branch not taken gets into the derivative.
        let safe = |x: &[Array]| {
            let positive = ops::greater(&x[0], &f32s(&[0.0]))?;
            ops::sum(&ops::where_(&positive, &ops::sqrt(&x[0])?, &f32s(&[0.0]))?, .., false)
        };
        let g = transforms::grad(safe, [0])(&[f32s(&[4.0, 0.0])]).unwrap()[0].to_vec::<f32>().unwrap();
        assert_eq!(g[0], 0.25);
    });
}

#[test]
fn operators_take_arrays_results_and_numbers() -> Result<()> {
    let (a, b) = (f32s(&[1.0, 2.0]), f32s(&[3.0, 5.0]));
    same((&a + &b)? * 2.0, &[8.0, 14.0]);
    same(&a * (&b + 1.0), &[4.0, 12.0]);
    same((&a + &b) * &a, &[4.0, 14.0]);
    same((&a - b.clone())? / (&a % 2), &[-2.0, -INF]);
    same(2.0 - &a, &[1.0, 0.0]);
    same(1 / &a, &[1.0, 0.5]);
    let c = (&a + 1.0f32)?;
    same(-&c, &[-2.0, -3.0]);
    assert_eq!((2.0 * &a)?.shape(), &[2]);
    assert_eq!((2 * &a)?.shape(), &[2]);
    same(a.exp()?.log()?.round(3), &[1.0, 2.0]);
    same(a.power(2)?.add(&b)?.maximum(5.0), &[5.0, 9.0]);
    same(a.clip(1.5, 1.75), &[1.5, 1.75]);
    assert!(ops::allclose(&a, &(&a + 1e-7)?, 1e-5, 1e-8, false)?.item::<bool>()?);
    assert!(ops::array_equal(&a, &a.astype(Dtype::F64)?, false)?.item::<bool>()?);
    assert!(!ops::array_equal(&a, &f32s(&[1.0]), false)?.item::<bool>()?);
    assert_eq!(a.mean(.., false)?.item::<f32>()?, 1.5);
    let n = i32s(&[6, 7]);
    ints((&n & 3)? << 2, &[8, 12]);
    ints(!&n, &[-7, -8]);
    assert_eq!((&n * 2.5)?.dtype(), Dtype::F32);
    assert_eq!((&n + 2)?.dtype(), Dtype::I32);
    assert_eq!((a.astype(Dtype::BF16)? * 2.5f32)?.dtype(), Dtype::BF16);
    assert!((&a + &f32s(&[1.0, 2.0, 3.0])).is_err());
    Ok(())
}

/// Numbers without a pattern, in `[-2, 2)`.
fn noise(shape: &[usize], seed: u32) -> Array {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let n = shape.iter().product();
    let data: Vec<f32> = (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f32::from_bits(0x3f80_0000 | state >> 9) * 4.0 - 6.0
        })
        .collect();
    Array::from_slice(&data, shape).unwrap()
}

/// `a` copied so that it lies densely.
fn dense(a: &Array) -> Array {
    Array::from_slice(&a.to_vec::<f32>().unwrap(), a.shape()).unwrap()
}

#[test]
fn bits_do_not_depend_on_the_layout() -> Result<()> {
    let x = noise(&[70, 1500], 1);
    let big = noise(&[600, 700], 2);
    let operands: Vec<(Array, Array)> = vec![
        (x.clone(), noise(&[1500], 3)),
        (x.clone(), noise(&[70, 1], 4)),
        (noise(&[70, 1], 5), noise(&[1500], 6)),
        (x.clone(), Array::scalar(0.7, Dtype::F32)),
        (big.transpose([1, 0])?, noise(&[700, 600], 7)),
        (big.transpose([1, 0])?, noise(&[600], 8)),
        (ops::slice(&big, &[0, 1], &[600, 700], &[2, 3])?, noise(&[300, 233], 9)),
        (ops::slice(&big, &[599, 0], &[-601, 700], &[-1, 1])?, big.clone()),
        (noise(&[40, 1, 30, 50], 10), noise(&[7, 1, 50], 11)),
        (noise(&[200_000], 12), noise(&[200_000], 13)),
        (noise(&[2, 1], 14), noise(&[100_000], 15)),
    ];
    for (k, (a, b)) in operands.iter().enumerate() {
        let shape: Vec<usize> = ops::add(a, b)?.shape().to_vec();
        let (wide_a, wide_b) = (dense(&a.broadcast_to(&shape)?), dense(&b.broadcast_to(&shape)?));
        let bits = |r: Array| r.to_bytes();
        let choose = |a: &Array, b: &Array| ops::where_(&a.less(b)?, a, b);
        assert_eq!(bits(ops::power(&a.abs()?, b)?)?, bits(ops::power(&wide_a.abs()?, &wide_b)?)?, "power {k}");
        assert_eq!(bits((a - b)?)?, bits((&wide_a - &wide_b)?)?, "subtract {k}");
        assert_eq!(bits(choose(a, b)?)?, bits(choose(&wide_a, &wide_b)?)?, "where {k}");
        assert_eq!(bits(a.broadcast_to(&shape)?.exp()?)?, bits(wide_a.exp()?)?, "exp {k}");
        let half = a.broadcast_to(&shape)?.astype(Dtype::BF16)?;
        assert_eq!(bits((&half * b)?)?, bits((wide_a.astype(Dtype::BF16)? * &wide_b)?)?, "bfloat16 {k}");
    }
    Ok(())
}

#[test]
fn a_result_takes_over_only_what_nobody_else_holds() -> Result<()> {
    let kept = noise(&[5000], 20);
    let before = kept.to_vec::<f32>()?;
    let mut y = (&kept * 1.0)?;
    let held = y.clone();
    for _ in 0..3 {
        y = (y + &kept)?.exp()?.log()?;
    }
    let view = ops::slice(&held, &[10], &[20], &[1])?;
    y.eval()?;
    assert_eq!(kept.to_vec::<f32>()?, before);
    assert_eq!(held.to_vec::<f32>()?, before);
    let doubled = (&view + &view)?;
    drop(held);
    assert_eq!(doubled.to_vec::<f32>()?[3], 2.0 * before[13]);
    assert_eq!(view.to_vec::<f32>()?, before[10..20]);
    Ok(())
}
