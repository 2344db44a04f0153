//! Matrix products by their definition.

use crate::value::Values;

/// `[..., M, K] @ [..., K, N]` with equal leading axes.
pub fn matmul(a: &Values, a_shape: &[usize], b: &Values, b_shape: &[usize]) -> Values {
    let d = a_shape.len();
    let (m, k, n) = (a_shape[d - 2], a_shape[d - 1], b_shape[d - 1]);
    let batch: usize = a_shape[..d - 2].iter().product();
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
    let product = matmul(&x[1], shapes[1], &x[2], shapes[2]).floats();
    let c = x[0].floats();
    let term = |c: f64| if beta == 0.0 { 0.0 } else { beta * c };
    Values::F(product.into_iter().zip(c).map(|(p, c)| alpha * p + term(c)).collect())
}
