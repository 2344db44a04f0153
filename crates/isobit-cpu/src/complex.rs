//! complex64 beyond the elementwise operations: what is linear runs on the real and imaginary parts with the kernels of
//! float32 (a part is a view with twice the strides), everything else along lines of numbers.
//!
//! Sums and matrix products so have the order, and the bits, of those of their parts.

use crate::lines::{axes_back, axes_last, elements, elements_mut};
use crate::{CPU, matmul, scan};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::layout::Strides;
use isobit_core::ops::Side;
use isobit_core::ops::scan::Scan;
use isobit_core::{Dtype, Error, Result, Shape, Spec, Tensor};
use isobit_kernels::complex::lines;
use isobit_kernels::copy::CopyPlan;
use isobit_kernels::reduce::ReduceOp;
use isobit_kernels::scan::ScanOp;
use isobit_kernels::sort as kernels;
use smallvec::smallvec;

/// A number in memory.
type Pair = [f32; 2];

fn done(t: Tensor) -> Result<Ran> {
    Ok(Ran::Done(smallvec![t]))
}

/// The real parts (0) or the imaginary ones (1), where they lie.
fn part(t: &Tensor, which: usize) -> Tensor {
    let (shape, offset) = (Shape::from_slice(t.shape()), 2 * t.offset() + which);
    let strides: Strides = t.strides().iter().map(|s| 2 * s).collect();
    t.clone().bitcast(Shape::new(), Dtype::F32).with_layout(shape, strides, offset)
}

/// The result of running an operation on the real and on the imaginary parts.
pub fn by_parts(inputs: Inputs, out: &Spec, run: impl Fn(Inputs, &Spec) -> Result<Ran>) -> Result<Ran> {
    let real = Spec { dtype: Dtype::F32, ..out.clone() };
    let joined = Tensor::alloc(&out.shape, out.dtype)?;
    for which in 0..2 {
        let Ran::Done(found) = run(inputs.iter().map(|t| part(t, which)).collect(), &real)? else {
            return Err(Error::runtime("eval", "an operation on parts gave no result"));
        };
        let (from, to) = (&found[0], part(&joined, which));
        let plan = CopyPlan::new(4, from.shape(), from.strides(), to.strides());
        // SAFETY: the elements of the result, and every second float of the fresh output.
        unsafe { plan.run(from.as_byte_ptr(), to.as_mut_byte_ptr()) };
    }
    done(joined)
}

/// Rows of numbers: the tensor with `axes` at the end, dense, and how long a row is.
fn rows(t: Tensor, axes: &[usize]) -> Result<(Tensor, usize)> {
    let n = axes.iter().map(|&d| t.shape()[d]).product();
    Ok((axes_last(t, axes)?, n))
}

/// A product or an extremum over axes, which stay with size 1.
pub fn reduce(op: ReduceOp, axes: &[usize], mut inputs: Inputs, out: &Spec) -> Result<Ran> {
    let (x, n) = rows(inputs.remove(0), axes)?;
    let t = Tensor::alloc(&out.shape, out.dtype)?;
    // SAFETY: dense tensors of complex64; the output is fresh.
    let (from, to) = unsafe { (elements::<Pair>(&x), elements_mut::<Pair>(&t)) };
    if !lines::reduce(op, from, to, n) {
        return Err(Error::dtype("reduce", format!("no {op:?} of complex64")));
    }
    done(t)
}

/// The position of the largest or smallest element along an axis, which stays with size 1.
pub fn position(largest: bool, axis: usize, mut inputs: Inputs, out: &Spec) -> Result<Ran> {
    let (x, n) = rows(inputs.remove(0), &[axis])?;
    let t = Tensor::alloc(&out.shape, out.dtype)?;
    // SAFETY: dense tensors; the output is fresh and of uint32.
    let (from, to) = unsafe { (elements::<Pair>(&x), elements_mut::<u32>(&t)) };
    lines::position(largest, from, to, n);
    done(t)
}

/// A cumulative operation.
pub fn cumulate(op: ScanOp, p: Scan, mut inputs: Inputs, out: &Spec) -> Result<Ran> {
    if op == ScanOp::Sum {
        return by_parts(inputs, out, |part, spec| scan::scan(op, p, part, std::slice::from_ref(spec)));
    }
    let x = CPU.contiguous(inputs.remove(0))?;
    let t = Tensor::alloc(&out.shape, out.dtype)?;
    // SAFETY: dense tensors of complex64; the output is fresh.
    let (from, to) = unsafe { (elements::<Pair>(&x), elements_mut::<Pair>(&t)) };
    lines::scan(op, from, to, scan::spec(x.shape(), p));
    done(t)
}

