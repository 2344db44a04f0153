//! The CPU backend: for each primitive the kernel that runs it. It knows no transform.
//!
//! Every kernel gives the same bits for every thread count and for every way in which its operands are laid out, and all but
//! some factorisations at every instruction-set level (`docs/numerics.md`).

/// Which instruction-set level runs, and on how many threads.
pub use isobit_kernels::{isa, par};

use isobit_core::backend::{BACKENDS, Backend, Inputs, Outputs, Ran};
use isobit_core::fuse::Program;
use isobit_core::numerics::Level;
use isobit_core::{Dtype, Error, Prim, Result, Spec, Tensor};
use isobit_kernels::reduce::ReduceOp;
use isobit_kernels::scan::ScanOp;
use smallvec::smallvec;

mod attention;
mod complex;
mod elementwise;
mod fused;
mod layout;
mod linalg;
mod lines;
mod matmul;
mod movement;
mod norm;
mod quant;
mod random;
mod reduce;
mod room;
mod rope;
mod scan;
mod segmented;
mod sort;

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

    // The matrix of checks holds every primitive to it: `layout`, `vmap` and `large`, then `bits`.
    fn level(&self, prim: &Prim, _dtype: Dtype) -> Level {
        match prim {
            Prim::Custom(c) => c.0.level(),
            // A library computes them, which chooses its instructions itself.
            Prim::Eig(_) | Prim::Eigh(_) | Prim::Pinv(_) | Prim::Qr(_) | Prim::Svd(_) => Level::Shape,
            _ => Level::Isa,
        }
    }

    unsafe fn scalar(
        &self,
        prim: &Prim,
        inputs: &[*const u8],
        dtypes: &[Dtype],
        out: *mut u8,
        dtype: Dtype,
    ) -> Option<Result<()>> {
        let op = elementwise::op_of(prim)?;
        // SAFETY: the caller's promise.
        Some(unsafe { elementwise::scalar(op, inputs, dtypes[0], dtype, out) })
    }

    fn fuses(&self) -> bool {
        true
    }

    fn run_fused(&self, program: &Program, inputs: Inputs, outs: &[Spec]) -> Result<Outputs> {
        fused::run(program, inputs, outs)
    }

    fn copy(&self, t: &Tensor) -> Result<Tensor> {
        movement::copy(t)
    }

    // One arm per primitive, no wildcard: a primitive without a kernel does not compile.
    fn run(&self, prim: &Prim, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
        match prim {
            Prim::Broadcast(_)
            | Prim::ExpandDims(_)
            | Prim::Identity(_)
            | Prim::Reshape(_)
            | Prim::Slice(_)
            | Prim::Squeeze(_)
            | Prim::StopGradient(_)
            | Prim::StraightThrough(_)
            | Prim::Transpose(_)
            | Prim::View(_) => match isobit_core::view::run(self, prim, inputs, outs)? {
                Ok(t) => Ok(Ran::Done(smallvec![t])),
                Err(_) => Err(Error::runtime("eval", format!("{} is no view", prim.name()))),
            },
            Prim::Split(p) => Ok(Ran::Done(isobit_core::view::split(&inputs[0], p.axis(), outs))),
            Prim::Custom(c) => c.0.run(inputs, outs).map(Ran::Done),
            Prim::Depends(p) => Ok(Ran::Done(inputs.into_iter().take(p.count()).collect())),
            // elementwise
            Prim::Abs(_)
            | Prim::Add(_)
            | Prim::Arccos(_)
            | Prim::Arccosh(_)
            | Prim::Arcsin(_)
            | Prim::Arcsinh(_)
            | Prim::Arctan(_)
            | Prim::Arctan2(_)
            | Prim::Arctanh(_)
            | Prim::Astype(_)
            | Prim::BitwiseAnd(_)
            | Prim::BitwiseInvert(_)
            | Prim::BitwiseOr(_)
            | Prim::BitwiseXor(_)
            | Prim::Ceil(_)
            | Prim::Conjugate(_)
            | Prim::Cos(_)
            | Prim::Cosh(_)
            | Prim::Divide(_)
            | Prim::Equal(_)
            | Prim::Erf(_)
            | Prim::Erfinv(_)
            | Prim::Exp(_)
            | Prim::Expm1(_)
            | Prim::Floor(_)
            | Prim::FloorDivide(_)
            | Prim::Imag(_)
            | Prim::LeftShift(_)
            | Prim::Less(_)
            | Prim::LessEqual(_)
            | Prim::Log(_)
            | Prim::Log10(_)
            | Prim::Log1p(_)
            | Prim::Log2(_)
            | Prim::Logaddexp(_)
            | Prim::Maximum(_)
            | Prim::Minimum(_)
            | Prim::Multiply(_)
            | Prim::Negative(_)
            | Prim::NotEqual(_)
            | Prim::Power(_)
            | Prim::Real(_)
            | Prim::Remainder(_)
            | Prim::RightShift(_)
            | Prim::Round(_)
            | Prim::Rsqrt(_)
            | Prim::Select(_)
            | Prim::Sigmoid(_)
            | Prim::Sign(_)
            | Prim::Sin(_)
            | Prim::Sinh(_)
            | Prim::Sqrt(_)
            | Prim::Square(_)
            | Prim::Subtract(_)
            | Prim::Tan(_)
            | Prim::Tanh(_)
            | Prim::Trunc(_) => match elementwise::op_of(prim) {
                Some(op) => elementwise::run(op, inputs, outs),
                None => Err(Error::runtime("eval", format!("{} is not elementwise", prim.name()))),
            },
            // movement
            Prim::Arange(p) => movement::arange(p, outs),
            Prim::Contiguous(_) => movement::contiguous(inputs),
            Prim::Gather(p) => movement::gather(p, inputs, outs),
            Prim::Linspace(p) => movement::linspace(p, outs),
            Prim::Pad(p) => movement::pad(p, inputs, outs),
            Prim::PutAlongAxis(p) => movement::put_along_axis(p, inputs),
            Prim::Scatter(p) => movement::scatter(p, inputs),
            Prim::TakeAlongAxis(p) => movement::take_along_axis(p, inputs, outs),
            Prim::Concatenate(p) => movement::concatenate(p, inputs, outs),
            Prim::SliceUpdate(p) => movement::slice_update(p, inputs),
            // fused
            Prim::LayerNorm(p) => norm::layer_norm(self, p, inputs, outs),
            Prim::NormVjp(p) => norm::norm_vjp(self, p, inputs, outs),
            Prim::RmsNorm(p) => norm::rms_norm(self, p, inputs, outs),
            Prim::Rope(p) => rope::rope(self, p, inputs, outs),
            Prim::Quantize(p) => quant::quantize(self, p, inputs, outs),
            Prim::QuantizedSdpa(p) => attention::quantized_sdpa(self, p, inputs, outs),
            Prim::Sdpa(p) => attention::sdpa(self, p, inputs, outs),
            Prim::SdpaVjp(p) => attention::sdpa_vjp(self, p, inputs, outs),
            // products
            Prim::Addmm(p) => matmul::addmm(p, inputs, outs),
            Prim::GatherMm(_) => quant::gather_mm(self, inputs, outs),
            Prim::GatherQmm(p) => quant::gather_qmm(self, p, inputs, outs),
            Prim::Matmul(_) => matmul::matmul(inputs, outs),
            Prim::PackBits(p) => quant::pack_bits(self, p.bits(), inputs, outs),
            Prim::Qqmm(_) => Ok(Ran::Done(smallvec![inputs.swap_remove(4)])),
            Prim::QuantizedMatmul(p) => quant::quantized_matmul(self, p, inputs, outs),
            Prim::SegmentedMm(_) => segmented::segmented_mm(self, inputs, outs),
            Prim::SegmentedOuter(_) => segmented::segmented_outer(self, inputs, outs),
            Prim::UnpackBits(p) => quant::unpack_bits(self, p.bits(), inputs, outs),
            // factorisations
            Prim::Cholesky(_) => linalg::cholesky(self, inputs, outs),
            Prim::Eig(_) => linalg::eig(self, inputs, outs),
            Prim::Eigh(_) => linalg::eigh(self, inputs, outs),
            Prim::Lu(_) => linalg::lu(self, inputs, outs),
            Prim::Pinv(_) => linalg::pinv(self, inputs, outs),
            Prim::Qr(_) => linalg::qr(self, inputs, outs),
            Prim::SolveTriangular(p) => linalg::solve_triangular(self, p.upper(), p.unit(), inputs, outs),
            Prim::Svd(_) => linalg::svd(self, inputs, outs),
            // reductions
            Prim::All(p) => reduce::reduce(ReduceOp::All, p.axes(), inputs, outs),
            Prim::Any(p) => reduce::reduce(ReduceOp::Any, p.axes(), inputs, outs),
            Prim::ArgMax(p) => reduce::position(ReduceOp::ArgMax, p.axis(), inputs, outs),
            Prim::ArgMin(p) => reduce::position(ReduceOp::ArgMin, p.axis(), inputs, outs),
            Prim::LogSumExp(p) => reduce::logsumexp(p.axes(), inputs, outs),
            Prim::Max(p) => reduce::reduce(ReduceOp::Max, p.axes(), inputs, outs),
            Prim::Min(p) => reduce::reduce(ReduceOp::Min, p.axes(), inputs, outs),
            Prim::Prod(p) => reduce::reduce(ReduceOp::Prod, p.axes(), inputs, outs),
            Prim::Softmax(p) => reduce::softmax(p.axes(), inputs),
            Prim::Sum(p) => reduce::reduce(ReduceOp::Sum, p.axes(), inputs, outs),
            // scans and orders
            Prim::Argpartition(p) => sort::positions_in_order(inputs, outs, p.axis(), Some(p.kth())),
            Prim::Argsort(p) => sort::positions_in_order(inputs, outs, p.axis(), None),
            Prim::Cummax(p) => scan::scan(ScanOp::Max, p.scan(), inputs, outs),
            Prim::Cummin(p) => scan::scan(ScanOp::Min, p.scan(), inputs, outs),
            Prim::Cumprod(p) => scan::scan(ScanOp::Prod, p.scan(), inputs, outs),
            Prim::Cumsum(p) => scan::scan(ScanOp::Sum, p.scan(), inputs, outs),
            Prim::LinearRecurrence(p) => scan::linear_recurrence(p.scan(), inputs, outs),
            Prim::Logcumsumexp(p) => scan::scan(ScanOp::LogSumExp, p.scan(), inputs, outs),
            Prim::Partition(p) => sort::elements_in_order(inputs, outs, p.axis(), Some(p.kth())),
            Prim::RandomBits(p) => random::random_bits(p, inputs, outs),
            Prim::Searchsorted(p) => sort::searchsorted(inputs, outs, p.side()),
            Prim::Sort(p) => sort::elements_in_order(inputs, outs, p.axis(), None),
        }
    }
}
