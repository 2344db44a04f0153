//! [`Config`]: the numbers that fix a decoder, as in Hugging Face's `config.json` for `Qwen3ForCausalLM` and
//! `Qwen3MoeForCausalLM`, with MLX's `quantization`.

use crate::quantization::Quantization;
use isobit::{Error, Result};
use serde_json::{Map, Value, json};

/// The architectures that this crate runs, with their `model_type`: dense, and a mixture of experts.
const DENSE: (&str, &str) = ("Qwen3ForCausalLM", "qwen3");
const SPARSE: (&str, &str) = ("Qwen3MoeForCausalLM", "qwen3_moe");

/// The numbers that fix a Qwen3 decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Decoder blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Epsilon of every normalisation.
    pub rms_norm_eps: f32,
    /// Base of the rotary angles.
    pub rope_theta: f32,
    /// The longest sequence that the model was made for.
    pub max_position_embeddings: usize,
    /// Whether the output projection is the embedding table.
    pub tie_word_embeddings: bool,
    /// Whether the attention projections have biases.
    pub attention_bias: bool,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Of a mixture of experts.
    pub experts: Option<Experts>,
    /// How the weights are stored, if quantized.
    pub quantization: Option<Quantization>,
}

/// What a mixture of experts adds, with the names of `Qwen3MoeForCausalLM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Experts {
    /// Experts in a block.
    pub num_experts: usize,
    /// Experts that each token goes to.
    pub num_experts_per_tok: usize,
    /// Width inside an expert.
    pub moe_intermediate_size: usize,
    /// Every block whose number (from 1) is a multiple of it is a mixture.
    pub decoder_sparse_step: usize,
    /// Blocks (from 0) that are dense all the same.
    pub mlp_only_layers: Vec<usize>,
    /// Whether the weights of a token's experts are scaled to add up to one.
    pub norm_topk_prob: bool,
}

