//! The integer loops. Everything wraps; nothing panics.

use super::{BinaryOp, UnaryOp};
use crate::simd::{self, Kernel, Simd};

/// An integer type's arithmetic.
pub(super) trait Integer: Copy + Ord + Default + Send + Sync + 'static {
    const ONE: Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn neg(self) -> Self;
    fn not(self) -> Self;
    fn and(self, b: Self) -> Self;
    fn or(self, b: Self) -> Self;
    fn xor(self, b: Self) -> Self;
    fn shl(self, b: Self) -> Self;
    fn shr(self, b: Self) -> Self;
    fn rem_floor(self, b: Self) -> Self;
    fn div_floor(self, b: Self) -> Self;
    fn pow(self, b: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty, $u:ty, $signed:expr;)*) => {
        $(impl Integer for $t {
            const ONE: $t = 1;
            #[inline(always)]
            fn add(self, b: $t) -> $t {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn sub(self, b: $t) -> $t {
                self.wrapping_sub(b)
            }
            #[inline(always)]
            fn mul(self, b: $t) -> $t {
                self.wrapping_mul(b)
            }
            #[inline(always)]
            fn neg(self) -> $t {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn not(self) -> $t {
                !self
            }
            #[inline(always)]
            fn and(self, b: $t) -> $t {
                self & b
            }
            #[inline(always)]
            fn or(self, b: $t) -> $t {
                self | b
            }
            #[inline(always)]
            fn xor(self, b: $t) -> $t {
                self ^ b
            }
            #[inline(always)]
            fn shl(self, b: $t) -> $t {
                let count = b as $u;
                if count < <$t>::BITS as $u { self.wrapping_shl(count as u32) } else { 0 }
            }
            #[inline(always)]
            fn shr(self, b: $t) -> $t {
                let count = b as $u;
                let most = <$t>::BITS as $u - 1;
                if $signed {
                    self.wrapping_shr(count.min(most) as u32)
                } else if count <= most {
                    self.wrapping_shr(count as u32)
                } else {
                    0
                }
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one text for signed and unsigned")]
            fn rem_floor(self, b: $t) -> $t {
                if b == 0 {
                    return 0;
                }
                let r = self.wrapping_rem(b);
                if r != 0 && (r < 0) != (b < 0) { r.wrapping_add(b) } else { r }
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one text for signed and unsigned")]
            fn div_floor(self, b: $t) -> $t {
                if b == 0 {
                    return 0;
                }
                let (q, r) = (self.wrapping_div(b), self.wrapping_rem(b));
                if r != 0 && (r < 0) != (b < 0) { q.wrapping_sub(1) } else { q }
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one text for signed and unsigned")]
            fn pow(self, b: $t) -> $t {
                if b < 0 {
                    return 0;
                }
                let (mut base, mut exponent, mut power) = (self, b, 1 as $t);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        power = power.wrapping_mul(base);
                    }
                    exponent >>= 1;
                    base = base.wrapping_mul(base);
                }
                power
            }
        })*
    };
}

integers! {
    u8, u8, false;
    u16, u16, false;
    u32, u32, false;
    u64, u64, false;
    i8, u8, true;
    i16, u16, true;
    i32, u32, true;
    i64, u64, true;
}

/// Whether integers have the op.
pub(super) fn defined_unary(op: UnaryOp) -> bool {
    use UnaryOp::*;
    matches!(op, Abs | Neg | Sign | Square | Floor | Ceil | Round | Trunc | Not | LogicalNot | IsNan | IsInf | IsFinite)
}

struct Unary<T> {
    op: UnaryOp,
    src: *const T,
    dst: *mut u8,
    n: usize,
}

/// `dst[i] = op(src[i])` for the ops that [`defined_unary`] names.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn unary<T: Integer>(op: UnaryOp, src: *const T, dst: *mut u8, n: usize) {
    simd::dispatch_plain(Unary { op, src, dst, n })
}

impl<T: Integer> Kernel for Unary<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! each {
            ($out:ty, $f:expr) => {
                for i in 0..self.n {
                    // SAFETY: the promise of `unary`.
                    unsafe { *self.dst.cast::<$out>().add(i) = $f(*self.src.add(i)) };
                }
            };
        }
        let zero = T::default();
        match self.op {
            UnaryOp::Abs => each!(T, |x: T| if x < zero { x.neg() } else { x }),
            UnaryOp::Neg => each!(T, |x: T| x.neg()),
            UnaryOp::Sign => each!(T, |x: T| if x > zero {
                T::ONE
            } else if x < zero {
                T::ONE.neg()
            } else {
                zero
            }),
            UnaryOp::Square => each!(T, |x: T| x.mul(x)),
            UnaryOp::Not => each!(T, |x: T| x.not()),
            UnaryOp::LogicalNot => each!(u8, |x: T| (x == zero) as u8),
            UnaryOp::IsNan | UnaryOp::IsInf => each!(u8, |_| 0),
            UnaryOp::IsFinite => each!(u8, |_| 1),
            // An integer is its own rounding; other ops do not come here.
            _ => each!(T, |x: T| x),
        }
    }
}

/// Whether integers have the op (comparisons apart).
pub(super) fn defined_binary(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Rem | FloorDiv | Pow | Max | Min | And | Or | Xor | Shl | Shr)
}

struct Binary<T> {
    op: BinaryOp,
    a: *const T,
    b: *const T,
    dst: *mut T,
    n: usize,
}

/// `dst[i] = op(a[i], b[i])` for the ops that [`defined_binary`] names.
///
/// # Safety
/// All are valid for `n` elements.
pub(super) unsafe fn binary<T: Integer>(op: BinaryOp, a: *const T, b: *const T, dst: *mut T, n: usize) {
    simd::dispatch_plain(Binary { op, a, b, dst, n })
}

impl<T: Integer> Kernel for Binary<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! each {
            ($f:expr) => {
                for i in 0..self.n {
                    // SAFETY: the promise of `binary`.
                    unsafe { *self.dst.add(i) = $f(*self.a.add(i), *self.b.add(i)) };
                }
            };
        }
        match self.op {
            BinaryOp::Add => each!(T::add),
            BinaryOp::Sub => each!(T::sub),
            BinaryOp::Mul => each!(T::mul),
            BinaryOp::Rem => each!(T::rem_floor),
            BinaryOp::FloorDiv => each!(T::div_floor),
            BinaryOp::Pow => each!(T::pow),
            BinaryOp::Max => each!(|x: T, y: T| if x > y { x } else { y }),
            BinaryOp::Min => each!(|x: T, y: T| if x < y { x } else { y }),
            BinaryOp::And => each!(T::and),
            BinaryOp::Or => each!(T::or),
            BinaryOp::Xor => each!(T::xor),
            BinaryOp::Shl => each!(T::shl),
            BinaryOp::Shr => each!(T::shr),
            // Not defined for integers: not called with them.
            _ => {}
        }
    }
}

/// Whether bools have the op (comparisons apart).
pub(super) fn defined_bool(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Pow | Max | Min | And | Or | Xor)
}

/// `dst[i] = op(a[i], b[i])` for bools: the arithmetic result, whether it is not 0.
///
/// # Safety
/// All are valid for `n` elements.
pub(super) unsafe fn binary_bool(op: BinaryOp, a: *const u8, b: *const u8, dst: *mut u8, n: usize) {
    let op = match op {
        BinaryOp::Add => BinaryOp::Or,
        BinaryOp::Sub => BinaryOp::Xor,
        BinaryOp::Mul => BinaryOp::And,
        op => op,
    };
    // SAFETY: the caller's promise.
    unsafe { binary(op, a, b, dst, n) }
}
