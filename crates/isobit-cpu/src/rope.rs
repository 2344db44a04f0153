//! Rotary embedding: any number of leading axes seen as the kernel's batch and heads.

use crate::attention::{elements, floats};
use half::{bf16, f16};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::ops::rope::Rope;
use isobit_core::{Dtype, Error, Result, Spec, Tensor, view};
use isobit_kernels::attention::Operand;
use isobit_kernels::rope::{Frequencies, RopeElement, RopeSpec, rope as kernel};
use smallvec::smallvec;

/// Rotates the features of every position.
pub fn rope(backend: &dyn Backend, prim: &Rope, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    if outs[0].dtype == Dtype::F64 && inputs.len() > 2 {
        // The kernel takes frequencies in float32 only.
        return Ok(Ran::Decompose(inputs));
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        match out.dtype() {
            Dtype::F32 => run::<f32>(backend, prim, &inputs, &out)?,
            Dtype::F16 => run::<f16>(backend, prim, &inputs, &out)?,
            Dtype::BF16 => run::<bf16>(backend, prim, &inputs, &out)?,
            Dtype::F64 => run::<f64>(backend, prim, &inputs, &out)?,
            other => return Err(Error::dtype("rope", format!("no rotation of {other}"))),
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

fn run<T: RopeElement>(backend: &dyn Backend, prim: &Rope, inputs: &[Tensor], out: &Tensor) -> Result<()> {
    let d = out.ndim();
    let (len, head_dim) = (out.shape()[d - 2], out.shape()[d - 1]);
    // [first axis, the axes between, positions, features]; with two axes the first two are 1.
    let batch = if d > 2 { out.shape()[0] } else { 1 };
    let heads: usize = out.shape()[..d - 2].iter().skip(1).product();
    let x = view::reshape(backend, inputs[0].clone(), &[batch, heads, len, head_dim])?;
    let x = if x.strides()[3] == 1 || head_dim == 1 { x } else { backend.copy(&x)? };
    let offsets = backend.contiguous(inputs[1].clone())?;
    // SAFETY: contiguous int32, which is what `infer` lets through.
    let offsets: Vec<i64> =
        unsafe { offsets.as_slice::<i32>() }.unwrap_or_default().iter().map(|&o| i64::from(o)).collect();
    let freqs = inputs.get(2).map(|f| floats(backend, f)).transpose()?;
    let frequencies = match (&freqs, prim.base()) {
        (Some(f), _) => Frequencies::Explicit(f),
        (None, Some(base)) => Frequencies::Base(base),
        (None, None) => return Err(Error::runtime("rope", "neither a base nor frequencies")),
    };
    let spec = RopeSpec {
        batch,
        heads,
        len,
        head_dim,
        dims: prim.dims(),
        traditional: prim.traditional(),
        frequencies,
        scale: prim.scale(),
        offsets: &offsets,
        inverse: false,
    };
    let s = x.strides();
    let operand = Operand { data: elements::<T>(&x), offset: x.offset(), strides: [s[0], s[1], s[2]] };
    // SAFETY: the fresh, dense output holds `size` elements of its dtype.
    kernel(&spec, operand, unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr::<T>(), out.size()) });
    Ok(())
}
