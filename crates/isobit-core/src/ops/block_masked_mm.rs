//! Products of matrices with blocks left out.

use super::matmul::promoted;
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// `((a where mask_lhs) @ (b where mask_rhs)) where mask_out`, each mask with one entry per block of `block` by `block`
/// elements (the last ones of a row or column may be smaller).
///
/// A bool mask selects: what it hides is zero, NaN or not. A mask of numbers multiplies.
///
/// # Shapes
/// `a`: `[..., M, K]`, `b`: `[..., K, N]` (or 1-d, as in `matmul`); `mask_lhs`: `[..., ceil(M / block), ceil(K / block)]`,
/// `mask_rhs` and `mask_out` likewise for `K` by `N` and `M` by `N`. Leading axes broadcast. Result `[..., M, N]`.
///
/// # Dtypes
/// `a` and `b`: floats, promoted; numbers in masks are converted to that dtype.
///
/// # Gradients
/// With respect to `a`, `b` and masks of floats.
///
/// # Errors
/// A block of size 0, a mask that has not one entry per block, and what `matmul` refuses.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let (a, b) = (ops::ones(&[2, 3], Dtype::F32)?, ops::ones(&[3, 2], Dtype::F32)?);
/// // Blocks of two by two: the third column of `a` is a block of its own, and left out.
/// let mask = Array::from_slice(&[true, false], &[1, 2])?;
/// let y = ops::block_masked_mm(&a, &b, 2, None, Some(&mask), None)?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0; 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn block_masked_mm(
    a: &Array,
    b: &Array,
    block: usize,
    mask_out: Option<&Array>,
    mask_lhs: Option<&Array>,
    mask_rhs: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "block_masked_mm";
    if block == 0 {
        return Err(Error::value(OP, "expected blocks of at least one element, got 0"));
    }
    let (a, b) = promoted(OP, a, b)?;
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    let a = if row { super::expand_dims(&a, 0)? } else { a };
    let b = if column { super::expand_dims(&b, 1)? } else { b };
    let out = super::matmul(&masked(&a, mask_lhs, block, "mask_lhs")?, &masked(&b, mask_rhs, block, "mask_rhs")?)?;
    let out = masked(&out, mask_out, block, "mask_out")?;
    let out = if row { super::squeeze(&out, -2)? } else { out };
    if column { super::squeeze(&out, -1) } else { Ok(out) }
}

/// `x` with a mask over its blocks applied.
fn masked(x: &Array, mask: Option<&Array>, block: usize, name: &str) -> Result<Array> {
    let Some(mask) = mask else { return Ok(x.clone()) };
    let n = x.ndim();
    let sizes = [x.shape()[n - 2], x.shape()[n - 1]];
    let blocks = sizes.map(|size| size.div_ceil(block));
    if mask.ndim() < 2 || mask.shape()[mask.ndim() - 2..] != blocks {
        let got = mask.shape();
        return Err(Error::value(
            "block_masked_mm",
            format!("expected a {name} of [..., {}, {}], got {got:?}", blocks[0], blocks[1]),
        ));
    }
    let mut mask = mask.clone();
    for (axis, (size, blocks)) in [-2isize, -1].into_iter().zip(sizes.into_iter().zip(blocks)) {
        mask = super::repeat(&mask, block, axis)?;
        if size != blocks * block {
            let d = (mask.ndim() as isize + axis) as usize;
            let (start, mut stop) = (vec![0; d + 1], vec![isize::MAX; d + 1]);
            stop[d] = size as isize;
            mask = super::slice(&mask, &start, &stop, &vec![1; d + 1])?;
        }
    }
    if mask.dtype() == Dtype::Bool {
        return super::where_(&mask, x, &super::constant(x, 0.0));
    }
    super::multiply(x, &super::astype(&mask, x.dtype())?)
}
