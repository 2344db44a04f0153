//! Scaled dot-product attention.

use super::rms_norm::{compute_dtype, weak};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Operand, Specs, Vjp, Vmap, batched_front};
use crate::spec::{Shape, Spec};
use smallvec::smallvec;

/// Which keys a query sees.
#[derive(Clone, Copy, Default)]
pub enum Mask<'a> {
    /// All of them.
    #[default]
    None,
    /// Query `i` of `Lq` sees key `j` of `Lk` if `j <= i + Lk - Lq`.
    Causal,
    /// A bool array (`true` is seen) or a float array that is added to the scores; broadcasts to `[B, Hq, Lq, Lk]`.
    Array(&'a Array),
}

/// `softmax(scale * q @ k.T + mask) @ v` per head, with grouped heads: `Hq` a multiple of `Hkv`, query head `h` uses key
/// head `h / (Hq / Hkv)`.
///
/// `sinks`, one number per query head, takes part in the softmax as the score of a key without a value. A query that
/// sees no key gives zeros.
///
/// # Shapes
/// `q`: `[B, Hq, Lq, D]`, `k`: `[B, Hkv, Lk, D]`, `v`: `[B, Hkv, Lk, Dv]`, `sinks`: `[Hq]`; result `[B, Hq, Lq, Dv]`.
///
/// # Dtypes
/// Floats, promoted; computed in float32 (float64 for float64) and rounded once.
///
/// # Gradients
/// With respect to `q`, `k`, `v`, a float mask and `sinks`.
///
/// # Errors
/// Shapes that do not fit together, no floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// // Two keys that match a query equally well: the mean of their values.
/// let q = Array::from_slice(&[1.0f32, 0.0], &[1, 1, 1, 2])?;
/// let k = Array::from_slice(&[0.0f32, 1.0, 0.0, 2.0], &[1, 1, 2, 2])?;
/// let v = Array::from_slice(&[4.0f32, 8.0, 6.0, 0.0], &[1, 1, 2, 2])?;
/// assert_eq!(ops::scaled_dot_product_attention(&q, &k, &v, 1.0, ops::Mask::None, None)?.to_vec::<f32>()?, [5.0, 4.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn scaled_dot_product_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f32,
    mask: Mask<'_>,
    sinks: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "scaled_dot_product_attention";
    let dtype = q.dtype().promote(k.dtype()).promote(v.dtype());
    let mut inputs = vec![super::astype(q, dtype)?, super::astype(k, dtype)?, super::astype(v, dtype)?];
    if q.ndim() != 4 || k.ndim() != 4 || v.ndim() != 4 {
        let (a, b, c) = (q.shape(), k.shape(), v.shape());
        return Err(Error::value(OP, format!("expected 4-dimensional q, k and v, got {a:?}, {b:?} and {c:?}")));
    }
    if let Mask::Array(m) = mask {
        let m = match m.dtype() {
            Dtype::Bool => m.clone(),
            d if d.is_float() => m.clone(),
            d => return Err(Error::dtype(OP, format!("expected a bool or floating mask, got {d}"))),
        };
        inputs.push(super::broadcast_to(&m, &[q.shape()[0], q.shape()[1], q.shape()[2], k.shape()[2]])?);
    }
    if let Some(s) = sinks {
        if dtype.promote(s.dtype()) != dtype {
            return Err(Error::dtype(OP, format!("expected sinks that promote to {dtype}, got {}", s.dtype())));
        }
        inputs.push(s.clone());
    }
    let prim = Sdpa {
        scale: scale.to_bits(),
        causal: matches!(mask, Mask::Causal),
        mask: matches!(mask, Mask::Array(_)),
        sinks: sinks.is_some(),
    };
    apply(prim, &inputs.iter().collect::<Vec<_>>())
}

/// The primitive of [`scaled_dot_product_attention`]: inputs `q`, `k`, `v` of one dtype, then a mask of the scores' full
/// shape and sinks, as far as there are any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sdpa {
    scale: u32,
    causal: bool,
    mask: bool,
    sinks: bool,
}

impl Sdpa {
    pub(super) fn new(scale: f32, causal: bool, mask: bool, sinks: bool) -> Sdpa {
        Sdpa { scale: scale.to_bits(), causal, mask, sinks }
    }

    /// Factor of the scores.
    pub fn scale(&self) -> f32 {
        f32::from_bits(self.scale)
    }

    /// Whether the mask is the causal one.
    pub fn causal(&self) -> bool {
        self.causal
    }

    /// Position of the mask among the inputs.
    pub fn mask(&self) -> Option<usize> {
        self.mask.then_some(3)
    }

