//! Position of the smallest element.

use super::argmax::position_of_extremum;
use super::max::require_elements;
use super::sum::reduced;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Spec, resolve_axis};

/// The position of the smallest element along `axis`, the first one if several are equal; without an axis, the position
/// in the flattened array. A NaN counts as the smallest.
///
/// # Shapes
/// The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Any; the result is uint32.
///
/// # Gradients
/// None.
///
/// # Errors
/// An axis out of range; an axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::argmin(&a, 1, false)?.to_vec::<u32>()?, [1, 0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn argmin(a: &Array, axis: impl Into<Option<isize>>, keepdims: bool) -> Result<Array> {
    let Some(axis) = axis.into() else {
        let out = apply(ArgMin { axis: 0 }, &[&super::reshape(a, &[-1])?])?;
        return super::reshape(&out, &vec![1; if keepdims { a.ndim() } else { 0 }]);
    };
    let axis = resolve_axis("argmin", axis, a.ndim())?;
    let out = apply(ArgMin { axis }, &[a])?;
    super::sum::drop_axes(out, &[axis], keepdims)
}

position_of_extremum!(ArgMin, "argmin");
