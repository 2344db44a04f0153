//! Factorisations by textbook algorithms, all in complex numbers: reflections, elimination, Jacobi's rotations.

use crate::complex::{C, c};
use crate::value::Values;

const ZERO: C = c(0.0, 0.0);
const ONE: C = c(1.0, 0.0);

/// A matrix, row-major.
#[derive(Clone)]
struct Matrix {
    m: usize,
    n: usize,
    a: Vec<C>,
}

impl Matrix {
    fn new(m: usize, n: usize, f: impl Fn(usize, usize) -> C) -> Matrix {
        Matrix { m, n, a: (0..m * n).map(|x| f(x / n, x % n)).collect() }
    }

    fn at(&self, i: usize, j: usize) -> C {
        self.a[i * self.n + j]
    }

    fn set(&mut self, i: usize, j: usize, x: C) {
        self.a[i * self.n + j] = x;
    }

    fn adjoint(&self) -> Matrix {
        Matrix::new(self.n, self.m, |i, j| self.at(j, i).conj())
    }

    fn column(&self, j: usize) -> Vec<C> {
        (0..self.m).map(|i| self.at(i, j)).collect()
    }

    /// Columns `p` and `q` times a matrix of two rows and columns.
    fn rotate(&mut self, p: usize, q: usize, by: [[C; 2]; 2]) {
        for i in 0..self.m {
            let (x, y) = (self.at(i, p), self.at(i, q));
            self.set(i, p, x * by[0][0] + y * by[1][0]);
            self.set(i, q, x * by[0][1] + y * by[1][1]);
        }
    }

    /// Column `j` times a number.
    fn scale(&mut self, j: usize, by: C) {
        (0..self.m).for_each(|i| self.set(i, j, self.at(i, j) * by));
    }

    /// The columns in another order.
    fn reordered(&self, order: &[usize]) -> Matrix {
        Matrix::new(self.m, order.len(), |i, j| self.at(i, order[j]))
    }
}

fn real(x: f64) -> C {
    c(x, 0.0)
}

/// `x* y`.
fn dot(x: &[C], y: &[C]) -> C {
    x.iter().zip(y).fold(ZERO, |sum, (&x, &y)| sum + x.conj() * y)
}

fn length(x: &[C]) -> f64 {
    dot(x, x).re.sqrt()
}

/// The matrices of a batch.
fn matrices(x: &Values, shape: &[usize]) -> Vec<Matrix> {
    let d = shape.len();
    let (m, n, batch) = (shape[d - 2], shape[d - 1], shape[..d - 2].iter().product::<usize>());
    let all = x.complexes();
    (0..batch).map(|b| Matrix { m, n, a: all[b * m * n..(b + 1) * m * n].to_vec() }).collect()
}

/// The matrices one after the other; of a real batch the real parts.
fn joined(parts: impl Iterator<Item = Vec<C>>, complex: bool) -> Values {
    let all: Vec<C> = parts.flatten().collect();
    if complex { Values::C(all) } else { Values::F(all.into_iter().map(|z| z.re).collect()) }
}

/// `[q, r]`.
pub fn qr(x: &Values, shape: &[usize]) -> Vec<Values> {
    let complex = x.is_complex();
    let (q, r): (Vec<_>, Vec<_>) = matrices(x, shape).iter().map(|a| qr_of(a, complex)).unzip();
    vec![joined(q.into_iter().map(|q| q.a), complex), joined(r.into_iter().map(|r| r.a), complex)]
}

