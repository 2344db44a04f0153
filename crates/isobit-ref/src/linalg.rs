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
