//! Elementwise programs, tile by tile: intermediate values stay in the first-level cache.
//!
//! ```text
//! per task (CHUNK elements):  one-element operands are spread over a tile each
//!   per tile:                 strided operands are gathered; every step runs over the tile, into a slot or, if its
//!                             value is wanted, to its place in memory
//! ```
//!
//! 1. Every step is the kernel that would run alone, so an element has the same bits: kernels work lane by lane and an
//!    element's bits do not depend on its place.
//! 2. A slot is free again after the last step that reads it; a step may write over an operand that dies with it.
//! 3. A result takes over the buffer of an input that no later step reads.
//! 4. While a tile is computed, the next one's inputs are prefetched, a share with every step: otherwise memory would idle
//!    while the processor works in its cache.
//! 5. Results that no cache holds are written past the caches when a tile is finished.
//!
//! Known cost: a call per step and tile, and a load and a store of the first-level
//! cache per step, which a compiled loop would keep in registers.

use crate::elementwise::{Call, Layout, Op, crosses_rows, op_of};
use crate::layout::{Steps, dtype_of};
use crate::movement;
use isobit_core::backend::{Inputs, Outputs};
use isobit_core::fuse::{Operand as From, Program};
use isobit_core::{Error, Result, Spec, Tensor};
use isobit_kernels::dtype::Dtype;
use isobit_kernels::elementwise::{self, BinaryOp, Operand, TileOperand, UnaryOp};
use isobit_kernels::simd::prefetch_far;
use isobit_kernels::{copy, par};
use smallvec::SmallVec;
use std::mem::MaybeUninit;

/// Elements per tile: a page of float32, so that a dozen of tiles share the first-level cache evenly.
const TILE: usize = 1024;
/// Bytes between tiles of scratch memory beyond their size, so that they do not all begin in one set of the cache.
const STAGGER: usize = 192;
/// Elements per task.
const CHUNK: usize = 32 * TILE;
/// Results of this many bytes together are written past the caches.
const STREAM_BYTES: usize = 32 << 20;

/// Where a tile of a value is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A dense input: this far into it.
    Dense(usize),
    /// A tile of scratch memory.
    Slot(usize),
    /// The same, of equal elements.
    Same(usize),
    /// A result: this far into it.
    Out(usize),
}

/// A step with its kernel and places.
struct Line {
    kernel: Kernel,
    operands: SmallVec<[Place; 3]>,
    to: Place,
}

/// What runs over a tile.
#[derive(Clone, Copy)]
enum Kernel {
    /// float32 to float32: straight to the loop.
    Unary(UnaryOp),
    /// As above.
    Binary(BinaryOp),
    /// Any other.
    Any(Call),
}

impl Kernel {
    fn of(call: Call) -> Kernel {
        match call.op {
            Op::Unary(op) if call.from == Dtype::F32 && call.to == Dtype::F32 => Kernel::Unary(op),
            Op::Binary(op) if call.from == Dtype::F32 && call.to == Dtype::F32 => Kernel::Binary(op),
            _ => Kernel::Any(call),
        }
    }
}

/// An input that has to be put into a slot.
enum Fill {
    /// One element, spread once per task.
    Spread { input: usize, slot: usize },
    /// A view, gathered tile by tile.
    Gather { input: usize, slot: usize, steps: Steps },
}

/// A program with everything decided that does not depend on the tile.
struct Plan {
    lines: Vec<Line>,
    fills: Vec<Fill>,
    /// Slots to be written out past the caches at the end of a tile, and to which result.
    stores: Vec<(usize, usize)>,
    slots: usize,
    /// Bytes from slot to slot.
    slot_bytes: usize,
    /// Inputs that are read in place.
    dense: Vec<usize>,
    /// Addresses and element sizes.
    inputs: Vec<(*const u8, usize)>,
    outs: Vec<(*mut u8, usize)>,
}

// SAFETY: inputs are only read, and tasks write disjoint ranges of the results; the pointers outlive the run.
unsafe impl Sync for Plan {}

