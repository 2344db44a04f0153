//! Conversions between every two element types.
//!
//! Of a complex number the real part is converted (to bool both); a real one gets an imaginary part of 0.
//!
//! Integers wrap, floats truncate into integers and saturate there (a NaN is 0), anything but 0 is true, and a float is
//! rounded once: from wide types to the 16-bit floats through `f64` and an `f32` rounded to odd, which keeps the bit that a
//! second rounding needs (S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).

use super::{Operand, Shape, Source, TILE, Tile, complex, drive};
use crate::dtype::Dtype;
use crate::simd::{self, Kernel, LANES, Simd};

/// `dst[i] = src[i]` converted, for `n` elements.
///
/// # Safety
/// Both are valid for `n` elements of their types; `dst == src` is allowed where the sizes agree.
pub unsafe fn cast(from: Dtype, src: *const u8, to: Dtype, dst: *mut u8, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { cast_operand(from, Operand::Vector(src), to, dst, n) }
}

/// [`cast`] of any operand.
///
/// # Safety
/// As for [`cast`]; only a vector may equal `dst`.
pub unsafe fn cast_operand(from: Dtype, src: Operand<'_>, to: Dtype, dst: *mut u8, n: usize) {
    let mut scalar = Tile::new();
    // SAFETY: the caller's promise.
    let source = unsafe { Source::new(src, from.size(), &mut scalar) };
    let shape = Shape { n, size: to.size(), dst, in_place: std::ptr::eq(source.ptr, dst), tiled: true, heavy: false };
    drive(shape, &|i, len, out| {
        let mut room = Tile::new();
        // SAFETY: the caller's promise; the driver gives at most a tile.
        unsafe { cast_tile(from, source.read(i, len, &mut room), to, out, len) }
    });
}

fn is_half(d: Dtype) -> bool {
    matches!(d, Dtype::F16 | Dtype::BF16)
}

/// # Safety
/// Both are valid for `n <= TILE` elements.
unsafe fn cast_tile(from: Dtype, src: *const u8, to: Dtype, dst: *mut u8, n: usize) {
    debug_assert!(n <= TILE);
    let mut tile = Tile::new();
    let tile: *mut u8 = tile.as_mut_ptr().cast();
    // SAFETY: the caller's promise; the tile has room.
    unsafe {
        match (from, to) {
            _ if from == to => std::ptr::copy(src, dst, n * from.size()),
            (Dtype::C64, Dtype::Bool) => complex::truths(src.cast(), dst, n),
            (Dtype::C64, Dtype::F32) => complex::real_parts(src.cast(), dst.cast(), n),
            (Dtype::C64, _) => {
                complex::real_parts(src.cast(), tile.cast(), n);
                cast_tile(Dtype::F32, tile, to, dst, n);
            }
            (Dtype::F32, Dtype::C64) => complex::from_real(src.cast(), dst.cast(), n),
            (_, Dtype::C64) => {
                cast_tile(from, src, Dtype::F32, tile, n);
                complex::from_real(tile.cast(), dst.cast(), n);
            }
            (Dtype::F16 | Dtype::BF16, Dtype::F32) => widen(from, src.cast(), dst.cast(), n),
            (Dtype::F32, Dtype::F16 | Dtype::BF16) => narrow(to, src.cast(), dst.cast(), n),
            (Dtype::F16 | Dtype::BF16, _) => {
                widen(from, src.cast(), tile.cast(), n);
                cast_tile(Dtype::F32, tile, to, dst, n);
            }
            (Dtype::U32 | Dtype::U64 | Dtype::I32 | Dtype::I64 | Dtype::F64, _) if is_half(to) => {
                let half = tile.add(TILE * 4);
                for (start, count) in [(0, n.min(TILE / 2)), (TILE / 2, n.saturating_sub(TILE / 2))] {
                    let (a, b) = (src.wrapping_add(start * from.size()), dst.wrapping_add(start * 2));
                    to_f64(from, a, tile.cast(), count);
                    simd::dispatch_plain(RoundToOdd { src: tile.cast(), dst: half.cast(), n: count });
                    narrow(to, half.cast(), b.cast(), count);
                }
            }
            _ if is_half(to) => {
                plain(from, src, Dtype::F32, tile, n);
                narrow(to, tile.cast(), dst.cast(), n);
            }
            _ => plain(from, src, to, dst, n),
        }
    }
}

