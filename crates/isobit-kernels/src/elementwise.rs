//! Contiguous elementwise kernels: unary, binary, comparison, selection, conversion, fill.
//!
//! ```text
//! driver:   cut n into chunks (threads) and chunks into tiles that fit the first-level cache
//! tile:     a scalar operand is a tile of equal elements, made once
//!           f16 and bf16 are widened into an f32 tile, computed in f32, rounded once on the way out
//!           outputs of 8 MiB and more that alias nothing go tile -> memory by non-temporal stores
//! ```
//!
//! 1. One loop per op and compute type (`f32`, `f64`, each integer): the tiles carry every other combination.
//! 2. An element's bits never depend on its position: the last partial vector runs the same instructions.
//! 3. A complex64 is two `f32` (`complex.rs`).
//! 4. Semantics are NumPy's: `remainder` and `floor_divide` take the divisor's sign, integer division by zero gives 0,
//!    integer arithmetic wraps, `max` and `min` hand on a NaN.
//!
//! **Pointers.** Functions take raw pointers because `dst` may equal an input of the same element size (in place).
//! Any other overlap is undefined. Pointers need the alignment of their element type.

use std::fmt;

use crate::copy;
use crate::dtype::Dtype;
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};

mod cast;
mod compare;
mod complex;
mod double;
mod integer;
mod movement;
mod single;
#[cfg(feature = "self-test")]
mod tests;

pub use cast::{cast, cast_operand};
pub(crate) use cast::{narrow, widen};
pub use movement::{fill, select};

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// The magnitude (wraps at the least integer).
    Abs,
    /// `-x` (wraps).
    Neg,
    /// -1, 0 or 1; a NaN stays one.
    Sign,
    /// `x * x` (wraps).
    Square,
    /// The square root.
    Sqrt,
    /// `1 / sqrt(x)`.
    Rsqrt,
    /// `1 / x`.
    Reciprocal,
    /// `e^x`.
    Exp,
    /// `e^x - 1`.
    Expm1,
    /// The natural logarithm.
    Log,
    /// `ln(1 + x)`.
    Log1p,
    /// The logarithm to base 2.
    Log2,
    /// The logarithm to base 10.
    Log10,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The tangent.
    Tan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The hyperbolic tangent.
    Tanh,
    /// The inverse sine.
    Asin,
    /// The inverse cosine.
    Acos,
    /// The inverse tangent.
    Atan,
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine.
    Acosh,
    /// The inverse hyperbolic tangent.
    Atanh,
    /// The error function.
    Erf,
    /// The inverse error function.
    Erfinv,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The greatest integer not above.
    Floor,
    /// The least integer not below.
    Ceil,
    /// To the nearest integer, halves to even.
    Round,
    /// Towards zero.
    Trunc,
    /// Every bit flipped; of a bool, its negation.
    Not,
    /// The complex conjugate.
    Conj,
    /// The real part: an `f32`.
    Real,
    /// The imaginary part: an `f32`.
    Imag,
    /// Whether it is 0: a bool.
    LogicalNot,
    /// Whether it is a NaN: a bool.
    IsNan,
    /// Whether it is an infinity: a bool.
    IsInf,
    /// Whether it is neither an infinity nor a NaN: a bool.
    IsFinite,
}

/// A function of two elements of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `a + b`; of bools, or.
    Add,
    /// `a - b`; of bools, exclusive or.
    Sub,
    /// `a * b`; of bools, and.
    Mul,
    /// `a / b`, floats only.
    Div,
    /// The remainder with the divisor's sign; 0 for integers where `b` is 0.
    Rem,
    /// The quotient rounded down; 0 for integers where `b` is 0.
    FloorDiv,
    /// `a^b`. An integer to a negative power is 0.
    Pow,
    /// The greater; a NaN if either is one.
    Max,
    /// The lesser; a NaN if either is one.
    Min,
    /// `ln(e^a + e^b)`, floats only.
    LogAddExp,
    /// The angle of the point `(b, a)`, floats only.
    Atan2,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// `a << b`; 0 where `b` is not a valid count.
    Shl,
    /// `a >> b`; 0, or the sign, where `b` is not a valid count.
    Shr,
    /// `a == b`: a bool, as are all below.
    Eq,
    /// `a != b`.
    Ne,
    /// `a < b`.
    Lt,
    /// `a <= b`.
    Le,
    /// `a > b`.
    Gt,
    /// `a >= b`.
    Ge,
    /// Whether both are not 0.
    LogicalAnd,
    /// Whether one is not 0.
    LogicalOr,
    /// Whether exactly one is not 0.
    LogicalXor,
}

