//! Products of the factors, orders and signs, sizes around blocks, matrices that are singular or not finite.

use crate::{Scalar, c64, cholesky, eig, eigh, lu, pinv, qr, solve_triangular, svd};

trait Sample: Scalar {
    fn sample(x: f64, y: f64) -> Self;
    fn complex(self) -> c64;
}
impl Sample for f64 {
    fn sample(x: f64, _: f64) -> f64 {
        x
    }
    fn complex(self) -> c64 {
        c64::new(self, 0.0)
    }
}
impl Sample for c64 {
    fn sample(x: f64, y: f64) -> c64 {
        c64::new(x, y)
    }
    fn complex(self) -> c64 {
        self
    }
}

fn random<T: Sample>(count: usize, mut seed: u64) -> Vec<T> {
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as f64 / 2f64.powi(31) * 2.0 - 1.0
    };
    (0..count).map(|_| T::sample(next(), next())).collect()
}

/// `a b` of `m` by `k` and `k` by `n` matrices.
fn product<T: Scalar>(m: usize, k: usize, n: usize, a: &[T], b: &[T]) -> Vec<T> {
    let at = |i: usize, j: usize| (0..k).fold(T::real(0.0), |sum, p| sum - -(a[i * k + p] * b[p * n + j]));
    (0..m * n).map(|i| at(i / n, i % n)).collect()
}

fn adjoint<T: Scalar>(m: usize, n: usize, a: &[T]) -> Vec<T> {
    (0..m * n).map(|i| a[i % m * n + i / m].conjugate()).collect()
}

fn close<T: Scalar>(got: &[T], want: &[T], what: &str) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((*g - *w).magnitude() < 1e-11, "{what}: {g:?} instead of {w:?}");
    }
}

fn identity<T: Scalar>(n: usize) -> Vec<T> {
    (0..n * n).map(|i| T::real(if i / n == i % n { 1.0 } else { 0.0 })).collect()
}

const SIZES: [(usize, usize); 9] = [(0, 0), (0, 3), (3, 0), (1, 1), (4, 4), (7, 3), (3, 7), (33, 17), (40, 70)];

fn factors<T: Sample>() {
    for (m, n) in SIZES {
        let k = m.min(n);
        let a: Vec<T> = random(m * n, (m * 100 + n) as u64);
        let zero = T::real(0.0);
        let (mut u, mut s, mut vt) = (vec![zero; m * k], vec![0.0; k], vec![zero; k * n]);
        svd(m, n, &a, &mut s, Some((&mut u, &mut vt)));
        let us: Vec<T> = u.iter().enumerate().map(|(i, &x)| x * T::real(s[i % k])).collect();
        close(&product(m, k, n, &us, &vt), &a, "u s vt");
        close(&product(k, n, k, &vt, &adjoint(k, n, &vt)), &identity(k), "vt v");
        assert!(s.is_sorted_by(|a, b| a >= b) && s.iter().all(|&x| x >= 0.0));
        let mut alone = vec![0.0; k];
        svd(m, n, &a, &mut alone, None);
        close(&alone, &s, "singular values alone");

        let mut p = vec![zero; n * m];
        pinv(m, n, &a, &mut p, 1e-14);
        close(&product(m, m, n, &product(m, n, m, &a, &p), &a), &a, "a p a");
        close(&product(n, n, m, &product(n, m, n, &p, &a), &p), &p, "p a p");

        let (mut packed, mut pivots, mut rows) = (vec![zero; m * n], vec![0; k], vec![0; m]);
        lu(m, n, &a, &mut packed, &mut pivots, &mut rows);
        let pick = |i: usize, j: usize, keep: bool, unit: bool| match (keep, unit) {
            (_, true) if i == j => T::real(1.0),
            (true, _) => packed[i * n + j],
            _ => zero,
        };
        let lower: Vec<T> = (0..m * k).map(|x| pick(x / k, x % k, x % k < x / k, true)).collect();
        let upper: Vec<T> = (0..k * n).map(|x| pick(x / n, x % n, x % n >= x / n, false)).collect();
        let permuted: Vec<T> = rows.iter().flat_map(|&r| a[r as usize * n..][..n].to_vec()).collect();
        close(&product(m, k, n, &lower, &upper), &permuted, "l u");
        let mut order: Vec<u32> = (0..m as u32).collect();
        pivots.iter().enumerate().for_each(|(i, &p)| order.swap(i, p as usize));
        assert_eq!(order, rows);
    }
}

