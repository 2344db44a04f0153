//! Operations as methods: families of one shape, each a name and a signature.

use super::{Out, PyArray, out};
use crate::args::{AxesArg, DtypeArg, Ints, StreamArg, axes};
use crate::error::Res;
use isobit::ops;
use pyo3::prelude::*;

macro_rules! unary {
    ($($op:ident)*) => {
        #[pymethods]
        impl PyArray {
            $(
                #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
                #[pyo3(signature = (*, stream=None))]
                fn $op(&self, stream: Option<StreamArg>) -> Out {
                    let _ = stream;
                    out(ops::$op(&self.array()))
                }
            )*
        }
    };
}
unary! { abs conj cos exp log log10 log1p log2 reciprocal rsqrt sin sqrt square }

macro_rules! reduction {
    ($($op:ident)*) => {
        #[pymethods]
        impl PyArray {
            $(
                #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
                #[pyo3(signature = (axis=None, keepdims=false, *, stream=None))]
                fn $op(&self, axis: Option<AxesArg>, keepdims: bool, stream: Option<StreamArg>) -> Out {
                    let _ = stream;
                    out(ops::$op(&self.array(), axes(axis), keepdims))
                }
            )*
        }
    };
}
reduction! { all any logsumexp max mean min prod sum }

macro_rules! scan {
    ($($op:ident)*) => {
        #[pymethods]
        impl PyArray {
            $(
                #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($op), ".txt"))]
                #[pyo3(signature = (axis=None, *, reverse=false, inclusive=true, stream=None))]
                fn $op(&self, axis: Option<isize>, reverse: bool, inclusive: bool, stream: Option<StreamArg>) -> Out {
                    let _ = stream;
                    out(ops::$op(&self.array(), axis, reverse, inclusive))
                }
            )*
        }
    };
}
scan! { cummax cummin cumprod cumsum logcumsumexp }

#[pymethods]
impl PyArray {
    #[doc = include_str!(concat!(env!("OUT_DIR"), "/real.txt"))]
    #[getter]
    fn real(&self) -> Out {
        out(ops::real(&self.array()))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/imag.txt"))]
    #[getter]
    fn imag(&self) -> Out {
        out(ops::imag(&self.array()))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/argmax.txt"))]
    #[pyo3(signature = (axis=None, keepdims=false, *, stream=None))]
    fn argmax(&self, axis: Option<isize>, keepdims: bool, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::argmax(&self.array(), axis, keepdims))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/argmin.txt"))]
    #[pyo3(signature = (axis=None, keepdims=false, *, stream=None))]
    fn argmin(&self, axis: Option<isize>, keepdims: bool, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::argmin(&self.array(), axis, keepdims))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/std.txt"))]
    #[pyo3(signature = (axis=None, keepdims=false, ddof=0, *, stream=None))]
    fn std(&self, axis: Option<AxesArg>, keepdims: bool, ddof: usize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::std(&self.array(), axes(axis), keepdims, ddof))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/var.txt"))]
    #[pyo3(signature = (axis=None, keepdims=false, ddof=0, *, stream=None))]
    fn var(&self, axis: Option<AxesArg>, keepdims: bool, ddof: usize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::var(&self.array(), axes(axis), keepdims, ddof))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/flatten.txt"))]
    #[pyo3(signature = (start_axis=0, end_axis=-1, *, stream=None))]
    fn flatten(&self, start_axis: isize, end_axis: isize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::flatten(&self.array(), start_axis, end_axis))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/squeeze.txt"))]
    #[pyo3(signature = (axis=None, *, stream=None))]
    fn squeeze(&self, axis: Option<AxesArg>, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::squeeze(&self.array(), axes(axis)))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/moveaxis.txt"))]
    #[pyo3(signature = (source, destination, *, stream=None))]
    fn moveaxis(&self, source: isize, destination: isize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::moveaxis(&self.array(), source, destination))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/swapaxes.txt"))]
    #[pyo3(signature = (axis1, axis2, *, stream=None))]
    fn swapaxes(&self, axis1: isize, axis2: isize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::swapaxes(&self.array(), axis1, axis2))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/split.txt"))]
    #[pyo3(signature = (indices_or_sections, axis=0, *, stream=None))]
    fn split(&self, indices_or_sections: Ints, axis: isize, stream: Option<StreamArg>) -> Res<Vec<PyArray>> {
        let _ = stream;
        crate::ops::split_by(&self.array(), &indices_or_sections, axis)
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/round.txt"))]
    #[pyo3(signature = (decimals=0, *, stream=None))]
    fn round(&self, decimals: i32, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::round(&self.array(), decimals))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/diagonal.txt"))]
    #[pyo3(signature = (offset=0, axis1=0, axis2=1, stream=None))]
    fn diagonal(&self, offset: isize, axis1: isize, axis2: isize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::diagonal(&self.array(), offset, axis1, axis2))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/diag.txt"))]
    #[pyo3(signature = (k=0, *, stream=None))]
    fn diag(&self, k: isize, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::diag(&self.array(), k))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/view.txt"))]
    #[pyo3(signature = (dtype, *, stream=None))]
    fn view(&self, dtype: DtypeArg, stream: Option<StreamArg>) -> Out {
        let _ = stream;
        out(ops::view(&self.array(), dtype.0))
    }
}
