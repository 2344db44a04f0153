//! Activations.

use crate::args::{ArrayLike, AxesArg, axes};
use crate::array::{Out, out};
use crate::ops::docstring;
use isobit_nn::activations;
use pyo3::prelude::*;

macro_rules! plain {
    ($($name:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/nn_", stringify!($name), ".txt"))]
            #[pyfunction]
            fn $name(x: ArrayLike) -> Out {
                out(activations::$name(&x.array()))
            }
        )*
        fn register_plain(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($name, m)?)?; )*
            Ok(())
        }
    };
}
plain! {
    sigmoid tanh relu relu2 relu6 selu softplus log_sigmoid softsign hardswish mish silu gelu gelu_approx gelu_fast_approx
}

macro_rules! with_number {
    ($($name:ident $number:ident = $default:literal $signature:literal)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/nn_", stringify!($name), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (x, $number=ArrayLike::from($default)), text_signature = $signature)]
            fn $name(x: ArrayLike, $number: ArrayLike) -> Out {
                out(activations::$name(&x.array(), $number))
            }
        )*
        fn register_with_number(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($name, m)?)?; )*
            Ok(())
        }
    };
}
with_number! {
    leaky_relu negative_slope = 0.01 "(x, negative_slope=0.01)"
    elu alpha = 1.0 "(x, alpha=1.0)"
    celu alpha = 1.0 "(x, alpha=1.0)"
    softshrink lambd = 0.5 "(x, lambd=0.5)"
    hard_shrink lambd = 0.5 "(x, lambd=0.5)"
    step threshold = 0.0 "(x, threshold=0.0)"
}

macro_rules! along_axes {
    ($($name:ident)*) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/nn_", stringify!($name), ".txt"))]
            #[pyfunction]
            #[pyo3(signature = (x, axis=Some(AxesArg::last())), text_signature = "(x, axis=-1)")]
            fn $name(x: ArrayLike, axis: Option<AxesArg>) -> Out {
                out(activations::$name(&x.array(), axes(axis)))
            }
        )*
        fn register_along_axes(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $( m.add_function(wrap_pyfunction!($name, m)?)?; )*
            Ok(())
        }
    };
}
along_axes! { softmax softmin log_softmax }

#[doc = docstring!("nn_prelu")]
#[pyfunction]
fn prelu(x: ArrayLike, alpha: ArrayLike) -> Out {
    out(activations::prelu(&x.array(), alpha))
}

#[doc = docstring!("nn_hard_tanh")]
#[pyfunction]
#[pyo3(signature = (x, min_val=ArrayLike::from(-1.0), max_val=ArrayLike::from(1.0)))]
#[pyo3(text_signature = "(x, min_val=-1.0, max_val=1.0)")]
fn hard_tanh(x: ArrayLike, min_val: ArrayLike, max_val: ArrayLike) -> Out {
    out(activations::hard_tanh(&x.array(), min_val, max_val))
}

#[doc = docstring!("nn_glu")]
#[pyfunction]
#[pyo3(signature = (x, axis=-1))]
fn glu(x: ArrayLike, axis: isize) -> Out {
    out(activations::glu(&x.array(), axis))
}

/// Adds this file's functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    register_plain(m)?;
    register_with_number(m)?;
    register_along_axes(m)?;
    m.add_function(wrap_pyfunction!(prelu, m)?)?;
    m.add_function(wrap_pyfunction!(hard_tanh, m)?)?;
    m.add_function(wrap_pyfunction!(glu, m)?)
}
