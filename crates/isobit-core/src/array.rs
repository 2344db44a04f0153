//! [`Array`]: a handle on one output of a graph node, lazy or evaluated.

mod fmt;
mod index;
mod methods;
mod operators;

pub use fmt::{print_precision, set_print_precision};
pub use index::{At, Ellipsis, Index, IntoIndices, NewAxis};
pub use operators::Operand;

use crate::backend;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::Prim;
use crate::spec::Spec;
use crate::spin::SpinMutex;
use crate::tensor::Tensor;
use smallvec::{SmallVec, smallvec};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Inputs of a graph node.
pub type ArrayVec = SmallVec<[Array; 2]>;

/// An n-dimensional array: lazy until [`Array::eval`] (or something that needs its values) runs.
///
/// Cloning is cheap and shares the value. Any thread may build, evaluate or drop any array.
#[derive(Clone)]
pub struct Array {
    pub(crate) node: Arc<Node>,
    pub(crate) index: u32,
}

/// One application of a primitive.
#[derive(Clone)]
pub(crate) struct Call {
    pub prim: Prim,
    pub inputs: ArrayVec,
}

pub(crate) enum State {
    /// Not evaluated yet.
    Lazy(Call),
    /// A thread is running the primitive.
    Running,
    /// Evaluated. The graph behind it is kept only while a transform may still need it.
    Ready { outs: SmallVec<[Tensor; 1]>, call: Option<Box<Call>> },
    /// Stands for an argument while a transform records a function: it has no value.
    Placeholder(&'static str),
    /// Evaluation failed.
    Failed(Error),
}

pub(crate) struct Node {
    pub specs: SmallVec<[Spec; 1]>,
    /// Depends on an argument of a transform.
    pub traced: bool,
    /// Set once `state` is `Ready`, which it stays.
    pub ready: AtomicBool,
    pub state: SpinMutex<State>,
}

impl Node {
    pub fn call(&self) -> Option<Call> {
        match &*self.state.lock() {
            State::Lazy(c) => Some(c.clone()),
            State::Ready { call, .. } => call.as_deref().cloned(),
            _ => None,
        }
    }

    #[inline]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

thread_local! {
    static DRAINING: Cell<bool> = const { Cell::new(false) };
    static DROPPED: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Node {
    /// Dropping a long chain must not recurse: the inputs of a dropped node go to a list that the outermost drop empties.
    fn drop(&mut self) {
        // Most nodes die evaluated, with nothing behind them.
        if !matches!(self.state.get_mut(), State::Lazy(_) | State::Ready { call: Some(_), .. }) {
            return;
        }
        let state = std::mem::replace(self.state.get_mut(), State::Running);
        let call = match state {
            State::Lazy(c) => c,
            State::Ready { call: Some(c), .. } => *c,
            _ => return,
        };
        if call.inputs.is_empty() {
            return;
        }
        // Nothing to defer if no input dies with this node (which may hold several handles on one).
        let held = call.inputs.len();
        if call.inputs.iter().all(|a| Arc::strong_count(&a.node) > held) && !matches!(call.prim, Prim::Custom(_)) {
            return;
        }
        // On a thread that is ending its thread-locals may be gone: then plain recursion has to do.
        let mut call = Some(call);
        let _ = DRAINING.try_with(|draining| {
            DROPPED.try_with(|list| {
                if let Some(c) = call.take() {
                    list.borrow_mut().push(c);
                }
                if draining.replace(true) {
                    return;
                }
                while let Some(c) = { list.borrow_mut().pop() } {
                    drop(c);
                }
                draining.set(false);
            })
        });
    }
}

impl Array {
    pub(crate) fn from_node(specs: SmallVec<[Spec; 1]>, traced: bool, state: State) -> Array {
        let ready = AtomicBool::new(matches!(state, State::Ready { .. }));
        Array { node: Arc::new(Node { specs, traced, ready, state: SpinMutex::new(state) }), index: 0 }
    }

    /// An evaluated array.
    pub fn from_tensor(tensor: Tensor) -> Array {
        let spec = tensor.spec();
        Array::from_node(smallvec![spec], false, State::Ready { outs: smallvec![tensor], call: None })
    }

    /// An array without a value that stands for an argument of `transform`.
    pub(crate) fn placeholder(spec: Spec, transform: &'static str) -> Array {
        Array::from_node(smallvec![spec], true, State::Placeholder(transform))
    }

    pub(crate) fn key(&self) -> (usize, u32) {
        (Arc::as_ptr(&self.node) as usize, self.index)
    }

    pub(crate) fn node_key(&self) -> usize {
        Arc::as_ptr(&self.node) as usize
    }

    /// Shape and dtype.
    #[inline]
    pub fn spec(&self) -> &Spec {
        &self.node.specs[self.index as usize]
    }

    /// Sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.spec().shape
    }

    /// Size of one axis; negative axes count from the end.
    pub fn dim(&self, axis: isize) -> Result<usize> {
        Ok(self.shape()[crate::spec::resolve_axis("dim", axis, self.ndim())?])
    }

    /// Element type.
    #[inline]
    pub fn dtype(&self) -> Dtype {
        self.spec().dtype
    }

    /// Number of axes.
    #[inline]
    pub fn ndim(&self) -> usize {
        self.spec().shape.len()
    }

    /// Number of elements.
    #[inline]
    pub fn size(&self) -> usize {
        self.spec().size()
    }

    /// Bytes that the elements take.
    pub fn nbytes(&self) -> usize {
        self.size() * self.dtype().size()
    }

    /// Whether the values have been computed.
    pub fn is_evaluated(&self) -> bool {
        self.node.is_ready()
    }

    /// Whether the array depends on an argument of a running transform.
    pub fn is_traced(&self) -> bool {
        self.node.traced
    }

    /// Computes the values, if that has not happened yet.
    ///
    /// # Errors
    /// A failed allocation, or a value that does not exist: an argument of a function that `vmap` is recording.
    pub fn eval(&self) -> Result<()> {
        crate::eval::eval(std::slice::from_ref(self))
    }

    /// The evaluated value.
    pub fn tensor(&self) -> Result<Tensor> {
        self.eval()?;
        self.ready_tensor().ok_or_else(|| Error::runtime("eval", "the array has no value after evaluation"))
    }

    pub(crate) fn ready_tensor(&self) -> Option<Tensor> {
        match &*self.node.state.lock() {
            State::Ready { outs, .. } => outs.get(self.index as usize).cloned(),
            _ => None,
        }
    }

    /// The element of an evaluated array that has one and is no part of a function that a transform records.
    #[inline]
    fn plain_scalar(&self) -> Option<*const u8> {
        if !self.node.is_ready() || self.node.traced || self.size() != 1 {
            return None;
        }
        match &*self.node.state.lock() {
            State::Ready { outs, .. } => outs.get(self.index as usize).map(Tensor::as_byte_ptr),
            _ => None,
        }
    }

    /// Whether both handles are the same output of the same node.
    pub fn same(&self, other: &Array) -> bool {
        self.key() == other.key()
    }
}

/// Dtype, shape and whether there is a value yet; printing for a programmer must not evaluate.
impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.is_evaluated() { "evaluated" } else { "lazy" };
        write!(f, "Array({} {:?}, {state})", self.dtype(), self.shape())
    }
}

