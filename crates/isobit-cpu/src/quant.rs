//! Quantized and gathered products: which rows meet which matrix.
//!
//! ```text
//! quantized_matmul   the products of a batch side by side
//! gather_qmm         pairs grouped by their right operand: one product of all its rows, wherever they lie, side by side
//!                    (both also with activations rounded to eight bits)
//! gather_mm          the same, but rows are gathered, multiplied in one call, put back
//! not transposed     the matrix in single precision, some columns at a time, times the rows in single precision
//! ```
//!
//! A row has the same bits in any company, so grouping changes speed alone.

use crate::elementwise::{self, Op};
use crate::layout::dtype_of;
use crate::room::Room;
use half::{bf16, f16};
use isobit_core::backend::{Backend, Inputs, Outputs, Ran};
use isobit_core::ops::gather_qmm::GatherQmm;
use isobit_core::ops::quantize::Quantize;
use isobit_core::ops::quantized_matmul::QuantizedMatmul;
use isobit_core::quant::{Format, Mode};
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::gemm::{self, Element, Epilogue, Mat, OutMat};
use isobit_kernels::quant::{self, Codes, Dense, Packed, Product, Scales};
use smallvec::smallvec;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Codes to words.
pub fn pack_bits(cpu: &dyn Backend, bits: usize, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let x = cpu.contiguous(inputs.swap_remove(0))?;
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let n = x.shape().last().copied().unwrap_or(1);
    let rows = x.size().checked_div(n).unwrap_or(0);
    // SAFETY: both tensors are dense, and `infer` has checked that rows fill whole words.
    unsafe { quant::pack_bits(bits, x.as_ptr(), out.as_mut_ptr(), rows, n) };
    Ok(Ran::Done(smallvec![out]))
}

/// Floats to affine codes, scales and biases.
pub fn quantize(cpu: &dyn Backend, p: &Quantize, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    if inputs[0].dtype() == Dtype::F64 {
        return Ok(Ran::Decompose(inputs));
    }
    let x = cpu.contiguous(inputs.swap_remove(0))?;
    let found = outs.iter().map(|s| Tensor::alloc(&s.shape, s.dtype)).collect::<Result<Outputs>>()?;
    let (bits, group) = (p.format().bits(), p.format().group_size());
    let [codes, scales, biases] = [0, 1, 2].map(|i| found[i].as_mut_byte_ptr());
    let call = quant::Affine { bits, group, groups: x.size() / group, codes: codes.cast(), scales, biases };
    // SAFETY: dense tensors; `infer` has checked that groups divide rows, and the outputs are fresh and have a place for each.
    if !unsafe { quant::quantize(dtype_of(x.dtype()), x.as_byte_ptr(), call) } {
        return Err(Error::dtype("quantize", format!("no quantization of {}", x.dtype())));
    }
    Ok(Ran::Done(found))
}

/// Words to codes.
pub fn unpack_bits(cpu: &dyn Backend, bits: usize, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let x = cpu.contiguous(inputs.swap_remove(0))?;
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    let width = x.shape().last().copied().unwrap_or(1);
    let rows = x.size().checked_div(width).unwrap_or(0);
    // SAFETY: both tensors are dense, and `infer` has checked that words hold whole codes.
    unsafe { quant::unpack_bits(bits, x.as_ptr(), out.as_mut_ptr(), rows, width) };
    Ok(Ran::Done(smallvec![out]))
}

/// `x @ w.T` or `x @ w`, batch by batch.
pub fn quantized_matmul(cpu: &dyn Backend, p: &QuantizedMatmul, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() == 0 {
        return Ok(Ran::Done(smallvec![out]));
    }
    let inputs = dense_rows(cpu, inputs, 1)?;
    let x = Rows::of(&inputs[0]);
    let w = Matrix::of(p.format(), p.transpose(), &inputs[1..])?;
    let to = Rows::of(&out);
    let d = out.ndim();
    let batch: usize = out.shape()[..d - 2].iter().product();
    let kernel = p.transpose() && x.dtype != Dtype::F64;
    let kept = if kernel && d == 2 { Blocks::of(&w, &inputs[1..], 1, x.rows) } else { None };
    let mut products = Vec::new();
    let mut index = vec![0; d - 2];
    for _ in 0..batch {
        let at = |t: &Tensor| offset(t, &index);
        let w = w.at(at(&inputs[1]), at(&inputs[2]), inputs.get(3).map(at));
        let (x, to) = (x.at(at(&inputs[0])), to.at(at(&out)));
        if kernel {
            products.push(w.product(x, to, x.rows, None, kept.as_ref().and_then(|b| b.get(0, &w.w, x.rows)))?);
        } else {
            w.multiply_dense(x, to, x.rows)?;
        }
        for i in (0..index.len()).rev() {
            index[i] += 1;
            if index[i] < out.shape()[i] {
                break;
            }
            index[i] = 0;
        }
    }
    // SAFETY: shapes were checked by `infer`, strides stay inside their buffers, and the output is fresh and dense.
    unsafe { if p.int8() { quant::products_int8(&products) } else { quant::products(&products) } };
    Ok(Ran::Done(smallvec![out]))
}

