//! Operations as methods, for chains: `x.square()?.sum(.., false)?.sqrt()?`. One line each; see [`crate::ops`].

use super::{Array, Operand};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::ops;
use crate::spec::Axes;

macro_rules! unary {
    ($($op:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("See [`", stringify!($op), "`](crate::ops::", stringify!($op), "()).")]
                pub fn $op(&self) -> Result<Array> {
                    ops::$op(self)
                }
            )*
        }
    };
}
unary! {
    abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil cos cosh degrees erf erfinv exp expm1 floor
    isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians reciprocal rsqrt sigmoid
    sign sin sinh sqrt square stop_gradient tan tanh trunc
}

macro_rules! binary {
    ($($op:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("See [`", stringify!($op), "`](crate::ops::", stringify!($op), "()). The operand may be a number.")]
                pub fn $op(&self, other: impl Operand) -> Result<Array> {
                    ops::$op(self, &other.operand(self.dtype())?)
                }
            )*
        }
    };
}
binary! {
    add arctan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater greater_equal left_shift less
    less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply not_equal power remainder
    right_shift subtract
}

macro_rules! reduction {
    ($($op:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("See [`", stringify!($op), "`](crate::ops::", stringify!($op), "()).")]
                pub fn $op(&self, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
                    ops::$op(self, axes, keepdims)
                }
            )*
        }
    };
}
reduction! { all any logsumexp max mean min prod sum }

impl Array {
    /// See [`argmax`](crate::ops::argmax()).
    pub fn argmax(&self, axis: impl Into<Option<isize>>, keepdims: bool) -> Result<Array> {
        ops::argmax(self, axis, keepdims)
    }

    /// See [`argmin`](crate::ops::argmin()).
    pub fn argmin(&self, axis: impl Into<Option<isize>>, keepdims: bool) -> Result<Array> {
        ops::argmin(self, axis, keepdims)
    }

    /// See [`argsort`](crate::ops::argsort()).
    pub fn argsort(&self, axis: impl Into<Option<isize>>) -> Result<Array> {
        ops::argsort(self, axis)
    }

    /// See [`astype`](crate::ops::astype()).
    pub fn astype(&self, dtype: Dtype) -> Result<Array> {
        ops::astype(self, dtype)
    }

    /// See [`broadcast_to`](crate::ops::broadcast_to).
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Array> {
        ops::broadcast_to(self, shape)
    }

    /// See [`clip`](crate::ops::clip()).
    pub fn clip(&self, min: impl Operand, max: impl Operand) -> Result<Array> {
        ops::clip(self, Some(&min.operand(self.dtype())?), Some(&max.operand(self.dtype())?))
    }

    /// See [`expand_dims`](crate::ops::expand_dims()).
    pub fn expand_dims(&self, axes: impl Into<Axes>) -> Result<Array> {
        ops::expand_dims(self, axes)
    }

    /// See [`flatten`](crate::ops::flatten).
    pub fn flatten(&self) -> Result<Array> {
        ops::flatten(self, 0, -1)
    }

    /// See [`matmul`](crate::ops::matmul()).
    pub fn matmul(&self, other: &Array) -> Result<Array> {
        ops::matmul(self, other)
    }

    /// See [`moveaxis`](crate::ops::moveaxis).
    pub fn moveaxis(&self, from: isize, to: isize) -> Result<Array> {
        ops::moveaxis(self, from, to)
    }

    /// See [`reshape`](crate::ops::reshape()).
    pub fn reshape(&self, shape: &[isize]) -> Result<Array> {
        ops::reshape(self, shape)
    }

    /// See [`round`](crate::ops::round()).
    pub fn round(&self, decimals: i32) -> Result<Array> {
        ops::round(self, decimals)
    }

    /// See [`squeeze`](crate::ops::squeeze()).
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Result<Array> {
        ops::squeeze(self, axes)
    }

    /// See [`softmax`](crate::ops::softmax()).
    pub fn softmax(&self, axes: impl Into<Axes>) -> Result<Array> {
        ops::softmax(self, axes, false)
    }

    /// See [`sort`](crate::ops::sort()).
    pub fn sort(&self, axis: impl Into<Option<isize>>) -> Result<Array> {
        ops::sort(self, axis)
    }

    /// See [`split`](crate::ops::split()).
    pub fn split(&self, parts: usize, axis: isize) -> Result<Vec<Array>> {
        ops::split(self, parts, axis)
    }

    /// See [`std`](crate::ops::std()).
    pub fn std(&self, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
        ops::std(self, axes, keepdims, 0)
    }

    /// See [`swapaxes`](crate::ops::swapaxes).
    pub fn swapaxes(&self, axis1: isize, axis2: isize) -> Result<Array> {
        ops::swapaxes(self, axis1, axis2)
    }

    /// See [`take`](crate::ops::take()).
    pub fn take(&self, indices: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
        ops::take(self, indices, axis)
    }

    /// See [`contiguous`](crate::ops::contiguous()).
    pub fn contiguous(&self) -> Result<Array> {
        ops::contiguous(self)
    }

    /// See [`diag`](crate::ops::diag()).
    pub fn diag(&self, k: isize) -> Result<Array> {
        ops::diag(self, k)
    }

    /// See [`diagonal`](crate::ops::diagonal()).
    pub fn diagonal(&self, offset: isize, axis1: isize, axis2: isize) -> Result<Array> {
        ops::diagonal(self, offset, axis1, axis2)
    }

    /// See [`repeat`](crate::ops::repeat()).
    pub fn repeat(&self, repeats: usize, axis: impl Into<Option<isize>>) -> Result<Array> {
        ops::repeat(self, repeats, axis)
    }

    /// See [`take_along_axis`](crate::ops::take_along_axis()).
    pub fn take_along_axis(&self, indices: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
        ops::take_along_axis(self, indices, axis)
    }

    /// See [`transpose`](crate::ops::transpose()).
    pub fn transpose(&self, axes: impl Into<Axes>) -> Result<Array> {
        ops::transpose(self, axes)
    }

    /// See [`var`](crate::ops::var()).
    pub fn var(&self, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
        ops::var(self, axes, keepdims, 0)
    }

    /// See [`view`](crate::ops::view()).
    pub fn view(&self, dtype: Dtype) -> Result<Array> {
        ops::view(self, dtype)
    }
}
