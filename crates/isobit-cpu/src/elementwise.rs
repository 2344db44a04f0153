//! Elementwise primitives on operands of any layout: the kernels see contiguous runs only.
//!
//! ```text
//! every operand one element   compute one element, return it broadcast
//! dense or one-element        one kernel call over everything
//! rows (inner strides 0, 1)   one kernel call per row segment
//! anything else               one kernel call, which gathers tiles of the odd operands; what is walked across its rows
//!                             (a transposed array) is copied in blocks first
//! ```
//!
//! 1. Axes that all operands step through alike are merged first, so most views end up in the first three cases.
//! 2. The result takes over the buffer of an operand that nobody else holds.
//! 3. An element's bits depend neither on the case taken nor on its place in a tile (the kernels' promise).

use crate::layout::{Steps, dtype_of};
use crate::movement;
use isobit_core::backend::{Inputs, Ran};
use isobit_core::layout::Strides;
use isobit_core::{Dtype, Error, Prim, Result, Spec, Tensor};
use isobit_kernels::elementwise::{self, BinaryOp, Operand, UnaryOp, Unsupported};
use isobit_kernels::par;
use smallvec::{SmallVec, smallvec};

/// What is computed, as the kernels know it.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    Unary(UnaryOp),
    Binary(BinaryOp),
    Select,
    Cast,
}

/// The kernel of an elementwise primitive.
pub(crate) fn op_of(prim: &Prim) -> Option<Op> {
    Some(match prim {
        Prim::Abs(_) => Op::Unary(UnaryOp::Abs),
        Prim::Add(_) => Op::Binary(BinaryOp::Add),
        Prim::Arccos(_) => Op::Unary(UnaryOp::Acos),
        Prim::Arccosh(_) => Op::Unary(UnaryOp::Acosh),
        Prim::Arcsin(_) => Op::Unary(UnaryOp::Asin),
        Prim::Arcsinh(_) => Op::Unary(UnaryOp::Asinh),
        Prim::Arctan(_) => Op::Unary(UnaryOp::Atan),
        Prim::Arctan2(_) => Op::Binary(BinaryOp::Atan2),
        Prim::Arctanh(_) => Op::Unary(UnaryOp::Atanh),
        Prim::Astype(_) => Op::Cast,
        Prim::BitwiseAnd(_) => Op::Binary(BinaryOp::And),
        Prim::BitwiseInvert(_) => Op::Unary(UnaryOp::Not),
        Prim::BitwiseOr(_) => Op::Binary(BinaryOp::Or),
        Prim::BitwiseXor(_) => Op::Binary(BinaryOp::Xor),
        Prim::Ceil(_) => Op::Unary(UnaryOp::Ceil),
        Prim::Conjugate(_) => Op::Unary(UnaryOp::Conj),
        Prim::Cos(_) => Op::Unary(UnaryOp::Cos),
        Prim::Cosh(_) => Op::Unary(UnaryOp::Cosh),
        Prim::Divide(_) => Op::Binary(BinaryOp::Div),
        Prim::Equal(_) => Op::Binary(BinaryOp::Eq),
        Prim::Erf(_) => Op::Unary(UnaryOp::Erf),
        Prim::Erfinv(_) => Op::Unary(UnaryOp::Erfinv),
        Prim::Exp(_) => Op::Unary(UnaryOp::Exp),
        Prim::Expm1(_) => Op::Unary(UnaryOp::Expm1),
        Prim::Floor(_) => Op::Unary(UnaryOp::Floor),
        Prim::FloorDivide(_) => Op::Binary(BinaryOp::FloorDiv),
        Prim::Imag(_) => Op::Unary(UnaryOp::Imag),
        Prim::LeftShift(_) => Op::Binary(BinaryOp::Shl),
        Prim::Less(_) => Op::Binary(BinaryOp::Lt),
        Prim::LessEqual(_) => Op::Binary(BinaryOp::Le),
        Prim::Log(_) => Op::Unary(UnaryOp::Log),
        Prim::Log10(_) => Op::Unary(UnaryOp::Log10),
        Prim::Log1p(_) => Op::Unary(UnaryOp::Log1p),
        Prim::Log2(_) => Op::Unary(UnaryOp::Log2),
        Prim::Logaddexp(_) => Op::Binary(BinaryOp::LogAddExp),
        Prim::Maximum(_) => Op::Binary(BinaryOp::Max),
        Prim::Minimum(_) => Op::Binary(BinaryOp::Min),
        Prim::Multiply(_) => Op::Binary(BinaryOp::Mul),
        Prim::Negative(_) => Op::Unary(UnaryOp::Neg),
        Prim::NotEqual(_) => Op::Binary(BinaryOp::Ne),
        Prim::Power(_) => Op::Binary(BinaryOp::Pow),
        Prim::Real(_) => Op::Unary(UnaryOp::Real),
        Prim::Remainder(_) => Op::Binary(BinaryOp::Rem),
        Prim::RightShift(_) => Op::Binary(BinaryOp::Shr),
        Prim::Round(_) => Op::Unary(UnaryOp::Round),
        Prim::Rsqrt(_) => Op::Unary(UnaryOp::Rsqrt),
        Prim::Select(_) => Op::Select,
        Prim::Sigmoid(_) => Op::Unary(UnaryOp::Sigmoid),
        Prim::Sign(_) => Op::Unary(UnaryOp::Sign),
        Prim::Sin(_) => Op::Unary(UnaryOp::Sin),
        Prim::Sinh(_) => Op::Unary(UnaryOp::Sinh),
        Prim::Sqrt(_) => Op::Unary(UnaryOp::Sqrt),
        Prim::Square(_) => Op::Unary(UnaryOp::Square),
        Prim::Subtract(_) => Op::Binary(BinaryOp::Sub),
        Prim::Tan(_) => Op::Unary(UnaryOp::Tan),
        Prim::Tanh(_) => Op::Unary(UnaryOp::Tanh),
        Prim::Trunc(_) => Op::Unary(UnaryOp::Trunc),
        _ => return None,
    })
}

