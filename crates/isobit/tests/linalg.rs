//! Functions that are compositions of factorisations: gradients against differences, batches against loops, what is refused.

use isobit::random::{key, normal};
use isobit::{Array, Dtype, ErrorKind, Result, ops, transforms};

fn matrix(shape: &[usize], seed: u64) -> Array {
    normal(shape, Dtype::F64, 0.0, 1.0, Some(&key(seed))).unwrap()
}

fn close(a: &Array, b: &Array, tolerance: f64) -> bool {
    a.shape() == b.shape() && ops::allclose(a, b, tolerance, tolerance, false).unwrap().item::<bool>().unwrap()
}

/// A number for every result, so that gradients are of one number.
fn weighed(x: &Array) -> Result<Array> {
    let n = x.size() as f64;
    let weights = ops::reshape(
        &ops::linspace(-1.0, 2.0, n as usize, x.dtype())?,
        &x.shape().iter().map(|&n| n as isize).collect::<Vec<_>>(),
    )?;
    ops::sum(&ops::multiply(x, &weights)?, .., false)
}

type Function = fn(&Array) -> Result<Array>;

/// Symmetric and positive definite.
fn definite(a: &Array) -> Result<Array> {
    let n = a.shape()[a.ndim() - 1];
    ops::add(&ops::matmul(a, &ops::swapaxes(a, -1, -2)?)?, &ops::eye(n, n, 0, a.dtype())?)
}

const SQUARE: [(&str, Function); 16] = [
    ("inv", ops::inv),
    ("tri_inv", |a| ops::tri_inv(&definite(a)?, false)),
    ("tri_inv upper", |a| ops::tri_inv(&definite(a)?, true)),
    ("cholesky upper", |a| ops::cholesky(&definite(a)?, true)),
    ("cholesky_inv", |a| ops::cholesky_inv(&ops::cholesky(&definite(a)?, false)?, false)),
    ("cholesky_inv upper", |a| ops::cholesky_inv(&ops::cholesky(&definite(a)?, true)?, true)),
    ("det", ops::det),
    ("sign of det", |a| Ok(ops::slogdet(a)?.0)),
    ("logabsdet", |a| Ok(ops::slogdet(a)?.1)),
    ("l", |a| Ok(ops::lu(a)?.1)),
    ("u", |a| Ok(ops::lu(a)?.2)),
    ("eigh upper", |a| Ok(ops::eigh(a, true)?.1)),
    ("solve", |a| ops::solve(a, &ops::take_index(a, 0, -1)?)),
    ("solve_triangular", |a| ops::solve_triangular(&definite(a)?, a, true)),
    ("nuclear", |a| ops::norm(a, ops::norm::Order::Nuclear, [-2, -1], false)),
    ("2", |a| ops::norm(a, ops::norm::Order::P(2.0), [-2, -1], false)),
];

const ANY: [(&str, Function); 3] = [
    ("pinv", ops::pinv),
    ("full basis", |a| {
        let (u, _, _) = ops::svd(a, true)?;
        let k = a.shape()[a.ndim() - 2].min(a.shape()[a.ndim() - 1]);
        let parts = ops::split_at(&u, &[k as isize], -1)?;
        let Some(rest) = parts.get(1) else { return Ok(u) };
        ops::matmul(rest, &ops::swapaxes(rest, -1, -2)?)
    }),
    ("-2", |a| ops::norm(a, ops::norm::Order::P(-2.0), [-2, -1], false)),
];

