//! RMS and layer normalisation: rows handed to the fused kernel.

use crate::layout::dtype_of;
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::ops::layer_norm::LayerNorm;
use isobit_core::ops::rms_norm::RmsNorm;
use isobit_core::{Error, Result, Spec, Tensor};
use isobit_kernels::norm::{Norm, Parameter, norm};
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
        if !unsafe { norm(dtype_of(spec.dtype)?, x.as_byte_ptr(), out.as_mut_byte_ptr(), call) } {
            return Err(Error::dtype("norm", format!("no normalisation of {}", spec.dtype)));
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

fn parameter(t: &Tensor) -> Result<Parameter> {
    Ok(Parameter { dtype: dtype_of(t.dtype())?, ptr: t.as_byte_ptr() })
}
