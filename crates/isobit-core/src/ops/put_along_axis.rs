//! Elements along one axis replaced, at places chosen separately for every other index.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::ops::scatter::{Placement, Reduce};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;
use std::ops::Range;

/// `a` with the elements at `indices` along `axis` replaced by `values`; without an axis, of the flattened array (the
/// result has the shape of `a`).
///
/// # Shapes
/// `indices` has as many axes as `a`, equal to it or 1 except along `axis`; `values` broadcasts to the indices' shape.
///
/// # Dtypes
/// That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped. Of several
/// updates of one element the last stays.
///
/// # Gradients
/// The cotangent with zeros at the places for `a`, what lies there for `values`. None for indices.
///
/// # Errors
/// An axis out of range, indices that are not integers or of another number of axes, shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// let indices = Array::from_slice(&[1i32, 0], &[2, 1])?;
/// let values = Array::from_slice(&[8i32, 9], &[2, 1])?;
/// assert_eq!(ops::put_along_axis(&a, &indices, &values, 1)?.to_vec::<i32>()?, [1, 8, 9, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn put_along_axis(a: &Array, indices: &Array, values: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    put(a, indices, values, axis.into(), Reduce::Set)
}

/// As [`put_along_axis`], with `values` added to what is there.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let indices = Array::from_slice(&[0i32, 0], &[2])?;
/// let values = Array::from_slice(&[10i32, 20], &[2])?;
/// assert_eq!(ops::scatter_add_axis(&a, &indices, &values, 0)?.to_vec::<i32>()?, [31, 2, 3]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn scatter_add_axis(a: &Array, indices: &Array, values: &Array, axis: impl Into<Option<isize>>) -> Result<Array> {
    put(a, indices, values, axis.into(), Reduce::Add)
}

fn put(a: &Array, indices: &Array, values: &Array, axis: Option<isize>, reduce: Reduce) -> Result<Array> {
    const OP: &str = "put_along_axis";
    let (x, places, d) = super::take_along_axis::along(OP, a, indices, axis)?;
    if axis.is_some() && x.shape() != a.shape() {
        let (s, i) = (a.shape(), indices.shape());
        return Err(Error::value(OP, format!("expected indices that broadcast to shape {s:?}, got {i:?}")));
    }
    let values = super::astype(values, a.dtype())?;
    let values =
        if axis.is_some() { values } else { super::reshape(&super::broadcast_to(&values, indices.shape())?, &[-1])? };
    let values = super::broadcast_to(&values, places.shape())?;
    let out = apply(PutAlongAxis { axis: d, reduce }, &[&x, &places, &values])?;
    super::reshape(&out, &super::broadcast::signed(a.shape()))
}

/// An error unless array and indices agree except along the axis and there is something to choose from.
pub(crate) fn check_shapes(op: &'static str, x: &Spec, indices: &Spec, axis: usize) -> Result<()> {
    let fits = indices.ndim() == x.ndim()
        && axis < x.ndim()
        && (0..x.ndim()).all(|d| d == axis || x.shape[d] == indices.shape[d])
        && (x.shape[axis] > 0 || indices.size() == 0);
    if fits && indices.dtype.is_integer() {
        return Ok(());
    }
    let (a, b) = (x.shape.as_slice(), indices.shape.as_slice());
    Err(Error::value(
        op,
        format!(
            "expected integer indices into shape {a:?} that differ along axis {axis} only, got {} {b:?}",
            indices.dtype
        ),
    ))
}

/// The primitive of [`put_along_axis`]: inputs are the array, the indices and the values; the first two agree except
/// along the axis, the last two in shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PutAlongAxis {
    axis: usize,
    reduce: Reduce,
}

impl PutAlongAxis {
    pub(crate) fn new(axis: usize, reduce: Reduce) -> PutAlongAxis {
        PutAlongAxis { axis, reduce }
    }

    /// The axis that indices count along.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// How a value and the element it meets become one.
    pub fn reduce(&self) -> Reduce {
        self.reduce
    }
}

/// The places that one call of [`put_along_axis`] writes to.
struct Places<'a> {
    axis: usize,
    indices: &'a Array,
}

impl Placement for Places<'_> {
    fn scatter(&self, x: &Array, updates: &Array, reduce: Reduce) -> Result<Array> {
        apply(PutAlongAxis { axis: self.axis, reduce }, &[x, self.indices, updates])
    }

    fn gather(&self, x: &Array) -> Result<Array> {
        super::take_along_axis(x, self.indices, self.axis as isize)
    }

    fn distinct(&self) -> bool {
        self.indices.shape()[self.axis] <= 1
    }
}

impl Primitive for PutAlongAxis {
    const NAME: &'static str = "put_along_axis";

    fn selectors(&self) -> Range<usize> {
        1..2
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, indices, values) = (&inputs[0], &inputs[1], &inputs[2]);
        check_shapes("put_along_axis", x, indices, self.axis)?;
        if values.shape != indices.shape || values.dtype != x.dtype {
            let (want, got) = (indices.shape.as_slice(), values.shape.as_slice());
            return Err(Error::value(
                "put_along_axis",
                format!("expected values of shape {want:?} and dtype {}, got {got:?} and {}", x.dtype, values.dtype),
            ));
        }
        Ok(smallvec![x.clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let places = Places { axis: self.axis, indices: &cx.inputs[1] };
        super::scatter::forward(
            &places,
            self.reduce,
            (&cx.inputs[0], &cx.inputs[2]),
            (&cx.tangents[0], &cx.tangents[2]),
            &cx.outs[0],
        )
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        super::scatter::reverse(&Places { axis: self.axis, indices: &cx.inputs[1] }, self.reduce, cx, 0, 2)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let prim = PutAlongAxis { axis: self.axis + 1, reduce: self.reduce };
        let xs = cx.all_front()?;
        crate::prim::batched_front(apply(prim, &[&xs[0], &xs[1], &xs[2]])?)
    }

    fn cases() -> Cases {
        let mut cases = Vec::new();
        for reduce in Reduce::ALL {
            let any = || match reduce {
                Reduce::Maximum | Reduce::Minimum => Domain::Distinct(-4.0, 4.0),
                // One sign: the error of a sum is bounded in ulps of its terms, not of what is left when they cancel.
                Reduce::Add => Domain::Any(0.5, 4.0),
                _ => Domain::Any(-4.0, 4.0),
            };
            let case = |axis, shape: &[usize], places: &[usize]| {
                let case = Case::new(PutAlongAxis { axis, reduce })
                    .input(shape, any())
                    .input(places, Domain::Integer(-4, 5))
                    .input(places, any());
                match reduce {
                    // Partial products overflow where the oracle's, in f64, do not.
                    Reduce::Multiply => case.ulps(8.0).no_edges(),
                    Reduce::Add => case.ulps(8.0),
                    _ => case.exact(),
                }
            };
            cases.extend([
                case(0, &[7], &[3]),
                case(1, &[2, 3], &[2, 5]),
                case(0, &[4, 3], &[2, 3]),
                case(1, &[2, 3, 4], &[2, 1, 4]),
                case(0, &[4, 2], &[0, 2]),
            ]);
            if !matches!(reduce, Reduce::Maximum | Reduce::Minimum) {
                let part = || Domain::Of(crate::dtype::Dtype::C64, 0.5, 2.0);
                let complex = Case::new(PutAlongAxis { axis: 0, reduce })
                    .input(&[3, 2], part())
                    .input(&[5, 2], Domain::Integer(-3, 2))
                    .input(&[5, 2], part());
                cases.push(complex.ulps(8.0).no_edges());
            }
        }
        cases
    }
}
