//! Element by element.

use crate::value::Values;
use isobit_core::{Dtype, Spec};

/// A function of numbers, with a float and an integer form.
pub fn unary(x: &Values, f: impl Fn(f64) -> f64, i: impl Fn(i128) -> i128) -> Values {
    match x {
        Values::F(v) => Values::F(v.iter().map(|&a| f(a)).collect()),
        Values::I(v) => Values::I(v.iter().map(|&a| i(a)).collect()),
    }
}

/// A function of real numbers.
pub fn real(x: &Values, f: impl Fn(f64) -> f64) -> Values {
    Values::F(x.floats().into_iter().map(f).collect())
}

/// A function of two numbers, with a float and an integer form. Bools are the integers 0 and 1, and a result of dtype
/// bool is whether it is not 0.
pub fn binary(x: &[Values], _out: &Spec, f: impl Fn(f64, f64) -> f64, i: impl Fn(i128, i128) -> i128) -> Values {
    match (&x[0], &x[1]) {
        (Values::I(a), Values::I(b)) => Values::I(a.iter().zip(b).map(|(&a, &b)| i(a, b)).collect()),
        (a, b) => Values::F(a.floats().into_iter().zip(b.floats()).map(|(a, b)| f(a, b)).collect()),
    }
}

/// Conversion to the output's dtype: floats truncate into integers and saturate there.
pub fn convert(x: &Values, out: &Spec) -> Values {
    let (low, high) = match out.dtype {
        Dtype::U8 => (0, i128::from(u8::MAX)),
        Dtype::U16 => (0, i128::from(u16::MAX)),
        Dtype::U32 => (0, i128::from(u32::MAX)),
        Dtype::U64 => (0, i128::from(u64::MAX)),
        Dtype::I8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
        Dtype::I16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Dtype::I32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Dtype::I64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => return x.clone(),
    };
    match x {
        Values::F(v) => Values::I(v.iter().map(|&f| (f as i128).clamp(low, high)).collect()),
        ints => ints.clone(),
    }
}
