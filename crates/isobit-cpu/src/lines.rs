//! Tensors as lines along some axes: what sorts, scans and reductions share. No arithmetic.

use crate::CPU;
use isobit_core::backend::Backend;
use isobit_core::layout::Strides;
use isobit_core::{Result, Shape, Tensor};

/// The elements of a dense tensor.
///
/// # Safety
/// `T` must be a type whose values are exactly the bit patterns of the tensor's dtype, and the tensor dense.
pub unsafe fn elements<T>(t: &Tensor) -> &[T] {
    debug_assert!(t.is_contiguous());
    // SAFETY: a dense tensor spans `size` elements from its first one; the caller answers for `T`.
    unsafe { std::slice::from_raw_parts(t.as_ptr::<T>(), t.size()) }
}

/// The elements of a fresh tensor, for writing.
///
/// # Safety
/// As [`elements`]; nobody else may hold the buffer, and what is not written stays undefined.
#[allow(clippy::mut_from_ref)]
pub unsafe fn elements_mut<T>(t: &Tensor) -> &mut [T] {
    debug_assert!(t.is_contiguous());
    // SAFETY: as in `elements`; the caller answers for exclusive access.
    unsafe { std::slice::from_raw_parts_mut(t.as_mut_ptr::<T>(), t.size()) }
}

/// The tensor, dense, with `axes` (ascending) moved to the end: the elements of each group lie next to one another in
/// row-major order. Copies only what does not lie so already.
pub fn axes_last(t: Tensor, axes: &[usize]) -> Result<Tensor> {
    let order = order(t.ndim(), axes);
    let shape: Shape = order.iter().map(|&d| t.shape()[d]).collect();
    let strides: Strides = order.iter().map(|&d| t.strides()[d]).collect();
    let offset = t.offset();
    CPU.contiguous(t.with_layout(shape, strides, offset))
}

/// A dense tensor made by an operation on [`axes_last`], seen with the axes back in their places.
pub fn axes_back(t: Tensor, axes: &[usize]) -> Tensor {
    let mut shape = Shape::from_slice(t.shape());
    let mut strides = Strides::from_slice(t.strides());
    for (at, d) in order(t.ndim(), axes).into_iter().enumerate() {
        (shape[d], strides[d]) = (t.shape()[at], t.strides()[at]);
    }
    let offset = t.offset();
    t.with_layout(shape, strides, offset)
}

/// The shape of [`axes_last`].
pub fn moved_shape(shape: &[usize], axes: &[usize]) -> Shape {
    order(shape.len(), axes).into_iter().map(|d| shape[d]).collect()
}

fn order(ndim: usize, axes: &[usize]) -> Vec<usize> {
    (0..ndim).filter(|d| !axes.contains(d)).chain(axes.iter().copied()).collect()
}

/// Runs a body with `$t` standing for the type of the row that has the dtype; other dtypes are refused.
macro_rules! with_one_of {
    ($op:expr, $dtype:expr, $t:ident => $body:expr, [$($($name:ident)|+ = $ty:ty),*]) => {
        match $dtype {
            $($(isobit_core::Dtype::$name)|+ => {
                type $t = $ty;
                $body
            })*
            other => return Err(isobit_core::Error::dtype($op, format!("no kernel for {other}"))),
        }
    };
}
/// Runs a body with `$t` standing for the element type of a dtype: bools as bytes; complex64 is refused.
macro_rules! with_type {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        $crate::lines::with_one_of!($op, $dtype, $t => $body, [
            Bool | U8 = u8, U16 = u16, U32 = u32, U64 = u64, I8 = i8, I16 = i16, I32 = i32, I64 = i64,
            F16 = half::f16, BF16 = half::bf16, F32 = f32, F64 = f64
        ])
    };
}
/// As [`with_type`], for floats.
macro_rules! with_float {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        $crate::lines::with_one_of!($op, $dtype, $t => $body, [
            F16 = half::f16, BF16 = half::bf16, F32 = f32, F64 = f64
        ])
    };
}
pub(crate) use {with_float, with_one_of, with_type};
