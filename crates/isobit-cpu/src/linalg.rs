//! Factorisations and systems of equations: matrices one by one, in double precision, the batch over the threads.
//!
//! ```text
//! for each matrix of the batch: widen to f64 or complex f64, row-major; the routine of `isobit_linalg`; round once
//! ```
//!
//! A matrix has the same bits alone and in any batch. One matrix runs on one thread.

use crate::lines::{elements, elements_mut};
use isobit_core::backend::{Backend, Inputs, Outputs, Ran};
use isobit_core::{Dtype, Error, Result, Spec, Tensor};
use isobit_kernels::par;
use isobit_linalg::{Scalar, c64};
use std::sync::atomic::{AtomicBool, Ordering};

/// How many numbers a task goes through, at least.
const TASK: usize = 4096;

/// An element of a tensor, and what it is computed in.
trait Element: Copy + Send + Sync {
    type Wide: Scalar;
    /// Of magnitudes.
    type Real: Copy + Send + Sync;
    fn wide(self) -> Self::Wide;
    fn narrow(x: Self::Wide) -> Self;
    fn narrow_real(x: f64) -> Self::Real;
}

impl Element for f32 {
    type Wide = f64;
    type Real = f32;
    fn wide(self) -> f64 {
        self.into()
    }
    fn narrow(x: f64) -> f32 {
        x as f32
    }
    fn narrow_real(x: f64) -> f32 {
        x as f32
    }
}

impl Element for f64 {
    type Wide = f64;
    type Real = f64;
    fn wide(self) -> f64 {
        self
    }
    fn narrow(x: f64) -> f64 {
        x
    }
    fn narrow_real(x: f64) -> f64 {
        x
    }
}

impl Element for [f32; 2] {
    type Wide = c64;
    type Real = f32;
    fn wide(self) -> c64 {
        c64::new(self[0].into(), self[1].into())
    }
    fn narrow(x: c64) -> [f32; 2] {
        [x.re as f32, x.im as f32]
    }
    fn narrow_real(x: f64) -> f32 {
        x as f32
    }
}

/// Runs a body with `$t` standing for the element type of a dtype.
macro_rules! with_element {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        crate::lines::with_one_of!($op, $dtype, $t => $body, [F32 = f32, F64 = f64, C64 = [f32; 2]])
    };
}

/// The matrices of a dense tensor, or what a fresh one has in their place: equal parts, one after the other.
struct Parts<T> {
    first: *mut T,
    size: usize,
}

// SAFETY: every task takes other parts, and elements may go to other threads.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T: Copy> Parts<T> {
    /// The parts of a fresh tensor, as many as there are matrices.
    ///
    /// # Safety
    /// `T` must be the element type of the tensor's dtype.
    unsafe fn of(t: &Tensor, batch: usize) -> Parts<T> {
        // SAFETY: the caller's promise; the tensor is fresh.
        let all = unsafe { elements_mut::<T>(t) };
        Parts { first: all.as_mut_ptr(), size: all.len() / batch.max(1) }
    }

    /// Part `i`.
    ///
    /// # Safety
    /// There must be such a part, and nobody else may use it meanwhile.
    #[allow(clippy::mut_from_ref)]
    unsafe fn at(&self, i: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(i * self.size), self.size) }
    }
}

/// Rows and columns of the last two axes, and how many matrices there are.
fn dims(t: &Tensor) -> (usize, usize, usize) {
    let d = t.ndim();
    (t.shape()[d - 2], t.shape()[d - 1], t.shape()[..d - 2].iter().product())
}

fn alloc(outs: &[Spec]) -> Result<Outputs> {
    outs.iter().map(|s| Tensor::alloc(&s.shape, s.dtype)).collect()
}

/// Runs `f` on the number and the widened elements of each of `batch` matrices. A matrix without elements is one, too.
fn each<T: Element>(src: &Tensor, batch: usize, f: impl Fn(usize, &[T::Wide]) + Sync) {
    // SAFETY: the callers choose `T` by the dtype; `contiguous` made the tensor dense.
    let src = unsafe { elements::<T>(src) };
    let size = src.len() / batch.max(1);
    par::for_chunks(batch, (TASK / size.max(1)).max(1), |from, to| {
        for i in from..to {
            let wide: Vec<T::Wide> = src[i * size..(i + 1) * size].iter().map(|x| x.wide()).collect();
            f(i, &wide);
        }
    });
}

fn narrow<T: Element>(from: &[T::Wide], to: &mut [T]) {
    to.iter_mut().zip(from).for_each(|(t, &f)| *t = T::narrow(f));
}

fn narrow_real<T: Element>(from: &[f64], to: &mut [T::Real]) {
    to.iter_mut().zip(from).for_each(|(t, &f)| *t = T::narrow_real(f));
}