    /// Position of the sinks among the inputs.
    pub fn sinks(&self) -> Option<usize> {
        self.sinks.then_some(3 + usize::from(self.mask))
    }

    fn check(&self, x: &[Spec]) -> Result<Spec> {
        let (q, k, v) = (&x[0], &x[1], &x[2]);
        let [b, hq, lq, d] = q.shape[..] else { return Err(misfit(x)) };
        let [kb, hkv, lk, kd] = k.shape[..] else { return Err(misfit(x)) };
        let [vb, vh, vl, dv] = v.shape[..] else { return Err(misfit(x)) };
        let heads = if hkv == 0 { hq == 0 } else { hq % hkv == 0 };
        if (kb, vb, vh, vl, kd) != (b, b, hkv, lk, d) || !heads || k.dtype != q.dtype || v.dtype != q.dtype {
            return Err(misfit(x));
        }
        if !q.dtype.is_float() {
            let dtype = q.dtype;
            return Err(Error::dtype(
                "scaled_dot_product_attention",
                format!("expected a real floating dtype, got {dtype}"),
            ));
        }
        if self.mask().is_some_and(|i| x[i].shape.as_slice() != [b, hq, lq, lk])
            || self.sinks().is_some_and(|i| x[i].shape.as_slice() != [hq] || !x[i].dtype.is_float())
            || self.mask().is_some_and(|i| !(x[i].dtype.is_float() || x[i].dtype == Dtype::Bool))
        {
            return Err(misfit(x));
        }
        Ok(Spec { shape: Shape::from_slice(&[b, hq, lq, dv]), dtype: q.dtype })
    }
}

fn misfit(x: &[Spec]) -> Error {
    let all: Vec<String> = x.iter().map(|s| format!("{} {:?}", s.dtype, s.shape.as_slice())).collect();
    Error::value(
        "scaled_dot_product_attention",
        format!(
            "expected q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv], Hq a multiple of Hkv, a mask that \
             broadcasts to [B, Hq, Lq, Lk], sinks [Hq]; got {}",
            all.join(", ")
        ),
    )
}

