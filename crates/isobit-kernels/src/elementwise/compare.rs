//! Ops that give bools.

use super::{BinaryOp, UnaryOp};
use crate::simd::{self, Kernel, Simd};

struct Compare<T> {
    op: BinaryOp,
    a: *const T,
    b: *const T,
    dst: *mut u8,
    n: usize,
}

/// `dst[i] = op(a[i], b[i])` for the ops that give bools.
///
/// # Safety
/// All are valid for `n` elements.
pub(super) unsafe fn compare<T: Copy + PartialOrd + Default>(
    op: BinaryOp,
    a: *const T,
    b: *const T,
    dst: *mut u8,
    n: usize,
) {
    simd::dispatch_plain(Compare { op, a, b, dst, n })
}

impl<T: Copy + PartialOrd + Default> Kernel for Compare<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! each {
            ($f:expr) => {
                for i in 0..self.n {
                    // SAFETY: the promise of `compare`.
                    unsafe { *self.dst.add(i) = $f(*self.a.add(i), *self.b.add(i)) as u8 };
                }
            };
        }
        let zero = T::default();
        match self.op {
            BinaryOp::Eq => each!(|x: T, y: T| x == y),
            BinaryOp::Ne => each!(|x: T, y: T| x != y),
            BinaryOp::Lt => each!(|x: T, y: T| x < y),
            BinaryOp::Le => each!(|x: T, y: T| x <= y),
            BinaryOp::Gt => each!(|x: T, y: T| x > y),
            BinaryOp::Ge => each!(|x: T, y: T| x >= y),
            BinaryOp::LogicalAnd => each!(|x: T, y: T| (x != zero) & (y != zero)),
            BinaryOp::LogicalOr => each!(|x: T, y: T| (x != zero) | (y != zero)),
            BinaryOp::LogicalXor => each!(|x: T, y: T| (x != zero) ^ (y != zero)),
            // The others do not give bools: not called with them.
            _ => {}
        }
    }
}

/// A float type's classes.
pub(super) trait Float: Copy + PartialOrd + Default {
    fn magnitude(self) -> Self;
    const INFINITY: Self;
}

impl Float for f32 {
    #[inline(always)]
    fn magnitude(self) -> f32 {
        self.abs()
    }
    const INFINITY: f32 = f32::INFINITY;
}

impl Float for f64 {
    #[inline(always)]
    fn magnitude(self) -> f64 {
        self.abs()
    }
    const INFINITY: f64 = f64::INFINITY;
}

struct Classify<T> {
    op: UnaryOp,
    src: *const T,
    dst: *mut u8,
    n: usize,
}

/// `dst[i] = op(src[i])` for the unary ops that give bools.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn classify<T: Float>(op: UnaryOp, src: *const T, dst: *mut u8, n: usize) {
    simd::dispatch_plain(Classify { op, src, dst, n })
}

impl<T: Float> Kernel for Classify<T> {
    type Out = ();
    #[inline(always)]
    #[allow(clippy::eq_op, reason = "a NaN differs from itself")]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! each {
            ($f:expr) => {
                for i in 0..self.n {
                    // SAFETY: the promise of `classify`.
                    unsafe { *self.dst.add(i) = $f(*self.src.add(i)) as u8 };
                }
            };
        }
        match self.op {
            UnaryOp::LogicalNot => each!(|x: T| x == T::default()),
            UnaryOp::IsNan => each!(|x: T| x != x),
            UnaryOp::IsInf => each!(|x: T| x.magnitude() == T::INFINITY),
            UnaryOp::IsFinite => each!(|x: T| x.magnitude() < T::INFINITY),
            // The others do not give bools: not called with them.
            _ => {}
        }
    }
}
