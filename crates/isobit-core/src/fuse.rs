//! Fusion at evaluation: elementwise nodes of one shape that feed one another run as one program, so that intermediate
//! values need no memory.
//!
//! ```text
//! grow:      from the node to be evaluated down to its inputs, as long as they are elementwise and not evaluated
//! wait:      for whatever else the region reads
//! outputs:   the node itself, and inside the region what others refer to and what is dear to compute again
//! run:       the backend gets the list of steps, inputs and outputs; how it runs them is its own affair
//! ```
//!
//! 1. Results have the bits of one step at a time: steps are the same primitives, rounded after every one of them.
//! 2. What a region computes and does not hand out stays lazy. If others turn out to want it, it is computed again, from
//!    one array and in a few cheap steps, which costs less than having stored it; so no list of users is needed.
//! 3. Only outputs change state, and nothing is waited for once they are claimed: threads that evaluate overlapping
//!    graphs at worst compute a value twice.
//! 4. Nodes that a running transform may still look at are left alone.
//!
//! It must not touch small arrays: planning costs more than it saves there.

use crate::array::{Array, Call, Node, State};
use crate::backend::{Backend, Inputs};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::eval::{live_traces, publish, take_tensor};
use crate::prim::Prim;
use crate::spec::Spec;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// Elementwise primitives of one shape, inputs before users.
#[derive(Debug)]
pub struct Program {
    /// What is computed, in order.
    pub steps: Vec<Step>,
    /// The steps whose values are wanted, ascending.
    pub outputs: Vec<usize>,
}

/// One application inside a [`Program`].
#[derive(Debug)]
pub struct Step {
    /// What is applied.
    pub prim: Prim,
    /// To what.
    pub operands: SmallVec<[Operand; 3]>,
    /// Dtype of the result.
    pub dtype: Dtype,
}

/// Where a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// An input of the program.
    Input(usize),
    /// The value of an earlier step.
    Step(usize),
}

/// Most steps of a program.
const MOST_STEPS: usize = 48;
/// Most inputs that a region may read.
const MOST_INPUTS: usize = 24;
/// What others refer to is computed again rather than stored if that takes at most this many cheap steps.
const CHEAP: usize = 4;

/// The number of elements from which fusion pays; `ISOBIT_FUSE_FROM` sets another one (for tests), 0 turns it off.
fn fuse_from() -> usize {
    static FROM: OnceLock<usize> = OnceLock::new();
    *FROM.get_or_init(|| match std::env::var("ISOBIT_FUSE_FROM").ok().and_then(|v| v.parse().ok()) {
        Some(0) => usize::MAX,
        Some(n) => n,
        None => 4096,
    })
}

/// The nodes that one call of `eval` asks for, by address.
pub(crate) type Wanted = FxHashSet<usize>;

/// What became of a node.
pub(crate) enum Fused {
    /// It is no part of a region: run it alone.
    Alone,
    /// These have to be evaluated first.
    Waits(Vec<Arc<Node>>),
    /// It is evaluated.
    Done,
}

/// Whether a node is large enough to think about.
#[inline]
pub(crate) fn is_large(node: &Node) -> bool {
    node.specs.len() == 1 && node.specs[0].size() >= fuse_from()
}

/// A node of a region.
struct Member {
    node: Arc<Node>,
    call: Call,
    /// How often members refer to it.
    uses: usize,
}

/// Evaluates `root` together with the elementwise nodes behind it, if there are any.
pub(crate) fn run(backend: &'static dyn Backend, root: &Arc<Node>, wanted: &Wanted) -> Result<Fused> {
    if root.traced && live_traces() {
        return Ok(Fused::Alone);
    }
    let Some(members) = grow(root) else { return Ok(Fused::Alone) };
    let mut waits: Vec<Arc<Node>> = Vec::new();
    for a in members.iter().flat_map(|m| &m.call.inputs) {
        let outside = !a.node.is_ready() && position(&members, &a.node).is_none();
        if outside && !waits.iter().any(|w| Arc::ptr_eq(w, &a.node)) {
            waits.push(Arc::clone(&a.node));
        }
    }
    if !waits.is_empty() {
        return Ok(Fused::Waits(waits));
    }
    let order = inputs_first(&members);
    let inputs = read_by(&members);
    let chosen = choose_outputs(&members, &order, &inputs, wanted);
    let shape = root.specs[0].shape.clone();
    // From here on other threads wait for the outputs.
    let Some(claims) = Claims::of(&members, &order, &chosen) else { return Ok(Fused::Alone) };
    let program = program(&members, &order, &inputs, &claims);
    let specs: Vec<Spec> =
        program.outputs.iter().map(|&s| Spec { shape: shape.clone(), dtype: program.steps[s].dtype }).collect();
    // What only the region referred to dies here, so that kernels may take over the inputs' buffers.
    drop(members);
    let result = inputs.into_iter().map(take_tensor).collect::<Result<Inputs>>();
    let result = result.and_then(|tensors| backend.run_fused(&program, tensors, &specs));
    claims.publish(result).map(|()| Fused::Done)
}

