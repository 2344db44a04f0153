//! The innermost loops of strided copies: rows, and transposition blocks.

use crate::simd::{self, Kernel, LANES, Simd};
use crate::transpose16::transpose16;

/// Rows of a strided copy: `rows` of `n` elements; strides in elements.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub src: *const u8,
    pub dst: *mut u8,
    pub rows: usize,
    pub src_row: isize,
    pub dst_row: isize,
    pub n: usize,
    pub src_step: isize,
    pub dst_step: isize,
}

/// # Safety
/// Every element is valid and aligned; input and output do not overlap.
pub(super) unsafe fn copy_plane(size: usize, p: Plane) {
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => plane::<u8>(p),
            2 => plane::<u16>(p),
            4 => plane::<u32>(p),
            _ => plane::<u64>(p),
        }
    }
}

/// # Safety
/// As for [`copy_plane`].
unsafe fn plane<T: Copy>(p: Plane) {
    let (src, dst) = (p.src.cast::<T>(), p.dst.cast::<T>());
    for r in 0..p.rows as isize {
        // SAFETY: the caller's promise.
        unsafe {
            let (a, b) = (src.offset(r * p.src_row), dst.offset(r * p.dst_row));
            if p.src_step == 1 && p.dst_step == 1 {
                std::ptr::copy_nonoverlapping(a, b, p.n);
            } else if p.src_step == 0 && p.dst_step == 1 {
                std::slice::from_raw_parts_mut(b, p.n).fill(*a);
            } else {
                for i in 0..p.n as isize {
                    *b.offset(i * p.dst_step) = *a.offset(i * p.src_step);
                }
            }
        }
    }
}

/// `dst[r][c] = src[c][r]`: the input is contiguous along `r`, the output along `c`.
#[derive(Clone, Copy)]
pub(super) struct Transpose {
    pub src: *const u8,
    pub dst: *mut u8,
    /// Length of `r`.
    pub rows: usize,
    /// Length of `c`.
    pub columns: usize,
    /// Elements between input rows (along `c`).
    pub src_stride: isize,
    /// Elements between output rows (along `r`).
    pub dst_stride: isize,
    /// Whether the output is large enough to bypass the caches.
    pub stream: bool,
}

/// # Safety
/// Every element is valid and aligned; input and output do not overlap.
pub(super) unsafe fn transpose(size: usize, t: Transpose) {
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => plain::<u8>(t, 0, 0),
            2 => simd::dispatch(Pairs(t)),
            4 => simd::dispatch(Words(t)),
            _ => plain::<u64>(t, 0, 0),
        }
    }
}

/// What is outside the first `rows_done` rows and `columns_done` columns, by small blocks of single elements.
///
/// # Safety
/// As for [`transpose`].
unsafe fn plain<T: Copy>(t: Transpose, rows_done: usize, columns_done: usize) {
    const SIDE: usize = 16;
    let (src, dst) = (t.src.cast::<T>(), t.dst.cast::<T>());
    for r0 in (0..t.rows).step_by(SIDE) {
        let r1 = (r0 + SIDE).min(t.rows);
        let first = if r1 <= rows_done { columns_done } else { 0 };
        for c0 in (first..t.columns).step_by(SIDE) {
            let c1 = (c0 + SIDE).min(t.columns);
            for r in r0..r1 {
                for c in c0..c1 {
                    // SAFETY: the caller's promise.
                    unsafe {
                        *dst.offset(r as isize * t.dst_stride + c as isize) =
                            *src.offset(c as isize * t.src_stride + r as isize);
                    }
                }
            }
        }
    }
}

/// Writes 64 bytes, past the caches if `stream`.
///
/// # Safety
/// `p` is valid for 64 bytes, and 64-byte aligned if `stream`.
#[inline(always)]
unsafe fn put<S: Simd>(s: S, p: *mut f32, v: S::F, stream: bool) {
    // SAFETY: the caller's promise.
    unsafe { if stream { s.stream(p, v) } else { s.store(p, v) } }
}