/// Puts one application of a primitive into the graph: every check an operation makes happens in `infer`.
pub fn apply(prim: impl Into<Prim>, inputs: &[&Array]) -> Result<Array> {
    let prim = prim.into();
    if inputs.first().is_some_and(|a| a.node.is_ready() && a.size() == 1)
        && prim.is_elementwise()
        && let Some(now) = apply_now(&prim, inputs)
    {
        return now;
    }
    let mut list = ArrayVec::with_capacity(inputs.len());
    for &a in inputs {
        list.push(a.clone());
    }
    apply_node(prim, list)
}

/// The result of an elementwise primitive on evaluated arrays of one element, computed at once; `None` if they are not
/// such or the backend prefers the graph.
fn apply_now(prim: &Prim, inputs: &[&Array]) -> Option<Result<Array>> {
    let backend = backend::current().ok()?;
    let mut specs: SmallVec<[Spec; 3]> = SmallVec::new();
    let mut at: SmallVec<[*const u8; 3]> = SmallVec::new();
    let mut dtypes: SmallVec<[Dtype; 3]> = SmallVec::new();
    for a in inputs {
        at.push(a.plain_scalar()?);
        specs.push(a.spec().clone());
        dtypes.push(a.dtype());
    }
    let compute = || {
        let outs = prim.infer(&specs)?;
        let spec = &outs[0];
        let t = Tensor::alloc(&spec.shape, spec.dtype)?;
        // SAFETY: the arrays stay borrowed, so their nodes keep their tensors, and nobody writes a buffer that a tensor
        // of another holder refers to; `t` is fresh and has one element.
        let ran = unsafe { backend.scalar(prim, &at, &dtypes, t.as_mut_byte_ptr(), spec.dtype) };
        Ok((ran, outs, t))
    };
    match compute() {
        Ok((ran, outs, t)) => {
            Some(ran?.map(|()| Array::from_node(outs, false, State::Ready { outs: smallvec![t], call: None })))
        }
        Err(e) => Some(Err(e)),
    }
}

/// [`apply`] for a primitive with several outputs.
pub fn apply_multi(prim: impl Into<Prim>, inputs: &[&Array]) -> Result<Vec<Array>> {
    let first = apply_node(prim.into(), inputs.iter().map(|&a| a.clone()).collect())?;
    let n = first.node.specs.len() as u32;
    Ok((0..n).map(|index| Array { node: Arc::clone(&first.node), index }).collect())
}

pub(crate) fn apply_node(prim: Prim, inputs: ArrayVec) -> Result<Array> {
    if crate::eval::traces_here() > 0 && !prim.serves_any_sizes() {
        crate::eval::sizes_matter();
    }
    let mut specs: SmallVec<[Spec; 3]> = SmallVec::with_capacity(inputs.len());
    let mut traced = false;
    for a in &inputs {
        specs.push(a.spec().clone());
        traced |= a.node.traced;
    }
    let outs = prim.infer(&specs)?;
    Ok(Array::from_node(outs, traced, State::Lazy(Call { prim, inputs })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stay_small() {
        // A node is moved a few times while it is built and run; a primitive with many parameters belongs in a box.
        assert!(size_of::<Prim>() <= 56, "{}", size_of::<Prim>());
        assert!(size_of::<Node>() <= 208, "{}", size_of::<Node>());
    }
}