/// Elements from a tensor's start to the matrix with that leading index.
fn offset(t: &Tensor, index: &[usize]) -> isize {
    index.iter().zip(t.strides()).map(|(&i, &s)| i as isize * s).sum()
}

/// The inputs, copied unless the elements of their rows are adjacent; scales and biases (the last two of those that are
/// there, from `codes` on) in one layout.
fn dense_rows(cpu: &dyn Backend, inputs: Inputs, codes: usize) -> Result<Inputs> {
    let dense = |t: &Tensor| t.ndim() < 2 || t.strides()[t.ndim() - 1] == 1 || t.shape()[t.ndim() - 1] == 1;
    let row = |t: &Tensor| t.strides()[t.ndim() - 2];
    let parts = &inputs[codes + 1..];
    let alike = parts.iter().all(|t| dense(t) && row(t) == row(&parts[0]));
    let kept = |(i, t): (usize, Tensor)| {
        let fits = if i <= codes { dense(&t) } else { alike };
        if fits { Ok(t) } else { cpu.copy(&t) }
    };
    inputs.into_iter().enumerate().map(kept).collect()
}

/// A matrix of activations or results with adjacent elements in a row.
#[derive(Clone, Copy)]
struct Rows {
    ptr: *mut u8,
    dtype: Dtype,
    rows: usize,
    stride: isize,
}

impl Rows {
    fn of(t: &Tensor) -> Rows {
        let d = t.ndim();
        Rows { ptr: t.as_byte_ptr().cast_mut(), dtype: t.dtype(), rows: t.shape()[d - 2], stride: t.strides()[d - 2] }
    }

    fn at(self, elements: isize) -> Rows {
        Rows { ptr: self.ptr.wrapping_offset(elements * self.dtype.size() as isize), ..self }
    }
}

/// A quantized matrix, and whether it is used transposed (then groups run along K).
#[derive(Clone, Copy)]
struct Matrix {
    w: quant::Matrix,
    transpose: bool,
    /// Sizes of the product: `k` by `n`.
    k: usize,
    n: usize,
}

/// Rows up to which a product counts as thin: as with dense weights, thin use again and again is what packing is for. With 64
/// rows arranging the codes anew is a tenth of the product, with 512 a fiftieth.
const THIN: usize = 64;
/// Codes from which packing pays.
const WORTH: usize = 1 << 16;
/// The use of the same operand at which it is packed.
const PACK_AT: u32 = 2;

/// Blocks of a stack of quantized matrices, kept with the buffer of their codes, and what they are made from.
struct Blocks {
    matrices: Vec<Kept>,
    codes: (usize, isize, isize, usize, usize, quant::Format),
    /// Scales and biases stay as they are as long as these handles are held, unless somebody outside writes to them: then
    /// their versions are others.
    scales: Vec<(Tensor, u32)>,
}

/// One matrix's blocks, and how often it was used before they were made.
#[derive(Default)]
struct Kept {
    uses: AtomicU32,
    blocks: OnceLock<(Packed, Room)>,
}