#[test]
fn factors_multiply_back() {
    factors::<f64>();
    factors::<c64>();
}

fn orthogonal_factors<T: Sample>() {
    for (m, n) in SIZES {
        let k = m.min(n);
        let a: Vec<T> = random(m * n, (m * 100 + n) as u64);
        let (mut q, mut r) = (vec![T::real(0.0); m * k], vec![T::real(0.0); k * n]);
        qr(m, n, &a, &mut q, &mut r);
        close(&product(m, k, n, &q, &r), &a, "q r");
        close(&product(k, m, k, &adjoint(m, k, &q), &q), &identity(k), "q* q");
        assert!((0..k).all(|i| r[i * n..i * n + i].iter().all(|x| x.magnitude() == 0.0)));
    }
}

#[test]
fn orthogonal_factors_multiply_back() {
    orthogonal_factors::<f64>();
    orthogonal_factors::<c64>();
}

fn spectra<T: Sample>() {
    for n in [0, 1, 2, 5, 24, 65] {
        let a: Vec<T> = random(n * n, n as u64 + 1);
        let hermitian: Vec<T> = (0..n * n)
            .map(|i| match (i / n, i % n) {
                (r, c) if r > c => a[i],
                (r, c) if r < c => a[c * n + r].conjugate(),
                _ => T::real(a[i].re()),
            })
            .collect();
        let (mut w, mut v) = (vec![0.0; n], vec![T::real(0.0); n * n]);
        eigh(n, &a, &mut w, Some(&mut v));
        let vw: Vec<T> = v.iter().enumerate().map(|(i, &x)| x * T::real(w[i % n])).collect();
        close(&product(n, n, n, &hermitian, &v), &vw, "h v");
        assert!(w.is_sorted());
        let mut alone = vec![0.0; n];
        eigh(n, &a, &mut alone, None);
        close(&alone, &w, "values of a Hermitian matrix alone");

        let zero = c64::new(0.0, 0.0);
        let (mut w, mut v) = (vec![zero; n], vec![zero; n * n]);
        eig(n, &a, &mut w, Some(&mut v));
        let complex: Vec<c64> = a.iter().map(|x| x.complex()).collect();
        let vw: Vec<c64> = v.iter().enumerate().map(|(i, &x)| x * w[i % n]).collect();
        close(&product(n, n, n, &complex, &v), &vw, "a v");
        let mut alone = vec![zero; n];
        eig(n, &a, &mut alone, None);
        close(&alone, &w, "values alone");
    }
}

#[test]
fn vectors_are_scaled_and_turned_by_values() {
    spectra::<f64>();
    spectra::<c64>();
}

fn triangles<T: Sample>() {
    for (n, k) in [(0, 0), (0, 2), (3, 0), (1, 1), (5, 2), (40, 33)] {
        // A diagonal away from 0, and in the other triangle what must not be looked at.
        let mut a: Vec<T> = random(n * n, n as u64 + 7);
        (0..n).for_each(|i| a[i * n + i] = T::real(3.0 + i as f64));
        let x: Vec<T> = random(n * k, k as u64);
        for (upper, unit) in [(false, false), (false, true), (true, false), (true, true)] {
            let inside = |i: usize, j: usize| if upper { j > i } else { j < i };
            let triangle: Vec<T> = (0..n * n)
                .map(|at| match (at / n, at % n) {
                    (i, j) if i == j && unit => T::real(1.0),
                    (i, j) if i == j || inside(i, j) => a[at] * T::real(0.2),
                    _ => T::real(0.0),
                })
                .collect();
            let given: Vec<T> =
                (0..n * n)
                    .map(|at| {
                        if at / n == at % n && unit || triangle[at].magnitude() == 0.0 { T::NAN } else { triangle[at] }
                    })
                    .collect();
            let mut b = product(n, n, k, &triangle, &x);
            solve_triangular(n, k, &given, &mut b, upper, unit);
            close(&b, &x, "triangular system");
        }
    }
}

#[test]
fn triangular_systems_look_at_their_triangle_only() {
    triangles::<f64>();
    triangles::<c64>();
}

