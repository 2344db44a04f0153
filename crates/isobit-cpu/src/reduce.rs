//! Reductions over any set of axes.
//!
//! # The order
//! For a reduction over the axes R of an array (reduced axes of size 1 left out, since they change nothing):
//!
//! 1. **Rows.** The axes of R at the end of the shape, with no kept axis behind them, are one row: their elements in
//!    row-major order, accumulated in 16 lanes x 4 accumulators and the fixed tree; rows beyond 65,536 elements in chunks
//!    of that size, whose results are a row again.
//! 2. **Columns.** The other axes of R then are one column, in row-major order: blocks of 256 from the identity,
//!    ascending, the blocks' results added in order.
//!
//! Half precision is accumulated in float32 through both and rounded once. `max`, `min`, integers, `any` and `all` do not
//! depend on the order, but take the same way.
//!
//! Which axes are rows is a matter of their places among the array's axes, never of strides or of the sizes of kept axes:
//! a kept axis at the end makes columns even if its size is 1. So a batch axis in front, or a slice of a kept axis,
//! leaves every result's bits as they are. Where the elements lie otherwise they are first copied into that layout.
//!
//! `logsumexp` and `softmax` always take rows: their axes, moved to the end ([`crate::lines`]).

use crate::lines::{axes_back, axes_last};
use crate::{CPU, complex, elementwise, layout};
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::layout::{Strides, contiguous_strides};
use isobit_core::{Dtype, Error, Result, Shape, Spec, Tensor};
use isobit_kernels::reduce::{self as kernels, Extent, ReduceOp};
use isobit_kernels::softmax as rows;
use smallvec::smallvec;

/// A reduction whose result keeps the reduced axes with size 1.
pub fn reduce(op: ReduceOp, axes: &[usize], mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = &outs[0];
    if out.dtype == Dtype::C64 {
        return match op {
            ReduceOp::Sum => {
                complex::by_parts(inputs, out, |part, spec| reduce(op, axes, part, std::slice::from_ref(spec)))
            }
            _ => complex::reduce(op, axes, inputs, out),
        };
    }
    let x = without_unit_axes(inputs.remove(0), axes);
    // Axes of `x` that are reduced, and how many of them stand at the end.
    let reduced: Vec<usize> = x.1;
    let x = x.0;
    let ndim = x.ndim();
    let trailing = (0..reduced.len()).take_while(|i| reduced[reduced.len() - 1 - i] == ndim - 1 - i).count();
    let columns = &reduced[..reduced.len() - trailing];
    let is_half = matches!(x.dtype(), Dtype::F16 | Dtype::BF16);
    let widened = is_half && (out.dtype == Dtype::F32 || trailing > 0 && !columns.is_empty());
    let (mut x, to) = if widened { (cast(x, Dtype::F32)?, Dtype::F32) } else { (x, out.dtype) };
    if trailing > 0 || columns.is_empty() {
        x = over_rows(op, x, trailing, to)?;
    }
    if !columns.is_empty() {
        x = over_columns(op, x, columns, to)?;
    }
    let x = x.with_layout(out.shape.clone(), contiguous_strides(&out.shape), 0);
    Ok(Ran::Done(smallvec![cast(x, out.dtype)?]))
}

/// The tensor without its reduced axes of size 1, and the places of the other reduced axes in it.
fn without_unit_axes(x: Tensor, axes: &[usize]) -> (Tensor, Vec<usize>) {
    let kept: Vec<usize> = (0..x.ndim()).filter(|&d| x.shape()[d] != 1 || !axes.contains(&d)).collect();
    let reduced = (0..kept.len()).filter(|&i| axes.contains(&kept[i])).collect();
    let shape: Shape = kept.iter().map(|&d| x.shape()[d]).collect();
    let strides: Strides = kept.iter().map(|&d| x.strides()[d]).collect();
    let offset = x.offset();
    (x.with_layout(shape, strides, offset), reduced)
}

fn cast(x: Tensor, dtype: Dtype) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x);
    }
    let spec = Spec::new(x.shape(), dtype);
    match elementwise::run(elementwise::Op::Cast, smallvec![x], &[spec])? {
        Ran::Done(mut out) if out.len() == 1 => Ok(out.remove(0)),
        _ => Err(Error::runtime("astype", "a conversion has one result")),
    }
}

/// Reduces the last `count` axes.
fn over_rows(op: ReduceOp, x: Tensor, count: usize, to: Dtype) -> Result<Tensor> {
    let x = CPU.contiguous(x)?;
    let (lead, row) = x.shape().split_at(x.ndim() - count);
    let out = Tensor::alloc(lead, to)?;
    let extent = Extent { outer: lead.iter().product(), n: row.iter().product(), inner: 1 };
    run(op, &x, &out, extent)?;
    Ok(out)
}

