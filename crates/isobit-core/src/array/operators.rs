//! `+ - * / % & | ^ << >>`, unary `-` and `!` on arrays, mixed with numbers on either side.
//!
//! The graph is built, and shapes are checked, while an expression is: an operator gives a `Result`. A `Result` is also
//! taken as an operand, so that `&a * (&b + 1.0)` and `((&a + &b)? * 2.0)?` are both written without ceremony. A number
//! takes the dtype that suits the array beside it (see [`Scalar::dtype_beside`]). To the left of an operator it may be a
//! `bool`, `i64`, `f64` or [`Scalar`], to the right any common number type.

use super::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::Scalar;
use crate::ops;

/// What may stand beside an array in an operator or a binary method.
pub trait Operand {
    /// This operand as an array, to be combined with one of dtype `beside`.
    fn operand(self, beside: Dtype) -> Result<Array>;
}

impl Operand for Array {
    fn operand(self, _: Dtype) -> Result<Array> {
        Ok(self)
    }
}
impl Operand for &Array {
    fn operand(self, _: Dtype) -> Result<Array> {
        Ok(self.clone())
    }
}
impl Operand for Result<Array> {
    fn operand(self, _: Dtype) -> Result<Array> {
        self
    }
}
impl Operand for Scalar {
    fn operand(self, beside: Dtype) -> Result<Array> {
        Ok(Array::scalar(self, self.dtype_beside(beside)))
    }
}

macro_rules! operands {
    ($($t:ty),*) => {$(
        impl Operand for $t {
            fn operand(self, beside: Dtype) -> Result<Array> {
                Scalar::from(self).operand(beside)
            }
        }
    )*};
}
operands!(bool, u8, i32, u32, i64, u64, isize, usize, f32, f64);

#[rustfmt::skip] // formatting the nested macro is not stable
macro_rules! binary_operator {
    (($d:tt) $Trait:ident, $method:ident, $op:ident) => {
        impl<R: Operand> std::ops::$Trait<R> for &Array {
            type Output = Result<Array>;
            fn $method(self, rhs: R) -> Result<Array> {
                ops::$op(self, &rhs.operand(self.dtype())?)
            }
        }
        impl<R: Operand> std::ops::$Trait<R> for Array {
            type Output = Result<Array>;
            fn $method(self, rhs: R) -> Result<Array> {
                ops::$op(&self, &rhs.operand(self.dtype())?)
            }
        }
        impl std::ops::$Trait<&Array> for Result<Array> {
            type Output = Result<Array>;
            fn $method(self, rhs: &Array) -> Result<Array> {
                ops::$op(&self?, rhs)
            }
        }
        impl std::ops::$Trait<Array> for Result<Array> {
            type Output = Result<Array>;
            fn $method(self, rhs: Array) -> Result<Array> {
                ops::$op(&self?, &rhs)
            }
        }
        macro_rules! number_first {
                ($d($d t:ty),*) => {$d(
                impl std::ops::$Trait<&Array> for $d t {
                type Output = Result<Array>;
                fn $method(self, rhs: &Array) -> Result<Array> {
                ops::$op(&self.operand(rhs.dtype())?, rhs)
                }
                }
                impl std::ops::$Trait<Array> for $d t {
                type Output = Result<Array>;
                fn $method(self, rhs: Array) -> Result<Array> {
                ops::$op(&self.operand(rhs.dtype())?, &rhs)
                }
                }
                )*};
                }
        // One type per kind of literal: with more the type of `(2.0 * &a)?` could not be inferred.
        number_first!(bool, i64, f64, Scalar);
    };
}

binary_operator!(($) Add, add, add);
binary_operator!(($) Sub, sub, subtract);
binary_operator!(($) Mul, mul, multiply);
binary_operator!(($) Div, div, divide);
binary_operator!(($) Rem, rem, remainder);
binary_operator!(($) BitAnd, bitand, bitwise_and);
binary_operator!(($) BitOr, bitor, bitwise_or);
binary_operator!(($) BitXor, bitxor, bitwise_xor);
binary_operator!(($) Shl, shl, left_shift);
binary_operator!(($) Shr, shr, right_shift);

macro_rules! unary_operator {
    ($Trait:ident, $method:ident, $op:ident) => {
        impl std::ops::$Trait for &Array {
            type Output = Result<Array>;
            fn $method(self) -> Result<Array> {
                ops::$op(self)
            }
        }
        impl std::ops::$Trait for Array {
            type Output = Result<Array>;
            fn $method(self) -> Result<Array> {
                ops::$op(&self)
            }
        }
    };
}
unary_operator!(Neg, neg, negative);
unary_operator!(Not, not, bitwise_invert);