impl Fused for Sdpa {
    const NAME: &'static str = "sdpa";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(smallvec![self.check(inputs)?])
    }

    fn decompose(&self, x: &[Array]) -> Result<Vec<Array>> {
        let out = self.check(&x.iter().map(|a| a.spec().clone()).collect::<Vec<_>>())?;
        let to = compute_dtype(out.dtype);
        let (b, hq, lq, dv) = (out.shape[0], out.shape[1], out.shape[2], out.shape[3]);
        let (hkv, lk) = (x[1].shape()[1], x[1].shape()[2]);
        if out.size() == 0 || lk == 0 {
            return Ok(vec![super::zeros(&out.shape, out.dtype)?]);
        }
        // Heads in groups: [B, Hkv, group, L, .] against [B, Hkv, 1, L, .]
        let group = hq / hkv;
        let split = |a: &Array| {
            let mut s: Vec<isize> = a.shape().iter().map(|&n| n as isize).collect();
            s.splice(1..2, [hkv as isize, group as isize]);
            super::reshape(a, &s)
        };
        let f = |a: &Array| super::astype(a, to);
        let q = split(&f(&x[0])?)?;
        let (k, v) = (super::expand_dims(&f(&x[1])?, 2)?, super::expand_dims(&f(&x[2])?, 2)?);
        let scores = super::matmul(&q, &super::swapaxes(&k, -1, -2)?)?;
        let mut scores = super::multiply(&scores, &weak(f64::from(self.scale()), &scores))?;
        let hidden = weak(f64::NEG_INFINITY, &scores);
        if self.causal {
            let first = lk as i64 - lq as i64;
            let rows = super::arange(first, first + lq as i64, 1, Dtype::I32)?;
            let seen =
                super::greater_equal(&super::expand_dims(&rows, 1)?, &super::arange(0, lk as i64, 1, Dtype::I32)?)?;
            scores = super::where_(&seen, &scores, &hidden)?;
        }
        if let Some(i) = self.mask() {
            let m = split(&x[i])?;
            scores = if x[i].dtype() == Dtype::Bool {
                super::where_(&m, &scores, &hidden)?
            } else {
                super::add(&scores, &f(&m)?)?
            };
        }
        // The softmax, safe for rows in which nothing is seen: they sum to 0 and give 0.
        let sinks =
            self.sinks().map(|i| super::reshape(&f(&x[i])?, &[hkv as isize, group as isize, 1, 1])).transpose()?;
        let mut top = super::max(&scores, -1isize, true)?;
        if let Some(s) = &sinks {
            top = super::maximum(&top, s)?;
        }
        let floor = weak(f64::NEG_INFINITY, &top);
        let top = super::stop_gradient(&super::where_(&super::equal(&top, &floor)?, &weak(0.0, &top), &top)?)?;
        let p = super::exp(&super::subtract(&scores, &top)?)?;
        let mut total = super::sum(&p, -1isize, true)?;
        if let Some(s) = &sinks {
            total = super::add(&total, &super::exp(&super::subtract(s, &top)?)?)?;
        }
        let zero = weak(0.0, &total);
        let total = super::where_(&super::equal(&total, &zero)?, &weak(1.0, &total), &total)?;
        // Adding 0 turns -0 into 0, so that masked values do not show in a zero's sign.
        let y = super::divide(&super::matmul(&p, &v)?, &total)?;
        let y = super::add(&y, &weak(0.0, &y))?;
        let y = super::reshape(&y, &[b as isize, hq as isize, lq as isize, dv as isize])?;
        Ok(vec![super::astype(&y, out.dtype)?])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mask_too = self.mask().is_some_and(|i| cx.wanted(i) && cx.inputs[i].dtype().is_float());
        let found = super::sdpa_vjp::sdpa_vjp(self, cx.inputs, &cx.ct()?, mask_too)?;
        let targets = (0..3).chain(self.mask().filter(|_| mask_too)).chain(self.sinks());
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        for (i, g) in targets.zip(found) {
            grads[i] = cx.wanted(i).then_some(g);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if self.sinks().is_some_and(|i| cx.batched(i)) {
            return cx.each(|xs| Ok(vec![apply(self.clone(), &xs.iter().collect::<Vec<_>>())?]));
        }
        // The batch goes into the batch axis: heads, and so the group factor, stay as they are.
        let last = self.sinks().unwrap_or(cx.inputs.len());
        let mut all = Vec::with_capacity(cx.inputs.len());
        for i in 0..last {
            let x = cx.front_full(i)?;
            let mut shape: Vec<isize> = x.shape().iter().map(|&n| n as isize).collect();
            let inner = shape.remove(1);
            shape[0] *= inner;
            all.push(super::reshape(&x, &shape)?);
        }
        all.extend_from_slice(&cx.inputs[last..]);
        let out = apply(self.clone(), &all.iter().collect::<Vec<_>>())?;
        let mut shape: Vec<isize> = out.shape().iter().map(|&n| n as isize).collect();
        shape.splice(0..1, [cx.size as isize, out.shape()[0].checked_div(cx.size).unwrap_or(0) as isize]);
        if cx.size == 0 {
            shape[1] = cx.inner_batch() as isize;
        }
        batched_front(super::reshape(&out, &shape)?)
    }

    fn cases() -> Cases {
        let real = || Domain::Real(-1.5, 1.5);
        let case = |hq: usize, hkv: usize, lq: usize, lk: usize, dv: usize, kind: &str| {
            let sinks = kind.contains("sinks");
            let causal = kind.contains("causal");
            let (boolean, additive) = (kind.contains("bool"), kind.contains("add"));
            let prim = Sdpa { scale: 0.5f32.to_bits(), causal, mask: boolean || additive, sinks };
            let mut case = Case::new(prim)
                .input(&[2, hq, lq, 4], real())
                .input(&[2, hkv, lk, 4], real())
                .input(&[2, hkv, lk, dv], real())
                .ulps(64.0)
                .sums(lk + 4)
                .no_edges();
            if boolean || additive {
                let domain = if boolean { Domain::Bool } else { real() };
                case.inputs.push(Operand { shape: Shape::from_slice(&[2, hq, lq, lk]), domain });
            }
            if sinks { case.input(&[hq], real()) } else { case }
        };
        vec![
            case(4, 4, 3, 5, 4, ""),
            case(4, 2, 3, 5, 3, "causal"),
            case(4, 1, 1, 7, 5, ""),
            case(4, 2, 5, 3, 4, "causal"),
            case(4, 2, 2, 5, 4, "bool"),
            case(2, 1, 2, 5, 4, "add sinks"),
            case(2, 2, 3, 3, 4, "causal sinks"),
            case(2, 1, 2, 70, 3, "causal"),
            case(2, 1, 0, 3, 4, ""),
        ]
    }
}

impl Vmap<'_> {
    /// The size of input 0's first axis without the batch.
    pub(super) fn inner_batch(&self) -> usize {
        match self.axes[0] {
            Some(0) => self.inputs[0].shape()[1],
            _ => self.inputs[0].shape()[0],
        }
    }
}

crate::primitive_via!(Fused, Sdpa);
