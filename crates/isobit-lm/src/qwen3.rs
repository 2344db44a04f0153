//! The Qwen3 decoder, dense or with mixtures of experts, with the tensor names of its published weights (of mixtures:
//! with all experts of a block in one tensor, as MLX stores them).

use crate::cache::Cache;
use crate::config::Config;
use crate::quantization::{Quantization, is_router};
use isobit::fast::Mask;
use isobit::quant::Format;
use isobit::{Array, Dtype, Error, Result, ops};
use isobit_nn::init::{self, Keys};
use isobit_nn::{
    Activations, Attention, AttentionShape, Embedding, KvCache, Linear, MLP, MaybeQuantized, Module, MoeShape, Path,
    Quantizable, RMSNorm, SparseMoe,
};
use std::sync::Arc;

/// The feed-forward half of a block.
#[derive(Clone)]
enum FeedForward {
    Dense(MLP),
    Sparse(SparseMoe),
}

/// One decoder block.
#[derive(Clone, Module)]
pub struct Block {
    self_attn: Attention,
    mlp: FeedForward,
    input_layernorm: RMSNorm,
    post_attention_layernorm: RMSNorm,
}

/// Everything but the output projection.
#[derive(Clone, Module)]
pub struct Decoder {
    embed_tokens: MaybeQuantized<Embedding>,
    layers: Vec<Block>,
    norm: RMSNorm,
}

/// A Qwen3 language model.
#[derive(Clone, Module)]
pub struct Qwen3 {
    model: Decoder,
    lm_head: Option<MaybeQuantized<Linear>>,
    #[module(skip)]
    config: Arc<Config>,
    #[module(skip)]
    cache_format: Option<Format>,
}

impl Module for FeedForward {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        match self {
            FeedForward::Dense(m) => m.visit(path, f),
            FeedForward::Sparse(m) => m.visit(path, f),
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        match self {
            FeedForward::Dense(m) => m.visit_mut(path, f),
            FeedForward::Sparse(m) => m.visit_mut(path, f),
        }
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        match self {
            FeedForward::Dense(m) => m.visit_trainable(path, f),
            FeedForward::Sparse(m) => m.visit_trainable(path, f),
        }
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        match self {
            FeedForward::Dense(m) => m.visit_quantizable(path, f),
            FeedForward::Sparse(m) => m.visit_quantizable(path, f),
        }
    }
}

impl FeedForward {
    fn zeros(c: &Config, layer: usize, dtype: Dtype) -> Result<FeedForward> {
        let Some(e) = c.experts_of(layer) else {
            return Ok(FeedForward::Dense(MLP::zeros(c.hidden_size, c.intermediate_size, dtype)?));
        };
        let shape = MoeShape {
            width: c.hidden_size,
            hidden: e.moe_intermediate_size,
            experts: e.num_experts,
            chosen: e.num_experts_per_tok,
            normalize: e.norm_topk_prob,
        };
        Ok(FeedForward::Sparse(SparseMoe::zeros(shape, dtype)?))
    }

    fn forward(&self, x: &Array) -> Result<Array> {
        match self {
            FeedForward::Dense(m) => m.forward(x),
            FeedForward::Sparse(m) => m.forward(x),
        }
    }
}

impl Block {
    fn zeros(c: &Config, layer: usize, dtype: Dtype) -> Result<Block> {
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
            mlp: FeedForward::zeros(c, layer, dtype)?,
            input_layernorm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
            post_attention_layernorm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
        })
    }

    /// The block on rows `[B · L, hidden]`.
    fn forward(&self, x: &Array, shape: (usize, usize), cache: Option<&mut KvCache>) -> Result<Array> {
        let attended = self.self_attn.forward_rows(&self.input_layernorm.forward(x)?, shape, Mask::Causal, cache)?;
        let x = ops::add(x, &attended)?;
        ops::add(&x, &self.mlp.forward(&self.post_attention_layernorm.forward(&x)?)?)
    }
}

