//! Functions recorded once: the graph between arguments and results, put together again for other arguments without running
//! the function.

use super::tape::{self, Step};
use crate::array::{Array, Node, State};
use crate::error::{Error, Result};
use crate::eval::{TraceGuard, sizes_matter, traces_here, watching_sizes};
use crate::ops;
use crate::prim::Prim;
use crate::spec::{Shape, Spec, broadcast_shapes};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Where a value is while a trace runs: arguments first, then what the function took from elsewhere, then the results of the
/// steps.
type Slot = u32;

/// What a function did with its arguments when it was recorded, for arguments of those shapes and dtypes.
///
/// Whatever the function did beside computing arrays, it did once. Values that it took from elsewhere or made of nothing
/// (constants, random numbers) are those of the recording. What it did twice in the same way is done once, unless a transform
/// is recording, whose sums of cotangents would be others: results and derivatives have the bits of the function itself.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops, transforms::Trace};
/// let mut calls = 0;
/// let one = Array::scalar(1.0, Dtype::F32);
/// let trace = Trace::record(
///     |x| {
///         calls += 1;
///         Ok(vec![ops::add(&x[0], &one)?])
///     },
///     &[Array::scalar(2.0, Dtype::F32)],
/// )?;
/// assert_eq!(trace.call(&[Array::scalar(4.0, Dtype::F32)])?[0].item::<f32>()?, 5.0);
/// assert_eq!(calls, 1);
/// # Ok::<(), isobit::Error>(())
/// ```
pub struct Trace {
    args: SmallVec<[Spec; 4]>,
    taken: Vec<Array>,
    steps: Vec<Application>,
    results: Vec<Slot>,
    lasts: bool,
    any_shape: bool,
}

/// One application of a primitive.
struct Application {
    prim: Prim,
    inputs: SmallVec<[Slot; 4]>,
    /// `inputs` as they were before they were broadcast against each other, for other shapes.
    sources: SmallVec<[Slot; 4]>,
    outputs: usize,
    shape: Shape,
    /// The first of the values that these outputs are: those of an earlier step, or an argument of a transform inside.
    same_as: Option<Slot>,
}

impl Trace {
    /// Runs `f` on stand-ins for `args`, which have no values, and keeps what it does.
    ///
    /// # Errors
    /// Whatever `f` returns; a function that needs a value, or (inside no other transform) that takes one of `args` from
    /// elsewhere than its arguments.
    pub fn record(f: impl FnOnce(&[Array]) -> Result<Vec<Array>>, args: &[Array]) -> Result<Trace> {
        let guard = TraceGuard::new();
        let stand_ins: Vec<Array> = args.iter().map(|a| Array::placeholder(a.spec().clone(), "compile")).collect();
        let (results, sizes) = watching_sizes(|| f(&stand_ins));
        let results = results?;
        let mut builder = Builder::new(&stand_ins);
        for step in tape::record(&stand_ins, &results) {
            builder.step(&step);
        }
        let results = results.iter().map(|a| builder.slot(a)).collect();
        drop(guard);
        let lasts = check_taken(&builder.taken, args)?;
        let mut trace = Trace {
            args: args.iter().map(|a| a.spec().clone()).collect(),
            taken: builder.taken,
            steps: builder.steps,
            results,
            lasts,
            any_shape: false,
        };
        trace.renumber(builder.specs);
        trace.any_shape &= !sizes;
        Ok(trace)
    }

    /// Whether it may run again. It may not if the function took something from a transform around it, which ends.
    pub fn lasts(&self) -> bool {
        self.lasts
    }

    /// Whether it may run on arguments of other sizes: the function has computed element by element and asked for no size.
    /// They must have the [`size_pattern`] of those of the recording: what is broadcast, and which derivatives are summed,
    /// depends on that. Sizes that a Rust function reads off its arguments are not seen, unless it says
    /// [`sizes_matter`](crate::transforms::sizes_matter).
    pub fn any_shape(&self) -> bool {
        self.any_shape
    }