impl Blocks {
    /// The blocks that are kept for a stack of `count` matrices like `m`, used with that many rows.
    fn of(m: &Matrix, w: &[Tensor], count: usize, rows: usize) -> Option<Arc<Blocks>> {
        let step = if w[0].ndim() > 2 { w[0].strides()[0] } else { 0 };
        let identity = (w[0].offset(), step, m.w.code_stride, m.n, m.k, m.w.format);
        let (derived, scales) = (w[0].buffer().derived(), &w[1..]);
        let version = |s: &Tensor| s.buffer().derived().version();
        let found = || derived.get::<Blocks>().filter(|b| b.scales.iter().all(|(s, v)| version(s) == *v));
        let found = match found() {
            Some(blocks) => blocks,
            None => {
                // Scales in the buffer of the codes would keep themselves.
                let keepable =
                    |s: &Tensor| s.buffer().derived().is_settled() && !Arc::ptr_eq(s.buffer(), w[0].buffer());
                if rows > THIN || m.n * m.k < WORTH || !scales.iter().all(keepable) {
                    return None;
                }
                let scales = scales.iter().map(|s| (s.clone(), version(s))).collect();
                let matrices = (0..count).map(|_| Kept::default()).collect();
                derived.keep(Blocks { matrices, codes: identity, scales });
                found()?
            }
        };
        let same = |((a, _), b): (&(Tensor, u32), &Tensor)| {
            Arc::ptr_eq(a.buffer(), b.buffer())
                && a.offset() == b.offset()
                && a.strides() == b.strides()
                && a.dtype() == b.dtype()
        };
        let fits = found.codes == identity
            && found.matrices.len() == count
            && found.scales.len() == scales.len()
            && found.scales.iter().zip(scales).all(same);
        fits.then_some(found)
    }

    /// The blocks of matrix `i`, which is `m`, used with that many rows: made at its third thin use (weights are used again
    /// and again), and kept as long as the codes live. The bits are the same either way.
    fn get(&self, i: usize, m: &quant::Matrix, rows: usize) -> Option<&Packed> {
        let kept = &self.matrices[i];
        if let Some((blocks, _)) = kept.blocks.get() {
            return Some(blocks);
        }
        if rows > THIN || kept.uses.fetch_add(1, Ordering::Relaxed) < PACK_AT {
            return None;
        }
        // Codes, and a scale and a bias for each group.
        let room = Room::take(m.n * (m.k * m.format.bits / 8 + 4 * (m.k / m.format.group)))?;
        // SAFETY: shape and strides of a tensor stay inside its buffer.
        Some(&kept.blocks.get_or_init(|| (unsafe { Packed::new(m) }, room)).0)
    }
}

/// Single-precision elements of the matrix that exist at a time, unless it is transposed.
const CHUNK: usize = 4 << 20;

impl Matrix {
    fn of(format: Format, transpose: bool, w: &[Tensor]) -> Result<Matrix> {
        let scales = match w[1].dtype() {
            Dtype::F32 => Scales::F32,
            Dtype::F16 => Scales::F16,
            Dtype::F64 => Scales::F64,
            Dtype::BF16 => Scales::Bf16,
            Dtype::U8 if format.mode() == Mode::Nvfp4 => Scales::E4m3,
            Dtype::U8 => Scales::E8m0,
            other => return Err(Error::dtype("quantized_matmul", format!("no scales of {other}"))),
        };
        let codes = match format.mode() {
            Mode::Affine => Codes::Unsigned,
            Mode::Mxfp8 => Codes::E4m3,
            Mode::Mxfp4 | Mode::Nvfp4 => Codes::E2m1,
        };
        let d = w[0].ndim();
        let (rows, width) = (w[0].shape()[d - 2], format.codes(w[0].shape()[d - 1]));
        let (k, n) = if transpose { (width, rows) } else { (rows, width) };
        let w = quant::Matrix {
            format: quant::Format { bits: format.bits(), group: format.group_size(), codes, scales },
            n: rows,
            k: width,
            codes: w[0].as_ptr(),
            code_stride: w[0].strides()[d - 2],
            scales: w[1].as_byte_ptr(),
            biases: w.get(2).map_or(std::ptr::null(), Tensor::as_byte_ptr),
            scale_stride: w[1].strides()[d - 2],
        };
        Ok(Matrix { w, transpose, k, n })
    }

    /// The matrix at these element offsets of codes, scales and biases.
    fn at(self, codes: isize, scales: isize, biases: Option<isize>) -> Matrix {
        let size = self.w.format.scales.size() as isize;
        let w = quant::Matrix {
            codes: self.w.codes.wrapping_offset(codes),
            scales: self.w.scales.wrapping_offset(scales * size),
            biases: biases.map_or(std::ptr::null(), |b| self.w.biases.wrapping_offset(b * size)),
            ..self.w
        };
        Matrix { w, ..self }
    }

