//! Real and imaginary parts and conjugates.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases};
use crate::spec::Spec;

/// The complex conjugate: of real numbers, the numbers.
///
/// # Gradients
/// The conjugate of the cotangent.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::conj(&a)?.to_vec::<f32>()?, [1.0, -2.0]);
/// let z = ops::view(&a, Dtype::C64)?;
/// assert_eq!(ops::imag(&ops::conj(&z)?)?.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn conj(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::C64 { apply(Conjugate, &[a]) } else { Ok(a.clone()) }
}

/// The real part: of real numbers, the numbers.
///
/// # Dtypes
/// Any; of complex64, float32.
///
/// # Gradients
/// The cotangent, as a complex number.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::real(&a)?.to_vec::<f32>()?, [1.0, -2.0]);
/// assert_eq!(ops::real(&ops::view(&a, Dtype::C64)?)?.to_vec::<f32>()?, [1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn real(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::C64 { apply(Real, &[a]) } else { Ok(a.clone()) }
}

/// The imaginary part: of real numbers, zeros.
///
/// # Dtypes
/// Any; of complex64, float32.
///
/// # Gradients
/// The cotangent times the imaginary unit.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.0f32, -2.0], &[2])?;
/// assert_eq!(ops::imag(&a)?.to_vec::<f32>()?, [0.0, 0.0]);
/// assert_eq!(ops::imag(&ops::view(&a, Dtype::C64)?)?.to_vec::<f32>()?, [-2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn imag(a: &Array) -> Result<Array> {
    if a.dtype() == Dtype::C64 { apply(Imag, &[a]) } else { super::zeros_like(a) }
}

/// Writes a primitive of complex64 that is linear over the real numbers: type, name, the result's dtype, and its transposed
/// map.
macro_rules! part {
    ($(#[$doc:meta])* $prim:ident, $name:literal, $function:ident, $dtype:ident, |$ct:ident| $transposed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $prim;

        impl Linear for $prim {
            const NAME: &'static str = $name;
            const ELEMENTWISE: bool = true;

            fn infer(&self, x: &Spec) -> Result<Spec> {
                if x.dtype != Dtype::C64 {
                    return Err(Error::dtype(Self::NAME, format!("expected complex64, got {}", x.dtype)));
                }
                Ok(Spec { dtype: Dtype::$dtype, ..x.clone() })
            }

            fn transposed(&self, _: &Spec, $ct: &Array) -> Result<Array> {
                $transposed
            }

            fn batched(&self, x: &Array) -> Result<Array> {
                $function(x)
            }

            fn cases() -> Cases {
                Case::complex($prim, &[(-4.0, 4.0)]).into_iter().map(Case::exact).collect()
            }
        }

        crate::primitive_via!(Linear, $prim);
    };
}

part!(
    /// The primitive of [`conj`].
    Conjugate, "conjugate", conj, C64, |ct| conj(ct)
);
part!(
    /// The primitive of [`real`].
    Real, "real", real, F32, |ct| super::astype(ct, Dtype::C64)
);
part!(
    /// The primitive of [`imag`].
    Imag, "imag", imag, F32, |ct| {
        super::multiply(&super::astype(ct, Dtype::C64)?, &Array::scalar(crate::host::Scalar::Complex(0.0, 1.0), Dtype::C64))
    }
);
