//! The complex64 loops. Sums, differences and products are `f32` operations on the parts, vectorised; everything else is
//! [`Complex`], a number at a time.
//!
//! ```text
//! a + b = (a.re + b.re, a.im + b.im)
//! a * b = (a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)    every product and sum rounded, none fused
//! ```

use super::{BinaryOp, UnaryOp, single};
use crate::complex::{self, Complex};
use crate::simd::{self, Kernel, Simd};

/// A number in memory.
type Pair = [f32; 2];

/// Whether complex numbers have the op.
pub(super) fn defined_unary(op: UnaryOp) -> bool {
    use UnaryOp::*;
    !matches!(op, Expm1 | Erf | Erfinv | Sigmoid | Floor | Ceil | Trunc | Not)
}

/// `dst[i] = op(src[i])` for the ops that [`defined_unary`] names; `dst` holds numbers, parts or bools.
///
/// # Safety
/// Both are valid for `n` elements; `dst` may equal `src` where it holds numbers.
pub(super) unsafe fn unary(op: UnaryOp, src: *const Pair, dst: *mut u8, n: usize) {
    macro_rules! each {
        ($to:ty, $f:expr) => {
            for i in 0..n {
                // SAFETY: the caller's promise.
                unsafe { *dst.cast::<$to>().add(i) = $f(*src.add(i)) };
            }
        };
    }
    let f: fn(Complex) -> Complex = match op {
        // SAFETY: the caller's promise; a number is two `f32`.
        UnaryOp::Neg | UnaryOp::Round => return unsafe { single::unary(op, src.cast(), dst, 2 * n) },
        // SAFETY: as above.
        UnaryOp::Square => return unsafe { binary(BinaryOp::Mul, src, src, dst, n) },
        UnaryOp::Conj => return each!(Pair, |[re, im]: Pair| [re, -im]),
        UnaryOp::Real => return each!(f32, |[re, _]: Pair| re),
        UnaryOp::Imag => return each!(f32, |[_, im]: Pair| im),
        UnaryOp::Abs => return each!(f32, |z: Pair| Complex::from(z).abs() as f32),
        UnaryOp::LogicalNot => return each!(u8, |[re, im]: Pair| u8::from((re == 0.0) & (im == 0.0))),
        UnaryOp::IsNan => return each!(u8, |z: Pair| u8::from(complex::is_nan(z))),
        UnaryOp::IsInf => return each!(u8, |[re, im]: Pair| u8::from(re.is_infinite() | im.is_infinite())),
        UnaryOp::IsFinite => return each!(u8, |[re, im]: Pair| u8::from(re.is_finite() & im.is_finite())),
        UnaryOp::Sign => Complex::sign,
        UnaryOp::Sqrt => Complex::sqrt,
        UnaryOp::Rsqrt => Complex::rsqrt,
        UnaryOp::Reciprocal => Complex::reciprocal,
        UnaryOp::Exp => Complex::exp,
        UnaryOp::Log => Complex::log,
        UnaryOp::Log1p => Complex::log1p,
        UnaryOp::Log2 => Complex::log2,
        UnaryOp::Log10 => Complex::log10,
        UnaryOp::Sin => Complex::sin,
        UnaryOp::Cos => Complex::cos,
        UnaryOp::Tan => Complex::tan,
        UnaryOp::Sinh => Complex::sinh,
        UnaryOp::Cosh => Complex::cosh,
        UnaryOp::Tanh => Complex::tanh,
        UnaryOp::Asin => Complex::asin,
        UnaryOp::Acos => Complex::acos,
        UnaryOp::Atan => Complex::atan,
        UnaryOp::Asinh => Complex::asinh,
        UnaryOp::Acosh => Complex::acosh,
        UnaryOp::Atanh => Complex::atanh,
        // `super::unary` does not come here with them.
        UnaryOp::Expm1
        | UnaryOp::Erf
        | UnaryOp::Erfinv
        | UnaryOp::Sigmoid
        | UnaryOp::Floor
        | UnaryOp::Ceil
        | UnaryOp::Trunc
        | UnaryOp::Not => return,
    };
    each!(Pair, |z: Pair| f(z.into()).into())
}