impl UnaryOp {
    /// The element type of the result.
    pub fn result(self, dtype: Dtype) -> Dtype {
        use UnaryOp::*;
        match self {
            LogicalNot | IsNan | IsInf | IsFinite => Dtype::Bool,
            Abs | Real | Imag if dtype == Dtype::C64 => Dtype::F32,
            _ => dtype,
        }
    }

    /// Whether it is one that complex numbers alone have.
    fn of_parts(self) -> bool {
        use UnaryOp::*;
        matches!(self, Conj | Real | Imag)
    }

    fn heavy(self) -> bool {
        use UnaryOp::*;
        !matches!(
            self,
            Abs | Neg
                | Sign
                | Square
                | Floor
                | Ceil
                | Round
                | Trunc
                | Not
                | Conj
                | Real
                | Imag
                | LogicalNot
                | IsNan
                | IsInf
                | IsFinite
        )
    }
}

impl BinaryOp {
    /// The element type of the result.
    pub fn result(self, dtype: Dtype) -> Dtype {
        if self.is_bool() { Dtype::Bool } else { dtype }
    }

    fn is_bool(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | LogicalAnd | LogicalOr | LogicalXor)
    }

    fn heavy(self) -> bool {
        use BinaryOp::*;
        matches!(self, Rem | FloorDiv | Pow | LogAddExp | Atan2)
    }
}

/// An op that is not defined for an element type; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Of one operand.
    Unary(UnaryOp, Dtype),
    /// Of two operands.
    Binary(BinaryOp, Dtype),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Unary(op, dtype) => write!(f, "{op:?} is not defined for {dtype:?}"),
            Unsupported::Binary(op, dtype) => write!(f, "{op:?} is not defined for {dtype:?}"),
        }
    }
}

impl std::error::Error for Unsupported {}

/// An input of a kernel: `n` contiguous elements, one that stands for all, or a strided view.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// One element per output.
    Vector(*const u8),
    /// One element for every output.
    Scalar(*const u8),
    /// The first element, the shape (of `n` elements) and the strides in elements, which may be 0 or negative. It is
    /// gathered tile by tile in row-major order, so a broadcast or sliced operand needs no copy in memory.
    View(*const u8, &'a [usize], &'a [isize]),
}

/// Elements per tile.
const TILE: usize = 1024;
/// Elements per task: a multiple of [`TILE`].
const CHUNK: usize = 16 * TILE;
/// Outputs from here on bypass the caches.
pub(crate) const STREAM_BYTES: usize = 8 << 20;

/// Room for a tile of any element type.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Tile([u64; TILE]);

impl Tile {
    #[inline(always)]
    fn new() -> std::mem::MaybeUninit<Tile> {
        std::mem::MaybeUninit::uninit()
    }
}

/// An operand as the driver's tasks see it.
#[derive(Clone, Copy)]
struct Source<'a> {
    ptr: *const u8,
    /// The element's size, or 0 when `ptr` is a tile of equal elements.
    step: usize,
    /// The element's size.
    size: usize,
    view: Option<(&'a [usize], &'a [isize])>,
}

// SAFETY: the pointer is only read, by the caller's promise valid for the whole call.
unsafe impl Sync for Source<'_> {}
// SAFETY: as above.
unsafe impl Send for Source<'_> {}

