//! Matrix products: strides of the operands handed to the kernels, one entry per element of the batch.

use crate::complex;
use crate::room::Room;
use half::{bf16, f16};
use isobit_core::backend::{Inputs, Ran};
use isobit_core::ops::addmm::Addmm;
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::gemm::{self, Element, Epilogue, Mat, Offsets, OutMat, PackedB};
use smallvec::{SmallVec, smallvec};

/// `a @ b`.
pub fn matmul(inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let (a, b) = (&inputs[0], &inputs[1]);
    if outs[0].dtype == Dtype::C64 {
        return complex::product(a, b, None, &outs[0]);
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    match out.dtype() {
        Dtype::F32 => run::<f32>(a, b, None, &out, |_| Epilogue::none()),
        Dtype::F16 => run::<f16>(a, b, None, &out, |_| Epilogue::none()),
        Dtype::BF16 => run::<bf16>(a, b, None, &out, |_| Epilogue::none()),
        Dtype::F64 => run::<f64>(a, b, None, &out, |_| Epilogue::none()),
        other => return Err(Error::dtype("matmul", format!("no product of {other}"))),
    }
    Ok(Ran::Done(smallvec![out]))
}

/// `alpha * (a @ b) + beta * c`.
pub fn addmm(prim: &Addmm, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let (c, a, b) = (&inputs[0], &inputs[1], &inputs[2]);
    let (alpha, beta) = (prim.alpha(), prim.beta());
    if outs[0].dtype == Dtype::C64 {
        return complex::product(a, b, Some((c, alpha, beta)), &outs[0]);
    }
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    match out.dtype() {
        Dtype::F32 => run::<f32>(a, b, Some(c), &out, |c| Epilogue::addmm(alpha as f32, beta as f32, c)),
        Dtype::F16 => run::<f16>(a, b, Some(c), &out, |c| Epilogue::addmm(alpha as f32, beta as f32, c)),
        Dtype::BF16 => run::<bf16>(a, b, Some(c), &out, |c| Epilogue::addmm(alpha as f32, beta as f32, c)),
        Dtype::F64 => run::<f64>(a, b, Some(c), &out, |c| Epilogue::addmm(alpha, beta, c)),
        other => return Err(Error::dtype("addmm", format!("no product of {other}"))),
    }
    Ok(Ran::Done(smallvec![out]))
}

fn mat<T>(t: &Tensor) -> Mat<T> {
    let d = t.ndim();
    Mat::new(t.as_ptr::<T>(), t.strides()[d - 2], t.strides()[d - 1])
}

fn run<T: Element>(a: &Tensor, b: &Tensor, c: Option<&Tensor>, out: &Tensor, epilogue: impl Fn(Mat<T>) -> Epilogue<T>) {
    let d = out.ndim();
    let (m, n, k) = (out.shape()[d - 2], out.shape()[d - 1], a.shape()[d - 1]);
    if out.size() == 0 {
        return;
    }
    if kept::<T>(m, k, n, a, b, c, out, &epilogue) {
        return;
    }
    let batch = offsets(a, b, c, out);
    let to = OutMat::new(out.as_mut_ptr::<T>(), out.strides()[d - 2], out.strides()[d - 1]);
    let after = c.map_or_else(Epilogue::none, |c| epilogue(mat(c)));
    // SAFETY: shapes were checked by `infer`, strides stay inside their buffers, and `out` is fresh and dense, so
    // that its matrices do not overlap.
    unsafe { gemm::gemm_batched(m, n, k, mat(a), mat(b), to, after, &batch) };
}

/// Rows up to which a product is bound by reading `b`.
const THIN: usize = 16;
/// Elements of `b` from which packing pays.
const WORTH: usize = 1 << 16;
/// The use of the same operand at which it is packed.
const PACK_AT: u32 = 2;

/// A packed right operand, kept with the buffer that it was made from, and which part of it that was.
struct Panels<T: Element> {
    panels: PackedB<T>,
    offset: usize,
    strides: (isize, isize),
    _room: Room,
}

/// A thin product with an operand that is used again and again (weights): from its third use on it is packed, and kept
/// so as long as its buffer lives. The bits are the same either way.
#[allow(clippy::too_many_arguments)]
fn kept<T: Element>(
    m: usize,
    k: usize,
    n: usize,
    a: &Tensor,
    b: &Tensor,
    c: Option<&Tensor>,
    out: &Tensor,
    epilogue: &impl Fn(Mat<T>) -> Epilogue<T>,
) -> bool {
    let d = out.ndim();
    if m > THIN || k * n < WORTH || d != 2 {
        return false;
    }
    let strides = (b.strides()[0], b.strides()[1]);
    let derived = b.buffer().derived();
    if derived.get::<Panels<T>>().is_none() {
        // Not for an operand that is seen once or twice.
        if derived.count_use() != PACK_AT {
            return false;
        }
        let Some(room) = Room::take(k * n * std::mem::size_of::<T>()) else { return false };
        // SAFETY: shape and strides of a tensor stay inside its buffer.
        let panels = unsafe { PackedB::new(k, n, mat::<T>(b)) };
        derived.keep(Panels { panels, offset: b.offset(), strides, _room: room });
    }
    let Some(found) = derived.get::<Panels<T>>() else { return false };
    let same = found.offset == b.offset() && found.strides == strides && (found.panels.k(), found.panels.n()) == (k, n);
    if !same {
        return false;
    }
    let to = OutMat::new(out.as_mut_ptr::<T>(), out.strides()[d - 2], out.strides()[d - 1]);
    let after = c.map_or_else(Epilogue::none, |c| epilogue(mat(c)));
    // SAFETY: as in `run`.
    unsafe { gemm::gemm_packed(m, mat(a), &found.panels, to, after) };
    true
}

/// Element offsets of every matrix of the batch.
fn offsets(a: &Tensor, b: &Tensor, c: Option<&Tensor>, out: &Tensor) -> SmallVec<[Offsets; 1]> {
    let lead = out.ndim() - 2;
    let count: usize = out.shape()[..lead].iter().product();
    let mut all = SmallVec::with_capacity(count);
    let mut index: SmallVec<[usize; 4]> = smallvec![0; lead];
    let mut at = Offsets::default();
    for _ in 0..count {
        all.push(at);
        for d in (0..lead).rev() {
            let step = |t: &Tensor| t.strides()[d];
            let (sa, sb, sc, so) = (step(a), step(b), c.map_or(0, step), step(out));
            index[d] += 1;
            at = Offsets { a: at.a + sa, b: at.b + sb, c: at.c + sc, out: at.out + so };
            if index[d] < out.shape()[d] {
                break;
            }
            let n = out.shape()[d] as isize;
            at = Offsets { a: at.a - n * sa, b: at.b - n * sb, c: at.c - n * sc, out: at.out - n * so };
            index[d] = 0;
        }
    }
    all
}