/// A call with its dtypes settled.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub op: Op,
    pub from: isobit_kernels::dtype::Dtype,
    pub to: isobit_kernels::dtype::Dtype,
}

impl Call {
    /// Whether the kernel exists for these dtypes: an error if not.
    pub(crate) fn check(&self, operands: usize) -> Result<()> {
        let nowhere: SmallVec<[Operand<'_>; 3]> = (0..operands).map(|_| Operand::Vector(std::ptr::null())).collect();
        // SAFETY: of no elements, nothing is read or written.
        unsafe { self.kernel(&nowhere, std::ptr::null_mut(), 0) }.map_err(unsupported)
    }

    /// Runs the kernel on `n` contiguous elements. Operand `i` is `at[i]`.
    ///
    /// # Safety
    /// Vector operands, views and `dst` are valid for `n` elements, scalar ones for one.
    pub(crate) unsafe fn kernel(
        &self,
        at: &[Operand<'_>],
        dst: *mut u8,
        n: usize,
    ) -> std::result::Result<(), Unsupported> {
        // SAFETY: the caller's promise.
        unsafe {
            match self.op {
                Op::Unary(op) => elementwise::unary_operand(op, self.from, at[0], dst, n),
                Op::Binary(op) => elementwise::binary(op, self.from, at[0], at[1], dst, n),
                Op::Select => {
                    elementwise::select(self.to.size(), at[0], at[1], at[2], dst, n);
                    Ok(())
                }
                Op::Cast => {
                    elementwise::cast_operand(self.from, at[0], self.to, dst, n);
                    Ok(())
                }
            }
        }
    }
}

/// Runs an elementwise primitive.
pub(crate) fn run(op: Op, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = &outs[0];
    let from = dtype_of(inputs[0].dtype());
    let call = Call { op, from, to: dtype_of(out.dtype) };
    let n = out.size();
    let done = |t: Tensor| Ok(Ran::Done(smallvec![t]));
    if n == 0 {
        return done(Tensor::alloc(&out.shape, out.dtype)?);
    }
    if n == 1 {
        return one_element(call, inputs, out).map(|t| Ran::Done(smallvec![t]));
    }
    if inputs.iter().all(repeats_one) {
        // What repeats one element gives a result that does.
        let t = one_element(call, inputs, &Spec::new([], out.dtype))?;
        return done(t.with_layout(out.shape.clone(), Strides::from_elem(0, out.shape.len()), 0));
    }
    let mut layouts: SmallVec<[Layout; 3]> = inputs.iter().map(Layout::of).collect();
    for (t, layout) in inputs.iter_mut().zip(&mut layouts) {
        if *layout == Layout::Strided && n >= WORTH_A_COPY && crosses_rows(t) {
            *t = movement::copy(t)?;
            *layout = Layout::Dense;
        }
    }
    let at: SmallVec<[Start; 3]> = inputs.iter().map(|t| Start(t.as_byte_ptr())).collect();
    let steps = layouts.contains(&Layout::Strided).then(|| Steps::merge(&out.shape, inputs.iter()));
    let sizes: SmallVec<[usize; 3]> = inputs.iter().map(|t| t.dtype().size()).collect();
    let t = match donate(&mut inputs, &out.shape, out.dtype) {
        Some(t) => t,
        None => Tensor::alloc(&out.shape, out.dtype)?,
    };
    let dst = t.as_mut_byte_ptr();
    match steps {
        None => {
            let at: SmallVec<[Operand<'_>; 3]> = at.iter().zip(&layouts).map(|(a, &l)| a.as_operand(l)).collect();
            // SAFETY: dense operands and the result have `n` elements, the others one.
            unsafe { call.kernel(&at, dst, n) }.map_err(unsupported)?
        }
        Some(steps) => {
            let job = Job { call, steps: &steps, sizes: &sizes, layouts: &layouts, at: &at, dst };
            if job.has_long_rows() { job.rows() } else { job.views() }.map_err(unsupported)?;
        }
    }
    // The operands live to here: `at` points into their buffers.
    drop(inputs);
    done(t)
}

/// Computes one element: `at` are the operands, all of dtype `from` (but the condition of a choice, which is a bool).
///
/// # Safety
/// Every operand and `dst` is valid for one element, and `dst` is written by nobody else.
pub(crate) unsafe fn scalar(op: Op, at: &[*const u8], from: Dtype, to: Dtype, dst: *mut u8) -> Result<()> {
    let call = Call { op, from: dtype_of(from), to: dtype_of(to) };
    let at: SmallVec<[Operand<'_>; 3]> = at.iter().map(|&p| Operand::Vector(p)).collect();
    // SAFETY: the caller's promise.
    unsafe { call.kernel(&at, dst, 1) }.map_err(unsupported)
}

/// The result for the first element of every operand.
fn one_element(call: Call, mut inputs: Inputs, out: &Spec) -> Result<Tensor> {
    let at: SmallVec<[Operand<'_>; 3]> = inputs.iter().map(|t| Operand::Vector(t.as_byte_ptr())).collect();
    // An operand of the result's kind that nobody else holds becomes the result as it is.
    let reusable = |t: &mut Tensor| t.dtype() == out.dtype && t.shape() == out.shape.as_slice() && t.is_exclusive();
    let t = match inputs.iter_mut().position(reusable) {
        Some(i) => inputs.swap_remove(i),
        None => Tensor::alloc(&out.shape, out.dtype)?,
    };
    // SAFETY: every operand has an element, and so has the result.
    unsafe { call.kernel(&at, t.as_mut_byte_ptr(), 1) }.map_err(unsupported)?;
    drop(inputs);
    Ok(t)
}

#[cold]
fn unsupported(e: Unsupported) -> Error {
    Error::runtime("eval", e.to_string())
}

/// The first input's buffer that the result may take over.
fn donate(inputs: &mut Inputs, shape: &[usize], dtype: Dtype) -> Option<Tensor> {
    inputs.iter_mut().find_map(|t| t.donate(shape, dtype))
}

/// Whether neighbours along the last axis lie apart in memory.
pub(crate) fn crosses_rows(t: &Tensor) -> bool {
    let inner = t.shape().iter().zip(t.strides()).rev().find(|(n, _)| **n != 1);
    inner.is_some_and(|(_, &s)| s.abs() > 16)
}

/// An operand's first element.
#[derive(Clone, Copy)]
struct Start(*const u8);

impl Start {
    /// The operand, which is not strided.
    fn as_operand(self, layout: Layout) -> Operand<'static> {
        if layout == Layout::One { Operand::Scalar(self.0) } else { Operand::Vector(self.0) }
    }
}

fn repeats_one(t: &Tensor) -> bool {
    t.shape().iter().zip(t.strides()).all(|(&n, &s)| n == 1 || s == 0)
}

/// How an operand lies in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Dense, row-major.
    Dense,
    /// One element that stands for all.
    One,
    /// Anything else.
    Strided,
}

impl Layout {
    pub(crate) fn of(t: &Tensor) -> Layout {
        if t.is_contiguous() {
            Layout::Dense
        } else if repeats_one(t) {
            Layout::One
        } else {
            Layout::Strided
        }
    }
}

/// Elements per task.
const CHUNK: usize = 32 << 10;
/// Operands that are walked across their rows are first copied, in blocks, from this many elements on.
const WORTH_A_COPY: usize = 16 << 10;
/// Rows from this length on are worth a kernel call each.
const LONG_ROW: usize = 1024;

/// A call with operands of which some are strided.
struct Job<'a> {
    call: Call,
    steps: &'a Steps,
    sizes: &'a [usize],
    layouts: &'a [Layout],
    at: &'a [Start],
    dst: *mut u8,
}

// SAFETY: operands are only read, and tasks write disjoint ranges of `dst`.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    /// Whether every operand steps by 0 or 1 along rows that are long enough.
    fn has_long_rows(&self) -> bool {
        self.steps.inner() >= LONG_ROW && (0..self.at.len()).all(|i| matches!(self.steps.inner_stride(i), 0 | 1))
    }

    /// One kernel call per segment of a row.
    fn rows(&self) -> std::result::Result<(), Unsupported> {
        let inner = self.steps.inner();
        let segments = inner.div_ceil(CHUNK);
        let rows = self.steps.len() / inner;
        // A task takes a whole segment, or as many short rows as make up a chunk.
        let group = (CHUNK / inner).max(1);
        let failed = Failed::default();
        let body = |task: usize| {
            let (first, segment) = (task / segments * group, task % segments);
            let (start, end) = (segment * CHUNK, ((segment + 1) * CHUNK).min(inner));
            for row in first..(first + group).min(rows) {
                let at: SmallVec<[Operand<'_>; 3]> = (0..self.at.len())
                    .map(|i| {
                        let stride = self.steps.inner_stride(i);
                        let offset = self.steps.row(i, row) + start as isize * stride;
                        let p = self.at[i].0.wrapping_offset(offset * self.sizes[i] as isize);
                        if stride == 0 { Operand::Scalar(p) } else { Operand::Vector(p) }
                    })
                    .collect();
                let out = self.dst.wrapping_add((row * inner + start) * self.call.to.size());
                // SAFETY: the segment lies inside the operands' rows and the result's.
                failed.note(unsafe { self.call.kernel(&at, out, end - start) });
            }
        };
        let tasks = rows.div_ceil(group) * segments;
        if self.steps.len() < 4 * CHUNK {
            (0..tasks).for_each(body)
        } else {
            par::run(tasks, body)
        }
        failed.result()
    }

    /// One kernel call, which gathers strided operands tile by tile.
    fn views(&self) -> std::result::Result<(), Unsupported> {
        let at: SmallVec<[Operand<'_>; 3]> = (0..self.at.len())
            .map(|i| match self.layouts[i] {
                Layout::Strided => Operand::View(self.at[i].0, self.steps.shape(), self.steps.strides(i)),
                l => self.at[i].as_operand(l),
            })
            .collect();
        // SAFETY: dense operands and the result have as many elements as the views, the others one.
        unsafe { self.call.kernel(&at, self.dst, self.steps.len()) }
    }
}

/// The first error of several tasks. All tasks of a call fail alike or none does.
#[derive(Default)]
struct Failed(std::sync::OnceLock<Unsupported>);

impl Failed {
    fn note(&self, result: std::result::Result<(), Unsupported>) {
        if let Err(e) = result {
            let _ = self.0.set(e);
        }
    }

    fn result(self) -> std::result::Result<(), Unsupported> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}
