//! Operations, one file each: public function, primitive, rules, test inputs.
//!
//! File name = function = primitive name = kernel name = Python name.

mod registry_list;
pub mod registry {
    //! The closed set of primitives.
    pub use super::registry_list::{Entry, Prim, REGISTRY};
}

pub use add::add;
pub use addmm::addmm;
pub use astype::astype;
pub use broadcast::{broadcast_arrays, broadcast_to};
pub use concatenate::{concatenate, stack};
pub use depends::depends;
pub use exp::exp;
pub use expand_dims::expand_dims;
pub use full::{full, full_like, ones, ones_like, zeros, zeros_like};
pub use matmul::matmul;
pub use multiply::multiply;
pub use negative::negative;
pub use reshape::{flatten, reshape};
pub use slice::{slice, split, split_at, take_index};
pub use slice_update::slice_update;
pub use squeeze::squeeze;
pub use stop_gradient::stop_gradient;
pub use sum::sum;
pub use transpose::{moveaxis, swapaxes, transpose};
pub use view::view;

pub mod add;
pub mod addmm;
pub mod astype;
pub mod broadcast;
pub mod concatenate;
pub mod depends;
pub mod exp;
pub mod expand_dims;
pub mod full;
pub mod identity;
pub mod matmul;
pub mod multiply;
pub mod negative;
pub mod reshape;
pub mod slice;
pub mod slice_update;
pub mod squeeze;
pub mod stop_gradient;
pub mod sum;
pub mod transpose;
pub mod view;

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::Prim;

/// Both arrays in their common dtype and shape, as a binary elementwise primitive wants them.
pub(crate) fn binary(op: &'static str, prim: impl Into<Prim>, a: &Array, b: &Array) -> Result<Array> {
    let dtype = a.dtype().promote(b.dtype());
    binary_as(op, prim, a, b, dtype)
}

/// [`binary`] with the dtype in which to compute.
pub(crate) fn binary_as(op: &'static str, prim: impl Into<Prim>, a: &Array, b: &Array, dtype: Dtype) -> Result<Array> {
    let (a, b) = (astype(a, dtype)?, astype(b, dtype)?);
    if a.shape() == b.shape() {
        return apply(prim, &[&a, &b]);
    }
    let shape = crate::spec::broadcast_shapes(op, a.shape(), b.shape())?;
    apply(prim, &[&broadcast_to(&a, &shape)?, &broadcast_to(&b, &shape)?])
}

/// A unary primitive on floats: integers and bools are computed in float32.
pub(crate) fn unary_float(prim: impl Into<Prim>, a: &Array) -> Result<Array> {
    apply(prim, &[&astype(a, a.dtype().at_least_float())?])
}

/// The dtype, if it is one that derivatives exist for.
pub(crate) fn require_inexact(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype.is_inexact() {
        return Ok(dtype);
    }
    Err(crate::error::Error::dtype(op, format!("expected a floating dtype, got {dtype}")))
}
