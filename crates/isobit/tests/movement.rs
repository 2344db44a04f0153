//! Movement, indexing and creation: known values, derivatives against differences, batches against loops.
use isobit::ops::{self, Reduce};
use isobit::prim::{Case, Domain, REGISTRY};
use isobit::{Array, Dtype, Result, transforms};

const FAMILY: [&str; 6] = ["contiguous", "gather", "pad", "put_along_axis", "scatter", "take_along_axis"];

fn on_both(f: impl Fn()) {
    for name in ["ref", "cpu"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), &f);
    }
}

fn draw(domain: &Domain, shape: &[usize], seed: &mut u64) -> Array {
    let n: usize = shape.iter().product();
    let mut next = || {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 11) as f64 / (1u64 << 53) as f64
    };
    match *domain {
        Domain::Integer(low, high) => {
            let v: Vec<i32> = (0..n).map(|_| (low as f64 + next() * (high - low + 1) as f64).floor() as i32).collect();
            Array::from_slice(&v, shape).unwrap()
        }
        Domain::Any(low, high) | Domain::Distinct(low, high) => {
            let v: Vec<f64> = (0..n).map(|_| low + next() * (high - low)).collect();
            Array::from_slice(&v, shape).unwrap()
        }
        // Given values, again and again where a batch has more elements.
        Domain::Exact(dtype, ref given) => {
            let v: Vec<f64> = given.iter().copied().cycle().take(n).collect();
            ops::astype(&Array::from_slice(&v, shape).unwrap(), dtype).unwrap()
        }
        ref other => panic!("{other:?}"),
    }
}

/// The cases of real numbers; differences here are taken in float64.
fn family_cases() -> Vec<(&'static str, Case)> {
    let real = |case: &Case| !case.inputs.iter().any(|o| matches!(o.domain, Domain::Of(..)));
    let of = REGISTRY.iter().filter(|e| FAMILY.contains(&e.name));
    of.flat_map(|e| (e.cases)().into_iter().filter(real).map(|c| (e.name, c))).collect()
}

fn call(case: &Case, xs: &[Array]) -> Result<Array> {
    isobit::array::apply(case.prim.clone(), &xs.iter().collect::<Vec<_>>())
}

