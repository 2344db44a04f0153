//! Attention and its reverse derivative: operands of the graph handed to the fused kernels.

use half::{bf16, f16};
use isobit_core::backend::{Backend, Inputs, Outputs, Ran};
use isobit_core::ops::quantized_sdpa::QuantizedSdpa;
use isobit_core::ops::sdpa::Sdpa;
use isobit_core::ops::sdpa_vjp::SdpaVjp;
use isobit_core::{Dtype, Error, Result, Shape, Spec, Tensor};
use isobit_kernels::attention::vjp::{AttentionVjpElement, Gradient, Gradients, attention_vjp};
use isobit_kernels::attention::{
    AttentionElement, AttentionInputs, AttentionShape, Mask, MaskOperand, Operand, QuantizedAttentionElement,
    QuantizedOperand, attention, attention_quantized,
};
use isobit_kernels::quant::{Codes, Format, Scales};
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

fn run<T: AttentionElement>(backend: &dyn Backend, prim: &Sdpa, x: &[Tensor], out: &Tensor) -> Result<()> {
    let from = Operands::new(backend, prim, x)?;
    // SAFETY: the fresh, dense output holds `size` elements of its dtype.
    let to = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr::<T>(), out.size()) };
    attention(&from.call(prim, x)?, to, None);
    Ok(())
}

/// The operands as the kernels want them: dense rows; heads, lengths and batches may have any stride.
struct Operands {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sinks: Option<Vec<f32>>,
}

fn dense_rows(backend: &dyn Backend, t: &Tensor) -> Result<Tensor> {
    if t.shape()[3] <= 1 || t.strides()[3] == 1 { Ok(t.clone()) } else { backend.copy(t) }
}

impl Operands {
    fn new(backend: &dyn Backend, prim: &Sdpa, x: &[Tensor]) -> Result<Operands> {
        Ok(Operands {
            q: dense_rows(backend, &x[0])?,
            k: dense_rows(backend, &x[1])?,
            v: dense_rows(backend, &x[2])?,
            sinks: prim.sinks().map(|i| floats(backend, &x[i])).transpose()?,
        })
    }

    fn call<'a, T>(&'a self, prim: &Sdpa, x: &'a [Tensor]) -> Result<AttentionInputs<'a, T>> {
        let mask = mask_of(prim, prim.mask().map(|i| &x[i]))?;
        let (q, k, v) = (&self.q, &self.k, &self.v);
        Ok(AttentionInputs {
            shape: AttentionShape {
                batch: q.shape()[0],
                q_heads: q.shape()[1],
                kv_heads: k.shape()[1],
                q_len: q.shape()[2],
                k_len: k.shape()[2],
                head_dim: q.shape()[3],
                value_dim: v.shape()[3],
            },
            q: operand::<T>(q),
            k: operand::<T>(k),
            v: operand::<T>(v),
            scale: f64::from(prim.scale()),
            mask,
            sinks: self.sinks.as_deref(),
        })
    }
}

fn mask_of<'a>(prim: &Sdpa, mask: Option<&'a Tensor>) -> Result<Mask<'a>> {
    Ok(match mask {
        _ if prim.causal() => Mask::Causal,
        None => Mask::None,
        Some(m) => match m.dtype() {
            Dtype::Bool => Mask::Keep(mask_operand(m)),
            Dtype::F32 => Mask::AddF32(mask_operand(m)),
            Dtype::F16 => Mask::AddF16(mask_operand(m)),
            Dtype::BF16 => Mask::AddBf16(mask_operand(m)),
            Dtype::F64 => Mask::AddF64(mask_operand(m)),
            other => return Err(Error::dtype("sdpa", format!("no mask of {other}"))),
        },
    })
}

