//! Elementwise primitives on operands of any layout: the kernels see contiguous runs only.
//!
//! ```text
//! every operand one element   compute one element, return it broadcast
//! dense or one-element        one kernel call over everything
//! rows (inner strides 0, 1)   one kernel call per row segment
//! anything else               gather tiles of each odd operand into scratch, one kernel call per tile
//! ```
//!
//! 1. Axes that all operands step through alike are merged first, so most views end up in the first three cases.
//! 2. The result takes over the buffer of an operand that nobody else holds.
//! 3. An element's bits depend neither on the case taken nor on its place in a tile (the kernels' promise).

use crate::layout::{Gather, Steps, dtype_of};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::layout::Strides;
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::elementwise::{self, BinaryOp, Operand, UnaryOp, Unsupported};
use isobit_kernels::par;
use smallvec::{SmallVec, smallvec};
use std::mem::MaybeUninit;

/// What is computed, as the kernels know it.
#[derive(Clone, Copy)]
enum Op {
    Unary(UnaryOp),
    Binary(BinaryOp),
    Select,
    Cast,
}

/// A function of one array.
pub fn unary(op: UnaryOp, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    run(Op::Unary(op), inputs, &outs[0])
}

/// A function of two arrays.
pub fn binary(op: BinaryOp, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    run(Op::Binary(op), inputs, &outs[0])
}

/// The choice between two arrays.
pub fn select(inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    run(Op::Select, inputs, &outs[0])
}

/// Conversion to the output's dtype.
pub fn cast(inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    run(Op::Cast, inputs, &outs[0])
}

/// A call with its dtypes settled.
#[derive(Clone, Copy)]
struct Call {
    op: Op,
    from: isobit_kernels::dtype::Dtype,
    to: isobit_kernels::dtype::Dtype,
}

impl Call {
    /// Runs the kernel on `n` contiguous elements. Operand `i` is `at[i]`.
    ///
    /// # Safety
    /// Vector operands and `dst` are valid for `n` elements, scalar ones for one; unary calls and casts take vectors.
    unsafe fn kernel(&self, at: &[Operand], dst: *mut u8, n: usize) -> std::result::Result<(), Unsupported> {
        let ptr = |o: Operand| match o {
            Operand::Vector(p) | Operand::Scalar(p) => p,
        };
        // SAFETY: the caller's promise.
        unsafe {
            match self.op {
                Op::Unary(op) => elementwise::unary(op, self.from, ptr(at[0]), dst, n),
                Op::Binary(op) => elementwise::binary(op, self.from, at[0], at[1], dst, n),
                Op::Select => {
                    elementwise::select(self.to.size(), at[0], at[1], at[2], dst, n);
                    Ok(())
                }
                Op::Cast => {
                    elementwise::cast(self.from, ptr(at[0]), self.to, dst, n);
                    Ok(())
                }
            }
        }
    }
}

fn run(op: Op, mut inputs: Inputs, out: &Spec) -> Result<Ran> {
    let from = dtype_of(inputs[0].dtype())?;
    let call = Call { op, from, to: dtype_of(out.dtype)? };
    let n = out.size();
    let done = |t: Tensor| Ok(Ran::Done(smallvec![t]));
    if n == 0 {
        return done(Tensor::alloc(&out.shape, out.dtype)?);
    }
    let one_element = n > 1 && inputs.iter().all(repeats_one);
    if n == 1 || one_element {
        let at: SmallVec<[Operand; 3]> = inputs.iter().map(|t| Operand::Vector(t.as_byte_ptr())).collect();
        let shape: &[usize] = if n == 1 { &out.shape } else { &[] };
        let donated = if n == 1 { donate(&mut inputs, shape, out.dtype) } else { None };
        let t = match donated {
            Some(t) => t,
            None => Tensor::alloc(shape, out.dtype)?,
        };
        // SAFETY: every operand has an element, and so has the result.
        unsafe { call.kernel(&at, t.as_mut_byte_ptr(), 1) }.map_err(unsupported)?;
        if one_element {
            let t = t.with_layout(out.shape.clone(), Strides::from_elem(0, out.shape.len()), 0);
            return done(t);
        }
        return done(t);
    }
    let layouts: SmallVec<[Layout; 3]> = inputs.iter().map(Layout::of).collect();
    let strided = layouts.contains(&Layout::Strided);
    let at: SmallVec<[Operand; 3]> = inputs
        .iter()
        .zip(&layouts)
        .map(
            |(t, l)| {
                if *l == Layout::One { Operand::Scalar(t.as_byte_ptr()) } else { Operand::Vector(t.as_byte_ptr()) }
            },
        )
        .collect();
    let steps = strided.then(|| Steps::merge(&out.shape, inputs.iter()));
    let sizes: SmallVec<[usize; 3]> = inputs.iter().map(|t| t.dtype().size()).collect();
    let t = match donate(&mut inputs, &out.shape, out.dtype) {
        Some(t) => t,
        None => Tensor::alloc(&out.shape, out.dtype)?,
    };
    let dst = t.as_mut_byte_ptr();
    match steps {
        // SAFETY: dense operands and the result have `n` elements, the others one.
        None => unsafe { call.kernel(&at, dst, n) }.map_err(unsupported)?,
        Some(steps) => {
            let job = Job { call, steps: &steps, sizes: &sizes, layouts: &layouts, at: &at, dst };
            if job.has_long_rows() { job.rows() } else { job.tiles() }.map_err(unsupported)?;
        }
    }
    // The operands live to here: `at` points into their buffers.
    drop(inputs);
    done(t)
}

