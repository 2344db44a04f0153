//! The seam between the graph and the code that computes: one trait, a list of registered backends.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::fuse::{self, Program};
use crate::numerics::Level;
use crate::prim::Prim;
use crate::spec::Spec;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::OnceLock;

/// The tensors that a kernel takes: owned, so that a kernel may reuse the buffer of an input that nobody else holds.
pub type Inputs = SmallVec<[Tensor; 2]>;
/// The tensors that a kernel makes, in the order of the primitive's outputs.
pub type Outputs = SmallVec<[Tensor; 1]>;

/// What a kernel call comes to.
#[allow(clippy::large_enum_variant)] // moved once, straight to the evaluator
pub enum Ran {
    /// The outputs.
    Done(Outputs),
    /// This backend has no kernel of its own: evaluate the primitive's decomposition. The inputs come back.
    Decompose(Inputs),
}

/// A machine that runs primitives. It knows no transform.
pub trait Backend: Send + Sync {
    /// Name, as `ISOBIT_BACKEND` spells it.
    fn name(&self) -> &'static str;

    /// What it guarantees of a primitive whose first input (output, if it has no input) is of that dtype. Where it computes
    /// elementwise primitives by [`Backend::scalar`] or [`Backend::run_fused`], it guarantees [`Level::Shape`] of them.
    fn level(&self, prim: &Prim, dtype: Dtype) -> Level;

    /// Runs one primitive. Shapes and dtypes have been checked when the graph was built; `outs` is what `infer` said.
    fn run(&self, prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran>;

    /// Computes one element of an elementwise primitive at once, without the graph, which would cost more than the
    /// computation. `inputs` are elements of these dtypes; the result goes to `out`. `None`: this backend would rather
    /// have it in the graph.
    ///
    /// # Safety
    /// Each input is valid for reads, and `out` for writes, of one element of its dtype.
    unsafe fn scalar(
        &self,
        _prim: &Prim,
        _inputs: &[*const u8],
        _dtypes: &[Dtype],
        _out: *mut u8,
        _dtype: Dtype,
    ) -> Option<Result<()>> {
        None
    }

    /// Whether several elementwise primitives at once are faster than one after the other. Then evaluation calls
    /// [`Backend::run_fused`] where it can.
    fn fuses(&self) -> bool {
        false
    }

    /// Runs several elementwise primitives, with the bits that one after the other would give. `outs` belongs to
    /// [`Program::outputs`].
    fn run_fused(&self, program: &Program, inputs: Inputs, outs: &[Spec]) -> Result<Outputs> {
        fuse::one_by_one(self, program, inputs, outs)
    }

    /// The same values in a fresh, dense, row-major buffer.
    fn copy(&self, tensor: &Tensor) -> Result<Tensor>;

    /// The same values in a dense row-major buffer: the tensor itself if it is so already.
    fn contiguous(&self, tensor: Tensor) -> Result<Tensor> {
        if tensor.is_contiguous() { Ok(tensor) } else { self.copy(&tensor) }
    }
}

/// Backends that the linked crates register, by name.
#[linkme::distributed_slice]
pub static BACKENDS: [fn() -> &'static dyn Backend];

thread_local! {
    static FORCED: Cell<Option<&'static dyn Backend>> = const { Cell::new(None) };
}

/// The backend of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Backend> {
    BACKENDS.iter().map(|f| f()).find(|b| b.name() == name)
}

/// The backend that evaluates on this thread: the one of [`with`], else `ISOBIT_BACKEND`, else `cpu`.
pub fn current() -> Result<&'static dyn Backend> {
    if let Some(b) = FORCED.get() {
        return Ok(b);
    }
    static DEFAULT: OnceLock<Option<&'static dyn Backend>> = OnceLock::new();
    let found = DEFAULT.get_or_init(|| {
        let wanted = std::env::var("ISOBIT_BACKEND").unwrap_or_else(|_| "cpu".to_string());
        by_name(&wanted).or_else(|| {
            eprintln!("isobit: ISOBIT_BACKEND={wanted}: no such backend is linked");
            by_name("cpu")
        })
    });
    found.ok_or_else(|| Error::runtime("eval", "no backend is linked: depend on the `isobit` crate"))
}

/// Evaluates with `backend` whatever is evaluated on this thread while `f` runs.
pub fn with<R>(backend: &'static dyn Backend, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<&'static dyn Backend>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(backend)));
    f()
}