/// Householder's reflections: column by column, `v` such that `x - 2 v v* x / v* v` is along the first axis, on the other side
/// of the origin. Where nothing is below the diagonal there is none. A complex diagonal is turned to the positive axis.
fn qr_of(a: &Matrix, complex: bool) -> (Matrix, Matrix) {
    let (m, n, k) = (a.m, a.n, a.m.min(a.n));
    let mut r = a.clone();
    let mut q = Matrix::new(m, m, |i, j| if i == j { ONE } else { ZERO });
    for j in 0..k {
        let mut v: Vec<C> = (0..m).map(|i| if i < j { ZERO } else { r.at(i, j) }).collect();
        if length(&v[j + 1..]) == 0.0 {
            continue;
        }
        let phase = if v[j] == ZERO { ONE } else { v[j].sign() };
        v[j] = v[j] + phase * real(length(&v));
        let norm = dot(&v, &v).re;
        for col in 0..n {
            let by = dot(&v, &r.column(col)) * real(2.0 / norm);
            (j..m).for_each(|i| r.set(i, col, r.at(i, col) - by * v[i]));
        }
        (j + 1..m).for_each(|i| r.set(i, j, ZERO));
        // q times the reflection.
        for row in 0..m {
            let by = (j..m).fold(ZERO, |sum, i| sum + q.at(row, i) * v[i]) * real(2.0 / norm);
            (j..m).for_each(|i| q.set(row, i, q.at(row, i) - by * v[i].conj()));
        }
    }
    let (mut q, mut r) = (Matrix::new(m, k, |i, j| q.at(i, j)), Matrix::new(k, n, |i, j| r.at(i, j)));
    for j in (0..k).filter(|_| complex) {
        let phase = if r.at(j, j) == ZERO { ONE } else { r.at(j, j).sign() };
        q.scale(j, phase);
        (0..n).for_each(|col| r.set(j, col, r.at(j, col) * phase.conj()));
    }
    (q, r)
}

/// `[u, s, vt]`, or `[s]`.
pub fn svd(x: &Values, shape: &[usize], vectors: bool) -> Vec<Values> {
    let complex = x.is_complex();
    let parts: Vec<(Matrix, Vec<f64>, Matrix)> = matrices(x, shape).iter().map(svd_of).collect();
    let s = Values::F(parts.iter().flat_map(|p| p.1.clone()).collect());
    if !vectors {
        return vec![s];
    }
    let u = joined(parts.iter().map(|p| p.0.a.clone()), complex);
    let vt = joined(parts.iter().map(|p| p.2.adjoint().a), complex);
    vec![u, s, vt]
}

/// Jacobi's method on one side: columns are rotated in pairs until they are orthogonal; their lengths are the singular values.
fn svd_of(a: &Matrix) -> (Matrix, Vec<f64>, Matrix) {
    if a.m < a.n {
        let (mut v, s, mut u) = svd_of(&a.adjoint());
        straighten(&mut u, Some(&mut v));
        return (u, s, v);
    }
    let n = a.n;
    let (mut u, mut v) = (a.clone(), Matrix::new(n, n, |i, j| if i == j { ONE } else { ZERO }));
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                let (x, y) = (u.column(p), u.column(q));
                let by = diagonalising(dot(&x, &x).re, dot(&x, &y), dot(&y, &y).re);
                u.rotate(p, q, by);
                v.rotate(p, q, by);
            }
        }
    }
    let mut s: Vec<f64> = (0..n).map(|j| length(&u.column(j))).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| s[j].total_cmp(&s[i]));
    s = order.iter().map(|&j| s[j]).collect();
    (u, v) = (u.reordered(&order), v.reordered(&order));
    (0..n).for_each(|j| u.scale(j, real(1.0 / s[j])));
    straighten(&mut u, Some(&mut v));
    (u, s, v)
}

/// The unitary matrix that diagonalises `[[a, b], [b*, d]]` from both sides, by the smaller angle.
fn diagonalising(a: f64, b: C, d: f64) -> [[C; 2]; 2] {
    if b.abs() <= 1e-300 {
        return [[ONE, ZERO], [ZERO, ONE]];
    }
    let tau = (d - a) / (2.0 * b.abs());
    let t = (if tau < 0.0 { -1.0 } else { 1.0 }) / (tau.abs() + (1.0 + tau * tau).sqrt());
    let cos = 1.0 / (1.0 + t * t).sqrt();
    let (sin, phase) = (cos * t, b.sign());
    [[real(cos), real(sin) * phase], [real(-sin) * phase.conj(), real(cos)]]
}

/// Makes the first element of each column that is 0.999 of its largest positive; the other matrix turns with it.
fn straighten(u: &mut Matrix, mut with: Option<&mut Matrix>) {
    for j in 0..u.n {
        let column = u.column(j);
        let largest = column.iter().map(|z| z.abs()).fold(0.0, f64::max);
        let Some(lead) = column.iter().find(|z| z.abs() >= 0.999 * largest) else { continue };
        let turn = if *lead == ZERO { ONE } else { lead.sign().conj() };
        u.scale(j, turn);
        if let Some(v) = &mut with {
            v.scale(j, turn);
        }
    }
}