/// Runs a program.
pub fn run(program: &Program, mut inputs: Inputs, outs: &[Spec]) -> Result<Outputs> {
    let n = outs[0].size();
    if n == 0 {
        return outs.iter().map(|s| Tensor::alloc(&s.shape, s.dtype)).collect();
    }
    let mut layouts: Vec<Layout> = inputs.iter().map(Layout::of).collect();
    for (t, layout) in inputs.iter_mut().zip(&mut layouts) {
        if *layout == Layout::Strided && crosses_rows(t) {
            *t = movement::copy(t)?;
            *layout = Layout::Dense;
        }
    }
    let last = last_uses(program, inputs.len());
    // Addresses are taken before buffers change hands.
    let at: Vec<(*const u8, usize)> = inputs.iter().map(|t| (t.as_byte_ptr(), t.dtype().size())).collect();
    let views: Vec<Option<Steps>> = inputs
        .iter()
        .zip(&layouts)
        .map(|(t, &l)| (l == Layout::Strided).then(|| Steps::merge(&outs[0].shape, std::iter::once(t))))
        .collect();
    let mut fresh = Vec::with_capacity(outs.len());
    let mut results = Outputs::new();
    for (spec, &step) in outs.iter().zip(&program.outputs) {
        let free = |i: usize| layouts[i] == Layout::Dense && last.inputs[i] <= step;
        let taken = (0..inputs.len()).filter(|&i| free(i)).find_map(|i| inputs[i].donate(&spec.shape, spec.dtype));
        fresh.push(taken.is_none());
        results.push(match taken {
            Some(t) => t,
            None => Tensor::alloc(&spec.shape, spec.dtype)?,
        });
    }
    let bytes: usize = outs.iter().zip(&fresh).filter(|(_, f)| **f).map(|(s, _)| n * s.dtype.size()).sum();
    let stream = bytes >= STREAM_BYTES;
    let mut planner = Planner { program, last: &last, free: Vec::new(), slots: 0 };
    let mut plan = planner.plan(&layouts, views, |o| stream && fresh[o], program, &inputs)?;
    plan.inputs = at;
    plan.outs = results.iter().zip(outs).map(|(t, s)| (t.as_mut_byte_ptr(), s.dtype.size())).collect();
    if n < 2 * CHUNK {
        plan.task(0, n);
    } else {
        par::for_chunks(n, CHUNK, |start, end| plan.task(start, end));
    }
    // The inputs live to here: the plan points into their buffers.
    drop(inputs);
    Ok(results)
}

/// The last step that reads each value.
struct LastUses {
    inputs: Vec<usize>,
    steps: Vec<usize>,
}

fn last_uses(program: &Program, inputs: usize) -> LastUses {
    let mut last = LastUses { inputs: vec![0; inputs], steps: vec![0; program.steps.len()] };
    for (s, step) in program.steps.iter().enumerate() {
        for o in &step.operands {
            match *o {
                From::Input(i) => last.inputs[i] = s,
                From::Step(i) => last.steps[i] = s,
            }
        }
    }
    last
}

/// Hands out slots.
struct Planner<'a> {
    program: &'a Program,
    last: &'a LastUses,
    free: Vec<usize>,
    slots: usize,
}

impl Planner<'_> {
    fn slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    fn plan(
        &mut self,
        layouts: &[Layout],
        views: Vec<Option<Steps>>,
        streams: impl Fn(usize) -> bool,
        program: &Program,
        inputs: &[Tensor],
    ) -> Result<Plan> {
        let mut fills = Vec::new();
        let mut sources = Vec::with_capacity(layouts.len());
        for (input, view) in views.into_iter().enumerate() {
            if layouts[input] == Layout::Dense {
                sources.push(Place::Dense(input));
                continue;
            }
            // These slots are never reused: what is spread must last for all tiles.
            let slot = self.slot();
            sources.push(if view.is_some() { Place::Slot(slot) } else { Place::Same(slot) });
            fills.push(match view {
                Some(steps) => Fill::Gather { input, slot, steps },
                None => Fill::Spread { input, slot },
            });
        }
        let mut places: Vec<Place> = Vec::with_capacity(program.steps.len());
        let (mut lines, mut stores) = (Vec::new(), Vec::new());
        for (s, step) in program.steps.iter().enumerate() {
            let operand = |o: &From| match *o {
                From::Input(i) => sources[i],
                From::Step(i) => places[i],
            };
            let operands: SmallVec<[Place; 3]> = step.operands.iter().map(operand).collect();
            let dtype = |o: &From| match *o {
                From::Input(i) => inputs[i].dtype(),
                From::Step(i) => program.steps[i].dtype,
            };
            let from = dtype(&step.operands[0]);
            let op = op_of(&step.prim)
                .ok_or_else(|| Error::runtime("eval", format!("{} is not elementwise", step.prim.name())))?;
            let call = Call { op, from: dtype_of(from), to: dtype_of(step.dtype) };
            call.check(step.operands.len())?;
            // Operands that die here and are of the result's size may be written over; others are free afterwards.
            let dying = self.dying(s, &places);
            let (same, other): (Vec<_>, Vec<_>) =
                dying.into_iter().partition(|&(i, _)| program.steps[i].dtype.size() == step.dtype.size());
            self.free.extend(same.iter().map(|d| d.1));
            let output = self.program.outputs.iter().position(|&o| o == s);
            let to = match output {
                Some(o) if !streams(o) => Place::Out(o),
                _ => Place::Slot(self.slot()),
            };
            if let (Some(o), Place::Slot(slot)) = (output, to) {
                stores.push((slot, o));
            }
            self.free.extend(other.iter().map(|d| d.1));
            places.push(to);
            lines.push(Line { kernel: Kernel::of(call), operands, to });
        }
        let sizes = program.steps.iter().map(|s| s.dtype).chain(inputs.iter().map(Tensor::dtype));
        let widest = sizes.map(|d| d.size()).max().unwrap_or(8);
        let (slots, slot_bytes) = (self.slots, TILE * widest + STAGGER);
        let dense = (0..layouts.len()).filter(|&i| layouts[i] == Layout::Dense).collect();
        Ok(Plan { lines, fills, stores, slots, slot_bytes, dense, inputs: Vec::new(), outs: Vec::new() })
    }

    /// Steps whose values are in slots that nothing reads after step `s`, with their slots. Streamed results live on.
    fn dying(&self, s: usize, places: &[Place]) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for o in &self.program.steps[s].operands {
            if let From::Step(i) = *o
                && let Place::Slot(slot) = places[i]
                && self.last.steps[i] == s
                && !self.program.outputs.contains(&i)
                && !all.contains(&(i, slot))
            {
                all.push((i, slot));
            }
        }
        all
    }
}

