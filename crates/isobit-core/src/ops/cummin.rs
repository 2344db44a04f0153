//! Cumulative minimum.

use super::cummax::cumulative_extremum;
use super::scan::{Scan, finite, latest_jvp, latest_vjp, scan_cases};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// The smallest element so far along `axis`; without an axis, of the flattened array.
///
/// `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
/// the input, and the first one is the dtype's largest value.
///
/// # Shapes
/// The input's (without an axis: one axis).
///
/// # Dtypes
/// Any; the result has the input's. From a NaN on, the result is NaN.
///
/// # Gradients
/// The cotangent to the latest element that is the minimum.
///
/// # Errors
/// An axis out of range.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 3.0, 2.0], &[3])?;
/// assert_eq!(ops::cummin(&a, 0, false, true)?.to_vec::<f32>()?, [1.0, 1.0, 1.0]);
/// assert_eq!(ops::cummin(&a, 0, true, true)?.to_vec::<f32>()?, [1.0, 2.0, 2.0]);
/// assert_eq!(ops::cummin(&a, 0, false, false)?.to_vec::<f32>()?, [f32::INFINITY, 1.0, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn cummin(a: &Array, axis: impl Into<Option<isize>>, reverse: bool, inclusive: bool) -> Result<Array> {
    let (a, scan) = Scan::resolve("cummin", a, axis.into(), reverse, inclusive)?;
    apply(Cummin { scan }, &[&a])
}

cumulative_extremum!(Cummin, cummin, "cummin");
