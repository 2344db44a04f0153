//! Reductions without vector operations of their own: `f64`, integers, `any`, `all`, `argmax`, `argmin`.

use super::rows::{self, Fold};
use super::{COLUMN_BLOCK, Extent, Origin, ROW_CHUNK, ReduceOp, TASK, Target, for_rows};
use crate::dtype::Dtype;
use crate::elementwise::widen;
use crate::float_lanes::FloatLanes;
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};
use half::{bf16, f16};

/// Columns that are reduced side by side.
const WIDTH: usize = 512;

// ---------------------------------------------------------------------------------------------------- f64

/// The canonical row of [`super::rows`] in `f64`: the same lanes, accumulators and tree.
struct DoubleRow {
    fold: Fold,
    src: *const f64,
    n: usize,
    /// For log-sum-exp: `e^(x - max)` is added.
    max: Option<f64>,
}

fn identity(fold: Fold) -> f64 {
    match fold {
        Fold::Sum => 0.0,
        Fold::Prod => 1.0,
        Fold::Max => f64::NEG_INFINITY,
        Fold::Min => f64::INFINITY,
    }
}

#[inline(always)]
fn merge(fold: Fold, a: f64, x: f64) -> f64 {
    match fold {
        Fold::Sum => a + x,
        Fold::Prod => a * x,
        Fold::Max => {
            if x > a || x.is_nan() {
                x
            } else {
                a
            }
        }
        Fold::Min => {
            if x < a || x.is_nan() {
                x
            } else {
                a
            }
        }
    }
}

