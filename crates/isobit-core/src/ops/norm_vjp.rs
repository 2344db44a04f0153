//! The reverse derivative of layer and RMS normalisation, in one pass over the rows.

use super::rms_norm::{compute_dtype, norm_spec, weak};
use crate::array::{Array, apply_multi};
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Shape, Spec};
use smallvec::smallvec;

/// The cotangents of `x`, `weight` and `bias` of a normalisation over the last axis, given that of its result.
///
/// With `x̂ = (x - mean) / sqrt(var + eps)` (of RMS normalisation: `x / sqrt(mean(x^2) + eps)`) and `g = ct * weight`:
/// `dx = (g - mean(g) - x̂ mean(g x̂)) / sqrt(var + eps)` (of RMS normalisation: without `mean(g)`), `dweight = sum(ct x̂)` and
/// `dbias = sum(ct)` over all rows.
///
/// # Shapes
/// `x` and `ct`: any shape with at least one axis; `weight`: the size of the last axis. The results have the shapes of `x`,
/// `weight` and `bias`; `weight` and `bias` are left out where the normalisation had none.
///
/// # Dtypes
/// Floats of one dtype. float16 and bfloat16 are computed in float32 and rounded once.
///
/// # Gradients
/// With respect to all three.
///
/// # Errors
/// Shapes or dtypes that differ.
pub(crate) fn norm_vjp(
    x: &Array,
    ct: &Array,
    weight: Option<&Array>,
    (bias, centred): (bool, bool),
    eps: f32,
) -> Result<Vec<Array>> {
    let prim = NormVjp { eps: eps.to_bits(), centred, weight: weight.is_some(), bias, lead: 0 };
    let inputs: Vec<&Array> = [x, ct].into_iter().chain(weight).collect();
    apply_multi(prim, &inputs)
}

/// The primitive of `norm_vjp`: inputs `x`, `ct`, and perhaps `weight`. Rows of different elements of the first `lead` axes
/// have sums of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NormVjp {
    eps: u32,
    centred: bool,
    weight: bool,
    bias: bool,
    lead: usize,
}

impl NormVjp {
    /// What is added to the variance.
    pub fn eps(&self) -> f32 {
        f32::from_bits(self.eps)
    }

    /// Whether the mean is subtracted (layer normalisation).
    pub fn centred(&self) -> bool {
        self.centred
    }

    /// Whether there is a weight, and its cotangent among the outputs.
    pub fn weight(&self) -> bool {
        self.weight
    }

    /// Whether the cotangent of a bias is among the outputs.
    pub fn bias(&self) -> bool {
        self.bias
    }

    /// How many groups of rows have sums of their own, and how many rows a group has.
    pub fn groups(&self, shape: &[usize]) -> (usize, usize) {
        (shape[..self.lead].iter().product(), shape[self.lead..shape.len() - 1].iter().product())
    }
}

impl Fused for NormVjp {
    const NAME: &'static str = "norm_vjp";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, ct) = (&inputs[0], &inputs[1]);
        if x != ct {
            let (a, b) = (x.shape.as_slice(), ct.shape.as_slice());
            return Err(Error::value(
                "norm_vjp",
                format!("expected a cotangent {} {a:?}, got {} {b:?}", x.dtype, ct.dtype),
            ));
        }
        let mut checked = vec![x.clone()];
        checked.extend_from_slice(&inputs[2..]);
        let x = norm_spec("norm_vjp", &checked)?;
        let mut shape = Shape::from_slice(&x.shape[..self.lead]);
        shape.push(x.shape[x.ndim() - 1]);
        let sums = Spec { shape, dtype: x.dtype };
        let mut outs: Specs = smallvec![x];
        outs.extend(std::iter::repeat_n(sums, usize::from(self.weight) + usize::from(self.bias)));
        Ok(outs)
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let dtype = inputs[0].dtype();
        let to = compute_dtype(dtype);
        let (x, ct) = (super::astype(&inputs[0], to)?, super::astype(&inputs[1], to)?);
        let mean = |a: &Array| super::mean(a, -1isize, true);
        let centred = if self.centred { super::subtract(&x, &mean(&x)?)? } else { x.clone() };
        let var = mean(&super::square(&centred)?)?;
        let scale = super::rsqrt(&super::add(&var, &weak(f64::from(self.eps()), &var))?)?;
        let normal = super::multiply(&centred, &scale)?;
        let g = match inputs.get(2) {
            Some(w) => super::multiply(&ct, &super::astype(w, to)?)?,
            None => ct.clone(),
        };
        let along = super::multiply(&normal, &mean(&super::multiply(&g, &normal)?)?)?;
        let rest = if self.centred { super::subtract(&g, &mean(&g)?)? } else { g };
        let dx = super::multiply(&super::subtract(&rest, &along)?, &scale)?;
        let mut outs = vec![super::astype(&dx, dtype)?];
        let shape = inputs[0].shape();
        let (_, rows) = self.groups(shape);
        let mut grouped: Vec<isize> = shape[..self.lead].iter().map(|&n| n as isize).collect();
        grouped.extend([rows as isize, shape[shape.len() - 1] as isize]);
        let total = |a: &Array| {
            let sum = super::sum(&super::reshape(a, &grouped)?, self.lead as isize, false)?;
            super::astype(&sum, dtype)
        };
        if self.weight {
            outs.push(total(&super::multiply(&ct, &normal)?)?);
        }
        if self.bias {
            outs.push(total(&ct)?);
        }
        Ok(outs)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if cx.axes[2..].iter().any(Option::is_some) {
            return cx.each(|xs| apply_multi(self.clone(), &xs.iter().collect::<Vec<_>>()));
        }
        let mut xs = vec![cx.front_full(0)?, cx.front_full(1)?];
        xs.extend_from_slice(&cx.inputs[2..]);
        let prim = NormVjp { lead: self.lead + 1, ..self.clone() };
        let outs = apply_multi(prim, &xs.iter().collect::<Vec<_>>())?;
        Ok(outs.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        let real = || Domain::Real(-2.0, 2.0);
        let case = |shape: &[usize], lead: usize, centred: bool, weight: bool, bias: bool| {
            let n = shape[shape.len() - 1];
            let rows: usize = shape[lead..shape.len() - 1].iter().product();
            // Sums of products of numbers up to about 4, which may cancel. No edges: an infinity in a row makes all of
            // its means infinite or not a number, and which of them depends on the order of the sums.
            let case = Case::new(NormVjp { eps: 1e-2f32.to_bits(), centred, weight, bias, lead })
                .input(shape, real())
                .input(shape, real())
                .ulps(16.0)
                .accumulates(n.max(rows), 16.0)
                .no_edges();
            if weight { case.input(&[n], real()) } else { case }
        };
        vec![
            case(&[7], 0, true, false, false),
            case(&[2, 5], 0, true, true, true),
            case(&[2, 1, 3], 1, true, true, true),
            case(&[2, 4], 0, false, false, false),
            case(&[2, 3, 5], 0, false, true, false),
            case(&[3, 130], 0, true, true, true),
            case(&[300, 3], 0, true, false, true),
            case(&[0, 4], 0, true, true, true),
        ]
    }
}

crate::primitive_via!(Fused, NormVjp);
