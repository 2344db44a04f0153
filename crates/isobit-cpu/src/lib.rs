//! The CPU backend: for each primitive the kernel that runs it. It knows no transform.
//!
//! Every kernel gives the same bits at every instruction-set level, for every thread count, and for every way in which
//! its operands are laid out (`docs/numerics.md`).

/// Which instruction-set level runs, and on how many threads.
pub use isobit_kernels::{isa, par};

use isobit_core::backend::{BACKENDS, Backend, Inputs, Ran};
use isobit_core::{Error, Prim, Result, Spec, Tensor};
use isobit_kernels::elementwise::{BinaryOp, UnaryOp};
use isobit_kernels::reduce::ReduceOp;
use isobit_kernels::scan::ScanOp;
use smallvec::smallvec;

mod attention;
mod elementwise;
mod layout;
mod lines;
mod matmul;
mod movement;
mod norm;
mod random;
mod reduce;
mod rope;
mod scan;
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

    fn copy(&self, t: &Tensor) -> Result<Tensor> {
        movement::copy(t)
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
                Err(_) => Err(Error::runtime("eval", format!("{} is no view", prim.name()))),
            },
            Prim::Custom(c) => c.0.run(inputs, outs).map(Ran::Done),
            Prim::Depends(p) => Ok(Ran::Done(inputs.into_iter().take(p.count()).collect())),
            // elementwise
            Prim::Abs(_) => elementwise::unary(UnaryOp::Abs, inputs, outs),
            Prim::Arccos(_) => elementwise::unary(UnaryOp::Acos, inputs, outs),
            Prim::Arccosh(_) => elementwise::unary(UnaryOp::Acosh, inputs, outs),
            Prim::Arcsin(_) => elementwise::unary(UnaryOp::Asin, inputs, outs),
            Prim::Arcsinh(_) => elementwise::unary(UnaryOp::Asinh, inputs, outs),
            Prim::Arctan(_) => elementwise::unary(UnaryOp::Atan, inputs, outs),
            Prim::Arctan2(_) => elementwise::binary(BinaryOp::Atan2, inputs, outs),
            Prim::Arctanh(_) => elementwise::unary(UnaryOp::Atanh, inputs, outs),
            Prim::BitwiseAnd(_) => elementwise::binary(BinaryOp::And, inputs, outs),
            Prim::BitwiseInvert(_) => elementwise::unary(UnaryOp::Not, inputs, outs),
            Prim::BitwiseOr(_) => elementwise::binary(BinaryOp::Or, inputs, outs),
            Prim::BitwiseXor(_) => elementwise::binary(BinaryOp::Xor, inputs, outs),
            Prim::Ceil(_) => elementwise::unary(UnaryOp::Ceil, inputs, outs),
            Prim::Cos(_) => elementwise::unary(UnaryOp::Cos, inputs, outs),
            Prim::Cosh(_) => elementwise::unary(UnaryOp::Cosh, inputs, outs),
            Prim::Divide(_) => elementwise::binary(BinaryOp::Div, inputs, outs),
            Prim::Equal(_) => elementwise::binary(BinaryOp::Eq, inputs, outs),
            Prim::Erf(_) => elementwise::unary(UnaryOp::Erf, inputs, outs),
            Prim::Erfinv(_) => elementwise::unary(UnaryOp::Erfinv, inputs, outs),
            Prim::Expm1(_) => elementwise::unary(UnaryOp::Expm1, inputs, outs),
            Prim::Floor(_) => elementwise::unary(UnaryOp::Floor, inputs, outs),
            Prim::FloorDivide(_) => elementwise::binary(BinaryOp::FloorDiv, inputs, outs),
            Prim::LeftShift(_) => elementwise::binary(BinaryOp::Shl, inputs, outs),
            Prim::Less(_) => elementwise::binary(BinaryOp::Lt, inputs, outs),
            Prim::LessEqual(_) => elementwise::binary(BinaryOp::Le, inputs, outs),
            Prim::Log(_) => elementwise::unary(UnaryOp::Log, inputs, outs),
            Prim::Log10(_) => elementwise::unary(UnaryOp::Log10, inputs, outs),
            Prim::Log1p(_) => elementwise::unary(UnaryOp::Log1p, inputs, outs),
            Prim::Log2(_) => elementwise::unary(UnaryOp::Log2, inputs, outs),
            Prim::Logaddexp(_) => elementwise::binary(BinaryOp::LogAddExp, inputs, outs),
            Prim::Maximum(_) => elementwise::binary(BinaryOp::Max, inputs, outs),
            Prim::Minimum(_) => elementwise::binary(BinaryOp::Min, inputs, outs),
            Prim::NotEqual(_) => elementwise::binary(BinaryOp::Ne, inputs, outs),
            Prim::Power(_) => elementwise::binary(BinaryOp::Pow, inputs, outs),
            Prim::Remainder(_) => elementwise::binary(BinaryOp::Rem, inputs, outs),
            Prim::RightShift(_) => elementwise::binary(BinaryOp::Shr, inputs, outs),
            Prim::Round(_) => elementwise::unary(UnaryOp::Round, inputs, outs),
            Prim::Rsqrt(_) => elementwise::unary(UnaryOp::Rsqrt, inputs, outs),
            Prim::Select(_) => elementwise::select(inputs, outs),
            Prim::Sigmoid(_) => elementwise::unary(UnaryOp::Sigmoid, inputs, outs),
            Prim::Sign(_) => elementwise::unary(UnaryOp::Sign, inputs, outs),
            Prim::Sin(_) => elementwise::unary(UnaryOp::Sin, inputs, outs),
            Prim::Sinh(_) => elementwise::unary(UnaryOp::Sinh, inputs, outs),
            Prim::Sqrt(_) => elementwise::unary(UnaryOp::Sqrt, inputs, outs),
            Prim::Square(_) => elementwise::unary(UnaryOp::Square, inputs, outs),
            Prim::Subtract(_) => elementwise::binary(BinaryOp::Sub, inputs, outs),
            Prim::Tan(_) => elementwise::unary(UnaryOp::Tan, inputs, outs),
            Prim::Tanh(_) => elementwise::unary(UnaryOp::Tanh, inputs, outs),
            Prim::Trunc(_) => elementwise::unary(UnaryOp::Trunc, inputs, outs),
            Prim::Add(_) => elementwise::binary(BinaryOp::Add, inputs, outs),
            Prim::Astype(_) => elementwise::cast(inputs, outs),
            Prim::Exp(_) => elementwise::unary(UnaryOp::Exp, inputs, outs),
            Prim::Multiply(_) => elementwise::binary(BinaryOp::Mul, inputs, outs),
            Prim::Negative(_) => elementwise::unary(UnaryOp::Neg, inputs, outs),
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
            Prim::RmsNorm(p) => norm::rms_norm(self, p, inputs, outs),
            Prim::Rope(p) => rope::rope(self, p, inputs, outs),
            Prim::Sdpa(p) => attention::sdpa(self, p, inputs, outs),
            // products
            Prim::Addmm(p) => matmul::addmm(p, inputs, outs),
            Prim::Matmul(_) => matmul::matmul(inputs, outs),
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
