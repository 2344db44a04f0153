//! Slices at indices: one small copy per index.
//!
//! Cost: a row of an embedding table is one memcpy; single elements are one load and store each.

use super::{Indices, Shared, begin, by_size, done};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::layout::contiguous_strides;
use isobit_core::ops::gather::Gather;
use isobit_core::{Result, Spec, Tensor};
use isobit_kernels::copy::CopyPlan;
use isobit_kernels::par;

/// How many indices are resolved at a time.
const BATCH: usize = 512;

/// Where the slices that index arrays mean begin: element offsets under given strides.
pub(super) struct Starts {
    indices: Vec<Indices>,
    /// Per index array: size of its axis, of the slice along it, stride.
    axes: Vec<(usize, usize, isize)>,
}

impl Starts {
    pub fn new(
        indices: &[Tensor],
        axes: &[usize],
        shape: &[usize],
        window: &[usize],
        strides: &[isize],
    ) -> Result<Self> {
        let indices = indices.iter().map(Indices::new).collect::<Result<_>>()?;
        Ok(Starts { indices, axes: axes.iter().map(|&d| (shape[d], window[d], strides[d])).collect() })
    }

    /// The offsets of slices `start ..`, as many as `out` takes (at most [`BATCH`]).
    fn read(&self, start: usize, out: &mut [isize]) {
        let mut buffer = [0i64; BATCH];
        out.fill(0);
        for (indices, &(n, window, stride)) in self.indices.iter().zip(&self.axes) {
            let buffer = &mut buffer[..out.len()];
            indices.read(start, buffer);
            out.iter_mut().zip(buffer.iter()).for_each(|(o, &i)| *o += begin(i, n, window) * stride);
        }
    }

    /// Calls `f` with the number and the offset of each slice of `start .. end`, in order.
    pub fn each(&self, start: usize, end: usize, mut f: impl FnMut(usize, isize)) {
        let mut offsets = [0isize; BATCH];
        for at in (start..end).step_by(BATCH) {
            let offsets = &mut offsets[..BATCH.min(end - at)];
            self.read(at, offsets);
            offsets.iter().enumerate().for_each(|(i, &o)| f(at + i, o));
        }
    }
}

/// Slices of the first input at the places that the others say.
pub fn gather(p: &Gather, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let x = &inputs[0];
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() == 0 {
        return done(out);
    }
    let item = x.dtype().size();
    let window = p.window(x.shape());
    let each: usize = window.iter().product();
    let count = out.size() / each;
    let starts = Starts::new(&inputs[1..], p.axes(), x.shape(), &window, x.strides())?;
    let plan = CopyPlan::new(item, &window, x.strides(), &contiguous_strides(&window));
    let (from, to) = (Shared::new(x.as_byte_ptr()), Shared::new(out.as_mut_byte_ptr()));
    if count == 1 {
        // SAFETY: offsets are clamped so that the slice lies inside the input; the output has one slice.
        starts.each(0, 1, |_, o| unsafe { plan.run(from.ptr().offset(o * item as isize), to.ptr()) });
        return done(out);
    }
    let chunk = ((64 << 10) / (each * item)).max(1).next_multiple_of(16);
    par::for_chunks(count, chunk, |a, b| {
        if each == 1 {
            // SAFETY: as below, single elements.
            by_size!(item, T => starts.each(a, b, |k, o| unsafe {
                *to.ptr().cast::<T>().add(k) = *from.ptr().cast::<T>().offset(o);
            }));
        } else {
            // SAFETY: offsets are clamped so that the slice lies inside the input; slice `k` of the fresh output is
            // written by this task alone.
            starts.each(a, b, |k, o| unsafe {
                plan.run(from.ptr().offset(o * item as isize), to.ptr().add(k * each * item));
            });
        }
    });
    done(out)
}
