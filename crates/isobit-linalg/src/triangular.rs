//! Factorisations with triangular factors, and systems of triangular matrices.
//!
//! Elimination and substitution are plain loops of this crate: every element takes its products in ascending order (in a
//! system of an upper triangle descending), one rounding each, in whatever blocks they come. Its bits depend on the matrix
//! alone, not on blocks, instructions or the other columns.
//!
//! ```text
//! for blocks of BLOCK columns: eliminate inside the block; subtract (column block) x (row block) from what is left
//! subtract: tiles of TILE columns, so that a row's part stays in the first-level cache while BLOCK products go into it
//! ```
//!
//! Cost: 2 to 4 multiplications and subtractions a nanosecond; no fused ones, since they would be calls without them.

use crate::{Scalar, finite, matrix, store};

const BLOCK: usize = 32;
const TILE: usize = 256;

/// `a = q r` of an `m` by `n` matrix, `k = min(m, n)`: `q` is `m` by `k` with orthonormal columns, `r` `k` by `n` and upper
/// triangular. By faer. The diagonal of a complex `r` is not negative; of a real one it has the signs of reflections.
pub fn qr<T: Scalar>(m: usize, n: usize, a: &[T], q: &mut [T], r: &mut [T]) {
    if m == 0 || n == 0 {
        return;
    }
    if !finite(a) {
        q.fill(T::NAN);
        return r.fill(T::NAN);
    }
    let f = matrix(m, n, a).qr();
    store(f.compute_thin_Q().as_ref(), q);
    store(f.thin_R(), r);
    let k = m.min(n);
    for i in 0..k {
        r[i * n..i * n + i].fill(T::real(0.0));
        if !T::IS_REAL {
            let turn = r[i * n + i].turn();
            let size = r[i * n + i].magnitude();
            (0..m).for_each(|row| q[row * k + i] *= turn.conjugate());
            r[i * n + i..(i + 1) * n].iter_mut().for_each(|x| *x *= turn);
            r[i * n + i] = T::real(size);
        }
    }
}

/// `to -= factor * from`, element by element.
fn subtract_row<T: Scalar>(to: &mut [T], factor: T, from: &[T]) {
    to.iter_mut().zip(from).for_each(|(t, &f)| *t -= factor * f);
}

/// `c[:, columns] -= a b` for the rows of `c`, of which `n` elements lie from one to the next: `a(i, p)` are the factors of row
/// `i`, row `p` of `b` begins at `p * n`.
fn subtract_product<T: Scalar>(
    c: &mut [T],
    n: usize,
    columns: std::ops::Range<usize>,
    a: impl Fn(&[T], usize) -> T,
    b: &[T],
    depth: usize,
) {
    for from in columns.clone().step_by(TILE) {
        let to = columns.end.min(from + TILE);
        for row in c.chunks_exact_mut(n) {
            for p in 0..depth {
                let factor = a(row, p);
                subtract_row(&mut row[from..to], factor, &b[p * n + from..p * n + to]);
            }
        }
    }
}

/// `a[rows] = l u` of an `m` by `n` matrix, by partial pivoting: `lu` has `u` on and above its diagonal and `l`, whose
/// diagonal is 1, below; step `i` exchanged row `i` with row `pivots[i]`. A column without a pivot is left as it is.
pub fn lu<T: Scalar>(m: usize, n: usize, a: &[T], lu: &mut [T], pivots: &mut [u32], rows: &mut [u32]) {
    rows.iter_mut().enumerate().for_each(|(i, p)| *p = i as u32);
    pivots.iter_mut().enumerate().for_each(|(i, p)| *p = i as u32);
    if m == 0 || n == 0 {
        return;
    }
    if !finite(a) {
        return lu.fill(T::NAN);
    }
    lu.copy_from_slice(a);
    let k = m.min(n);
    for begin in (0..k).step_by(BLOCK) {
        let end = k.min(begin + BLOCK);
        for p in begin..end {
            let pivot = largest(m, n, lu, p);
            pivots[p] = pivot as u32;
            rows.swap(p, pivot);
            exchange(n, lu, p, pivot);
            let (above, below) = lu.split_at_mut((p + 1) * n);
            let row = &above[p * n..];
            if row[p].magnitude() == 0.0 {
                continue;
            }
            for other in below.chunks_exact_mut(n) {
                other[p] /= row[p];
                let factor = other[p];
                subtract_row(&mut other[p + 1..end], factor, &row[p + 1..end]);
            }
        }
        // The block's rows to the right of it, then everything below and to the right.
        for p in begin..end {
            let (above, below) = lu[..end * n].split_at_mut((p + 1) * n);
            let row = &above[p * n..];
            below.chunks_exact_mut(n).for_each(|other| {
                let factor = other[p];
                subtract_row(&mut other[end..], factor, &row[end..]);
            });
        }
        let (above, below) = lu.split_at_mut(end * n);
        subtract_product(below, n, end..n, |row, p| row[begin + p], &above[begin * n..], end - begin);
    }
}

