//! Attention: operands of the graph handed to the fused kernel.

use half::{bf16, f16};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::ops::sdpa::Sdpa;
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::attention::{
    AttentionElement, AttentionInputs, AttentionShape, Mask, MaskOperand, Operand, attention,
};
use smallvec::smallvec;

/// Scaled dot-product attention.
pub fn sdpa(backend: &dyn Backend, prim: &Sdpa, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    if outs[0].dtype == Dtype::F64 && prim.sinks().is_some() {
        // The kernel takes sinks in float32 only.
        return Ok(Ran::Decompose(inputs));
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        match out.dtype() {
            Dtype::F32 => run::<f32>(backend, prim, &inputs, &out)?,
            Dtype::F16 => run::<f16>(backend, prim, &inputs, &out)?,
            Dtype::BF16 => run::<bf16>(backend, prim, &inputs, &out)?,
            Dtype::F64 => run::<f64>(backend, prim, &inputs, &out)?,
            other => return Err(Error::dtype("sdpa", format!("no attention of {other}"))),
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

/// The whole buffer of a tensor as elements, for kernels that check every stride against it.
pub(crate) fn elements<T>(t: &Tensor) -> &[T] {
    let count = t.buffer().len() / std::mem::size_of::<T>();
    // SAFETY: the buffer holds `count` elements of the tensor's dtype; those that the strides reach are initialised, and
    // the kernel reads no others.
    unsafe { std::slice::from_raw_parts(t.buffer().as_ptr().cast::<T>(), count) }
}

fn run<T: AttentionElement>(backend: &dyn Backend, prim: &Sdpa, x: &[Tensor], out: &Tensor) -> Result<()> {
    // The kernel wants dense rows; heads, lengths and batches may have any stride.
    let dense = |t: &Tensor| if t.shape()[3] <= 1 || t.strides()[3] == 1 { Ok(t.clone()) } else { backend.copy(t) };
    let (q, k, v) = (dense(&x[0])?, dense(&x[1])?, dense(&x[2])?);
    let mask = match prim.mask() {
        _ if prim.causal() => Mask::Causal,
        None => Mask::None,
        Some(i) => match x[i].dtype() {
            Dtype::Bool => Mask::Keep(mask_operand(&x[i])),
            Dtype::F32 => Mask::AddF32(mask_operand(&x[i])),
            Dtype::F16 => Mask::AddF16(mask_operand(&x[i])),
            Dtype::BF16 => Mask::AddBf16(mask_operand(&x[i])),
            Dtype::F64 => Mask::AddF64(mask_operand(&x[i])),
            other => return Err(Error::dtype("sdpa", format!("no mask of {other}"))),
        },
    };
    let sinks = prim.sinks().map(|i| floats(backend, &x[i])).transpose()?;
    let call = AttentionInputs {
        shape: AttentionShape {
            batch: q.shape()[0],
            q_heads: q.shape()[1],
            kv_heads: k.shape()[1],
            q_len: q.shape()[2],
            k_len: k.shape()[2],
            head_dim: q.shape()[3],
            value_dim: v.shape()[3],
        },
        q: operand::<T>(&q),
        k: operand::<T>(&k),
        v: operand::<T>(&v),
        scale: f64::from(prim.scale()),
        mask,
        sinks: sinks.as_deref(),
    };
    // SAFETY: the fresh, dense output holds `size` elements of its dtype.
    let to = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr::<T>(), out.size()) };
    attention(&call, to, None);
    Ok(())
}

/// The elements of a small float tensor in float32.
pub(crate) fn floats(backend: &dyn Backend, t: &Tensor) -> Result<Vec<f32>> {
    let t = backend.contiguous(t.clone())?;
    // SAFETY: contiguous, and each arm reads the dtype that it is for.
    let found = unsafe {
        match t.dtype() {
            Dtype::F32 => t.as_slice::<f32>().map(<[f32]>::to_vec),
            Dtype::F64 => t.as_slice::<f64>().map(|s| s.iter().map(|&x| x as f32).collect()),
            Dtype::F16 => t.as_slice::<f16>().map(|s| s.iter().map(|x| x.to_f32()).collect()),
            Dtype::BF16 => t.as_slice::<bf16>().map(|s| s.iter().map(|x| x.to_f32()).collect()),
            _ => None,
        }
    };
    found.ok_or_else(|| Error::dtype("sdpa", format!("no sinks of {}", t.dtype())))
}

fn operand<T>(t: &Tensor) -> Operand<'_, T> {
    let s = t.strides();
    Operand { data: elements(t), offset: t.offset(), strides: [s[0], s[1], s[2]] }
}

fn mask_operand<T>(t: &Tensor) -> MaskOperand<'_, T> {
    let s = t.strides();
    MaskOperand { data: elements(t), offset: t.offset(), strides: [s[0], s[1], s[2], s[3]] }
}
