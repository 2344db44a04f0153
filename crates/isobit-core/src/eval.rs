//! Evaluation: an iterative topological order, one primitive at a time, buffers donated and freed as it goes.

use crate::array::{Array, Call, Node, State};
use crate::backend::{self, Backend, Inputs, Outputs, Ran};
use crate::error::{Error, Result};
use crate::fuse::{self, Fused, Wanted};
use crate::numerics;
use crate::tensor::Tensor;
use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::{Duration, Instant};

/// How many transforms are recording right now, on any thread. While there are any, evaluated nodes that depend on a
/// transform's argument keep their graph, since a rule may still need it.
static LIVE_TRACES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many of them this thread runs.
    static TRACES_HERE: Cell<usize> = const { Cell::new(0) };
    /// Whether what they record may be other for other sizes.
    static SIZES_MATTER: Cell<bool> = const { Cell::new(false) };
}

/// Held while a transform records and walks a function, by the thread that does.
pub(crate) struct TraceGuard(PhantomData<*const ()>);

impl TraceGuard {
    pub fn new() -> TraceGuard {
        LIVE_TRACES.fetch_add(1, Ordering::SeqCst);
        TRACES_HERE.set(TRACES_HERE.get() + 1);
        TraceGuard(PhantomData)
    }
}

impl Drop for TraceGuard {
    fn drop(&mut self) {
        TRACES_HERE.set(TRACES_HERE.get() - 1);
        LIVE_TRACES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many transforms this thread is recording, one inside the other.
pub(crate) fn traces_here() -> usize {
    TRACES_HERE.get()
}

/// Says to the recordings on this thread that what is done now would perhaps be done otherwise for arrays of other sizes.
///
/// Primitives that are not elementwise say so when they are applied. What decides by sizes and applies none must say it: an
/// operation that returns its operand because nothing is left to do, a program that asks for a shape.
#[inline]
pub fn sizes_matter() {
    if traces_here() > 0 {
        SIZES_MATTER.set(true);
    }
}

/// Runs `f`; its result, and whether sizes mattered. They do not matter less for recordings around it.
pub(crate) fn watching_sizes<R>(f: impl FnOnce() -> R) -> (R, bool) {
    let before = SIZES_MATTER.replace(false);
    let result = f();
    let mattered = SIZES_MATTER.get();
    SIZES_MATTER.set(before || mattered);
    (result, mattered)
}

pub(crate) fn live_traces() -> bool {
    LIVE_TRACES.load(Ordering::SeqCst) > 0
}

/// Asked now and then between two primitives of an evaluation; an error ends the evaluation with that error. What has
/// been computed stays, the rest stays lazy and can be evaluated again.
pub type Interrupt = fn() -> Result<()>;

static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();

/// Lets the program that isobit is part of stop long evaluations. The first call in a process decides.
pub fn set_interrupt(check: Interrupt) {
    let _ = INTERRUPT.set(check);
}

/// How long an evaluation goes on before it asks, and asks again.
const PATIENCE: Duration = Duration::from_millis(50);

/// When an evaluation asks next.
#[derive(Default)]
struct Patience {
    asked: Option<Instant>,
    never: bool,
}

impl Patience {
    /// Of an evaluation that must not be left half done.
    fn completing() -> Patience {
        Patience { asked: None, never: true }
    }

    #[inline]
    fn check(&mut self) -> Result<()> {
        let Some(interrupted) = INTERRUPT.get().filter(|_| !self.never) else { return Ok(()) };
        let now = Instant::now();
        match self.asked {
            Some(asked) if now - asked < PATIENCE => return Ok(()),
            Some(_) => interrupted()?,
            None => {}
        }
        self.asked = Some(now);
        Ok(())
    }
}

/// Computes the values of all these arrays.
pub fn eval(arrays: &[Array]) -> Result<()> {
    eval_patiently(arrays, &mut Patience::default())
}

fn eval_patiently(arrays: &[Array], patience: &mut Patience) -> Result<()> {
    if arrays.iter().all(|a| a.node.is_ready()) {
        return Ok(());
    }
    let backend = backend::current()?;
    // What is asked for is worth storing.
    let wanted: Wanted = match arrays {
        [_] => Wanted::default(),
        _ => arrays.iter().filter(|a| fuse::is_large(&a.node)).map(Array::node_key).collect(),
    };
    for a in arrays {
        run_graph(backend, &a.node, &wanted, patience)?;
    }
    for a in arrays {
        if let State::Failed(e) = &*a.node.state.lock() {
            return Err(e.clone());
        }
    }
    Ok(())
}

/// Starts computing and returns at once; whoever needs a value waits for it. An error comes back from that later call.
///
/// # Errors
/// An array that depends on an argument of a function which this thread is transforming: nobody could wait for it there.
pub fn async_eval(arrays: &[Array]) -> Result<()> {
    let todo: Vec<Array> = arrays.iter().filter(|a| !a.node.is_ready()).cloned().collect();
    if traces_here() > 0 && todo.iter().any(|a| a.node.traced) {
        return Err(Error::value(
            "async_eval",
            "expected arrays of no function that is being transformed: use eval there",
        ));
    }
    if todo.is_empty() {
        return Ok(());
    }
    type Job = (Vec<Array>, &'static dyn Backend, bool);
    static QUEUE: OnceLock<Option<Mutex<mpsc::Sender<Job>>>> = OnceLock::new();
    let queue = QUEUE.get_or_init(|| {
        let (send, receive) = mpsc::channel::<Job>();
        let worker = move || {
            for (arrays, backend, strict) in receive {
                let _strict = numerics::Strict::set(strict);
                // An error stays in the node and is reported to whoever asks for the value, or for errors.
                if backend::with(backend, || eval(&arrays)).is_err() {
                    let failed = |a: &&Array| matches!(&*a.node.state.lock(), State::Failed(_));
                    if let Some(a) = arrays.iter().find(failed) {
                        *LATE.lock() = Some(Arc::downgrade(&a.node));
                    }
                }
                drop(arrays);
                let _guard = DONE.0.lock();
                FINISHED.fetch_add(1, Ordering::Release);
                DONE.1.notify_all();
            }
        };
        std::thread::Builder::new().name("isobit-eval".into()).spawn(worker).ok().map(|_| Mutex::new(send))
    });
    let backend = backend::current()?;
    match queue {
        Some(q) => {
            STARTED.fetch_add(1, Ordering::AcqRel);
            match q.lock().send((todo, backend, numerics::strict())) {
                Ok(()) => Ok(()),
                Err(mpsc::SendError((todo, ..))) => {
                    STARTED.fetch_sub(1, Ordering::AcqRel);
                    eval(&todo)
                }
            }
        }
        None => eval(&todo),
    }
}

/// The last array that [`async_eval`] could not compute, as long as somebody holds it.
static LATE: Mutex<Option<Weak<Node>>> = Mutex::new(None);

/// The error of the last array that [`async_eval`] could not compute, if somebody still holds the array. Answers once.
pub fn late_error() -> Option<Error> {
    let node = LATE.lock().take()?.upgrade()?;
    match &*node.state.lock() {
        State::Failed(e) => Some(e.clone()),
        _ => None,
    }
}

/// Waits until everything that [`async_eval`] has started is done.
///
/// # Errors
/// An interruption ([`set_interrupt`]). Errors of computations stay with the arrays and are reported to whoever asks for
/// their values, or by [`late_error`].
pub fn synchronize() -> Result<()> {
    wait_until(|| STARTED.load(Ordering::Acquire) == FINISHED.load(Ordering::Acquire))
}

/// Runs the unevaluated nodes behind `root` and `root` itself, inputs before users. Takes no recursion, so a graph may be
/// arbitrarily deep. A node that has run is ready, so nothing else needs to be remembered of where the walk has been.
fn run_graph(backend: &'static dyn Backend, root: &Arc<Node>, wanted: &Wanted, patience: &mut Patience) -> Result<()> {
    let fuses = backend.fuses();
    /// A node, and whether its inputs are done.
    type Visit = (Arc<Node>, bool);
    let mut stack: Vec<Visit> = vec![(Arc::clone(root), false)];
    let mut steps = 0usize;
    while let Some((node, entered)) = stack.pop() {
        if node.is_ready() {
            continue;
        }
        // The first node alone needs no clock: most evaluations of a few numbers are one node.
        if steps > 0 {
            patience.check()?;
        }
        steps += 1;
        if fuses && fuse::is_large(&node) {
            match fuse::run(backend, &node, wanted)? {
                Fused::Done => continue,
                Fused::Alone => {}
                Fused::Waits(nodes) => {
                    stack.push((node, false));
                    stack.extend(nodes.into_iter().rev().map(|n| (n, false)));
                    continue;
                }
            }
        }
        if !entered {
            let mut waits_for: SmallVec<[Arc<Node>; 4]> = SmallVec::new();
            match &*node.state.lock() {
                State::Lazy(call) => {
                    for a in &call.inputs {
                        if !a.node.is_ready() {
                            waits_for.push(Arc::clone(&a.node));
                        }
                    }
                }
                State::Failed(e) => return Err(e.clone()),
                State::Placeholder(transform) => {
                    return Err(Error::value(
                        transform,
                        "a value was needed inside a function that is being transformed: expected operations on \
                         arrays only, got an evaluation (eval, item, to_vec or a condition on an array)",
                    ));
                }
                // Another thread runs it, or just did: `run_node` waits for that.
                State::Running | State::Ready { .. } => {}
            }
            if !waits_for.is_empty() {
                stack.push((node, true));
                while let Some(n) = waits_for.pop() {
                    stack.push((n, false));
                }
                continue;
            }
        }
        run_node(backend, &node)?;
    }
    Ok(())
}

static DONE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
/// How many calls of [`async_eval`] went to the worker, and how many of them it is done with.
static STARTED: AtomicUsize = AtomicUsize::new(0);
static FINISHED: AtomicUsize = AtomicUsize::new(0);
/// How many threads wait for another thread's node.
static WAITING: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn publish(node: &Node, state: State) {
    let ready = matches!(state, State::Ready { .. });
    *node.state.lock() = state;
    node.ready.store(ready, Ordering::Release);
    if WAITING.load(Ordering::SeqCst) > 0 {
        let _guard = DONE.0.lock();
        DONE.1.notify_all();
    }
}

/// Waits until no thread runs the node any more.
fn wait_for(node: &Node) -> Result<()> {
    wait_until(|| !matches!(&*node.state.lock(), State::Running))
}

/// Waits for other threads; the wait can be interrupted like an evaluation.
fn wait_until(done: impl Fn() -> bool) -> Result<()> {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let mut interrupted = Ok(());
    let mut patience = Patience::default();
    let mut guard = DONE.0.lock();
    while interrupted.is_ok() && !done() {
        DONE.1.wait_for(&mut guard, PATIENCE);
        // Whoever is asked may evaluate something else.
        interrupted = parking_lot::MutexGuard::unlocked(&mut guard, || patience.check());
    }
    drop(guard);
    WAITING.fetch_sub(1, Ordering::SeqCst);
    interrupted
}

fn run_node(backend: &'static dyn Backend, node: &Node) -> Result<()> {
    let call = {
        let mut state = node.state.lock();
        match &*state {
            State::Ready { .. } => return Ok(()),
            State::Failed(e) => return Err(e.clone()),
            State::Placeholder(_) => return Ok(()),
            State::Running => {
                drop(state);
                wait_for(node)?;
                return match &*node.state.lock() {
                    State::Failed(e) => Err(e.clone()),
                    _ => Ok(()),
                };
            }
            // Refused before it is taken out: the node can still be evaluated later.
            State::Lazy(call) => {
                let first = call.inputs.first().map_or(node.specs[0].dtype, Array::dtype);
                numerics::check(backend, &call.prim, first)?;
                match std::mem::replace(&mut *state, State::Running) {
                    State::Lazy(call) => call,
                    _ => return Ok(()),
                }
            }
        }
    };
    /// A kernel that panics must not leave other threads waiting for this node.
    struct OnPanic<'a>(&'a Node);
    impl Drop for OnPanic<'_> {
        fn drop(&mut self) {
            publish(self.0, State::Failed(Error::runtime("eval", "a kernel panicked")));
        }
    }
    let guard = OnPanic(node);
    let keep = node.traced && LIVE_TRACES.load(Ordering::SeqCst) > 0;
    let kept = keep.then(|| Box::new(call.clone()));
    let result = run_call(backend, node, call);
    std::mem::forget(guard);
    match result {
        Ok(outs) => {
            publish(node, State::Ready { outs, call: kept });
            Ok(())
        }
        Err(e) => {
            publish(node, State::Failed(e.clone()));
            Err(e)
        }
    }
}

fn run_call(backend: &'static dyn Backend, node: &Node, call: Call) -> Result<Outputs> {
    let Call { prim, inputs } = call;
    let mut tensors = Inputs::new();
    for input in inputs {
        tensors.push(take_tensor(input)?);
    }
    match backend.run(&prim, tensors, &node.specs)? {
        Ran::Done(outs) => {
            debug_assert_eq!(outs.len(), node.specs.len(), "{}", prim.name());
            debug_assert!(
                outs.iter().zip(&node.specs).all(|(t, s)| t.spec() == *s),
                "{}: {:?}",
                prim.name(),
                node.specs
            );
            Ok(outs)
        }
        Ran::Decompose(tensors) => {
            let arrays: Vec<Array> = tensors.into_iter().map(Array::from_tensor).collect();
            let outs = prim.decompose(&arrays)?;
            drop(arrays);
            // This node is running: it is completed even if an interruption waits.
            eval_patiently(&outs, &mut Patience::completing())?;
            outs.into_iter().map(take_tensor).collect()
        }
    }
}

/// The value of an input. If this was the last handle on it, nothing else refers to its buffer through the graph, and
/// the kernel may reuse it.
pub(crate) fn take_tensor(mut array: Array) -> Result<Tensor> {
    let index = array.index as usize;
    let missing = || Error::runtime("eval", "an input has no value");
    // The count alone decides nothing, but spares a shared array the atomic operations of `get_mut`.
    let last = Arc::strong_count(&array.node) == 1;
    if last && let Some(node) = Arc::get_mut(&mut array.node) {
        return match node.state.get_mut() {
            State::Ready { outs, .. } if index < outs.len() => Ok(outs.swap_remove(index)),
            State::Failed(e) => Err(e.clone()),
            _ => Err(missing()),
        };
    }
    match &*array.node.state.lock() {
        State::Ready { outs, .. } => outs.get(index).cloned().ok_or_else(missing),
        State::Failed(e) => Err(e.clone()),
        _ => Err(missing()),
    }
}

/// Drops the graph behind evaluated nodes that a finished transform no longer needs.
pub(crate) fn release_graph(nodes: impl Iterator<Item = Arc<Node>>) {
    if LIVE_TRACES.load(Ordering::SeqCst) > 0 {
        return;
    }
    for node in nodes {
        let call = match &mut *node.state.lock() {
            State::Ready { call, .. } => call.take(),
            _ => None,
        };
        drop(call);
    }
}