/// Substitution, a column of `b` at a time.
pub fn solve_triangular(x: &[Values], shapes: &[&[usize]], upper: bool, unit: bool) -> Vec<Values> {
    let solved = matrices(&x[0], shapes[0]).into_iter().zip(matrices(&x[1], shapes[1])).map(|(a, b)| {
        let n = a.n;
        let mut y = b.clone();
        for col in 0..b.n {
            for step in 0..n {
                let i = if upper { n - 1 - step } else { step };
                let known: Vec<usize> = if upper { (i + 1..n).collect() } else { (0..i).collect() };
                let rest = known.into_iter().fold(b.at(i, col), |sum, j| sum - a.at(i, j) * y.at(j, col));
                y.set(i, col, if unit { rest } else { rest / a.at(i, i) });
            }
        }
        y.a
    });
    vec![joined(solved, x[0].is_complex())]
}

/// `[lu, pivots, rows]`: elimination row by row, with the largest element of each column as its pivot.
pub fn lu(x: &Values, shape: &[usize]) -> Vec<Values> {
    let (mut factors, mut exchanges, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    for mut a in matrices(x, shape) {
        let mut order: Vec<usize> = (0..a.m).collect();
        for p in 0..a.m.min(a.n) {
            let pivot = (p..a.m).fold(p, |best, i| if a.at(i, p).abs() > a.at(best, p).abs() { i } else { best });
            exchanges.push(pivot as i128);
            order.swap(p, pivot);
            for j in 0..a.n {
                let (x, y) = (a.at(p, j), a.at(pivot, j));
                a.set(p, j, y);
                a.set(pivot, j, x);
            }
            for i in (p + 1..a.m).filter(|_| a.at(p, p) != ZERO).collect::<Vec<_>>() {
                let factor = a.at(i, p) / a.at(p, p);
                a.set(i, p, factor);
                (p + 1..a.n).for_each(|j| a.set(i, j, a.at(i, j) - factor * a.at(p, j)));
            }
        }
        factors.push(a.a);
        orders.extend(order.into_iter().map(|i| i as i128));
    }
    vec![joined(factors.into_iter(), x.is_complex()), Values::I(exchanges), Values::I(orders)]
}

/// Row by row, from the lower triangle.
pub fn cholesky(x: &Values, shape: &[usize]) -> Vec<Values> {
    let factors = matrices(x, shape).into_iter().map(|a| {
        let mut l = Matrix::new(a.n, a.n, |_, _| ZERO);
        for i in 0..a.n {
            for j in 0..=i {
                let rest = (0..j).fold(a.at(i, j), |sum, k| sum - l.at(i, k) * l.at(j, k));
                l.set(i, j, if i == j { real(rest.re.sqrt()) } else { rest / l.at(j, j) });
            }
        }
        l.a
    });
    vec![joined(factors, false)]
}

/// `[w, v]`, or `[w]`: Jacobi's rotations from both sides, until nothing is left off the diagonal.
pub fn eigh(x: &Values, shape: &[usize], vectors: bool) -> Vec<Values> {
    let (mut values, mut all) = (Vec::new(), Vec::new());
    for a in matrices(x, shape) {
        let n = a.n;
        let mut h = Matrix::new(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Greater => a.at(i, j),
            std::cmp::Ordering::Less => a.at(j, i).conj(),
            std::cmp::Ordering::Equal => real(a.at(i, i).re),
        });
        let mut v = Matrix::new(n, n, |i, j| if i == j { ONE } else { ZERO });
        for _ in 0..60 {
            for p in 0..n {
                for q in p + 1..n {
                    let by = diagonalising(h.at(p, p).re, h.at(p, q), h.at(q, q).re);
                    h.rotate(p, q, by);
                    h = h.adjoint();
                    h.rotate(p, q, by);
                    v.rotate(p, q, by);
                }
            }
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| h.at(i, i).re.total_cmp(&h.at(j, j).re));
        values.extend(order.iter().map(|&j| h.at(j, j).re));
        v = v.reordered(&order);
        straighten(&mut v, None);
        all.push(v.a);
    }
    let mut outs = vec![Values::F(values)];
    if vectors {
        outs.push(joined(all.into_iter(), x.is_complex()));
    }
    outs
}