impl Kernel for DoubleRow {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) -> f64 {
        let mut acc = [[identity(self.fold); LANES]; 4];
        let mut i = 0;
        let each = |x: f64| match self.max {
            Some(max) => libm::exp(x - max),
            None => x,
        };
        while i + 4 * LANES <= self.n {
            for (j, a) in acc.iter_mut().enumerate() {
                for (k, a) in a.iter_mut().enumerate() {
                    // SAFETY: below `n`.
                    *a = merge(self.fold, *a, each(unsafe { *self.src.add(i + j * LANES + k) }));
                }
            }
            i += 4 * LANES;
        }
        for k in i..self.n {
            let a = &mut acc[(k - i) / LANES][(k - i) % LANES];
            // SAFETY: below `n`.
            *a = merge(self.fold, *a, each(unsafe { *self.src.add(k) }));
        }
        let mut lanes: [f64; LANES] = std::array::from_fn(|k| {
            merge(self.fold, merge(self.fold, acc[0][k], acc[1][k]), merge(self.fold, acc[2][k], acc[3][k]))
        });
        let mut width = LANES / 2;
        while width > 0 {
            for k in 0..width {
                lanes[k] = merge(self.fold, lanes[k], lanes[k + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}

fn double_row(fold: Fold, src: Origin<f64>, n: usize, max: Option<f64>) -> f64 {
    if n <= ROW_CHUNK {
        return simd::dispatch_plain(DoubleRow { fold, src: src.at(0), n, max });
    }
    let mut parts = vec![0.0; n.div_ceil(ROW_CHUNK)];
    let out = Target(parts.as_mut_ptr());
    par::for_chunks(n, ROW_CHUNK, |a, b| {
        let piece = DoubleRow { fold, src: src.at(a), n: b - a, max };
        // SAFETY: each task writes its own element.
        unsafe { *out.at(a / ROW_CHUNK) = simd::dispatch_plain(piece) };
    });
    double_row(fold, Origin(parts.as_ptr()), parts.len(), None)
}

/// The sum of a row, in the canonical order.
///
/// # Safety
/// `p` is valid for `n` elements.
pub(crate) unsafe fn double_row_sum(p: *const f64, n: usize) -> f64 {
    double_row(Fold::Sum, Origin(p), n, None)
}

/// The greatest of a row, a NaN if there is one.
///
/// # Safety
/// `p` is valid for `n` elements.
pub(crate) unsafe fn double_row_max(p: *const f64, n: usize) -> f64 {
    double_row(Fold::Max, Origin(p), n, None)
}

/// A block of rows of `f64` columns, from the identity.
struct DoubleBlock {
    fold: Fold,
    src: *const f64,
    stride: usize,
    rows: usize,
    acc: *mut f64,
    width: usize,
    max: *const f64,
}

impl Kernel for DoubleBlock {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        // SAFETY: `acc`, and `max` unless null, have `width` elements; the columns are readable.
        unsafe {
            let acc = std::slice::from_raw_parts_mut(self.acc, self.width);
            for r in 0..self.rows {
                for (j, a) in acc.iter_mut().enumerate() {
                    let x = *self.src.add(r * self.stride + j);
                    let x = if self.max.is_null() { x } else { libm::exp(x - *self.max.add(j)) };
                    *a = merge(self.fold, *a, x);
                }
            }
        }
    }
}

/// Folds `width` columns in the canonical order.
///
/// # Safety
/// The columns are readable; `max` unless null has `width` elements.
unsafe fn double_columns(
    fold: Fold,
    src: *const f64,
    n: usize,
    stride: usize,
    width: usize,
    max: *const f64,
) -> Vec<f64> {
    let mut total = vec![identity(fold); width];
    let mut acc = vec![0.0; width];
    for start in (0..n).step_by(COLUMN_BLOCK) {
        let rows = COLUMN_BLOCK.min(n - start);
        acc.fill(identity(fold));
        let src = src.wrapping_add(start * stride);
        simd::dispatch_plain(DoubleBlock { fold, src, stride, rows, acc: acc.as_mut_ptr(), width, max });
        if start == 0 {
            total.copy_from_slice(&acc);
        } else {
            total.iter_mut().zip(&acc).for_each(|(t, &a)| *t = merge(fold, *t, a));
        }
    }
    total
}

/// The `f64` reductions that give `f64`.
///
/// # Safety
/// `src` is valid for the whole extent, `dst` for `outer * inner` elements.
pub(super) unsafe fn double(op: ReduceOp, src: *const f64, dst: *mut f64, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    let fold = match op {
        ReduceOp::Prod => Fold::Prod,
        ReduceOp::Max => Fold::Max,
        ReduceOp::Min => Fold::Min,
        _ => Fold::Sum,
    };
    let count = e.n as f64;
    let finish = |x: f64| if op == ReduceOp::Mean { x / count } else { x };
    let log = |max: f64, sum: f64| if max.is_finite() { max + libm::log(sum) } else { max };
    if e.inner == 1 {
        let one = |r: usize| {
            let p = Origin(src.at(r * e.n));
            let x = if op == ReduceOp::LogSumExp {
                let max = double_row(Fold::Max, p, e.n, None);
                if max.is_finite() { log(max, double_row(Fold::Sum, p, e.n, Some(max))) } else { max }
            } else {
                finish(double_row(fold, p, e.n, None))
            };
            // SAFETY: each task writes its rows.
            unsafe { *dst.at(r) = x };
        };
        if e.outer == 1 {
            one(0);
        } else {
            for_rows(e.outer, e.n, |first, count| (first..first + count).for_each(one));
        }
        return;
    }
    for_strips(e, |slab, first, width| {
        let p = src.at(slab * e.n * e.inner + first);
        // SAFETY: the caller's promise; each task writes its columns.
        unsafe {
            let out = std::slice::from_raw_parts_mut(dst.at(slab * e.inner + first), width);
            if op == ReduceOp::LogSumExp {
                let max = double_columns(Fold::Max, p, e.n, e.inner, width, std::ptr::null());
                let sum = double_columns(Fold::Sum, p, e.n, e.inner, width, max.as_ptr());
                out.iter_mut().zip(max.iter().zip(&sum)).for_each(|(o, (&m, &s))| *o = log(m, s));
            } else {
                let total = double_columns(fold, p, e.n, e.inner, width, std::ptr::null());
                out.iter_mut().zip(&total).for_each(|(o, &t)| *o = finish(t));
            }
        }
    });
}

/// Calls `f(slab, first column, width)` for strips of columns, in tasks.
fn for_strips(e: Extent, f: impl Fn(usize, usize, usize) + Sync) {
    let strips = e.inner.div_ceil(WIDTH);
    let per_task = (TASK / (e.n.max(1) * e.inner.min(WIDTH))).max(1);
    par::for_chunks(e.outer * strips, per_task, |a, b| {
        for t in a..b {
            let first = t % strips * WIDTH;
            f(t / strips, first, WIDTH.min(e.inner - first));
        }
    });
}

// ----------------------------------------------------------------------------------------------- integers

/// An integer as 64 wrapping bits; the low bits of any result depend on the low bits of the operands only.
trait Wide: Copy + Ord + Send + Sync + 'static {
    const LEAST: Self;
    const MOST: Self;
    fn wide(self) -> u64;
    fn cut(x: u64) -> Self;
}

macro_rules! wide {
    ($($t:ty),*) => {
        $(impl Wide for $t {
            const LEAST: $t = <$t>::MIN;
            const MOST: $t = <$t>::MAX;
            #[inline(always)]
            fn wide(self) -> u64 {
                self as i64 as u64
            }
            #[inline(always)]
            fn cut(x: u64) -> $t {
                x as $t
            }
        })*
    };
}
wide!(u8, u16, u32, u64, i8, i16, i32, i64);

/// Rows of integers: 64 wrapping bits for sums and products.
struct IntegerRow<T> {
    fold: Fold,
    src: *const T,
    n: usize,
}

impl<T: Wide> Kernel for IntegerRow<T> {
    type Out = u64;
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) -> u64 {
        // SAFETY: the promise of `integer_typed`.
        let x = unsafe { std::slice::from_raw_parts(self.src, self.n) };
        match self.fold {
            Fold::Sum => x.iter().fold(0, |a: u64, x| a.wrapping_add(x.wide())),
            Fold::Prod => x.iter().fold(1, |a: u64, x| a.wrapping_mul(x.wide())),
            Fold::Max => x.iter().fold(T::LEAST, |a, &x| a.max(x)).wide(),
            Fold::Min => x.iter().fold(T::MOST, |a, &x| a.min(x)).wide(),
        }
    }
}

/// One row of integers folded into the columns' accumulators.
struct IntegerColumns<T> {
    fold: Fold,
    src: *const T,
    stride: usize,
    n: usize,
    acc: *mut u64,
    width: usize,
}

impl<T: Wide> Kernel for IntegerColumns<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        // SAFETY: the promise of `integer_typed`.
        let acc = unsafe { std::slice::from_raw_parts_mut(self.acc, self.width) };
        macro_rules! each {
            ($start:expr, $f:expr) => {{
                acc.fill($start);
                for r in 0..self.n {
                    // SAFETY: the promise of `integer_typed`.
                    let row = unsafe { std::slice::from_raw_parts(self.src.add(r * self.stride), self.width) };
                    acc.iter_mut().zip(row).for_each(|(a, &x)| *a = $f(*a, x));
                }
            }};
        }
        match self.fold {
            Fold::Sum => each!(0, |a: u64, x: T| a.wrapping_add(x.wide())),
            Fold::Prod => each!(1, |a: u64, x: T| a.wrapping_mul(x.wide())),
            Fold::Max => each!(T::LEAST.wide(), |a, x: T| T::cut(a).max(x).wide()),
            Fold::Min => each!(T::MOST.wide(), |a, x: T| T::cut(a).min(x).wide()),
        }
    }
}