/// Whether complex numbers have the op.
pub(super) fn defined_binary(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Div | Pow | Max | Min | LogAddExp) || op.is_bool()
}

/// `dst[i] = op(a[i], b[i])` for the ops that [`defined_binary`] names; `dst` holds numbers or bools.
///
/// # Safety
/// All are valid for `n` elements; `dst` may equal an input where it holds numbers.
pub(super) unsafe fn binary(op: BinaryOp, a: *const Pair, b: *const Pair, dst: *mut u8, n: usize) {
    macro_rules! each {
        ($to:ty, $f:expr) => {
            for i in 0..n {
                // SAFETY: the caller's promise.
                unsafe { *dst.cast::<$to>().add(i) = $f(*a.add(i), *b.add(i)) };
            }
        };
    }
    let truth = |[re, im]: Pair| (re != 0.0) | (im != 0.0);
    let less_or_equal = |x: Pair, y: Pair| complex::less(x, y) || complex::equal(x, y);
    match op {
        // SAFETY: the caller's promise; a number is two `f32`.
        BinaryOp::Add | BinaryOp::Sub => unsafe { single::binary(op, a.cast(), b.cast(), dst.cast(), 2 * n) },
        BinaryOp::Mul => simd::dispatch_plain(Product { a, b, dst: dst.cast(), n }),
        BinaryOp::Div => each!(Pair, |x: Pair, y: Pair| (Complex::from(x) / y.into()).into()),
        BinaryOp::Pow => each!(Pair, |x: Pair, y: Pair| Complex::from(x).pow(y.into()).into()),
        BinaryOp::LogAddExp => each!(Pair, |x: Pair, y: Pair| Complex::from(x).log_add_exp(y.into()).into()),
        BinaryOp::Max => each!(Pair, complex::maximum),
        BinaryOp::Min => each!(Pair, complex::minimum),
        BinaryOp::Eq => each!(u8, |x, y| u8::from(complex::equal(x, y))),
        BinaryOp::Ne => each!(u8, |x, y| u8::from(!complex::equal(x, y))),
        BinaryOp::Lt => each!(u8, |x, y| u8::from(complex::less(x, y))),
        BinaryOp::Le => each!(u8, |x, y| u8::from(less_or_equal(x, y))),
        BinaryOp::Gt => each!(u8, |x, y| u8::from(complex::less(y, x))),
        BinaryOp::Ge => each!(u8, |x, y| u8::from(less_or_equal(y, x))),
        BinaryOp::LogicalAnd => each!(u8, |x, y| u8::from(truth(x) & truth(y))),
        BinaryOp::LogicalOr => each!(u8, |x, y| u8::from(truth(x) | truth(y))),
        BinaryOp::LogicalXor => each!(u8, |x, y| u8::from(truth(x) ^ truth(y))),
        // `super::binary` does not come here with them.
        BinaryOp::Rem
        | BinaryOp::FloorDiv
        | BinaryOp::Atan2
        | BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Xor
        | BinaryOp::Shl
        | BinaryOp::Shr => {}
    }
}

struct Product {
    a: *const Pair,
    b: *const Pair,
    dst: *mut Pair,
    n: usize,
}

impl Kernel for Product {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `binary`.
            unsafe {
                let ([a, p], [b, q]) = (*self.a.add(i), *self.b.add(i));
                *self.dst.add(i) = [a * b - p * q, a * q + p * b];
            }
        }
    }
}

/// The real parts of `n` numbers.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn real_parts(src: *const Pair, dst: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { unary(UnaryOp::Real, src, dst.cast(), n) }
}

/// `n` numbers with these real parts and imaginary parts of 0.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn from_real(src: *const f32, dst: *mut Pair, n: usize) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { *dst.add(i) = [*src.add(i), 0.0] };
    }
}

/// Whether each of `n` numbers is not 0.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn truths(src: *const Pair, dst: *mut u8, n: usize) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { *dst.add(i) = u8::from(!complex::equal(*src.add(i), [0.0; 2])) };
    }
}
