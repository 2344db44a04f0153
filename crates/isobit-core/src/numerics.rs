//! The contract on numbers (`docs/numerics.md`) as an interface: what a backend guarantees of an operation, and a mode
//! that refuses operations outside it. Neither changes a result.
//!
//! Strict mode is for backends that do not hold the whole contract, and for primitives that users bring: an operation that
//! does not guarantee [`Level::Shape`] is an error when it is evaluated. It is switched on for the process by
//! [`set_strict`] or the environment (`ISOBIT_STRICT=1`, or `MLX_NUMERICAL_STRICT_MODE=1`), and for the current thread
//! by [`Strict`].

use crate::backend::{self, Backend};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Prim, REGISTRY};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far the bits of a result are guaranteed. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The same program on the same inputs and machine: the same bits, under any load and with any number of threads.
    Run,
    /// An element has the same bits whatever else is in the call and however operands lie in memory.
    Shape,
    /// The same bits with every instruction set.
    Isa,
}

impl Level {
    /// Its name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Level::Run => "run",
            Level::Shape => "shape",
            Level::Isa => "isa",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the current backend guarantees of a primitive whose first input (output, if it has no input) is of that dtype.
///
/// # Errors
/// No backend is linked.
pub fn level(prim: &Prim, dtype: Dtype) -> Result<Level> {
    Ok(backend::current()?.level(prim, dtype))
}

/// [`level`] of the primitive of that name, whatever its parameters; `None` if there is none.
///
/// # Errors
/// No backend is linked.
///
/// # Examples
/// ```
/// use isobit::Dtype;
/// use isobit::numerics::{self, Level};
/// assert_eq!(numerics::level_of("quantized_matmul", Dtype::BF16)?, Some(Level::Isa));
/// assert_eq!(numerics::level_of("no such operation", Dtype::F32)?, None);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn level_of(name: &str, dtype: Dtype) -> Result<Option<Level>> {
    let backend = backend::current()?;
    let entry = REGISTRY.iter().filter(|e| e.name == name);
    Ok(entry.flat_map(|e| (e.cases)()).map(|c| backend.level(&c.prim, dtype)).min())
}

fn process_wide() -> &'static AtomicBool {
    static STRICT: OnceLock<AtomicBool> = OnceLock::new();
    STRICT.get_or_init(|| {
        let on = |name: &str| std::env::var(name).is_ok_and(|v| !matches!(v.trim(), "" | "0" | "false" | "off"));
        AtomicBool::new(on("ISOBIT_STRICT") || on("MLX_NUMERICAL_STRICT_MODE"))
    })
}

thread_local! {
    static OF_THREAD: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether strict mode is on, for what this thread evaluates.
pub fn strict() -> bool {
    OF_THREAD.get().unwrap_or_else(|| process_wide().load(Ordering::Relaxed))
}

/// Switches strict mode on or off for the process; what it was.
pub fn set_strict(on: bool) -> bool {
    process_wide().swap(on, Ordering::Relaxed)
}

/// Strict mode on (or off) for what this thread evaluates while the guard lives.
///
/// # Examples
/// ```
/// use isobit::numerics::{self, Strict};
/// {
///     let _strict = Strict::on();
///     assert!(numerics::strict());
/// }
/// assert!(!numerics::strict());
/// ```
#[must_use = "strict mode ends with the guard"]
pub struct Strict {
    before: Option<bool>,
    /// The guard belongs to its thread.
    _here: PhantomData<*const ()>,
}

impl Strict {
    /// On until the guard is dropped.
    pub fn on() -> Strict {
        Strict::set(true)
    }

    /// On or off until the guard is dropped.
    pub fn set(on: bool) -> Strict {
        Strict { before: OF_THREAD.replace(Some(on)), _here: PhantomData }
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        OF_THREAD.set(self.before);
    }
}

/// An error if strict mode is on and the primitive is outside the contract.
pub(crate) fn check(backend: &dyn Backend, prim: &Prim, dtype: Dtype) -> Result<()> {
    if !strict() || backend.level(prim, dtype) >= Level::Shape {
        return Ok(());
    }
    let (level, backend) = (backend.level(prim, dtype), backend.name());
    Err(Error::runtime(
        prim.name(),
        format!(
            "strict mode: on the backend {backend} this operation guarantees its bits for {dtype} at the level {level} \
             only, expected {} or more",
            Level::Shape
        ),
    ))
}
