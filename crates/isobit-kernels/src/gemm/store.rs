//! The end of a product: epilogue on the f32 (f64) total, canonical NaN, one rounding, strided store.

use super::{Element, Epilogue, OutMat};
use crate::isa::Level;
use half::{bf16, f16};

/// A rectangle of totals and where it goes.
pub(super) struct Rect<A> {
    /// Totals, `rows` by `cols`.
    pub totals: *const A,
    /// Row stride of the totals.
    pub stride: usize,
    /// First output row.
    pub row: usize,
    /// First output column.
    pub col: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

/// f32 to bf16, to nearest even; every NaN becomes the canonical one.
#[inline(always)]
pub(super) fn round_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16;
    bf16::from_bits(if x.is_nan() { 0x7fc0 } else { rounded })
}

/// f32 to f16, to nearest even; every NaN becomes the canonical one.
#[inline(always)]
pub(super) fn round_f16(x: f32) -> f16 {
    if x.is_nan() { f16::from_bits(0x7e00) } else { f16::from_f32(x) }
}

/// One finished value.
#[inline(always)]
unsafe fn value<T: Element>(total: T::Acc, row: usize, col: usize, e: &Epilogue<T>) -> T {
    // SAFETY: the caller promises that `c`, if there, covers every output.
    unsafe {
        let c = match e.c {
            Some(c) if !T::is_zero(e.beta) => {
                Some(*c.ptr.offset(row as isize * c.row_stride + col as isize * c.col_stride))
            }
            _ => None,
        };
        T::finish(total, e.alpha, e.beta, c)
    }
}

#[inline(always)]
unsafe fn store_body<T: Element>(r: &Rect<T::Acc>, out: OutMat<T>, e: &Epilogue<T>) {
    // SAFETY: the caller promises totals and outputs for the whole rectangle.
    unsafe {
        let plain = e.is_plain();
        for i in 0..r.rows {
            let totals = r.totals.add(i * r.stride);
            let dst = out.ptr.offset((r.row + i) as isize * out.row_stride + r.col as isize * out.col_stride);
            if plain && out.col_stride == 1 {
                for j in 0..r.cols {
                    *dst.add(j) = T::round(*totals.add(j));
                }
            } else {
                for j in 0..r.cols {
                    *dst.offset(j as isize * out.col_stride) = value(*totals.add(j), r.row + i, r.col + j, e);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
unsafe fn store_avx512<T: Element>(r: &Rect<T::Acc>, out: OutMat<T>, e: &Epilogue<T>) {
    // SAFETY: as promised by the caller.
    unsafe { store_body(r, out, e) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn store_avx2<T: Element>(r: &Rect<T::Acc>, out: OutMat<T>, e: &Epilogue<T>) {
    // SAFETY: as promised by the caller.
    unsafe { store_body(r, out, e) }
}

/// Contiguous f16 rows by `VCVTPS2PH`, sixteen at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store_f16(r: &Rect<f32>, out: OutMat<f16>) {
    use std::arch::x86_64::*;
    // SAFETY: masked loads and stores stay inside the rectangle.
    unsafe {
        for i in 0..r.rows {
            let totals = r.totals.add(i * r.stride);
            let dst = out.ptr.offset((r.row + i) as isize * out.row_stride + r.col as isize);
            let mut j = 0;
            while j < r.cols {
                let left = (r.cols - j).min(16);
                let mask: __mmask16 = if left == 16 { !0 } else { (1 << left) - 1 };
                let x = _mm512_maskz_loadu_ps(mask, totals.add(j));
                let x = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), x, _mm512_set1_ps(f32::NAN));
                let h = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
                _mm256_mask_storeu_epi16(dst.add(j).cast(), mask, h);
                j += 16;
            }
        }
    }
}

/// Finishes and stores a rectangle.
///
/// # Safety
/// The totals are readable, the outputs writable, and `c` (if there) readable for the whole rectangle.
pub(super) unsafe fn store<T: Element>(level: Level, r: &Rect<T::Acc>, out: OutMat<T>, e: &Epilogue<T>) {
    // SAFETY: as promised by the caller; the levels name features that the machine has.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                if T::IS_F16 && e.is_plain() && out.col_stride == 1 {
                    let r = Rect::<f32> {
                        totals: r.totals.cast(),
                        stride: r.stride,
                        row: r.row,
                        col: r.col,
                        rows: r.rows,
                        cols: r.cols,
                    };
                    let out = OutMat { ptr: out.ptr.cast(), row_stride: out.row_stride, col_stride: 1 };
                    store_f16(&r, out);
                } else {
                    store_avx512(r, out, e);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => store_avx2(r, out, e),
            _ => store_body(r, out, e),
        }
    }
}