/// The row from `p` on whose element in column `p` is the largest, the first of equals.
fn largest<T: Scalar>(m: usize, n: usize, a: &[T], p: usize) -> usize {
    let size = |i: usize| a[i * n + p].magnitude();
    (p + 1..m).fold(p, |best, i| if size(i) > size(best) { i } else { best })
}

fn exchange<T: Scalar>(n: usize, a: &mut [T], i: usize, j: usize) {
    if i != j {
        let (low, high) = (i.min(j), i.max(j));
        let (head, tail) = a.split_at_mut(high * n);
        head[low * n..(low + 1) * n].swap_with_slice(&mut tail[..n]);
    }
}

/// `a = l l*` of an `n` by `n` matrix that is symmetric; only its lower triangle is looked at. A pivot that is negative by
/// no more than `tolerance` times the diagonal element counts as 0, and so does its column: of semidefinite matrices rounding
/// leaves such ones. Whether there is no other negative pivot: if there is, the matrix is not positive semidefinite.
pub fn cholesky(n: usize, a: &[f64], l: &mut [f64], tolerance: f64) -> bool {
    if !(0..n).all(|i| finite(&a[i * n..i * n + i + 1])) {
        l.fill(f64::NAN);
        return true;
    }
    for (i, row) in l.chunks_exact_mut(n.max(1)).enumerate() {
        row[..=i].copy_from_slice(&a[i * n..i * n + i + 1]);
        row[i + 1..].fill(0.0);
    }
    // The block's columns below it, as rows.
    let mut turned = vec![0.0; BLOCK * n];
    for begin in (0..n).step_by(BLOCK) {
        let end = n.min(begin + BLOCK);
        for p in begin..end {
            let pivot = l[p * n + p];
            if pivot < -tolerance * a[p * n + p].abs() {
                return false;
            }
            let root = pivot.max(0.0).sqrt();
            l[p * n + p] = root;
            for i in p + 1..n {
                let x = if root == 0.0 { 0.0 } else { l[i * n + p] / root };
                l[i * n + p] = x;
                turned[(p - begin) * n + i] = x;
            }
            for i in p + 1..n {
                let factor = l[i * n + p];
                let to = end.min(i + 1);
                let row = &turned[(p - begin) * n..][..n];
                subtract_row(&mut l[i * n + p + 1..i * n + to.max(p + 1)], factor, &row[p + 1..to.max(p + 1)]);
            }
        }
        // Bands of rows up to their diagonal; what comes above it in a band is cleared again.
        for top in (end..n).step_by(BLOCK) {
            let bottom = n.min(top + BLOCK);
            let band = &mut l[top * n..bottom * n];
            subtract_product(band, n, end..bottom, |row, p| row[begin + p], &turned, end - begin);
            band.chunks_exact_mut(n).enumerate().for_each(|(i, row)| row[top + i + 1..].fill(0.0));
        }
    }
    true
}

/// Solves `a x = b` for the `n` by `k` matrix `b`, in place. Of the `n` by `n` matrix `a` only one triangle is looked at;
/// with `unit` its diagonal counts as 1.
pub fn solve_triangular<T: Scalar>(n: usize, k: usize, a: &[T], b: &mut [T], upper: bool, unit: bool) {
    if n == 0 || k == 0 {
        return;
    }
    if upper {
        // From the last row to the first: both matrices turned round.
        let turned: Vec<T> = a.iter().rev().copied().collect();
        let around = |b: &mut [T]| (0..n / 2).for_each(|i| exchange(k, b, i, n - 1 - i));
        around(b);
        substitute(n, k, &turned, b, unit);
        return around(b);
    }
    substitute(n, k, a, b, unit);
}

fn substitute<T: Scalar>(n: usize, k: usize, a: &[T], b: &mut [T], unit: bool) {
    for begin in (0..n).step_by(BLOCK) {
        let end = n.min(begin + BLOCK);
        for i in begin..end {
            let (above, row) = b[..(i + 1) * k].split_at_mut(i * k);
            for j in begin..i {
                subtract_row(row, a[i * n + j], &above[j * k..(j + 1) * k]);
            }
            if !unit {
                row.iter_mut().for_each(|x| *x /= a[i * n + i]);
            }
        }
        let (above, below) = b.split_at_mut(end * k);
        for (i, row) in below.chunks_exact_mut(k).enumerate() {
            let factors = &a[(end + i) * n + begin..(end + i) * n + end];
            subtract_product(row, k, 0..k, |_, p| factors[p], &above[begin * k..], end - begin);
        }
    }
}
