//! Cumulative operations along an axis.

use crate::lines::{elements, elements_mut, with_float, with_type};
use crate::{CPU, complex};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::ops::scan::Scan;
use isobit_core::{Dtype, Result, Spec, Tensor};
use isobit_kernels::scan::{self as kernels, ScanOp, ScanSpec};
use smallvec::smallvec;

/// How the kernels see a scan of an array of that shape.
pub fn spec(shape: &[usize], p: Scan) -> ScanSpec {
    let inner = shape[p.axis + 1..].iter().product();
    ScanSpec { n: shape[p.axis], inner, inclusive: p.inclusive, reverse: p.reverse }
}

/// A cumulative operation.
pub fn scan(op: ScanOp, p: Scan, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    if outs[0].dtype == Dtype::C64 {
        return complex::cumulate(op, p, inputs, &outs[0]);
    }
    let src = CPU.contiguous(inputs.remove(0))?;
    let out = Tensor::alloc(src.shape(), src.dtype())?;
    let spec = spec(src.shape(), p);
    debug_assert_eq!(outs[0].dtype, src.dtype());
    with_type!("scan", src.dtype(), T => {
        // SAFETY: both are dense tensors of this dtype; the output is fresh.
        let (from, to) = unsafe { (elements::<T>(&src), elements_mut::<T>(&out)) };
        kernels::scan(op, from, to, spec);
    });
    if src.dtype() == Dtype::Bool && op == ScanOp::Min && !p.inclusive {
        // The largest byte, with which an exclusive minimum starts, is no bool.
        // SAFETY: as above; every element has been written.
        unsafe { elements_mut::<u8>(&out) }.iter_mut().for_each(|b| *b = (*b).min(1));
    }
    Ok(Ran::Done(smallvec![out]))
}

/// `h[i] = a[i] * h[i - 1] + b[i]`.
pub fn linear_recurrence(p: Scan, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let b = CPU.contiguous(inputs.remove(1))?;
    let a = CPU.contiguous(inputs.remove(0))?;
    if a.dtype() == Dtype::C64 {
        return complex::linear_recurrence(p, &a, &b);
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let spec = spec(&outs[0].shape, p);
    with_float!("linear_recurrence", a.dtype(), T => {
        // SAFETY: dense tensors of this dtype; the output is fresh.
        let (a, b, to) = unsafe { (elements::<T>(&a), elements::<T>(&b), elements_mut::<T>(&out)) };
        kernels::linear_recurrence(a, b, to, spec);
    });
    Ok(Ran::Done(smallvec![out]))
}