impl Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Text that is not JSON, an unknown architecture, a missing or wrong field, an option that is not supported
    /// (rope scaling, sliding windows, other quantizations than MLX's): named, never ignored.
    pub fn parse(text: &str) -> Result<Config> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::value("config", format!("config.json is not JSON: {e}")))?;
        let Value::Object(map) = value else {
            return Err(Error::value("config", "config.json: expected an object"));
        };
        let fields = Fields(&map);
        let sparse = fields.check_supported()?;
        let hidden_size = fields.size("hidden_size")?;
        let num_attention_heads = fields.size("num_attention_heads")?;
        let default_head = hidden_size / num_attention_heads;
        let config = Config {
            vocab_size: fields.size("vocab_size")?,
            hidden_size,
            intermediate_size: fields.size("intermediate_size")?,
            num_hidden_layers: fields.size("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: fields.size_or("num_key_value_heads", num_attention_heads)?,
            head_dim: fields.size_or("head_dim", default_head)?,
            rms_norm_eps: fields.number_or("rms_norm_eps", 1e-6)? as f32,
            rope_theta: fields.rope_theta()? as f32,
            max_position_embeddings: fields.size_or("max_position_embeddings", 32768)?,
            tie_word_embeddings: fields.flag_or("tie_word_embeddings", false)?,
            attention_bias: fields.flag_or("attention_bias", false)?,
            eos_token_ids: fields.tokens("eos_token_id")?,
            experts: if sparse { Some(fields.experts()?) } else { None },
            quantization: fields.quantization()?,
        };
        config.check()?;
        Ok(config)
    }

    /// Reads `generation_config.json`: the end tokens that it names count, not those of `config.json`, as in transformers and
    /// mlx-lm. Chat models end a turn and a text with different ones, and only this file names both.
    ///
    /// # Errors
    /// Text that is not JSON; end tokens that are no tokens of the vocabulary.
    pub(crate) fn read_generation(&mut self, text: &str) -> Result<()> {
        let fail = |m: String| Error::value("config", format!("generation_config.json: {m}"));
        let value: Value = serde_json::from_str(text).map_err(|e| fail(format!("not JSON: {e}")))?;
        let Value::Object(map) = value else { return Err(fail("expected an object".to_owned())) };
        let ids = Fields(&map).tokens("eos_token_id").map_err(|e| fail(e.message().replace("config.json: ", "")))?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            return Err(fail(format!("eos_token_id: expected less than {}, got {id}", self.vocab_size)));
        }
        if !ids.is_empty() {
            self.eos_token_ids = ids;
        }
        Ok(())
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// A head count that the kv heads do not divide, an odd head width, an end token beyond the vocabulary.
    pub fn check(&self) -> Result<()> {
        let fail = |m: String| Err(Error::value("config", m));
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return fail(format!(
                "num_key_value_heads: expected a divisor of {}, got {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return fail(format!("head_dim: expected an even number, got {}", self.head_dim));
        }
        if let Some(id) = self.eos_token_ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            return fail(format!("eos_token_id: expected less than {}, got {id}", self.vocab_size));
        }
        if let Some(e) = &self.experts
            && e.num_experts_per_tok > e.num_experts
        {
            return fail(format!(
                "num_experts_per_tok: expected at most {}, got {}",
                e.num_experts, e.num_experts_per_tok
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rope_theta > 0.0 && self.rope_theta.is_finite()) {
            return fail("rms_norm_eps and rope_theta: expected positive numbers".to_owned());
        }
        Ok(())
    }

    /// The experts of decoder block `layer`, if it is a mixture.
    pub fn experts_of(&self, layer: usize) -> Option<&Experts> {
        self.experts
            .as_ref()
            .filter(|e| !e.mlp_only_layers.contains(&layer) && (layer + 1).is_multiple_of(e.decoder_sparse_step))
    }

    /// The fields as `config.json` has them.
    pub fn to_json(&self, dtype: isobit::Dtype) -> String {
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            many => json!(many),
        };
        // A shortest-digits f32, so that 1e-6 is not written as 9.999999974752427e-7.
        let short = |x: f32| x.to_string().parse::<f64>().unwrap_or(f64::from(x));
        let (architecture, model_type) = if self.experts.is_some() { SPARSE } else { DENSE };
        let mut value = json!({
            "architectures": [architecture],
            "attention_bias": self.attention_bias,
            "eos_token_id": eos,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "model_type": model_type,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            "rms_norm_eps": short(self.rms_norm_eps),
            "rope_theta": short(self.rope_theta),
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": dtype.name(),
            "vocab_size": self.vocab_size,
        });
        if let Some(e) = &self.experts {
            value["num_experts"] = json!(e.num_experts);
            value["num_experts_per_tok"] = json!(e.num_experts_per_tok);
            value["moe_intermediate_size"] = json!(e.moe_intermediate_size);
            value["decoder_sparse_step"] = json!(e.decoder_sparse_step);
            value["mlp_only_layers"] = json!(e.mlp_only_layers);
            value["norm_topk_prob"] = json!(e.norm_topk_prob);
        }
        if let Some(q) = &self.quantization {
            value["quantization"] = q.to_json();
            // The same under the name that transformers looks for, as MLX writes it.
            value["quantization_config"] = q.to_json();
        }
        format!("{value:#}\n")
    }
}