#[test]
fn cholesky_of_definite_semidefinite_and_other_matrices() {
    for n in [0, 1, 4, 50] {
        let x: Vec<f64> = random(n * n, 3);
        let mut a = product(n, n, n, &x, &adjoint(n, n, &x));
        (0..n).for_each(|i| a[i * n + i] += 0.5);
        let mut l = vec![0.0; n * n];
        assert!(cholesky(n, &a, &mut l, 0.0));
        close(&product(n, n, n, &l, &adjoint(n, n, &l)), &a, "l l*");
    }
    // Of rank 1, and a pivot that rounding made negative.
    let mut l = vec![0.0; 4];
    assert!(cholesky(2, &[1.0, f64::NAN, 2.0, 4.0 - 1e-9], &mut l, 1e-7));
    assert_eq!(l, [1.0, 0.0, 2.0, 0.0]);
    assert!(!cholesky(2, &[1.0, 2.0, 2.0, 3.0], &mut l, 1e-7));
}

#[test]
fn what_is_not_finite_gives_nan() {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut a = random::<f64>(12, 5);
        a[5] = bad;
        let (mut q, mut r) = (vec![0.0; 12], vec![0.0; 9]);
        qr(4, 3, &a, &mut q, &mut r);
        assert!(q.iter().chain(&r).all(|x| x.is_nan()));
        let (mut u, mut s, mut vt) = (vec![0.0; 12], vec![0.0; 3], vec![0.0; 9]);
        svd(4, 3, &a, &mut s, Some((&mut u, &mut vt)));
        assert!(u.iter().chain(&s).chain(&vt).all(|x| x.is_nan()));
        svd(4, 3, &a, &mut s, None);
        assert!(s.iter().all(|x| x.is_nan()));
        let (mut packed, mut pivots, mut rows) = (vec![0.0; 12], [9; 3], [9; 4]);
        lu(4, 3, &a, &mut packed, &mut pivots, &mut rows);
        assert!(packed.iter().all(|x| x.is_nan()));
        assert_eq!((pivots, rows), ([0, 1, 2], [0, 1, 2, 3]));
        let square = &a[..9];
        let (mut w, mut v) = (vec![0.0; 3], vec![0.0; 9]);
        let mut l = vec![0.0; 9];
        // Below the diagonal, where it counts.
        let transposed = adjoint(3, 3, square);
        eigh(3, &transposed, &mut w, Some(&mut v));
        assert!(w.iter().chain(&v).all(|x| x.is_nan()));
        assert!(cholesky(3, &transposed, &mut l, 0.0) && l.iter().all(|x| x.is_nan()));
        let (mut w, mut v) = (vec![c64::new(0.0, 0.0); 3], vec![c64::new(0.0, 0.0); 9]);
        eig(3, square, &mut w, Some(&mut v));
        assert!(w.iter().chain(&v).all(|x| x.re.is_nan()));
    }
}

#[test]
fn matrices_without_full_rank() {
    // Zeros: an orthonormal basis and factors of zeros. Equal rows: a row of zeros in the triangle.
    for n in [1, 3, 20] {
        let (mut q, mut r) = (vec![0.0; n * n], vec![9.0; n * n]);
        qr(n, n, &vec![0.0; n * n], &mut q, &mut r);
        close(&q, &identity(n), "q of zeros");
        assert!(r.iter().all(|&x| x == 0.0));
        let (mut u, mut s, mut vt) = (vec![0.0; n * n], vec![9.0; n], vec![0.0; n * n]);
        svd(n, n, &vec![0.0; n * n], &mut s, Some((&mut u, &mut vt)));
        close(&product(n, n, n, &adjoint(n, n, &u), &u), &identity(n), "u* u of zeros");
        assert!(s.iter().all(|&x| x == 0.0));
        let (mut packed, mut pivots, mut rows) = (vec![0.0; n * n], vec![0; n], vec![0; n]);
        lu(n, n, &vec![1.0; n * n], &mut packed, &mut pivots, &mut rows);
        assert!((1..n).all(|i| (i..n).all(|j| packed[i * n + j] == 0.0)));
        // A Jordan block: one eigenvector, n times.
        let jordan: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i % n == i / n + 1))).collect();
        let (mut w, mut v) = (vec![c64::new(9.0, 0.0); n], vec![c64::new(0.0, 0.0); n * n]);
        eig(n, &jordan, &mut w, Some(&mut v));
        assert!(w.iter().all(|z| z.norm() == 0.0) && v.iter().all(|z| z.re.is_finite()));
    }
}
