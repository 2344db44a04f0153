//! Forward mode.

use super::tape;
use super::through_integers::{Seen, has_tangents, inside_dtype, outside_dtype};
use super::vjp::{check_like, tracers};
use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::eval::{TraceGuard, release_graph};
use crate::ops;
use crate::prim::Jvp;
use rustc_hash::FxHashMap;

/// Jacobian-vector product: the outputs of `f` at `primals`, and how they change when the primals change along
/// `tangents`.
///
/// Tangents of integers are float32, as gradients with respect to them are (see [`vjp`](super::vjp())).
///
/// # Errors
/// Whatever `f` returns; a tangent whose shape is not its primal's.
pub fn jvp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    tangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    check_like("jvp", "tangent", tangents, primals)?;
    let guard = TraceGuard::new();
    let args = tracers(primals)?;
    let outputs = f(&args)?;
    let steps = tape::record(&args, &outputs);
    let mut known: FxHashMap<(usize, u32), Array> = FxHashMap::default();
    for (a, t) in args.iter().zip(tangents) {
        if has_tangents(a) {
            known.insert(a.key(), ops::astype(t, inside_dtype(a))?);
        }
    }
    for step in &steps {
        let outs = step.outs();
        let inputs = &step.call.inputs;
        if !inputs.iter().any(|a| known.contains_key(&a.key())) {
            continue;
        }
        let seen = Seen::of(&step.call.prim, inputs, &outs)?;
        let tangents: Vec<Option<Array>> = inputs
            .iter()
            .zip(&*seen.inputs)
            .map(|(a, x)| if seen.moves(x) { known.get(&a.key()).cloned() } else { None })
            .collect();
        if tangents.iter().all(Option::is_none) {
            continue;
        }
        let found = seen.prim.jvp(&Jvp { inputs: &seen.inputs, outs: &seen.outs, tangents: &tangents })?;
        debug_assert_eq!(found.len(), outs.len(), "{}", step.call.prim.name());
        for ((out, x), t) in outs.iter().zip(&*seen.outs).zip(found) {
            if let Some(t) = t
                && seen.moves(x)
            {
                debug_assert_eq!(t.shape(), out.shape(), "{}", step.call.prim.name());
                known.insert(out.key(), t);
            }
        }
    }
    let floating =
        args.iter().map(Array::dtype).filter(|d| d.is_inexact()).reduce(Dtype::promote).unwrap_or(Dtype::F32);
    let out_tangents = outputs
        .iter()
        .map(|o| match known.get(&o.key()) {
            Some(t) if o.dtype().is_integer() => ops::astype(t, outside_dtype(o)),
            Some(t) => Ok(t.clone()),
            // A result that moves in jumps has no tangent space of its own: zeros of the dtype that came in.
            None if o.dtype().is_inexact() => ops::zeros_like(o),
            None => ops::zeros(o.shape(), floating),
        })
        .collect::<Result<Vec<_>>>()?;
    drop(guard);
    release_graph(steps.into_iter().map(|s| s.node));
    Ok((outputs, out_tangents))
}