fn position(members: &[Member], node: &Arc<Node>) -> Option<usize> {
    members.iter().position(|m| Arc::ptr_eq(&m.node, node))
}

/// The application behind a node that may be part of a region.
fn fusable(node: &Node) -> Option<Call> {
    if node.specs.len() != 1 {
        return None;
    }
    match &*node.state.lock() {
        State::Lazy(call) if call.prim.is_elementwise() && node.specs[0].dtype != Dtype::C64 => Some(call.clone()),
        _ => None,
    }
}

/// The region above which `root` stands, nearest first, or `None` if that is `root` alone.
fn grow(root: &Arc<Node>) -> Option<Vec<Member>> {
    let call = fusable(root)?;
    let mut members = vec![Member { node: Arc::clone(root), call, uses: 0 }];
    let mut others: SmallVec<[(usize, u32); MOST_INPUTS]> = SmallVec::new();
    let mut at = 0;
    while at < members.len() {
        for i in 0..members[at].call.inputs.len() {
            let input = members[at].call.inputs[i].clone();
            if let Some(m) = position(&members, &input.node) {
                members[m].uses += 1;
                continue;
            }
            let room = members.len() < MOST_STEPS && others.len() < MOST_INPUTS;
            if room
                && !input.node.is_ready()
                && let Some(call) = fusable(&input.node)
            {
                members.push(Member { node: input.node, call, uses: 1 });
            } else if !others.contains(&input.key()) {
                others.push(input.key());
            }
        }
        at += 1;
    }
    (members.len() > 1).then_some(members)
}

/// Positions of the members, each behind those it reads.
fn inputs_first(members: &[Member]) -> Vec<usize> {
    let mut left: Vec<usize> = members.iter().map(|m| m.uses).collect();
    // The root has no users here, and every other member is put down after its last one.
    let mut order = Vec::with_capacity(members.len());
    order.push(0);
    let mut at = 0;
    while at < order.len() {
        for a in &members[order[at]].call.inputs {
            if let Some(m) = position(members, &a.node) {
                left[m] -= 1;
                if left[m] == 0 {
                    order.push(m);
                }
            }
        }
        at += 1;
    }
    order.reverse();
    order
}

/// What the region reads from outside, each once.
fn read_by(members: &[Member]) -> Vec<Array> {
    let mut inputs: Vec<Array> = Vec::new();
    for a in members.iter().flat_map(|m| &m.call.inputs) {
        if position(members, &a.node).is_none() && !inputs.iter().any(|b| b.same(a)) {
            inputs.push(a.clone());
        }
    }
    inputs
}

/// What it takes to compute a member again.
#[derive(Clone, Copy)]
struct Again {
    steps: usize,
    from: From,
}

/// The arrays that a value is computed from, apart from those that repeat one element.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Nothing,
    Input(usize),
    Output(usize),
    Many,
}

impl From {
    fn and(self, other: From) -> From {
        match (self, other) {
            (From::Nothing, x) | (x, From::Nothing) => x,
            (x, y) if x == y => x,
            _ => From::Many,
        }
    }
}

/// Which members are handed out.
fn choose_outputs(members: &[Member], order: &[usize], inputs: &[Array], wanted: &Wanted) -> Vec<bool> {
    let small: Vec<bool> = inputs.iter().map(repeats_one).collect();
    let mut chosen = vec![false; members.len()];
    let mut again = vec![Again { steps: 0, from: From::Nothing }; members.len()];
    chosen[0] = true;
    for &m in order {
        let member = &members[m];
        let mut cost = Again { steps: weight(&member.call.prim), from: From::Nothing };
        for a in &member.call.inputs {
            match position(members, &a.node) {
                Some(i) => {
                    cost.steps += again[i].steps;
                    cost.from = cost.from.and(again[i].from);
                }
                None => {
                    let i = inputs.iter().position(|b| b.same(a)).unwrap_or(0);
                    cost.from = cost.from.and(if small[i] { From::Nothing } else { From::Input(i) });
                }
            }
        }
        // The handles of the members' calls, of the copies of those calls, and of the list.
        let inside = 2 * member.uses + 1;
        let asked_for = wanted.contains(&(Arc::as_ptr(&member.node) as usize));
        let dear = cost.steps > CHEAP || cost.from == From::Many;
        if m == 0 || asked_for || (dear && Arc::strong_count(&member.node) > inside) {
            chosen[m] = true;
            cost = Again { steps: 0, from: From::Output(m) };
        }
        again[m] = cost;
    }
    chosen
}

fn repeats_one(a: &Array) -> bool {
    let one = |t: crate::tensor::Tensor| t.shape().iter().zip(t.strides()).all(|(&n, &s)| n == 1 || s == 0);
    a.ready_tensor().is_some_and(one)
}

