//! RMS and layer normalisation: rows handed to the fused kernel.

use crate::layout::dtype_of;
use isobit_core::backend::{Backend, Inputs, Outputs, Ran};
use isobit_core::ops::layer_norm::LayerNorm;
use isobit_core::ops::norm_vjp::NormVjp;
use isobit_core::ops::rms_norm::RmsNorm;
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::norm::{Norm, Parameter, norm, vjp};
use smallvec::smallvec;

/// Root-mean-square normalisation.
pub fn rms_norm(backend: &dyn Backend, prim: &RmsNorm, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let weight = (inputs.len() > 1).then_some(1);
    run(backend, inputs, outs, false, prim.eps(), weight, None)
}

/// Layer normalisation.
pub fn layer_norm(backend: &dyn Backend, prim: &LayerNorm, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    run(backend, inputs, outs, true, prim.eps(), prim.weight(), prim.bias())
}

fn run(
    backend: &dyn Backend,
    mut inputs: Inputs,
    outs: &[Spec],
    centred: bool,
    eps: f32,
    weight: Option<usize>,
    bias: Option<usize>,
) -> Result<Ran> {
    let spec = &outs[0];
    let n = spec.shape[spec.ndim() - 1];
    let mut dense = |i: usize| backend.contiguous(inputs[i].clone());
    let weight = weight.map(&mut dense).transpose()?;
    let bias = bias.map(&mut dense).transpose()?;
    let mut x = backend.contiguous(inputs.swap_remove(0))?;
    drop(inputs);
    // The kernel may write over its input.
    let out = match x.donate(&spec.shape, spec.dtype) {
        Some(t) => t,
        None => Tensor::alloc(&spec.shape, spec.dtype)?,
    };
    if spec.size() > 0 {
        let call = Norm {
            centred,
            eps: f64::from(eps),
            rows: spec.size() / n,
            n,
            weight: weight.as_ref().map(parameter).transpose()?,
            bias: bias.as_ref().map(parameter).transpose()?,
        };
        // SAFETY: dense tensors of `rows * n` and `n` elements, `out` fresh or given up by its owner.
        if !unsafe { norm(dtype_of(spec.dtype), x.as_byte_ptr(), out.as_mut_byte_ptr(), call) } {
            return Err(Error::dtype("norm", format!("no normalisation of {}", spec.dtype)));
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

/// The reverse derivative of either.
pub fn norm_vjp(backend: &dyn Backend, prim: &NormVjp, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let spec = &outs[0];
    let n = spec.shape[spec.ndim() - 1];
    if spec.dtype == Dtype::F64 || n == 0 || n > vjp::LONGEST_ROW {
        return Ok(Ran::Decompose(inputs));
    }
    for t in &mut inputs {
        *t = backend.contiguous(t.clone())?;
    }
    let (groups, rows) = prim.groups(&spec.shape);
    let weight = if prim.weight() { Some(parameter(&inputs[2])?) } else { None };
    let call = vjp::NormVjp { centred: prim.centred(), eps: f64::from(prim.eps()), groups, rows, n, weight };
    let from = (inputs[0].as_byte_ptr(), inputs[1].as_byte_ptr());
    // The kernel may write over the rows that it reads.
    let dx = inputs[..2].iter_mut().find_map(|t| t.donate(&spec.shape, spec.dtype));
    let mut found = Outputs::new();
    found.push(match dx {
        Some(t) => t,
        None => Tensor::alloc(&spec.shape, spec.dtype)?,
    });
    for s in &outs[1..] {
        found.push(Tensor::alloc(&s.shape, s.dtype)?);
    }
    let at = |i: Option<usize>| i.map_or(std::ptr::null_mut(), |i| found[i].as_mut_byte_ptr());
    let weight_at = prim.weight().then_some(1);
    let bias_at = prim.bias().then_some(1 + usize::from(prim.weight()));
    // SAFETY: dense tensors of these shapes, the results fresh or given up by their owner.
    let done = unsafe { vjp::norm_vjp(dtype_of(spec.dtype), from, (at(Some(0)), at(weight_at), at(bias_at)), call) };
    // The inputs live to here: the kernel reads their buffers.
    drop(inputs);
    if !done {
        return Err(Error::dtype("norm_vjp", format!("no normalisation of {}", spec.dtype)));
    }
    Ok(Ran::Done(found))
}

fn parameter(t: &Tensor) -> Result<Parameter> {
    Ok(Parameter { dtype: dtype_of(t.dtype()), ptr: t.as_byte_ptr() })
}