/// Reduces the axes `columns`, behind which at least one axis is kept.
fn over_columns(op: ReduceOp, x: Tensor, columns: &[usize], to: Dtype) -> Result<Tensor> {
    let kept: Vec<usize> = (0..x.ndim()).filter(|d| !columns.contains(d)).collect();
    let size = |axes: &[usize]| axes.iter().map(|&d| x.shape()[d]).product::<usize>();
    let kept_shape: Shape = kept.iter().map(|&d| x.shape()[d]).collect();
    let (mut outer, mut inner): (Vec<usize>, Vec<usize>) = kept.iter().partition(|&&d| d < columns[0]);
    if size(&inner) == 1 {
        // The kernels take a lone column for a row. Columns may stand side by side in any arrangement.
        inner.splice(0..0, outer.drain(..));
    }
    let mut extent = Extent { outer: size(&outer), n: size(columns), inner: size(&inner) };
    let order: Vec<usize> = outer.iter().chain(columns).chain(&inner).copied().collect();
    let mut shape: Shape = order.iter().map(|&d| x.shape()[d]).collect();
    let mut strides: Strides = order.iter().map(|&d| x.strides()[d]).collect();
    let lone = extent.outer == 1 && extent.inner == 1;
    if lone {
        // Twice the same column; the first result is the one.
        shape.push(2);
        strides.push(0);
        extent.inner = 2;
    }
    let offset = x.offset();
    let x = CPU.contiguous(x.with_layout(shape, strides, offset))?;
    let out = Tensor::alloc(if lone { &[2] } else { &kept_shape }, to)?;
    run(op, &x, &out, extent)?;
    Ok(if lone { out.with_layout(kept_shape.clone(), contiguous_strides(&kept_shape), 0) } else { out })
}

fn run(op: ReduceOp, x: &Tensor, out: &Tensor, extent: Extent) -> Result<()> {
    let (from, to) = (layout::dtype_of(x.dtype()), layout::dtype_of(out.dtype()));
    // SAFETY: `x` is dense and has the extent's elements; `out` is fresh and has its results'.
    unsafe { kernels::reduce(op, from, to, x.as_byte_ptr(), out.as_mut_byte_ptr(), extent) }
        .map_err(|e| Error::dtype("reduce", e.to_string()))
}

/// The position of the largest or smallest element along an axis, which stays with size 1.
pub fn position(op: ReduceOp, axis: usize, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let n = inputs[0].shape()[axis];
    if u32::try_from(n).is_err() {
        return Err(Error::runtime("argmax", format!("expected at most 2^32 - 1 elements along the axis, got {n}")));
    }
    if inputs[0].dtype() == Dtype::C64 {
        return complex::position(op == ReduceOp::ArgMax, axis, inputs, &outs[0]);
    }
    let x = CPU.contiguous(inputs.remove(0))?;
    let size = |axes: &[usize]| axes.iter().product::<usize>();
    let extent = Extent { outer: size(&x.shape()[..axis]), n, inner: size(&x.shape()[axis + 1..]) };
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    run(op, &x, &out, extent)?;
    Ok(Ran::Done(smallvec![out]))
}

/// `log(sum(exp(x)))` over axes, which stay with size 1.
pub fn logsumexp(axes: &[usize], mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let x = axes_last(inputs.remove(0), axes)?;
    Ok(Ran::Done(smallvec![over_rows(ReduceOp::LogSumExp, x, axes.len(), outs[0].dtype)?.with_layout(
        outs[0].shape.clone(),
        contiguous_strides(&outs[0].shape),
        0
    )]))
}

/// Softmax over axes. Works in place where the input's buffer is free.
pub fn softmax(axes: &[usize], mut inputs: Inputs) -> Result<Ran> {
    let mut x = axes_last(inputs.remove(0), axes)?;
    let shape = Shape::from_slice(x.shape());
    let (lead, row) = shape.split_at(shape.len() - axes.len());
    let (count, n) = (lead.iter().product(), row.iter().product());
    let out = match x.donate(&shape, x.dtype()) {
        Some(out) => out,
        None => Tensor::alloc(&shape, x.dtype())?,
    };
    if x.size() > 0 {
        // SAFETY: both are dense with `count` rows of `n`; the output is fresh or the input's own buffer.
        let known =
            unsafe { rows::softmax(layout::dtype_of(x.dtype()), x.as_byte_ptr(), out.as_mut_byte_ptr(), count, n) };
        if !known {
            return Err(Error::dtype("softmax", format!("expected a floating dtype, got {}", x.dtype())));
        }
    }
    Ok(Ran::Done(smallvec![axes_back(out, axes)]))
}