impl<'a> Source<'a> {
    /// `tile` is room for a scalar's tile and outlives the source.
    ///
    /// # Safety
    /// A scalar operand must be readable for `size` bytes.
    unsafe fn new(operand: Operand<'a>, size: usize, tile: &mut std::mem::MaybeUninit<Tile>) -> Source<'a> {
        match operand {
            Operand::Vector(ptr) => Source { ptr, step: size, size, view: None },
            Operand::Scalar(ptr) => {
                let out: *mut u8 = tile.as_mut_ptr().cast();
                // SAFETY: the caller's promise, and the tile has room for `TILE` elements.
                unsafe { movement::fill_serial(size, ptr, out, TILE) };
                Source { ptr: out, step: 0, size, view: None }
            }
            Operand::View(ptr, shape, strides) => Source { ptr, step: 0, size, view: Some((shape, strides)) },
        }
    }

    /// Where `len` elements from `start` on can be read: in place, or gathered into `room`.
    ///
    /// # Safety
    /// The operand is valid; `len` is at most a tile unless the operand is a vector.
    #[inline(always)]
    unsafe fn read(&self, start: usize, len: usize, room: &mut std::mem::MaybeUninit<Tile>) -> *const u8 {
        let Some((shape, strides)) = self.view else {
            return self.ptr.wrapping_add(start * self.step);
        };
        let out: *mut u8 = room.as_mut_ptr().cast();
        // SAFETY: the caller's promise; a tile has room for the widest elements.
        unsafe { copy::gather(self.size, shape, strides, self.ptr, start, len, out) };
        out
    }

    /// Whether it is read a tile at a time.
    fn is_tiled(&self) -> bool {
        self.step == 0
    }
}

/// A mutable address that tasks write at disjoint places.
#[derive(Clone, Copy)]
struct Target(*mut u8);

// SAFETY: tasks write disjoint ranges, by the driver's cut.
unsafe impl Sync for Target {}

/// What the driver has to know about a call.
struct Shape {
    n: usize,
    /// Bytes per output element.
    size: usize,
    dst: *mut u8,
    /// Whether `dst` is also an input.
    in_place: bool,
    /// Whether the kernel takes at most a tile at a time.
    tiled: bool,
    /// Whether an element costs enough for threads to help early.
    heavy: bool,
}

/// Calls `f(start, len, out)` over all elements; `out` is where element `start` goes.
fn drive(shape: Shape, f: &(dyn Fn(usize, usize, *mut u8) + Sync)) {
    let Shape { n, size, dst, in_place, tiled, heavy } = shape;
    if n == 0 {
        return;
    }
    let stream = !in_place && n * size >= STREAM_BYTES && (dst as usize).is_multiple_of(size);
    // Elements before the first cache line boundary, when that matters.
    let head = if stream { ((64 - dst as usize % 64) % 64 / size).min(n) } else { 0 };
    let dst = Target(dst);
    let step = if tiled || stream { TILE } else { CHUNK };
    if head > 0 {
        f(0, head, dst.0);
    }
    let body = |a: usize, b: usize| {
        let dst = &dst;
        let mut start = head + a;
        while start < head + b {
            let len = step.min(head + b - start);
            let out = dst.0.wrapping_add(start * size);
            if stream {
                let mut tile = Tile::new();
                let tile: *mut u8 = tile.as_mut_ptr().cast();
                f(start, len, tile);
                simd::dispatch(StreamOut { src: tile, dst: out, bytes: len * size });
            } else {
                f(start, len, out);
            }
            start += len;
        }
    };
    let rest = n - head;
    if rest < if heavy { CHUNK } else { 8 * CHUNK } {
        body(0, rest);
    } else {
        par::for_chunks(rest, CHUNK, body);
    }
}

/// Copies a finished tile past the caches; `dst` is 64-byte aligned.
pub(crate) struct StreamOut {
    /// The tile.
    pub src: *const u8,
    /// Where it goes.
    pub dst: *mut u8,
    /// How much of it there is.
    pub bytes: usize,
}

impl Kernel for StreamOut {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let whole = self.bytes / 64 * 64;
        // SAFETY: both ranges have `bytes` bytes, `dst` is aligned; vector loads and stores keep every bit.
        unsafe {
            let mut i = 0;
            while i < whole {
                s.stream(self.dst.add(i).cast(), s.load(self.src.add(i).cast()));
                i += 64;
            }
            std::ptr::copy_nonoverlapping(self.src.add(whole), self.dst.add(whole), self.bytes - whole);
        }
        s.stream_fence();
    }
}

/// Copies a finished tile past the caches, as far as `dst` is aligned for that.
///
/// # Safety
/// `src` and `dst` are valid for `bytes` bytes and do not overlap.
pub unsafe fn store_past_caches(src: *const u8, dst: *mut u8, bytes: usize) {
    if (dst as usize).is_multiple_of(64) {
        simd::dispatch(StreamOut { src, dst, bytes });
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(src, dst, bytes) }
    }
}

