//! Model directories as Hugging Face lays them out: `config.json`, `tokenizer.json`, and `model.safetensors` or shards
//! with `model.safetensors.index.json`. Weights are floats, or quantized in MLX's format.

use crate::atomic_file;
use crate::config::Config;
use crate::quantization::{Quantization, stored_format};
use crate::qwen3::Qwen3;
use crate::tokenizer::Tokenizer;
use isobit::{Array, Dtype, Error, Result, io, ops};
use isobit_nn::{Module, Params};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A model with its tokenizer.
pub struct LanguageModel {
    /// The decoder.
    pub model: Qwen3,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    let text = read_bytes(path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData.into()));
    text.map_err(|e| match e.kind() {
        ErrorKind::InvalidData => Error::io("load", format!("{}: not UTF-8", path.display())),
        _ => Error::io("load", format!("{}: {e}", path.display())),
    })
}

/// The contents of a file; of a device or a pipe, which may have no end, none.
pub(crate) fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return fs::read(path);
    }
    Err(std::io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
}

/// An error with the file that it is about in front.
pub(crate) fn in_file(path: &Path) -> impl FnOnce(Error) -> Error + '_ {
    move |e| Error::new(e.kind(), "load", format!("{}: {}", path.display(), e.message()))
}

/// Loads a model directory. Weights keep the dtype that they are stored in.
///
/// # Errors
/// Everything that is missing, truncated, of the wrong shape or dtype, unknown, or left over, by file and tensor.
pub fn load(dir: &Path) -> Result<LanguageModel> {
    if !dir.is_dir() {
        return Err(Error::io("load", format!("{}: not a directory", dir.display())));
    }
    let mut config = Config::parse(&read_text(&dir.join("config.json"))?).map_err(in_file(dir))?;
    let generation = dir.join("generation_config.json");
    if generation.exists() {
        config.read_generation(&read_text(&generation)?).map_err(in_file(dir))?;
    }
    let tokenizer = Tokenizer::open(&dir.join("tokenizer.json"))?;
    let weights = load_weights(dir)?;
    assemble(config, tokenizer, weights).map_err(in_file(dir))
}

/// A model from the contents of its three files.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(config: &str, tokenizer: &[u8], weights: &[u8]) -> Result<LanguageModel> {
    let (weights, _) = io::parse_safetensors(weights)?;
    assemble(Config::parse(config)?, Tokenizer::parse(tokenizer, "tokenizer.json")?, weights)
}

fn assemble(config: Config, tokenizer: Tokenizer, weights: Params) -> Result<LanguageModel> {
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(Error::value(
            "load",
            format!("the tokenizer has {} tokens, the model only {}", tokenizer.vocab_size(), config.vocab_size),
        ));
    }
    let model = model_of(config, weights)?;
    model.eval()?;
    Ok(LanguageModel { model, tokenizer })
}

/// The model that these weights are of.
///
/// # Errors
/// Tensors that are missing, left over, or of another shape or dtype.
pub(crate) fn model_of(config: Config, mut weights: Params) -> Result<Qwen3> {
    if config.tie_word_embeddings {
        // Some files repeat the embedding table under this name.
        for part in PARTS {
            weights.remove(&format!("lm_head.{part}"));
        }
    }
    check_depth(&config, &weights)?;
    stack_experts(&config, &mut weights)?;
    let quantization = config.quantization.clone();
    let mut model = Qwen3::zeros(config, Dtype::F32)?;
    match quantization {
        Some(q) => model.quantize(&stored_quantized(q, &model, &weights))?,
        None => {
            if let Some(name) = weights.keys().find(|name| name.ends_with(".scales")) {
                let message = format!("{name}: the weights are quantized, but config.json has no `quantization`");
                return Err(Error::value("load", message));
            }
        }
    }
    model.load(&weights)?;
    Ok(model)
}

/// Refuses a number of layers that the tensors do not have, before a model of that size is made.
fn check_depth(config: &Config, weights: &Params) -> Result<()> {
    let last = format!("model.layers.{}.", config.num_hidden_layers - 1);
    match weights.keys().any(|name| name.starts_with(&last)) {
        true => Ok(()),
        false => Err(Error::value(
            "load",
            format!("num_hidden_layers: {}: missing tensors: {last}*", config.num_hidden_layers),
        )),
    }
}

/// As MLX decides it: a layer that config.json does not name is quantized if there are scales for it, in the format that
/// its tensors have, and names of layers that there are not say nothing. Tensors that are in no format stay with that of
/// config.json, which the error then names.
fn stored_quantized(mut q: Quantization, model: &Qwen3, weights: &Params) -> Quantization {
    let layers = model.quantizable_layers();
    q.layers.retain(|name, _| layers.iter().any(|(path, _)| path == name));
    for (path, shape) in layers {
        if q.layers.contains_key(&path) {
            continue;
        }
        let [codes, scales, biases] = PARTS.map(|part| weights.get(&format!("{path}.{part}")));
        let last = |shape: &[usize]| shape.last().copied().unwrap_or(0);
        let format = match (codes, scales) {
            (_, None) => None,
            (Some(codes), Some(scales))
                if scales.dtype().is_float() == biases.is_some()
                    && biases.is_none_or(|b| b.shape() == scales.shape()) =>
            {
                let stored = stored_format(last(&shape), last(codes.shape()), last(scales.shape()), biases.is_some());
                Some(stored.unwrap_or(q.format))
            }
            _ => Some(q.format),
        };
        if format != Some(q.format) {
            q.layers.insert(path, format);
        }
    }
    q
}

