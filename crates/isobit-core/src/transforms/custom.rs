//! Functions with their own derivative and batching rules.

use crate::array::{Array, apply_multi};
use crate::backend::{Inputs, Outputs};
use crate::error::{Error, Result};
use crate::numerics::Level;
use crate::prim::custom::{Custom, CustomPrimitive};
use crate::prim::{Batched, Cases, Grads, Jvp, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;
use std::fmt;
use std::sync::Arc;

type Fun = Arc<dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync>;
/// (inputs, cotangents, outputs) -> cotangents of the inputs
type VjpFun = Arc<dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync>;
/// (inputs, tangents) -> tangents of the outputs
type JvpFun = Arc<dyn Fn(&[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync>;
/// (batched inputs, axes) -> outputs and their axes
type VmapFun = Arc<dyn Fn(&[Array], &[Option<usize>]) -> Result<(Vec<Array>, Vec<Option<usize>>)> + Send + Sync>;

/// A function whose `vjp`, `jvp` or `vmap` the user gives. What is not given is derived from the function itself.
#[derive(Clone)]
pub struct CustomFunction {
    f: Fun,
    vjp: Option<VjpFun>,
    jvp: Option<JvpFun>,
    vmap: Option<VmapFun>,
}

/// A [`CustomFunction`] without rules of its own yet.
pub fn custom_function<F>(f: F) -> CustomFunction
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
{
    CustomFunction::new(f)
}

impl CustomFunction {
    /// See [`custom_function`].
    pub fn new(f: impl Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static) -> CustomFunction {
        CustomFunction { f: Arc::new(f), vjp: None, jvp: None, vmap: None }
    }

    /// Sets the reverse rule: `(inputs, cotangents, outputs)` to cotangents of the inputs.
    pub fn with_vjp(
        mut self,
        f: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> CustomFunction {
        self.vjp = Some(Arc::new(f));
        self
    }

    /// Sets the forward rule: `(inputs, tangents)` to tangents of the outputs; absent tangents arrive as zeros.
    pub fn with_jvp(
        mut self,
        f: impl Fn(&[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> CustomFunction {
        self.jvp = Some(Arc::new(f));
        self
    }

    /// Sets the batching rule: `(inputs, axes)` to outputs and their batch axes.
    pub fn with_vmap(
        mut self,
        f: impl Fn(&[Array], &[Option<usize>]) -> Result<(Vec<Array>, Vec<Option<usize>>)> + Send + Sync + 'static,
    ) -> CustomFunction {
        self.vmap = Some(Arc::new(f));
        self
    }

    /// Applies the function.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let outs = (self.f)(inputs)?;
        if outs.is_empty() {
            return Ok(outs);
        }
        // The node takes the arguments and, behind them, the outputs computed from them, and hands the outputs on: so
        // evaluation needs no callback, and the rules see both.
        let all: Vec<&Array> = inputs.iter().chain(&outs).collect();
        apply_multi(Custom(Arc::new(Node { rules: self.clone(), args: inputs.len() })), &all)
    }
}

struct Node {
    rules: CustomFunction,
    args: usize,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom_function({} arguments)", self.args)
    }
}

impl CustomPrimitive for Node {
    fn name(&self) -> &'static str {
        "custom_function"
    }

    // It hands on what other primitives have computed.
    fn level(&self) -> Level {
        Level::Isa
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(inputs[self.args..].iter().cloned().collect())
    }

    fn run(&self, mut inputs: Inputs, _outs: &[Spec]) -> Result<Outputs> {
        Ok(inputs.drain(self.args..).collect())
    }

    fn differentiates_integers(&self) -> bool {
        true
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let Some(rule) = &self.rules.jvp else {
            return Ok(cx.tangents[self.args..].iter().cloned().collect());
        };
        let args = &cx.inputs[..self.args];
        let tangents = args
            .iter()
            .zip(cx.tangents)
            .map(|(x, t)| t.clone().map_or_else(|| crate::ops::zeros_like(x), Ok))
            .collect::<Result<Vec<_>>>()?;
        let found = rule(args, &tangents)?;
        super::vjp::check_like("custom_function", "tangent of output", &found, cx.outs)?;
        Ok(found.into_iter().map(Some).collect())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        let Some(rule) = &self.rules.vjp else {
            for (i, ct) in cx.cts.iter().enumerate() {
                grads[self.args + i] = ct.clone();
            }
            return Ok(grads);
        };
        let args = &cx.inputs[..self.args];
        let cts = (0..cx.outs.len()).map(|i| cx.ct_of(i)).collect::<Result<Vec<_>>>()?;
        let found = rule(args, &cts, cx.outs)?;
        super::vjp::check_like("custom_function", "cotangent of input", &found, args)?;
        for (i, g) in found.into_iter().enumerate() {
            grads[i] = Some(g);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let args = &cx.inputs[..self.args];
        let axes = &cx.axes[..self.args];
        if let Some(rule) = &self.rules.vmap
            && axes.iter().any(Option::is_some)
        {
            let (outs, out_axes) = rule(args, axes)?;
            if outs.len() != out_axes.len() || outs.len() != cx.inputs.len() - self.args {
                return Err(Error::value("custom_function", "the vmap rule must return one axis per output"));
            }
            return Ok(outs.into_iter().zip(out_axes).collect());
        }
        // The outputs among the inputs have been batched by their own rules; the node goes on handing them out, and
        // its derivative rules are the given ones, batched.
        let rules = batched_rules(&self.rules, axes, &cx.axes[self.args..]);
        let all: Vec<&Array> = cx.inputs.iter().collect();
        let outs = apply_multi(Custom(Arc::new(Node { rules, args: self.args })), &all)?;
        Ok(outs.into_iter().zip(cx.axes[self.args..].iter().copied()).collect())
    }
}

fn signed(axes: &[Option<usize>]) -> Vec<Option<isize>> {
    axes.iter().map(|a| a.map(|a| a as isize)).collect()
}

/// The rules of the vmapped function: the given ones under vmap.
fn batched_rules(rules: &CustomFunction, in_axes: &[Option<usize>], out_axes: &[Option<usize>]) -> CustomFunction {
    let (ins, outs) = (signed(in_axes), signed(out_axes));
    let f = {
        let (f, ins, outs) = (Arc::clone(&rules.f), ins.clone(), outs.clone());
        Arc::new(move |xs: &[Array]| super::vmap_with(|ys| f(ys), ins.clone(), outs.clone())(xs)) as Fun
    };
    let vjp = rules.vjp.clone().map(|rule| {
        let (ins, outs) = (ins.clone(), outs.clone());
        Arc::new(move |xs: &[Array], cts: &[Array], ys: &[Array]| {
            let (n, m) = (xs.len(), cts.len());
            let all: Vec<Array> = xs.iter().chain(cts).chain(ys).cloned().collect();
            let axes: Vec<Option<isize>> = ins.iter().chain(&outs).chain(&outs).copied().collect();
            // An argument that is the same for the whole batch collects its cotangent from every element of it.
            let results: Vec<Option<isize>> = ins.iter().map(|a| Some(a.unwrap_or(0))).collect();
            let run = super::vmap_with(|v| rule(&v[..n], &v[n..n + m], &v[n + m..]), axes, results);
            let grads = run(&all)?;
            grads
                .into_iter()
                .zip(&ins)
                .map(|(g, a)| if a.is_some() { Ok(g) } else { crate::ops::sum(&g, 0isize, false) })
                .collect()
        }) as VjpFun
    });
    let jvp = rules.jvp.clone().map(|rule| {
        let (ins, outs) = (ins.clone(), outs.clone());
        Arc::new(move |xs: &[Array], ts: &[Array]| {
            let n = xs.len();
            let all: Vec<Array> = xs.iter().chain(ts).cloned().collect();
            let axes: Vec<Option<isize>> = ins.iter().chain(&ins).copied().collect();
            super::vmap_with(|v| rule(&v[..n], &v[n..]), axes, outs.clone())(&all)
        }) as JvpFun
    });
    CustomFunction { f, vjp, jvp, vmap: None }
}

/// Cases of the `custom` arm: a custom function without rules is the identity on what it wraps; its own rules are
/// tested in `tests/custom_function.rs`.
pub(crate) fn cases() -> Cases {
    use crate::prim::{Domain, custom::case};
    let node = |args| Node { rules: CustomFunction::new(|xs| Ok(xs.to_vec())), args };
    vec![
        case(node(0)).input(&[2, 3], Domain::Real(-1.0, 1.0)).exact(),
        case(node(0)).input(&[3], Domain::Real(-1.0, 1.0)).input(&[], Domain::Real(-1.0, 1.0)).exact(),
    ]
}
