//! Elements moved, not changed: copies, joins, borders, gathers, scatters, ranges.
//!
//! Where values are only moved there is one instance per element size, not per dtype.

mod along;
mod copy;
mod gather;
mod ranges;
mod scatter;
#[cfg(test)]
mod tests;

pub use along::{put_along_axis, take_along_axis};
pub use copy::copy;
pub use gather::gather;
pub use ranges::{arange, linspace};
pub use scatter::scatter;

use isobit_core::backend::{Inputs, Ran};
use isobit_core::ops::concatenate::Concatenate;
use isobit_core::ops::pad::Pad;
use isobit_core::ops::slice_update::SliceUpdate;
use isobit_core::{Dtype, Result, Shape, Spec, Tensor};
use isobit_kernels::copy::CopyPlan;
use smallvec::{SmallVec, smallvec};

/// A pointer that the tasks of one kernel share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: kernels hand disjoint parts to their tasks, or only read.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(p: *const T) -> Shared<T> {
        Shared(p.cast_mut())
    }

    #[inline(always)]
    pub fn ptr(self) -> *mut T {
        self.0
    }
}

/// Runs an expression with `$t` as the unsigned integer of that many bytes.
macro_rules! by_size {
    ($size:expr, $t:ident => $e:expr) => {
        match $size {
            1 => {
                type $t = u8;
                $e
            }
            2 => {
                type $t = u16;
                $e
            }
            4 => {
                type $t = u32;
                $e
            }
            _ => {
                type $t = u64;
                $e
            }
        }
    };
}
pub(crate) use by_size;

pub(crate) fn done(t: Tensor) -> Result<Ran> {
    Ok(Ran::Done(smallvec![t]))
}

/// The first input with its values in a buffer that the kernel may overwrite: its own if nobody else holds it, else a
/// copy.
fn owned(mut x: Tensor) -> Result<Tensor> {
    let (shape, dtype): (Shape, Dtype) = (x.shape().into(), x.dtype());
    match x.donate(&shape, dtype) {
        Some(out) => Ok(out),
        None => copy(&x),
    }
}

/// The input, dense and row-major.
fn dense(x: Tensor) -> Result<Tensor> {
    if x.is_contiguous() { Ok(x) } else { copy(&x) }
}

/// The input, dense and row-major.
pub fn contiguous(mut inputs: Inputs) -> Result<Ran> {
    done(dense(inputs.swap_remove(0))?)
}

/// Inputs one after the other along an axis.
pub fn concatenate(p: &Concatenate, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let item = out.dtype().size();
    let mut at = 0;
    for x in &inputs {
        let plan = CopyPlan::new(item, x.shape(), x.strides(), out.strides());
        let skip = at * out.strides()[p.axis()] as usize * item;
        // SAFETY: the input's elements, and the part of the fresh output that begins at `at` along the axis.
        unsafe { plan.run(x.as_byte_ptr(), out.as_mut_byte_ptr().add(skip)) };
        at += x.shape()[p.axis()];
    }
    done(out)
}

/// A region of the first input replaced by the second.
pub fn slice_update(p: &SliceUpdate, mut inputs: Inputs) -> Result<Ran> {
    let update = inputs.swap_remove(1);
    let out = owned(inputs.swap_remove(0))?;
    let region = p.region();
    if update.size() == 0 {
        return done(out);
    }
    let item = out.dtype().size();
    let strides: SmallVec<[isize; 4]> = out.strides().iter().zip(region.step()).map(|(s, k)| s * k).collect();
    let skip: isize = out.strides().iter().zip(region.start()).map(|(s, k)| s * k).sum();
    let plan = CopyPlan::new(item, update.shape(), update.strides(), &strides);
    // SAFETY: `infer` has checked that the region lies inside the output, which this kernel alone holds.
    unsafe { plan.run(update.as_byte_ptr(), out.as_mut_byte_ptr().offset(skip * item as isize)) };
    done(out)
}

/// The first input with the second, one value, around it.
pub fn pad(p: &Pad, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let (x, value) = (&inputs[0], &inputs[1]);
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let item = out.dtype().size();
    let low: SmallVec<[usize; 4]> = p.low().collect();
    let still: SmallVec<[isize; 4]> = smallvec![0; out.ndim()];
    let fill = |start: &[usize], shape: &[usize]| {
        let skip: usize = start.iter().zip(out.strides()).map(|(&k, &s)| k * s as usize).sum();
        let plan = CopyPlan::new(item, shape, &still, out.strides());
        if !shape.contains(&0) {
            // SAFETY: one element read again and again; a block inside the fresh output.
            unsafe { plan.run(value.as_byte_ptr(), out.as_mut_byte_ptr().add(skip * item)) };
        }
    };
    // Before and after the array along each axis; earlier axes only where the array is, later ones whole.
    let mut start: SmallVec<[usize; 4]> = smallvec![0; out.ndim()];
    let mut shape: Shape = out.shape().into();
    for d in 0..out.ndim() {
        let (n, whole) = (x.shape()[d], out.shape()[d]);
        shape[d] = low[d];
        fill(&start, &shape);
        start[d] = low[d] + n;
        shape[d] = whole - start[d];
        fill(&start, &shape);
        (start[d], shape[d]) = (low[d], n);
    }
    if x.size() > 0 {
        let skip: usize = low.iter().zip(out.strides()).map(|(&k, &s)| k * s as usize).sum();
        let plan = CopyPlan::new(item, x.shape(), x.strides(), out.strides());
        // SAFETY: the array's elements, and the block of the fresh output that is left.
        unsafe { plan.run(x.as_byte_ptr(), out.as_mut_byte_ptr().add(skip * item)) };
    }
    done(out)
}

/// The elements of an integer tensor that are needed as indices: dense, readable from any position.
pub(crate) struct Indices {
    tensor: Tensor,
}

impl Indices {
    pub fn new(tensor: &Tensor) -> Result<Indices> {
        Ok(Indices { tensor: dense(tensor.clone())? })
    }

    /// Elements `start ..` as many as `out` takes; values beyond `i64` saturate.
    pub fn read(&self, start: usize, out: &mut [i64]) {
        debug_assert!(start + out.len() <= self.tensor.size());
        macro_rules! read {
            ($t:ty) => {{
                // SAFETY: the elements of a dense tensor of this dtype, in bounds.
                let from = unsafe { std::slice::from_raw_parts(self.tensor.as_ptr::<$t>().add(start), out.len()) };
                out.iter_mut().zip(from).for_each(|(o, &i)| *o = i64::try_from(i).unwrap_or(i64::MAX));
            }};
        }
        match self.tensor.dtype() {
            Dtype::U8 => read!(u8),
            Dtype::U16 => read!(u16),
            Dtype::U32 => read!(u32),
            Dtype::U64 => read!(u64),
            Dtype::I8 => read!(i8),
            Dtype::I16 => read!(i16),
            Dtype::I32 => read!(i32),
            Dtype::I64 => read!(i64),
            d => unreachable!("indices of dtype {d} are refused when the graph is built"),
        }
    }
}

/// Where a slice of `window` elements begins along an axis of `n`: negative counts from the end, then clamped.
#[inline(always)]
pub(crate) fn begin(index: i64, n: usize, window: usize) -> isize {
    let at = if index < 0 { index.saturating_add(n as i64) } else { index };
    at.clamp(0, n as i64 - window as i64) as isize
}
