//! Operations, one file each: public function, primitive, rules, test inputs.
//!
//! File name = function = primitive name = kernel name = Python name.

pub mod allclose;
pub mod array_equal;
pub mod layer_norm;
mod registry_list;
pub mod registry {
    //! The closed set of primitives.
    pub use super::registry_list::{Entry, Prim, REGISTRY};
}

pub use abs::abs;
pub use add::add;
pub use addmm::addmm;
pub use all::all;
pub use allclose::allclose;
pub use any::any;
pub use arange::arange;
pub use arccos::arccos;
pub use arccosh::arccosh;
pub use arcsin::arcsin;
pub use arcsinh::arcsinh;
pub use arctan::arctan;
pub use arctan2::arctan2;
pub use arctanh::arctanh;
pub use argmax::argmax;
pub use argmin::argmin;
pub use argpartition::argpartition;
pub use argsort::argsort;
pub use array_equal::array_equal;
pub use as_strided::as_strided;
pub use astype::astype;
pub use atleast::{atleast_1d, atleast_2d, atleast_3d};
pub use bitwise_and::bitwise_and;
pub use bitwise_invert::bitwise_invert;
pub use bitwise_or::bitwise_or;
pub use bitwise_xor::bitwise_xor;
pub use block_masked_mm::block_masked_mm;
pub use broadcast::{broadcast_arrays, broadcast_to};
pub use ceil::ceil;
pub use cholesky::cholesky;
pub use clip::clip;
pub use concatenate::{concatenate, stack};
pub use contiguous::contiguous;
pub use cos::cos;
pub use cosh::cosh;
pub use cross::cross;
pub use cross_entropy::cross_entropy;
pub use cummax::cummax;
pub use cummin::cummin;
pub use cumprod::cumprod;
pub use cumsum::cumsum;
pub use degrees::degrees;
pub use depends::depends;
pub use det::{det, slogdet};
pub use diag::{diag, diagonal, trace};
pub use divide::divide;
pub use divmod::divmod;
pub use dynamic_slice::{dynamic_slice, dynamic_slice_update};
pub use eig::{eig, eigvals};
pub use eigh::{eigh, eigvalsh};
pub use einsum::{einsum, einsum_path};
pub use equal::equal;
pub use erf::erf;
pub use erfinv::erfinv;
pub use exp::exp;
pub use expand_dims::expand_dims;
pub use expm1::expm1;
pub use eye::{eye, identity};
pub use flip::flip;
pub use floor::floor;
pub use floor_divide::floor_divide;
pub use frequencies::{fftfreq, fftshift, ifftshift, rfftfreq};
pub use full::{full, full_like, ones, ones_like, zeros, zeros_like};
pub use gather::gather;
pub use gather_mm::gather_mm;
pub use gather_qmm::{gather_qmm, gather_qmm_int8, gather_qmm_scaled};
pub use greater::greater;
pub use greater_equal::greater_equal;
pub use hadamard::hadamard_transform;
pub use inner::{count_nonzero, diff, inner, kron, outer, vecdot};
pub use isclose::isclose;
pub use isnan::{isfinite, isinf, isnan, isneginf, isposinf};
pub use layer_norm::layer_norm;
pub use left_shift::left_shift;
pub use less::less;
pub use less_equal::less_equal;
pub use linear_recurrence::linear_recurrence;
pub use linspace::linspace;
pub use log::log;
pub use log1p::log1p;
pub use log2::log2;
pub use log10::log10;
pub use logaddexp::logaddexp;
pub use logcumsumexp::logcumsumexp;
pub use logical_and::logical_and;
pub use logical_not::logical_not;
pub use logical_or::logical_or;
pub use logical_xor::logical_xor;
pub use logsumexp::logsumexp;
pub use lu::{lu, lu_factor};
pub use matmul::matmul;
pub use max::max;
pub use maximum::maximum;
pub use mean::mean;
pub use median::median;
pub use meshgrid::meshgrid;
pub use min::min;
pub use minimum::minimum;
pub use multiply::multiply;
pub use nan_to_num::nan_to_num;
pub use negative::negative;
pub use nonzero::{argwhere, nonzero};
pub use norm::norm;
pub use not_equal::not_equal;
pub use pack_bits::{pack_bits, unpack_bits};
pub use pad::{PadMode, pad};
pub use partition::partition;
pub use parts::{conj, imag, real};
pub use pinv::pinv;
pub use power::power;
pub use prod::prod;
pub use put_along_axis::{put_along_axis, scatter_add_axis};
pub use qqmm::{gather_qqmm, qqmm};
pub use qr::qr;
pub use quantize::{Quantized, dequantize, from_fp8, quantize, to_fp8};
pub use quantized_matmul::{quantized_matmul, quantized_matmul_int8};
pub use quantized_sdpa::quantized_scaled_dot_product_attention;
pub use radians::radians;
pub use random_bits::random_bits;
pub use reciprocal::reciprocal;
pub use remainder::remainder;
pub use repeat::{repeat, tile};
pub use reshape::{flatten, reshape};
pub use right_shift::right_shift;
pub use rms_norm::rms_norm;
pub use roll::roll;
pub use rope::rope;
pub use round::round;
pub use rsqrt::rsqrt;
pub use scatter::{Reduce, scatter};
pub use sdpa::{Mask, scaled_dot_product_attention};
pub use searchsorted::{Side, searchsorted};
pub use segmented_mm::segmented_mm;
pub use select::where_;
pub use sigmoid::sigmoid;
pub use sign::sign;
pub use sin::sin;
pub use sinh::sinh;
pub use slice::{slice, take_index};
pub use slice_update::slice_update;
pub use softmax::softmax;
pub use solve::{cholesky_inv, inv, solve, tri_inv};
pub use solve_triangular::solve_triangular;
pub use sort::sort;
pub use split::{split, split_at};
pub use sqrt::sqrt;
pub use square::square;
pub use squeeze::squeeze;
pub use std::std;
pub use stop_gradient::stop_gradient;
pub use straight_through::straight_through;
pub use subtract::subtract;
pub use sum::sum;
pub use svd::{svd, svdvals};
pub use take::take;
pub use take_along_axis::take_along_axis;
pub use tan::tan;
pub use tanh::tanh;
pub use tensordot::tensordot;
pub use topk::topk;
pub use transpose::{moveaxis, swapaxes, transpose};
pub use tri::{tri, tril, triu};
pub use trunc::trunc;
pub use unique::{Unique, unique};
pub use unstack::{unflatten, unstack};
pub use var::var;
pub use view::view;
pub use windows::{bartlett, blackman, hamming, hanning};

