//! Quantized matrices as plain ones, in single or double precision.
//!
//! `fma(code, scale, bias)`, or `code * scale` without biases; codes from a table of all 256. Cost: about two
//! nanoseconds per element; nothing that is run for every token comes here.

use super::{Codes, Format};
use crate::par;
use crate::simd::{self, Kernel, Simd};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// What elements become.
pub trait DenseElement: Copy + sealed::Sealed {
    #[doc(hidden)]
    fn of(code: f32, scale: f64, bias: Option<f64>) -> Self;
}

impl DenseElement for f32 {
    #[inline(always)]
    fn of(code: f32, scale: f64, bias: Option<f64>) -> f32 {
        // Scales and biases of at most single precision come back exactly.
        match bias {
            Some(b) => code.mul_add(scale as f32, b as f32),
            None => code * scale as f32,
        }
    }
}

impl DenseElement for f64 {
    #[inline(always)]
    fn of(code: f32, scale: f64, bias: Option<f64>) -> f64 {
        match bias {
            Some(b) => f64::from(code).mul_add(scale, b),
            None => f64::from(code) * scale,
        }
    }
}

/// Rows of a quantized matrix and where to put them.
#[derive(Clone, Copy, Debug)]
pub struct Dense<T> {
    /// Format of the matrix.
    pub format: Format,
    /// Rows.
    pub rows: usize,
    /// The first word of the wanted columns, which begin at a group.
    pub codes: *const u32,
    /// Words from row to row.
    pub code_stride: isize,
    /// The first wanted scale.
    pub scales: *const u8,
    /// The first wanted bias; null if there are none.
    pub biases: *const u8,
    /// Scales (and biases) from row to row.
    pub scale_stride: isize,
    /// Wanted columns: a multiple of the group.
    pub columns: usize,
    /// The output, `rows` by `columns`, dense.
    pub out: *mut T,
}

// SAFETY: operands are read, and tasks write disjoint rows of the output.
unsafe impl<T> Sync for Dense<T> {}

/// Dequantizes.
///
/// # Safety
/// Everything that the fields describe is readable, the output writable and apart from the operands.
pub unsafe fn dense<T: DenseElement>(d: &Dense<T>) {
    par::for_chunks(d.rows, (1 << 14) / d.columns.max(1) + 1, |first, end| {
        simd::dispatch_plain(Rows { d, rows: first..end });
    });
}

struct Rows<'a, T> {
    d: &'a Dense<T>,
    rows: std::ops::Range<usize>,
}

impl<T: DenseElement> Kernel for Rows<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let d = self.d;
        let f = d.format;
        let mask = (1u64 << f.bits) - 1;
        let value: [f32; 256] = std::array::from_fn(|q| match f.codes {
            Codes::Unsigned => q as f32,
            Codes::E4m3 => super::e4m3(q as u8),
            Codes::E2m1 => super::e2m1(q as u8),
        });
        for row in self.rows {
            let words = d.codes.wrapping_offset(row as isize * d.code_stride);
            let (mut held, mut count, mut at) = (0u64, 0, 0);
            for g in 0..d.columns / f.group {
                let offset = (row as isize * d.scale_stride + g as isize) * f.scales.size() as isize;
                // SAFETY: row `row` has a scale (and a bias) for group `g`.
                let (scale, bias) = unsafe {
                    let bias = (!d.biases.is_null()).then(|| f.scales.read_f64(d.biases.wrapping_offset(offset)));
                    (f.scales.read_f64(d.scales.wrapping_offset(offset)), bias)
                };
                for j in 0..f.group {
                    if count < f.bits {
                        // SAFETY: the row has words for all its codes.
                        held |= u64::from(unsafe { *words.add(at) }) << count;
                        at += 1;
                        count += 32;
                    }
                    let w = T::of(value[(held & mask) as usize & 255], scale, bias);
                    held >>= f.bits;
                    count -= f.bits;
                    // SAFETY: the output has `rows * columns` elements.
                    unsafe { *d.out.add(row * d.columns + g * f.group + j) = w };
                }
            }
        }
    }
}
