//! Updates combined into slices at indices.
//!
//! ```text
//! for k in updates, ascending:  slice at starts[k] = reduce(slice, updates[k])
//! ```
//!
//! Every element takes its updates in ascending order, whatever the number of threads: a task owns all slices that begin
//! at the places it owns (by a hash of the place). Slices longer than 1 along an indexed axis may overlap partly; then
//! one task does all. float16 and bfloat16 accumulate in float32 and are rounded once.
//!
//! Cost: one pass over the updates, and per task one over the indices.

use super::gather::Starts;
use super::{Shared, by_size, dense, done, owned};
use half::{bf16, f16};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::layout::contiguous_strides;
use isobit_core::ops::Reduce;
use isobit_core::ops::scatter::Scatter;
use isobit_core::{Dtype, Result, Shape, Tensor};
use isobit_kernels::{complex, par};
use smallvec::SmallVec;

/// An element type in which updates accumulate.
trait Number: Copy {
    fn add(a: Self, b: Self) -> Self;
    fn multiply(a: Self, b: Self) -> Self;
    fn maximum(a: Self, b: Self) -> Self;
    fn minimum(a: Self, b: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(impl Number for $t {
        fn add(a: $t, b: $t) -> $t { a.wrapping_add(b) }
        fn multiply(a: $t, b: $t) -> $t { a.wrapping_mul(b) }
        fn maximum(a: $t, b: $t) -> $t { a.max(b) }
        fn minimum(a: $t, b: $t) -> $t { a.min(b) }
    })* };
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($t:ty),*) => { $(impl Number for $t {
        fn add(a: $t, b: $t) -> $t { a + b }
        fn multiply(a: $t, b: $t) -> $t { a * b }
        fn maximum(a: $t, b: $t) -> $t { if b > a || b.is_nan() && !a.is_nan() { b } else { a } }
        fn minimum(a: $t, b: $t) -> $t { if b < a || b.is_nan() && !a.is_nan() { b } else { a } }
    })* };
}
floats!(f32, f64);

/// A complex number: its parts.
type Pair = [f32; 2];

impl Number for Pair {
    fn add(a: Pair, b: Pair) -> Pair {
        [a[0] + b[0], a[1] + b[1]]
    }
    fn multiply(a: Pair, b: Pair) -> Pair {
        [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
    }
    // Of equal ones the element stays.
    fn maximum(a: Pair, b: Pair) -> Pair {
        if !complex::is_nan(a) && (complex::is_nan(b) || complex::less(a, b)) { b } else { a }
    }
    fn minimum(a: Pair, b: Pair) -> Pair {
        if !complex::is_nan(a) && (complex::is_nan(b) || complex::less(b, a)) { b } else { a }
    }
}

/// A truth value, 0 or 1.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Bit(u8);

impl Number for Bit {
    fn add(a: Bit, b: Bit) -> Bit {
        Bit(a.0 | b.0)
    }
    fn multiply(a: Bit, b: Bit) -> Bit {
        Bit(a.0 & b.0)
    }
    fn maximum(a: Bit, b: Bit) -> Bit {
        Bit(a.0 | b.0)
    }
    fn minimum(a: Bit, b: Bit) -> Bit {
        Bit(a.0 & b.0)
    }
}

/// An update's element as one of the accumulator's type.
trait Widen<A>: Copy {
    fn widen(self) -> A;
}
impl<A: Copy> Widen<A> for A {
    fn widen(self) -> A {
        self
    }
}
impl Widen<f32> for f16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
}
impl Widen<f32> for bf16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

/// The loops of one dtype and one [`Reduce`].
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// For each pair `(to, from)` in order: element `to` of the first with element `from` of the second.
    pub pairs: unsafe fn(*mut u8, *const u8, &[(usize, usize)]),
    /// So many elements from `to` and `from` on.
    run: unsafe fn(*mut u8, *const u8, usize, usize, usize),
}

impl Kernel {
    fn of<A: Copy, U: Widen<A>, O: Op<A>>() -> Kernel {
        Kernel { pairs: pairs::<A, U, O>, run: run::<A, U, O> }
    }
}

