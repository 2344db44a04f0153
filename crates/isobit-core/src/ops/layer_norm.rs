//! Layer normalisation.

use super::rms_norm::{compute_dtype, norm_spec, weak};
use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Specs, Vjp, Vmap, batched_front};
use crate::spec::Spec;
use smallvec::smallvec;

/// `(x - mean(x)) / sqrt(var(x) + eps) * weight + bias` over the last axis (Ba, Kiros and Hinton, 2016). The variance
/// is the mean squared deviation from the mean, in two passes.
///
/// # Shapes
/// `x`: any with at least one axis; `weight` and `bias`: the size of the last axis.
///
/// # Dtypes
/// Floats, promoted. float16 and bfloat16 are computed in float32 and rounded once.
///
/// # Gradients
/// With respect to `x`, `weight` and `bias`.
///
/// # Errors
/// A scalar `x`, a `weight` or `bias` of another shape, no floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 3.0], &[2])?;
/// let weight = Array::from_slice(&[2.0f32, 2.0], &[2])?;
/// let bias = Array::from_slice(&[10.0f32, 10.0], &[2])?;
/// assert_eq!(ops::layer_norm(&a, Some(&weight), Some(&bias), 0.0)?.to_vec::<f32>()?, [8.0, 12.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn layer_norm(x: &Array, weight: Option<&Array>, bias: Option<&Array>, eps: f32) -> Result<Array> {
    let dtype = weight.into_iter().chain(bias).fold(x.dtype(), |d, w| d.promote(w.dtype()));
    let mut inputs = vec![super::astype(x, dtype)?];
    for w in weight.into_iter().chain(bias) {
        inputs.push(super::astype(w, dtype)?);
    }
    let prim = LayerNorm { eps: eps.to_bits(), weight: weight.is_some(), bias: bias.is_some() };
    apply(prim, &inputs.iter().collect::<Vec<_>>())
}

/// The primitive of [`layer_norm`]: inputs `x`, then `weight` and `bias` as far as there are any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerNorm {
    eps: u32,
    weight: bool,
    bias: bool,
}

impl LayerNorm {
    /// What is added to the variance.
    pub fn eps(&self) -> f32 {
        f32::from_bits(self.eps)
    }

    /// Position of `weight` among the inputs.
    pub fn weight(&self) -> Option<usize> {
        self.weight.then_some(1)
    }

    /// Position of `bias` among the inputs.
    pub fn bias(&self) -> Option<usize> {
        self.bias.then_some(1 + usize::from(self.weight))
    }
}

impl Fused for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(smallvec![norm_spec("layer_norm", inputs)?])
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let to = compute_dtype(inputs[0].dtype());
        let x = super::astype(&inputs[0], to)?;
        let centred = super::subtract(&x, &super::mean(&x, -1isize, true)?)?;
        let var = super::mean(&super::square(&centred)?, -1isize, true)?;
        let scale = super::rsqrt(&super::add(&var, &weak(f64::from(self.eps()), &var))?)?;
        let mut out = super::multiply(&centred, &scale)?;
        if let Some(i) = self.weight() {
            out = super::multiply(&out, &super::astype(&inputs[i], to)?)?;
        }
        if let Some(i) = self.bias() {
            out = super::add(&out, &super::astype(&inputs[i], to)?)?;
        }
        Ok(vec![super::astype(&out, inputs[0].dtype())?])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let weight = self.weight().map(|i| &cx.inputs[i]);
        let found = super::norm_vjp::norm_vjp(&cx.inputs[0], &cx.ct()?, weight, (self.bias, true), self.eps())?;
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
        let case = |shape: &[usize], weight: bool, bias: bool| {
            let n = shape[shape.len() - 1];
            // Weighted deviations of up to about 4 meet a bias of up to 2 and may cancel.
            let mut case = Case::new(LayerNorm { eps: 1e-5f32.to_bits(), weight, bias })
                .input(shape, real())
                .ulps(8.0)
                .accumulates(n, 4.0);
            for _ in 0..usize::from(weight) + usize::from(bias) {
                case = case.input(&[n], real());
            }
            case
        };
        vec![
            case(&[7], false, false),
            case(&[2, 5], true, true),
            case(&[2, 1, 3], true, false),
            case(&[2, 4], false, true),
            case(&[3, 130], true, true),
            case(&[0, 4], true, true),
        ]
    }
}

crate::primitive_via!(Fused, LayerNorm);