/// Widens 16-bit floats.
///
/// # Safety
/// `dtype` is a 16-bit float; both are valid for `n` elements.
pub(crate) unsafe fn widen(dtype: Dtype, src: *const u16, dst: *mut f32, n: usize) {
    if dtype == Dtype::F16 {
        simd::dispatch(Widen::<true> { src, dst, n })
    } else {
        simd::dispatch(Widen::<false> { src, dst, n })
    }
}

/// Rounds to 16-bit floats.
///
/// # Safety
/// `dtype` is a 16-bit float; both are valid for `n` elements.
pub(crate) unsafe fn narrow(dtype: Dtype, src: *const f32, dst: *mut u16, n: usize) {
    if dtype == Dtype::F16 {
        simd::dispatch(Narrow::<true> { src, dst, n })
    } else {
        simd::dispatch(Narrow::<false> { src, dst, n })
    }
}

struct Widen<const F16: bool> {
    src: *const u16,
    dst: *mut f32,
    n: usize,
}

impl<const F16: bool> Kernel for Widen<F16> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut i = 0;
        // SAFETY: the promise of `widen`.
        unsafe {
            while i + LANES <= self.n {
                let p = self.src.add(i);
                s.store(self.dst.add(i), if F16 { s.load_f16(p) } else { s.load_bf16(p) });
                i += LANES;
            }
            let k = self.n - i;
            if k > 0 {
                let p = self.src.add(i);
                s.store_n(self.dst.add(i), if F16 { s.load_f16_n(p, k) } else { s.load_bf16_n(p, k) }, k);
            }
        }
    }
}

struct Narrow<const F16: bool> {
    src: *const f32,
    dst: *mut u16,
    n: usize,
}

impl<const F16: bool> Kernel for Narrow<F16> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut i = 0;
        // SAFETY: the promise of `narrow`.
        unsafe {
            while i + LANES <= self.n {
                let (p, x) = (self.dst.add(i), s.load(self.src.add(i)));
                if F16 {
                    s.store_f16(p, x)
                } else {
                    s.store_bf16(p, x)
                }
                i += LANES;
            }
            let k = self.n - i;
            if k > 0 {
                let (p, x) = (self.dst.add(i), s.load_n(self.src.add(i), k, 0.0));
                if F16 { s.store_f16_n(p, x, k) } else { s.store_bf16_n(p, x, k) }
            }
        }
    }
}

struct RoundToOdd {
    src: *const f64,
    dst: *mut f32,
    n: usize,
}

impl Kernel for RoundToOdd {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `cast_tile`.
            unsafe { *self.dst.add(i) = round_to_odd(*self.src.add(i)) };
        }
    }
}

/// The `f32` that equals `x`, or the neighbour towards 0 with its last bit set.
#[inline(always)]
fn round_to_odd(x: f64) -> f32 {
    let y = x as f32;
    if y as f64 == x || x.is_nan() {
        return y;
    }
    let bits = y.to_bits();
    let towards_zero = if (y as f64).abs() > x.abs() { bits - 1 } else { bits };
    f32::from_bits(towards_zero | 1)
}

/// To `f64`, exactly, or for large 64-bit integers with the low 12 bits folded into an odd one above them.
///
/// # Safety
/// `from` is a 32-bit or 64-bit number other than `f32`; both are valid for `n` elements.
unsafe fn to_f64(from: Dtype, src: *const u8, dst: *mut f64, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match from {
            Dtype::U64 => simd::dispatch_plain(FoldU64 { src: src.cast(), dst, n }),
            Dtype::I64 => simd::dispatch_plain(FoldI64 { src: src.cast(), dst, n }),
            _ => plain(from, src, Dtype::F64, dst.cast(), n),
        }
    }
}

struct FoldU64 {
    src: *const u64,
    dst: *mut f64,
    n: usize,
}

