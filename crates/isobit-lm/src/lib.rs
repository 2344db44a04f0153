//! Language models on isobit: Hugging Face style model directories, tokenizers, key-value caches, sampling, training
//! with resumable checkpoints, and [`verify()`], which proves on a model that results are the same bits however they
//! are computed.
//!
//! Nothing here prints: progress goes to callbacks, mistakes come back as errors that name the file and the field.

mod atomic_file;
mod cache;
mod checkpoint;
mod config;
mod corpus;
mod generate;
mod loss_curve;
mod model_dir;
mod quantization;
mod quantize;
mod qwen3;
mod sampler;
mod text_stream;
mod tokenizer;
mod train;
mod verify;

pub use cache::{Cache, Session};
pub use config::{Config, Experts};
pub use corpus::{Blocks, Corpus};
pub use generate::{Generation, Generator, Timing};
pub use model_dir::{LanguageModel, from_bytes, load, save};
pub use quantization::{Quantization, Recipe};
pub use quantize::{Quantized, quantize_dir};
pub use qwen3::Qwen3;
pub use sampler::{Sampler, Sampling};
pub use text_stream::TextStream;
pub use tokenizer::{END_OF_TEXT, Tokenizer};
pub use train::{Point, Settings, StepReport, Trainer};
pub use verify::{Check, Plan, verify};
