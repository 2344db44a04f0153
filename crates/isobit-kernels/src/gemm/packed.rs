//! Weights interleaved once: the right operand of many products, kept as the panels that the kernels read.
//!
//! Panels of 32 columns (16 for f64), each with all of K in one sequential stream on 2 MiB pages: with one row the
//! product reads memory once, in order. f16 stays f16, bf16 stays bf16 (as pairs along K); f32 and f64 panels are the
//! micro-kernel's own words. The bits are those of the unpacked product.

use super::scheme::{KB, Lanes};
use super::scratch::Pages;
use super::{Element, Epilogue, Kept, Mat, OutMat, Problem, Shared};
use crate::{isa, par};
use std::marker::PhantomData;

/// A right operand, k by n, in kept panels.
pub struct PackedB<T: Element> {
    pages: Pages,
    n: usize,
    k: usize,
    element: PhantomData<T>,
}

impl<T: Element> std::fmt::Debug for PackedB<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedB").field("k", &self.k).field("n", &self.n).field("bytes", &self.bytes()).finish()
    }
}

impl<T: Element> PackedB<T> {
    /// Packs `b`, k by n. For `x @ w.T` with row-major weights (n by k), `b` is the transposed view.
    ///
    /// # Safety
    /// Every element of `b` that the shape and strides name is readable.
    pub unsafe fn new(k: usize, n: usize, b: Mat<T>) -> PackedB<T> {
        let panels = n.div_ceil(T::PANEL);
        let packed = PackedB { pages: Pages::map(T::kept_bytes(k) * panels), n, k, element: PhantomData::<T> };
        let level = isa::level();
        let b = Shared(b);
        let pack = |panel: usize| {
            let b = b.get();
            let col = panel * T::PANEL;
            for from in (0..k).step_by(KB) {
                let lanes = Lanes {
                    ptr: b.ptr.wrapping_offset(col as isize * b.col_stride + from as isize * b.row_stride),
                    lane: b.col_stride,
                    k: b.row_stride,
                    count: T::PANEL.min(n - col),
                    width: T::PANEL,
                    len: KB.min(k - from),
                };
                // SAFETY: the lanes are the caller's; every block has its own place in the mapping.
                unsafe { T::keep(level, Kept(lanes), packed.block(panel, from).cast_mut()) };
            }
        };
        if k * n < 1 << 16 {
            (0..panels).for_each(pack);
        } else {
            par::run(panels, pack);
        }
        packed
    }

    /// Rows of the operand.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the operand.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes that the panels take, whole pages.
    pub fn bytes(&self) -> usize {
        self.pages.bytes()
    }

    /// The block of a panel that starts at k = `from` (a multiple of the block length).
    pub(super) fn block(&self, panel: usize, from: usize) -> *const u8 {
        self.pages.ptr::<u8>().wrapping_add(panel * T::kept_bytes(self.k) + T::kept_bytes(from)).cast_const()
    }
}

/// `out = alpha * (a @ b) + beta * c` with kept panels; `a` is m by `b.k()`, `out` m by `b.n()`.
///
/// # Safety
/// As for [`super::gemm_f32`].
pub unsafe fn gemm_packed<T: Element>(m: usize, a: Mat<T>, b: &PackedB<T>, out: OutMat<T>, epilogue: Epilogue<T>) {
    let unused = Mat { ptr: std::ptr::null(), row_stride: 0, col_stride: 0 };
    let p = Problem { m, n: b.n, k: b.k, a, b: unused, out, epilogue };
    // SAFETY: as promised by the caller; the panels hold the whole operand.
    unsafe { T::product_packed(&p, b) }
}
