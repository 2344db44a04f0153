//! Product over axes.

use super::sum::{behind_batch, drop_axes, reduced, reduction_cases, sum_dtype};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Axes, Spec};
use smallvec::SmallVec;

/// The product over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// As [`sum`](super::sum()).
///
/// # Gradients
/// The cotangent times the product of the other elements, which is right for zeros too.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::prod(&a, 1, false)?.to_vec::<i32>()?, [2, 12]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn prod(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("prod", a.ndim())?;
    if axes.is_empty() {
        return super::astype(a, sum_dtype(a.dtype()));
    }
    let out = apply(Prod { axes: axes.clone() }, &[a])?;
    drop_axes(out, &axes, keepdims)
}

/// The primitive of [`prod`]. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prod {
    axes: SmallVec<[usize; 4]>,
}

impl Prod {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// For every element the product of the other elements of its group: what is before it times what is after it.
    fn others(&self, x: &Array) -> Result<Array> {
        if let [axis] = self.axes[..] {
            return around(x, axis as isize);
        }
        // The reduced axes go to the end, become one, and come back.
        let kept: Vec<usize> = (0..x.ndim()).filter(|d| !self.axes.contains(d)).collect();
        let order: Vec<isize> = kept.iter().chain(&self.axes).map(|&d| d as isize).collect();
        let moved = super::transpose(x, order.as_slice())?;
        let count: usize = self.axes.iter().map(|&a| x.shape()[a]).product();
        let mut flat: Vec<isize> = kept.iter().map(|&d| x.shape()[d] as isize).collect();
        flat.push(count as isize);
        let others = around(&super::reshape(&moved, &flat)?, -1)?;
        let others = super::reshape(&others, &super::broadcast::signed(moved.shape()))?;
        let mut back = vec![0isize; x.ndim()];
        for (at, &d) in order.iter().enumerate() {
            back[d as usize] = at as isize;
        }
        super::transpose(&others, back.as_slice())
    }
}

fn around(x: &Array, axis: isize) -> Result<Array> {
    super::multiply(&super::cumprod(x, axis, false, false)?, &super::cumprod(x, axis, true, false)?)
}

impl Primitive for Prod {
    const NAME: &'static str = "prod";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let dtype = sum_dtype(inputs[0].dtype);
        crate::prim::one(Spec { shape: reduced(&inputs[0].shape, &self.axes), dtype })
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        match &cx.tangents[0] {
            Some(t) if cx.outs[0].dtype().is_inexact() => {
                let terms = super::multiply(t, &self.others(&cx.inputs[0])?)?;
                let axes = super::broadcast::signed(&self.axes);
                crate::prim::tangent(super::sum(&terms, axes.as_slice(), true)?)
            }
            _ => crate::prim::no_tangent(),
        }
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        cx.each(|_| super::multiply(&super::conj(&self.others(&cx.inputs[0])?)?, &ct))
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(Prod { axes: behind_batch(&self.axes) }, &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        // Products of extremes overflow or vanish in another order than the oracle's, whose range is wider.
        let case = |axes: &[usize]| Case::new(Prod { axes: axes.into() }).ulps(32.0).no_edges();
        let mut cases = reduction_cases(case, Domain::Any(0.8, 1.25));
        let zeros = |d, v: &[f64]| Domain::Exact(d, v.to_vec());
        use crate::dtype::Dtype::{C64, F64, I8};
        cases.push(case(&[0]).input(&[4], zeros(F64, &[2.0, 0.0, 3.0, -1.0])));
        cases.push(case(&[0, 1]).input(&[2, 3], zeros(F64, &[2.0, 0.0, 3.0, -1.0, 0.0, 1.5])));
        cases.push(case(&[1]).input(&[2, 3], zeros(I8, &[100.0, 100.0, 100.0, -1.0, 0.0, 1.0])).exact());
        cases.push(case(&[0]).input(&[0, 3], Domain::Any(0.0, 1.0)));
        cases.extend(reduction_cases(case, Domain::Of(C64, 0.6, 0.8)));
        cases.push(case(&[0]).input(&[3], zeros(C64, &[2.0, 1.0, 0.0, 0.0, 3.0, -1.0])));
        cases
    }
}
