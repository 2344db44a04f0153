//! Elements chosen, or replaced, along one axis separately for every other index.

use super::scatter::combining;
use super::{Indices, Shared, begin, by_size, dense, done, owned};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::ops::put_along_axis::PutAlongAxis;
use isobit_core::ops::take_along_axis::TakeAlongAxis;
use isobit_core::{Result, Spec, Tensor};
use isobit_kernels::par;

/// Elements per task, and how many indices are resolved at a time.
const CHUNK: usize = 4096;
/// How many places are resolved at a time.
const BATCH: usize = 512;

/// The elements of the first input at the places that the second says.
pub fn take_along_axis(p: &TakeAlongAxis, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let x = &inputs[0];
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() == 0 {
        return done(out);
    }
    let indices = Indices::new(&inputs[1])?;
    by_size!(x.dtype().size(), T => {
        let to = Shared::new(out.as_mut_byte_ptr().cast::<T>());
        let from = Shared::new(x.as_byte_ptr().cast::<T>());
        // SAFETY: indices are clamped to the axis; each task writes its own elements of the fresh output.
        par::for_chunks(out.size(), CHUNK, |a, b| unsafe { take::<T>(p.axis(), x, from.ptr(), &indices, to.ptr(), out.shape(), a, b) });
    });
    done(out)
}

/// Elements `start .. end` of the output, row by row.
///
/// # Safety
/// `from` is the first element of `x`, `to` of the output.
#[allow(clippy::too_many_arguments)]
unsafe fn take<T: Copy>(
    axis: usize,
    x: &Tensor,
    from: *const T,
    indices: &Indices,
    to: *mut T,
    shape: &[usize],
    start: usize,
    end: usize,
) {
    let last = shape.len() - 1;
    let (n, along) = (x.shape()[axis], x.strides()[axis]);
    let step = if axis == last { 0 } else { x.strides()[last] };
    let mut buffer = [0i64; CHUNK];
    let mut at = start;
    while at < end {
        let (mut row, within) = (at / shape[last], at % shape[last]);
        let count = (shape[last] - within).min(end - at);
        let mut offset = step * within as isize;
        for d in (0..last).rev() {
            if d != axis {
                offset += x.strides()[d] * (row % shape[d]) as isize;
            }
            row /= shape[d];
        }
        let buffer = &mut buffer[..count];
        indices.read(at, buffer);
        for (i, &index) in buffer.iter().enumerate() {
            // SAFETY: every coordinate is inside the input.
            unsafe { *to.add(at + i) = *from.offset(offset + step * i as isize + begin(index, n, 1) * along) };
        }
        at += count;
    }
}

/// The first input with the third combined into the places that the second says, in row-major order.
pub fn put_along_axis(p: &PutAlongAxis, mut inputs: Inputs) -> Result<Ran> {
    let values = dense(inputs.swap_remove(2))?;
    let indices = Indices::new(&inputs[1])?;
    let m = inputs[1].shape()[p.axis()];
    inputs.truncate(1);
    let x = inputs.swap_remove(0);
    if values.size() == 0 {
        return done(owned(x)?);
    }
    let n = x.shape()[p.axis()];
    let inner: usize = x.shape()[p.axis() + 1..].iter().product();
    let outer: usize = x.shape()[..p.axis()].iter().product();
    // Lines along the axis are independent: whole blocks of the outer axes, or strips of the inner ones.
    let strip = inner.min(CHUNK);
    let strips = inner.div_ceil(strip);
    let group = (CHUNK / (m * strip)).max(1);
    combining(p.reduce(), x, &values, |kernel, out, updates| {
        par::run(outer.div_ceil(group) * strips, |task| {
            let (first, i0) = (task / strips * group, task % strips * strip);
            let i1 = (i0 + strip).min(inner);
            let mut buffer = [0i64; BATCH];
            let mut pairs = [(0, 0); BATCH];
            for o in first..(first + group).min(outer) {
                // With whole lines the elements of all `j` follow one another.
                let (parts, part) = if strips == 1 { (1, m * inner) } else { (m, i1 - i0) };
                for j in 0..parts {
                    let start = (o * m + j) * inner + i0;
                    for at in (start..start + part).step_by(BATCH) {
                        let count = BATCH.min(start + part - at);
                        indices.read(at, &mut buffer[..count]);
                        for (i, pair) in pairs[..count].iter_mut().enumerate() {
                            let column = (at + i) % inner;
                            *pair = ((o * n + begin(buffer[i], n, 1) as usize) * inner + column, at + i);
                        }
                        // SAFETY: both positions are in bounds; no other task has these lines.
                        unsafe { (kernel.pairs)(out.ptr(), updates.ptr(), &pairs[..count]) };
                    }
                }
            }
        });
    })
    .and_then(done)
}
