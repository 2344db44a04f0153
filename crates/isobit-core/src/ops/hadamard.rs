//! The Walsh-Hadamard transform.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// Hadamard matrices that are no powers of two, of MLX's choice: a word per row, whose bit j is set where column j is 1 (and
/// not -1).
const H12: [u32; 12] = [0xffd, 0x554, 0xc37, 0x691, 0x0df, 0xa45, 0x373, 0x919, 0xdc3, 0x469, 0x70f, 0x1a5];
const H20: [u32; 20] = [
    0x6cc21, 0xd1c42, 0xab884, 0x5f108, 0xb6610, 0x9c83e, 0x3945d, 0x7289b, 0xe5117, 0xca60f, 0xf05ac, 0xe8b58,
    0xd92b1, 0xba163, 0x7c2c6, 0x08592, 0x10b05, 0x2122a, 0x42074, 0x840c9,
];
const H28: [u32; 28] = [
    0x3296181, 0x6528382, 0xc854704, 0x92a8e08, 0x2751c10, 0x4ca7820, 0x994b0c0, 0x4b980bc, 0x9534178, 0x2a6c271,
    0x54d8463, 0xa9b0847, 0x536500f, 0xa4ce01e, 0x7804cda, 0xf009935, 0xe21326a, 0xc6224d5, 0x8e409ab, 0x1e81356,
    0x3d0262d, 0x030ed66, 0x041dacd, 0x083b51b, 0x1072ab6, 0x20e15ec, 0x41c2b59, 0x81856b3,
];
/// The largest power of two that is one product.
const STEP: usize = 32;

/// The product of a Hadamard matrix with every row, times `scale` (without one: `1 / sqrt(n)`, so that the matrix is
/// orthonormal). The matrix of size `m 2^k` is the Kronecker product of MLX's matrix of size `m` with Sylvester's.
///
/// # Shapes
/// The last axis has `n = m 2^k` elements for `m` of 1, 12, 20 and 28; a number counts as one. The result has the input's
/// shape.
///
/// # Dtypes
/// Floats; integers count as float32. Sums are float32's or float64's, the result is rounded once.
///
/// # Gradients
/// The transposed matrix times the cotangent, times `scale`.
///
/// # Errors
/// Another length of the last axis; complex64.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[4])?;
/// assert_eq!(ops::hadamard_transform(&a, None)?.to_vec::<f32>()?, [5.0, -1.0, -2.0, 0.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn hadamard_transform(a: &Array, scale: impl Into<Option<f64>>) -> Result<Array> {
    const OP: &str = "hadamard_transform";
    let dtype = a.dtype().at_least_float();
    if !dtype.is_float() {
        return Err(Error::dtype(OP, format!("expected real numbers, got {dtype}")));
    }
    let n = a.shape().last().copied().unwrap_or(1);
    let sizes = factors(n).ok_or_else(|| {
        Error::value(OP, format!("expected a last axis of m 2^k elements with m of 1, 12, 20 or 28, got {n}"))
    })?;
    let wide = dtype.promote(Dtype::F32);
    let scale = scale.into().unwrap_or(1.0 / (n as f64).sqrt());
    let mut x = super::astype(a, wide)?;
    let (mut before, mut after) = (a.size() / n, n);
    for f in sizes {
        after /= f;
        let h = super::astype(&matrix(f)?, wide)?;
        // The factor's axis is the middle one; where nothing is behind it, rows are what is multiplied.
        x = if after == 1 {
            super::matmul(&super::reshape(&x, &[before as isize, f as isize])?, &super::transpose(&h, ..)?)?
        } else {
            super::matmul(&h, &super::reshape(&x, &[before as isize, f as isize, after as isize])?)?
        };
        before *= f;
    }
    let x = super::multiply(&super::reshape(&x, &super::broadcast::signed(a.shape()))?, &super::constant(&x, scale))?;
    super::astype(&x, dtype)
}

/// The sizes whose matrices make up that of size `n`, the largest strides first.
fn factors(n: usize) -> Option<Vec<usize>> {
    let m = [1, 12, 20, 28].into_iter().find(|&m| n.is_multiple_of(m) && (n / m).is_power_of_two())?;
    let mut sizes = if m == 1 { Vec::new() } else { vec![m] };
    let mut rest = n / m;
    while rest > 1 {
        sizes.push(rest.min(STEP));
        rest /= rest.min(STEP);
    }
    Some(sizes)
}

/// The matrix of that size.
fn matrix(n: usize) -> Result<Array> {
    let words: &[u32] = match n {
        12 => &H12,
        20 => &H20,
        28 => &H28,
        _ => &[],
    };
    let positive = |i: usize, j: usize| match words.get(i) {
        Some(row) => row >> j & 1 == 1,
        // Sylvester's: the parity of the bits that both indices have.
        None => (i & j).count_ones().is_multiple_of(2),
    };
    let elements = (0..n * n).map(|k| if positive(k / n, k % n) { 1.0f32 } else { -1.0 });
    Array::from_slice(&elements.collect::<Vec<_>>(), &[n, n])
}