/// Whether all output rows begin on a cache line.
fn lines(t: &Transpose, size: usize) -> bool {
    t.stream && (t.dst as usize).is_multiple_of(64) && (t.dst_stride.unsigned_abs() * size).is_multiple_of(64)
}

struct Words(Transpose);

impl Kernel for Words {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let t = self.0;
        let stream = lines(&t, 4);
        let (rows, columns) = (t.rows / LANES * LANES, t.columns / LANES * LANES);
        let (src, dst) = (t.src.cast::<f32>(), t.dst.cast::<f32>());
        let mut r = 0;
        while r < rows {
            let mut c = 0;
            while c < columns {
                // SAFETY: a whole block; vector moves keep every bit.
                unsafe {
                    let from = src.offset(c as isize * t.src_stride + r as isize);
                    let to = dst.offset(r as isize * t.dst_stride + c as isize);
                    let mut x = [s.splat(0.0); LANES];
                    let mut i = 0;
                    while i < LANES {
                        x[i] = s.load(from.offset(i as isize * t.src_stride));
                        i += 1;
                    }
                    let y = transpose16(s, x);
                    let mut i = 0;
                    while i < LANES {
                        put(s, to.offset(i as isize * t.dst_stride), y[i], stream);
                        i += 1;
                    }
                }
                c += LANES;
            }
            r += LANES;
        }
        if stream {
            s.stream_fence();
        }
        if rows < t.rows || columns < t.columns {
            // SAFETY: the promise of `transpose`.
            unsafe { plain::<u32>(t, rows, columns) };
        }
    }
}

struct Pairs(Transpose);

impl Kernel for Pairs {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const SIDE: usize = 2 * LANES;
        let t = self.0;
        let stream = lines(&t, 2);
        let (rows, columns) = (t.rows / SIDE * SIDE, t.columns / SIDE * SIDE);
        let (src, dst) = (t.src.cast::<u16>(), t.dst.cast::<u16>());
        let mut r = 0;
        while r < rows {
            let mut c = 0;
            while c < columns {
                // SAFETY: a whole block; vector moves and integer operations keep every bit.
                unsafe {
                    let from = src.offset(c as isize * t.src_stride + r as isize);
                    let to = dst.offset(r as isize * t.dst_stride + c as isize);
                    // Pairs of neighbouring r as 32-bit words, 16 values of c at a time.
                    let mut halves = [[s.splat(0.0); LANES]; 2];
                    let mut h = 0;
                    while h < 2 {
                        let mut x = [s.splat(0.0); LANES];
                        let mut i = 0;
                        while i < LANES {
                            x[i] = s.load(from.offset((h * LANES + i) as isize * t.src_stride).cast());
                            i += 1;
                        }
                        halves[h] = transpose16(s, x);
                        h += 1;
                    }
                    let mut i = 0;
                    while i < LANES {
                        // Even and odd c in turn; then the low halves are row 2i, the high ones row 2i + 1.
                        let (even, odd) = s.deinterleave(halves[0][i], halves[1][i]);
                        let (even, odd) = (s.to_bits(even), s.to_bits(odd));
                        let low = s.or(s.and(even, s.splat_i(0xffff)), s.shl(odd, 16));
                        let high = s.or(s.shr(even, 16), s.and(odd, s.splat_i(-0x1_0000)));
                        put(s, to.offset(2 * i as isize * t.dst_stride).cast(), s.from_bits(low), stream);
                        put(s, to.offset((2 * i as isize + 1) * t.dst_stride).cast(), s.from_bits(high), stream);
                        i += 1;
                    }
                }
                c += SIDE;
            }
            r += SIDE;
        }
        if stream {
            s.stream_fence();
        }
        if rows < t.rows || columns < t.columns {
            // SAFETY: the promise of `transpose`.
            unsafe { plain::<u16>(t, rows, columns) };
        }
    }
}