trait Op<A> {
    fn op(a: A, b: A) -> A;
}
macro_rules! ops {
    ($($name:ident $f:ident),*) => { $(
        struct $name;
        impl<A: Number> Op<A> for $name { #[inline(always)] fn op(a: A, b: A) -> A { A::$f(a, b) } }
    )* };
}
ops!(Add add, Multiply multiply, Maximum maximum, Minimum minimum);
struct Set;
impl<A> Op<A> for Set {
    #[inline(always)]
    fn op(_: A, b: A) -> A {
        b
    }
}

/// # Safety
/// The pairs are in bounds; no other task touches the elements written.
unsafe fn pairs<A: Copy, U: Widen<A>, O: Op<A>>(out: *mut u8, updates: *const u8, pairs: &[(usize, usize)]) {
    let (out, updates) = (out.cast::<A>(), updates.cast::<U>());
    for &(to, from) in pairs {
        // SAFETY: the caller's promise.
        unsafe { *out.add(to) = O::op(*out.add(to), (*updates.add(from)).widen()) };
    }
}

/// # Safety
/// `n` elements from `to` and from `from` are in bounds; no other task touches those written.
unsafe fn run<A: Copy, U: Widen<A>, O: Op<A>>(out: *mut u8, updates: *const u8, to: usize, from: usize, n: usize) {
    // SAFETY: the caller's promise.
    let (out, updates) = unsafe {
        (
            std::slice::from_raw_parts_mut(out.cast::<A>().add(to), n),
            std::slice::from_raw_parts(updates.cast::<U>().add(from), n),
        )
    };
    out.iter_mut().zip(updates).for_each(|(o, &u)| *o = O::op(*o, u.widen()));
}

fn kernel(reduce: Reduce, dtype: Dtype) -> Kernel {
    fn of<A: Number, U: Widen<A>>(reduce: Reduce) -> Kernel {
        match reduce {
            Reduce::Set => Kernel::of::<A, U, Set>(),
            Reduce::Add => Kernel::of::<A, U, Add>(),
            Reduce::Multiply => Kernel::of::<A, U, Multiply>(),
            Reduce::Maximum => Kernel::of::<A, U, Maximum>(),
            Reduce::Minimum => Kernel::of::<A, U, Minimum>(),
        }
    }
    if reduce == Reduce::Set {
        return by_size!(dtype.size(), T => Kernel::of::<T, T, Set>());
    }
    match dtype {
        Dtype::Bool => of::<Bit, Bit>(reduce),
        Dtype::U8 => of::<u8, u8>(reduce),
        Dtype::U16 => of::<u16, u16>(reduce),
        Dtype::U32 => of::<u32, u32>(reduce),
        Dtype::U64 => of::<u64, u64>(reduce),
        Dtype::I8 => of::<i8, i8>(reduce),
        Dtype::I16 => of::<i16, i16>(reduce),
        Dtype::I32 => of::<i32, i32>(reduce),
        Dtype::I64 => of::<i64, i64>(reduce),
        Dtype::F16 => of::<f32, f16>(reduce),
        Dtype::BF16 => of::<f32, bf16>(reduce),
        Dtype::F32 => of::<f32, f32>(reduce),
        Dtype::F64 => of::<f64, f64>(reduce),
        Dtype::C64 => of::<Pair, Pair>(reduce),
    }
}

/// Runs `body` with the loops for `x` and `reduce`, the output's first byte (it holds the values of `x`) and that of the
/// updates, and returns the output.
pub(super) fn combining(
    reduce: Reduce,
    x: Tensor,
    updates: &Tensor,
    body: impl FnOnce(Kernel, Shared<u8>, Shared<u8>),
) -> Result<Tensor> {
    let dtype = x.dtype();
    let (kernel, updates) = (kernel(reduce, dtype), Shared::new(updates.as_byte_ptr()));
    let narrow = matches!(dtype, Dtype::F16 | Dtype::BF16) && reduce != Reduce::Set;
    if !narrow {
        let out = owned(x)?;
        body(kernel, Shared::new(out.as_mut_byte_ptr()), updates);
        return Ok(out);
    }
    let x = dense(x)?;
    let wide = Tensor::alloc(x.shape(), Dtype::F32)?;
    let out = Tensor::alloc(x.shape(), dtype)?;
    let (n, chunk) = (x.size(), 16 << 10);
    let w = Shared::new(wide.as_mut_ptr::<f32>());
    macro_rules! through {
        ($t:ty) => {{
            let (from, to) = (Shared::new(x.as_ptr::<$t>()), Shared::new(out.as_mut_ptr::<$t>()));
            // SAFETY: dense tensors of `n` elements; tasks have ranges of their own.
            par::for_chunks(n, chunk, |a, b| unsafe {
                (a..b).for_each(|i| *w.ptr().add(i) = (*from.ptr().add(i)).to_f32());
            });
            body(kernel, Shared::new(wide.as_mut_byte_ptr()), updates);
            // SAFETY: as above.
            par::for_chunks(n, chunk, |a, b| unsafe {
                (a..b).for_each(|i| *to.ptr().add(i) = <$t>::from_f32(*w.ptr().add(i)));
            });
        }};
    }
    if dtype == Dtype::F16 {
        through!(f16)
    } else {
        through!(bf16)
    }
    Ok(out)
}

/// A slice as runs of neighbouring elements, in row-major order: offset of each in the output.
fn runs(window: &[usize], strides: &[isize]) -> (Vec<usize>, usize) {
    let mut cut = window.len();
    let mut len = 1;
    while cut > 0 && (strides[cut - 1] as usize == len || window[cut - 1] == 1) {
        cut -= 1;
        len *= window[cut];
    }
    let mut offsets = vec![0usize];
    for d in 0..cut {
        let stride = strides[d] as usize;
        offsets = offsets.iter().flat_map(|&o| (0..window[d]).map(move |i| o + i * stride)).collect();
    }
    (offsets, len)
}

/// Work from which on threads are worth it, in elements.
const PARALLEL: usize = 32 << 10;
/// Runs shorter than this go element by element.
const SHORT: usize = 8;
/// How many elements are collected before they are combined.
const BATCH: usize = 1024;

/// The first input with the second combined into the slices that the others say, in row-major order.
pub fn scatter(p: &Scatter, mut inputs: Inputs) -> Result<Ran> {
    let indices: SmallVec<[Tensor; 2]> = inputs.drain(2..).collect();
    let updates = dense(inputs.swap_remove(1))?;
    let x = inputs.swap_remove(0);
    if updates.size() == 0 {
        return done(owned(x)?);
    }
    let shape: Shape = x.shape().into();
    let strides = contiguous_strides(&shape);
    let window: Shape = updates.shape()[updates.ndim() - shape.len()..].into();
    let starts = Starts::new(&indices, p.axes(), &shape, &window, &strides)?;
    let each: usize = window.iter().product();
    let count = updates.size() / each;
    let (offsets, len) = runs(&window, &strides);
    // Slices that begin at different places share no element.
    let apart = p.axes().iter().all(|&d| window[d] == 1);
    let tasks = if apart && count * each >= PARALLEL { par::threads() } else { 1 };
    combining(p.reduce(), x, &updates, |kernel, out, updates| {
        let combine = |offsets: &[usize], first: usize, mine: &dyn Fn(isize) -> bool| {
            let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(if len < SHORT { BATCH + len } else { 0 });
            starts.each(0, count, |k, start| {
                if !mine(start) {
                    return;
                }
                for (r, &o) in offsets.iter().enumerate() {
                    let (to, from) = (start as usize + o, k * each + (first + r) * len);
                    if len >= SHORT {
                        // SAFETY: starts are clamped so that slices lie inside; this task owns this slice or these runs.
                        unsafe { (kernel.run)(out.ptr(), updates.ptr(), to, from, len) };
                        continue;
                    }
                    pairs.extend((0..len).map(|i| (to + i, from + i)));
                    if pairs.len() >= BATCH {
                        // SAFETY: as above.
                        unsafe { (kernel.pairs)(out.ptr(), updates.ptr(), &pairs) };
                        pairs.clear();
                    }
                }
            });
            // SAFETY: as above.
            unsafe { (kernel.pairs)(out.ptr(), updates.ptr(), &pairs) };
        };
        if tasks == 1 {
            combine(&offsets, 0, &|_| true);
        } else if offsets.len() >= 16 * tasks {
            // Each task its own runs of every slice.
            let chunk = offsets.len().div_ceil(4 * tasks);
            par::for_chunks(offsets.len(), chunk, |a, b| combine(&offsets[a..b], a, &|_| true));
        } else {
            // Each task its own slices.
            let owner =
                |start: isize| (((start as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * tasks as u64) >> 32;
            par::run(tasks, |t| combine(&offsets, 0, &|start| owner(start) == t as u64));
        }
    })
    .and_then(done)
}