/// Puts tensors of single experts (`mlp.experts.0.up_proj.weight`) together to one per block
/// (`mlp.switch_mlp.up_proj.weight`). Lazy; experts of which one is missing stay apart, to be named.
fn stack_experts(config: &Config, weights: &mut Params) -> Result<()> {
    let layers = (0..config.num_hidden_layers).filter_map(|i| config.experts_of(i).map(|e| (i, e.num_experts)));
    for (layer, count) in layers {
        let prefix = format!("model.layers.{layer}.mlp");
        for (proj, part) in ["gate_proj", "up_proj", "down_proj"].iter().flat_map(|n| PARTS.iter().map(move |p| (n, p)))
        {
            let name = |e: usize| format!("{prefix}.experts.{e}.{proj}.{part}");
            if !weights.contains_key(&name(0)) {
                continue;
            }
            if let Some(first) = (0..count).map(name).find(|n| !weights.contains_key(n)) {
                return Err(Error::value("load", format!("missing tensors: {first}, of {count} experts")));
            }
            let parts: Vec<Array> = (0..count).filter_map(|e| weights.remove(&name(e))).collect();
            let first = &parts[0];
            if let Some(e) = parts.iter().position(|a| a.shape() != first.shape() || a.dtype() != first.dtype()) {
                let (a, b) = (first, &parts[e]);
                let message = format!(
                    "{}: expected {} {:?} as for the first expert, got {} {:?}",
                    name(e),
                    a.dtype(),
                    a.shape(),
                    b.dtype(),
                    b.shape()
                );
                return Err(Error::value("load", message));
            }
            weights.insert(format!("{prefix}.switch_mlp.{proj}.{part}"), ops::stack(&parts, 0)?);
        }
    }
    Ok(())
}

/// Parameters of a layer, quantized or not.
const PARTS: [&str; 3] = ["weight", "scales", "biases"];

pub(crate) fn load_weights(dir: &Path) -> Result<Params> {
    let index = dir.join("model.safetensors.index.json");
    if !index.exists() {
        return load_files(dir);
    }
    let value: Value = serde_json::from_str(&read_text(&index)?)
        .map_err(|e| Error::value("load", format!("{}: not JSON: {e}", index.display())))?;
    let map = value
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| Error::value("load", format!("{}: missing object `weight_map`", index.display())))?;
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, file) in map {
        match file.as_str().filter(|f| !f.contains(['/', '\\'])) {
            Some(f) => by_file.entry(f).or_default().push(tensor),
            None => {
                let message = format!("{}: {tensor}: expected a file name, got {file}", index.display());
                return Err(Error::value("load", message));
            }
        }
    }
    let mut weights = Params::new();
    for (file, names) in by_file {
        let path = dir.join(file);
        let (mut shard, _) = io::load_safetensors(&path)?;
        for name in names {
            let a = shard.remove(name).ok_or_else(|| {
                Error::value("load", format!("{}: the index places {name} here, but it is missing", path.display()))
            })?;
            weights.insert(name.to_owned(), a);
        }
        if let Some(name) = shard.keys().next() {
            return Err(Error::value("load", format!("{}: {name} is not in the index", path.display())));
        }
    }
    Ok(weights)
}

/// The weights of a directory without an index: those of `model.safetensors`, or of all files whose names begin and end as
/// this one's, as MLX reads them.
fn load_files(dir: &Path) -> Result<Params> {
    let whole = dir.join("model.safetensors");
    let mut files = Vec::new();
    if !whole.exists() {
        let failed = |e: std::io::Error| Error::io("load", format!("{}: {e}", dir.display()));
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("model") && name.ends_with(".safetensors") {
                files.push(dir.join(&*name));
            }
        }
        files.sort();
    }
    if files.is_empty() {
        files.push(whole);
    }
    let mut weights = Params::new();
    for path in files {
        for (name, a) in io::load_safetensors(&path)?.0 {
            if weights.insert(name.clone(), a).is_some() {
                let message = format!("{}: {name} is in an earlier file too", path.display());
                return Err(Error::value("load", message));
            }
        }
    }
    Ok(weights)
}

/// Writes a model directory. Each file is replaced as a whole; the weights come last.
///
/// # Errors
/// A file that cannot be written; what was there before stays.
pub fn save(dir: &Path, model: &Qwen3, tokenizer: &Tokenizer, dtype: Dtype) -> Result<()> {
    let mut stored = model.clone();
    stored.set_dtype(dtype)?;
    let params = stored.parameters();
    atomic_file::write(&dir.join("tokenizer.json"), tokenizer.to_json()?.as_bytes())?;
    atomic_file::write(&dir.join("config.json"), model.config().to_json(dtype).as_bytes())?;
    let about = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    io::save_safetensors(dir.join("model.safetensors"), &params, &about)
}