    /// `out = x @ matrix.T` for `m` rows (those of the list, if there is one), for the kernel.
    fn product<'a>(
        &self,
        x: Rows,
        out: Rows,
        m: usize,
        rows: Option<&'a [(isize, isize)]>,
        kept: Option<&'a Packed>,
    ) -> Result<Product<'a>> {
        Ok(Product {
            w: self.w,
            kept,
            m,
            dtype: crate::layout::dtype_of(x.dtype),
            x: x.ptr,
            x_stride: x.stride,
            out: out.ptr,
            out_stride: out.stride,
            rows,
        })
    }

    /// `out = x @ matrix` for `m` rows, as plain matrices.
    fn multiply_dense(&self, x: Rows, out: Rows, m: usize) -> Result<()> {
        if x.dtype == Dtype::F64 { self.multiply_as::<f64>(x, out, m) } else { self.multiply_as::<f32>(x, out, m) }
    }

    /// The product with the matrix in single (or double) precision, some of its rows or columns at a time.
    fn multiply_as<T: Element + Wide>(&self, x: Rows, out: Rows, m: usize) -> Result<()> {
        let (k, n) = (self.k, self.n);
        let x = dense_as(x, m, k, T::DTYPE)?;
        let sum = Tensor::alloc(&[m, n], T::DTYPE)?;
        let group = if self.transpose { 1 } else { self.w.format.group };
        let wide = (CHUNK / k.max(1) / group).max(1) * group;
        for first in (0..n).step_by(wide) {
            let columns = wide.min(n - first);
            let (rows, width) = if self.transpose { (columns, k) } else { (k, columns) };
            let w = Tensor::alloc(&[rows, width], T::DTYPE)?;
            // Elements from the whole matrix's start: rows of it, or columns.
            let (down, right) = if self.transpose { (first as isize, 0) } else { (0, first) };
            let scale = (down * self.w.scale_stride + (right / self.w.format.group) as isize)
                * self.w.format.scales.size() as isize;
            let d = Dense {
                format: self.w.format,
                rows,
                codes: self
                    .w
                    .codes
                    .wrapping_offset(down * self.w.code_stride + (right * self.w.format.bits / 32) as isize),
                code_stride: self.w.code_stride,
                scales: self.w.scales.wrapping_offset(scale),
                biases: if self.w.biases.is_null() { self.w.biases } else { self.w.biases.wrapping_offset(scale) },
                scale_stride: self.w.scale_stride,
                columns: width,
                out: w.as_mut_ptr::<T>(),
            };
            let a = Mat::new(x.as_ptr::<T>(), k as isize, 1);
            let b = Mat::new(w.as_ptr::<T>(), width as isize, 1);
            let b = if self.transpose { b.t() } else { b };
            let to = OutMat::new(sum.as_mut_ptr::<T>().wrapping_add(first), n as isize, 1);
            // SAFETY: as in `multiply`; `w` and `sum` are fresh and dense.
            unsafe {
                quant::dense(&d);
                gemm::gemm(m, columns, k, a, b, to, Epilogue::none());
            }
        }
        let rounded = convert(sum, out.dtype)?;
        // SAFETY: both have `m` rows of `n` elements.
        unsafe { copy_rows(Rows::of(&rounded), out, m, n * out.dtype.size()) };
        Ok(())
    }
}

/// What a matrix is dequantized to.
trait Wide: quant::DenseElement {
    const DTYPE: Dtype;
}

impl Wide for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Wide for f64 {
    const DTYPE: Dtype = Dtype::F64;
}

/// The rows in that dtype, dense.
fn dense_as(x: Rows, m: usize, k: usize, dtype: Dtype) -> Result<Tensor> {
    let t = Tensor::alloc(&[m, k], x.dtype)?;
    // SAFETY: both have `m` rows of `k` elements.
    unsafe { copy_rows(x, Rows { ptr: t.as_mut_byte_ptr(), ..Rows::of(&t) }, m, k * x.dtype.size()) };
    convert(t, dtype)
}