/// # Safety
/// `dst + i` is valid for one element of `to`.
unsafe fn write_integer(to: Dtype, dst: *mut u8, i: usize, x: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        match to.size() {
            1 => *dst.add(i) = if to == Dtype::Bool { (x != 0) as u8 } else { x as u8 },
            2 => *dst.cast::<u16>().add(i) = x as u16,
            4 => *dst.cast::<u32>().add(i) = x as u32,
            _ => *dst.cast::<u64>().add(i) = x,
        }
    }
}

/// # Safety
/// As for [`super::reduce`].
unsafe fn integer_typed<T: Wide>(fold: Fold, to: Dtype, src: *const T, dst: *mut u8, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    if e.inner > 1 {
        return for_strips(e, |slab, first, width| {
            let mut acc = [0u64; WIDTH];
            let src = src.at(slab * e.n * e.inner + first);
            simd::dispatch_plain(IntegerColumns { fold, src, stride: e.inner, n: e.n, acc: acc.as_mut_ptr(), width });
            for (j, &x) in acc[..width].iter().enumerate() {
                // SAFETY: each task writes its columns.
                unsafe { write_integer(to, dst.at(0), slab * e.inner + first + j, x) };
            }
        });
    }
    let piece = |start: usize, n: usize| simd::dispatch_plain(IntegerRow { fold, src: src.at(start), n });
    if e.outer == 1 && e.n > ROW_CHUNK {
        let mut parts = vec![0u64; e.n.div_ceil(ROW_CHUNK)];
        let out = Target(parts.as_mut_ptr());
        // SAFETY: each task writes its own element.
        par::for_chunks(e.n, ROW_CHUNK, |a, b| unsafe { *out.at(a / ROW_CHUNK) = piece(a, b - a) });
        let total = parts.iter().copied().reduce(|a, b| match fold {
            Fold::Sum => a.wrapping_add(b),
            Fold::Prod => a.wrapping_mul(b),
            Fold::Max => T::cut(a).max(T::cut(b)).wide(),
            Fold::Min => T::cut(a).min(T::cut(b)).wide(),
        });
        // SAFETY: there is one output.
        return unsafe { write_integer(to, dst.at(0), 0, total.unwrap_or(0)) };
    }
    for_rows(e.outer, e.n, |first, count| {
        for r in first..first + count {
            // SAFETY: each task writes its rows.
            unsafe { write_integer(to, dst.at(0), r, piece(r * e.n, e.n)) };
        }
    });
}