fn zeros<T: Scalar>(n: usize) -> Vec<T> {
    vec![T::real(0.0); n]
}

/// The distance from 1 to the next number of a dtype, or of its parts.
fn epsilon(dtype: Dtype) -> f64 {
    if dtype == Dtype::F64 { f64::EPSILON } else { f32::EPSILON.into() }
}

/// `q` and `r`.
pub fn qr(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (m, n, batch) = dims(&a);
    let made = alloc(outs)?;
    with_element!("qr", a.dtype(), T => {
        // SAFETY: `infer` gave the outputs the input's dtype.
        let (q, r) = unsafe { (Parts::<T>::of(&made[0], batch), Parts::<T>::of(&made[1], batch)) };
        each::<T>(&a, batch, |i, a| {
            let (mut wide_q, mut wide_r) = (zeros(q.size), zeros(r.size));
            isobit_linalg::qr(m, n, a, &mut wide_q, &mut wide_r);
            // SAFETY: the parts of this matrix.
            let (q, r) = unsafe { (q.at(i), r.at(i)) };
            narrow::<T>(&wide_q, q);
            narrow::<T>(&wide_r, r);
        });
    });
    Ok(Ran::Done(made))
}

/// Singular values, and vectors if there are three outputs.
pub fn svd(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (m, n, batch) = dims(&a);
    let made = alloc(outs)?;
    with_element!("svd", a.dtype(), T => {
        // SAFETY: `infer` gave vectors the input's dtype and values that of its magnitudes.
        let s = unsafe { Parts::<<T as Element>::Real>::of(&made[made.len() / 2], batch) };
        // SAFETY: as above.
        let vectors = (made.len() == 3).then(|| unsafe { (Parts::<T>::of(&made[0], batch), Parts::<T>::of(&made[2], batch)) });
        each::<T>(&a, batch, |i, a| {
            let mut wide_s = vec![0.0; s.size];
            match &vectors {
                None => isobit_linalg::svd(m, n, a, &mut wide_s, None),
                Some((u, vt)) => {
                    let (mut wide_u, mut wide_vt) = (zeros(u.size), zeros(vt.size));
                    isobit_linalg::svd(m, n, a, &mut wide_s, Some((&mut wide_u, &mut wide_vt)));
                    // SAFETY: the parts of this matrix.
                    let (u, vt) = unsafe { (u.at(i), vt.at(i)) };
                    narrow::<T>(&wide_u, u);
                    narrow::<T>(&wide_vt, vt);
                }
            }
            // SAFETY: as above.
            narrow_real::<T>(&wide_s, unsafe { s.at(i) });
        });
    });
    Ok(Ran::Done(made))
}

/// The solutions of triangular systems; an error if there is a zero on a diagonal that counts.
pub fn solve_triangular(cpu: &dyn Backend, upper: bool, unit: bool, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let b = cpu.contiguous(inputs.swap_remove(1))?;
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (n, k, batch) = dims(&b);
    let made = alloc(outs)?;
    let singular = AtomicBool::new(false);
    with_element!("solve_triangular", a.dtype(), T => {
        // SAFETY: `infer` made sure of one dtype; both are dense.
        let (x, b) = unsafe { (Parts::<T>::of(&made[0], batch), elements::<T>(&b)) };
        each::<T>(&a, batch, |i, a| {
            if !unit && (0..n).any(|d| a[d * n + d].magnitude() == 0.0) {
                singular.store(true, Ordering::Relaxed);
            }
            let mut wide: Vec<_> = b[i * n * k..(i + 1) * n * k].iter().map(|x| x.wide()).collect();
            isobit_linalg::solve_triangular(n, k, a, &mut wide, upper, unit);
            // SAFETY: the part of this matrix.
            narrow::<T>(&wide, unsafe { x.at(i) });
        });
    });
    if singular.into_inner() {
        return Err(Error::runtime("solve_triangular", "the matrix is singular: there is a zero on its diagonal"));
    }
    Ok(Ran::Done(made))
}

/// The factors of elimination in one matrix, the exchanges, the rows in their new order.
pub fn lu(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (m, n, batch) = dims(&a);
    if u32::try_from(m).is_err() {
        return Err(Error::runtime("lu", format!("expected at most 2^32 - 1 rows, got {m}")));
    }
    let made = alloc(outs)?;
    with_element!("lu", a.dtype(), T => {
        // SAFETY: `infer` gave the factors the input's dtype and the others uint32.
        let (lu, pivots, rows) = unsafe {
            (Parts::<T>::of(&made[0], batch), Parts::<u32>::of(&made[1], batch), Parts::<u32>::of(&made[2], batch))
        };
        each::<T>(&a, batch, |i, a| {
            let mut wide = zeros(lu.size);
            // SAFETY: the parts of this matrix.
            let (lu, pivots, rows) = unsafe { (lu.at(i), pivots.at(i), rows.at(i)) };
            isobit_linalg::lu(m, n, a, &mut wide, pivots, rows);
            narrow::<T>(&wide, lu);
        });
    });
    Ok(Ran::Done(made))
}

