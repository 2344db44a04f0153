//! Model directories as Hugging Face lays them out: `config.json`, `tokenizer.json`, and `model.safetensors` or shards
//! with `model.safetensors.index.json`.

use crate::atomic_file;
use crate::config::Config;
use crate::qwen3::Qwen3;
use crate::tokenizer::Tokenizer;
use isobit::{Dtype, Error, Result, io};
use isobit_nn::{Module, Params};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A model with its tokenizer.
pub struct LanguageModel {
    /// The decoder.
    pub model: Qwen3,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io("load", format!("{}: {e}", path.display())))
}

/// An error with the file that it is about in front.
fn in_file(path: &Path) -> impl FnOnce(Error) -> Error + '_ {
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
    let path = dir.join("config.json");
    let config = Config::parse(&read_text(&path)?).map_err(in_file(dir))?;
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

fn assemble(config: Config, tokenizer: Tokenizer, mut weights: Params) -> Result<LanguageModel> {
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(Error::value(
            "load",
            format!("the tokenizer has {} tokens, the model only {}", tokenizer.vocab_size(), config.vocab_size),
        ));
    }
    if config.tie_word_embeddings {
        // Some files repeat the embedding table under this name.
        weights.remove("lm_head.weight");
    }
    let mut model = Qwen3::zeros(config, Dtype::F32)?;
    model.load(&weights)?;
    Ok(LanguageModel { model, tokenizer })
}

fn load_weights(dir: &Path) -> Result<Params> {
    let index = dir.join("model.safetensors.index.json");
    if !index.exists() {
        let path = dir.join("model.safetensors");
        return Ok(io::load_safetensors(&path)?.0);
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