/// The integer reductions that give integers (bools count as 0 and 1).
///
/// # Safety
/// As for [`super::reduce`]; `from` and `to` are not floats.
pub(super) unsafe fn integer(op: ReduceOp, from: Dtype, to: Dtype, src: *const u8, dst: *mut u8, e: Extent) {
    let fold = match op {
        ReduceOp::Prod => Fold::Prod,
        ReduceOp::Max => Fold::Max,
        ReduceOp::Min => Fold::Min,
        _ => Fold::Sum,
    };
    macro_rules! run {
        ($t:ty) => {
            // SAFETY: the caller's promise.
            unsafe { integer_typed::<$t>(fold, to, src.cast(), dst, e) }
        };
    }
    match from {
        Dtype::Bool | Dtype::U8 => run!(u8),
        Dtype::U16 => run!(u16),
        Dtype::U32 => run!(u32),
        Dtype::U64 => run!(u64),
        Dtype::I8 => run!(i8),
        Dtype::I16 => run!(i16),
        Dtype::I32 => run!(i32),
        Dtype::I64 => run!(i64),
        // The caller handles floats.
        _ => {}
    }
}

// ------------------------------------------------------------------------------------------------ any, all

/// Bits that decide whether an element is 0: all but a float's sign.
trait Bits: Copy + Send + Sync + 'static {
    fn is_set(self, mask: u64) -> bool;
}

macro_rules! bits {
    ($($t:ty),*) => {
        $(impl Bits for $t {
            #[inline(always)]
            fn is_set(self, mask: u64) -> bool {
                self & mask as $t != 0
            }
        })*
    };
}
bits!(u8, u16, u32, u64);

struct Truths<T> {
    src: *const T,
    n: usize,
    mask: u64,
    /// Whether the answer to look for is "some are set" (else "some are not").
    set: bool,
}

impl<T: Bits> Kernel for Truths<T> {
    type Out = bool;
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) -> bool {
        // SAFETY: the promise of `any_all`.
        let x = unsafe { std::slice::from_raw_parts(self.src, self.n) };
        x.chunks(1024).any(|c| c.iter().fold(false, |found, x| found | (x.is_set(self.mask) == self.set)))
    }
}

struct TruthColumns<T> {
    src: *const T,
    stride: usize,
    n: usize,
    mask: u64,
    set: bool,
    found: *mut u8,
    width: usize,
}

impl<T: Bits> Kernel for TruthColumns<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        // SAFETY: the promise of `any_all`.
        let found = unsafe { std::slice::from_raw_parts_mut(self.found, self.width) };
        for r in 0..self.n {
            // SAFETY: the promise of `any_all`.
            let row = unsafe { std::slice::from_raw_parts(self.src.add(r * self.stride), self.width) };
            found.iter_mut().zip(row).for_each(|(f, x)| *f |= (x.is_set(self.mask) == self.set) as u8);
        }
    }
}

