//! The `f32` loops, which serve `f16` and `bf16` too.

use super::{BinaryOp, Lanes, UnaryOp, compare, map1, map2};
use crate::math;
use crate::simd::{self, Kernel, LANES, Simd};

struct Unary {
    op: UnaryOp,
    src: *const f32,
    dst: *mut f32,
    n: usize,
}

/// `dst[i] = op(src[i])`; `dst` is bytes because some ops give bools.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn unary(op: UnaryOp, src: *const f32, dst: *mut u8, n: usize) {
    if op.result(crate::dtype::Dtype::F32) == crate::dtype::Dtype::Bool {
        // SAFETY: the caller's promise.
        return unsafe { compare::classify(op, src, dst, n) };
    }
    simd::dispatch(Unary { op, src, dst: dst.cast(), n })
}

impl Kernel for Unary {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        macro_rules! ops {
            ($($name:ident => $f:expr),* $(,)?) => {
                match self.op {
                    // SAFETY: the promise of `unary`.
                    $(UnaryOp::$name => unsafe { map1(s, self.src, self.dst, self.n, #[inline(always)] |x| $f(s, x)) },)*
                    // Not defined for floats, or handled as bools: `super::unary` does not come here with them.
                    UnaryOp::Not
                    | UnaryOp::Conj
                    | UnaryOp::Real
                    | UnaryOp::Imag
                    | UnaryOp::LogicalNot
                    | UnaryOp::IsNan
                    | UnaryOp::IsInf
                    | UnaryOp::IsFinite => {}
                }
            };
        }
        ops! {
            Abs => |s: S, x| s.abs(x),
            Neg => |s: S, x| s.neg(x),
            Square => |s: S, x| s.mul(x, x),
            Sqrt => |s: S, x| s.sqrt(x),
            Floor => |s: S, x| s.floor(x),
            Ceil => |s: S, x| s.ceil(x),
            Round => |s: S, x| s.round_even(x),
            Trunc => |s: S, x| s.trunc(x),
            Sign => sign,
            Rsqrt => math::rsqrt,
            Reciprocal => math::reciprocal,
            Exp => math::exp,
            Expm1 => math::expm1,
            Log => math::log,
            Log1p => math::log1p,
            Log2 => math::log2,
            Log10 => math::log10,
            Sin => math::sin,
            Cos => math::cos,
            Tan => math::tan,
            Sinh => math::sinh,
            Cosh => math::cosh,
            Tanh => math::tanh,
            Asin => math::asin,
            Acos => math::acos,
            Atan => math::atan,
            Asinh => math::asinh,
            Acosh => math::acosh,
            Atanh => math::atanh,
            Erf => math::erf,
            Erfinv => math::erfinv,
            Sigmoid => math::sigmoid,
        }
    }
}

#[inline(always)]
fn sign<S: Simd>(s: S, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let magnitude = s.select(s.eq(x, zero), zero, one);
    let v = s.select(s.lt(x, zero), s.neg(one), magnitude);
    s.select(s.is_nan(x), x, v)
}

/// Whether floats have the op.
pub(super) fn defined_binary(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Div | Rem | FloorDiv | Pow | Max | Min | LogAddExp | Atan2)
}

struct Binary {
    op: BinaryOp,
    a: Lanes,
    b: Lanes,
    dst: *mut f32,
    n: usize,
}

/// `dst[i] = op(a[i], b[i])` for the ops that [`defined_binary`] names.
///
/// # Safety
/// All are valid for `n` elements.
pub(super) unsafe fn binary(op: BinaryOp, a: *const f32, b: *const f32, dst: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { binary_lanes(op, Lanes::each(a), Lanes::each(b), dst, n) }
}

/// [`binary`] of operands that may repeat a vector.
///
/// # Safety
/// As for [`map2`].
pub(super) unsafe fn binary_lanes(op: BinaryOp, a: Lanes, b: Lanes, dst: *mut f32, n: usize) {
    simd::dispatch(Binary { op, a, b, dst, n })
}

impl Kernel for Binary {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        macro_rules! ops {
            ($($name:ident => $f:expr),* $(,)?) => {
                match self.op {
                    // SAFETY: the promise of `binary`.
                    $(BinaryOp::$name => unsafe {
                        map2(s, self.a, self.b, self.dst, self.n, #[inline(always)] |x, y| $f(x, y))
                    },)*
                    // Not defined for floats: `super::binary` does not come here with them.
                    _ => {}
                }
            };
        }
        ops! {
            Add => |x, y| s.add(x, y),
            Sub => |x, y| s.sub(x, y),
            Mul => |x, y| s.mul(x, y),
            Div => |x, y| s.div(x, y),
            Max => |x, y| s.maximum(x, y),
            Min => |x, y| s.minimum(x, y),
            Rem => |x, y| remainder(s, x, y),
            FloorDiv => |x, y| floor_divide(s, x, y),
            Pow => |x, y| math::pow(s, x, y),
            LogAddExp => |x, y| log_add_exp(s, x, y),
            Atan2 => |x, y| math::atan2(s, x, y),
        }
    }
}

/// C's `fmod`, exact: quotients below 2^22 by one division and a fused step, others lane by lane.
#[inline(always)]
fn fmod<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let (ax, bx) = (s.abs(a), s.abs(b));
    let quotient = s.div(ax, bx);
    let q = s.trunc(quotient);
    let r = s.fnma(q, bx, ax);
    // The division may have rounded up to the next integer; the step back is exact.
    let r = s.select(s.lt(r, s.splat(0.0)), s.add(r, bx), r);
    let easy = s.and_m(s.lt(quotient, s.splat(4_194_304.0)), s.lt(bx, s.splat(f32::INFINITY)));
    let r = s.copysign(r, a);
    if s.all(easy) {
        return r;
    }
    let mut lanes = s.to_array(r);
    let (x, y, easy) = (s.to_array(a), s.to_array(b), s.mask_bits(easy));
    for i in 0..LANES {
        if easy >> i & 1 == 0 {
            lanes[i] = libm::fmodf(x[i], y[i]);
        }
    }
    s.from_array(lanes)
}

/// The remainder with the sign of `b`.
#[inline(always)]
fn remainder<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let zero = s.splat(0.0);
    let r = fmod(s, a, b);
    let other_side = s.xor_m(s.lt(r, zero), s.lt(b, zero));
    let moved = s.select(other_side, s.add(r, b), r);
    s.select(s.eq(r, zero), s.copysign(zero, b), moved)
}

/// NumPy's `floor_divide`: the quotient that goes with the remainder.
#[inline(always)]
fn floor_divide<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let r = fmod(s, a, b);
    let quotient = s.div(a, b);
    let q = s.div(s.sub(a, r), b);
    let other_side = s.and_m(s.ne(r, zero), s.xor_m(s.lt(r, zero), s.lt(b, zero)));
    let q = s.select(other_side, s.sub(q, one), q);
    let whole = s.floor(q);
    let whole = s.select(s.gt(s.sub(q, whole), s.splat(0.5)), s.add(whole, one), whole);
    let v = s.select(s.eq(q, zero), s.copysign(zero, quotient), whole);
    s.select(s.eq(b, zero), quotient, v)
}

/// `max + ln(1 + e^-|a - b|)`.
#[inline(always)]
fn log_add_exp<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let most = s.maximum(a, b);
    // Equal infinities have no difference.
    let gap = s.select(s.eq(a, b), s.splat(0.0), s.abs(s.sub(a, b)));
    s.add(most, math::log1p(s, math::exp(s, s.neg(gap))))
}
