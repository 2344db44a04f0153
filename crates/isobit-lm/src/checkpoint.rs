//! Everything that a training run needs to go on, in one safetensors file per checkpoint.
//!
//! A checkpoint is complete or absent ([`io::save_safetensors`] renames it into place), so the newest one is always usable.

use crate::atomic_file;
use crate::train::{Point, Settings};
use isobit::{Error, Result, io};
use isobit_nn::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The state of a run between two steps.
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// What the run was started with.
    pub settings: Settings,
    /// Of the training tokens.
    pub fingerprint: u64,
    /// Losses so far.
    pub history: Vec<Point>,
    /// Weights.
    pub model: Params,
    /// Optimizer state.
    pub optimizer: Params,
}

const MODEL: &str = "model:";
const OPTIMIZER: &str = "optimizer:";

fn directory(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// Checkpoints of a run, oldest first.
pub fn list(run: &Path) -> Result<Vec<PathBuf>> {
    let dir = directory(run);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("checkpoint", format!("{}: {e}", dir.display()))),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("checkpoint", format!("{}: {e}", dir.display())))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("step-") && name.ends_with(".safetensors") {
            all.push(path);
        }
    }
    // Steps are written with leading zeros.
    all.sort();
    Ok(all)
}

impl Checkpoint {
    /// Writes the checkpoint of its step, then removes all but the newest `keep`.
    ///
    /// # Errors
    /// A file that cannot be written; then every earlier checkpoint is still there.
    pub fn save(&self, run: &Path, keep: usize) -> Result<PathBuf> {
        let mut tensors = Params::new();
        tensors.extend(self.model.iter().map(|(k, a)| (format!("{MODEL}{k}"), a.clone())));
        tensors.extend(self.optimizer.iter().map(|(k, a)| (format!("{OPTIMIZER}{k}"), a.clone())));
        let history: Vec<Value> = self.history.iter().map(|p| p.to_json()).collect();
        let about = BTreeMap::from([
            ("step".to_owned(), self.step.to_string()),
            ("settings".to_owned(), self.settings.to_json().to_string()),
            ("fingerprint".to_owned(), self.fingerprint.to_string()),
            ("history".to_owned(), json!(history).to_string()),
        ]);
        let path = directory(run).join(format!("step-{:08}.safetensors", self.step));
        atomic_file::make_parent(&path)?;
        io::save_safetensors(&path, &tensors, &about)?;
        let all = list(run)?;
        for old in &all[..all.len().saturating_sub(keep.max(1))] {
            fs::remove_file(old).map_err(|e| Error::io("checkpoint", format!("{}: {e}", old.display())))?;
        }
        Ok(path)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that is not a checkpoint, by name.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        let wrong = |what: String| Error::value("checkpoint", format!("{}: {what}", path.display()));
        let (tensors, about) = io::load_safetensors(path)?;
        let field =
            |name: &str| about.get(name).ok_or_else(|| wrong(format!("no `{name}`: not a training checkpoint")));
        let number = |name: &str| -> Result<u64> {
            let text = field(name)?;
            text.parse().map_err(|_| wrong(format!("{name}: expected a number, got {text:?}")))
        };
        let parsed = |name: &str| -> Result<Value> {
            serde_json::from_str(field(name)?).map_err(|e| wrong(format!("{name}: {e}")))
        };
        let settings = Settings::from_json(&parsed("settings")?).map_err(|e| wrong(e.message().to_owned()))?;
        let points = parsed("history")?;
        let points = points.as_array().ok_or_else(|| wrong("history: expected a list".to_owned()))?;
        let history = points
            .iter()
            .map(|p| Point::from_json(p).ok_or_else(|| wrong(format!("history: unexpected entry {p}"))))
            .collect::<Result<_>>()?;
        let (mut model, mut optimizer) = (Params::new(), Params::new());
        for (name, a) in tensors {
            if let Some(k) = name.strip_prefix(MODEL) {
                model.insert(k.to_owned(), a);
            } else if let Some(k) = name.strip_prefix(OPTIMIZER) {
                optimizer.insert(k.to_owned(), a);
            } else {
                return Err(wrong(format!("unexpected tensor {name}")));
            }
        }
        let (step, fingerprint) = (number("step")?, number("fingerprint")?);
        Ok(Checkpoint { step, settings, fingerprint, history, model, optimizer })
    }
}