/// The tensor in that dtype.
pub fn convert(t: Tensor, dtype: Dtype) -> Result<Tensor> {
    if t.dtype() == dtype {
        return Ok(t);
    }
    let spec = Spec::new(t.shape(), dtype);
    match elementwise::run(Op::Cast, smallvec![t], &[spec])? {
        Ran::Done(mut outs) => Ok(outs.swap_remove(0)),
        Ran::Decompose(_) => Err(Error::runtime("eval", "a conversion has a kernel")),
    }
}

/// Copies rows of `bytes` bytes.
///
/// # Safety
/// `from` has `m` such rows to read, `to` to write.
unsafe fn copy_rows(from: Rows, to: Rows, m: usize, bytes: usize) {
    let size = from.dtype.size() as isize;
    for row in 0..m as isize {
        let (a, b) =
            (from.ptr.wrapping_offset(row * from.stride * size), to.ptr.wrapping_offset(row * to.stride * size));
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(a, b, bytes) };
    }
}

/// What indices name: from the end if negative, clamped.
fn positions(cpu: &dyn Backend, t: &Tensor, count: usize) -> Result<Vec<usize>> {
    let t = convert(cpu.contiguous(t.clone())?, Dtype::I64)?;
    // SAFETY: the tensor is dense and of 64-bit integers.
    let list = unsafe { t.as_slice::<i64>() };
    let list = list.ok_or_else(|| Error::runtime("gather_mm", "the indices are not dense"))?;
    let place = |&i: &i64| if i < 0 { i + count as i64 } else { i }.clamp(0, count as i64 - 1) as usize;
    Ok(list.iter().map(place).collect())
}

/// Runs `multiply(right, rows, out, how many)` for every right operand that pairs name, all its rows at once.
fn grouped(
    (lhs, rhs): (&[usize], &[usize]),
    (x, x_matrix, k): (Rows, isize, usize),
    (out, n): (Rows, usize),
    multiply: impl Fn(usize, Rows, Rows, usize) -> Result<()>,
) -> Result<()> {
    let m = x.rows;
    let mut order: Vec<usize> = (0..rhs.len()).collect();
    order.sort_by_key(|&i| rhs[i]);
    let (of_x, of_out) =
        (|pair: usize| x.at(lhs[pair] as isize * x_matrix), |pair: usize| out.at((pair * m * n) as isize));
    for pairs in order.chunk_by(|&a, &b| rhs[a] == rhs[b]) {
        let right = rhs[pairs[0]];
        if let [pair] = pairs {
            multiply(right, of_x(*pair), of_out(*pair), m)?;
            continue;
        }
        let total = pairs.len() * m;
        let (a, c) = (Tensor::alloc(&[total, k], x.dtype)?, Tensor::alloc(&[total, n], out.dtype)?);
        let dense = |t: &Tensor| Rows { ptr: t.as_mut_byte_ptr(), ..Rows::of(t) };
        let (a_rows, c_rows) = (dense(&a), dense(&c));
        for (i, &pair) in pairs.iter().enumerate() {
            // SAFETY: both have `m` rows of `k` elements.
            unsafe { copy_rows(of_x(pair), a_rows.at((i * m * k) as isize), m, k * x.dtype.size()) };
        }
        multiply(right, a_rows, c_rows, total)?;
        for (i, &pair) in pairs.iter().enumerate() {
            // SAFETY: both have `m` rows of `n` elements.
            unsafe { copy_rows(c_rows.at((i * m * n) as isize), of_out(pair), m, n * out.dtype.size()) };
        }
    }
    Ok(())
}

