//! Singular values and eigenvalues.

use crate::{Scalar, finite, matrix, store};
use faer::{Side, c64};

/// The share of the largest magnitude in a vector from which an element counts as about as large. The first such element, the
/// leading one, is made positive; rounding does not choose among equals.
pub const LEADER: f64 = 0.999;

/// The place of a vector's leading element, and the factor of magnitude 1 that makes it positive.
fn leader<T: Scalar>(vector: impl Iterator<Item = T> + Clone) -> Option<(usize, T)> {
    let largest = vector.clone().map(T::magnitude).fold(0.0, f64::max);
    vector.enumerate().find(|(_, x)| x.magnitude() >= LEADER * largest).map(|(i, x)| (i, x.turn()))
}

/// `a = u diag(s) vt` of an `m` by `n` matrix, `k = min(m, n)`: `s` descending, `u` is `m` by `k` and `vt` `k` by `n`, which
/// are computed if wanted. The leading element of every column of `u` is positive.
pub fn svd<T: Scalar>(m: usize, n: usize, a: &[T], s: &mut [f64], vectors: Option<(&mut [T], &mut [T])>) {
    if m == 0 || n == 0 {
        return;
    }
    let Some((u, vt)) = vectors else {
        let found = if finite(a) { matrix(m, n, a).singular_values().ok() } else { None };
        return match found {
            Some(found) => s.copy_from_slice(&found),
            None => s.fill(f64::NAN),
        };
    };
    let found = if finite(a) { matrix(m, n, a).thin_svd().ok() } else { None };
    let Some(f) = found else {
        s.fill(f64::NAN);
        u.fill(T::NAN);
        return vt.fill(T::NAN);
    };
    let k = m.min(n);
    store(f.U(), u);
    for j in 0..k {
        s[j] = f.S().column_vector()[j].re();
        // u v* stays what it is if both are turned by the same angle.
        let turn = straighten(m, k, u, j);
        (0..n).for_each(|i| vt[j * n + i] = (f.V()[(i, j)] * turn).conjugate());
    }
}

/// Makes the leading element of column `j` of an `m` by `k` matrix positive; answers with the factor.
fn straighten<T: Scalar>(m: usize, k: usize, u: &mut [T], j: usize) -> T {
    let Some((lead, turn)) = leader((0..m).map(|i| u[i * k + j])) else { return T::real(1.0) };
    let size = u[lead * k + j].magnitude();
    (0..m).for_each(|i| u[i * k + j] *= turn);
    u[lead * k + j] = T::real(size);
    turn
}

/// `a = v diag(w) v*` of an `n` by `n` matrix that is Hermitian; only its lower triangle is looked at. `w` ascends, the
/// columns of `v` have length 1 and a positive leading element; they are computed if wanted.
pub fn eigh<T: Scalar>(n: usize, a: &[T], w: &mut [f64], v: Option<&mut [T]>) {
    if n == 0 {
        return;
    }
    let lower = (0..n).all(|i| finite(&a[i * n..i * n + i + 1]));
    // The diagonal of a Hermitian matrix is real.
    let mut a = a.to_vec();
    (0..n).for_each(|i| a[i * n + i] = T::real(a[i * n + i].re()));
    let a = &a;
    let Some(v) = v else {
        let found = if lower { matrix(n, n, a).self_adjoint_eigenvalues(Side::Lower).ok() } else { None };
        return match found {
            Some(found) => w.copy_from_slice(&found),
            None => w.fill(f64::NAN),
        };
    };
    let found = if lower { matrix(n, n, a).self_adjoint_eigen(Side::Lower).ok() } else { None };
    let Some(f) = found else {
        w.fill(f64::NAN);
        return v.fill(T::NAN);
    };
    store(f.U(), v);
    for j in 0..n {
        w[j] = f.S().column_vector()[j].re();
        straighten(n, n, v, j);
    }
}

/// `a v = v diag(w)` of an `n` by `n` matrix. `w` ascends by the real part, then by the imaginary one, both as `f32`; the
/// columns of `v` have length 1 and a positive leading element; they are computed if wanted.
pub fn eig<T: Scalar>(n: usize, a: &[T], w: &mut [c64], v: Option<&mut [c64]>) {
    if n == 0 {
        return;
    }
    let found = if finite(a) { T::eigen(matrix(n, n, a), v.is_some()) } else { None };
    let Some((values, vectors)) = found else {
        w.fill(c64::NAN);
        return v.into_iter().for_each(|v| v.fill(c64::NAN));
    };
    let mut order: Vec<usize> = (0..n).collect();
    // Rounded, so that the parts of a conjugate pair, or of values alone and with vectors, do not differ in their last bits.
    let key = |z: c64| (z.re as f32 + 0.0, z.im as f32 + 0.0);
    order.sort_by(|&i, &j| {
        let (a, b) = (key(values[i]), key(values[j]));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    order.iter().enumerate().for_each(|(j, &from)| w[j] = values[from]);
    let (Some(v), Some(vectors)) = (v, vectors) else { return };
    for (j, &from) in order.iter().enumerate() {
        let length = (0..n).map(|i| vectors[(i, from)].norm_sqr()).sum::<f64>().sqrt();
        (0..n).for_each(|i| v[i * n + j] = vectors[(i, from)] / length);
        straighten(n, n, v, j);
    }
}

/// The pseudo-inverse of an `m` by `n` matrix, `n` by `m`: singular values up to `cutoff` times the largest count as 0.
pub fn pinv<T: Scalar>(m: usize, n: usize, a: &[T], p: &mut [T], cutoff: f64) {
    let k = m.min(n);
    let (mut u, mut s, mut vt) = (vec![T::real(0.0); m * k], vec![0.0; k], vec![T::real(0.0); k * n]);
    svd(m, n, a, &mut s, Some((&mut u, &mut vt)));
    let least = cutoff * s.first().copied().unwrap_or(0.0);
    p.fill(T::real(0.0));
    // A NaN is kept.
    for j in (0..k).filter(|&j| !(s[j] <= least)) {
        for (i, row) in p.chunks_exact_mut(m.max(1)).enumerate() {
            let factor = vt[j * n + i].conjugate() * T::real(-1.0 / s[j]);
            row.iter_mut().enumerate().for_each(|(r, x)| *x -= factor * u[r * k + j].conjugate());
        }
    }
}
