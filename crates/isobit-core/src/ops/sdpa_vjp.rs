//! The reverse derivative of scaled dot-product attention, from its inputs alone.

use super::sdpa::Sdpa;
use crate::array::{Array, apply_multi};
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;

/// The cotangents of the inputs of an attention `forward`, given that of its result, `ct`.
///
/// With `w = softmax(scale * q @ k.T + mask)` and `g = ct @ v.T`: `ds = w * (g - sum(w * g))` over a row, `dq = scale * ds @ k`,
/// `dk = scale * ds.T @ q`, `dv = w.T @ ct`, summed over the query heads that share a key head; the mask's is `ds` and that
/// of a sink `-w(sink) * sum(w * g)`, summed over batches and queries.
///
/// # Shapes
/// `inputs`: those of the attention, `ct`: its result's. The results: those of `q`, `k` and `v`, then of the mask if
/// `mask_too`, then of the sinks if there are any.
///
/// # Dtypes
/// As in the attention; each result has its input's dtype and is rounded once.
///
/// # Gradients
/// With respect to all inputs but a mask of bools.
///
/// # Errors
/// Shapes or dtypes that do not fit.
pub(crate) fn sdpa_vjp(forward: &Sdpa, inputs: &[Array], ct: &Array, mask_too: bool) -> Result<Vec<Array>> {
    let all: Vec<&Array> = inputs.iter().chain([ct]).collect();
    apply_multi(SdpaVjp { forward: forward.clone(), mask_too }, &all)
}

/// The primitive of `sdpa_vjp`: the inputs of the attention, then the cotangent of its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SdpaVjp {
    forward: Sdpa,
    mask_too: bool,
}

impl SdpaVjp {
    /// The attention whose derivative this is; its inputs have the same places here.
    pub fn forward(&self) -> &Sdpa {
        &self.forward
    }

    /// Whether the mask's cotangent is among the results, after those of `q`, `k` and `v`.
    pub fn mask_too(&self) -> bool {
        self.mask_too
    }

    /// The inputs that have a cotangent among the results, in their order.
    fn targets(&self) -> Vec<usize> {
        let mask = self.forward.mask().filter(|_| self.mask_too);
        (0..3).chain(mask).chain(self.forward.sinks()).collect()
    }
}

impl Fused for SdpaVjp {
    const NAME: &'static str = "sdpa_vjp";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let given = inputs.len().saturating_sub(1);
        if given != 3 + usize::from(self.forward.mask().is_some()) + usize::from(self.forward.sinks().is_some()) {
            return Err(Error::value(
                "sdpa_vjp",
                format!("expected the attention's inputs and a cotangent, got {given}"),
            ));
        }
        let (x, ct) = (&inputs[..given], &inputs[given]);
        let out = &self.forward.infer(x)?[0];
        if ct != out {
            let (a, b) = (out.shape.as_slice(), ct.shape.as_slice());
            return Err(Error::value(
                "sdpa_vjp",
                format!("expected a cotangent {} {a:?}, got {} {b:?}", out.dtype, ct.dtype),
            ));
        }
        if self.mask_too && !self.forward.mask().is_some_and(|i| x[i].dtype.is_float()) {
            return Err(Error::dtype("sdpa_vjp", "expected a floating mask, as its cotangent is wanted"));
        }
        Ok(self.targets().into_iter().map(|i| x[i].clone()).collect())
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (x, ct) = inputs.split_at(inputs.len() - 1);
        let targets = self.targets();
        let primals: Vec<Array> = targets.iter().map(|&i| x[i].clone()).collect();
        let (_, found) = crate::transforms::vjp(
            |traced| {
                let mut all = x.to_vec();
                for (&i, t) in targets.iter().zip(traced) {
                    all[i] = t.clone();
                }
                self.forward.decompose(&all)
            },
            &primals,
            ct,
        )?;
        Ok(found)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if self.forward.sinks().is_some() {
            // Their cotangent is a sum over the batch axis, which an element of the batch has for itself.
            return cx.each(|xs| apply_multi(self.clone(), &xs.iter().collect::<Vec<_>>()));
        }
        let batch = cx.inner_batch();
        let fold = |i: usize| {
            let x = cx.front_full(i)?;
            let mut shape: Vec<isize> = x.shape()[1..].iter().map(|&n| n as isize).collect();
            shape[0] *= cx.size as isize;
            super::reshape(&x, &shape)
        };
        let all = (0..cx.inputs.len()).map(fold).collect::<Result<Vec<_>>>()?;
        let outs = apply_multi(self.clone(), &all.iter().collect::<Vec<_>>())?;
        let unfold = |x: Array| {
            let mut shape: Vec<isize> = x.shape().iter().map(|&n| n as isize).collect();
            shape.splice(0..1, [cx.size as isize, batch as isize]);
            Ok((super::reshape(&x, &shape)?, Some(0)))
        };
        outs.into_iter().map(unfold).collect()
    }

    fn cases() -> Cases {
        // Those of the attention, with a cotangent; and the mask's cotangent where there can be one.
        let mut all = Cases::new();
        for case in Sdpa::cases() {
            let crate::prim::Prim::Sdpa(forward) = &case.prim else { continue };
            let shape = |i: usize| case.inputs[i].shape.clone();
            let ([b, hq, lq, d], [_, hkv, lk, dv]) = (dims(&shape(0)), dims(&shape(2)));
            let additive = forward.mask().is_some_and(|i| !matches!(case.inputs[i].domain, Domain::Bool));
            for mask_too in [false, true] {
                if mask_too && !additive {
                    continue;
                }
                // Weighted sums, over keys, rows or both, of products of numbers up to about 10.
                let terms = lk.max(lq * hq / hkv.max(1)).max(d).max(dv) * b;
                let mut with = Case::new(SdpaVjp { forward: forward.clone(), mask_too })
                    .ulps(64.0)
                    .accumulates(terms, 32.0)
                    .no_edges();
                with.inputs = case.inputs.clone();
                all.push(with.input(&[b, hq, lq, dv], Domain::Real(-1.5, 1.5)));
            }
        }
        all
    }
}

fn dims(shape: &[usize]) -> [usize; 4] {
    [shape[0], shape[1], shape[2], shape[3]]
}

crate::primitive_via!(Fused, SdpaVjp);