impl Qwen3 {
    /// A model whose weights are lazy zeros, to be filled by [`Module::load`] or [`Qwen3::random`]. It is one of floats;
    /// [`Qwen3::quantize`] makes it what `config.quantization` says.
    ///
    /// # Errors
    /// See [`Config::check`].
    pub fn zeros(config: Config, dtype: Dtype) -> Result<Qwen3> {
        config.check()?;
        let c = &config;
        let lm_head = match c.tie_word_embeddings {
            true => None,
            false => Some(Linear::zeros(c.hidden_size, c.vocab_size, false, dtype)?.into()),
        };
        Ok(Qwen3 {
            model: Decoder {
                embed_tokens: Embedding::zeros(c.vocab_size, c.hidden_size, dtype)?.into(),
                layers: (0..c.num_hidden_layers).map(|i| Block::zeros(c, i, dtype)).collect::<Result<_>>()?,
                norm: RMSNorm::new(c.hidden_size, c.rms_norm_eps, dtype)?,
            },
            lm_head,
            config: Arc::new(Config { quantization: None, ..config }),
            cache_format: None,
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

    /// The dtype of the weights, of quantized ones that of the rows of the embedding.
    pub fn dtype(&self) -> Dtype {
        self.model.embed_tokens.dtype()
    }

    /// Path and shape (of the floats) of every layer that can be quantized.
    pub fn quantizable_layers(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        // The walk hands out layers to change; a clone is as good to look at, and shares every array.
        self.clone().visit_quantizable(&mut Path::new(), &mut |path, layer| {
            all.push((path.to_owned(), layer.weight_shape()));
        });
        all
    }

    /// Quantizes the layers, and notes it in the configuration.
    ///
    /// # Errors
    /// A model that is quantized already, an exception for a layer that there is not, a layer that groups do not divide;
    /// then nothing is changed.
    pub fn quantize(&mut self, quantization: &Quantization) -> Result<()> {
        if self.config.quantization.is_some() {
            return Err(Error::value("quantize", "the model is quantized already"));
        }
        let layers = self.quantizable_layers();
        if let Some(path) = quantization.layers.keys().find(|p| !layers.iter().any(|(path, _)| path == *p)) {
            return Err(Error::value("quantize", format!("quantization.{path}: there is no such layer")));
        }
        isobit_nn::quantize(self, |path| quantization.format_of(path))?;
        Arc::make_mut(&mut self.config).quantization = Some(quantization.clone());
        Ok(())
    }

    /// How products with quantized weights take their inputs: as they are (at first), or rounded to eight bits, which is
    /// faster and has results of its own. Routers of mixtures stay exact: a wrong choice costs more than a rounded product.
    ///
    /// # Errors
    /// [`Activations::Int8`] for a model without quantized weights or with a format that has no such products; then nothing
    /// is changed.
    pub fn set_activations(&mut self, activations: Activations) -> Result<()> {
        if activations == Activations::Int8 && self.config.quantization.is_none() {
            let message =
                "expected a model with quantized weights: activations are rounded in products with them alone";
            return Err(Error::value("activations", message));
        }
        isobit_nn::set_activations(self, |path| (!is_router(path)).then_some(activations))
    }

    /// How new caches store keys and values: quantized, or (`None`, as at first) as they are.
    ///
    /// # Errors
    /// A format that [`KvCache::quantized`] does not take.
    pub fn set_cache_format(&mut self, format: Option<Format>) -> Result<()> {
        if let Some(f) = format {
            KvCache::quantized(f)?;
        }
        self.cache_format = format;
        Ok(())
    }

    /// How new caches store keys and values.
    pub fn cache_format(&self) -> Option<Format> {
        self.cache_format
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
        // Rows stay flat from block to block: at one token a reshape costs as much as the smaller layers.
        let (b, l) = (tokens.shape()[0], tokens.shape()[1]);
        let mut x = self.model.embed_tokens.forward(&ops::reshape(tokens, &[(b * l) as isize])?)?;
        match cache {
            None => {
                for block in &self.model.layers {
                    x = block.forward(&x, (b, l), None)?;
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
                    x = block.forward(&x, (b, l), Some(layer))?;
                }
            }
        }
        let x = self.model.norm.forward(&x)?;
        ops::reshape(&x, &[b as isize, l as isize, self.config.hidden_size as isize])
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
        // The format was checked when it was set.
        let layer = self.cache_format.and_then(|f| KvCache::quantized(f).ok()).unwrap_or_default();
        Cache { layers: vec![layer; self.model.layers.len()] }
    }
}
