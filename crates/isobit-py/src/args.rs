//! The forms in which Python passes arguments, each a type that converts once. They know no operation.

mod array_like;
mod axes;
mod device;
mod dtype;
mod mask;
mod tree;

pub use array_like::{ArrayLike, Numbers, not_an_operand, number, optional, pair};
pub use axes::{AxesArg, Count, Ints, ShapeArg, axes};
pub use device::StreamArg;
pub use device::register as register_devices;
pub use dtype::register as register_dtypes;
pub use dtype::{DtypeArg, PyDtype};
pub use mask::MaskArg;
pub use tree::{Substituted, Tree};
