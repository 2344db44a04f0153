//! Elements in memory that is not ours, described the way DLPack and buffer protocols do: copied in, or used where they
//! are if they may not change.

use crate::alloc::Buffer;
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::layout::Strides;
use crate::tensor::Tensor;
use std::any::Any;
use std::sync::Arc;

/// What kind of element foreign memory holds (DLPack's type codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// IEEE floats.
    Float,
    /// The upper halves of float32.
    BFloat,
    /// Pairs of floats.
    Complex,
    /// Truth values of one byte.
    Bool,
}

/// Strided memory of some other library.
#[derive(Clone, Debug)]
pub struct Foreign<'a> {
    /// The element at index 0.
    pub data: *const u8,
    /// What an element is.
    pub kind: Kind,
    /// Bytes per element.
    pub itemsize: usize,
    /// Sizes of the axes.
    pub shape: &'a [usize],
    /// Bytes between neighbours along each axis.
    pub strides: &'a [isize],
}

impl Kind {
    /// The kind that a format of the struct module names (`"f"`, `"<i"`), if there is one.
    pub fn of_format(format: &str) -> Option<Kind> {
        let letters = format.trim_start_matches(['@', '=', '<', '|']);
        Some(match letters {
            "?" => Kind::Bool,
            "b" | "h" | "i" | "l" | "q" | "n" => Kind::Int,
            "B" | "H" | "I" | "L" | "Q" | "N" | "c" => Kind::UInt,
            "e" | "f" | "d" => Kind::Float,
            "E" | "bfloat16" => Kind::BFloat,
            "Zf" | "Zd" => Kind::Complex,
            _ => return None,
        })
    }

    /// The kind of a DLPack type code.
    pub fn of_dlpack(code: u8) -> Option<Kind> {
        [
            Some(Kind::Int),
            Some(Kind::UInt),
            Some(Kind::Float),
            None,
            Some(Kind::BFloat),
            Some(Kind::Complex),
            Some(Kind::Bool),
        ]
        .get(usize::from(code))
        .copied()
        .flatten()
    }
}

impl Dtype {
    /// DLPack's type code and width in bits.
    pub fn dlpack(self) -> (u8, u8) {
        let code = match self {
            Dtype::Bool => 6,
            Dtype::BF16 => 4,
            Dtype::C64 => 5,
            d if d.is_float() => 2,
            d if d.is_unsigned() => 1,
            _ => 0,
        };
        (code, 8 * self.size() as u8)
    }

    /// Whether the struct module has a format for an element. Of bfloat16 it has none.
    pub fn has_struct_format(self) -> bool {
        self != Dtype::BF16
    }

    /// The struct-module format of an element; bfloat16's own name, as in MLX.
    pub fn format(self) -> &'static std::ffi::CStr {
        match self {
            Dtype::Bool => c"?",
            Dtype::U8 => c"B",
            Dtype::U16 => c"H",
            Dtype::U32 => c"I",
            Dtype::U64 => c"Q",
            Dtype::I8 => c"b",
            Dtype::I16 => c"h",
            Dtype::I32 => c"i",
            Dtype::I64 => c"q",
            Dtype::F16 => c"e",
            Dtype::F32 => c"f",
            Dtype::F64 => c"d",
            Dtype::C64 => c"Zf",
            Dtype::BF16 => c"bfloat16",
        }
    }
}

