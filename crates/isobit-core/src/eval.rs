//! Evaluation: an iterative topological order, one primitive at a time, buffers donated and freed as it goes.

use crate::array::{Array, Call, Node, State};
use crate::backend::{self, Backend, Inputs, Outputs, Ran};
use crate::error::{Error, Result};
use crate::fuse::{self, Fused, Wanted};
use crate::tensor::Tensor;
use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

/// How many transforms are recording right now, on any thread. While there are any, evaluated nodes that depend on a
/// transform's argument keep their graph, since a rule may still need it.
static LIVE_TRACES: AtomicUsize = AtomicUsize::new(0);

/// Held while a transform records and walks a function.
pub(crate) struct TraceGuard;

impl TraceGuard {
    pub fn new() -> TraceGuard {
        LIVE_TRACES.fetch_add(1, Ordering::SeqCst);
        TraceGuard
    }
}

impl Drop for TraceGuard {
    fn drop(&mut self) {
        LIVE_TRACES.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn live_traces() -> bool {
    LIVE_TRACES.load(Ordering::SeqCst) > 0
}

/// Computes the values of all these arrays.
pub fn eval(arrays: &[Array]) -> Result<()> {
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
        run_graph(backend, &a.node, &wanted)?;
    }
    for a in arrays {
        if let State::Failed(e) = &*a.node.state.lock() {
            return Err(e.clone());
        }
    }
    Ok(())
}

/// Starts computing and returns at once; whoever needs a value waits for it. An error comes back from that later call.
pub fn async_eval(arrays: &[Array]) -> Result<()> {
    let todo: Vec<Array> = arrays.iter().filter(|a| !a.node.is_ready()).cloned().collect();
    if todo.is_empty() {
        return Ok(());
    }
    type Job = (Vec<Array>, &'static dyn Backend);
    static QUEUE: OnceLock<Option<Mutex<mpsc::Sender<Job>>>> = OnceLock::new();
    let queue = QUEUE.get_or_init(|| {
        let (send, receive) = mpsc::channel::<Job>();
        let worker = move || {
            for (arrays, backend) in receive {
                // An error stays in the node and is reported to whoever asks for the value.
                let _ = backend::with(backend, || eval(&arrays));
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
            match q.lock().send((todo, backend)) {
                Ok(()) => Ok(()),
                Err(mpsc::SendError((todo, _))) => {
                    STARTED.fetch_sub(1, Ordering::AcqRel);
                    eval(&todo)
                }
            }
        }
        None => eval(&todo),
    }
}

/// Waits until everything that [`async_eval`] has started is done.
///
/// # Errors
/// None today: errors stay with the arrays and are reported to whoever asks for their values.
pub fn synchronize() -> Result<()> {
    let idle = || STARTED.load(Ordering::Acquire) == FINISHED.load(Ordering::Acquire);
    let mut guard = DONE.0.lock();
    WAITING.fetch_add(1, Ordering::SeqCst);
    while !idle() {
        DONE.1.wait(&mut guard);
    }
    WAITING.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

/// Runs the unevaluated nodes behind `root` and `root` itself, inputs before users. Takes no recursion, so a graph may be
/// arbitrarily deep. A node that has run is ready, so nothing else needs to be remembered of where the walk has been.
fn run_graph(backend: &'static dyn Backend, root: &Arc<Node>, wanted: &Wanted) -> Result<()> {
    let fuses = backend.fuses();
    /// A node, and whether its inputs are done.
    type Visit = (Arc<Node>, bool);
    let mut stack: Vec<Visit> = vec![(Arc::clone(root), false)];
    while let Some((node, entered)) = stack.pop() {
        if node.is_ready() {
            continue;
        }
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
                    return Err(Error::runtime(
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

fn wait_for(node: &Node) {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let mut guard = DONE.0.lock();
    while matches!(&*node.state.lock(), State::Running) {
        DONE.1.wait(&mut guard);
    }
    drop(guard);
    WAITING.fetch_sub(1, Ordering::SeqCst);
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
                wait_for(node);
                return match &*node.state.lock() {
                    State::Failed(e) => Err(e.clone()),
                    _ => Ok(()),
                };
            }
            State::Lazy(_) => match std::mem::replace(&mut *state, State::Running) {
                State::Lazy(call) => call,
                _ => return Ok(()),
            },
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
            eval(&outs)?;
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
