//! Optimizers: they turn gradients into new parameters and own the state that this takes.
//!
//! Update rules, argument names and defaults are MLX's. State is a flat tree of arrays by dotted name, so that it is
//! saved and loaded like parameters; nothing is evaluated here.

mod adamw;
mod clip;
pub mod rules;
mod sgd;

pub use adamw::AdamW;
pub use clip::{clip_grad_norm, clip_norm};
pub use sgd::SGD;

use crate::module::{Module, Params};
use isobit::{Array, Dtype, Error, Result};

/// What every optimizer does.
pub trait Optimizer {
    /// Replaces the parameters of `model` that `grads` names, and goes one step further.
    ///
    /// # Errors
    /// A gradient without its parameter, or of another shape.
    fn update(&mut self, model: &mut impl Module, grads: &Params) -> Result<()>;

    /// Steps taken so far.
    fn step(&self) -> u64;

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// All state but the settings: what a checkpoint has to hold.
    fn state(&self) -> Params;

    /// Takes over what [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// A name that this optimizer does not use, a missing or malformed step count.
    fn load_state(&mut self, state: Params) -> Result<()>;
}

/// The entry of a state tree that counts steps.
const STEP: &str = "step";

fn put_step(state: &mut Params, step: u64) {
    state.insert(STEP.to_owned(), Array::scalar(step as i64, Dtype::I64));
}

fn take_step(op: &'static str, state: &mut Params) -> Result<u64> {
    let step = state.remove(STEP).ok_or_else(|| Error::value(op, "the state has no `step`"))?;
    let n = step.item::<i64>()?;
    u64::try_from(n).map_err(|_| Error::value(op, format!("step: expected a count, got {n}")))
}

/// Splits `name.suffix` entries by suffix.
fn take_slot(op: &'static str, state: &mut Params, slot: &str) -> Result<Params> {
    let suffix = format!(".{slot}");
    let names: Vec<String> = state.keys().filter(|k| k.ends_with(&suffix)).cloned().collect();
    let mut out = Params::new();
    for name in names {
        if let Some(a) = state.remove(&name) {
            if !a.dtype().is_float() {
                return Err(Error::dtype(op, format!("{name}: expected a floating dtype, got {}", a.dtype())));
            }
            out.insert(name[..name.len() - suffix.len()].to_owned(), a);
        }
    }
    Ok(out)
}

fn put_slot(state: &mut Params, slot: &str, values: &Params) {
    state.extend(values.iter().map(|(name, a)| (format!("{name}.{slot}"), a.clone())));
}

fn expect_empty(op: &'static str, state: &Params) -> Result<()> {
    match state.keys().next() {
        Some(name) => Err(Error::value(op, format!("unexpected state `{name}`"))),
        None => Ok(()),
    }
}

/// Runs `rule(name, parameter, gradient)` on every parameter that has a gradient and stores the results.
fn apply_rule(
    op: &'static str,
    model: &mut impl Module,
    grads: &Params,
    mut rule: impl FnMut(&str, &Array, &Array) -> Result<Array>,
) -> Result<()> {
    let old = model.parameters();
    // All checks come first: after an error the optimizer's state is as before.
    for (name, g) in grads {
        let Some(p) = old.get(name) else {
            return Err(Error::value(op, format!("{name}: a gradient without a parameter")));
        };
        if p.shape() != g.shape() || !g.dtype().is_float() {
            return Err(Error::value(
                op,
                format!("{name}: expected a gradient {:?}, got {} {:?}", p.shape(), g.dtype(), g.shape()),
            ));
        }
    }
    let mut new = Params::new();
    for (name, g) in grads {
        let Some(p) = old.get(name) else { continue };
        let updated = rule(name, p, g)?;
        new.insert(name.clone(), isobit::ops::astype(&updated, p.dtype())?);
    }
    drop(old);
    model.update(&new)
}