impl Foreign<'_> {
    /// The dtype of such elements (complex64 for complex128 too).
    fn stored(&self) -> Option<Dtype> {
        let all = Dtype::ALL.into_iter();
        match self.kind {
            Kind::Complex => Some(Dtype::C64).filter(|_| matches!(self.itemsize, 8 | 16)),
            Kind::Bool => Some(Dtype::Bool).filter(|_| self.itemsize == 1),
            Kind::BFloat => Some(Dtype::BF16).filter(|_| self.itemsize == 2),
            kind => all
                .filter(|d| match kind {
                    Kind::Int => d.is_signed(),
                    Kind::UInt => d.is_unsigned(),
                    _ => d.is_float() && *d != Dtype::BF16,
                })
                .find(|d| d.size() == self.itemsize),
        }
    }

    /// The dtype of an array of these elements if none is asked for: float64 becomes float32, as in MLX.
    fn natural(stored: Dtype) -> Dtype {
        if stored == Dtype::F64 { Dtype::F32 } else { stored }
    }

    /// Dtype, strides in elements and number of elements from the first to the last one, if the elements are an array of
    /// `dtype` as they lie there.
    fn layout(&self, dtype: Option<Dtype>) -> Option<(Dtype, Strides, usize)> {
        let stored = self.stored()?;
        let size = stored.size();
        // Bytes of bools might be others than 0 and 1.
        let same = dtype.unwrap_or(Self::natural(stored)) == stored && stored != Dtype::Bool && self.itemsize == size;
        if !same || self.shape.contains(&0) || !self.data.addr().is_multiple_of(size) {
            return None;
        }
        let mut strides = Strides::new();
        let mut span = 1;
        for (&n, &s) in self.shape.iter().zip(self.strides) {
            // The stride of an axis of one element means nothing and may be anything.
            let step = if n == 1 { 0 } else { usize::try_from(s).ok().filter(|s| s.is_multiple_of(size))? / size };
            span += (n - 1) * step;
            strides.push(if n == 1 { (s / size as isize).max(0) } else { step as isize });
        }
        Some((stored, strides, span))
    }

    /// Whether [`Foreign::adopt`] can use the elements where they are.
    pub fn is_adoptable(&self, dtype: Option<Dtype>) -> bool {
        self.layout(dtype).is_some()
    }

    /// The elements where they are, as an array, without a copy.
    ///
    /// # Safety
    /// Every element from the first to the last one must be readable and must not change as long as `keep` lives.
    ///
    /// # Errors
    /// Elements that are not of `dtype`, not aligned, or run backwards: see [`Foreign::is_adoptable`].
    pub unsafe fn adopt(&self, dtype: Option<Dtype>, keep: Box<dyn Any + Send + Sync>) -> Result<Array> {
        let Some((stored, strides, span)) = self.layout(dtype) else {
            return Err(Error::value("array", "the elements cannot be used where they are: a copy is needed"));
        };
        // SAFETY: the caller answers for the memory.
        let buffer = unsafe { Buffer::foreign(self.data, span * stored.size(), keep) };
        let t = Tensor::from_buffer(Arc::new(buffer), &[span], stored);
        Ok(Array::from_tensor(t.with_layout(self.shape.into(), strides, 0)))
    }

    /// As [`Foreign::to_array`]; strides are kept unless most of what lies between the elements would be copied for nothing.
    ///
    /// # Safety
    /// Every element from the first to the last one must be readable.
    ///
    /// # Errors
    /// As [`Foreign::to_array`].
    pub unsafe fn to_array_as_laid_out(&self, dtype: Option<Dtype>) -> Result<Array> {
        let n: usize = self.shape.iter().product();
        match self.layout(dtype).filter(|(_, _, span)| *span <= 2 * n) {
            Some((stored, strides, span)) => {
                let t = Tensor::alloc(&[span], stored)?;
                // SAFETY: the caller answers for the memory; the tensor has room for the span.
                unsafe { std::ptr::copy_nonoverlapping(self.data, t.as_mut_byte_ptr(), span * stored.size()) };
                Ok(Array::from_tensor(t.with_layout(self.shape.into(), strides, 0)))
            }
            // SAFETY: as above.
            None => unsafe { self.to_array(dtype) },
        }
    }

    /// A copy as an array: of `dtype`, else of the elements' own, except that float64 becomes float32 (and complex128
    /// complex64), as in MLX.
    ///
    /// # Safety
    /// Every element that shape and strides describe must be readable.
    ///
    /// # Errors
    /// Elements that no dtype describes; a failed allocation.
    pub unsafe fn to_array(&self, dtype: Option<Dtype>) -> Result<Array> {
        let Some(stored) = self.stored() else {
            return Err(Error::value(
                "array",
                format!("no dtype for elements of kind {:?} and {} bytes", self.kind, self.itemsize),
            ));
        };
        let wide = stored == Dtype::C64 && self.itemsize == 16;
        let t = Tensor::alloc(self.shape, stored)?;
        let to = t.as_mut_byte_ptr();
        let n = t.size();
        if n > 0 {
            // SAFETY: the caller answers for the memory; `to` has room for `n` elements of `stored`.
            unsafe { self.copy(to, wide) };
        }
        if stored == Dtype::Bool {
            // SAFETY: the copied bytes are ours.
            let bytes = unsafe { std::slice::from_raw_parts_mut(to, n) };
            bytes.iter_mut().for_each(|b| *b = u8::from(*b != 0));
        }
        let a = Array::from_tensor(t);
        crate::ops::astype(&a, dtype.unwrap_or(Self::natural(stored)))
    }

    /// Copies every element to dense memory; a `wide` complex number as two float32.
    ///
    /// # Safety
    /// As [`Foreign::to_array`]; `to` has room for all elements.
    unsafe fn copy(&self, to: *mut u8, wide: bool) {
        let size = self.itemsize;
        let n: usize = self.shape.iter().product();
        let mut expected = size as isize;
        let dense = self.shape.iter().zip(self.strides).rev().all(|(&n, &s)| {
            let fits = n == 1 || s == expected;
            expected *= n as isize;
            fits
        });
        if dense && !wide {
            // SAFETY: `n` dense elements on both sides.
            unsafe { std::ptr::copy_nonoverlapping(self.data, to, n * size) };
            return;
        }
        let mut index = vec![0usize; self.shape.len()];
        for i in 0..n {
            let at: isize = index.iter().zip(self.strides).map(|(&i, &s)| i as isize * s).sum();
            // SAFETY: the index is inside the shape; element `i` of the copy is inside its buffer.
            unsafe {
                let from = self.data.offset(at);
                if wide {
                    let [re, im] = from.cast::<[f64; 2]>().read_unaligned();
                    to.cast::<[f32; 2]>().add(i).write_unaligned([re as f32, im as f32]);
                } else {
                    std::ptr::copy_nonoverlapping(from, to.add(i * size), size);
                }
            }
            for d in (0..index.len()).rev() {
                index[d] += 1;
                if index[d] < self.shape[d] {
                    break;
                }
                index[d] = 0;
            }
        }
    }
}