impl Kernel for FoldU64 {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `to_f64`.
            unsafe {
                let x = *self.src.add(i);
                let folded = (x & !0xfff) | (((x & 0xfff != 0) as u64) << 12);
                *self.dst.add(i) = if x >> 52 == 0 { x } else { folded } as f64;
            }
        }
    }
}

struct FoldI64 {
    src: *const i64,
    dst: *mut f64,
    n: usize,
}

impl Kernel for FoldI64 {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `to_f64`.
            unsafe {
                let x = *self.src.add(i);
                // In two's complement the odd neighbour is the one with the bit set, for either sign.
                let folded = (x & !0xfff) | (((x & 0xfff != 0) as i64) << 12);
                *self.dst.add(i) = if x.unsigned_abs() >> 52 == 0 { x } else { folded } as f64;
            }
        }
    }
}

struct Plain<A, B> {
    src: *const A,
    dst: *mut B,
    n: usize,
}

macro_rules! plain_kernels {
    ($($a:ty => $($b:ty),*;)*) => {
        $($(impl Kernel for Plain<$a, $b> {
            type Out = ();
            #[inline(always)]
            fn run<S: Simd>(self, _s: S) {
                for i in 0..self.n {
                    // SAFETY: the promise of `plain`.
                    unsafe { *self.dst.add(i) = *self.src.add(i) as $b };
                }
            }
        })*)*
    };
}

plain_kernels! {
    u8 => u8, u16, u32, u64, f32, f64;
    u16 => u8, u16, u32, u64, f32, f64;
    u32 => u8, u16, u32, u64, f32, f64;
    u64 => u8, u16, u32, u64, f32, f64;
    i8 => u8, u16, u32, u64, f32, f64;
    i16 => u8, u16, u32, u64, f32, f64;
    i32 => u8, u16, u32, u64, f32, f64;
    i64 => u8, u16, u32, u64, f32, f64;
    f32 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64;
    f64 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64;
}

struct Truth<A> {
    src: *const A,
    dst: *mut u8,
    n: usize,
}

impl<A: Copy + PartialEq + Default> Kernel for Truth<A> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `plain`.
            unsafe { *self.dst.add(i) = (*self.src.add(i) != A::default()) as u8 };
        }
    }
}

/// Conversions that are Rust's `as`, and to bool.
///
/// # Safety
/// Neither type is a 16-bit float; both are valid for `n` elements.
unsafe fn plain(from: Dtype, src: *const u8, to: Dtype, dst: *mut u8, n: usize) {
    macro_rules! to {
        ($a:ty: $($d:ident => $b:ty),*) => {
            match to {
                Dtype::Bool => simd::dispatch_plain(Truth::<$a> { src: src.cast(), dst, n }),
                $(Dtype::$d => simd::dispatch_plain(Plain::<$a, $b> { src: src.cast(), dst: dst.cast(), n }),)*
                // The caller handles the 16-bit floats and complex numbers.
                Dtype::F16 | Dtype::BF16 | Dtype::C64 => {}
            }
        };
    }
    // From an integer, the low bits do not depend on the target's sign.
    macro_rules! integer {
        ($a:ty) => {
            to!($a: U8 => u8, I8 => u8, U16 => u16, I16 => u16, U32 => u32, I32 => u32, U64 => u64, I64 => u64,
                F32 => f32, F64 => f64)
        };
    }
    macro_rules! float {
        ($a:ty) => {
            to!($a: U8 => u8, I8 => i8, U16 => u16, I16 => i16, U32 => u32, I32 => i32, U64 => u64, I64 => i64,
                F32 => f32, F64 => f64)
        };
    }
    match from {
        Dtype::Bool | Dtype::U8 => integer!(u8),
        Dtype::U16 => integer!(u16),
        Dtype::U32 => integer!(u32),
        Dtype::U64 => integer!(u64),
        Dtype::I8 => integer!(i8),
        Dtype::I16 => integer!(i16),
        Dtype::I32 => integer!(i32),
        Dtype::I64 => integer!(i64),
        Dtype::F32 => float!(f32),
        Dtype::F64 => float!(f64),
        // The caller handles the 16-bit floats and complex numbers.
        Dtype::F16 | Dtype::BF16 | Dtype::C64 => {}
    }
}