/// `a[lhs] @ b[rhs]` for every pair.
pub fn gather_mm(cpu: &dyn Backend, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        let (lhs, rhs) = both_positions(cpu, &inputs[0], &inputs[1], &inputs[2], &inputs[3])?;
        let (mut a, b) = (inputs[0].clone(), &inputs[1]);
        if a.strides()[2] != 1 && a.shape()[2] != 1 {
            a = cpu.copy(&a)?;
        }
        match out.dtype() {
            Dtype::F32 => gather::<f32>(&a, b, &out, &lhs, &rhs)?,
            Dtype::F16 => gather::<f16>(&a, b, &out, &lhs, &rhs)?,
            Dtype::BF16 => gather::<bf16>(&a, b, &out, &lhs, &rhs)?,
            Dtype::F64 => gather::<f64>(&a, b, &out, &lhs, &rhs)?,
            other => return Err(Error::dtype("gather_mm", format!("no product of {other}"))),
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

type Positions = (Vec<usize>, Vec<usize>);

fn both_positions(cpu: &dyn Backend, a: &Tensor, b: &Tensor, lhs: &Tensor, rhs: &Tensor) -> Result<Positions> {
    Ok((positions(cpu, lhs, a.shape()[0])?, positions(cpu, rhs, b.shape()[0])?))
}

fn gather<T: Element>(a: &Tensor, b: &Tensor, out: &Tensor, lhs: &[usize], rhs: &[usize]) -> Result<()> {
    let (k, n) = (a.shape()[2], b.shape()[2]);
    let (x, to) = (Rows::of(a), Rows::of(out));
    grouped((lhs, rhs), (x, a.strides()[0], k), (to, n), |right, x, to, m| {
        let from = Mat::new(x.ptr.cast_const().cast::<T>(), x.stride, 1);
        let at = b.as_ptr::<T>().wrapping_offset(right as isize * b.strides()[0]);
        let right = Mat::new(at, b.strides()[1], b.strides()[2]);
        // SAFETY: shapes were checked by `infer`, strides stay inside their buffers, and results are fresh and dense.
        unsafe { gemm::gemm(m, n, k, from, right, OutMat::new(to.ptr.cast::<T>(), to.stride, 1), Epilogue::none()) };
        Ok(())
    })
}

/// `x[lhs] @ w[rhs].T` (or `w[rhs]`) for every pair.
pub fn gather_qmm(cpu: &dyn Backend, p: &GatherQmm, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    if out.size() > 0 {
        let (lhs, rhs) = both_positions(cpu, &inputs[0], &inputs[3], &inputs[1], &inputs[2])?;
        let inputs = dense_rows(cpu, inputs, 3)?;
        let (x, w) = (&inputs[0], &inputs[3..]);
        let matrix = Matrix::of(p.format(), p.transpose(), w)?;
        let steps = |t: &Tensor, i: usize| i as isize * t.strides()[0];
        let at = |i: usize| matrix.at(steps(&w[0], i), steps(&w[1], i), w.get(2).map(|b| steps(b, i)));
        let (rows, to) = (Rows::of(x), Rows::of(&out));
        if !p.transpose() || rows.dtype == Dtype::F64 {
            grouped((&lhs, &rhs), (rows, x.strides()[0], matrix.k), (to, matrix.n), |i, x, to, m| {
                at(i).multiply_dense(x, to, m)
            })?;
        } else {
            let (order, places) = by_matrix((&lhs, &rhs), (rows, x.strides()[0]), (to, matrix.n));
            let alike = || order.chunk_by(|&a, &b| rhs[a] == rhs[b]);
            let fewest = alike().map(|pairs| pairs.len() * rows.rows).min().unwrap_or(0);
            let blocks = Blocks::of(&matrix, w, w[0].shape()[0], fewest);
            let mut products = Vec::new();
            let mut first = 0;
            for pairs in alike() {
                let (i, m) = (rhs[pairs[0]], pairs.len() * rows.rows);
                let kept = blocks.as_ref().and_then(|b| b.get(i, &at(i).w, m));
                products.push(at(i).product(rows, to, m, Some(&places[first..first + m]), kept)?);
                first += m;
            }
            // SAFETY: shapes were checked by `infer`, strides stay inside their buffers, and the output is fresh and dense.
            unsafe { if p.int8() { quant::products_int8(&products) } else { quant::products(&products) } };
        }
    }
    Ok(Ran::Done(smallvec![out]))
}

/// Pairs in the order of their right operands, and where the rows of each pair lie in `x` and in the output.
fn by_matrix(
    (lhs, rhs): (&[usize], &[usize]),
    (x, x_matrix): (Rows, isize),
    (out, n): (Rows, usize),
) -> (Vec<usize>, Vec<(isize, isize)>) {
    let mut order: Vec<usize> = (0..rhs.len()).collect();
    order.sort_by_key(|&i| rhs[i]);
    let mut places = Vec::with_capacity(rhs.len() * x.rows);
    for &pair in &order {
        let (from, to) = (lhs[pair] as isize * x_matrix, (pair * x.rows * n) as isize);
        places.extend((0..x.rows as isize).map(|r| (from + r * x.stride, to + r * out.stride)));
    }
    (order, places)
}