/// `h[i] = a[i] * h[i - 1] + b[i]`.
pub fn linear_recurrence(p: Scan, a: &Tensor, b: &Tensor) -> Result<Ran> {
    let t = Tensor::alloc(a.shape(), a.dtype())?;
    // SAFETY: dense tensors of complex64; the output is fresh.
    let (x, y, to) = unsafe { (elements::<Pair>(a), elements::<Pair>(b), elements_mut::<Pair>(&t)) };
    lines::linear_recurrence(x, y, to, scan::spec(a.shape(), p));
    done(t)
}

/// For each number of a dense tensor an integer that is ordered as the numbers are.
fn keys(t: &Tensor) -> Result<Tensor> {
    let keys = Tensor::alloc(t.shape(), Dtype::U64)?;
    // SAFETY: dense tensors of these types; the output is fresh.
    unsafe { lines::keys(elements::<Pair>(t), elements_mut::<u64>(&keys)) };
    Ok(keys)
}

/// The positions, and if `values` the numbers, of rows along `axis` sorted or partitioned around position `kth`.
pub fn sorted(mut inputs: Inputs, axis: usize, kth: Option<usize>, values: bool) -> Result<Ran> {
    let (x, n) = rows(inputs.remove(0), &[axis])?;
    let order = Tensor::alloc(x.shape(), Dtype::U32)?;
    let keys = keys(&x)?;
    // SAFETY: dense tensors of these types; the output is fresh.
    let (from, to) = unsafe { (elements::<u64>(&keys), elements_mut::<u32>(&order)) };
    match kth {
        _ if from.is_empty() => {}
        None => kernels::argsort(from, to, n),
        Some(kth) => kernels::argpartition(from, to, n, kth),
    }
    if !values {
        return done(axes_back(order, &[axis]));
    }
    let t = Tensor::alloc(x.shape(), x.dtype())?;
    // SAFETY: dense tensors of complex64; the output is fresh, and positions are below `n`.
    let (from, to) = unsafe { (elements::<Pair>(&x), elements_mut::<Pair>(&t)) };
    // SAFETY: as above.
    lines::reorder(from, unsafe { elements::<u32>(&order) }, to, n);
    done(axes_back(t, &[axis]))
}

/// For every value its place in its row's sequence.
pub fn searchsorted(sequences: &Tensor, values: &Tensor, side: Side, out: &Tensor) -> Result<()> {
    let (s, v) = (keys(sequences)?, keys(values)?);
    let last = |t: &Tensor| t.shape()[t.ndim() - 1];
    // SAFETY: dense tensors of these types; the output is fresh and of uint32.
    let (a, b, to) = unsafe { (elements::<u64>(&s), elements::<u64>(&v), elements_mut::<u32>(out)) };
    kernels::search(a, last(&s), b, last(&v), to, side == Side::Right);
    Ok(())
}

/// `alpha * (a @ b) + beta * c`, or the product alone: four real products, combined.
pub fn product(a: &Tensor, b: &Tensor, after: Option<(&Tensor, f64, f64)>, out: &Spec) -> Result<Ran> {
    let t = Tensor::alloc(&out.shape, out.dtype)?;
    let real = Spec { dtype: Dtype::F32, ..out.clone() };
    let one = |i, j| match matmul::matmul(smallvec![part(a, i), part(b, j)], std::slice::from_ref(&real))? {
        Ran::Done(found) => Ok(found[0].clone()),
        Ran::Decompose(_) => Err(Error::runtime("matmul", "a real product gave no result")),
    };
    let products = [one(0, 0)?, one(1, 1)?, one(0, 1)?, one(1, 0)?];
    // SAFETY: dense tensors of float32.
    let floats = [0, 1, 2, 3].map(|i| unsafe { elements::<f32>(&products[i]) });
    let (c, alpha, beta) = match after {
        Some((c, alpha, beta)) => (Some(CPU.contiguous(c.clone())?), alpha, beta),
        None => (None, 1.0, 0.0),
    };
    // SAFETY: a dense tensor of complex64.
    let c = c.as_ref().map(|c| unsafe { elements::<Pair>(c) });
    // SAFETY: a fresh tensor of complex64.
    lines::combine(floats, c, alpha, beta, unsafe { elements_mut::<Pair>(&t) });
    done(t)
}