pub mod abs;
pub mod add;
pub mod addmm;
pub mod all;
pub mod any;
pub mod arange;
pub mod arccos;
pub mod arccosh;
pub mod arcsin;
pub mod arcsinh;
pub mod arctan;
pub mod arctan2;
pub mod arctanh;
pub mod argmax;
pub mod argmin;
pub mod argpartition;
pub mod argsort;
pub mod as_strided;
pub mod astype;
pub mod atleast;
pub mod bitwise_and;
pub mod bitwise_invert;
pub mod bitwise_or;
pub mod bitwise_xor;
pub mod block_masked_mm;
pub mod broadcast;
pub mod ceil;
pub mod cholesky;
pub mod clip;
pub mod concatenate;
pub mod contiguous;
pub mod cos;
pub mod cosh;
pub mod cross;
mod cross_entropy;
pub mod cummax;
pub mod cummin;
pub mod cumprod;
pub mod cumsum;
pub mod degrees;
pub mod depends;
pub mod det;
pub mod diag;
pub mod divide;
pub mod divmod;
pub mod dynamic_slice;
pub mod eig;
pub mod eigh;
pub mod einsum;
pub mod equal;
pub mod erf;
pub mod erfinv;
pub mod exp;
pub mod expand_dims;
pub mod expm1;
pub mod eye;
mod factorisation;
pub mod flip;
pub mod floor;
pub mod floor_divide;
pub mod frequencies;
pub mod full;
pub mod gather;
pub mod gather_mm;
pub mod gather_qmm;
pub mod greater;
pub mod greater_equal;
mod hadamard;
pub mod identity;
pub mod inner;
pub mod isclose;
pub mod isnan;
pub mod left_shift;
pub mod less;
pub mod less_equal;
pub mod linear_recurrence;
pub mod linspace;
pub mod log;
pub mod log10;
pub mod log1p;
pub mod log2;
pub mod logaddexp;
pub mod logcumsumexp;
pub mod logical_and;
pub mod logical_not;
pub mod logical_or;
pub mod logical_xor;
pub mod logsumexp;
pub mod lu;
pub mod matmul;
pub mod max;
pub mod maximum;
pub mod mean;
pub mod median;
pub mod meshgrid;
pub mod min;
pub mod minimum;
pub mod multiply;
pub mod nan_to_num;
pub mod negative;
pub mod nonzero;
pub mod norm;
pub mod norm_vjp;
pub mod not_equal;
pub mod pack_bits;
pub mod pad;
pub mod partition;
pub mod parts;
pub mod pinv;
pub mod power;
pub mod prod;
pub mod put_along_axis;
pub mod qqmm;
pub mod qr;
pub mod quantize;
pub mod quantized_matmul;
pub mod quantized_sdpa;
pub mod radians;
pub mod random_bits;
pub mod reciprocal;
pub mod remainder;
pub mod repeat;
pub mod reshape;
pub mod right_shift;
pub mod rms_norm;
pub mod roll;
pub mod rope;
pub mod round;
pub mod rsqrt;
pub mod scan;
pub mod scatter;
pub mod sdpa;
pub mod sdpa_vjp;
pub mod searchsorted;
pub mod segmented_mm;
pub mod select;
pub mod sigmoid;
pub mod sign;
pub mod sin;
pub mod sinh;
pub mod slice;
pub mod slice_update;
pub mod softmax;
pub mod solve;
pub mod solve_triangular;
pub mod sort;
pub mod split;
pub mod sqrt;
pub mod square;
pub mod squeeze;
pub mod std;
pub mod stop_gradient;
pub mod straight_through;
pub mod subtract;
pub mod sum;
pub mod svd;
pub mod take;
pub mod take_along_axis;
pub mod tan;
pub mod tanh;
pub mod tensordot;
pub mod topk;
pub mod transpose;
pub mod tri;
pub mod trunc;
mod unique;
pub mod unstack;
pub mod var;
pub mod view;
pub mod windows;

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::Prim;

