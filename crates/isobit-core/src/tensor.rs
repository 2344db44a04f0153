//! [`Tensor`]: a buffer seen through shape, strides and offset. What backends compute with.

use crate::alloc::Buffer;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::layout::{self, Strides};
use crate::spec::{Shape, Spec, checked_size, copy_small};
use std::sync::Arc;

/// An evaluated value: a view of a shared buffer.
pub struct Tensor {
    buffer: Arc<Buffer>,
    shape: Shape,
    strides: Strides,
    offset: usize,
    dtype: Dtype,
}

// As for `Spec`: the derived clone of the small vectors is slow.
impl Clone for Tensor {
    #[inline]
    fn clone(&self) -> Tensor {
        Tensor {
            buffer: Arc::clone(&self.buffer),
            shape: copy_small(&self.shape),
            strides: copy_small(&self.strides),
            offset: self.offset,
            dtype: self.dtype,
        }
    }
}

impl Tensor {
    /// A fresh contiguous tensor, contents undefined.
    pub fn alloc(shape: &[usize], dtype: Dtype) -> Result<Tensor> {
        let n = checked_size("memory", shape, dtype.size())?;
        let buffer = Arc::new(Buffer::new(n * dtype.size())?);
        Ok(Tensor {
            buffer,
            shape: Shape::from_slice(shape),
            strides: layout::contiguous_strides(shape),
            offset: 0,
            dtype,
        })
    }

    /// A contiguous tensor over an existing buffer.
    pub fn from_buffer(buffer: Arc<Buffer>, shape: &[usize], dtype: Dtype) -> Tensor {
        debug_assert!(shape.iter().product::<usize>() * dtype.size() <= buffer.len());
        let strides = layout::contiguous_strides(shape);
        Tensor { buffer, shape: Shape::from_slice(shape), strides, offset: 0, dtype }
    }

    /// The same buffer seen through another layout. `offset` counts elements of `dtype` from the buffer's start.
    pub fn with_layout(self, shape: Shape, strides: Strides, offset: usize) -> Tensor {
        debug_assert_eq!(shape.len(), strides.len());
        Tensor { shape, strides, offset, ..self }
    }

    /// The same bytes as another dtype, of a shape that covers as many bytes. The tensor must be contiguous.
    pub fn bitcast(self, shape: Shape, dtype: Dtype) -> Tensor {
        let offset = self.offset * self.dtype.size() / dtype.size();
        let strides = layout::contiguous_strides(&shape);
        Tensor { buffer: self.buffer, shape, strides, offset, dtype }
    }

    /// Sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element strides of the axes.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Elements between the buffer's start and the first element.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Element type.
    #[inline]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Number of elements.
    #[inline]
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of axes.
    #[inline]
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Shape and dtype.
    pub fn spec(&self) -> Spec {
        Spec { shape: copy_small(&self.shape), dtype: self.dtype }
    }

    /// Whether the elements lie densely in row-major order.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        layout::is_contiguous(&self.shape, &self.strides)
    }

    /// The shared buffer.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// The first element. Other elements lie at `strides` from it.
    #[inline]
    pub fn as_ptr<T>(&self) -> *const T {
        debug_assert_eq!(std::mem::size_of::<T>(), self.dtype.size());
        // SAFETY: the offset lies inside the buffer (or at its end, for an empty tensor).
        unsafe { self.buffer.as_ptr().cast::<T>().add(self.offset) }
    }

    /// The first element as bytes.
    #[inline]
    pub fn as_byte_ptr(&self) -> *const u8 {
        // SAFETY: as in `as_ptr`.
        unsafe { self.buffer.as_ptr().add(self.offset * self.dtype.size()) }
    }

    /// The first element, for writing. Only the kernel that allocated this tensor, or got it from
    /// [`Tensor::donate`], may write.
    #[inline]
    pub fn as_mut_ptr<T>(&self) -> *mut T {
        debug_assert_eq!(std::mem::size_of::<T>(), self.dtype.size());
        debug_assert!(self.buffer.is_writable());
        // SAFETY: as in `as_ptr`.
        unsafe { self.buffer.as_mut_ptr().cast::<T>().add(self.offset) }
    }

    /// The first byte, for writing; see [`Tensor::as_mut_ptr`].
    #[inline]
    pub fn as_mut_byte_ptr(&self) -> *mut u8 {
        debug_assert!(self.buffer.is_writable());
        // SAFETY: as in `as_ptr`.
        unsafe { self.buffer.as_mut_ptr().add(self.offset * self.dtype.size()) }
    }

    /// All elements of a contiguous tensor, `None` if it is not contiguous.
    ///
    /// # Safety
    /// `T` must be a type whose values are exactly the bit patterns of [`Tensor::dtype`].
    pub unsafe fn as_slice<T>(&self) -> Option<&[T]> {
        // SAFETY: a contiguous tensor spans `size` elements from its offset; the caller answers for `T`.
        self.is_contiguous().then(|| unsafe { std::slice::from_raw_parts(self.as_ptr::<T>(), self.size()) })
    }

    /// Whether nobody else holds the buffer and it may be overwritten, which the caller is about to do: what was derived
    /// from its contents is forgotten.
    #[inline]
    pub fn is_exclusive(&mut self) -> bool {
        Arc::get_mut(&mut self.buffer).is_some_and(|b| {
            b.forget_derived();
            b.is_writable()
        })
    }

    /// A contiguous tensor of `spec` that reuses this one's buffer: only if nobody else holds the buffer, it is
    /// writable, and this tensor covers it densely with elements of the same size and number.
    pub fn donate(&mut self, shape: &[usize], dtype: Dtype) -> Option<Tensor> {
        let fits = self.dtype.size() == dtype.size()
            && self.size() == shape.iter().product::<usize>()
            && self.is_contiguous()
            && self.is_exclusive();
        if !fits {
            return None;
        }
        Some(Tensor {
            buffer: Arc::clone(&self.buffer),
            shape: Shape::from_slice(shape),
            strides: layout::contiguous_strides(shape),
            offset: self.offset,
            dtype,
        })
    }
}
