//! RMS and layer normalisation of rows, and the reverse derivative.
//!
//! ```text
//! rms_norm:    y = x * rsqrt(mean(x^2) + eps) * weight
//! layer_norm:  y = (x - mean) * rsqrt(mean((x - mean)^2) + eps) * weight + bias
//! ```
//!
//! 1. The means are in the canonical row order of [`crate::reduce`]; squares are added by fused operations; the mean and
//!    the variance are two passes over a row that stays in cache.
//! 2. All arithmetic is in `f32` (`f64` in `f64`) and the result is rounded once: `x * r` is rounded to `f32`, then the
//!    weight is multiplied (`layer_norm`: fused with the bias).
//! 3. A row's bits depend on its own elements only.

use crate::dtype::Dtype;
use crate::elementwise::cast;
use crate::float_lanes::FloatLanes;
use crate::math;
use crate::reduce::rows::{Fold, fold_sum, load_upto, long_row, store_upto};
use crate::reduce::{Origin, ROW_CHUNK, Target, double_row_sum, for_rows};
use crate::simd::{self, Kernel, LANES, Simd};
use half::{bf16, f16};

pub mod vjp;

/// A vector of parameters, one per element of a row, of any float type.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its element type.
    pub dtype: Dtype,
    /// Its first element.
    pub ptr: *const u8,
}

/// Which normalisation, and what it is applied to.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Whether the mean is subtracted (layer normalisation).
    pub centred: bool,
    /// Added to the mean square, or variance.
    pub eps: f64,
    /// Rows.
    pub rows: usize,
    /// Elements of a row.
    pub n: usize,
    /// Multiplies, if given.
    pub weight: Option<Parameter>,
    /// Is added last, if given.
    pub bias: Option<Parameter>,
}

/// [`norm`] without centring or bias.
///
/// # Safety
/// As for [`norm`].
pub unsafe fn rms_norm(
    dtype: Dtype,
    src: *const u8,
    dst: *mut u8,
    (rows, n): (usize, usize),
    weight: Option<Parameter>,
    eps: f64,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { norm(dtype, src, dst, Norm { centred: false, eps, rows, n, weight, bias: None }) }
}

/// [`norm`] with centring.
///
/// # Safety
/// As for [`norm`].
pub unsafe fn layer_norm(
    dtype: Dtype,
    src: *const u8,
    dst: *mut u8,
    (rows, n): (usize, usize),
    weight: Option<Parameter>,
    bias: Option<Parameter>,
    eps: f64,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { norm(dtype, src, dst, Norm { centred: true, eps, rows, n, weight, bias }) }
}

/// Normalises each row of `src` into `dst`, which may be the same. Returns `false`, having written nothing, if a type is
/// not a float.
///
/// # Safety
/// `src` and `dst` are valid for `rows * n` elements, parameters for `n`.
pub unsafe fn norm(dtype: Dtype, src: *const u8, dst: *mut u8, norm: Norm) -> bool {
    if [norm.weight, norm.bias].iter().flatten().any(|p| !p.dtype.is_float()) || !dtype.is_float() {
        return false;
    }
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => norm_typed::<f32>(src.cast(), dst.cast(), norm),
            Dtype::F16 => norm_typed::<f16>(src.cast(), dst.cast(), norm),
            Dtype::BF16 => norm_typed::<bf16>(src.cast(), dst.cast(), norm),
            _ => norm_f64(src.cast(), dst.cast(), norm),
        }
    }
    true
}

/// A parameter as elements of `to`: in place if it is that, else converted.
///
/// # Safety
/// It is valid for `n` elements.
unsafe fn parameter<T: Copy + Default>(p: Option<Parameter>, to: Dtype, n: usize, room: &mut Vec<T>) -> *const T {
    match p {
        None => std::ptr::null(),
        Some(p) if p.dtype == to && (p.ptr as usize).is_multiple_of(align_of::<T>()) => p.ptr.cast(),
        Some(p) => {
            room.resize(n, T::default());
            // SAFETY: the caller's promise.
            unsafe { cast(p.dtype, p.ptr, to, room.as_mut_ptr().cast(), n) };
            room.as_ptr()
        }
    }
}

/// `sum((x - centre)^2)` of a piece, or with `plain` the sum of `x`.
struct Piece<T> {
    src: *const T,
    n: usize,
    plain: bool,
    centre: f32,
}

/// The canonical sum of squares about a centre.
///
/// # Safety
/// `p` is valid for `n` elements.
#[inline(always)]
unsafe fn squares<S: Simd, T: FloatLanes>(s: S, p: *const T, n: usize, centre: f32) -> f32 {
    let centre = s.splat(centre);
    // SAFETY: the caller's promise.
    unsafe {
        fold_sum(
            s,
            p,
            n,
            #[inline(always)]
            |a, x| {
                let d = s.sub(x, centre);
                s.fma(d, d, a)
            },
        )
    }
}

impl<T: FloatLanes> Kernel for Piece<T> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // SAFETY: the promise of `norm`.
        unsafe {
            if self.plain {
                fold_sum(
                    s,
                    self.src,
                    self.n,
                    #[inline(always)]
                    |a, x| s.add(a, x),
                )
            } else {
                squares(s, self.src, self.n, self.centre)
            }
        }
    }
}

/// The last step of a part of a row: `(x - mean) * r`, weight, bias.
#[derive(Clone, Copy)]
struct Apply<T> {
    src: *const T,
    dst: *mut T,
    n: usize,
    weight: *const f32,
    bias: *const f32,
}

