//! The small model that comes with the program: made by `isobit train` from the project's own sources.

use isobit::Result;
use isobit_lm::LanguageModel;
use std::path::Path;

const CONFIG: &str = include_str!("../small-model/config.json");
const TOKENIZER: &[u8] = include_bytes!("../small-model/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../small-model/model.safetensors");

/// The model in `dir`, or the shipped one.
pub fn load(dir: Option<&Path>) -> Result<LanguageModel> {
    match dir {
        Some(dir) => isobit_lm::load(dir),
        None => isobit_lm::from_bytes(CONFIG, TOKENIZER, WEIGHTS),
    }
}