/// # Safety
/// As for [`super::reduce`].
unsafe fn any_all_typed<T: Bits>(op: ReduceOp, mask: u64, src: *const T, dst: *mut u8, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    let set = op == ReduceOp::Any;
    if e.inner > 1 {
        return for_strips(e, |slab, first, width| {
            let mut found = [0u8; WIDTH];
            let src = src.at(slab * e.n * e.inner + first);
            simd::dispatch_plain(TruthColumns {
                src,
                stride: e.inner,
                n: e.n,
                mask,
                set,
                found: found.as_mut_ptr(),
                width,
            });
            for (j, &f) in found[..width].iter().enumerate() {
                // SAFETY: each task writes its columns.
                unsafe { *dst.at(slab * e.inner + first + j) = ((f != 0) == set) as u8 };
            }
        });
    }
    let piece = |start: usize, n: usize| simd::dispatch_plain(Truths { src: src.at(start), n, mask, set });
    if e.outer == 1 {
        let found = std::sync::atomic::AtomicBool::new(false);
        par::for_chunks(e.n, ROW_CHUNK, |a, b| {
            if piece(a, b - a) {
                found.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        });
        // SAFETY: there is one output.
        return unsafe { *dst.at(0) = (found.into_inner() == set) as u8 };
    }
    for_rows(e.outer, e.n, |first, count| {
        for r in first..first + count {
            // SAFETY: each task writes its rows.
            unsafe { *dst.at(r) = (piece(r * e.n, e.n) == set) as u8 };
        }
    });
}

/// Whether any, or all, are not 0.
///
/// # Safety
/// As for [`super::reduce`].
pub(super) unsafe fn any_all(op: ReduceOp, from: Dtype, src: *const u8, dst: *mut u8, e: Extent) {
    let all = u64::MAX >> (64 - 8 * from.size());
    let mask = if from.is_float() { all >> 1 } else { all };
    // SAFETY: the caller's promise; the elements are looked at as bits of their size.
    unsafe {
        match from.size() {
            1 => any_all_typed::<u8>(op, mask, src, dst, e),
            2 => any_all_typed::<u16>(op, mask, src.cast(), dst, e),
            4 => any_all_typed::<u32>(op, mask, src.cast(), dst, e),
            _ => any_all_typed::<u64>(op, mask, src.cast(), dst, e),
        }
    }
}

// ------------------------------------------------------------------------------------------ argmax, argmin

/// Whether `x` takes the place of `best`: greater (or less), or the first NaN.
#[inline(always)]
#[allow(clippy::eq_op, reason = "a NaN differs from itself")]
fn better<T: Copy + PartialOrd>(greatest: bool, x: T, best: T) -> bool {
    let wins = if greatest { x > best } else { x < best };
    wins | ((x != x) & (best == best))
}

struct ArgColumns<T> {
    greatest: bool,
    src: *const T,
    index: u32,
    best: *mut T,
    at: *mut u32,
    width: usize,
}

impl<T: Copy + PartialOrd> Kernel for ArgColumns<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for j in 0..self.width {
            // SAFETY: the promise of `arg_columns`; both are written, so that the loop needs no branch.
            unsafe {
                let (x, best, at) = (*self.src.add(j), *self.best.add(j), *self.at.add(j));
                let wins = better(self.greatest, x, best);
                *self.best.add(j) = if wins { x } else { best };
                *self.at.add(j) = if wins { self.index } else { at };
            }
        }
    }
}

/// The first index that has `value`, or a NaN if `value` is one.
struct Find<T> {
    src: *const T,
    n: usize,
    value: f32,
}

impl<T: FloatLanes> Kernel for Find<T> {
    type Out = usize;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let value = s.splat(self.value);
        let mut i = 0;
        while i < self.n {
            // SAFETY: the promise of `arg_float_rows`.
            let x = unsafe { rows::load_upto(s, self.src.add(i), self.n - i) };
            let hit = if self.value.is_nan() { s.is_nan(x) } else { s.eq(x, value) };
            let hit = s.mask_bits(s.and_m(hit, s.mask_first(self.n - i)));
            if hit != 0 {
                return i + hit.trailing_zeros() as usize;
            }
            i += LANES;
        }
        0
    }
}

/// # Safety
/// As for [`super::reduce`].
unsafe fn arg_float_rows<T: FloatLanes>(greatest: bool, src: *const T, dst: *mut u32, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    // SAFETY: the caller's promise; each task writes its rows.
    let one = |r: usize| unsafe {
        let p = src.at(r * e.n);
        let value = rows::row(if greatest { Fold::Max } else { Fold::Min }, p, e.n);
        *dst.at(r) = simd::dispatch(Find { src: p, n: e.n, value }) as u32;
    };
    if e.outer == 1 {
        one(0);
    } else {
        for_rows(e.outer, e.n, |first, count| (first..first + count).for_each(one));
    }
}

