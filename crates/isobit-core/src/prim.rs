//! What one primitive is: shape inference, derivative rules, batching rule and test inputs, none of them optional.

pub mod adaptors;
pub mod cases;
pub mod custom;

use crate::array::Array;
use crate::error::Result;
use crate::spec::Spec;
use smallvec::{SmallVec, smallvec};
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Range;

pub use crate::ops::registry::{Entry, Prim, REGISTRY};
pub use cases::{Accumulation, Case, Cases, Domain, Operand};

/// The specs of a primitive's outputs.
pub type Specs = SmallVec<[Spec; 1]>;
/// Tangents of the outputs; `None` is zero.
pub type Tangents = SmallVec<[Option<Array>; 1]>;
/// Cotangents of the inputs, by input position; `None` is zero.
pub type Grads = SmallVec<[Option<Array>; 2]>;
/// Batched outputs, each with the axis along which it is batched (`None`: the same for every element of the batch).
pub type Batched = SmallVec<[(Array, Option<usize>); 1]>;

/// What one primitive is. A primitive is a plain value, its parameters. No rule has a default body: a missing rule
/// does not compile, and the `matrix` test runs every rule on [`Primitive::cases`].
pub trait Primitive: Clone + Debug + Eq + Hash + Into<Prim> {
    /// File name, function name, Python name, kernel name.
    const NAME: &'static str;

    /// Whether an element of the output depends on the corresponding elements of the inputs alone, which all have the
    /// output's shape. Evaluation may then split, fuse or hasten it. No rule: leaving it out costs speed only.
    const ELEMENTWISE: bool = false;

    /// The inputs that say where elements are or stand for numbers as codes: the derivative with respect to integers there is
    /// an error rather than zero. No rule: most primitives have none.
    fn selectors(&self) -> Range<usize> {
        0..0
    }

    /// The only shape and dtype function: checks the inputs, says what the outputs are.
    fn infer(&self, inputs: &[Spec]) -> Result<Specs>;

    /// Forward derivative.
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents>;

    /// Reverse derivative.
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads>;

    /// Batching rule: the primitive on inputs some of which carry one more axis.
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched>;

    /// Inputs that exercise the primitive: shapes, domains, edge values. They feed every check of the matrix.
    fn cases() -> Cases;
}

/// What a forward rule sees.
pub struct Jvp<'a> {
    /// The inputs.
    pub inputs: &'a [Array],
    /// The outputs for these inputs (already in the graph: use them rather than computing them again).
    pub outs: &'a [Array],
    /// Tangents by input position; `None` = zero.
    pub tangents: &'a [Option<Array>],
}

/// What a reverse rule sees.
pub struct Vjp<'a> {
    /// The inputs.
    pub inputs: &'a [Array],
    /// The outputs for these inputs.
    pub outs: &'a [Array],
    /// Cotangents by output position; `None` = zero, at least one is not.
    pub cts: &'a [Option<Array>],
    /// Which inputs' cotangents are needed.
    pub wanted: &'a [bool],
}

impl Vjp<'_> {
    /// Whether input `i` needs a cotangent.
    pub fn wanted(&self, i: usize) -> bool {
        self.wanted[i]
    }

    /// The cotangent of a primitive with one output.
    pub fn ct(&self) -> Result<Array> {
        self.ct_of(0)
    }

    /// The cotangent of output `i`, zeros if it has none.
    pub fn ct_of(&self, i: usize) -> Result<Array> {
        match &self.cts[i] {
            Some(c) => Ok(c.clone()),
            None => crate::ops::zeros_like(&self.outs[i]),
        }
    }

    /// One closure for all inputs, run only for those whose cotangent is wanted.
    pub fn each(&self, mut f: impl FnMut(usize) -> Result<Array>) -> Result<Grads> {
        (0..self.inputs.len()).map(|i| if self.wanted[i] { f(i).map(Some) } else { Ok(None) }).collect()
    }

    /// No input has a derivative.
    pub fn none(&self) -> Result<Grads> {
        Ok(smallvec![None; self.inputs.len()])
    }
}

