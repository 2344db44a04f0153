//! Slices of an array replaced, or combined with updates, at indices that are arrays themselves.

mod rules;

pub(crate) use rules::{Placement, forward, reverse};

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::ops::gather::{batch_index, infer_indices, placed};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// How an update and the element it meets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// The update replaces the element.
    Set,
    /// Sum.
    Add,
    /// Product.
    Multiply,
    /// The larger one; NaN if one is NaN.
    Maximum,
    /// The smaller one; NaN if one is NaN.
    Minimum,
}

impl Reduce {
    /// Every kind.
    pub const ALL: [Reduce; 5] = [Reduce::Set, Reduce::Add, Reduce::Multiply, Reduce::Maximum, Reduce::Minimum];
}

/// `a` with slices combined with `updates`: index array `k` says where a slice begins along axis `axes[k]`; along other
/// axes it begins at 0.
///
/// # Shapes
/// `updates` has the common shape of the index arrays, followed by the slices' shape (as many axes as `a`).
///
/// # Dtypes
/// That of `a`, to which `updates` are converted. Indices are integers, as in [`gather`](super::gather()): negative ones
/// count from the end, others are clamped so that the slice lies inside the array.
///
/// Where slices overlap, updates take effect in row-major order of the index arrays: a result never depends on threads.
///
/// # Gradients
/// Exact for every kind, also where slices overlap: the last update alone replaces, equal extremes share evenly.
///
/// # Errors
/// As [`gather`](super::gather()); updates of another shape.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3], &[3])?;
/// let at = Array::from_slice(&[0i32, 2, 0], &[3])?;
/// let updates = Array::from_slice(&[10i32, 20, 30], &[3, 1])?;
/// assert_eq!(ops::scatter(&a, &[at], &updates, &[0], ops::Reduce::Add)?.to_vec::<i32>()?, [41, 2, 23]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn scatter(a: &Array, indices: &[Array], updates: &Array, axes: &[isize], reduce: Reduce) -> Result<Array> {
    let (axes, indices) = placed("scatter", a, indices, axes)?;
    Scatter { axes, reduce }.of(a, &super::astype(updates, a.dtype())?, &indices)
}

/// The primitive of [`scatter`]: inputs are the array, the updates and one index array per axis, all of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scatter {
    axes: SmallVec<[usize; 4]>,
    reduce: Reduce,
}

impl Scatter {
    pub(crate) fn new(axes: SmallVec<[usize; 4]>, reduce: Reduce) -> Scatter {
        Scatter { axes, reduce }
    }

    /// The axis that each index array counts along.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// How updates combine.
    pub fn reduce(&self) -> Reduce {
        self.reduce
    }

    pub(crate) fn of(&self, x: &Array, updates: &Array, indices: &[Array]) -> Result<Array> {
        let mut inputs = vec![x, updates];
        inputs.extend(indices);
        apply(self.clone(), &inputs)
    }
}

/// The places that one call of [`scatter`] writes to.
struct Places<'a> {
    axes: &'a [usize],
    indices: &'a [Array],
    updates: &'a [usize],
}

impl Placement for Places<'_> {
    fn scatter(&self, x: &Array, updates: &Array, reduce: Reduce) -> Result<Array> {
        Scatter { axes: self.axes.into(), reduce }.of(x, updates, self.indices)
    }

    fn gather(&self, x: &Array) -> Result<Array> {
        let axes: Vec<isize> = self.axes.iter().map(|&d| d as isize).collect();
        super::gather(x, self.indices, &axes, &self.updates[self.updates.len() - x.ndim()..])
    }

    fn distinct(&self) -> bool {
        self.indices.first().is_none_or(|i| i.size() <= 1)
    }
}

impl Primitive for Scatter {
    const NAME: &'static str = "scatter";