    /// The function's results for `args`.
    ///
    /// # Errors
    /// Arguments of other dtypes or numbers of axes than those of the recording, of other shapes (if [`Trace::any_shape`]: of
    /// shapes with another pattern).
    pub fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let fits = |a: &Array, s: &Spec| a.dtype() == s.dtype && a.ndim() == s.ndim();
        if args.len() != self.args.len() || !args.iter().zip(&self.args).all(|(a, s)| fits(a, s)) {
            return Err(Error::value("compile", "expected arguments like those of the recording"));
        }
        let same = args.iter().zip(&self.args).all(|(a, s)| a.shape() == s.shape.as_slice());
        if !self.any_shape {
            sizes_matter();
        }
        let alike = same || self.any_shape && pattern(args.iter().map(Array::shape)) == self.pattern();
        if !alike {
            return Err(Error::value("compile", "expected arguments of the shapes of the recording"));
        }
        let count = args.len() + self.taken.len() + self.steps.iter().map(|s| s.outputs).sum::<usize>();
        let mut values: Vec<Array> = Vec::with_capacity(count);
        values.extend_from_slice(args);
        values.extend_from_slice(&self.taken);
        let recording = values.iter().any(|a| a.node.traced);
        for step in &self.steps {
            if let (Some(first), false) = (step.same_as, recording) {
                values.extend_from_within(first as usize..first as usize + step.outputs);
            } else if same {
                step.run(&mut values)?;
            } else {
                step.run_broadcast(&mut values)?;
            }
        }
        Ok(self.results.iter().map(|&s| values[s as usize].clone()).collect())
    }

    fn pattern(&self) -> Vec<Shape> {
        pattern(self.args.iter().map(|s| s.shape.as_slice()))
    }

    /// Slots as they are once it is known how many values are taken from elsewhere; whether the trace names sizes.
    fn renumber(&mut self, specs: Vec<Spec>) {
        let (args, taken) = (self.args.len() as Slot, self.taken.len() as Slot);
        // While building, the slots of taken values count down from the end.
        let place = |s: Slot| match s {
            s if s > Slot::MAX / 2 => args + (Slot::MAX - s),
            s if s >= args => s + taken,
            s => s,
        };
        let of = |s: Slot, taken: &[Array]| match s {
            s if s > Slot::MAX / 2 => taken[(Slot::MAX - s) as usize].spec().shape.clone(),
            s => specs[s as usize].shape.clone(),
        };
        // A result of `broadcast` and what it was made of.
        let mut stretched: FxHashMap<Slot, Slot> = FxHashMap::default();
        let mut any_shape = true;
        let mut next = args;
        for step in &mut self.steps {
            if let Prim::Broadcast(_) = step.prim {
                stretched.insert(next, step.inputs[0]);
                step.sources = step.inputs.clone();
            } else if let Prim::Identity(_) = step.prim {
                step.sources = step.inputs.clone();
                if let Some(&from) = stretched.get(&step.inputs[0]) {
                    stretched.insert(next, from);
                }
            } else {
                step.sources = step.inputs.iter().map(|s| *stretched.get(s).unwrap_or(s)).collect();
                let common = step
                    .sources
                    .iter()
                    .try_fold(Shape::new(), |shape, &s| broadcast_shapes("compile", &shape, &of(s, &self.taken)));
                any_shape &= step.prim.is_elementwise() && common.is_ok_and(|c| c == step.shape);
            }
            next += step.outputs as Slot;
        }
        // Values taken from elsewhere may have been made for these sizes, unless they are one number.
        let sized = |s: &Slot| stretched.contains_key(s) || *s > Slot::MAX / 2;
        any_shape &= !self.results.iter().any(sized) && self.taken.iter().all(|a| a.size() == 1);
        self.any_shape = any_shape && self.lasts;
        for step in &mut self.steps {
            step.inputs.iter_mut().chain(&mut step.sources).chain(&mut step.same_as).for_each(|s| *s = place(*s));
        }
        self.results.iter_mut().for_each(|s| *s = place(*s));
    }
}

/// Shapes as far as a recording that serves any sizes depends on them: which axes have no elements, which one, and which are
/// of equal size. The arrays' shapes with 0 and 1 as they are and other sizes numbered from 2 as they come.
pub fn size_pattern(arrays: &[Array]) -> Vec<Shape> {
    pattern(arrays.iter().map(Array::shape))
}

fn pattern<'a>(shapes: impl Iterator<Item = &'a [usize]>) -> Vec<Shape> {
    let mut sizes: SmallVec<[usize; 8]> = smallvec![0, 1];
    let mut number = |n: &usize| {
        sizes.iter().position(|s| s == n).unwrap_or_else(|| {
            sizes.push(*n);
            sizes.len() - 1
        })
    };
    shapes.map(|shape| shape.iter().map(&mut number).collect()).collect()
}

impl Application {
    fn run(&self, values: &mut Vec<Array>) -> Result<()> {
        let inputs: SmallVec<[&Array; 4]> = self.inputs.iter().map(|&s| &values[s as usize]).collect();
        let outs: SmallVec<[Array; 1]> = match self.outputs {
            1 => smallvec![crate::array::apply(self.prim.clone(), &inputs)?],
            _ => crate::array::apply_multi(self.prim.clone(), &inputs)?.into(),
        };
        drop(inputs);
        values.extend(outs);
        Ok(())
    }

    /// The same for inputs of other sizes, which are broadcast anew.
    fn run_broadcast(&self, values: &mut Vec<Array>) -> Result<()> {
        let inputs: Vec<Array> = self.sources.iter().map(|&s| values[s as usize].clone()).collect();
        if let Prim::Broadcast(_) = self.prim {
            // Whoever uses it broadcasts.
            values.extend(inputs);
            return Ok(());
        }
        let inputs = ops::broadcast_arrays(&inputs)?;
        let inputs: SmallVec<[&Array; 4]> = inputs.iter().collect();
        values.push(crate::array::apply(self.prim.clone(), &inputs)?);
        Ok(())
    }
}

