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
            Prim::Abs(_) => pending(prim, inputs, outs),
            Prim::Arccos(_) => pending(prim, inputs, outs),
            Prim::Arccosh(_) => pending(prim, inputs, outs),
            Prim::Arcsin(_) => pending(prim, inputs, outs),
            Prim::Arcsinh(_) => pending(prim, inputs, outs),
            Prim::Arctan(_) => pending(prim, inputs, outs),
            Prim::Arctan2(_) => pending(prim, inputs, outs),
            Prim::Arctanh(_) => pending(prim, inputs, outs),
            Prim::BitwiseAnd(_) => pending(prim, inputs, outs),
            Prim::BitwiseInvert(_) => pending(prim, inputs, outs),
            Prim::BitwiseOr(_) => pending(prim, inputs, outs),
            Prim::BitwiseXor(_) => pending(prim, inputs, outs),
            Prim::Ceil(_) => pending(prim, inputs, outs),
            Prim::Cos(_) => pending(prim, inputs, outs),
            Prim::Cosh(_) => pending(prim, inputs, outs),
            Prim::Divide(_) => pending(prim, inputs, outs),
            Prim::Equal(_) => pending(prim, inputs, outs),
            Prim::Erf(_) => pending(prim, inputs, outs),
            Prim::Erfinv(_) => pending(prim, inputs, outs),
            Prim::Expm1(_) => pending(prim, inputs, outs),
            Prim::Floor(_) => pending(prim, inputs, outs),
            Prim::FloorDivide(_) => pending(prim, inputs, outs),
            Prim::LeftShift(_) => pending(prim, inputs, outs),
            Prim::Less(_) => pending(prim, inputs, outs),
            Prim::LessEqual(_) => pending(prim, inputs, outs),
            Prim::Log(_) => pending(prim, inputs, outs),
            Prim::Log10(_) => pending(prim, inputs, outs),
            Prim::Log1p(_) => pending(prim, inputs, outs),
            Prim::Log2(_) => pending(prim, inputs, outs),
            Prim::Logaddexp(_) => pending(prim, inputs, outs),
            Prim::Maximum(_) => pending(prim, inputs, outs),
            Prim::Minimum(_) => pending(prim, inputs, outs),
            Prim::NotEqual(_) => pending(prim, inputs, outs),
            Prim::Power(_) => pending(prim, inputs, outs),
            Prim::Remainder(_) => pending(prim, inputs, outs),
            Prim::RightShift(_) => pending(prim, inputs, outs),
            Prim::Round(_) => pending(prim, inputs, outs),
            Prim::Rsqrt(_) => pending(prim, inputs, outs),
            Prim::Select(_) => pending(prim, inputs, outs),
            Prim::Sigmoid(_) => pending(prim, inputs, outs),
            Prim::Sign(_) => pending(prim, inputs, outs),
            Prim::Sin(_) => pending(prim, inputs, outs),
            Prim::Sinh(_) => pending(prim, inputs, outs),
            Prim::Sqrt(_) => pending(prim, inputs, outs),
            Prim::Square(_) => pending(prim, inputs, outs),
            Prim::Subtract(_) => pending(prim, inputs, outs),
            Prim::Tan(_) => pending(prim, inputs, outs),
            Prim::Tanh(_) => pending(prim, inputs, outs),
            Prim::Trunc(_) => pending(prim, inputs, outs),
            Prim::Add(_) => pending(prim, inputs, outs),
            Prim::Astype(_) => pending(prim, inputs, outs),
            Prim::Exp(_) => pending(prim, inputs, outs),
            Prim::Multiply(_) => pending(prim, inputs, outs),
            Prim::Negative(_) => pending(prim, inputs, outs),
            // movement
            Prim::Arange(_) => pending(prim, inputs, outs),
            Prim::Contiguous(_) => pending(prim, inputs, outs),
            Prim::Gather(_) => pending(prim, inputs, outs),
            Prim::Linspace(_) => pending(prim, inputs, outs),
            Prim::Pad(_) => pending(prim, inputs, outs),
            Prim::PutAlongAxis(_) => pending(prim, inputs, outs),
            Prim::Scatter(_) => pending(prim, inputs, outs),
            Prim::TakeAlongAxis(_) => pending(prim, inputs, outs),
            Prim::Concatenate(_) => pending(prim, inputs, outs),
            Prim::SliceUpdate(_) => pending(prim, inputs, outs),
            // products
            Prim::Addmm(p) => matmul::addmm(p, inputs, outs),
            Prim::Matmul(_) => matmul::matmul(inputs, outs),
            // reductions
            Prim::All(_) => pending(prim, inputs, outs),
            Prim::Any(_) => pending(prim, inputs, outs),
            Prim::ArgMax(_) => pending(prim, inputs, outs),
            Prim::ArgMin(_) => pending(prim, inputs, outs),
            Prim::LogSumExp(_) => pending(prim, inputs, outs),
            Prim::Max(_) => pending(prim, inputs, outs),
            Prim::Min(_) => pending(prim, inputs, outs),
            Prim::Prod(_) => pending(prim, inputs, outs),
            Prim::Softmax(_) => pending(prim, inputs, outs),
            Prim::Sum(_) => pending(prim, inputs, outs),
            // scans and orders
            Prim::Argpartition(_) => pending(prim, inputs, outs),
            Prim::Argsort(_) => pending(prim, inputs, outs),
            Prim::Cummax(_) => pending(prim, inputs, outs),
            Prim::Cummin(_) => pending(prim, inputs, outs),
            Prim::Cumprod(_) => pending(prim, inputs, outs),
            Prim::Cumsum(_) => pending(prim, inputs, outs),
            Prim::LinearRecurrence(_) => pending(prim, inputs, outs),
            Prim::Logcumsumexp(_) => pending(prim, inputs, outs),
            Prim::Partition(_) => pending(prim, inputs, outs),
            Prim::RandomBits(_) => pending(prim, inputs, outs),
            Prim::Searchsorted(_) => pending(prim, inputs, outs),
            Prim::Sort(_) => pending(prim, inputs, outs),
        }
    }
}

/// Bring-up only: the oracle stands in until a kernel is wired. No arm may use it when a release is cut.
fn pending(prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    isobit_ref::REFERENCE.run(prim, inputs, outs)
}
