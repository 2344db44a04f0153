//! Reverse mode.

use super::tape;
use super::through_integers::{Seen, has_tangents, inside_dtype, outside_dtype};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::eval::{TraceGuard, release_graph};
use crate::ops;
use crate::prim::{Prim, Vjp};
use rustc_hash::{FxHashMap, FxHashSet};

/// Stand-ins for `primals` that a reverse or forward walk can recognise. They have the same values.
pub(crate) fn tracers(primals: &[Array]) -> Result<Vec<Array>> {
    primals.iter().map(ops::identity::tracer).collect()
}

pub(crate) fn check_like(op: &'static str, what: &str, given: &[Array], like: &[Array]) -> Result<()> {
    if given.len() != like.len() {
        return Err(Error::value(op, format!("expected {} {what}, got {}", like.len(), given.len())));
    }
    for (i, (g, l)) in given.iter().zip(like).enumerate() {
        if g.shape() != l.shape() {
            return Err(Error::value(op, format!("{what} {i}: expected shape {:?}, got {:?}", l.shape(), g.shape())));
        }
    }
    Ok(())
}

/// Vector-Jacobian product: the outputs of `f` at `primals`, and for each primal the sum over the outputs of
/// cotangent times derivative.
///
/// Integers among the primals have gradients of float32: those with respect to their values, through operations that treat
/// integers as numbers (sums, products, choices, rearrangements, conversions), and zero through others. Bools have zeros.
///
/// # Errors
/// Whatever `f` returns; a cotangent whose shape is not its output's; integers among the primals that are used as indices or
/// as codes of a quantized matrix.
///
/// # Examples
/// See the crate `isobit`.
pub fn vjp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    cotangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    let guard = TraceGuard::new();
    let args = tracers(primals)?;
    let outputs = f(&args)?;
    check_like("vjp", "cotangent", cotangents, &outputs)?;
    let grads = pull_back(&args, &outputs, cotangents)?;
    drop(guard);
    Ok((outputs, grads))
}

/// Cotangents of `args` for given cotangents of `outputs`, which were computed from `args`.
pub(crate) fn pull_back(args: &[Array], outputs: &[Array], cotangents: &[Array]) -> Result<Vec<Array>> {
    let steps = tape::record(args, outputs);
    let mut on_path: FxHashMap<usize, ()> = args.iter().map(|a| (a.node_key(), ())).collect();
    on_path.extend(steps.iter().map(|s| (s.node_key(), ())));
    let counted = counted(args, &steps);
    let mut cts: FxHashMap<(usize, u32), Array> = FxHashMap::default();
    for (out, ct) in outputs.iter().zip(cotangents) {
        if !has_tangents(out) || !on_path.contains_key(&out.node_key()) {
            continue;
        }
        accumulate(&mut cts, out, ops::astype(ct, inside_dtype(out))?)?;
    }
    for step in steps.iter().rev() {
        let outs = step.outs();
        let mut step_cts: Vec<Option<Array>> = outs.iter().map(|o| cts.remove(&o.key())).collect();
        if step_cts.iter().all(Option::is_none) {
            continue;
        }
        let inputs = &step.call.inputs;
        check_selectors(step, &counted)?;
        let seen = Seen::of(&step.call.prim, inputs, &outs)?;
        for (ct, out) in step_cts.iter_mut().zip(&*seen.outs) {
            ct.take_if(|_| !seen.moves(out));
        }
        let wanted: Vec<bool> = inputs
            .iter()
            .zip(&*seen.inputs)
            .map(|(a, x)| seen.moves(x) && on_path.contains_key(&a.node_key()))
            .collect();
        if !wanted.contains(&true) || step_cts.iter().all(Option::is_none) {
            continue;
        }
        let grads = seen.prim.vjp(&Vjp { inputs: &seen.inputs, outs: &seen.outs, cts: &step_cts, wanted: &wanted })?;
        debug_assert_eq!(grads.len(), inputs.len(), "{}", step.call.prim.name());
        for (i, grad) in grads.into_iter().enumerate() {
            let (Some(grad), true) = (grad, wanted[i]) else { continue };
            debug_assert_eq!(grad.shape(), inputs[i].shape(), "{}: input {i}", step.call.prim.name());
            accumulate(&mut cts, &inputs[i], grad)?;
        }
    }
    let grads = args
        .iter()
        .map(|a| match cts.remove(&a.key()) {
            Some(g) if a.dtype().is_integer() => ops::astype(&g, outside_dtype(a)),
            Some(g) => Ok(g),
            None => ops::zeros(a.shape(), outside_dtype(a)),
        })
        .collect();
    release_graph(steps.into_iter().map(|s| s.node));
    grads
}

/// The integers that are computed from integers among the arguments alone: positions, classes, codes.
fn counted(args: &[Array], steps: &[tape::Step]) -> FxHashSet<(usize, u32)> {
    let counts = |a: &Array| a.dtype().is_integer();
    let mut found: FxHashSet<(usize, u32)> = args.iter().filter(|a| counts(a)).map(Array::key).collect();
    if found.is_empty() {
        return found;
    }
    for step in steps {
        let stops = matches!(step.call.prim, Prim::StopGradient(_));
        if !stops && step.call.inputs.iter().any(|a| found.contains(&a.key())) {
            found.extend(step.outs().iter().filter(|a| counts(a)).map(Array::key));
        }
    }
    found
}

/// An error where the derivative with respect to an integer would be that with respect to a place or a code.
fn check_selectors(step: &tape::Step, counted: &FxHashSet<(usize, u32)>) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let inputs = &step.call.inputs;
    let range = step.call.prim.selectors();
    let mut selectors = (range.start..range.end.min(inputs.len())).filter(|&i| counted.contains(&inputs[i].key()));
    match selectors.next() {
        None => Ok(()),
        Some(i) => Err(Error::value(
            step.call.prim.name(),
            format!(
                "there is no derivative with respect to indices or codes (input {i}): pass them as constants, or through \
                 stop_gradient"
            ),
        )),
    }
}

fn accumulate(cts: &mut FxHashMap<(usize, u32), Array>, at: &Array, ct: Array) -> Result<()> {
    let total = match cts.remove(&at.key()) {
        Some(sum) => ops::add(&sum, &ct)?,
        None => ct,
    };
    cts.insert(at.key(), total);
    Ok(())
}

impl tape::Step {
    fn node_key(&self) -> usize {
        std::sync::Arc::as_ptr(&self.node) as usize
    }
}
