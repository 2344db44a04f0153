//! Primitives that only change how a buffer is seen. Every backend runs them through [`run`].

use crate::backend::{Backend, Inputs, Outputs};
use crate::error::Result;
use crate::layout::{self, Strides};
use crate::spec::Spec;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// The input's axes in another order.
pub fn transpose(t: Tensor, perm: &[usize]) -> Tensor {
    let shape = perm.iter().map(|&d| t.shape()[d]).collect();
    let strides: Strides = perm.iter().map(|&d| t.strides()[d]).collect();
    let offset = t.offset();
    t.with_layout(shape, strides, offset)
}

/// The input repeated with stride 0 along new and size-1 axes.
pub fn broadcast(t: Tensor, shape: &[usize]) -> Tensor {
    let lead = shape.len() - t.ndim();
    let strides: Strides = (0..shape.len())
        .map(|d| if d < lead || t.shape()[d - lead] != shape[d] { 0 } else { t.strides()[d - lead] })
        .collect();
    let offset = t.offset();
    t.with_layout(shape.into(), strides, offset)
}

/// The same elements in row-major order under another shape; copies only if no strides can say it.
pub fn reshape(backend: &dyn Backend, t: Tensor, shape: &[usize]) -> Result<Tensor> {
    if let Some(strides) = layout::reshape_strides(t.shape(), t.strides(), shape) {
        let offset = t.offset();
        return Ok(t.with_layout(shape.into(), strides, offset));
    }
    let t = backend.contiguous(t)?;
    let offset = t.offset();
    Ok(t.with_layout(shape.into(), layout::contiguous_strides(shape), offset))
}

/// Every `step`-th element from `start`, `shape` of them per axis. Steps may be negative.
pub fn slice(t: Tensor, start: &[isize], step: &[isize], shape: &[usize]) -> Tensor {
    let mut offset = t.offset() as isize;
    let mut strides = Strides::new();
    let empty = shape.contains(&0);
    for d in 0..shape.len() {
        if !empty {
            offset += start[d] * t.strides()[d];
        }
        strides.push(t.strides()[d] * step[d]);
    }
    t.with_layout(shape.into(), strides, offset as usize)
}

/// The input cut along `axis` into parts of these shapes.
pub fn split(t: &Tensor, axis: usize, outs: &[Spec]) -> Outputs {
    let mut at = 0;
    let mut parts = Outputs::new();
    for spec in outs {
        let empty = spec.size() == 0;
        let offset = t.offset() as isize + if empty { 0 } else { at * t.strides()[axis] };
        at += spec.shape[axis] as isize;
        parts.push(t.clone().with_layout(spec.shape.clone(), t.strides().into(), offset as usize));
    }
    parts
}

/// The bytes of the last axis as elements of another dtype.
pub fn bitcast(backend: &dyn Backend, t: Tensor, out: &Spec) -> Result<Tensor> {
    if t.dtype().size() == out.dtype.size() {
        // Same width: any strides will do.
        let (shape, strides, offset) = (t.shape().into(), t.strides().into(), t.offset());
        return Ok(t.bitcast(SmallVec::new(), out.dtype).with_layout(shape, strides, offset));
    }
    let t = backend.contiguous(t)?;
    let misaligned = (t.offset() * t.dtype().size()) % out.dtype.size() != 0;
    let t = if misaligned { backend.copy(&t)? } else { t };
    Ok(t.bitcast(out.shape.clone(), out.dtype))
}

/// Runs a primitive that is a view; `None` (with the inputs) if it is none.
pub fn run(
    backend: &dyn Backend,
    prim: &crate::prim::Prim,
    mut inputs: Inputs,
    outs: &[Spec],
) -> Result<std::result::Result<Tensor, Inputs>> {
    use crate::prim::Prim;
    let shape = outs[0].shape.as_slice();
    let t = match (prim, inputs.len()) {
        (_, 0) => return Ok(Err(inputs)),
        (
            Prim::Identity(_)
            | Prim::StopGradient(_)
            | Prim::StraightThrough(_)
            | Prim::Reshape(_)
            | Prim::ExpandDims(_)
            | Prim::Squeeze(_)
            | Prim::Transpose(_)
            | Prim::Broadcast(_)
            | Prim::Slice(_)
            | Prim::View(_),
            _,
        ) => inputs.swap_remove(0),
        _ => return Ok(Err(inputs)),
    };
    Ok(Ok(match prim {
        Prim::Reshape(_) | Prim::ExpandDims(_) | Prim::Squeeze(_) => reshape(backend, t, shape)?,
        Prim::Transpose(p) => transpose(t, p.axes()),
        Prim::Broadcast(_) => broadcast(t, shape),
        Prim::Slice(p) => slice(t, p.start(), p.step(), shape),
        Prim::View(_) => bitcast(backend, t, &outs[0])?,
        _ => t,
    }))
}
