//! Numbers from a rule: no input, every element from its index.

use super::{Shared, done};
use half::{bf16, f16};
use isobit_core::backend::Ran;
use isobit_core::ops::arange::Arange;
use isobit_core::ops::linspace::Linspace;
use isobit_core::{Dtype, Result, Spec, Tensor};
use isobit_kernels::par;

fn generate<T: Copy>(out: &Tensor, f: impl Fn(usize) -> T + Sync) {
    let to = Shared::new(out.as_mut_ptr::<T>());
    // SAFETY: each task writes its own elements of the fresh output.
    par::for_chunks(out.size(), 64 << 10, |a, b| unsafe { (a..b).for_each(|i| *to.ptr().add(i) = f(i)) });
}

fn floats(out: &Tensor, f: impl Fn(usize) -> f64 + Sync) {
    match out.dtype() {
        Dtype::F16 => generate(out, |i| f16::from_f64(f(i))),
        Dtype::BF16 => generate(out, |i| bf16::from_f64(f(i))),
        Dtype::F32 => generate(out, |i| f(i) as f32),
        _ => generate(out, f),
    }
}

fn integers(out: &Tensor, f: impl Fn(usize) -> u64 + Sync) {
    match out.dtype().size() {
        1 => generate(out, |i| f(i) as u8),
        2 => generate(out, |i| f(i) as u16),
        4 => generate(out, |i| f(i) as u32),
        _ => generate(out, f),
    }
}

/// Numbers from a start by a step.
pub fn arange(p: &Arange, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.dtype().is_float() {
        let (start, step) = p.floats();
        floats(&out, |i| start + i as f64 * step);
    } else {
        let (start, step) = p.integers();
        integers(&out, |i| start.wrapping_add((i as u64).wrapping_mul(step)));
    }
    done(out)
}

/// Numbers between two ends.
pub fn linspace(p: &Linspace, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.dtype().is_float() {
        floats(&out, |i| p.at(i));
    } else {
        integers(&out, |i| p.at(i) as i128 as u64);
    }
    done(out)
}
