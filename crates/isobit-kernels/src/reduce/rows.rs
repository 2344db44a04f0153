//! Row reductions of floats that are computed in `f32`. Everything that sums along a row (norms, softmax) goes through here.

use super::{Origin, ROW_CHUNK, ReduceOp, Target, for_rows};
use crate::float_lanes::FloatLanes;
use crate::math;
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};

/// Reads 16 lanes, or the last `n` that there are.
///
/// # Safety
/// `p` is valid for as many elements.
#[inline(always)]
pub(crate) unsafe fn load_upto<S: Simd, T: FloatLanes>(s: S, p: *const T, n: usize) -> S::F {
    // SAFETY: the caller's promise.
    unsafe { if n >= LANES { T::load(s, p) } else { T::load_n(s, p, n) } }
}

/// Writes 16 lanes, or the last `n` that there are.
///
/// # Safety
/// `p` is valid for as many elements.
#[inline(always)]
pub(crate) unsafe fn store_upto<S: Simd, T: FloatLanes>(s: S, p: *mut T, v: S::F, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { if n >= LANES { T::store(s, p, v) } else { T::store_n(s, p, v, n) } }
}

/// Folds a row into 4 accumulators of 16 lanes and merges them: the canonical order, short of the lane tree.
///
/// Lanes past the end keep their accumulator, whatever `f` does.
///
/// # Safety
/// `p` is valid for `n` elements.
#[inline(always)]
pub(crate) unsafe fn fold<S: Simd, T: FloatLanes>(
    s: S,
    p: *const T,
    n: usize,
    identity: f32,
    f: impl Fn(S::F, S::F) -> S::F,
    merge: impl Fn(S::F, S::F) -> S::F,
) -> S::F {
    let id = s.splat(identity);
    let (mut a0, mut a1, mut a2, mut a3) = (id, id, id, id);
    let mut i = 0;
    // SAFETY: every read is below `n`.
    unsafe {
        while i + 4 * LANES <= n {
            a0 = f(a0, T::load(s, p.add(i)));
            a1 = f(a1, T::load(s, p.add(i + LANES)));
            a2 = f(a2, T::load(s, p.add(i + 2 * LANES)));
            a3 = f(a3, T::load(s, p.add(i + 3 * LANES)));
            i += 4 * LANES;
        }
        macro_rules! step {
            ($a:expr, $i:expr) => {{
                let (a, i) = ($a, $i);
                if i + LANES <= n {
                    f(a, T::load(s, p.add(i)))
                } else if i < n {
                    let v = f(a, T::load_n(s, p.add(i), n - i));
                    s.select(s.mask_first(n - i), v, a)
                } else {
                    a
                }
            }};
        }
        if i < n {
            a0 = step!(a0, i);
            a1 = step!(a1, i + LANES);
            a2 = step!(a2, i + 2 * LANES);
            a3 = step!(a3, i + 3 * LANES);
        }
    }
    merge(merge(a0, a1), merge(a2, a3))
}

/// The canonical sum of `f` of each element: `f(acc, x)` adds to an accumulator.
///
/// # Safety
/// `p` is valid for `n` elements.
#[inline(always)]
pub(crate) unsafe fn fold_sum<S: Simd, T: FloatLanes>(
    s: S,
    p: *const T,
    n: usize,
    f: impl Fn(S::F, S::F) -> S::F,
) -> f32 {
    // SAFETY: the caller's promise.
    let lanes = unsafe {
        fold(
            s,
            p,
            n,
            0.0,
            f,
            #[inline(always)]
            |a, b| s.add(a, b),
        )
    };
    s.reduce_add(lanes)
}

/// The greatest of a row, a NaN if there is one.
///
/// # Safety
/// `p` is valid for `n` elements.
#[inline(always)]
pub(crate) unsafe fn fold_max<S: Simd, T: FloatLanes>(s: S, p: *const T, n: usize) -> f32 {
    // SAFETY: the caller's promise.
    let lanes = unsafe {
        fold(
            s,
            p,
            n,
            f32::NEG_INFINITY,
            #[inline(always)]
            |a, x| s.maximum(x, a),
            #[inline(always)]
            |a, b| s.maximum(a, b),
        )
    };
    if s.any(s.is_nan(lanes)) { f32::NAN } else { s.reduce_max(lanes) }
}

/// The least of a row, a NaN if there is one.
///
/// # Safety
/// `p` is valid for `n` elements.
#[inline(always)]
unsafe fn fold_min<S: Simd, T: FloatLanes>(s: S, p: *const T, n: usize) -> f32 {
    // SAFETY: the caller's promise.
    let lanes = unsafe {
        fold(
            s,
            p,
            n,
            f32::INFINITY,
            #[inline(always)]
            |a, x| s.minimum(x, a),
            #[inline(always)]
            |a, b| s.minimum(a, b),
        )
    };
    if s.any(s.is_nan(lanes)) { f32::NAN } else { s.reduce_min(lanes) }
}

/// How the pieces of a row are put together.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fold {
    /// Added.
    Sum,
    /// Multiplied.
    Prod,
    /// The greatest.
    Max,
    /// The least.
    Min,
}

/// Rows of at most [`ROW_CHUNK`] elements, one after another.
struct Rows<T> {
    fold: Fold,
    src: *const T,
    out: *mut f32,
    rows: usize,
    n: usize,
}