#[test]
fn derivatives_agree_with_differences() {
    let cpu = isobit::backend::by_name("cpu").unwrap();
    isobit::backend::with(cpu, || {
        for (k, (name, case)) in family_cases().into_iter().enumerate() {
            let mut seed = 7 + k as u64;
            let xs: Vec<Array> = case.inputs.iter().map(|o| draw(&o.domain, &o.shape, &mut seed)).collect();
            let real: Vec<usize> = (0..xs.len()).filter(|&i| xs[i].dtype() == Dtype::F64).collect();
            let primals: Vec<Array> = real.iter().map(|&i| xs[i].clone()).collect();
            let dirs: Vec<Array> =
                primals.iter().map(|p| draw(&Domain::Any(-1.0, 1.0), p.shape(), &mut seed)).collect();
            let f = |given: &[Array]| {
                let mut all = xs.clone();
                real.iter().zip(given).for_each(|(&i, g)| all[i] = g.clone());
                call(&case, &all).map(|y| vec![y])
            };
            // The value through a curved function, so that second derivatives are not all zero.
            let g = |given: &[Array]| {
                let y = f(given)?.remove(0);
                Ok(vec![ops::sum(&ops::multiply(&y, &ops::multiply(&y, &y)?)?, .., false)?])
            };
            let at = |h: f64| -> Vec<f64> {
                let h = Array::scalar(h, Dtype::F64);
                let moved: Vec<Array> = primals
                    .iter()
                    .zip(&dirs)
                    .map(|(p, d)| ops::add(p, &ops::multiply(d, &h).unwrap()).unwrap())
                    .collect();
                f(&moved).unwrap()[0].to_vec().unwrap()
            };
            let h = 1e-6;
            let diff: Vec<f64> = at(h).iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
            let (_, t) = transforms::jvp(f, &primals, &dirs).unwrap();
            let t = t[0].to_vec::<f64>().unwrap();
            for (a, b) in t.iter().zip(&diff) {
                assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{name} {:?}: jvp {a}, differences {b}", case.prim);
            }
            // <ct, J d> = <J^T ct, d>
            let y = f(&primals).unwrap().remove(0);
            let ct = draw(&Domain::Any(-1.0, 1.0), y.shape(), &mut seed);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (_, grads) = transforms::vjp(f, &primals, std::slice::from_ref(&ct)).unwrap();
            let back: f64 = grads
                .iter()
                .zip(&dirs)
                .map(|(g, d)| dot(&g.to_vec::<f64>().unwrap(), &d.to_vec::<f64>().unwrap()))
                .sum();
            let want = dot(&ct.to_vec::<f64>().unwrap(), &diff);
            assert!((back - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {:?}: vjp {back}, {want}", case.prim);
            // second order, along the same direction
            let slope = |h: f64| {
                let h = Array::scalar(h, Dtype::F64);
                let moved: Vec<Array> = primals
                    .iter()
                    .zip(&dirs)
                    .map(|(p, d)| ops::add(p, &ops::multiply(d, &h).unwrap()).unwrap())
                    .collect();
                transforms::jvp(g, &moved, &dirs).unwrap().1[0].item::<f64>().unwrap()
            };
            let want = (slope(1e-5) - slope(-1e-5)) / 2e-5;
            let one = Array::scalar(1.0, Dtype::F64);
            let inner = |xs: &[Array]| transforms::vjp(g, xs, std::slice::from_ref(&one)).map(|r| r.1);
            let (_, second) = transforms::jvp(inner, &primals, &dirs).unwrap();
            let got: f64 = second
                .iter()
                .zip(&dirs)
                .map(|(g, d)| dot(&g.to_vec::<f64>().unwrap(), &d.to_vec::<f64>().unwrap()))
                .sum();
            assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "{name} {:?}: second {got}, {want}", case.prim);
        }
    });
}

#[test]
fn batches_have_the_bits_of_loops() {
    let cpu = isobit::backend::by_name("cpu").unwrap();
    isobit::backend::with(cpu, || {
        for (k, (name, case)) in family_cases().into_iter().enumerate() {
            let n = case.inputs.len();
            let mut seed = 99 + k as u64;
            // Each input: not batched, or batched in front or at the end.
            for code in 1..3usize.pow(n as u32) {
                let how: Vec<usize> = (0..n).map(|i| code / 3usize.pow(i as u32) % 3).collect();
                let mut axes = Vec::new();
                let xs: Vec<Array> = case
                    .inputs
                    .iter()
                    .zip(&how)
                    .map(|(o, &how)| {
                        let mut shape = o.shape.clone();
                        if how == 1 {
                            shape.insert(0, 3);
                        } else if how == 2 {
                            shape.push(3);
                        }
                        axes.push([None, Some(0), Some(-1)][how]);
                        draw(&o.domain, &shape, &mut seed)
                    })
                    .collect();
                let f = |xs: &[Array]| call(&case, xs).map(|y| vec![y]);
                let got = transforms::vmap_with(f, axes.clone(), vec![Some(0)])(&xs).unwrap().remove(0);
                let rows: Vec<Array> = (0..3)
                    .map(|b| {
                        let row: Vec<Array> = xs
                            .iter()
                            .zip(&axes)
                            .map(|(x, a)| a.map_or(x.clone(), |a| ops::take_index(x, b, a).unwrap()))
                            .collect();
                        call(&case, &row).unwrap()
                    })
                    .collect();
                let want = ops::stack(&rows, 0).unwrap();
                assert_eq!(got.shape(), want.shape(), "{name} {:?} {how:?}", case.prim);
                assert_eq!(got.to_bytes().unwrap(), want.to_bytes().unwrap(), "{name} {:?} {how:?}", case.prim);
            }
        }
    });
}

fn ints(v: &[i32], shape: &[usize]) -> Array {
    Array::from_slice(v, shape).unwrap()
}

#[track_caller]
fn is(a: Result<Array>, want: &[i32], shape: &[usize]) {
    let a = a.unwrap();
    assert_eq!(a.shape(), shape);
    assert_eq!(ops::astype(&a, Dtype::I32).unwrap().to_vec::<i32>().unwrap(), want);
}

#[test]
fn known_values() {
    on_both(|| {
        let x = ops::reshape(&ops::arange(0, 12, 1, None).unwrap(), &[3, 4]).unwrap();
        is(ops::arange(5, 0, -2, None), &[5, 3, 1], &[3]);
        is(ops::arange(0, 3, 0.5, Dtype::I32), &[0; 6], &[6]);
        is(ops::arange(-5, 0, 1, Dtype::U8), &[251, 252, 253, 254, 255], &[5]);
        assert_eq!(ops::arange(0.0, 1.0, 0.1, None).unwrap().to_vec::<f32>().unwrap()[3], 0.3);
        assert!(ops::arange(0.0, f64::INFINITY, 1, None).is_err());
        is(ops::linspace(0, 10, 5, Dtype::I32), &[0, 2, 5, 7, 10], &[5]);
        is(ops::eye(2, 3, 1, Dtype::F32), &[0, 1, 0, 0, 0, 1], &[2, 3]);
        is(ops::eye(3, 2, -1, Dtype::F16), &[0, 0, 1, 0, 0, 1], &[3, 2]);
        is(ops::tri(2, 3, 0, Dtype::I8), &[1, 0, 0, 1, 1, 0], &[2, 3]);
        is(ops::tril(&x, -1), &[0, 0, 0, 0, 4, 0, 0, 0, 8, 9, 0, 0], &[3, 4]);
        is(ops::triu(&x, 1), &[0, 1, 2, 3, 0, 0, 6, 7, 0, 0, 0, 11], &[3, 4]);
        is(ops::diag(&x, 1), &[1, 6, 11], &[3]);
        is(ops::diag(&ints(&[1, 2], &[2]), -1), &[0, 0, 0, 1, 0, 0, 0, 2, 0], &[3, 3]);
        is(ops::trace(&x, 0, 0, 1, None), &[15], &[]);
        is(ops::diagonal(&x, -7, 0, 1), &[], &[0]);
        is(ops::repeat(&ints(&[1, 2], &[2]), 2, None), &[1, 1, 2, 2], &[4]);
        is(ops::tile(&ints(&[1, 2], &[1, 2]), &[2, 2]), &[1, 2, 1, 2, 1, 2, 1, 2], &[2, 4]);
        is(ops::flip(&x, 0), &[8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3], &[3, 4]);
        is(ops::roll(&x, &[1, 2], [0, 1]), &[10, 11, 8, 9, 2, 3, 0, 1, 6, 7, 4, 5], &[3, 4]);
        is(ops::roll(&ints(&[1, 2, 3], &[3]), &[-1], ..), &[2, 3, 1], &[3]);
        is(ops::pad(&ints(&[1, 2, 3], &[3]), &[(1, 2)], 7), &[7, 1, 2, 3, 7, 7], &[6]);
        is(ops::pad(&ints(&[1, 2, 3], &[3]), &[(2, 1)], ops::PadMode::Edge), &[1, 1, 1, 2, 3, 3], &[6]);
        is(ops::pad(&ints(&[1, 2, 3], &[3]), &[(4, 1)], ops::PadMode::Reflect), &[1, 2, 3, 2, 1, 2, 3, 2], &[8]);
        is(ops::pad(&ints(&[1, 2, 3], &[3]), &[(1, 4)], ops::PadMode::Symmetric), &[1, 1, 2, 3, 3, 2, 1, 1], &[8]);
        is(ops::take(&x, &ints(&[0, -1, 99], &[3]), 1), &[0, 3, 3, 4, 7, 7, 8, 11, 11], &[3, 3]);
        is(ops::take(&x, &ints(&[5], &[]), None), &[5], &[]);
        is(
            ops::take(&x, &ints(&[1, 0, 1, 2], &[2, 2]), 0).and_then(|t| ops::take(&t, &ints(&[0], &[]), 2)),
            &[4, 0, 4, 8],
            &[2, 2],
        );
        is(ops::take_along_axis(&x, &ints(&[0, 1, -1], &[3, 1]), 1), &[0, 5, 11], &[3, 1]);
        let nine = Array::scalar(9, Dtype::I32);
        is(
            ops::put_along_axis(&x, &ints(&[0, 1], &[2]), &nine, None),
            &[9, 9, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            &[3, 4],
        );
        let zeros = ops::zeros(&[3], Dtype::I32).unwrap();
        let (at, u) = (ints(&[1, -2, 1, 8], &[4]), ints(&[1, 2, 3, 4], &[4, 1]));
        is(ops::scatter(&zeros, &[at.clone()], &u, &[0], Reduce::Set), &[0, 3, 4], &[3]);
        is(ops::scatter(&zeros, &[at.clone()], &u, &[0], Reduce::Add), &[0, 6, 4], &[3]);
        is(ops::scatter(&zeros, &[at], &u, &[0], Reduce::Maximum), &[0, 3, 4], &[3]);
        let grid = ops::meshgrid(&[ints(&[1, 2], &[2]), ints(&[3, 4, 5], &[3])], false, "xy").unwrap();
        is(Ok(grid[0].clone()), &[1, 2, 1, 2, 1, 2], &[3, 2]);
        is(ops::unflatten(&x, 1, &[2, -1]), &(0..12).collect::<Vec<_>>(), &[3, 2, 2]);
        assert!(ops::unflatten(&x, 1, &[3, -1]).is_err());
        assert_eq!(ops::unstack(&x, 1).unwrap().len(), 4);
        assert_eq!(ops::atleast_3d(&ints(&[1, 2], &[2])).unwrap().shape(), [1, 2, 1]);
        assert!(ops::take(&x, &ops::zeros(&[1], Dtype::F32).unwrap(), 0).is_err());
        assert!(ops::gather(&x, &[ints(&[0], &[1])], &[0], &[4, 4]).is_err());
    });
}

#[test]
fn products_with_zeros_at_one_place_have_right_derivatives() {
    on_both(|| {
        for zeros in [vec![0.0, 2.0, 3.0], vec![0.0, 0.0, 3.0], vec![5.0, 2.0, 3.0]] {
            let x = Array::from_slice(&[2.0f64, 1.0], &[2]).unwrap();
            let u = Array::from_slice(&zeros, &[3, 1]).unwrap();
            let at = ints(&[0, 0, 0], &[3]);
            let f = |a: &[Array]| {
                ops::sum(&ops::scatter(&a[0], std::slice::from_ref(&at), &a[1], &[0], Reduce::Multiply)?, .., false)
            };
            let g = transforms::grad(f, [1])(&[x, u]).unwrap()[0].to_vec::<f64>().unwrap();
            let others = |i: usize| 2.0 * (0..3).filter(|&j| j != i).map(|j| zeros[j]).product::<f64>();
            for (i, g) in g.iter().enumerate() {
                assert!((g - others(i)).abs() < 1e-12, "{zeros:?} {i}: {g}");
            }
        }
    });
}
