//! Layers without a time axis of their own.

mod dropout;
mod embedding;
mod linear;
mod mlp;
mod norm;
mod switch;

pub use dropout::Dropout;
pub use embedding::{Embedding, QuantizedEmbedding};
pub use linear::{Linear, QuantizedLinear};
pub use mlp::MLP;
pub use norm::{LayerNorm, RMSNorm};
pub use switch::{MoeShape, QuantizedSwitchLinear, SparseMoe, SwitchGLU, SwitchLinear};