/// First and second derivatives along one direction.
fn differentiated(name: &str, f: Function, a: &Array) -> Result<()> {
    let direction = matrix(a.shape(), 99);
    let value = |x: &[Array]| weighed(&f(&x[0])?);
    let slope = |x: &[Array]| -> Result<Array> {
        let (_, g) = transforms::vjp(|x| Ok(vec![value(x)?]), x, &[Array::scalar(1.0, Dtype::F64)])?;
        ops::sum(&ops::multiply(&g[0], &direction)?, .., false)
    };
    let h = 1e-5;
    let moved = |h: f64| -> Result<Array> { ops::add(a, &ops::multiply(&direction, &Array::scalar(h, Dtype::F64))?) };
    let (after, before) = (moved(h)?, moved(-h)?);
    let difference = |f: &dyn Fn(&[Array]) -> Result<Array>| -> Result<f64> {
        Ok((f(&[after.clone()])?.item::<f64>()? - f(&[before.clone()])?.item::<f64>()?) / (2.0 * h))
    };
    let first = slope(&[a.clone()])?.item::<f64>()?;
    let want = difference(&value)?;
    assert!((first - want).abs() < 1e-5 * (1.0 + want.abs()), "{name}: gradient {first}, differences {want}");
    let (_, second) = transforms::jvp(|x| Ok(vec![slope(x)?]), &[a.clone()], &[direction.clone()])?;
    let (second, want) = (second[0].item::<f64>()?, difference(&slope)?);
    assert!(
        (second - want).abs() < 1e-4 * (1.0 + want.abs()),
        "{name}: second derivative {second}, differences {want}"
    );
    Ok(())
}

#[test]
fn gradients_are_limits_of_differences() -> Result<()> {
    for n in [1, 2, 3, 5] {
        let a = ops::add(
            &matrix(&[n, n], n as u64),
            &ops::multiply(&ops::eye(n, n, 0, Dtype::F64)?, &Array::scalar(2.0, Dtype::F64))?,
        )?;
        for (name, f) in SQUARE.into_iter().chain(ANY) {
            differentiated(name, f, &a)?;
        }
    }
    for shape in [[4, 2], [2, 5]] {
        ANY.into_iter().try_for_each(|(name, f)| differentiated(name, f, &matrix(&shape, 4)))?;
    }
    Ok(())
}

#[test]
fn batches_have_the_bits_of_loops() -> Result<()> {
    let batch = ops::astype(&matrix(&[3, 5, 4, 4], 1), Dtype::F32)?;
    let wide = ops::astype(&matrix(&[3, 5, 2, 4], 1), Dtype::F32)?;
    let each = |f: Function, batch: &Array| -> Result<()> {
        let whole = f(batch)?;
        let mapped = transforms::vmap(|x| Ok(vec![f(&x[0])?]))(&[batch.clone()])?.swap_remove(0);
        assert_eq!(whole.to_bytes()?, mapped.to_bytes()?);
        for i in 0..3 {
            for j in 0..5 {
                let one = f(&ops::take_index(&ops::take_index(batch, i, 0)?, j, 0)?)?;
                let from = ops::take_index(&ops::take_index(&whole, i, 0)?, j, 0)?;
                assert_eq!(one.to_bytes()?, from.to_bytes()?);
            }
        }
        Ok(())
    };
    SQUARE.into_iter().filter(|(name, _)| *name != "solve").try_for_each(|(_, f)| each(f, &batch))?;
    ANY.into_iter().try_for_each(|(_, f)| each(f, &wide))
}