/// Roughly what a step costs, in additions.
fn weight(prim: &Prim) -> usize {
    match prim {
        Prim::Abs(_)
        | Prim::Add(_)
        | Prim::Astype(_)
        | Prim::Equal(_)
        | Prim::Less(_)
        | Prim::LessEqual(_)
        | Prim::Maximum(_)
        | Prim::Minimum(_)
        | Prim::Multiply(_)
        | Prim::Negative(_)
        | Prim::NotEqual(_)
        | Prim::Select(_)
        | Prim::Square(_)
        | Prim::Subtract(_) => 1,
        _ => CHEAP + 1,
    }
}

/// The nodes that this thread has promised to evaluate.
struct Claims {
    /// With their positions among the members, in the order of the program.
    nodes: Vec<(usize, Arc<Node>)>,
    published: bool,
}

impl Claims {
    /// Claims the chosen members, `None` if the root is not to be had. Others that another thread was quicker to take
    /// are merely not handed out.
    fn of(members: &[Member], order: &[usize], chosen: &[bool]) -> Option<Claims> {
        let mut claims = Claims { nodes: Vec::new(), published: false };
        // The root comes first: without it nothing is claimed.
        let claim = |m: usize| {
            let mut state = members[m].node.state.lock();
            matches!(*state, State::Lazy(_)).then(|| std::mem::replace(&mut *state, State::Running))
        };
        // Calls are dropped when no lock is held.
        let mut taken = vec![claim(0)?];
        for &m in order {
            if m == 0 {
                claims.nodes.push((m, Arc::clone(&members[m].node)));
            } else if chosen[m]
                && let Some(state) = claim(m)
            {
                taken.push(state);
                claims.nodes.push((m, Arc::clone(&members[m].node)));
            }
        }
        Some(claims)
    }

    fn publish(mut self, result: Result<crate::backend::Outputs>) -> Result<()> {
        self.published = true;
        let result = result.and_then(|outs| match outs.len() == self.nodes.len() {
            true => Ok(outs),
            false => Err(Error::runtime("eval", "a fused program lost an output")),
        });
        match result {
            Ok(outs) => {
                for ((_, node), out) in self.nodes.iter().zip(outs) {
                    debug_assert!(out.spec() == node.specs[0], "{:?} for {:?}", out.spec(), node.specs[0]);
                    publish(node, State::Ready { outs: smallvec::smallvec![out], call: None });
                }
                Ok(())
            }
            Err(e) => {
                self.nodes.iter().for_each(|(_, node)| publish(node, State::Failed(e.clone())));
                Err(e)
            }
        }
    }
}

/// A kernel that panics must not leave other threads waiting.
impl Drop for Claims {
    fn drop(&mut self) {
        if !self.published {
            for (_, node) in &self.nodes {
                publish(node, State::Failed(Error::runtime("eval", "a kernel panicked")));
            }
        }
    }
}

fn program(members: &[Member], order: &[usize], inputs: &[Array], claims: &Claims) -> Program {
    let mut step_of = vec![0; members.len()];
    let mut steps = Vec::with_capacity(order.len());
    for (s, &m) in order.iter().enumerate() {
        step_of[m] = s;
        let call = &members[m].call;
        let operand = |a: &Array| match position(members, &a.node) {
            Some(i) => Operand::Step(step_of[i]),
            None => Operand::Input(inputs.iter().position(|b| b.same(a)).unwrap_or(0)),
        };
        steps.push(Step {
            prim: call.prim.clone(),
            operands: call.inputs.iter().map(operand).collect(),
            dtype: members[m].node.specs[0].dtype,
        });
    }
    let outputs = claims.nodes.iter().map(|&(m, _)| step_of[m]).collect();
    Program { steps, outputs }
}

/// Runs a program one primitive at a time: what a backend without anything better does.
pub(crate) fn one_by_one<B: Backend + ?Sized>(
    backend: &B,
    program: &Program,
    inputs: Inputs,
    outs: &[Spec],
) -> Result<crate::backend::Outputs> {
    let lost = || Error::runtime("eval", "a fused program reads a value that it does not have");
    let mut values: Vec<crate::tensor::Tensor> = Vec::with_capacity(program.steps.len());
    for step in &program.steps {
        let read = |o: &Operand| match *o {
            Operand::Input(i) => inputs.get(i).cloned().ok_or_else(lost),
            Operand::Step(s) => values.get(s).cloned().ok_or_else(lost),
        };
        let args = step.operands.iter().map(read).collect::<Result<Inputs>>()?;
        let shape = outs.first().ok_or_else(lost)?.shape.clone();
        match backend.run(&step.prim, args, &[Spec { shape, dtype: step.dtype }])? {
            crate::backend::Ran::Done(mut out) if out.len() == 1 => values.push(out.remove(0)),
            _ => return Err(Error::runtime("eval", format!("{} has no kernel of its own", step.prim.name()))),
        }
    }
    program.outputs.iter().map(|&s| values.get(s).cloned().ok_or_else(lost)).collect()
}
