//! Arrays as text, in MLX's form: `array([[1, 2], [3, 4]], dtype=int32)`, a row per line, long axes summarised.

use super::Array;
use crate::host::{Value, element};
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter, Write};
use std::sync::atomic::{AtomicI32, Ordering};

/// Axes longer than this are summarised by their first and last elements.
const LONGEST: usize = 6;
/// How many elements a summary shows at either end.
const EDGE: usize = 3;
/// The length of `array(`: what continuation lines are indented by.
const PREFIX: usize = 6;

/// The values; evaluates. An array that has none while a transform records a function is described by shape and dtype.
impl Display for Array {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.tensor() {
            Ok(t) => {
                f.write_str("array(")?;
                block(f, &t, &mut Vec::new())?;
            }
            Err(_) if self.is_traced() => write!(f, "array(traced, shape={:?}", self.shape())?,
            Err(e) => write!(f, "array({e}, shape={:?}", self.shape())?,
        }
        write!(f, ", dtype={})", self.dtype())
    }
}

/// The elements whose index begins with `at`.
fn block(f: &mut Formatter<'_>, t: &Tensor, at: &mut Vec<usize>) -> fmt::Result {
    let depth = at.len();
    let Some(&n) = t.shape().get(depth) else {
        return match element(t, at) {
            Value::Bool(b) => f.write_str(if b { "True" } else { "False" }),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => f.write_str(&number(x)),
            Value::Complex(re, im) => {
                let sign = if im.is_sign_negative() { "" } else { "+" };
                write!(f, "{}{sign}{}j", number(re), number(im))
            }
        };
    };
    let separator =
        if depth + 1 == t.ndim() { ", ".to_string() } else { format!(",\n{}", " ".repeat(PREFIX + depth + 1)) };
    f.write_char('[')?;
    let mut i = 0;
    while i < n {
        if i > 0 {
            f.write_str(&separator)?;
        }
        if n > LONGEST && i == EDGE {
            f.write_str("...")?;
            i = n - EDGE;
            continue;
        }
        at.push(i);
        block(f, t, at)?;
        at.pop();
        i += 1;
    }
    f.write_char(']')
}

/// Digits behind the point; negative for six significant digits.
static PRECISION: AtomicI32 = AtomicI32::new(-1);

/// How many digits behind the point numbers are printed with; `None` for six significant digits.
pub fn print_precision() -> Option<usize> {
    usize::try_from(PRECISION.load(Ordering::Relaxed)).ok()
}

/// Sets [`print_precision`]; returns the previous one.
pub fn set_print_precision(digits: Option<usize>) -> Option<usize> {
    let digits = digits.map_or(-1, |d| d.min(1000) as i32);
    usize::try_from(PRECISION.swap(digits, Ordering::Relaxed)).ok()
}

fn number(x: f64) -> String {
    match print_precision() {
        Some(digits) if x.is_finite() => format!("{x:.digits$}"),
        _ => general(x),
    }
}

/// Six significant digits without trailing zeros, as C's `%g`.
fn general(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_string();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    // The exponent after rounding to six digits decides the form.
    let scientific = format!("{x:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let strip = |s: &str| {
        if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_string() } else { s.to_string() }
    };
    if (-4..6).contains(&exponent) {
        return strip(&format!("{x:.*}", (5 - exponent).max(0) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", strip(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn numbers_as_c_prints_them() {
        for (x, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (123456789.0, "1.23457e+08"),
            (0.000123456789, "0.000123457"),
            (0.0000123, "1.23e-05"),
            (999999.5, "1e+06"),
            (999999.4, "999999"),
            (1e100, "1e+100"),
            (100000.0, "100000"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(general(x), want);
        }
    }
}