/// `dst[i] = op(src[i])` for `n` elements of `dtype`; the output's type is [`UnaryOp::result`].
///
/// # Errors
/// When the op is not defined for the element type; then nothing was written.
///
/// # Safety
/// `src` and `dst` are valid for `n` elements; `dst == src` is allowed where the sizes agree.
pub unsafe fn unary(op: UnaryOp, dtype: Dtype, src: *const u8, dst: *mut u8, n: usize) -> Result<(), Unsupported> {
    // SAFETY: the caller's promise.
    unsafe { unary_operand(op, dtype, Operand::Vector(src), dst, n) }
}

/// [`unary`] of any operand.
///
/// # Errors
/// As for [`unary`].
///
/// # Safety
/// As for [`unary`]; only a vector may equal `dst`.
pub unsafe fn unary_operand(
    op: UnaryOp,
    dtype: Dtype,
    src: Operand<'_>,
    dst: *mut u8,
    n: usize,
) -> Result<(), Unsupported> {
    let mut scalar = Tile::new();
    // SAFETY: the caller's promise.
    let source = unsafe { Source::new(src, dtype.size(), &mut scalar) };
    let shape = Shape {
        n,
        size: op.result(dtype).size(),
        dst,
        in_place: std::ptr::eq(source.ptr, dst),
        tiled: matches!(dtype, Dtype::F16 | Dtype::BF16) || source.is_tiled(),
        heavy: op.heavy() || dtype == Dtype::F64 || dtype == Dtype::C64 && op == UnaryOp::Sign,
    };
    macro_rules! run {
        ($f:expr) => {
            drive(shape, &|i, len, out| {
                let mut room = Tile::new();
                // SAFETY: the caller's promise.
                unsafe { $f(source.read(i, len, &mut room), out, len) }
            })
        };
    }
    macro_rules! integer {
        ($t:ty) => {{
            if !integer::defined_unary(op) {
                return Err(Unsupported::Unary(op, dtype));
            }
            run!(|src: *const u8, out, len| integer::unary::<$t>(op, src.cast(), out, len))
        }};
    }
    match dtype {
        Dtype::C64 if complex::defined_unary(op) => {
            run!(|src: *const u8, out, len| complex::unary(op, src.cast(), out, len))
        }
        Dtype::C64 => return Err(Unsupported::Unary(op, dtype)),
        _ if op.of_parts() => return Err(Unsupported::Unary(op, dtype)),
        Dtype::F32 | Dtype::F16 | Dtype::BF16 if op == UnaryOp::Not => return Err(Unsupported::Unary(op, dtype)),
        Dtype::F64 if op == UnaryOp::Not => return Err(Unsupported::Unary(op, dtype)),
        Dtype::F32 => run!(|src: *const u8, out, len| single::unary(op, src.cast(), out, len)),
        Dtype::F64 => run!(|src: *const u8, out, len| double::unary(op, src.cast(), out, len)),
        Dtype::F16 | Dtype::BF16 => drive(shape, &|i, len, out| {
            let (mut tile, mut room) = (Tile::new(), Tile::new());
            let tile: *mut f32 = tile.as_mut_ptr().cast();
            // SAFETY: the caller's promise; `len` is at most a tile.
            unsafe {
                widen(dtype, source.read(i, len, &mut room).cast(), tile, len);
                if op.result(dtype) == Dtype::Bool {
                    single::unary(op, tile, out, len);
                } else {
                    single::unary(op, tile, tile.cast(), len);
                    narrow(dtype, tile, out.cast(), len);
                }
            }
        }),
        Dtype::Bool => {
            if !integer::defined_unary(op) || op == UnaryOp::Neg {
                return Err(Unsupported::Unary(op, dtype));
            }
            // A bool is its own magnitude, sign, square and rounding; the rest is about being 0.
            let op = if op == UnaryOp::Not { UnaryOp::LogicalNot } else { op };
            run!(|src, out, len| integer::unary::<u8>(op, src, out, len))
        }
        Dtype::U8 => integer!(u8),
        Dtype::U16 => integer!(u16),
        Dtype::U32 => integer!(u32),
        Dtype::U64 => integer!(u64),
        Dtype::I8 => integer!(i8),
        Dtype::I16 => integer!(i16),
        Dtype::I32 => integer!(i32),
        Dtype::I64 => integer!(i64),
    }
    Ok(())
}

