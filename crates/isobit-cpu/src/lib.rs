//! The CPU backend: for each primitive the kernel that runs it. It knows no transform.
//!
//! Every kernel gives the same bits at every instruction-set level, for every thread count, and for every way in which
//! its operands are laid out (`docs/numerics.md`).

use isobit_core::backend::{BACKENDS, Backend, Inputs, Ran};
use isobit_core::{Prim, Result, Spec, Tensor};
use smallvec::smallvec;

mod matmul;

/// The CPU backend.
pub struct Cpu;

/// The one instance.
pub static CPU: Cpu = Cpu;

#[linkme::distributed_slice(BACKENDS)]
static ENTRY: fn() -> &'static dyn Backend = || &CPU;

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn copy(&self, t: &Tensor) -> Result<Tensor> {
        isobit_ref::REFERENCE.copy(t)
    }

    // One arm per primitive, no wildcard: a primitive without a kernel does not compile.
    fn run(&self, prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
        match prim {
            Prim::Broadcast(_)
            | Prim::ExpandDims(_)
            | Prim::Identity(_)
            | Prim::Reshape(_)
            | Prim::Slice(_)
            | Prim::Squeeze(_)
            | Prim::StopGradient(_)
            | Prim::Transpose(_)
            | Prim::View(_) => match isobit_core::view::run(self, prim, inputs, outs)? {
                Ok(t) => Ok(Ran::Done(smallvec![t])),
                Err(inputs) => pending(prim, inputs, outs),
            },
            Prim::Custom(c) => c.0.run(inputs, outs).map(Ran::Done),
            Prim::Depends(p) => Ok(Ran::Done(inputs.into_iter().take(p.count()).collect())),
            // elementwise
            Prim::Add(_) => pending(prim, inputs, outs),
            Prim::Astype(_) => pending(prim, inputs, outs),
            Prim::Exp(_) => pending(prim, inputs, outs),
            Prim::Multiply(_) => pending(prim, inputs, outs),
            Prim::Negative(_) => pending(prim, inputs, outs),
            // movement
            Prim::Concatenate(_) => pending(prim, inputs, outs),
            Prim::SliceUpdate(_) => pending(prim, inputs, outs),
            // products
            Prim::Addmm(p) => matmul::addmm(p, inputs, outs),
            Prim::Matmul(_) => matmul::matmul(inputs, outs),
            // reductions
            Prim::Sum(_) => pending(prim, inputs, outs),
        }
    }
}

/// Bring-up only: the oracle stands in until a kernel is wired. No arm may use it when a release is cut.
fn pending(prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    isobit_ref::REFERENCE.run(prim, inputs, outs)
}