/// # Safety
/// All that is not null is valid for `n` elements.
#[inline(always)]
unsafe fn apply<S: Simd, T: FloatLanes>(s: S, a: Apply<T>, mean: S::F, r: S::F) {
    let mut i = 0;
    while i < a.n {
        let k = a.n - i;
        // SAFETY: `k` elements remain.
        unsafe {
            let mut y = s.mul(s.sub(load_upto(s, a.src.add(i), k), mean), r);
            if !a.weight.is_null() {
                let w = load_upto(s, a.weight.add(i), k);
                y = if a.bias.is_null() { s.mul(y, w) } else { s.fma(y, w, load_upto(s, a.bias.add(i), k)) };
            } else if !a.bias.is_null() {
                y = s.add(y, load_upto(s, a.bias.add(i), k));
            }
            store_upto(s, a.dst.add(i), y, k);
        }
        i += LANES;
    }
}

/// Rows of at most [`ROW_CHUNK`] elements.
struct Rows<T> {
    first: Apply<T>,
    rows: usize,
    centred: bool,
    eps: f32,
}

impl<T: FloatLanes> Kernel for Rows<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.first.n;
        for r in 0..self.rows {
            // SAFETY: the promise of `norm`.
            unsafe {
                let mut a = self.first;
                (a.src, a.dst) = (a.src.add(r * n), a.dst.add(r * n));
                let mut mean = 0.0;
                if self.centred {
                    mean = fold_sum(
                        s,
                        a.src,
                        n,
                        #[inline(always)]
                        |a, x| s.add(a, x),
                    ) / n as f32;
                }
                let square = squares(s, a.src, n, mean) / n as f32;
                apply(s, a, s.splat(mean), math::rsqrt(s, s.splat(square + self.eps)));
            }
        }
    }
}

/// One piece of a long row, with its statistics known.
struct Finish<T> {
    part: Apply<T>,
    mean: f32,
    /// Mean square and eps.
    square: f32,
}

impl<T: FloatLanes> Kernel for Finish<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: the promise of `norm`.
        unsafe { apply(s, self.part, s.splat(self.mean), math::rsqrt(s, s.splat(self.square))) }
    }
}

/// # Safety
/// As for [`norm`].
unsafe fn norm_typed<T: FloatLanes>(src: *const T, dst: *mut T, c: Norm) {
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    // SAFETY: the caller's promise.
    let (weight, bias) = unsafe {
        (
            Origin(parameter::<f32>(c.weight, Dtype::F32, c.n, &mut weight)),
            Origin(parameter::<f32>(c.bias, Dtype::F32, c.n, &mut bias)),
        )
    };
    let (src, dst) = (Origin(src), Target(dst));
    let (n, eps) = (c.n, c.eps as f32);
    let part = |row: usize, start: usize, len: usize| {
        let after = |p: Origin<f32>| if p.at(0).is_null() { p.at(0) } else { p.at(start) };
        let at = row * n + start;
        Apply { src: src.at(at), dst: dst.at(at), n: len, weight: after(weight), bias: after(bias) }
    };
    if n <= ROW_CHUNK {
        return for_rows(c.rows, n, |first, rows| {
            simd::dispatch(Rows { first: part(first, 0, n), rows, centred: c.centred, eps });
        });
    }
    for r in 0..c.rows {
        let sum = |plain: bool, centre: f32| {
            long_row(Fold::Sum, n, |start, len| {
                simd::dispatch(Piece { src: src.at(r * n + start), n: len, plain, centre })
            })
        };
        let mean = if c.centred { sum(true, 0.0) / n as f32 } else { 0.0 };
        let square = sum(false, mean) / n as f32 + eps;
        crate::par::for_chunks(n, ROW_CHUNK, |a, b| simd::dispatch(Finish { part: part(r, a, b - a), mean, square }));
    }
}

/// # Safety
/// As for [`norm`].
unsafe fn norm_f64(src: *const f64, dst: *mut f64, c: Norm) {
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    // SAFETY: the caller's promise.
    let (weight, bias) = unsafe {
        (
            Origin(parameter::<f64>(c.weight, Dtype::F64, c.n, &mut weight)),
            Origin(parameter::<f64>(c.bias, Dtype::F64, c.n, &mut bias)),
        )
    };
    let (src, dst, n) = (Origin(src), Target(dst), c.n);
    for_rows(c.rows, n, |first, count| {
        let mut squares = vec![0.0f64; n];
        for r in first..first + count {
            // SAFETY: the caller's promise; each task writes its rows, every element after it was read.
            unsafe {
                let x = src.at(r * n);
                let mean = if c.centred { double_row_sum(x, n) / n as f64 } else { 0.0 };
                squares.iter_mut().enumerate().for_each(|(i, q)| {
                    let d = *x.add(i) - mean;
                    *q = d * d;
                });
                let factor = 1.0 / (double_row_sum(squares.as_ptr(), n) / n as f64 + c.eps).sqrt();
                for i in 0..n {
                    let mut y = (*x.add(i) - mean) * factor;
                    if !weight.at(0).is_null() {
                        y *= *weight.at(i);
                    }
                    if !bias.at(0).is_null() {
                        y += *bias.at(i);
                    }
                    *dst.at(r * n + i) = y;
                }
            }
        }
    });
}