/// # Safety
/// As for [`super::reduce`].
unsafe fn arg_rows<T: Copy + PartialOrd + Send + Sync>(greatest: bool, src: *const T, dst: *mut u32, e: Extent) {
    let (src, dst) = (Origin(src), Target(dst));
    for_rows(e.outer, e.n, |first, count| {
        for r in first..first + count {
            // SAFETY: the caller's promise; each task writes its rows.
            unsafe {
                let row = std::slice::from_raw_parts(src.at(r * e.n), e.n);
                let mut at = 0;
                for (i, &x) in row.iter().enumerate() {
                    if better(greatest, x, row[at]) {
                        at = i;
                    }
                }
                *dst.at(r) = at as u32;
            }
        }
    });
}

/// Columns of `T`, which `read(slab, row, first column, width, buffer)` makes readable.
///
/// # Safety
/// `read` returns addresses of `width` elements; `dst` is valid for `outer * inner`.
unsafe fn arg_columns<T: Copy + PartialOrd + Default + Send + Sync>(
    greatest: bool,
    dst: *mut u32,
    e: Extent,
    read: impl Fn(usize, usize, *mut T) -> *const T + Sync,
) {
    let dst = Target(dst);
    for_strips(e, |slab, first, width| {
        let (mut buffer, mut best, mut at) = ([T::default(); WIDTH], [T::default(); WIDTH], [0u32; WIDTH]);
        for r in 0..e.n {
            let src = read((slab * e.n + r) * e.inner + first, width, buffer.as_mut_ptr());
            if r == 0 {
                // SAFETY: `width <= WIDTH` elements.
                unsafe { std::ptr::copy_nonoverlapping(src, best.as_mut_ptr(), width) };
                continue;
            }
            let index = r as u32;
            simd::dispatch_plain(ArgColumns {
                greatest,
                src,
                index,
                best: best.as_mut_ptr(),
                at: at.as_mut_ptr(),
                width,
            });
        }
        // SAFETY: each task writes its columns.
        unsafe { std::ptr::copy_nonoverlapping(at.as_ptr(), dst.at(slab * e.inner + first), width) };
    });
}

/// Where the greatest, or least, is.
///
/// # Safety
/// As for [`super::reduce`].
pub(super) unsafe fn arg(op: ReduceOp, from: Dtype, src: *const u8, dst: *mut u32, e: Extent) {
    let greatest = op == ReduceOp::ArgMax;
    macro_rules! run {
        ($t:ty) => {{
            let p = Origin(src.cast::<$t>());
            // SAFETY: the caller's promise.
            unsafe {
                if e.inner == 1 {
                    arg_rows(greatest, p.at(0), dst, e)
                } else {
                    arg_columns::<$t>(greatest, dst, e, |i, _, _| p.at(i))
                }
            }
        }};
    }
    macro_rules! half {
        ($t:ty) => {{
            let p = Origin(src.cast::<$t>());
            // SAFETY: the caller's promise; the buffer has room for `width` elements.
            unsafe {
                if e.inner == 1 {
                    arg_float_rows(greatest, p.at(0), dst, e)
                } else {
                    arg_columns::<f32>(greatest, dst, e, |i, width, buffer| {
                        widen(from, p.at(i).cast(), buffer, width);
                        buffer
                    })
                }
            }
        }};
    }
    match from {
        Dtype::F16 => half!(f16),
        Dtype::BF16 => half!(bf16),
        // SAFETY: the caller's promise.
        Dtype::F32 if e.inner == 1 => unsafe { arg_float_rows::<f32>(greatest, src.cast(), dst, e) },
        Dtype::F32 => run!(f32),
        Dtype::F64 => run!(f64),
        Dtype::Bool | Dtype::U8 => run!(u8),
        Dtype::U16 => run!(u16),
        Dtype::U32 => run!(u32),
        Dtype::U64 => run!(u64),
        Dtype::I8 => run!(i8),
        Dtype::I16 => run!(i16),
        Dtype::I32 => run!(i32),
        Dtype::I64 => run!(i64),
        // The caller has refused it.
        Dtype::C64 => {}
    }
}