#[test]
fn results_undo_their_operands() -> Result<()> {
    for n in [1, 3, 70] {
        let a = matrix(&[n, n], 3);
        let one = ops::eye(n, n, 0, Dtype::F64)?;
        assert!(close(&ops::matmul(&a, &ops::inv(&a)?)?, &one, 1e-9));
        let b = matrix(&[n, 2], 4);
        assert!(close(&ops::matmul(&a, &ops::solve(&a, &b)?)?, &b, 1e-9));
        let (p, l, u) = ops::lu(&a)?;
        assert!(close(&ops::take(&ops::matmul(&l, &u)?, &p, 0)?, &a, 1e-12));
        let d = definite(&a)?;
        let factor = ops::cholesky(&d, false)?;
        assert!(close(&ops::matmul(&factor, &ops::swapaxes(&factor, 0, 1)?)?, &d, 1e-11));
        assert!(close(&ops::matmul(&d, &ops::cholesky_inv(&factor, false)?)?, &one, 1e-8));
        assert!(close(&ops::matmul(&ops::matmul(&a, &ops::pinv(&a)?)?, &a)?, &a, 1e-9));
        let (sign, size) = ops::slogdet(&a)?;
        assert!(close(&ops::multiply(&sign, &ops::exp(&size)?)?, &ops::det(&a)?, 1e-9));
    }
    // Leading axes are broadcast, a vector is one right-hand side for all.
    let (a, b) = (matrix(&[4, 1, 3, 3], 5), matrix(&[2, 3, 2], 6));
    let x = ops::solve(&a, &b)?;
    assert_eq!(x.shape(), [4, 2, 3, 2]);
    assert!(close(&ops::matmul(&a, &x)?, &ops::broadcast_to(&b, &[4, 2, 3, 2])?, 1e-9));
    assert_eq!(ops::solve(&a, &matrix(&[3], 7))?.shape(), [4, 1, 3]);
    Ok(())
}

#[test]
fn singular_matrices_are_errors_where_they_have_no_inverse() -> Result<()> {
    let singular = Array::from_slice(&[1.0f32, 2.0, 2.0, 4.0], &[2, 2])?;
    let one = Array::from_slice(&[1.0f32, 1.0], &[2])?;
    for x in [ops::inv(&singular)?, ops::solve(&singular, &one)?] {
        assert_eq!(x.eval().unwrap_err().kind(), ErrorKind::Runtime);
    }
    let zero = ops::zeros(&[2, 2], Dtype::F32)?;
    for x in [ops::tri_inv(&zero, true)?, ops::solve_triangular(&zero, &one, false)?] {
        assert_eq!(x.eval().unwrap_err().kind(), ErrorKind::Runtime);
    }
    let indefinite = Array::from_slice(&[1.0f32, 2.0, 2.0, 1.0], &[2, 2])?;
    assert_eq!(ops::cholesky(&indefinite, false)?.eval().unwrap_err().kind(), ErrorKind::Runtime);
    // What is defined for them is no error.
    assert_eq!(ops::det(&singular)?.item::<f32>()?, 0.0);
    assert_eq!(ops::slogdet(&singular)?.1.item::<f32>()?, f32::NEG_INFINITY);
    assert!(close(&ops::pinv(&singular)?, &ops::multiply(&singular, &Array::scalar(0.04, Dtype::F32))?, 1e-6));
    assert_eq!(ops::cholesky(&zero, false)?.to_vec::<f32>()?, [0.0; 4]);
    Ok(())
}

#[test]
fn what_is_not_finite_spreads_over_its_matrix_only() -> Result<()> {
    let mut values = ops::astype(&matrix(&[2, 4, 4], 8), Dtype::F32)?.to_vec::<f32>()?;
    let good = Array::from_slice(&values[16..], &[4, 4])?;
    values[0] = f32::NAN;
    let both = Array::from_slice(&values, &[2, 4, 4])?;
    let functions: [Function; 6] = [
        ops::inv,
        ops::pinv,
        ops::det,
        |a| Ok(ops::eigh(a, false)?.1),
        |a| Ok(ops::lu(a)?.2),
        |a| ops::cholesky(&definite(a)?, false),
    ];
    for f in functions {
        let out = f(&both)?;
        assert_eq!(ops::take_index(&out, 1, 0)?.to_bytes()?, f(&good)?.to_bytes()?);
        let first = ops::take_index(&out, 0, 0)?;
        assert!(ops::any(&ops::isnan(&first)?, .., false)?.item::<bool>()?);
    }
    Ok(())
}

