//! Sorts, partitions and searches: rows for the kernels, results back in place.

use crate::complex;
use crate::lines::{axes_back, axes_last, elements, elements_mut, moved_shape, with_type};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::ops::Side;
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::sort as kernels;
use smallvec::smallvec;

/// Sorted, or partitioned around position `kth`, along `axis`.
pub fn elements_in_order(mut inputs: Inputs, outs: &[Spec], axis: usize, kth: Option<usize>) -> Result<Ran> {
    if outs[0].dtype == Dtype::C64 {
        return complex::sorted(inputs, axis, kth, true);
    }
    let (src, out) = prepare(&mut inputs, &outs[0], axis)?;
    let n = outs[0].shape[axis];
    with_type!("sort", src.dtype(), T => {
        // SAFETY: both are dense tensors of this dtype; the output is fresh.
        let (src, dst) = unsafe { (elements::<T>(&src), elements_mut::<T>(&out)) };
        match kth {
            _ if src.is_empty() => {}
            None => kernels::sort(src, dst, n),
            Some(kth) => kernels::partition(src, dst, n, kth),
        }
    });
    Ok(Ran::Done(smallvec![axes_back(out, &[axis])]))
}

/// The positions that [`elements_in_order`] takes its elements from.
pub fn positions_in_order(mut inputs: Inputs, outs: &[Spec], axis: usize, kth: Option<usize>) -> Result<Ran> {
    let n = outs[0].shape[axis];
    if u32::try_from(n).is_err() {
        return Err(Error::runtime("argsort", format!("expected at most 2^32 - 1 elements along the axis, got {n}")));
    }
    if inputs[0].dtype() == Dtype::C64 {
        return complex::sorted(inputs, axis, kth, false);
    }
    let (src, out) = prepare(&mut inputs, &outs[0], axis)?;
    with_type!("argsort", src.dtype(), T => {
        // SAFETY: as above; the output is uint32.
        let (src, dst) = unsafe { (elements::<T>(&src), elements_mut::<u32>(&out)) };
        match kth {
            _ if src.is_empty() => {}
            None => kernels::argsort(src, dst, n),
            Some(kth) => kernels::argpartition(src, dst, n, kth),
        }
    });
    Ok(Ran::Done(smallvec![axes_back(out, &[axis])]))
}

/// The input with rows along `axis`, and a fresh output of that shape.
fn prepare(inputs: &mut Inputs, out: &Spec, axis: usize) -> Result<(Tensor, Tensor)> {
    let src = axes_last(inputs.remove(0), &[axis])?;
    let out = Tensor::alloc(&moved_shape(&out.shape, &[axis]), out.dtype)?;
    Ok((src, out))
}

/// For every value its place in its row's sequence.
pub fn searchsorted(mut inputs: Inputs, outs: &[Spec], side: Side) -> Result<Ran> {
    let values = axes_last(inputs.remove(1), &[])?;
    let sorted = axes_last(inputs.remove(0), &[])?;
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let (n, m) = (sorted.shape()[sorted.ndim() - 1], values.shape()[values.ndim() - 1]);
    if u32::try_from(n).is_err() {
        return Err(Error::runtime("searchsorted", format!("expected at most 2^32 - 1 sorted elements, got {n}")));
    }
    if sorted.dtype() == Dtype::C64 {
        complex::searchsorted(&sorted, &values, side, &out)?;
        return Ok(Ran::Done(smallvec![out]));
    }
    with_type!("searchsorted", sorted.dtype(), T => {
        // SAFETY: dense tensors of this dtype; the output is fresh and uint32.
        let (s, v, dst) = unsafe { (elements::<T>(&sorted), elements::<T>(&values), elements_mut::<u32>(&out)) };
        kernels::search(s, n, v, m, dst, side == Side::Right);
    });
    Ok(Ran::Done(smallvec![out]))
}