/// One pass over a tile of `f32` elements, on the calling thread: `dst[i] = op(src[i])`, for an op that is defined and
/// gives floats.
///
/// # Safety
/// Both are valid for `n` elements; `dst` may equal `src`.
pub unsafe fn unary_tile(op: UnaryOp, src: *const f32, dst: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { single::unary(op, src, dst.cast(), n) }
}

/// An operand of [`binary_tile`].
#[derive(Clone, Copy, Debug)]
pub enum TileOperand {
    /// One element per output.
    Each(*const f32),
    /// At least 16 equal elements, which are read again and again.
    Repeated(*const f32),
}

/// `dst[i] = op(a[i], b[i])` for a tile of `f32` elements, on the calling thread, for an op that is defined and gives
/// floats.
///
/// # Safety
/// Operands with one element per output and `dst` are valid for `n` elements; `dst` may equal such an operand.
pub unsafe fn binary_tile(op: BinaryOp, a: TileOperand, b: TileOperand, dst: *mut f32, n: usize) {
    let lanes = |o: TileOperand| match o {
        TileOperand::Each(ptr) => Lanes::each(ptr),
        TileOperand::Repeated(ptr) => Lanes { ptr, mask: 0 },
    };
    // SAFETY: the caller's promise.
    unsafe { single::binary_lanes(op, lanes(a), lanes(b), dst, n) }
}

/// [`unary`] for `f32` elements.
///
/// # Errors
/// When the op is not defined for floats or does not give floats; then nothing was written.
pub fn unary_f32(op: UnaryOp, src: &[f32], dst: &mut [f32]) -> Result<(), Unsupported> {
    if op.result(Dtype::F32) != Dtype::F32 || src.len() != dst.len() {
        return Err(Unsupported::Unary(op, Dtype::F32));
    }
    // SAFETY: two slices of one length.
    unsafe { unary(op, Dtype::F32, src.as_ptr().cast(), dst.as_mut_ptr().cast(), src.len()) }
}