impl<T: FloatLanes> Kernel for Rows<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        macro_rules! each {
            ($f:expr) => {
                for r in 0..self.rows {
                    // SAFETY: the promise of `short_rows`.
                    unsafe { *self.out.add(r) = $f(self.src.add(r * self.n)) };
                }
            };
        }
        let n = self.n;
        match self.fold {
            Fold::Sum => each!(|p| fold_sum(
                s,
                p,
                n,
                #[inline(always)]
                |a, x| s.add(a, x)
            )),
            Fold::Prod => each!(|p| s.reduce_mul(fold(
                s,
                p,
                n,
                1.0,
                #[inline(always)]
                |a, x| s.mul(a, x),
                #[inline(always)]
                |a, b| s.mul(a, b)
            ))),
            Fold::Max => each!(|p| fold_max(s, p, n)),
            Fold::Min => each!(|p| fold_min(s, p, n)),
        }
    }
}

/// # Safety
/// `src` is valid for `rows * n` elements, `out` for `rows`; `n <= ROW_CHUNK`.
unsafe fn short_rows<T: FloatLanes>(fold: Fold, src: *const T, out: *mut f32, rows: usize, n: usize) {
    simd::dispatch(Rows { fold, src, out, rows, n });
}

/// The pieces' results as a row again, until one is left.
fn combine(fold: Fold, mut parts: Vec<f32>) -> f32 {
    while parts.len() > 1 {
        parts = parts
            .chunks(ROW_CHUNK)
            .map(|c| {
                let mut out = 0.0;
                // SAFETY: one row of the slice's length.
                unsafe { short_rows(fold, c.as_ptr(), &mut out, 1, c.len()) };
                out
            })
            .collect();
    }
    parts[0]
}

/// A row of any length: `piece(start, len)` gives the result of at most [`ROW_CHUNK`] elements.
pub(crate) fn long_row(fold: Fold, n: usize, piece: impl Fn(usize, usize) -> f32 + Sync) -> f32 {
    if n <= ROW_CHUNK {
        return piece(0, n);
    }
    let mut parts = vec![0.0f32; n.div_ceil(ROW_CHUNK)];
    let out = Target(parts.as_mut_ptr());
    par::for_chunks(n, ROW_CHUNK, |a, b| {
        // SAFETY: each task writes its own element.
        unsafe { *out.at(a / ROW_CHUNK) = piece(a, b - a) };
    });
    combine(fold, parts)
}

/// One row of any length.
///
/// # Safety
/// `src` is valid for `n` elements.
pub(crate) unsafe fn row<T: FloatLanes>(fold: Fold, src: *const T, n: usize) -> f32 {
    let src = Origin(src);
    long_row(fold, n, |start, len| {
        let mut out = 0.0;
        // SAFETY: a part of the row.
        unsafe { short_rows(fold, src.at(start), &mut out, 1, len) };
        out
    })
}

/// `sum(e^(x - max))` of a piece.
struct ExpSum<T> {
    src: *const T,
    n: usize,
    max: f32,
}

impl<T: FloatLanes> Kernel for ExpSum<T> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let max = s.splat(self.max);
        // SAFETY: the promise of `log_sum_exp`.
        unsafe {
            fold_sum(
                s,
                self.src,
                self.n,
                #[inline(always)]
                |a, x| s.add(a, math::exp(s, s.sub(x, max))),
            )
        }
    }
}

/// The logarithm of one number, the same bits as in a vector.
struct LogOne(f32);

impl Kernel for LogOne {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        s.reduce_max(math::log(s, s.splat(self.0)))
    }
}

/// `max + ln(sum(e^(x - max)))` of one row.
///
/// # Safety
/// `src` is valid for `n` elements.
unsafe fn log_sum_exp<T: FloatLanes>(src: *const T, n: usize) -> f32 {
    // SAFETY: the caller's promise.
    let max = unsafe { row(Fold::Max, src, n) };
    if !max.is_finite() {
        return max;
    }
    let src = Origin(src);
    let sum = long_row(Fold::Sum, n, |start, len| simd::dispatch(ExpSum { src: src.at(start), n: len, max }));
    max + simd::dispatch(LogOne(sum))
}

/// Reduces each of `rows` rows of `n` elements.
///
/// # Safety
/// `src` is valid for `rows * n` elements, `dst` for `rows`.
pub(super) unsafe fn reduce_rows<T: FloatLanes>(op: ReduceOp, src: *const T, dst: *mut T, rows: usize, n: usize) {
    let (src, dst) = (Origin(src), Target(dst));
    let fold = match op {
        ReduceOp::Prod => Fold::Prod,
        ReduceOp::Max => Fold::Max,
        ReduceOp::Min => Fold::Min,
        _ => Fold::Sum,
    };
    let finish = |x: f32| if op == ReduceOp::Mean { x / n as f32 } else { x };
    if n > ROW_CHUNK || op == ReduceOp::LogSumExp {
        // SAFETY: the caller's promise; each task writes its rows.
        let one = |r: usize| unsafe {
            let p = src.at(r * n);
            let x = if op == ReduceOp::LogSumExp { log_sum_exp(p, n) } else { finish(row(fold, p, n)) };
            *dst.at(r) = T::narrow(x);
        };
        if rows == 1 {
            one(0);
        } else {
            for_rows(rows, n, |first, count| (first..first + count).for_each(one));
        }
        return;
    }
    for_rows(rows, n, |first, count| {
        let mut results = [0.0f32; 64];
        for start in (first..first + count).step_by(64) {
            let m = (first + count - start).min(64);
            // SAFETY: the caller's promise; each task writes its rows.
            unsafe {
                short_rows(fold, src.at(start * n), results.as_mut_ptr(), m, n);
                for (r, &x) in results[..m].iter().enumerate() {
                    *dst.at(start + r) = T::narrow(finish(x));
                }
            }
        }
    });
}