/// Turns recorded applications into steps, and finds those that do the same to the same inputs, or nothing.
struct Builder {
    slots: FxHashMap<(usize, u32), Slot>,
    specs: Vec<Spec>,
    taken: Vec<Array>,
    numbers: FxHashMap<(Spec, Vec<u8>), Slot>,
    steps: Vec<Application>,
    known: FxHashMap<(Prim, SmallVec<[Slot; 4]>), Slot>,
    /// Slots of later steps that do what an earlier one did, and its.
    merged: FxHashMap<Slot, Slot>,
}

impl Builder {
    fn new(stand_ins: &[Array]) -> Builder {
        Builder {
            slots: stand_ins.iter().enumerate().map(|(i, a)| (a.key(), i as Slot)).collect(),
            specs: stand_ins.iter().map(|a| a.spec().clone()).collect(),
            taken: Vec::new(),
            numbers: FxHashMap::default(),
            steps: Vec::new(),
            known: FxHashMap::default(),
            merged: FxHashMap::default(),
        }
    }

    fn slot(&mut self, a: &Array) -> Slot {
        if let Some(&slot) = self.slots.get(&a.key()) {
            return slot;
        }
        // A number that was broadcast is that number, and a step.
        if !a.node.is_ready()
            && let Some(call) = a.node.call()
            && matches!(call.prim, Prim::Broadcast(_))
        {
            self.step(&Step { node: Arc::clone(&a.node), call });
            return self.slots[&a.key()];
        }
        let slot = self.take(a);
        self.slots.insert(a.key(), slot);
        slot
    }

    /// A value from elsewhere; equal numbers are one.
    fn take(&mut self, a: &Array) -> Slot {
        let next = Slot::MAX - self.taken.len() as Slot;
        if a.size() == 1
            && let Some(t) = a.ready_tensor()
            && let Ok(bytes) = crate::host::bytes_of(&t)
        {
            let known = *self.numbers.entry((a.spec().clone(), bytes.to_vec())).or_insert(next);
            if known != next {
                return known;
            }
        }
        self.taken.push(a.clone());
        next
    }

    fn step(&mut self, step: &Step) {
        let inputs: SmallVec<[Slot; 4]> = step.call.inputs.iter().map(|a| self.slot(a)).collect();
        let outs = step.outs();
        let next = self.specs.len() as Slot;
        let values: SmallVec<[Slot; 4]> = inputs.iter().map(|s| *self.merged.get(s).unwrap_or(s)).collect();
        let first = match (&step.call.prim, values.as_slice()) {
            (Prim::Identity(_), &[input]) => input,
            _ => *self.known.entry((step.call.prim.clone(), values)).or_insert(next),
        };
        for (i, out) in outs.iter().enumerate() {
            self.slots.insert(out.key(), next + i as Slot);
            if first != next {
                self.merged.insert(next + i as Slot, first + i as Slot);
            }
        }
        self.specs.extend(outs.iter().map(|o| o.spec().clone()));
        let shape = outs.first().map_or_else(Shape::new, |o| o.spec().shape.clone());
        let same_as = (first != next).then_some(first);
        let prim = step.call.prim.clone();
        self.steps.push(Application { prim, inputs, sources: SmallVec::new(), outputs: outs.len(), shape, same_as });
    }
}

/// An error if a value that the function took from elsewhere is one of its arguments or made of one; whether all of them
/// outlive the transforms that this thread is recording.
fn check_taken(taken: &[Array], args: &[Array]) -> Result<bool> {
    let given: FxHashSet<usize> = args.iter().map(Array::node_key).collect();
    let inside = traces_here() > 0;
    let mut lasts = true;
    let mut seen: FxHashSet<usize> = FxHashSet::default();
    let mut todo: Vec<Arc<Node>> = taken.iter().map(|a| Arc::clone(&a.node)).collect();
    while let Some(node) = todo.pop() {
        let key = Arc::as_ptr(&node) as usize;
        if !seen.insert(key) {
            continue;
        }
        if given.contains(&key) && inside {
            lasts = false;
            continue;
        }
        if given.contains(&key) {
            return Err(Error::value(
                "compile",
                "the function takes one of its arguments, or something made of one, from elsewhere too: expected it as an \
                 argument or among `inputs` alone",
            ));
        }
        if let State::Placeholder(_) = &*node.state.lock() {
            lasts = false;
        }
        if let Some(call) = node.call() {
            lasts &= !(inside && matches!(call.prim, Prim::Identity(_)));
            todo.extend(call.inputs.iter().map(|a| Arc::clone(&a.node)));
        }
    }
    Ok(lasts)
}
