//! Products over segments of the inner axis: for each segment a product of two slices, which are views.
//!
//! ```text
//! segmented_mm     out[s] = a[:, start..end] @ b[start..end, :]
//! segmented_outer  out[:, start..end] += c[s] @ b[start..end, :].T    in float32 or float64, segments ascending
//! ```

use crate::quant::convert;
use half::{bf16, f16};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::gemm::{self, Element, Epilogue, Mat, OutMat};
use smallvec::smallvec;
use std::ops::Range;

/// The matrix of a tensor's last two axes that begins at the element with these first indices.
fn mat<T>(t: &Tensor, index: &[usize]) -> Mat<T> {
    let d = t.ndim();
    Mat::new(at(t, index), t.strides()[d - 2], t.strides()[d - 1])
}

/// Where the element with these first indices is.
fn at<T>(t: &Tensor, index: &[usize]) -> *const T {
    let from: isize = index.iter().zip(t.strides()).map(|(&i, &s)| i as isize * s).sum();
    t.as_ptr::<T>().wrapping_offset(from)
}

/// Where the segments of a batch begin and end, `[B][S]`.
fn ranges(cpu: &dyn Backend, t: &Tensor, k: usize) -> Result<Vec<Vec<Range<usize>>>> {
    let (batch, count) = (t.shape()[0], t.shape()[1]);
    let t = convert(cpu.contiguous(t.clone())?, Dtype::I64)?;
    // SAFETY: the tensor is dense and of 64-bit integers.
    let list = unsafe { t.as_slice::<i64>() };
    let list = list.ok_or_else(|| Error::runtime("segmented_mm", "the segments are not dense"))?;
    let place = |i: i64| if i < 0 { i.saturating_add(k as i64) } else { i }.clamp(0, k as i64) as usize;
    let pairs: Vec<Range<usize>> = list
        .chunks_exact(2)
        .map(|p| {
            let (start, end) = (place(p[0]), place(p[1]));
            start..end.max(start)
        })
        .collect();
    Ok((0..batch).map(|b| pairs[b * count..(b + 1) * count].to_vec()).collect())
}

/// `a[:, start..end] @ b[start..end, :]` for every segment.
pub fn segmented_mm(cpu: &dyn Backend, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        let (a, b) = (&inputs[0], &inputs[1]);
        let ranges = ranges(cpu, &inputs[2], a.shape()[2])?;
        match out.dtype() {
            Dtype::F32 => products::<f32>(a, b, &ranges, &out),
            Dtype::F16 => products::<f16>(a, b, &ranges, &out),
            Dtype::BF16 => products::<bf16>(a, b, &ranges, &out),
            Dtype::F64 => products::<f64>(a, b, &ranges, &out),
            other => return Err(Error::dtype("segmented_mm", format!("no product of {other}"))),
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

fn products<T: Element>(a: &Tensor, b: &Tensor, ranges: &[Vec<Range<usize>>], out: &Tensor) {
    let (m, n) = (out.shape()[2], out.shape()[3]);
    let strides = out.strides();
    for (i, ranges) in ranges.iter().enumerate() {
        for (s, range) in ranges.iter().enumerate() {
            let to = OutMat::new(at::<T>(out, &[i, s]).cast_mut(), strides[2], strides[3]);
            let (left, right) = (mat(a, &[i, 0, range.start]), mat(b, &[i, range.start]));
            // SAFETY: shapes were checked by `infer`, a segment lies inside the inner axis, strides stay inside their
            // buffers, and `out` is fresh and dense.
            unsafe { gemm::gemm(m, n, range.len(), left, right, to, Epilogue::none()) };
        }
    }
}

/// The sum of `c[s] @ b[start..end, :].T` in the columns of each segment.
pub fn segmented_outer(cpu: &dyn Backend, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let spec = &outs[0];
    let wide = if spec.dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let out = Tensor::alloc(&spec.shape, wide)?;
    if out.size() > 0 {
        let ranges = ranges(cpu, &inputs[2], spec.shape[2])?;
        let c = convert(inputs[0].clone(), wide)?;
        let b = convert(inputs[1].clone(), wide)?;
        match wide {
            Dtype::F64 => sums::<f64>(&c, &b, &ranges, &out, 0.0, 1.0),
            _ => sums::<f32>(&c, &b, &ranges, &out, 0.0, 1.0),
        }
    }
    Ok(Ran::Done(smallvec![convert(out, spec.dtype)?]))
}

fn sums<T: Element<Acc = T>>(c: &Tensor, b: &Tensor, ranges: &[Vec<Range<usize>>], out: &Tensor, zero: T, one: T) {
    let (m, k, n) = (out.shape()[1], out.shape()[2], b.shape()[2]);
    let first = out.as_mut_ptr::<T>();
    for i in 0..out.size() {
        // SAFETY: `out` is fresh and dense.
        unsafe { first.add(i).write(zero) };
    }
    for (i, ranges) in ranges.iter().enumerate() {
        for (s, range) in ranges.iter().enumerate().filter(|(_, r)| !r.is_empty()) {
            let left = mat::<T>(c, &[i, s]);
            let right = mat::<T>(b, &[i, range.start]).t();
            let at = i * m * k + range.start;
            let to = OutMat::new(first.wrapping_add(at), k as isize, 1);
            let sum = Mat::new(first.wrapping_add(at).cast_const(), k as isize, 1);
            // SAFETY: as in `products`; what is added is the output itself, element for element.
            unsafe { gemm::gemm(m, range.len(), n, left, right, to, Epilogue::addmm(one, one, sum)) };
        }
    }
}
