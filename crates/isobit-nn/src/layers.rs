//! Layers without a time axis of their own.

mod dropout;
mod embedding;
mod linear;
mod mlp;
mod norm;

pub use dropout::Dropout;
pub use embedding::Embedding;
pub use linear::Linear;
pub use mlp::MLP;
pub use norm::{LayerNorm, RMSNorm};
