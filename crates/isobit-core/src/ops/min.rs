//! Smallest element over axes.

use super::max::{extremum, extremum_jvp, extremum_vjp, require_elements};
use super::sum::{behind_batch, drop_axes, reduced, reduction_cases};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// The smallest element over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// Any; the result has the input's. A NaN among the elements makes the result NaN.
///
/// # Gradients
/// The cotangent to the smallest element, split evenly if several are equal.
///
/// # Errors
/// Axes out of range or repeated; a reduced axis of size 0.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, 1.0, 2.0, 0.0, 5.0, 4.0], &[2, 3])?;
/// assert_eq!(ops::min(&a, 0, false)?.to_vec::<f32>()?, [0.0, 1.0, 2.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn min(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("min", a.ndim())?;
    if axes.is_empty() {
        return Ok(a.clone());
    }
    let out = apply(Min { axes: axes.clone() }, &[a])?;
    drop_axes(out, &axes, keepdims)
}

extremum!(Min, "min");
