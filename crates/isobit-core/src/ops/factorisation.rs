//! What the rules of factorisations share: checks, adjoints, parts of a matrix, and reverse rules from forward ones.
//!
//! Derivatives of factorisations are known as forward rules, linear maps from the tangent of the matrix to those of the factors.
//! The reverse rule is the transpose of that map, and reverse mode applied to the map computes it.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::Scalar;
use crate::prim::{Grads, Jvp, Primitive, Vjp};
use crate::spec::Spec;
use crate::transforms;

/// Rows and columns of a matrix, or of each of a batch.
pub(super) fn rows_and_columns(op: &'static str, x: &Spec) -> Result<(usize, usize)> {
    match x.shape[..] {
        [.., m, n] => Ok((m, n)),
        _ => Err(Error::value(op, format!("expected at least 2 dimensions, got {}", x.ndim()))),
    }
}

/// The size of a square matrix, or of each of a batch.
pub(super) fn square(op: &'static str, x: &Spec) -> Result<usize> {
    match rows_and_columns(op, x)? {
        (m, n) if m == n => Ok(n),
        _ => Err(Error::value(op, format!("expected square matrices, got shape {:?}", x.shape.as_slice()))),
    }
}

/// float32, float64 and, if `complex`, complex64.
pub(super) fn require_dtype(op: &'static str, dtype: Dtype, complex: bool) -> Result<()> {
    match dtype {
        Dtype::F32 | Dtype::F64 => Ok(()),
        Dtype::C64 if complex => Ok(()),
        _ if complex => Err(Error::dtype(op, format!("expected float32, float64 or complex64, got {dtype}"))),
        _ => Err(Error::dtype(op, format!("expected float32 or float64, got {dtype}"))),
    }
}

/// The dtype of magnitudes.
pub(super) fn real_dtype(dtype: Dtype) -> Dtype {
    if dtype == Dtype::C64 { Dtype::F32 } else { dtype }
}

/// A spec with the leading axes of `x`, the batch, and these.
pub(super) fn batch_of(x: &Spec, last: &[usize], dtype: Dtype) -> Spec {
    let mut shape = x.shape.clone();
    shape.truncate(x.ndim().saturating_sub(2));
    shape.extend_from_slice(last);
    Spec { shape, dtype }
}

/// The matrix with rows and columns exchanged.
pub(super) fn turned(a: &Array) -> Result<Array> {
    super::swapaxes(a, -1, -2)
}

/// The conjugate transpose.
pub(super) fn adjoint(a: &Array) -> Result<Array> {
    super::conj(&turned(a)?)
}

/// The elements of the last axis from `start` to `stop`.
pub(super) fn columns(a: &Array, start: usize, stop: usize) -> Result<Array> {
    let d = a.ndim() - 1;
    let (mut from, mut to) = (vec![0; a.ndim()], a.shape().iter().map(|&n| n as isize).collect::<Vec<_>>());
    (from[d], to[d]) = (start as isize, stop as isize);
    super::slice(a, &from, &to, &vec![1; a.ndim()])
}

/// The rows from `start` to `stop`.
pub(super) fn rows(a: &Array, start: usize, stop: usize) -> Result<Array> {
    turned(&columns(&turned(a)?, start, stop)?)
}

/// The identity matrix of the dtype of `like`.
pub(super) fn identity_like(like: &Array, n: usize) -> Result<Array> {
    super::eye(n, n, 0, like.dtype())
}

/// `u / v` off the diagonal and 0 on it; there `v` may be 0.
pub(super) fn off_diagonal_ratio(u: &Array, v: &Array, n: usize) -> Result<Array> {
    let diagonal = super::eye(n, n, 0, Dtype::Bool)?;
    let zero = Array::scalar(0.0, u.dtype());
    let one = Array::scalar(1.0, v.dtype());
    super::where_(&diagonal, &zero, &super::divide(u, &super::where_(&diagonal, &one, v)?)?)
}

/// The Hermitian matrix of which only the lower triangle is looked at.
pub(super) fn from_lower_triangle(a: &Array) -> Result<Array> {
    let n = a.shape()[a.ndim() - 1];
    let below = super::tril(a, -1)?;
    let diagonal =
        super::where_(&super::eye(n, n, 0, Dtype::Bool)?, &super::real(a)?, &Array::scalar(0.0, Dtype::F32))?;
    super::add(&super::add(&below, &diagonal)?, &adjoint(&below)?)
}

/// The imaginary numbers by which columns of complex vectors `u`, whose tangents are `du` before, turn so that their leading
/// elements stay positive.
pub(super) fn turn_of_columns(u: &Array, du: &Array) -> Result<Array> {
    let size = super::abs(u)?;
    let large = super::multiply(&super::max(&size, -2, true)?, &Array::scalar(LEADER, size.dtype()))?;
    let leads = super::astype(&super::greater_equal(&size, &large)?, Dtype::U8)?;
    let at = super::argmax(&leads, -2, true)?;
    let lead = |x: &Array| super::take_along_axis(x, &at, -2);
    let angle = super::divide(&super::imag(&lead(du)?)?, &super::real(&lead(u)?)?)?;
    super::multiply(&angle, &Array::scalar(Scalar::Complex(0.0, 1.0), Dtype::C64))
}

/// The share of the largest magnitude in a vector from which an element counts as about as large: the first such element, the
/// leading one, is positive in singular vectors and eigenvectors.
pub const LEADER: f64 = 0.999;

/// The reverse rule of a primitive as the transpose of its forward rule.
pub(super) fn transposed(prim: &impl Primitive, cx: &Vjp<'_>) -> Result<Grads> {
    let zeros = cx.inputs.iter().map(super::zeros_like).collect::<Result<Vec<_>>>()?;
    let outs: Vec<usize> = (0..cx.outs.len()).filter(|&k| cx.cts[k].is_some()).collect();
    let cts = outs.iter().map(|&k| cx.ct_of(k)).collect::<Result<Vec<_>>>()?;
    let forward = |ts: &[Array]| {
        let tangents: Vec<Option<Array>> = ts.iter().zip(cx.wanted).map(|(t, w)| w.then(|| t.clone())).collect();
        let all = prim.jvp(&Jvp { inputs: cx.inputs, outs: cx.outs, tangents: &tangents })?;
        outs.iter().map(|&k| all[k].clone().map_or_else(|| super::zeros_like(&cx.outs[k]), Ok)).collect()
    };
    let (_, grads) = transforms::vjp(forward, &zeros, &cts)?;
    Ok(grads.into_iter().zip(cx.wanted).map(|(g, w)| w.then_some(g)).collect())
}
