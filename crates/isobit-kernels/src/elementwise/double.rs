//! The `f64` loops: exact operations inline, transcendental functions by the `libm` crate (pure Rust, one result everywhere).

use super::{BinaryOp, UnaryOp, compare};
use crate::dtype::Dtype;
use crate::simd::{self, Kernel, Simd};

struct Unary {
    op: UnaryOp,
    src: *const f64,
    dst: *mut f64,
    n: usize,
}

/// `dst[i] = op(src[i])`; `dst` is bytes for the ops that give bools.
///
/// # Safety
/// Both are valid for `n` elements.
pub(super) unsafe fn unary(op: UnaryOp, src: *const f64, dst: *mut u8, n: usize) {
    if op.result(Dtype::F64) == Dtype::Bool {
        // SAFETY: the caller's promise.
        return unsafe { compare::classify(op, src, dst, n) };
    }
    simd::dispatch_plain(Unary { op, src, dst: dst.cast(), n })
}

impl Kernel for Unary {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! ops {
            ($($name:ident => $f:expr),* $(,)?) => {
                match self.op {
                    $(UnaryOp::$name => for i in 0..self.n {
                        // SAFETY: the promise of `unary`.
                        unsafe { *self.dst.add(i) = $f(*self.src.add(i)) };
                    },)*
                    // Not defined for floats, or handled as bools: not called with them.
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
            Abs => f64::abs,
            Neg => |x: f64| -x,
            Sign => |x: f64| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else if x == 0.0 { 0.0 } else { x },
            Square => |x: f64| x * x,
            Sqrt => f64::sqrt,
            Rsqrt => |x: f64| 1.0 / x.sqrt(),
            Reciprocal => |x: f64| 1.0 / x,
            Floor => f64::floor,
            Ceil => f64::ceil,
            Round => f64::round_ties_even,
            Trunc => f64::trunc,
            Exp => libm::exp,
            Expm1 => libm::expm1,
            Log => libm::log,
            Log1p => libm::log1p,
            Log2 => libm::log2,
            Log10 => libm::log10,
            Sin => libm::sin,
            Cos => libm::cos,
            Tan => libm::tan,
            Sinh => libm::sinh,
            Cosh => libm::cosh,
            Tanh => libm::tanh,
            Asin => libm::asin,
            Acos => libm::acos,
            Atan => libm::atan,
            Asinh => libm::asinh,
            // `libm` answers for some arguments below 1.
            Acosh => |x: f64| if x < 1.0 { f64::NAN } else { libm::acosh(x) },
            Atanh => libm::atanh,
            Erf => libm::erf,
            Erfinv => erfinv,
            Sigmoid => sigmoid,
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    let z = libm::exp(-x.abs());
    if x < 0.0 { z / (1.0 + z) } else { 1.0 / (1.0 + z) }
}

/// The inverse error function: a start good to a few digits, then Halley's method on `erf`, or on `erfc` near the ends.
pub(super) fn erfinv(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() || a >= 1.0 {
        return if a == 1.0 { x * f64::INFINITY } else { f64::NAN };
    }
    // S. Winitzki's closed form, 2e-3 relative.
    let t = libm::log1p(-a * a);
    let u = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * t;
    let mut y = if t == 0.0 {
        0.5 * a / std::f64::consts::FRAC_2_SQRT_PI * 2.0
    } else {
        ((u * u - t / 0.147).sqrt() - u).sqrt()
    };
    for _ in 0..3 {
        // 1 - a is exact from 1/2 on, where erfc keeps the digits that erf loses.
        let error = if a < 0.5 { libm::erf(y) - a } else { (1.0 - a) - libm::erfc(y) };
        let step = error / (libm::exp(-y * y) * std::f64::consts::FRAC_2_SQRT_PI);
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}

struct Binary {
    op: BinaryOp,
    a: *const f64,
    b: *const f64,
    dst: *mut f64,
    n: usize,
}

/// `dst[i] = op(a[i], b[i])` for the ops that floats have.
///
/// # Safety
/// All are valid for `n` elements.
pub(super) unsafe fn binary(op: BinaryOp, a: *const f64, b: *const f64, dst: *mut f64, n: usize) {
    simd::dispatch_plain(Binary { op, a, b, dst, n })
}

impl Kernel for Binary {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        macro_rules! ops {
            ($($name:ident => $f:expr),* $(,)?) => {
                match self.op {
                    $(BinaryOp::$name => for i in 0..self.n {
                        // SAFETY: the promise of `binary`.
                        unsafe { *self.dst.add(i) = $f(*self.a.add(i), *self.b.add(i)) };
                    },)*
                    // Not defined for floats: not called with them.
                    _ => {}
                }
            };
        }
        ops! {
            Add => |x: f64, y: f64| x + y,
            Sub => |x: f64, y: f64| x - y,
            Mul => |x: f64, y: f64| x * y,
            Div => |x: f64, y: f64| x / y,
            Max => |x: f64, y: f64| if x > y || x.is_nan() { x } else { y },
            Min => |x: f64, y: f64| if x < y || x.is_nan() { x } else { y },
            Rem => remainder,
            FloorDiv => floor_divide,
            Pow => libm::pow,
            LogAddExp => log_add_exp,
            Atan2 => libm::atan2,
        }
    }
}

fn remainder(a: f64, b: f64) -> f64 {
    let r = libm::fmod(a, b);
    if r == 0.0 {
        0f64.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

fn floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let r = libm::fmod(a, b);
    let mut q = (a - r) / b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        q -= 1.0;
    }
    if q == 0.0 {
        return 0f64.copysign(a / b);
    }
    let whole = q.floor();
    if q - whole > 0.5 { whole + 1.0 } else { whole }
}

fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let gap = if a == b { 0.0 } else { (a - b).abs() };
    a.max(b) + libm::log1p(libm::exp(-gap))
}
