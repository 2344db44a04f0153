//! Factorisations of one dense matrix of `f64` or complex `f64`, on the calling thread. A crate of its own, because that of
//! faer, which computes QR, singular values and eigenvalues, takes a while to compile.
//!
//! ```text
//! matrices: row-major slices; a result goes to a slice of the caller's
//! a matrix that holds a NaN or an infinity, or whose iteration does not converge: results of NaN, never a panic or a hang
//! ```
//!
//! What mathematics leaves open is fixed here, so that results do not depend on the algorithm: the order of eigenvalues, the
//! signs (phases) and lengths of singular vectors and eigenvectors. The signs of QR are those of Householder reflections, as
//! LAPACK has them.
//!
//! No array, no dtype, no thread, no batch: the backend knows those. Elimination and
//! substitution give the same bits everywhere. faer chooses its instructions by the machine at run time: what it computes has the
//! same bits on one machine, and may differ in the last bits of `f64` between machines.

mod scalar;
mod spectral;
mod triangular;

pub use faer::c64;
pub use scalar::Scalar;
pub use spectral::{LEADER, eig, eigh, pinv, svd};
pub use triangular::{cholesky, lu, qr, solve_triangular};

use faer::MatRef;

fn finite<T: Scalar>(a: &[T]) -> bool {
    a.iter().all(|x| x.finite())
}

fn matrix<T>(m: usize, n: usize, a: &[T]) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(a, m, n)
}

/// The columns `0..n` of a matrix, row-major.
fn store<T: Copy>(from: MatRef<'_, T>, to: &mut [T]) {
    let n = from.ncols();
    debug_assert_eq!(to.len(), from.nrows() * n);
    for (i, row) in to.chunks_exact_mut(n.max(1)).enumerate() {
        row.iter_mut().enumerate().for_each(|(j, x)| *x = from[(i, j)]);
    }
}

#[cfg(test)]
mod tests;
