//! Power.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise `a` to the power `b`.
///
/// # Shapes
/// Broadcast together.
///
/// # Dtypes
/// Promoted. Integers wrap; with a negative exponent they give 0.
///
/// # Gradients
/// `b a^(b-1)` and `a^b ln a` times the cotangent; the first is 0 where `b` is 0, the second where `a` is 0.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[2.0f32, 9.0], &[2])?;
/// let b = Array::from_slice(&[10.0f32, 0.5], &[2])?;
/// assert_eq!(ops::power(&a, &b)?.to_vec::<f32>()?, [1024.0, 3.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn power(a: &Array, b: &Array) -> Result<Array> {
    if (a.dtype(), b.dtype()) == (Dtype::Bool, Dtype::Bool) {
        return super::astype(&super::binary_as("power", Power, a, b, Dtype::U8)?, Dtype::Bool);
    }
    super::binary("power", Power, a, b)
}

crate::elementwise_primitive!(
    /// The primitive of [`power`].
    Power, "power", 2, super::require_number,
    |i, x, out, t| {
        let zero = super::constant(t, 0.0);
        let (base, exponent) = (&x[0], &x[1]);
        let base_is_zero = super::equal(base, &zero)?;
        let one = super::constant(t, 1.0);
        if i == 0 {
            // 0^-1 times 0 would be NaN.
            let both = super::logical_and(&base_is_zero, &super::equal(exponent, &zero)?)?;
            let below = power(&super::where_(&both, &one, base)?, &super::subtract(exponent, &one)?)?;
            return super::multiply(t, &super::multiply(exponent, &below)?).map(Some);
        }
        let log = super::log(&super::where_(&base_is_zero, &one, base)?)?;
        super::multiply(t, &super::multiply(out, &log)?).map(Some)
    },
    [
        Case::elementwise(Power, &[Domain::Real(0.2, 3.0), Domain::Real(-2.0, 3.0)]),
        Case::elementwise(Power, &[Domain::Integer(-4, 4), Domain::Integer(0, 5)]),
        Case::analytic(Power, &[(0.3, 2.0), (0.1, 0.8)]),
        vec![
            Case::new(Power)
                .input(&[6], Domain::Of(Dtype::C64, 0.3, 2.0))
                .input(&[6], Domain::Exact(Dtype::C64, vec![2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 7.0, 0.0, 0.5, 0.0, -3.0, 0.0]))
                .no_edges()
                .ulps(4.0),
        ],
    ]
    .concat(),
);
