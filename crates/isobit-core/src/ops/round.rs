//! Rounding to a number of decimals.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Case, Domain};

/// Element-wise rounding to `decimals` places after the decimal point, halves to the even neighbour. With negative
/// `decimals` to tens, hundreds and so on.
///
/// # Dtypes
/// Any. Floats are scaled by a power of ten, rounded, and scaled back. Integers are exact, and unchanged unless
/// `decimals` is negative.
///
/// # Gradients
/// Zero.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.5f32, 1.5, -2.6], &[3])?;
/// assert_eq!(ops::round(&a, 0)?.to_vec::<f32>()?, [0.0, 2.0, -3.0]);
/// let b = Array::from_slice(&[1.25f32], &[1])?;
/// assert_eq!(ops::round(&b, 1)?.to_vec::<f32>()?, [1.2]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn round(a: &Array, decimals: i32) -> Result<Array> {
    if !a.dtype().is_inexact() {
        let unchanged = decimals >= 0 || a.dtype() == Dtype::Bool;
        return if unchanged { Ok(a.clone()) } else { round_integers(a, decimals.unsigned_abs()) };
    }
    if decimals == 0 {
        return apply(Round, &[a]);
    }
    let scale = super::constant(a, 10f64.powi(decimals.saturating_abs()));
    if decimals > 0 {
        super::divide(&apply(Round, &[&super::multiply(a, &scale)?])?, &scale)
    } else {
        super::multiply(&apply(Round, &[&super::divide(a, &scale)?])?, &scale)
    }
}

/// Integers to a multiple of `10^places`, ties to the even multiple.
fn round_integers(a: &Array, places: u32) -> Result<Array> {
    let wide = if a.dtype().is_unsigned() { Dtype::U64 } else { Dtype::I64 };
    let largest = if a.dtype().is_unsigned() { u64::MAX } else { i64::MAX as u64 };
    let Some(step) = 10u64.checked_pow(places).filter(|&s| s <= largest) else {
        // Every multiple but 0 is beyond the dtype.
        return super::multiply(a, &super::constant(a, 0.0));
    };
    let x = super::astype(a, wide)?;
    let step = Array::scalar(step, wide);
    let two = Array::scalar(2i64, wide);
    let down = super::floor_divide(&x, &step)?;
    let rest = super::remainder(&x, &step)?;
    let other = super::subtract(&step, &rest)?;
    let odd = super::astype(&super::remainder(&down, &two)?, Dtype::Bool)?;
    let up =
        super::logical_or(&super::greater(&rest, &other)?, &super::logical_and(&super::equal(&rest, &other)?, &odd)?)?;
    let multiple = super::multiply(&super::add(&down, &super::astype(&up, wide)?)?, &step)?;
    super::astype(&multiple, a.dtype())
}

crate::elementwise_primitive!(
    /// The primitive of [`round`]: to integers.
    Round, "round", 1, super::require_inexact,
    |_, _, _, _| Ok(None),
    [
        Case::elementwise(Round, &[Domain::Real(-4.0, 4.0)]),
        // Differences in float32 are wide enough to meet a jump.
        Case::complex(Round, &[(-4.0, 4.0)]).into_iter().map(Case::no_grad).collect(),
    ]
    .concat(),
);