/// `dst[i] = op(a[i], b[i])` for `n` elements of `dtype`; the output's type is [`BinaryOp::result`].
///
/// # Errors
/// When the op is not defined for the element type; then nothing was written.
///
/// # Safety
/// Vector operands, views and `dst` are valid for `n` elements, scalar ones for one; `dst` may equal a vector operand
/// where the sizes agree.
pub unsafe fn binary(
    op: BinaryOp,
    dtype: Dtype,
    a: Operand<'_>,
    b: Operand<'_>,
    dst: *mut u8,
    n: usize,
) -> Result<(), Unsupported> {
    let (mut a_tile, mut b_tile) = (Tile::new(), Tile::new());
    // SAFETY: the caller's promise.
    let (x, y) = unsafe { (Source::new(a, dtype.size(), &mut a_tile), Source::new(b, dtype.size(), &mut b_tile)) };
    let small_float = matches!(dtype, Dtype::F16 | Dtype::BF16);
    let shape = Shape {
        n,
        size: op.result(dtype).size(),
        dst,
        in_place: std::ptr::eq(x.ptr, dst) || std::ptr::eq(y.ptr, dst),
        tiled: small_float || x.is_tiled() || y.is_tiled(),
        heavy: op.heavy() || dtype == Dtype::C64 && op == BinaryOp::Div,
    };
    macro_rules! with {
        ($defined:expr, $run:expr) => {{
            if !$defined {
                return Err(Unsupported::Binary(op, dtype));
            }
            drive(shape, &|i, len, out| {
                let (mut p, mut q) = (Tile::new(), Tile::new());
                // SAFETY: the caller's promise.
                unsafe {
                    let (a, b) = (x.read(i, len, &mut p), y.read(i, len, &mut q));
                    $run(op, a.cast(), b.cast(), out.cast(), len)
                }
            })
        }};
    }
    macro_rules! integer {
        ($t:ty) => {{
            if op.is_bool() {
                with!(true, compare::compare::<$t>)
            } else {
                with!(integer::defined_binary(op), integer::binary::<$t>)
            }
        }};
    }
    match dtype {
        Dtype::C64 => with!(complex::defined_binary(op), complex::binary),
        Dtype::F32 if op.is_bool() => with!(true, compare::compare::<f32>),
        Dtype::F32 => with!(single::defined_binary(op), single::binary),
        Dtype::F64 if op.is_bool() => with!(true, compare::compare::<f64>),
        Dtype::F64 => with!(single::defined_binary(op), double::binary),
        Dtype::F16 | Dtype::BF16 => {
            if !op.is_bool() && !single::defined_binary(op) {
                return Err(Unsupported::Binary(op, dtype));
            }
            drive(shape, &|i, len, out| {
                let (mut p, mut q, mut room) = (Tile::new(), Tile::new(), Tile::new());
                let (p, q): (*mut f32, *mut f32) = (p.as_mut_ptr().cast(), q.as_mut_ptr().cast());
                // SAFETY: the caller's promise; `len` is at most a tile.
                unsafe {
                    widen(dtype, x.read(i, len, &mut room).cast(), p, len);
                    widen(dtype, y.read(i, len, &mut room).cast(), q, len);
                    if op.is_bool() {
                        compare::compare(op, p, q, out, len);
                    } else {
                        single::binary(op, p, q, p, len);
                        narrow(dtype, p, out.cast(), len);
                    }
                }
            })
        }
        Dtype::Bool if op.is_bool() => with!(true, compare::compare::<u8>),
        Dtype::Bool => with!(integer::defined_bool(op), integer::binary_bool),
        Dtype::U8 => integer!(u8),
        Dtype::U16 => integer!(u16),
        Dtype::U32 => integer!(u32),
        Dtype::U64 => integer!(u64),
        Dtype::I8 => integer!(i8),
        Dtype::I16 => integer!(i16),
        Dtype::I32 => integer!(i32),
        Dtype::I64 => integer!(i64),
    }
    Ok(())
}

/// Applies `f` to every vector of `n` elements; `dst` may equal `src`.
///
/// # Safety
/// Both are valid for `n` elements.
#[inline(always)]
unsafe fn map1<S: Simd>(s: S, src: *const f32, dst: *mut f32, n: usize, f: impl Fn(S::F) -> S::F) {
    let mut i = 0;
    while i < n {
        let k = n - i;
        // SAFETY: `k` elements remain.
        unsafe {
            let x = if k >= LANES { s.load(src.add(i)) } else { s.load_n(src.add(i), k, 1.0) };
            let y = f(x);
            if k >= LANES {
                s.store(dst.add(i), y);
            } else {
                s.store_n(dst.add(i), y, k);
            }
        }
        i += LANES;
    }
}

/// Operand of [`map2`]: one element per output, or a vector of equal elements that stands for all.
#[derive(Clone, Copy)]
struct Lanes {
    ptr: *const f32,
    /// All ones, or 0 for what is read again and again.
    mask: usize,
}

impl Lanes {
    #[inline(always)]
    fn each(ptr: *const f32) -> Lanes {
        Lanes { ptr, mask: usize::MAX }
    }

    #[inline(always)]
    fn at(self, i: usize) -> *const f32 {
        self.ptr.wrapping_add(i & self.mask)
    }
}

/// Applies `f` to every pair of vectors of `n` elements; `dst` may equal an input.
///
/// # Safety
/// All are valid for `n` elements, repeated operands for a vector.
#[inline(always)]
unsafe fn map2<S: Simd>(s: S, a: Lanes, b: Lanes, dst: *mut f32, n: usize, f: impl Fn(S::F, S::F) -> S::F) {
    let mut i = 0;
    while i < n {
        let k = n - i;
        // SAFETY: `k` elements remain.
        unsafe {
            let (x, y) = if k >= LANES {
                (s.load(a.at(i)), s.load(b.at(i)))
            } else {
                (s.load_n(a.at(i), k, 1.0), s.load_n(b.at(i), k, 1.0))
            };
            let z = f(x, y);
            if k >= LANES {
                s.store(dst.add(i), z);
            } else {
                s.store_n(dst.add(i), z, k);
            }
        }
        i += LANES;
    }
}
