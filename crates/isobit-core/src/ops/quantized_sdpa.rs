//! Scaled dot-product attention to quantized keys and values.

use super::quantize::{Quantized, check_specs};
use super::rms_norm::compute_dtype;
use super::sdpa::{Mask, Sdpa};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap, batched_front};
use crate::quant::{Format, Mode};
use crate::spec::Spec;

/// [`scaled_dot_product_attention`](super::scaled_dot_product_attention) to keys and values in an affine format, without
/// dequantizing them in memory.
///
/// The bits are those of attention in float32 to the dequantized keys and values, rounded to the queries' dtype once: a row
/// depends on its query and the keys that it sees alone, as with floats.
///
/// # Shapes
/// `q`: `[B, Hq, Lq, D]`, codes of the keys `[B, Hkv, Lk, D * bits / 32]`, their scales and biases
/// `[B, Hkv, Lk, D / group_size]`, those of the values likewise with `Dv`, `sinks`: `[Hq]`; result `[B, Hq, Lq, Dv]`.
///
/// # Dtypes
/// Queries, scales and biases are floats; computed in float32 (float64 queries: in float64). The result has the dtype of `q`.
///
/// # Gradients
/// With respect to `q`, scales and biases, a float mask and `sinks`.
///
/// # Errors
/// Shapes that do not fit together, a format that is not affine, no floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// # use isobit::quant::{Format, Mode};
/// // One key gets all the weight: the result is its value, as it was stored.
/// let (q, k) = (ops::ones(&[1, 1, 1, 32], Dtype::F32)?, ops::ones(&[1, 1, 1, 32], Dtype::F32)?);
/// let v = ops::reshape(&ops::arange(0, 32, 1, Dtype::F32)?, &[1, 1, 1, 32])?;
/// let format = Format::new(Mode::Affine, Some(32), Some(8))?;
/// let (k, v) = (ops::quantize(&k, format, None)?, ops::quantize(&v, format, None)?);
/// let out = ops::quantized_scaled_dot_product_attention(&q, &k, &v, format, 1.0, ops::Mask::None, None)?;
/// let stored = ops::dequantize(&v.codes, &v.scales, v.biases.as_ref(), format, None, None)?;
/// assert_eq!(out.to_vec::<f32>()?, stored.to_vec::<f32>()?);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn quantized_scaled_dot_product_attention(
    q: &Array,
    keys: &Quantized,
    values: &Quantized,
    format: Format,
    scale: f32,
    mask: Mask<'_>,
    sinks: Option<&Array>,
) -> Result<Array> {
    let mut inputs = vec![q.clone()];
    for x in [keys, values] {
        let Some(biases) = x.biases.as_ref().filter(|_| format.mode() == Mode::Affine) else {
            let got = format.mode().name();
            return Err(Error::value(QuantizedSdpa::NAME, format!("expected an affine format with biases, got {got}")));
        };
        inputs.extend([x.codes.clone(), x.scales.clone(), biases.clone()]);
    }
    if let Mask::Array(m) = mask {
        if q.ndim() != 4 || keys.codes.ndim() != 4 {
            let (a, b) = (q.shape(), keys.codes.shape());
            return Err(Error::value(
                QuantizedSdpa::NAME,
                format!("expected 4-dimensional queries and keys, got {a:?} and {b:?}"),
            ));
        }
        let (q, k) = (q.shape(), keys.codes.shape());
        inputs.push(super::broadcast_to(m, &[q[0], q[1], q[2], k[2]])?);
    }
    inputs.extend(sinks.cloned());
    let forward = Sdpa::new(scale, matches!(mask, Mask::Causal), matches!(mask, Mask::Array(_)), sinks.is_some());
    apply(QuantizedSdpa { forward, format }, &inputs.iter().collect::<Vec<_>>())
}

/// The primitive of [`quantized_scaled_dot_product_attention`]: inputs `q`, then codes, scales and biases of the keys and of
/// the values, then a mask and sinks as in the attention to floats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedSdpa {
    forward: Sdpa,
    format: Format,
}

/// How much further back mask and sinks are than in the attention to floats.
const SHIFT: usize = 4;

impl QuantizedSdpa {
    /// The attention to floats: its inputs are `q`, the dequantized keys and values, and what comes after them.
    pub fn forward(&self) -> &Sdpa {
        &self.forward
    }

    /// The format of keys and values.
    pub fn format(&self) -> Format {
        self.format
    }

    fn given(&self) -> usize {
        3 + SHIFT + usize::from(self.forward.mask().is_some()) + usize::from(self.forward.sinks().is_some())
    }
}

