//! The Qwen3 decoder, with the tensor names of its published weights.

use crate::cache::Cache;
use crate::config::Config;
use isobit::fast::Mask;
use isobit::{Array, Dtype, Error, Result, ops};
use isobit_nn::init::{self, Keys};
use isobit_nn::{Attention, AttentionShape, Embedding, Linear, MLP, Module, Path, RMSNorm};
use std::sync::Arc;

/// One decoder block.
#[derive(Clone, Module)]
pub struct Block {
    self_attn: Attention,
    mlp: MLP,
    input_layernorm: RMSNorm,
    post_attention_layernorm: RMSNorm,
}

/// Everything but the output projection.
#[derive(Clone, Module)]
pub struct Decoder {
    embed_tokens: Embedding,
    layers: Vec<Block>,
    norm: RMSNorm,
}

/// A Qwen3 language model.
#[derive(Clone, Module)]
pub struct Qwen3 {
    model: Decoder,
    lm_head: Option<Linear>,
    #[module(skip)]
    config: Arc<Config>,
}

impl Block {
    fn zeros(c: &Config, dtype: Dtype) -> Result<Block> {
        let shape = AttentionShape {
            width: c.hidden_size,
            heads: c.num_attention_heads,
            kv_heads: c.num_key_value_heads,
            head_dim: c.head_dim,
            rope_base: c.rope_theta,
            bias: c.attention_bias,
            qk_norm: Some(c.rms_norm_eps),
        };
        Ok(Block {
            self_attn: Attention::zeros(shape, dtype)?,
            mlp: MLP::zeros(c.hidden_size, c.intermediate_size, dtype)?,
            input_layernorm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
            post_attention_layernorm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
        })
    }

    fn forward(&self, x: &Array, cache: Option<&mut isobit_nn::KvCache>) -> Result<Array> {
        let attended = self.self_attn.forward(&self.input_layernorm.forward(x)?, Mask::Causal, cache)?;
        let x = ops::add(x, &attended)?;
        ops::add(&x, &self.mlp.forward(&self.post_attention_layernorm.forward(&x)?)?)
    }
}

impl Qwen3 {
    /// A model whose weights are lazy zeros, to be filled by [`Module::load`] or [`Qwen3::random`].
    ///
    /// # Errors
    /// See [`Config::check`].
    pub fn zeros(config: Config, dtype: Dtype) -> Result<Qwen3> {
        config.check()?;
        let c = &config;
        let lm_head = match c.tie_word_embeddings {
            true => None,
            false => Some(Linear::zeros(c.hidden_size, c.vocab_size, false, dtype)?),
        };
        Ok(Qwen3 {
            model: Decoder {
                embed_tokens: Embedding::zeros(c.vocab_size, c.hidden_size, dtype)?,
                layers: (0..c.num_hidden_layers).map(|_| Block::zeros(c, dtype)).collect::<Result<_>>()?,
                norm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
            },
            lm_head,
            config: Arc::new(config),
        })
    }

    /// A model with random weights: normal with standard deviation 0.02, the projections back into the residual
    /// stream scaled down by √(2 · layers); norms one, biases zero.
    pub fn random(config: Config, seed: u64) -> Result<Qwen3> {
        let mut model = Qwen3::zeros(config, Dtype::F32)?;
        let mut keys = Keys::new(seed)?;
        let into_stream = 0.02 / (2.0 * model.config.num_hidden_layers as f64).sqrt();
        let mut result = Ok(());
        model.visit_mut(&mut Path::new(), &mut |name, a| {
            if a.ndim() < 2 || result.is_err() {
                return;
            }
            let std =
                if name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") { into_stream } else { 0.02 };
            match keys.next().and_then(|key| init::normal(a.shape(), 0.0, std, Dtype::F32, &key)) {
                Ok(fresh) => *a = fresh,
                Err(e) => result = Err(e),
            }
        });
        result.map(|()| model)
    }

    /// The numbers that fix the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The dtype of the weights.
    pub fn dtype(&self) -> Dtype {
        self.model.embed_tokens.weight.dtype()
    }

    /// Final hidden states `[B, L, hidden]` of tokens `[B, L]`, which follow those in the cache.
    ///
    /// # Errors
    /// Tokens that are not integers of two axes; a cache of another model.
    pub fn hidden(&self, tokens: &Array, cache: Option<&mut Cache>) -> Result<Array> {
        if tokens.ndim() != 2 || !tokens.dtype().is_integer() {
            return Err(Error::value(
                "qwen3",
                format!("expected integer tokens [B, L], got {} {:?}", tokens.dtype(), tokens.shape()),
            ));
        }
        let mut x = self.model.embed_tokens.forward(tokens)?;
        match cache {
            None => {
                for block in &self.model.layers {
                    x = block.forward(&x, None)?;
                }
            }
            Some(cache) => {
                if cache.layers.len() != self.model.layers.len() {
                    return Err(Error::value(
                        "qwen3",
                        format!("expected a cache of {} layers, got {}", self.model.layers.len(), cache.layers.len()),
                    ));
                }
                for (block, layer) in self.model.layers.iter().zip(&mut cache.layers) {
                    x = block.forward(&x, Some(layer))?;
                }
            }
        }
        self.model.norm.forward(&x)
    }

    /// Scores `[..., vocab]` of hidden states `[..., hidden]`.
    pub fn logits(&self, hidden: &Array) -> Result<Array> {
        match &self.lm_head {
            Some(head) => head.forward(hidden),
            None => self.model.embed_tokens.as_linear(hidden),
        }
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> Cache {
        Cache::new(self.model.layers.len())
    }
}
