//! Conversion between dtypes.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::Spec;

/// `a` converted to `dtype`; `a` itself if it has it already.
///
/// # Dtypes
/// Floats are rounded to nearest, ties to even; a float becomes an integer by truncation, saturating at the integer's
/// range, NaN becomes 0; integers wrap into narrower ones; anything non-zero becomes `true`. Of a complex number the real
/// part is converted, and a real number gets an imaginary part of 0.
///
/// # Gradients
/// The cotangent converted back; zero if a float becomes an integer, or anything a bool.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.7f32, -1.7], &[2])?;
/// assert_eq!(ops::astype(&a, Dtype::I32)?.to_vec::<i32>()?, [1, -1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn astype(a: &Array, dtype: Dtype) -> Result<Array> {
    if a.dtype() == dtype {
        return Ok(a.clone());
    }
    apply(Astype { dtype }, &[a])
}

/// The primitive of [`astype`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Astype {
    dtype: Dtype,
}

impl Linear for Astype {
    const NAME: &'static str = "astype";
    const ELEMENTWISE: bool = true;

    fn infer(&self, x: &Spec) -> Result<Spec> {
        Ok(Spec { shape: x.shape.clone(), dtype: self.dtype })
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        astype(ct, x.dtype)
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        astype(x, self.dtype)
    }

    fn cases() -> Cases {
        let cases = |domain: Domain| {
            Dtype::ALL.into_iter().map(move |dtype| {
                let case = Case::new(Astype { dtype }).input(&[5, 9], domain.clone()).exact();
                // Differences are taken in float64; rounding to a narrower dtype would hide them.
                if matches!(dtype, Dtype::F64 | Dtype::C64) { case } else { case.no_grad() }
            })
        };
        cases(Domain::Any(-100.0, 100.0)).chain(cases(Domain::Of(Dtype::C64, -100.0, 100.0))).collect()
    }
}

crate::primitive_via!(Linear, Astype);
