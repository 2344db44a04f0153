//! Families of functions that differ in nothing but the operation.

use crate::args::{ArrayLike, AxesArg, DtypeArg, StreamArg, axes, pair};
use crate::array::{Out, PyArray, out};
use crate::error::Res;
use isobit::{Array, ops};
use pyo3::prelude::*;

macro_rules! unary {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, *, stream=None))]
            fn $op(a: ArrayLike, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array()))
            }
        )*
        fn register_unary(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
unary! {
    abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conj cos cosh degrees erf erfinv exp expm1
    floor imag isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians real reciprocal rsqrt
    sigmoid sign sin sinh sqrt square stop_gradient tan tanh trunc
}

macro_rules! binary {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, b, stream=None))]
            fn $op(a: ArrayLike, b: ArrayLike, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                let (a, b) = pair(a, b)?;
                out(ops::$op(&a, &b))
            }
        )*
        fn register_binary(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
binary! {
    add arctan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater greater_equal inner kron left_shift
    less less_equal logaddexp logical_and logical_or logical_xor matmul maximum minimum multiply not_equal outer power
    remainder right_shift subtract
}

macro_rules! reduction {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, axis=None, keepdims=false, *, stream=None))]
            fn $op(a: ArrayLike, axis: Option<AxesArg>, keepdims: bool, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), axes(axis), keepdims))
            }
        )*
        fn register_reduction(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
reduction! { all any count_nonzero logsumexp max mean median min prod sum }

macro_rules! spread {
    ($($op:ident $function:ident $name:literal)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(name = $name)]
            #[pyo3(signature = (a, /, axis=None, keepdims=false, ddof=0, *, stream=None))]
            fn $function(
                a: ArrayLike,
                axis: Option<AxesArg>,
                keepdims: bool,
                ddof: usize,
                stream: Option<StreamArg>,
            ) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), axes(axis), keepdims, ddof))
            }
        )*
        fn register_spread(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($function, m)?)?; )*
            Ok(())
        }
    };
}
// A function called `std` would be taken for the crate.
spread! { std standard_deviation "std" var variance "var" }

macro_rules! extremum {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, axis=None, keepdims=false, *, stream=None))]
            fn $op(a: ArrayLike, axis: Option<isize>, keepdims: bool, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), axis, keepdims))
            }
        )*
        fn register_extremum(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
extremum! { argmax argmin }

macro_rules! scan {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, axis=None, *, reverse=false, inclusive=true, dtype=None, stream=None))]
            fn $op(
                a: ArrayLike,
                axis: Option<isize>,
                reverse: bool,
                inclusive: bool,
                dtype: Option<DtypeArg>,
                stream: Option<StreamArg>,
            ) -> Out {
                let _ = stream;
                out(ops::$op(&in_dtype(a, dtype)?, axis, reverse, inclusive))
            }
        )*
        fn register_scan(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
scan! { cummax cummin cumprod cumsum logcumsumexp }

fn in_dtype(a: ArrayLike, dtype: Option<DtypeArg>) -> Res<Array> {
    let a = a.array();
    Ok(dtype.map_or(Ok(a.clone()), |d| ops::astype(&a, d.0))?)
}

macro_rules! order {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, axis=Some(-1), *, stream=None))]
            fn $op(a: ArrayLike, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), axis))
            }
        )*
        fn register_order(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
order! { argsort sort }

macro_rules! part {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (a, /, kth, axis=Some(-1), *, stream=None))]
            fn $op(a: ArrayLike, kth: isize, axis: Option<isize>, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(&a.array(), kth, axis))
            }
        )*
        fn register_part(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
part! { argpartition partition }

macro_rules! window {
    ($($op:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (M, *, stream=None))]
            #[allow(non_snake_case)]
            fn $op(M: usize, stream: Option<StreamArg>) -> Out {
                let _ = stream;
                out(ops::$op(M))
            }
        )*
        fn register_window(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($op, m)?)?; )*
            Ok(())
        }
    };
}
window! { bartlett blackman hamming hanning }

/// The array itself.
#[pyfunction]
#[pyo3(signature = (a, /, *, stream=None))]
fn positive(a: ArrayLike, stream: Option<StreamArg>) -> PyArray {
    let _ = stream;
    a.array().into()
}

/// Other names of the same functions.
const ALIASES: [(&str, &str); 13] = [
    ("acos", "arccos"),
    ("acosh", "arccosh"),
    ("asin", "arcsin"),
    ("asinh", "arcsinh"),
    ("atan", "arctan"),
    ("atan2", "arctan2"),
    ("atanh", "arctanh"),
    ("bitwise_left_shift", "left_shift"),
    ("bitwise_right_shift", "right_shift"),
    ("conjugate", "conj"),
    ("cumulative_prod", "cumprod"),
    ("cumulative_sum", "cumsum"),
    ("pow", "power"),
];

/// Adds this file's functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    register_unary(m)?;
    register_binary(m)?;
    register_reduction(m)?;
    register_spread(m)?;
    register_extremum(m)?;
    register_scan(m)?;
    register_order(m)?;
    register_part(m)?;
    register_window(m)?;
    m.add_function(wrap_pyfunction!(positive, m)?)?;
    for (alias, name) in ALIASES {
        m.add(alias, m.getattr(name)?)?;
    }
    Ok(())
}
