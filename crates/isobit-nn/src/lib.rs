//! Neural networks on isobit arrays: layers, losses, initialisers, optimizers and schedules.
//!
//! A model is a plain struct that derives [`Module`]; its parameters are its arrays, named by the path of fields that
//! leads to them (`layers.0.self_attn.q_proj.weight`), which are also the names in weight files. Nothing here keeps
//! hidden state: random layers take a key, optimizers own their state, and no layer reads an array's values.

// The derive macro names this crate by its public path, also inside the crate itself.
extern crate self as isobit_nn;

pub mod activations;
mod attention;
pub mod functional;
mod grad;
pub mod init;
mod kv_cache;
mod layers;
pub mod losses;
mod module;
pub mod optimizers;
mod quantized;
pub mod schedulers;
mod term;

pub use activations::{gelu, gelu_approx, relu, silu};
pub use attention::{Attention, AttentionShape};
pub use grad::{value_and_grad, value_and_grad_where};
pub use isobit_nn_derive::Module;
pub use kv_cache::KvCache;
pub use layers::{
    Dropout, Embedding, LayerNorm, Linear, MLP, MoeShape, QuantizedEmbedding, QuantizedLinear, QuantizedSwitchLinear,
    RMSNorm, SparseMoe, SwitchGLU, SwitchLinear,
};
pub use module::{Module, Params, Path};
pub use quantized::{Activations, MaybeQuantized, Quantizable, QuantizeLayer, QuantizedOf, quantize, set_activations};
pub use term::Operand;

/// The leaves of every module.
pub use isobit::Array;