#[test]
fn shapes_and_dtypes_that_do_not_fit_are_refused() -> Result<()> {
    let (flat, oblong) = (ops::zeros(&[3], Dtype::F32)?, ops::zeros(&[2, 3], Dtype::F32)?);
    let (whole, half) = (ops::zeros(&[2, 2], Dtype::I32)?, ops::zeros(&[2, 2], Dtype::F16)?);
    let square: [(&str, Function); 9] = [
        ("inv", ops::inv),
        ("tri_inv", |a| ops::tri_inv(a, false)),
        ("cholesky", |a| ops::cholesky(a, true)),
        ("cholesky_inv", |a| ops::cholesky_inv(a, false)),
        ("eig", |a| Ok(ops::eig(a)?.0)),
        ("eigvals", ops::eigvals),
        ("eigh", |a| Ok(ops::eigh(a, true)?.0)),
        ("eigvalsh", |a| ops::eigvalsh(a, false)),
        ("solve", |a| ops::solve(a, a)),
    ];
    for (name, f) in square {
        for bad in [&flat, &oblong] {
            assert_eq!(f(bad).unwrap_err().kind(), ErrorKind::Value, "{name} {:?}", bad.shape());
        }
        for bad in [&whole, &half] {
            assert_eq!(f(bad).unwrap_err().kind(), ErrorKind::Type, "{name} {}", bad.dtype());
        }
    }
    for f in [ops::det as Function, |a| Ok(ops::slogdet(a)?.0)] {
        assert!(f(&flat).is_err() && f(&oblong).is_err() && f(&half).is_err());
        assert!(f(&ops::zeros(&[2, 2], Dtype::C64)?).is_err());
        // Integers are numbers, too.
        assert_eq!(f(&whole)?.item::<f32>()?, 0.0);
    }
    for f in [ops::pinv as Function, |a| Ok(ops::lu(a)?.1), |a| Ok(ops::qr(a)?.0), ops::svdvals] {
        assert!(f(&flat).is_err() && f(&whole).is_err() && f(&half).is_err());
    }
    let square = ops::zeros(&[2, 2], Dtype::F32)?;
    assert!(ops::solve(&square, &flat).is_err() && ops::solve_triangular(&square, &flat, true).is_err());
    Ok(())
}

#[test]
fn empty_matrices_have_empty_results() -> Result<()> {
    for shape in [&[0usize, 0][..], &[3, 0, 0], &[0, 4, 4]] {
        let a = ops::zeros(shape, Dtype::F32)?;
        let batch = &shape[..shape.len() - 2];
        for x in [ops::inv(&a)?, ops::cholesky(&a, false)?, ops::pinv(&a)?, ops::eigh(&a, false)?.1, ops::lu(&a)?.1] {
            x.eval()?;
            assert_eq!(x.shape(), shape);
        }
        let (sign, size) = ops::slogdet(&a)?;
        for (x, want) in [(ops::det(&a)?, 1.0), (sign, 1.0), (size, 0.0)] {
            assert_eq!((x.shape(), x.to_vec::<f32>()?.iter().all(|&x| x == want)), (batch, true));
        }
    }
    Ok(())
}

#[test]
fn one_matrix_has_the_bits_of_any_thread_count() -> Result<()> {
    let batch = ops::astype(&matrix(&[40, 9, 9], 11), Dtype::F32)?;
    let run = |threads: usize| -> Result<Vec<Vec<u8>>> {
        isobit::cpu::par::set_threads(threads);
        let (u, s, vt) = ops::svd(&batch, false)?;
        let (w, v) = ops::eigh(&batch, false)?;
        let (x, y) = ops::eig(&batch)?;
        let (q, r) = ops::qr(&batch)?;
        [u, s, vt, w, v, x, y, q, r, ops::inv(&batch)?, ops::pinv(&batch)?].iter().map(Array::to_bytes).collect()
    };
    let before = isobit::cpu::par::threads();
    let one = run(1)?;
    for threads in [2, 3, 7] {
        assert_eq!(run(threads)?, one);
    }
    isobit::cpu::par::set_threads(before);
    Ok(())
}
