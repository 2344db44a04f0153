//! Function transforms. Each records the function once as a graph on stand-in arguments and walks that graph with the
//! primitives' rules; rules use public operations only, so the results can be transformed again.

pub mod checkpoint;
mod compile;
pub mod custom;
mod grad;
mod jvp;
mod tape;
mod through_integers;
mod vjp;
mod vmap;

pub use crate::eval::sizes_matter;
pub use checkpoint::checkpoint;
pub use compile::{Trace, size_pattern};
pub use custom::{CustomFunction, custom_function};
pub use grad::{grad, value_and_grad};
pub use jvp::jvp;
pub use vjp::vjp;
pub use vmap::{vmap, vmap_call, vmap_with};