/// Attention to quantized keys and values.
pub fn quantized_sdpa(backend: &dyn Backend, prim: &QuantizedSdpa, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    // The kernel works in float32, with scales and biases of one type.
    let alike = |i: usize| inputs[i].dtype() == inputs[i + 1].dtype();
    if outs[0].dtype == Dtype::F64 || !alike(2) || !alike(5) {
        return Ok(Ran::Decompose(inputs));
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        match out.dtype() {
            Dtype::F32 => run_quantized::<f32>(backend, prim, &inputs, &out)?,
            Dtype::F16 => run_quantized::<f16>(backend, prim, &inputs, &out)?,
            Dtype::BF16 => run_quantized::<bf16>(backend, prim, &inputs, &out)?,
            other => return Err(Error::dtype("quantized_sdpa", format!("no attention of {other}"))),
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

fn run_quantized<T: QuantizedAttentionElement>(
    backend: &dyn Backend,
    prim: &QuantizedSdpa,
    x: &[Tensor],
    out: &Tensor,
) -> Result<()> {
    let dense: Vec<Tensor> = x[..7].iter().map(|t| dense_rows(backend, t)).collect::<Result<_>>()?;
    let forward = prim.forward();
    let sinks = forward.sinks().map(|i| floats(backend, &x[i + 4])).transpose()?;
    let (q, format) = (&dense[0], prim.format());
    let stored = |i: usize| {
        let scales = match dense[i + 1].dtype() {
            Dtype::F32 => Scales::F32,
            Dtype::F16 => Scales::F16,
            Dtype::BF16 => Scales::Bf16,
            Dtype::F64 => Scales::F64,
            other => return Err(Error::dtype("quantized_sdpa", format!("no scales of {other}"))),
        };
        let format = Format { bits: format.bits(), group: format.group_size(), codes: Codes::Unsigned, scales };
        let (codes, scales, biases) = (operand::<u32>(&dense[i]), bytes_of(&dense[i + 1]), bytes_of(&dense[i + 2]));
        Ok(QuantizedOperand { format, codes, scales, biases })
    };
    let call = AttentionInputs {
        shape: AttentionShape {
            batch: q.shape()[0],
            q_heads: q.shape()[1],
            kv_heads: dense[1].shape()[1],
            q_len: q.shape()[2],
            k_len: dense[1].shape()[2],
            head_dim: q.shape()[3],
            value_dim: out.shape()[3],
        },
        q: operand::<T>(q),
        k: stored(1)?,
        v: stored(4)?,
        scale: f64::from(forward.scale()),
        mask: mask_of(forward, forward.mask().map(|i| &x[i + 4]))?,
        sinks: sinks.as_deref(),
    };
    // SAFETY: the fresh, dense output holds `size` elements of its dtype.
    let to = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr::<T>(), out.size()) };
    attention_quantized(&call, to);
    Ok(())
}

/// The reverse derivative.
pub fn sdpa_vjp(backend: &dyn Backend, prim: &SdpaVjp, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    match outs[0].dtype {
        Dtype::F32 => run_vjp::<f32>(backend, prim, &inputs, outs),
        Dtype::F16 => run_vjp::<f16>(backend, prim, &inputs, outs),
        Dtype::BF16 => run_vjp::<bf16>(backend, prim, &inputs, outs),
        // The kernel works in float32 only.
        _ => return Ok(Ran::Decompose(inputs)),
    }
    .map(Ran::Done)
}

fn run_vjp<T: AttentionVjpElement>(
    backend: &dyn Backend,
    prim: &SdpaVjp,
    inputs: &[Tensor],
    outs: &[Spec],
) -> Result<Outputs> {
    let (x, ct) = inputs.split_at(inputs.len() - 1);
    let from = Operands::new(backend, prim.forward(), x)?;
    let ct = dense_rows(backend, &ct[0])?;
    // In the memory order of the inputs: what transposed them for the attention transposes back without a copy.
    let mut found = Outputs::new();
    for (t, spec) in [&from.q, &from.k, &from.v].into_iter().zip(outs) {
        found.push(alloc_like(t, spec)?);
    }
    let room = |at: usize| vec![0f32; outs[at].size()];
    let mut mask = prim.mask_too().then(|| room(3));
    let mut sinks = prim.forward().sinks().map(|_| room(3 + usize::from(prim.mask_too())));
    let gradient = |t: &Tensor| {
        let s = t.strides();
        // SAFETY: fresh memory of the dtype, written before it is read; the strides name `size` elements from its start.
        let data = unsafe { std::slice::from_raw_parts_mut(t.as_mut_ptr::<T>(), t.size()) };
        Gradient { data, strides: [s[0] as usize, s[1] as usize, s[2] as usize] }
    };
    let to = Gradients {
        q: gradient(&found[0]),
        k: gradient(&found[1]),
        v: gradient(&found[2]),
        mask: mask.as_deref_mut(),
        sinks: sinks.as_deref_mut(),
    };
    attention_vjp(&from.call(prim.forward(), x)?, &operand::<T>(&ct), to);
    for (values, spec) in mask.into_iter().chain(sinks).zip(&outs[3..]) {
        found.push(rounded(&values, spec)?);
    }
    Ok(found)
}

/// Fresh memory for `spec` whose leading axes lie in the order that they have in `t`, a tensor of that shape.
fn alloc_like(t: &Tensor, spec: &Spec) -> Result<Tensor> {
    let out = Tensor::alloc(&spec.shape, spec.dtype)?;
    let mut order = [0, 1, 2];
    if t.strides()[..3].iter().any(|&s| s <= 0) {
        return Ok(out);
    }
    order.sort_by_key(|&i| std::cmp::Reverse(t.strides()[i]));
    let mut strides = out.strides().iter().copied().collect::<isobit_core::layout::Strides>();
    let mut step = spec.shape[3].max(1) as isize;
    for &i in order.iter().rev() {
        strides[i] = step;
        step *= spec.shape[i].max(1) as isize;
    }
    Ok(out.with_layout(Shape::from_slice(&spec.shape), strides, 0))
}

/// The values as a tensor of a float dtype, rounded once.
fn rounded(values: &[f32], spec: &Spec) -> Result<Tensor> {
    let out = Tensor::alloc(&spec.shape, spec.dtype)?;
    fn fill<T>(values: &[f32], out: &Tensor, round: impl Fn(f32) -> T) {
        // SAFETY: fresh, dense memory for as many elements of the dtype that the caller matched.
        let to = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr::<T>(), out.size()) };
        to.iter_mut().zip(values).for_each(|(to, &x)| *to = round(x));
    }
    match spec.dtype {
        Dtype::F32 => fill(values, &out, |x| x),
        Dtype::F64 => fill(values, &out, f64::from),
        Dtype::F16 => fill(values, &out, f16::from_f32),
        Dtype::BF16 => fill(values, &out, bf16::from_f32),
        other => return Err(Error::dtype("sdpa_vjp", format!("no cotangent of {other}"))),
    }
    Ok(out)
}

/// The whole buffer of a tensor as elements, for kernels that check every stride against it.
pub(crate) fn elements<T>(t: &Tensor) -> &[T] {
    let count = t.buffer().len() / std::mem::size_of::<T>();
    // SAFETY: the buffer holds `count` elements of the tensor's dtype; those that the strides reach are initialised, and
    // the kernel reads no others.
    unsafe { std::slice::from_raw_parts(t.buffer().as_ptr().cast::<T>(), count) }
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

/// A tensor's elements as bytes.
fn bytes_of(t: &Tensor) -> Operand<'_, u8> {
    let (of, size) = (operand::<u8>(t), t.dtype().size());
    Operand { data: of.data, offset: of.offset * size, strides: of.strides.map(|s| s * size as isize) }
}

fn mask_operand<T>(t: &Tensor) -> MaskOperand<'_, T> {
    let s = t.strides();
    MaskOperand { data: elements(t), offset: t.offset(), strides: [s[0], s[1], s[2], s[3]] }
}