/// Typed access to the fields, with errors that name them.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn wrong<T>(name: &str, expected: &str, got: &Value) -> Result<T> {
        Err(Error::value("config", format!("config.json: {name}: expected {expected}, got {got}")))
    }

    fn size(&self, name: &str) -> Result<usize> {
        match self.given(name) {
            None => Err(Error::value("config", format!("config.json: missing field `{name}`"))),
            // The bound keeps every product of two sizes within 64 bits.
            Some(v) => match v.as_u64() {
                Some(n) if n > 0 && n < 1 << 31 => Ok(n as usize),
                _ => Self::wrong(name, "a positive integer below 2^31", v),
            },
        }
    }

    fn size_or(&self, name: &str, default: usize) -> Result<usize> {
        if self.given(name).is_none() { Ok(default) } else { self.size(name) }
    }

    fn number_or(&self, name: &str, default: f64) -> Result<f64> {
        match self.given(name) {
            None => Ok(default),
            Some(v) => v.as_f64().map_or_else(|| Self::wrong(name, "a number", v), Ok),
        }
    }

    fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.given(name) {
            None => Ok(default),
            Some(v) => v.as_bool().map_or_else(|| Self::wrong(name, "true or false", v), Ok),
        }
    }

    /// One token, a list of tokens, or none.
    fn tokens(&self, name: &str) -> Result<Vec<u32>> {
        let id = |v: &Value| match v.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => Self::wrong(name, "token numbers", v),
        };
        match self.given(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(all)) => all.iter().map(id).collect(),
            Some(one) => Ok(vec![id(one)?]),
        }
    }

    /// `rope_theta`, or `rope_parameters.rope_theta` as newer files have it.
    fn rope_theta(&self) -> Result<f64> {
        match self.given("rope_parameters") {
            Some(Value::Object(m)) => Fields(m).number_or("rope_theta", self.number_or("rope_theta", 1e4)?),
            Some(v) => Self::wrong("rope_parameters", "an object", v),
            None => self.number_or("rope_theta", 1e4),
        }
    }

    fn experts(&self) -> Result<Experts> {
        let layers = match self.given("mlp_only_layers") {
            None => Vec::new(),
            Some(v) => {
                let index = |v: &Value| v.as_u64().map(|n| n as usize);
                let list = v.as_array().and_then(|all| all.iter().map(index).collect::<Option<Vec<_>>>());
                list.map_or_else(|| Self::wrong("mlp_only_layers", "a list of layer numbers", v), Ok)?
            }
        };
        Ok(Experts {
            num_experts: self.size("num_experts")?,
            num_experts_per_tok: self.size("num_experts_per_tok")?,
            moe_intermediate_size: self.size("moe_intermediate_size")?,
            decoder_sparse_step: self.size_or("decoder_sparse_step", 1)?,
            mlp_only_layers: layers,
            norm_topk_prob: self.flag_or("norm_topk_prob", false)?,
        })
    }

    /// MLX's `quantization`, or the same under the name `quantization_config`.
    fn quantization(&self) -> Result<Option<Quantization>> {
        for name in ["quantization", "quantization_config"] {
            let Some(v) = self.given(name) else { continue };
            if let Some(method) = v.get("quant_method") {
                let expected = "a quantization in MLX's format (bits, group_size, mode)";
                return Self::wrong(&format!("{name}.quant_method"), expected, method);
            }
            if !v.is_object() {
                return Self::wrong(name, "an object", v);
            }
            let parsed = Quantization::from_json(v);
            let named = |e: Error| Error::new(e.kind(), "config", format!("config.json: {name}.{}", e.message()));
            return parsed.map(Some).map_err(named);
        }
        Ok(None)
    }

    /// Whether the model is a mixture of experts.
    fn check_supported(&self) -> Result<bool> {
        let known = |n: &Value, pick: fn((&'static str, &'static str)) -> &'static str| {
            [DENSE, SPARSE].iter().position(|&a| n.as_str() == Some(pick(a)))
        };
        let found = match (self.given("architectures"), self.given("model_type")) {
            (Some(v), _) => match v.as_array().and_then(|all| all.iter().find_map(|n| known(n, |a| a.0))) {
                Some(found) => found,
                None => {
                    let expected = format!("[\"{}\"] or [\"{}\"]", DENSE.0, SPARSE.0);
                    return Self::wrong("architectures", &expected, v);
                }
            },
            (None, Some(v)) => match known(v, |a| a.1) {
                Some(found) => found,
                None => return Self::wrong("model_type", &format!("\"{}\" or \"{}\"", DENSE.1, SPARSE.1), v),
            },
            (None, None) => return Err(Error::value("config", "config.json: missing field `architectures`")),
        };
        // Activations that MLX would quantize give other scores.
        let no = json!(false);
        for (name, expected) in
            [("hidden_act", json!("silu")), ("use_sliding_window", no.clone()), ("quantize_activations", no)]
        {
            if let Some(v) = self.given(name).filter(|v| **v != expected) {
                return Self::wrong(name, &expected.to_string(), v);
            }
        }
        for name in ["rope_scaling", "rope_parameters"] {
            if let Some(Value::Object(m)) = self.given(name) {
                let kind = m.get("rope_type").or_else(|| m.get("type"));
                if let Some(v) = kind.filter(|v| v.as_str() != Some("default")) {
                    return Self::wrong(&format!("{name}.rope_type"), "\"default\"", v);
                }
            }
        }
        Ok(found == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published file of Qwen3-0.6B.
    const PUBLISHED: &str = r#"{"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
        "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28,
        "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true,
        "use_sliding_window": false, "vocab_size": 151936}"#;

    #[test]
    fn the_published_file_is_read_and_written() {
        let c = Config::parse(PUBLISHED).unwrap();
        assert_eq!((c.hidden_size, c.head_dim, c.num_key_value_heads), (1024, 128, 8));
        assert_eq!((c.rope_theta, c.rms_norm_eps, c.tie_word_embeddings), (1e6, 1e-6, true));
        assert_eq!(c.eos_token_ids, [151645]);
        let text = c.to_json(isobit::Dtype::BF16);
        assert!(text.contains("\"rms_norm_eps\": 1e-6"), "{text}");
        assert_eq!(Config::parse(&text).unwrap(), c);
    }

    #[test]
    fn each_mistake_is_named() {
        let with = |from: &str, to: &str| Config::parse(&PUBLISHED.replace(from, to)).unwrap_err().to_string();
        for (from, to, want) in [
            ("Qwen3ForCausalLM", "LlamaForCausalLM", "expected [\"Qwen3ForCausalLM\"] or [\"Qwen3MoeForCausalLM\"]"),
            ("\"hidden_size\": 1024", "\"hidden_size\": -4", "hidden_size: expected a positive integer"),
            ("\"hidden_size\": 1024,", "", "missing field `hidden_size`"),
            ("\"num_attention_heads\": 16", "\"num_attention_heads\": 0", "num_attention_heads: expected a positive"),
            ("\"num_key_value_heads\": 8", "\"num_key_value_heads\": 7", "expected a divisor of 16, got 7"),
            ("\"head_dim\": 128", "\"head_dim\": 127", "expected an even number, got 127"),
            ("\"silu\"", "\"gelu\"", "hidden_act: expected \"silu\", got \"gelu\""),
            (
                "\"sliding_window\": null",
                "\"quantize_activations\": true",
                "quantize_activations: expected false, got true",
            ),
            ("\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"yarn\"}", "rope_scaling.rope_type"),
            ("\"eos_token_id\": 151645", "\"eos_token_id\": 999999", "eos_token_id: expected less than 151936"),
            ("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1", "expected true or false, got 1"),
            ("1024,", "1024", "config.json is not JSON"),
        ] {
            let e = with(from, to);
            assert!(e.contains(want), "{to}: {e}");
        }
        assert!(Config::parse("[]").unwrap_err().to_string().contains("expected an object"));
    }

    #[test]
    fn the_end_tokens_of_generation_config_count() {
        let mut c = Config::parse(PUBLISHED).unwrap();
        c.read_generation(r#"{"temperature": 0.6}"#).unwrap();
        c.read_generation(r#"{"eos_token_id": null}"#).unwrap();
        assert_eq!(c.eos_token_ids, [151645]);
        c.read_generation(r#"{"eos_token_id": [151645, 151643], "pad_token_id": 151643}"#).unwrap();
        assert_eq!(c.eos_token_ids, [151645, 151643]);
        for (text, want) in [
            ("{", "generation_config.json: not JSON"),
            ("3", "generation_config.json: expected an object"),
            (r#"{"eos_token_id": "x"}"#, "generation_config.json: eos_token_id: expected token numbers, got \"x\""),
            (r#"{"eos_token_id": [151936]}"#, "eos_token_id: expected less than 151936, got 151936"),
        ] {
            let e = c.read_generation(text).unwrap_err().to_string();
            assert!(e.contains(want), "{text}: {e}");
        }
        assert_eq!(c.eos_token_ids, [151645, 151643]);
    }

    /// The published file of an MLX conversion of Qwen3-30B-A3B.
    const SPARSE_PUBLISHED: &str = r#"{"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false,
        "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
        "intermediate_size": 6144, "max_position_embeddings": 40960, "mlp_only_layers": [], "model_type": "qwen3_moe",
        "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128,
        "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4, "output_router_logits": false,
        "quantization": {"group_size": 64, "bits": 4, "model.layers.0.mlp.gate": {"group_size": 64, "bits": 8},
            "lm_head": false},
        "quantization_config": {"group_size": 64, "bits": 4}, "rms_norm_eps": 1e-06, "rope_scaling": null,
        "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
        "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936}"#;

    #[test]
    fn a_quantized_mixture_is_read_and_written() {
        let c = Config::parse(SPARSE_PUBLISHED).unwrap();
        let e = c.experts.as_ref().unwrap();
        assert_eq!((e.num_experts, e.num_experts_per_tok, e.moe_intermediate_size), (128, 8, 768));
        assert!(e.norm_topk_prob && (0..48).all(|i| c.experts_of(i).is_some()));
        let q = c.quantization.as_ref().unwrap();
        assert_eq!((q.format.bits(), q.format.group_size(), q.format.mode().name()), (4, 64, "affine"));
        assert_eq!(q.format_of("model.layers.0.mlp.gate").unwrap().bits(), 8);
        assert_eq!((q.format_of("lm_head"), q.format_of("model.norm")), (None, Some(q.format)));
        assert_eq!(Config::parse(&c.to_json(isobit::Dtype::BF16)).unwrap(), c);
        let only = SPARSE_PUBLISHED.replace("\"quantization\"", "\"other\"");
        assert_eq!(Config::parse(&only).unwrap().quantization.unwrap().layers.len(), 0);

        let some = SPARSE_PUBLISHED
            .replace("\"mlp_only_layers\": []", "\"mlp_only_layers\": [3]")
            .replace("\"decoder_sparse_step\": 1", "\"decoder_sparse_step\": 2");
        let c = Config::parse(&some).unwrap();
        let sparse: Vec<usize> = (0..8).filter(|&i| c.experts_of(i).is_some()).collect();
        assert_eq!(sparse, [1, 5, 7]);
    }

    #[test]
    fn mistakes_of_a_quantized_mixture_are_named() {
        for (from, to, want) in [
            ("\"bits\": 4,", "\"bits\": 7,", "quantization.bits"),
            ("\"bits\": 4, \"model", "\"model", "quantization.bits: missing"),
            ("{\"group_size\": 64, \"bits\": 8}", "{\"group_size\": 7, \"bits\": 8}", "model.layers.0.mlp.gate"),
            ("\"lm_head\": false", "\"mode\": \"mxfp5\"", "mxfp5"),
            ("\"lm_head\": false", "\"lm_head\": 3", "lm_head: expected"),
            ("\"lm_head\": false", "\"lm_head\": {\"bits\": 4, \"global_scale\": true}", "lm_head.global_scale: "),
            ("\"quantization\": {", "\"quantization\": {\"quant_method\": \"awq\", ", "quantization.quant_method"),
            ("\"num_experts\": 128,", "", "missing field `num_experts`"),
            ("\"num_experts_per_tok\": 8", "\"num_experts_per_tok\": 129", "expected at most 128, got 129"),
            ("\"mlp_only_layers\": []", "\"mlp_only_layers\": [\"x\"]", "mlp_only_layers: expected a list"),
            ("\"decoder_sparse_step\": 1", "\"decoder_sparse_step\": 0", "decoder_sparse_step: expected a positive"),
        ] {
            let changed = SPARSE_PUBLISHED.replace(from, to);
            assert_ne!(changed, SPARSE_PUBLISHED, "{from}");
            let e = Config::parse(&changed).unwrap_err().to_string();
            assert!(e.contains(want), "{to}: {e}");
        }
    }
}
