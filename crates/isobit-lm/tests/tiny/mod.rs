//! A tiny random model and directories that clean up after themselves.
#![allow(dead_code)]

use isobit::Dtype;
use isobit::quant::{Format, Mode};
use isobit_lm::{Config, Experts, Quantization, Qwen3, Tokenizer};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory that is removed at the end of the test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("isobit-lm-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Varied enough for a vocabulary and for a loss that goes down.
pub fn text() -> String {
    let line =
        |i: usize| format!("fn op_{i}(a: &Array) -> Result<Array> {{ apply({i}, &[a, &b{}]) }} // größer\n", i % 7);
    (0..120).map(line).collect()
}

pub fn tokenizer() -> Tokenizer {
    let text = text();
    Tokenizer::train(text.lines(), 320).unwrap()
}

pub fn config(tie: bool) -> Config {
    Config {
        vocab_size: 320,
        hidden_size: 48,
        intermediate_size: 80,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        max_position_embeddings: 128,
        tie_word_embeddings: tie,
        attention_bias: false,
        eos_token_ids: vec![0],
        experts: None,
        quantization: None,
    }
}

/// A model whose sizes groups of 32 divide: dense, or with a mixture of experts in its second block.
pub fn wide_config(sparse: bool) -> Config {
    let experts = Experts {
        num_experts: 6,
        num_experts_per_tok: 2,
        moe_intermediate_size: 32,
        decoder_sparse_step: 1,
        mlp_only_layers: vec![0],
        norm_topk_prob: true,
    };
    Config {
        hidden_size: 64,
        intermediate_size: 96,
        head_dim: 32,
        experts: sparse.then_some(experts),
        ..config(!sparse)
    }
}

pub fn affine(bits: usize) -> Format {
    Format::new(Mode::Affine, Some(32), Some(bits)).unwrap()
}

/// A quantized model with scales in `dtype`.
pub fn quantized(sparse: bool, dtype: Dtype, format: Format) -> Qwen3 {
    use isobit_nn::Module;
    let mut model = of(wide_config(sparse));
    model.set_dtype(dtype).unwrap();
    model.quantize(&Quantization::new(format)).unwrap();
    model.eval().unwrap();
    model
}

pub fn model(tie: bool) -> Qwen3 {
    of(config(tie))
}

/// Random weights, ten times as large as a fresh model's, so that scores differ visibly.
pub fn of(config: Config) -> Qwen3 {
    use isobit_nn::Module;
    let mut model = Qwen3::random(config, 3).unwrap();
    let scaled = model
        .parameters()
        .into_iter()
        .filter(|(_, a)| a.ndim() >= 2)
        .map(|(name, a)| (name, isobit::ops::multiply(&a, &isobit::Array::scalar(10.0, a.dtype())).unwrap()))
        .collect();
    model.update(&scaled).unwrap();
    model.eval().unwrap();
    model
}