/// Lower triangular factors of symmetric matrices; an error if one is not positive semidefinite.
pub fn cholesky(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (n, _, batch) = dims(&a);
    let made = alloc(outs)?;
    let indefinite = AtomicBool::new(false);
    crate::lines::with_one_of!("cholesky", a.dtype(), T => {
        let tolerance = 4.0 * n as f64 * epsilon(a.dtype());
        // SAFETY: `infer` gave the output the input's dtype.
        let l = unsafe { Parts::<T>::of(&made[0], batch) };
        each::<T>(&a, batch, |i, a| {
            let mut wide = zeros(l.size);
            if !isobit_linalg::cholesky(n, a, &mut wide, tolerance) {
                indefinite.store(true, Ordering::Relaxed);
            }
            // SAFETY: the part of this matrix.
            narrow::<T>(&wide, unsafe { l.at(i) });
        });
    }, [F32 = f32, F64 = f64]);
    if indefinite.into_inner() {
        return Err(Error::runtime("cholesky", "expected a positive semidefinite matrix, and it is not"));
    }
    Ok(Ran::Done(made))
}

/// Eigenvalues of Hermitian matrices, and vectors if there are two outputs.
pub fn eigh(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (n, _, batch) = dims(&a);
    let made = alloc(outs)?;
    with_element!("eigh", a.dtype(), T => {
        // SAFETY: `infer` gave vectors the input's dtype and values that of its magnitudes.
        let w = unsafe { Parts::<<T as Element>::Real>::of(&made[0], batch) };
        // SAFETY: as above.
        let v = made.get(1).map(|v| unsafe { Parts::<T>::of(v, batch) });
        each::<T>(&a, batch, |i, a| {
            let (mut wide_w, mut wide_v) = (vec![0.0; n], zeros(v.as_ref().map_or(0, |v| v.size)));
            isobit_linalg::eigh(n, a, &mut wide_w, v.is_some().then_some(&mut wide_v[..]));
            // SAFETY: the parts of this matrix.
            narrow_real::<T>(&wide_w, unsafe { w.at(i) });
            if let Some(v) = &v {
                // SAFETY: as above.
                narrow::<T>(&wide_v, unsafe { v.at(i) });
            }
        });
    });
    Ok(Ran::Done(made))
}

/// Eigenvalues, and vectors if there are two outputs: complex64.
pub fn eig(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (n, _, batch) = dims(&a);
    let made = alloc(outs)?;
    with_element!("eig", a.dtype(), T => {
        // SAFETY: `infer` made both complex64.
        let w = unsafe { Parts::<[f32; 2]>::of(&made[0], batch) };
        // SAFETY: as above.
        let v = made.get(1).map(|v| unsafe { Parts::<[f32; 2]>::of(v, batch) });
        each::<T>(&a, batch, |i, a| {
            let (mut wide_w, mut wide_v) = (zeros(n), zeros(v.as_ref().map_or(0, |v| v.size)));
            isobit_linalg::eig(n, a, &mut wide_w, v.is_some().then_some(&mut wide_v[..]));
            // SAFETY: the parts of this matrix.
            narrow::<[f32; 2]>(&wide_w, unsafe { w.at(i) });
            if let Some(v) = &v {
                // SAFETY: as above.
                narrow::<[f32; 2]>(&wide_v, unsafe { v.at(i) });
            }
        });
    });
    Ok(Ran::Done(made))
}

/// Pseudo-inverses.
pub fn pinv(cpu: &dyn Backend, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let a = cpu.contiguous(inputs.swap_remove(0))?;
    let (m, n, batch) = dims(&a);
    let made = alloc(outs)?;
    let cutoff = 10.0 * m.max(n) as f64 * epsilon(a.dtype());
    with_element!("pinv", a.dtype(), T => {
        // SAFETY: `infer` gave the output the input's dtype.
        let p = unsafe { Parts::<T>::of(&made[0], batch) };
        each::<T>(&a, batch, |i, a| {
            let mut wide = zeros(p.size);
            isobit_linalg::pinv(m, n, a, &mut wide, cutoff);
            // SAFETY: the part of this matrix.
            narrow::<T>(&wide, unsafe { p.at(i) });
        });
    });
    Ok(Ran::Done(made))
}