    fn selectors(&self) -> Range<usize> {
        2..usize::MAX
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, updates) = (&inputs[0], &inputs[1]);
        let lead = infer_indices("scatter", x, &self.axes, &inputs[2..])?;
        let empty = lead.contains(&0);
        let fits = updates.ndim() == lead.len() + x.ndim()
            && updates.dtype == x.dtype
            && updates.shape[..lead.len()] == lead[..]
            && updates.shape[lead.len()..].iter().zip(&x.shape).all(|(s, n)| s <= n || empty);
        if !fits {
            return Err(Error::value(
                "scatter",
                format!(
                    "expected updates of dtype {} and of shape {:?} followed by a slice of {:?}, got {} and {:?}",
                    x.dtype,
                    lead.as_slice(),
                    x.shape.as_slice(),
                    updates.dtype,
                    updates.shape.as_slice()
                ),
            ));
        }
        Ok(smallvec![x.clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let places = Places { axes: &self.axes, indices: &cx.inputs[2..], updates: cx.inputs[1].shape() };
        forward(&places, self.reduce, (&cx.inputs[0], &cx.inputs[1]), (&cx.tangents[0], &cx.tangents[1]), &cx.outs[0])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let places = Places { axes: &self.axes, indices: &cx.inputs[2..], updates: cx.inputs[1].shape() };
        reverse(&places, self.reduce, cx, 0, 1)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let n = cx.inputs.len();
        let (x, updates) = (cx.front_full(0)?, cx.front_full(1)?);
        let mut axes: SmallVec<[usize; 4]> = self.axes.iter().map(|d| d + 1).collect();
        let lead = updates.ndim() - x.ndim();
        if !(2..n).any(|i| cx.batched(i)) {
            // The batch is part of every slice.
            let updates = super::moveaxis(&updates, 0, lead as isize)?;
            return crate::prim::batched_front(Scatter { axes, ..*self }.of(&x, &updates, &cx.inputs[2..])?);
        }
        // One more index: the number of the batch element.
        axes.insert(0, 0);
        let mut indices = (2..n).map(|i| cx.front_full(i)).collect::<Result<Vec<_>>>()?;
        indices.insert(0, batch_index(indices[0].shape())?);
        let updates = super::expand_dims(&updates, lead as isize + 1)?;
        crate::prim::batched_front(Scatter { axes, ..*self }.of(&x, &updates, &indices)?)
    }

    fn cases() -> Cases {
        let ints = Domain::Integer;
        let mut cases = Vec::new();
        for reduce in Reduce::ALL {
            // Extremes have no derivative where elements tie; distinct values keep differences away from ties.
            let any = || match reduce {
                Reduce::Maximum | Reduce::Minimum => Domain::Distinct(-4.0, 4.0),
                // One sign: the error of a sum is bounded in ulps of its terms, not of what is left when they cancel.
                Reduce::Add => Domain::Any(0.5, 4.0),
                _ => Domain::Any(-4.0, 4.0),
            };
            let case = |axes: &[usize]| {
                let case = Case::new(Scatter { axes: axes.into(), reduce });
                match reduce {
                    // Partial products overflow where the oracle's, in f64, do not.
                    Reduce::Multiply => case.ulps(8.0).no_edges(),
                    Reduce::Add => case.ulps(8.0),
                    _ => case.exact(),
                }
            };
            cases.extend([
                case(&[0]).input(&[5, 3], any()).input(&[4, 1, 3], any()).input(&[4], ints(-5, 4)),
                case(&[1]).input(&[2, 5], any()).input(&[3, 2, 2], any()).input(&[3], ints(-9, 9)),
                case(&[0, 2])
                    .input(&[3, 2, 4], any())
                    .input(&[2, 3, 1, 2, 1], any())
                    .input(&[2, 3], ints(-3, 2))
                    .input(&[2, 3], ints(0, 3)),
                case(&[0]).input(&[6], any()).input(&[1], any()).input(&[], ints(0, 5)),
                case(&[0]).input(&[3, 2], any()).input(&[0, 1, 2], any()).input(&[0], ints(0, 1)),
            ]);
            if !matches!(reduce, Reduce::Maximum | Reduce::Minimum) {
                let part = || Domain::Of(crate::dtype::Dtype::C64, 0.5, 2.0);
                let complex = case(&[0]).input(&[3, 2], part()).input(&[5, 1, 2], part()).input(&[5], ints(-3, 2));
                cases.push(complex.no_edges());
            }
        }
        // Several exact zeros in one place: a derivative by division would lose what multiplies both.
        let zeros = |values: &[f64]| Domain::Exact(crate::dtype::Dtype::F64, values.to_vec());
        cases.push(
            Case::new(Scatter { axes: [0].as_slice().into(), reduce: Reduce::Multiply })
                .input(&[3], zeros(&[2.0, 0.0, -1.5]))
                .input(&[6, 1], zeros(&[0.0, 3.0, 0.0, 2.0, 0.0, 1.5]))
                .input(&[6], Domain::Exact(crate::dtype::Dtype::I32, vec![0.0, 0.0, 0.0, 1.0, 2.0, 2.0]))
                .ulps(8.0)
                .no_edges(),
        );
        cases
    }
}
