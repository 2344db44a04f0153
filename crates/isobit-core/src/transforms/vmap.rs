//! Automatic batching.

use super::tape;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::eval::TraceGuard;
use crate::ops;
use crate::prim::Vmap;
use crate::spec::{Spec, resolve_axis};
use rustc_hash::FxHashMap;

/// Turns a function of single elements into one of batches: `in_axes[i]` is the batch axis of input `i` (negative
/// counts from the end), `None` an input that is the same for the whole batch; `out_axes` likewise for the outputs
/// (`None` only for outputs that do not depend on a batched input).
///
/// The result has the bits of a loop over the batch with the outputs stacked.
///
/// # Errors
/// Axes out of range, batch sizes that differ, no batched input, or a value that is needed inside `f`.
pub fn vmap_with<F>(
    f: F,
    in_axes: impl Into<Vec<Option<isize>>>,
    out_axes: impl Into<Vec<Option<isize>>>,
) -> impl Fn(&[Array]) -> Result<Vec<Array>>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    let (in_axes, out_axes) = (in_axes.into(), out_axes.into());
    move |inputs| run(|xs| Ok((f(xs)?, OutAxes::Given(out_axes.clone()))), inputs, &in_axes)
}

/// [`vmap_with`], once, of a function that says only with its outputs where their batch axes go.
///
/// # Errors
/// As [`vmap_with`].
pub fn vmap_call<F>(f: F, inputs: &[Array], in_axes: &[Option<isize>]) -> Result<Vec<Array>>
where
    F: FnOnce(&[Array]) -> Result<(Vec<Array>, Vec<Option<isize>>)>,
{
    run(|xs| f(xs).map(|(outs, axes)| (outs, OutAxes::Given(axes))), inputs, in_axes)
}

/// [`vmap_with`] over axis 0 of every input, batch axis of every output in front.
pub fn vmap<F>(f: F) -> impl Fn(&[Array]) -> Result<Vec<Array>>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    move |inputs| run(|xs| Ok((f(xs)?, OutAxes::AllFront)), inputs, &vec![Some(0); inputs.len()])
}

enum OutAxes {
    AllFront,
    Given(Vec<Option<isize>>),
}

fn run(
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, OutAxes)>,
    inputs: &[Array],
    in_axes: &[Option<isize>],
) -> Result<Vec<Array>> {
    if in_axes.len() != inputs.len() {
        return Err(Error::value(
            "vmap",
            format!("expected one entry of in_axes per input ({}), got {}", inputs.len(), in_axes.len()),
        ));
    }
    let axes = inputs
        .iter()
        .zip(in_axes)
        .map(|(x, a)| a.map(|a| resolve_axis("vmap", a, x.ndim())).transpose())
        .collect::<Result<Vec<_>>>()?;
    let size = batch_size(inputs, &axes)?;
    let guard = TraceGuard::new();
    let args: Vec<Array> = inputs
        .iter()
        .zip(&axes)
        .map(|(x, axis)| match axis {
            None => x.clone(),
            Some(a) => {
                let mut spec: Spec = x.spec().clone();
                spec.shape.remove(*a);
                Array::placeholder(spec, "vmap")
            }
        })
        .collect();
    let (outputs, out_axes) = f(&args)?;
    let wanted: Vec<Option<isize>> = match out_axes {
        OutAxes::AllFront => vec![Some(0); outputs.len()],
        OutAxes::Given(list) if list.len() == outputs.len() => list,
        OutAxes::Given(list) => {
            return Err(Error::value(
                "vmap",
                format!("expected one entry of out_axes per output ({}), got {}", outputs.len(), list.len()),
            ));
        }
    };
    let known = replay(inputs, &axes, &args, &outputs, size)?;
    drop(guard);
    outputs
        .iter()
        .zip(wanted)
        .map(|(out, axis)| match (known.get(&out.key()), axis) {
            (Some((x, Some(at))), Some(a)) => {
                let to = resolve_axis("vmap", a, x.ndim())?;
                ops::moveaxis(x, *at as isize, to as isize)
            }
            (Some((_, Some(_))), None) => {
                Err(Error::value("vmap", "an output depends on a batched input: expected an out_axes entry, got None"))
            }
            (known, None) => Ok(known.map_or(out, |k| &k.0).clone()),
            (known, Some(a)) => {
                // The same for every element of the batch: repeated.
                let x = known.map_or(out, |k| &k.0);
                let to = resolve_axis("vmap", a, x.ndim() + 1)?;
                let mut shape = x.spec().shape.clone();
                shape.insert(to, size);
                ops::broadcast_to(&ops::expand_dims(x, [to as isize])?, &shape)
            }
        })
        .collect()
}

type Known = FxHashMap<(usize, u32), (Array, Option<usize>)>;

/// Runs the recorded graph with the batching rules: for each recorded value the batched one and its batch axis.
fn replay(inputs: &[Array], axes: &[Option<usize>], args: &[Array], outputs: &[Array], size: usize) -> Result<Known> {
    let mut known: Known = FxHashMap::default();
    let mut batched_args = Vec::new();
    for ((x, axis), arg) in inputs.iter().zip(axes).zip(args) {
        if axis.is_some() {
            known.insert(arg.key(), (x.clone(), *axis));
            batched_args.push(arg.clone());
        }
    }
    for step in tape::record(&batched_args, outputs) {
        let mut xs = Vec::with_capacity(step.call.inputs.len());
        let mut x_axes = Vec::with_capacity(step.call.inputs.len());
        for a in &step.call.inputs {
            let (x, axis) = known.get(&a.key()).cloned().unwrap_or_else(|| (a.clone(), None));
            xs.push(x);
            x_axes.push(axis);
        }
        let outs = step.outs();
        if x_axes.iter().all(Option::is_none) {
            let refs: Vec<&Array> = xs.iter().collect();
            let again = crate::array::apply_multi(step.call.prim.clone(), &refs)?;
            known.extend(outs.iter().zip(again).map(|(o, x)| (o.key(), (x, None))));
            continue;
        }
        let found = step.call.prim.vmap(&Vmap { inputs: &xs, axes: &x_axes, size })?;
        debug_assert_eq!(found.len(), outs.len(), "{}", step.call.prim.name());
        for (out, (x, axis)) in outs.iter().zip(found) {
            #[cfg(debug_assertions)]
            if let Some(a) = axis {
                let mut shape = x.spec().shape.clone();
                assert_eq!(shape.remove(a), size, "{}: batch axis {a} of {:?}", step.call.prim.name(), x.shape());
                assert_eq!(shape.as_slice(), out.shape(), "{}", step.call.prim.name());
            }
            known.insert(out.key(), (x, axis));
        }
    }
    Ok(known)
}

fn batch_size(inputs: &[Array], axes: &[Option<usize>]) -> Result<usize> {
    let mut sizes = inputs.iter().zip(axes).filter_map(|(x, a)| a.map(|a| x.shape()[a]));
    let Some(size) = sizes.next() else {
        return Err(Error::value("vmap", "expected at least one batched input, got in_axes of None only"));
    };
    match sizes.find(|&s| s != size) {
        Some(other) => Err(Error::value("vmap", format!("expected batch axes of one size, got {size} and {other}"))),
        None => Ok(size),
    }
}
