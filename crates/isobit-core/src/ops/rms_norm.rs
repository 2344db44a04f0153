//! Root-mean-square normalisation.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Specs, Vjp, Vmap, batched_front};
use crate::spec::Spec;
use smallvec::smallvec;

/// `x / sqrt(mean(x^2) + eps) * weight` over the last axis (Zhang and Sennrich, 2019).
///
/// # Shapes
/// `x`: any with at least one axis; `weight`: the size of the last axis.
///
/// # Dtypes
/// Floats, promoted. float16 and bfloat16 are computed in float32 and rounded once.
///
/// # Gradients
/// With respect to `x` and `weight`.
///
/// # Errors
/// A scalar `x`, a `weight` of another shape, no floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, -3.0], &[2])?;
/// let weight = Array::from_slice(&[2.0f32, 0.5], &[2])?;
/// assert_eq!(ops::rms_norm(&a, Some(&weight), 0.0)?.to_vec::<f32>()?, [2.0, -0.5]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn rms_norm(x: &Array, weight: Option<&Array>, eps: f32) -> Result<Array> {
    let dtype = weight.map_or(x.dtype(), |w| x.dtype().promote(w.dtype()));
    let x = super::astype(x, dtype)?;
    let prim = RmsNorm { eps: eps.to_bits() };
    match weight {
        None => apply(prim, &[&x]),
        Some(w) => apply(prim, &[&x, &super::astype(w, dtype)?]),
    }
}

/// The primitive of [`rms_norm`]: inputs `x` and perhaps `weight`, of one dtype.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RmsNorm {
    eps: u32,
}

impl RmsNorm {
    /// What is added to the mean square.
    pub fn eps(&self) -> f32 {
        f32::from_bits(self.eps)
    }
}

/// `x` of a normalisation, with its weights checked: all 1-d of the last axis' size and of the dtype of `x`.
pub(crate) fn norm_spec(op: &'static str, inputs: &[Spec]) -> Result<Spec> {
    let x = &inputs[0];
    let Some(&n) = x.shape.last() else {
        return Err(Error::value(op, "expected x of at least one dimension, got a scalar"));
    };
    if !x.dtype.is_float() {
        return Err(Error::dtype(op, format!("expected a real floating dtype, got {}", x.dtype)));
    }
    for w in &inputs[1..] {
        if w.shape.as_slice() != [n] || w.dtype != x.dtype {
            let (shape, dtype) = (w.shape.as_slice(), w.dtype);
            return Err(Error::value(
                op,
                format!("expected weights of shape [{n}] and {}, got {dtype} {shape:?}", x.dtype),
            ));
        }
    }
    Ok(x.clone())
}

/// The dtype in which a fused operation computes elements of `dtype`.
pub(crate) fn compute_dtype(dtype: Dtype) -> Dtype {
    if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 }
}

/// `scalar` as an array that does not widen `like`.
pub(crate) fn weak(scalar: f64, like: &Array) -> Array {
    Array::scalar(scalar, like.dtype())
}

impl Fused for RmsNorm {
    const NAME: &'static str = "rms_norm";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(smallvec![norm_spec("rms_norm", inputs)?])
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let to = compute_dtype(inputs[0].dtype());
        let x = super::astype(&inputs[0], to)?;
        let mean = super::mean(&super::square(&x)?, -1isize, true)?;
        let scale = super::rsqrt(&super::add(&mean, &weak(f64::from(self.eps()), &mean))?)?;
        let mut out = super::multiply(&x, &scale)?;
        if let Some(w) = inputs.get(1) {
            out = super::multiply(&out, &super::astype(w, to)?)?;
        }
        Ok(vec![super::astype(&out, inputs[0].dtype())?])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let found = super::norm_vjp::norm_vjp(&cx.inputs[0], &cx.ct()?, cx.inputs.get(1), (false, false), self.eps())?;
        Ok(found.into_iter().zip(cx.wanted).map(|(g, &wanted)| wanted.then_some(g)).collect())
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if cx.axes[1..].iter().any(Option::is_some) {
            return cx.each(|xs| Ok(vec![apply(self.clone(), &xs.iter().collect::<Vec<_>>())?]));
        }
        let mut xs = vec![cx.front(0)?];
        xs.extend_from_slice(&cx.inputs[1..]);
        batched_front(apply(self.clone(), &xs.iter().collect::<Vec<_>>())?)
    }

    fn cases() -> Cases {
        let real = || Domain::Real(-2.0, 2.0);
        let case = |shape: &[usize]| Case::new(RmsNorm { eps: 1e-5f32.to_bits() }).input(shape, real()).ulps(8.0);
        vec![
            case(&[7]),
            case(&[2, 5]).input(&[5], real()),
            case(&[2, 1, 3]).input(&[3], real()),
            case(&[3, 130]).input(&[130], real()),
            case(&[0, 4]).input(&[4], real()),
        ]
    }
}

crate::primitive_via!(Fused, RmsNorm);
