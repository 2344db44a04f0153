//! Formulas that read as formulas: a [`Term`] is an array or the first error on the way to it, and a number takes the
//! dtype that suits the array beside it, as Python's numbers do. Knows no layer and no loss.

use isobit::host::Scalar;
use isobit::{Array, Axes, Dtype, Error, Result, ops};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What may stand beside an array in a formula: another one, or a number.
pub trait Operand {
    /// As an array; a number in the dtype that suits one of `other`.
    ///
    /// # Errors
    /// An integer out of the range of its dtype.
    fn beside(&self, other: Dtype) -> Result<Array>;
}

impl Operand for Scalar {
    fn beside(&self, other: Dtype) -> Result<Array> {
        let dtype = self.dtype_beside(other);
        // A number given with its dtype may wrap around; one beside an array of unsigned numbers may not (as in MLX, but for
        // the widest).
        let wraps = dtype.is_unsigned() && dtype != Dtype::U64 && self.to_i128().is_some_and(|i| i < 0);
        match self.fits(dtype) && !wraps {
            true => Ok(Array::scalar(*self, dtype)),
            false => Err(Error::value("array", format!("{self:?} is out of range for {dtype}"))),
        }
    }
}

impl Operand for f64 {
    fn beside(&self, other: Dtype) -> Result<Array> {
        Scalar::Float(*self).beside(other)
    }
}

impl Operand for i32 {
    fn beside(&self, other: Dtype) -> Result<Array> {
        Scalar::Int(i64::from(*self)).beside(other)
    }
}

impl Operand for Array {
    fn beside(&self, _other: Dtype) -> Result<Array> {
        Ok(self.clone())
    }
}

impl Operand for Term {
    fn beside(&self, _other: Dtype) -> Result<Array> {
        self.0.clone()
    }
}

impl<T: Operand + ?Sized> Operand for &T {
    fn beside(&self, other: Dtype) -> Result<Array> {
        (**self).beside(other)
    }
}

/// A part of a formula.
#[derive(Clone)]
pub(crate) struct Term(pub(crate) Result<Array>);

/// The array `a` in a formula.
pub(crate) fn term(a: &Array) -> Term {
    Term(Ok(a.clone()))
}

/// What an operation on two arrays is.
type Binary = fn(&Array, &Array) -> Result<Array>;

impl Term {
    fn then(&self, f: impl FnOnce(&Array) -> Result<Array>) -> Term {
        Term(self.0.clone().and_then(|a| f(&a)))
    }

    fn with(&self, b: &impl Operand, op: Binary) -> Term {
        self.then(|a| op(a, &b.beside(a.dtype())?))
    }

    fn after(&self, a: &impl Operand, op: Binary) -> Term {
        self.then(|b| op(&a.beside(b.dtype())?, b))
    }

    pub(crate) fn astype(&self, dtype: Dtype) -> Term {
        self.then(|a| ops::astype(a, dtype))
    }

    pub(crate) fn sum(&self, axes: impl Into<Axes>, keepdims: bool) -> Term {
        self.then(|a| ops::sum(a, axes, keepdims))
    }

    pub(crate) fn mean(&self, axes: impl Into<Axes>, keepdims: bool) -> Term {
        self.then(|a| ops::mean(a, axes, keepdims))
    }

    pub(crate) fn var(&self, axes: impl Into<Axes>, keepdims: bool) -> Term {
        self.then(|a| ops::var(a, axes, keepdims, 0))
    }

    pub(crate) fn logsumexp(&self, axes: impl Into<Axes>, keepdims: bool) -> Term {
        self.then(|a| ops::logsumexp(a, axes, keepdims))
    }

    /// Itself where `condition` holds, else `other`.
    pub(crate) fn where_(&self, condition: &Term, other: impl Operand) -> Term {
        self.then(|a| ops::where_(&condition.0.clone()?, a, &other.beside(a.dtype())?))
    }

    pub(crate) fn expand_dims(&self, axes: impl Into<Axes>) -> Term {
        self.then(|a| ops::expand_dims(a, axes))
    }

    pub(crate) fn reshape(&self, shape: &[isize]) -> Term {
        self.then(|a| ops::reshape(a, shape))
    }
}

macro_rules! unary {
    ($($op:ident)*) => {
        impl Term {
            $( pub(crate) fn $op(&self) -> Term { self.then(ops::$op) } )*
        }
    };
}
unary! { abs cos erf exp expm1 log rsqrt sigmoid sign sin sqrt square tanh }

macro_rules! binary {
    ($($name:ident: $op:ident),*) => {
        impl Term {
            $( pub(crate) fn $name(&self, b: impl Operand) -> Term { self.with(&b, ops::$op) } )*
        }
    };
}
binary! {
    max: maximum, min: minimum, logaddexp: logaddexp, power: power, greater: greater, greater_equal: greater_equal,
    less: less, less_equal: less_equal, matmul: matmul
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident: $($number:ident)*),*) => {$(
        impl<B: Operand> $trait<B> for &Term {
            type Output = Term;
            fn $method(self, b: B) -> Term { self.with(&b, ops::$op) }
        }
        impl<B: Operand> $trait<B> for Term {
            type Output = Term;
            fn $method(self, b: B) -> Term { self.with(&b, ops::$op) }
        }
        $(
            impl $trait<Term> for $number {
                type Output = Term;
                fn $method(self, b: Term) -> Term { b.after(&self, ops::$op) }
            }
            impl $trait<&Term> for $number {
                type Output = Term;
                fn $method(self, b: &Term) -> Term { b.after(&self, ops::$op) }
            }
        )*
    )*};
}
operators! {
    Add add add: f64 i32, Sub sub subtract: f64 i32, Mul mul multiply: f64 i32, Div div divide: f64 i32
}

impl Neg for Term {
    type Output = Term;
    fn neg(self) -> Term {
        self.then(ops::negative)
    }
}

impl Neg for &Term {
    type Output = Term;
    fn neg(self) -> Term {
        self.then(ops::negative)
    }
}
