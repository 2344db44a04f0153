//! Kernels that move bytes and compute nothing: fill and select, by element size.

use super::{Operand, Shape, Source, Tile, drive};
use crate::simd::{self, Kernel, Simd};

/// `dst[i] = value` for `n` elements of `size` bytes (1, 2, 4 or 8).
///
/// # Safety
/// `value` is readable for `size` bytes, `dst` writable for `n` elements.
pub unsafe fn fill(size: usize, value: *const u8, dst: *mut u8, n: usize) {
    let mut tile = Tile::new();
    // SAFETY: the caller's promise.
    let source = unsafe { Source::new(Operand::Scalar(value), size, &mut tile) };
    let shape = Shape { n, size, dst, in_place: false, tiled: true, heavy: false };
    drive(shape, &|i, len, out| {
        let mut room = Tile::new();
        // SAFETY: `len` is at most the tile that a scalar is; the output is the driver's.
        unsafe { std::ptr::copy_nonoverlapping(source.read(i, len, &mut room), out, len * size) }
    });
}

/// [`fill`] on the calling thread, for tiles.
///
/// # Safety
/// As for [`fill`].
pub(super) unsafe fn fill_serial(size: usize, value: *const u8, dst: *mut u8, n: usize) {
    macro_rules! fill {
        ($t:ty) => {{
            // SAFETY: the caller's promise; the value need not be aligned.
            unsafe { std::slice::from_raw_parts_mut(dst.cast::<$t>(), n).fill(value.cast::<$t>().read_unaligned()) }
        }};
    }
    match size {
        1 => fill!(u8),
        2 => fill!(u16),
        4 => fill!(u32),
        _ => fill!(u64),
    }
}

struct Select<T> {
    cond: *const u8,
    a: *const T,
    b: *const T,
    dst: *mut T,
    n: usize,
}

impl<T: Copy> Kernel for Select<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        for i in 0..self.n {
            // SAFETY: the promise of `select`. Both are read, so that the loop needs no branch.
            unsafe {
                let (x, y) = (*self.a.add(i), *self.b.add(i));
                *self.dst.add(i) = if *self.cond.add(i) != 0 { x } else { y };
            }
        }
    }
}

/// `dst[i] = cond[i] ? a[i] : b[i]` for `n` elements of `size` bytes (1, 2, 4 or 8); `cond` is bools.
///
/// # Safety
/// Vector operands and `dst` are valid for `n` elements, scalar ones for one; `dst` may equal `a`, `b`, or for `size` 1
/// `cond`.
pub unsafe fn select(size: usize, cond: Operand<'_>, a: Operand<'_>, b: Operand<'_>, dst: *mut u8, n: usize) {
    let (mut p, mut q, mut r) = (Tile::new(), Tile::new(), Tile::new());
    // SAFETY: the caller's promise.
    let (c, x, y) =
        unsafe { (Source::new(cond, 1, &mut p), Source::new(a, size, &mut q), Source::new(b, size, &mut r)) };
    let shape = Shape {
        n,
        size,
        dst,
        in_place: [c, x, y].iter().any(|s| std::ptr::eq(s.ptr, dst)),
        tiled: c.is_tiled() || x.is_tiled() || y.is_tiled(),
        heavy: false,
    };
    macro_rules! run {
        ($t:ty) => {
            drive(shape, &|i, n, out| {
                let (mut p, mut q, mut r) = (Tile::new(), Tile::new(), Tile::new());
                // SAFETY: the caller's promise.
                let cond = unsafe { c.read(i, n, &mut p) };
                // SAFETY: as above.
                let (a, b) = unsafe { (x.read(i, n, &mut q).cast::<$t>(), y.read(i, n, &mut r).cast()) };
                simd::dispatch_plain(Select { cond, a, b, dst: out.cast(), n })
            })
        };
    }
    match size {
        1 => run!(u8),
        2 => run!(u16),
        4 => run!(u32),
        _ => run!(u64),
    }
}