/// What a batching rule sees.
pub struct Vmap<'a> {
    /// The inputs, those that are batched with their batch axis.
    pub inputs: &'a [Array],
    /// Where each input's batch axis is; `None` = not batched. At least one is batched.
    pub axes: &'a [Option<usize>],
    /// Size of the batch.
    pub size: usize,
}

impl Vmap<'_> {
    /// Whether input `i` is batched.
    pub fn batched(&self, i: usize) -> bool {
        self.axes[i].is_some()
    }

    /// Input `i` with its batch axis in front; an unbatched one as it is.
    pub fn front(&self, i: usize) -> Result<Array> {
        match self.axes[i] {
            None | Some(0) => Ok(self.inputs[i].clone()),
            Some(a) => crate::ops::moveaxis(&self.inputs[i], a as isize, 0),
        }
    }

    /// Input `i` with a batch axis in front, repeated (stride 0) if it has none.
    pub fn front_full(&self, i: usize) -> Result<Array> {
        let x = self.front(i)?;
        if self.axes[i].is_some() {
            return Ok(x);
        }
        let mut shape = crate::spec::Shape::from_slice(&[self.size]);
        shape.extend_from_slice(x.shape());
        crate::ops::broadcast_to(&x, &shape)
    }

    /// Every input with a batch axis in front.
    pub fn all_front(&self) -> Result<Vec<Array>> {
        (0..self.inputs.len()).map(|i| self.front_full(i)).collect()
    }

    /// The outputs for a batch without elements: what one element of zeros would give tells the shapes.
    fn empty(&self, mut f: impl FnMut(&[Array]) -> Result<Vec<Array>>) -> Result<Batched> {
        let xs = (0..self.inputs.len())
            .map(|i| match self.axes[i] {
                None => Ok(self.inputs[i].clone()),
                Some(a) => {
                    let mut shape = self.inputs[i].spec().shape.clone();
                    shape.remove(a);
                    crate::ops::zeros(&shape, self.inputs[i].dtype())
                }
            })
            .collect::<Result<Vec<_>>>()?;
        f(&xs)?
            .iter()
            .map(|y| {
                let mut shape = y.spec().shape.clone();
                shape.insert(0, 0);
                Ok((crate::ops::zeros(&shape, y.dtype())?, Some(0)))
            })
            .collect()
    }

    /// The fallback that makes batching total: one call per element of the batch, results stacked in front.
    pub fn each(&self, mut f: impl FnMut(&[Array]) -> Result<Vec<Array>>) -> Result<Batched> {
        if self.size == 0 {
            return self.empty(f);
        }
        let mut rows: Vec<Vec<Array>> = Vec::with_capacity(self.size);
        for b in 0..self.size {
            let xs = (0..self.inputs.len())
                .map(|i| match self.axes[i] {
                    None => Ok(self.inputs[i].clone()),
                    Some(a) => crate::ops::take_index(&self.inputs[i], b, a as isize),
                })
                .collect::<Result<Vec<_>>>()?;
            rows.push(f(&xs)?);
        }
        let outputs = rows.first().map_or(0, Vec::len);
        (0..outputs)
            .map(|o| {
                let parts: Vec<Array> = rows.iter().map(|r| r[o].clone()).collect();
                Ok((crate::ops::stack(&parts, 0)?, Some(0)))
            })
            .collect()
    }
}

/// One batched output whose batch axis is in front.
pub fn batched_front(out: Array) -> Result<Batched> {
    Ok(smallvec![(out, Some(0))])
}

/// One output spec.
pub fn one(spec: Spec) -> Result<Specs> {
    Ok(smallvec![spec])
}

/// One tangent.
pub fn tangent(t: Array) -> Result<Tangents> {
    Ok(smallvec![Some(t)])
}

/// One zero tangent.
pub fn no_tangent() -> Result<Tangents> {
    Ok(smallvec![None])
}