/// `[w, v]`, or `[w]`: the QR algorithm with shifts, which splits off the last row again and again, and inverse iteration.
pub fn eig(x: &Values, shape: &[usize], vectors: bool) -> Vec<Values> {
    let (mut values, mut all) = (Vec::new(), Vec::new());
    for a in matrices(x, shape) {
        let mut w = eigenvalues(&a);
        // In single precision, so that the parts of a conjugate pair do not differ in their last bits.
        w.sort_by(|a, b| (a.re as f32).total_cmp(&(b.re as f32)).then((a.im as f32).total_cmp(&(b.im as f32))));
        let columns: Vec<Vec<C>> = w.iter().map(|&w| eigenvector(&a, w)).collect();
        let mut v = Matrix::new(a.n, a.n, |i, j| columns[j][i]);
        straighten(&mut v, None);
        values.extend(w);
        all.push(v.a);
    }
    let mut outs = vec![Values::C(values)];
    if vectors {
        outs.push(joined(all.into_iter(), true));
    }
    outs
}

fn eigenvalues(a: &Matrix) -> Vec<C> {
    let mut t = a.clone();
    let mut found = Vec::new();
    while t.n > 0 {
        let last = t.n - 1;
        for _ in 0..1000 {
            if (0..last).all(|j| t.at(last, j).abs() < 1e-15) {
                break;
            }
            // The eigenvalue of the last two rows and columns that is nearer to the last element.
            let (p, q, r, s) = (t.at(last - 1, last - 1), t.at(last - 1, last), t.at(last, last - 1), t.at(last, last));
            let half = (p - s) * real(0.5);
            let root = (half * half + q * r).sqrt();
            let (one, two) = (s + half + root, s + half - root);
            let shift = if (one - s).abs() < (two - s).abs() { one } else { two };
            let eye = |i: usize, j: usize, x: C| if i == j { x } else { ZERO };
            let (q, r) = qr_of(&Matrix::new(t.n, t.n, |i, j| t.at(i, j) - eye(i, j, shift)), true);
            t = Matrix::new(t.n, t.n, |i, j| (0..t.n).fold(eye(i, j, shift), |sum, k| sum + r.at(i, k) * q.at(k, j)));
        }
        found.push(t.at(last, last));
        t = Matrix::new(last, last, |i, j| t.at(i, j));
    }
    found
}

/// A vector of length 1 that the matrix less `w` nearly takes to zero.
fn eigenvector(a: &Matrix, w: C) -> Vec<C> {
    let n = a.n;
    let near = w + real(1e-11);
    let m = Matrix::new(n, n, |i, j| if i == j { a.at(i, j) - near } else { a.at(i, j) });
    let mut x: Vec<C> = (0..n).map(|i| c(1.0 + i as f64 * 0.3, 0.2 - i as f64 * 0.1)).collect();
    for _ in 0..4 {
        x = solve(&m, &x);
        let size = length(&x);
        x.iter_mut().for_each(|z| *z = *z * real(1.0 / size));
    }
    x
}

/// Elimination with pivots, and substitution.
fn solve(a: &Matrix, b: &[C]) -> Vec<C> {
    let n = a.n;
    let mut t = Matrix::new(n, n + 1, |i, j| if j < n { a.at(i, j) } else { b[i] });
    for p in 0..n {
        let pivot = (p..n).fold(p, |best, i| if t.at(i, p).abs() > t.at(best, p).abs() { i } else { best });
        for j in 0..=n {
            let (x, y) = (t.at(p, j), t.at(pivot, j));
            t.set(p, j, y);
            t.set(pivot, j, x);
        }
        for i in p + 1..n {
            let factor = t.at(i, p) / t.at(p, p);
            (p..=n).for_each(|j| t.set(i, j, t.at(i, j) - factor * t.at(p, j)));
        }
    }
    let mut x = vec![ZERO; n];
    for i in (0..n).rev() {
        x[i] = (i + 1..n).fold(t.at(i, n), |sum, j| sum - t.at(i, j) * x[j]) / t.at(i, i);
    }
    x
}

/// The sum over the singular values that count of `v u* / s`.
pub fn pinv(x: &Values, shape: &[usize], eps: f64) -> Vec<Values> {
    let parts = matrices(x, shape).into_iter().map(|a| {
        let (u, s, v) = svd_of(&a);
        let least = 10.0 * a.m.max(a.n) as f64 * eps * s.first().copied().unwrap_or(0.0);
        let term = |i: usize, j: usize, k: usize| v.at(i, k) * u.at(j, k).conj() * real(1.0 / s[k]);
        let cell = |i, j| (0..s.len()).filter(|&k| s[k] > least).fold(ZERO, |sum, k| sum + term(i, j, k));
        Matrix::new(a.n, a.m, cell).a
    });
    vec![joined(parts, x.is_complex())]
}