/// Both arrays in their common dtype and shape, as a binary elementwise primitive wants them.
pub(crate) fn binary(op: &'static str, prim: impl Into<Prim>, a: &Array, b: &Array) -> Result<Array> {
    let dtype = a.dtype().promote(b.dtype());
    binary_as(op, prim, a, b, dtype)
}

/// [`binary`] with the dtype in which to compute.
pub(crate) fn binary_as(op: &'static str, prim: impl Into<Prim>, a: &Array, b: &Array, dtype: Dtype) -> Result<Array> {
    if a.dtype() == dtype && b.dtype() == dtype && a.shape() == b.shape() {
        return apply(prim, &[a, b]);
    }
    let (a, b) = (astype(a, dtype)?, astype(b, dtype)?);
    if a.shape() == b.shape() {
        return apply(prim, &[&a, &b]);
    }
    let shape = crate::spec::broadcast_shapes(op, a.shape(), b.shape())?;
    apply(prim, &[&broadcast::stretched(&a, &shape)?, &broadcast::stretched(&b, &shape)?])
}

/// A unary primitive on floats: integers and bools are computed in float32.
pub(crate) fn unary_float(prim: impl Into<Prim>, a: &Array) -> Result<Array> {
    if a.dtype().is_inexact() {
        return apply(prim, &[a]);
    }
    apply(prim, &[&astype(a, Dtype::F32)?])
}

/// A 0-dimensional constant of the dtype of `like`, for rules and compositions.
pub(crate) fn constant(like: &Array, value: f64) -> Array {
    Array::scalar(value, like.dtype())
}

/// Any dtype.
pub(crate) fn require_any(_: &'static str, dtype: Dtype) -> Result<Dtype> {
    Ok(dtype)
}

/// The dtype, if it is one of numbers.
pub(crate) fn require_number(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype == Dtype::Bool {
        return Err(Error::dtype(op, "expected a dtype of numbers, got bool"));
    }
    Ok(dtype)
}

/// The dtype, if it is bool or one of integers.
pub(crate) fn require_bits(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype == Dtype::Bool || dtype.is_integer() {
        return Ok(dtype);
    }
    Err(Error::dtype(op, format!("expected bool or an integer dtype, got {dtype}")))
}

/// The dtype, if it is one of integers.
pub(crate) fn require_integer(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype.is_integer() {
        return Ok(dtype);
    }
    Err(Error::dtype(op, format!("expected an integer dtype, got {dtype}")))
}

/// The dtype of a comparison.
pub(crate) fn compared(_: &'static str, _: Dtype) -> Result<Dtype> {
    Ok(Dtype::Bool)
}

/// The dtype, if it is a real floating one.
pub(crate) fn require_float(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype.is_float() {
        return Ok(dtype);
    }
    Err(Error::dtype(op, format!("expected a real floating dtype, got {dtype}")))
}

/// The dtype, if it is one of real numbers.
pub(crate) fn require_real_number(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    require_number(op, sum::require_real(op, dtype)?)
}

/// The dtype, if it is one that derivatives exist for.
pub(crate) fn require_inexact(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype.is_inexact() {
        return Ok(dtype);
    }
    Err(Error::dtype(op, format!("expected a floating dtype, got {dtype}")))
}
