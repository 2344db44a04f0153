//! The isobit graph: dtypes, lazy arrays, primitives and their rules, evaluation, function transforms.
//!
//! This crate never reads an element of an array: values are made and read by a [`backend::Backend`], and by
//! [`mod@host`], the one module that moves bytes between Rust values and buffers.

pub mod alloc;
pub mod array;
pub mod backend;
pub mod dot;
pub mod dtype;
pub mod error;
pub mod eval;
pub mod fast;
pub mod fuse;
pub mod host;
pub mod io;
pub mod layout;
pub mod numerics;
pub mod ops;
pub mod prim;
pub mod quant;
pub mod random;
pub mod spec;
mod spin;
pub mod tensor;
pub mod transforms;
pub mod view;

pub use array::{Array, Ellipsis, Index, NewAxis};
pub use dtype::Dtype;
pub use error::{Error, ErrorKind, Result};
pub use eval::{async_eval, eval};
pub use prim::{Prim, Primitive};
pub use spec::{Axes, Shape, Spec};
pub use tensor::Tensor;
