//! Matrix products by their definition.

use crate::complex::c;
use crate::value::Values;

/// `[..., M, K] @ [..., K, N]` with equal leading axes.
pub fn matmul(a: &Values, a_shape: &[usize], b: &Values, b_shape: &[usize]) -> Values {
    let d = a_shape.len();
    let (m, k, n) = (a_shape[d - 2], a_shape[d - 1], b_shape[d - 1]);
    let batch: usize = a_shape[..d - 2].iter().product();
    if a.is_complex() {
        let (a, b) = (a.complexes(), b.complexes());
        let cells = (0..batch * m * n).map(|o| (o / (m * n), o / n % m, o % n));
        let cell = |(i, row, col)| {
            (0..k).map(|j| a[(i * m + row) * k + j] * b[(i * k + j) * n + col]).fold(c(0.0, 0.0), |s, x| s + x)
        };
        return Values::C(cells.map(cell).collect());
    }
    let (a, b) = (a.floats(), b.floats());
    let mut out = Vec::with_capacity(batch * m * n);
    for i in 0..batch {
        for row in 0..m {
            for col in 0..n {
                // From +0: an empty `sum()` would be -0.
                out.push((0..k).map(|j| a[(i * m + row) * k + j] * b[(i * k + j) * n + col]).fold(0.0, |s, x| s + x));
            }
        }
    }
    Values::F(out)
}

/// `alpha * (a @ b) + beta * c`, inputs in the order c, a, b. A `beta` of 0 makes `c` irrelevant, NaN or not.
pub fn addmm(x: &[Values], shapes: &[&[usize]], alpha: f64, beta: f64) -> Values {
    let product = matmul(&x[1], shapes[1], &x[2], shapes[2]);
    if product.is_complex() {
        let term = |z| if beta == 0.0 { c(0.0, 0.0) } else { c(beta, 0.0) * z };
        let pairs = product.complexes().into_iter().zip(x[0].complexes());
        return Values::C(pairs.map(|(p, z)| c(alpha, 0.0) * p + term(z)).collect());
    }
    let product = product.floats();
    let c = x[0].floats();
    let term = |c: f64| if beta == 0.0 { 0.0 } else { beta * c };
    Values::F(product.into_iter().zip(c).map(|(p, c)| alpha * p + term(c)).collect())
}

/// Where the segments begin and end, read as slices of an axis of `k` elements.
fn segments(list: &Values, k: usize) -> Vec<std::ops::Range<usize>> {
    let place = |i: i128| if i < 0 { i + k as i128 } else { i }.clamp(0, k as i128) as usize;
    list.ints().chunks(2).map(|p| place(p[0])..place(p[1])).collect()
}

/// `a[:, start..end] @ b[start..end, :]` for every segment: `[B, M, K]`, `[B, K, N]`, `[B, S, 2]` to `[B, S, M, N]`.
pub fn segmented_mm(x: &[Values], shapes: &[&[usize]]) -> Values {
    let ([batch, m, k], n, count) = ([shapes[0][0], shapes[0][1], shapes[0][2]], shapes[1][2], shapes[2][1]);
    let (a, b, list) = (x[0].floats(), x[1].floats(), segments(&x[2], k));
    let mut out = Vec::new();
    for (i, range) in list.into_iter().enumerate().take(batch * count) {
        let at = i / count;
        for row in 0..m {
            for col in 0..n {
                let term = |j| a[(at * m + row) * k + j] * b[(at * k + j) * n + col];
                out.push(range.clone().map(term).fold(0.0, |s, x| s + x));
            }
        }
    }
    Values::F(out)
}

/// In column `j` the sum of `c[s] @ b[j]` over the segments that contain `j`: `[B, S, M, N]`, `[B, K, N]`, `[B, S, 2]` to
/// `[B, M, K]`.
pub fn segmented_outer(x: &[Values], shapes: &[&[usize]]) -> Values {
    let [batch, count, m, n] = [shapes[0][0], shapes[0][1], shapes[0][2], shapes[0][3]];
    let k = shapes[1][1];
    let (c, b, list) = (x[0].floats(), x[1].floats(), segments(&x[2], k));
    let mut out = vec![0.0; batch * m * k];
    for (i, range) in list.into_iter().enumerate().take(batch * count) {
        let at = i / count;
        for row in 0..m {
            for j in range.clone() {
                let term = |col| c[(i * m + row) * n + col] * b[(at * k + j) * n + col];
                out[(at * m + row) * k + j] += (0..n).map(term).fold(0.0, |s, x| s + x);
            }
        }
    }
    Values::F(out)
}
