//! An order of evaluation without a flow of values.

use crate::array::{Array, apply_multi};
use crate::error::Result;
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// `inputs`, evaluated only after `dependencies`.
///
/// # Gradients
/// The identity with respect to `inputs`, zero with respect to `dependencies`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32], &[1])?;
/// let b = Array::from_slice(&[2.0f32], &[1])?;
/// // `b` is computed before whoever reads the results.
/// let out = ops::depends(&[a], &[b])?;
/// assert_eq!(out[0].to_vec::<f32>()?, [1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn depends(inputs: &[Array], dependencies: &[Array]) -> Result<Vec<Array>> {
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<&Array> = inputs.iter().chain(dependencies).collect();
    apply_multi(Depends { count: inputs.len() }, &all)
}

/// The primitive of [`depends`]: hands out its first `count` inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Depends {
    count: usize,
}

impl Depends {
    /// How many of the inputs are handed out.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Primitive for Depends {
    const NAME: &'static str = "depends";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(inputs[..self.count].iter().cloned().collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(cx.tangents[..self.count].iter().cloned().collect())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        for (g, ct) in grads.iter_mut().zip(cx.cts) {
            *g = ct.clone();
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let outs = depends(&cx.inputs[..self.count], &cx.inputs[self.count..])?;
        Ok(outs.into_iter().zip(cx.axes.iter().copied()).collect())
    }

    fn cases() -> Cases {
        let real = || Domain::Any(-4.0, 4.0);
        vec![Case::new(Depends { count: 1 }).input(&[2, 3], real()).input(&[4], real()).exact()]
    }
}