impl Fused for QuantizedSdpa {
    const NAME: &'static str = "quantized_sdpa";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if inputs.len() != self.given() || self.format.mode() != Mode::Affine {
            let (want, got) = (self.given(), inputs.len());
            return Err(Error::value(Self::NAME, format!("expected {want} inputs in an affine format, got {got}")));
        }
        check_specs(Self::NAME, &inputs[1..4], self.format)?;
        check_specs(Self::NAME, &inputs[4..7], self.format)?;
        let dense = |codes: &Spec| {
            let mut shape = codes.shape.clone();
            let last = shape.len() - 1;
            shape[last] = self.format.codes(shape[last]);
            Spec { shape, dtype: inputs[0].dtype }
        };
        let mut floats = vec![inputs[0].clone(), dense(&inputs[1]), dense(&inputs[4])];
        floats.extend_from_slice(&inputs[7..]);
        self.forward.infer(&floats)
    }

    fn decompose(&self, x: &[Array]) -> Result<Vec<Array>> {
        let dtype = x[0].dtype();
        let to = compute_dtype(dtype);
        let dense = |i: usize| {
            let (scales, biases) = (super::astype(&x[i + 1], to)?, super::astype(&x[i + 2], to)?);
            super::dequantize(&x[i], &scales, Some(&biases), self.format, None, Some(to))
        };
        let mut floats = vec![super::astype(&x[0], to)?, dense(1)?, dense(4)?];
        floats.extend_from_slice(&x[7..]);
        let out = apply(self.forward.clone(), &floats.iter().collect::<Vec<_>>())?;
        Ok(vec![super::astype(&out, dtype)?])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let sinks = self.forward.sinks().map(|i| i + SHIFT);
        if sinks.is_some_and(|i| cx.batched(i)) {
            return cx.each(|xs| Ok(vec![apply(self.clone(), &xs.iter().collect::<Vec<_>>())?]));
        }
        // The batch goes into the batch axis, as in the attention to floats.
        let last = sinks.unwrap_or(cx.inputs.len());
        let mut all = Vec::with_capacity(cx.inputs.len());
        for i in 0..last {
            let x = cx.front_full(i)?;
            let mut shape: Vec<isize> = x.shape()[1..].iter().map(|&n| n as isize).collect();
            shape[0] *= cx.size as isize;
            all.push(super::reshape(&x, &shape)?);
        }
        all.extend_from_slice(&cx.inputs[last..]);
        let out = apply(self.clone(), &all.iter().collect::<Vec<_>>())?;
        let mut shape: Vec<isize> = out.shape().iter().map(|&n| n as isize).collect();
        shape.splice(0..1, [cx.size as isize, cx.inner_batch() as isize]);
        batched_front(super::reshape(&out, &shape)?)
    }

    fn cases() -> Cases {
        let case = |(bits, group): (usize, usize), [hq, hkv]: [usize; 2], [lq, lk]: [usize; 2], kind: &str| {
            let format = Format::new(Mode::Affine, Some(group), Some(bits)).ok()?;
            let (additive, sinks) = (kind.contains("add"), kind.contains("sinks"));
            let forward = Sdpa::new(0.5, kind.contains("causal"), additive, sinks);
            // Numbers up to about 2, whatever the width of the codes. Small queries, so that no key gets all the weight, and
            // smaller ones for wide codes: a score goes with query times code when a scale changes, and differences see
            // the third power of that.
            let scale = 1.0 / f64::from(1u32 << bits);
            let large = (3.2 * scale).min(0.2);
            let mut case = Case::new(QuantizedSdpa { forward, format })
                .input(&[2, hq, lq, group], Domain::Real(-large, large))
                .ulps(64.0)
                .accumulates(lk + group, 8.0)
                .no_edges();
            for _ in 0..2 {
                case = case
                    .input(&[2, hkv, lk, format.words(group)], Domain::Of(Dtype::U32, 0.0, f64::from(u32::MAX)))
                    .input(&[2, hkv, lk, 1], Domain::Real(scale, 2.0 * scale))
                    .input(&[2, hkv, lk, 1], Domain::Real(-1.0, 0.0));
            }
            if additive {
                case = case.input(&[2, hq, lq, lk], Domain::Real(-1.0, 1.0));
            }
            Some(if sinks { case.input(&[hq], Domain::Real(-1.0, 1.0)) } else { case })
        };
        let all = [
            case((4, 32), [4, 2], [1, 5], ""),
            case((8, 32), [2, 1], [3, 5], "causal"),
            case((2, 32), [2, 2], [2, 3], "add"),
            case((3, 32), [2, 1], [1, 3], "sinks"),
            case((5, 32), [1, 1], [2, 2], "causal"),
            case((6, 32), [2, 1], [1, 70], ""),
            case((4, 64), [2, 1], [0, 3], ""),
        ];
        all.into_iter().flatten().collect()
    }
}

crate::primitive_via!(Fused, QuantizedSdpa);