/// A cache line of scratch memory.
#[repr(C, align(64))]
struct Line64(#[allow(dead_code)] MaybeUninit<[u8; 64]>);

impl Plan {
    /// Computes elements `start .. end`.
    fn task(&self, start: usize, end: usize) {
        let mut scratch: Vec<Line64> = Vec::with_capacity((self.slots * self.slot_bytes).div_ceil(64));
        let base: *mut u8 = scratch.as_mut_ptr().cast();
        for fill in &self.fills {
            if let Fill::Spread { input, slot: s } = *fill {
                let (ptr, size) = self.inputs[input];
                // SAFETY: the input has an element, the slot room for a tile.
                unsafe { elementwise::fill(size, ptr, self.slot(base, s), TILE) };
            }
        }
        let mut at = start;
        while at < end {
            let len = TILE.min(end - at);
            self.tile(at, len, base);
            at += len;
        }
    }

    /// Asks for the `k`-th share of what the tile at `at` reads, as many shares as steps.
    fn prefetch(&self, at: usize, k: usize) {
        let steps = self.lines.len();
        for &i in &self.dense {
            let (ptr, size) = self.inputs[i];
            let cut = |k: usize| (TILE * size / 64) * k / steps * 64;
            prefetch_far(ptr.wrapping_add(at * size + cut(k)), cut(k + 1) - cut(k));
        }
    }

    fn slot(&self, base: *mut u8, i: usize) -> *mut u8 {
        base.wrapping_add(i * self.slot_bytes)
    }

    fn tile(&self, at: usize, len: usize, base: *mut u8) {
        for fill in &self.fills {
            if let Fill::Gather { input, slot, steps } = fill {
                let (ptr, size) = self.inputs[*input];
                // SAFETY: the view has the results' shape, the slot room for a tile.
                unsafe {
                    copy::gather(size, steps.shape(), steps.strides(0), ptr, at, len, self.slot(base, *slot));
                }
            }
        }
        let place = |p: Place| match p {
            Place::Dense(i) => self.inputs[i].0.cast_mut().wrapping_add(at * self.inputs[i].1),
            Place::Slot(s) | Place::Same(s) => self.slot(base, s),
            Place::Out(o) => self.outs[o].0.wrapping_add(at * self.outs[o].1),
        };
        let tile_operand = |p: Place| match p {
            Place::Same(_) => TileOperand::Repeated(place(p).cast_const().cast()),
            _ => TileOperand::Each(place(p).cast_const().cast()),
        };
        for (k, line) in self.lines.iter().enumerate() {
            self.prefetch(at + TILE, k);
            let (x, to) = (&line.operands, place(line.to));
            // SAFETY: every place holds `len` elements that have been written, inputs and earlier steps; the result's
            // is no operand's, or that of one of the same size. The kernels exist: the plan asked.
            unsafe {
                match line.kernel {
                    Kernel::Unary(op) => elementwise::unary_tile(op, place(x[0]).cast_const().cast(), to.cast(), len),
                    Kernel::Binary(op) => {
                        elementwise::binary_tile(op, tile_operand(x[0]), tile_operand(x[1]), to.cast(), len)
                    }
                    Kernel::Any(call) => {
                        let at: SmallVec<[Operand<'_>; 3]> =
                            x.iter().map(|&p| Operand::Vector(place(p).cast_const())).collect();
                        let done = call.kernel(&at, to, len);
                        debug_assert!(done.is_ok(), "{done:?}");
                    }
                }
            }
        }
        for &(s, o) in &self.stores {
            let (ptr, size) = self.outs[o];
            // SAFETY: the slot holds the tile, and the result has room for it.
            unsafe {
                elementwise::store_past_caches(self.slot(base, s), ptr.wrapping_add(at * size), len * size);
            }
        }
    }
}