#[cold]
fn unsupported(e: Unsupported) -> Error {
    Error::runtime("eval", e.to_string())
}

/// The first input's buffer that the result may take over.
fn donate(inputs: &mut Inputs, shape: &[usize], dtype: Dtype) -> Option<Tensor> {
    inputs.iter_mut().find_map(|t| t.donate(shape, dtype))
}

fn repeats_one(t: &Tensor) -> bool {
    t.shape().iter().zip(t.strides()).all(|(&n, &s)| n == 1 || s == 0)
}

/// How an operand lies in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Dense, row-major.
    Dense,
    /// One element that stands for all.
    One,
    /// Anything else.
    Strided,
}

impl Layout {
    fn of(t: &Tensor) -> Layout {
        if t.is_contiguous() {
            Layout::Dense
        } else if repeats_one(t) {
            Layout::One
        } else {
            Layout::Strided
        }
    }
}

/// Elements per gathered tile.
const TILE: usize = 2048;
/// Elements per task.
const CHUNK: usize = 16 * TILE;
/// Rows from this length on are worth a kernel call each.
const LONG_ROW: usize = 1024;

/// A call with operands of which some are strided.
struct Job<'a> {
    call: Call,
    steps: &'a Steps,
    sizes: &'a [usize],
    layouts: &'a [Layout],
    at: &'a [Operand],
    dst: *mut u8,
}

// SAFETY: operands are only read, and tasks write disjoint ranges of `dst`.
unsafe impl Sync for Job<'_> {}

/// Room for a tile of one operand.
type Scratch = MaybeUninit<[u64; TILE]>;

impl Job<'_> {
    fn base(&self, i: usize) -> *const u8 {
        match self.at[i] {
            Operand::Vector(p) | Operand::Scalar(p) => p,
        }
    }

    /// Whether every operand steps by 0 or 1 along rows that are long enough.
    fn has_long_rows(&self) -> bool {
        let unary = matches!(self.call.op, Op::Unary(_) | Op::Cast);
        self.steps.inner() >= LONG_ROW
            && (0..self.at.len()).all(|i| match self.steps.inner_stride(i) {
                1 => true,
                0 => !unary,
                _ => false,
            })
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
                let at: SmallVec<[Operand; 3]> = (0..self.at.len())
                    .map(|i| {
                        let stride = self.steps.inner_stride(i);
                        let offset = self.steps.row(i, row) + start as isize * stride;
                        let p = self.base(i).wrapping_offset(offset * self.sizes[i] as isize);
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

    /// One kernel call per tile, odd operands gathered first.
    fn tiles(&self) -> std::result::Result<(), Unsupported> {
        let failed = Failed::default();
        let body = |start: usize, end: usize| {
            let mut scratch: [Scratch; 3] = [const { MaybeUninit::uninit() }; 3];
            let mut gathers: SmallVec<[Option<Gather>; 3]> = (0..self.at.len())
                .map(|i| {
                    (self.layouts[i] != Layout::Dense && !self.passes(i)).then(|| Gather::new(self.steps, i, start))
                })
                .collect();
            let mut from = start;
            while from < end {
                let n = TILE.min(end - from);
                let mut at: SmallVec<[Operand; 3]> = SmallVec::from_slice(self.at);
                for (i, gather) in gathers.iter_mut().enumerate() {
                    let size = self.sizes[i];
                    if let Some(gather) = gather {
                        let to: *mut u8 = scratch[i].as_mut_ptr().cast();
                        // SAFETY: the tile has room for `n` elements of at most 8 bytes, and as many are left.
                        unsafe { gather.take(self.base(i), size, to, n) };
                        at[i] = Operand::Vector(to);
                    } else if self.layouts[i] == Layout::Dense {
                        at[i] = Operand::Vector(self.base(i).wrapping_add(from * size));
                    }
                }
                let out = self.dst.wrapping_add(from * self.call.to.size());
                // SAFETY: tiles hold `n` elements, dense operands and the result from `from` on as well.
                failed.note(unsafe { self.call.kernel(&at, out, n) });
                from += n;
            }
        };
        let n = self.steps.len();
        if n < 4 * CHUNK {
            body(0, n)
        } else {
            par::for_chunks(n, CHUNK, body)
        }
        failed.result()
    }

    /// Whether the kernel takes operand `i` as the one element that it is.
    fn passes(&self, i: usize) -> bool {
        self.layouts[i] == Layout::One && matches!(self.call.op, Op::Binary(_) | Op::Select)
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
