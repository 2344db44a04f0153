//! First-order linear recurrence along an axis.

use super::scan::Scan;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Spec, broadcast_shapes, resolve_axis};
use smallvec::smallvec;

/// `h[i] = a[i] * h[i - 1] + b[i]` along `axis`, starting with `h[0] = b[0]`; `reverse` starts at the last element.
///
/// The scan behind state-space models and the derivatives of the cumulative operations.
///
/// # Shapes
/// `a` and `b` broadcast together.
///
/// # Dtypes
/// Floats, promoted. In half precision the state is kept in float32 and each element is rounded once.
///
/// # Gradients
/// Recurrences in the other direction.
///
/// # Errors
/// Shapes that do not broadcast, an axis out of range, dtypes that are not floats.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[0.5f32, 0.5, 0.5], &[3])?;
/// let b = Array::from_slice(&[1.0f32, 1.0, 1.0], &[3])?;
/// assert_eq!(ops::linear_recurrence(&a, &b, 0, false)?.to_vec::<f32>()?, [1.0, 1.5, 1.75]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn linear_recurrence(a: &Array, b: &Array, axis: isize, reverse: bool) -> Result<Array> {
    let op = "linear_recurrence";
    let dtype = super::require_inexact(op, a.dtype().promote(b.dtype()))?;
    let shape = broadcast_shapes(op, a.shape(), b.shape())?;
    let scan = Scan { axis: resolve_axis(op, axis, shape.len())?, reverse, inclusive: true };
    let full = |x: &Array| super::broadcast_to(&super::astype(x, dtype)?, &shape);
    apply(LinearRecurrence { scan }, &[&full(a)?, &full(b)?])
}

/// The primitive of [`linear_recurrence`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinearRecurrence {
    scan: Scan,
}

impl LinearRecurrence {
    /// Axis and direction.
    pub fn scan(&self) -> Scan {
        self.scan
    }
}

impl Primitive for LinearRecurrence {
    const NAME: &'static str = "linear_recurrence";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        super::require_inexact(Self::NAME, inputs[0].dtype)?;
        if inputs[0] != inputs[1] {
            return Err(Error::value(
                Self::NAME,
                format!("expected inputs of one shape and dtype, got {:?} and {:?}", inputs[0], inputs[1]),
            ));
        }
        crate::prim::one(inputs[0].clone())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let of_a = match &cx.tangents[0] {
            Some(t) => Some(super::multiply(t, &self.scan.before(&cx.outs[0], 0.0)?)?),
            None => None,
        };
        let own = match (of_a, &cx.tangents[1]) {
            (Some(x), Some(y)) => super::add(&x, y)?,
            (Some(x), None) => x,
            (None, Some(y)) => y.clone(),
            (None, None) => return crate::prim::no_tangent(),
        };
        crate::prim::tangent(self.scan.recur(&cx.inputs[0], &own)?)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let of_b = self.scan.recur_back(&super::conj(&cx.inputs[0])?, &cx.ct()?)?;
        let of_a = match cx.wanted(0) {
            true => Some(super::multiply(&of_b, &super::conj(&self.scan.before(&cx.outs[0], 0.0)?)?)?),
            false => None,
        };
        Ok(smallvec![of_a, cx.wanted(1).then_some(of_b)])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let prim = LinearRecurrence { scan: self.scan.batched() };
        crate::prim::batched_front(apply(prim, &[&cx.front_full(0)?, &cx.front_full(1)?])?)
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], axis, reverse| {
            let scan = Scan { axis, reverse, inclusive: true };
            Case::new(LinearRecurrence { scan })
                .input(shape, Domain::Real(-1.0, 1.0))
                .input(shape, Domain::Real(-4.0, 4.0))
                .sums(40)
        };
        let complex = |shape: &[usize], axis, reverse| {
            let scan = Scan { axis, reverse, inclusive: true };
            Case::new(LinearRecurrence { scan })
                .input(shape, Domain::Of(Dtype::C64, -0.7, 0.7))
                .input(shape, Domain::Of(Dtype::C64, -4.0, 4.0))
                .sums(40)
                .no_edges()
        };
        vec![
            case(&[7], 0, false),
            case(&[7], 0, true),
            case(&[3, 40], 1, false),
            case(&[40, 3], 0, true),
            case(&[2, 3, 2], 1, false),
            case(&[0, 2], 0, false),
            case(&[2, 1], 1, true),
            complex(&[7], 0, false),
            complex(&[3, 40], 1, true),
            complex(&[2, 3, 2], 1, false),
        ]
    }
}
