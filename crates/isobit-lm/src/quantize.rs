//! Model directories of floats made into quantized ones, in MLX's format.
//!
//! Weights are mapped, quantized and written one file at a time, so that memory holds one output file and one layer. The
//! same input gives the same bytes. The new directory appears under its name when it is complete, or not at all.

use crate::atomic_file;
use crate::config::Config;
use crate::model_dir::{in_file, load_weights, model_of, read_text};
use crate::quantization::{Quantization, Recipe};
use isobit::{Array, Error, Result, io, ops};
use isobit_nn::{Module, Params};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files beside the weights that a model directory needs, by name or by how the name begins.
const COMPANIONS: &[&str] = &[
    "tokenizer",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.",
    "merges.txt",
    "chat_template.",
    "generation_config.json",
];

/// What [`quantize_dir`] did.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The formats of the layers.
    pub quantization: Quantization,
    /// Layers that could be quantized, and those that were.
    pub layers: (usize, usize),
    /// Bytes of the weights before and after.
    pub bytes: (u64, u64),
    /// Bits that a weight takes on average, with scales and biases.
    pub bits_per_weight: f64,
    /// Files written, by name.
    pub files: Vec<String>,
}

/// Quantizes the model in `from` by `recipe` into the new directory `to`, in files of at most `file_bytes` bytes (or one
/// tensor). `progress` is told how many of how many tensors are done.
///
/// # Errors
/// Weights that [`crate::load`] would not load or that are quantized already; layers that groups do not divide; weights
/// that are not finite; a directory `to` that exists and is not empty; a file that cannot be written. Then there is no
/// directory `to`, nor any above it that was not there before.
pub fn quantize_dir(
    from: &Path,
    to: &Path,
    recipe: &Recipe,
    file_bytes: u64,
    mut progress: impl FnMut(usize, usize),
) -> Result<Quantized> {
    if !from.is_dir() {
        return Err(Error::io("quantize", format!("{}: not a directory", from.display())));
    }
    let text = read_text(&from.join("config.json"))?;
    let config = Config::parse(&text).map_err(in_file(from))?;
    if config.quantization.is_some() {
        return Err(Error::value("quantize", format!("{}: the model is quantized already", from.display())));
    }
    let mut config_json: Value =
        serde_json::from_str(&text).map_err(|e| Error::value("config", format!("config.json is not JSON: {e}")))?;
    let place = free_place(to)?;

    let mut model = model_of(config, load_weights(from)?).map_err(in_file(from))?;
    let layers = model.quantizable_layers();
    let quantization = recipe.resolve(&layers)?;
    let floats = model.parameters();
    let before = bytes_of(&floats);
    let weights: usize = floats.values().map(Array::size).sum();
    let finite = finite_checks(&floats)?;
    drop(floats);
    model.quantize(&quantization)?;
    let params = model.parameters();
    drop(model);
    let after = bytes_of(&params);
    let names = shards(&params, file_bytes);

    config_json["quantization"] = quantization.to_json();
    config_json["quantization_config"] = quantization.to_json();
    let temporary = place.with_file_name(format!(
        ".{}.{}.tmp",
        place.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let missing: Vec<&Path> = place.ancestors().skip(1).take_while(|dir| !dir.exists()).collect();
    let mut written = Writer { dir: temporary.clone(), files: Vec::new(), done: 0, total: params.len() };
    let result = written
        .weights(params, &names, finite, after, &mut progress)
        .and_then(|()| written.companions(from))
        .and_then(|()| written.file("config.json", format!("{config_json:#}\n").as_bytes()))
        .and_then(|()| put_in_place(&temporary, &place));
    if let Err(e) = result {
        // The first error is the one to report; directories above that others have put something into stay.
        let _ = fs::remove_dir_all(&temporary);
        missing.into_iter().for_each(|dir| drop(fs::remove_dir(dir)));
        return Err(e);
    }
    let quantized = layers.iter().filter(|(path, _)| quantization.format_of(path).is_some()).count();
    Ok(Quantized {
        quantization,
        layers: (layers.len(), quantized),
        bytes: (before, after),
        bits_per_weight: after as f64 * 8.0 / weights.max(1) as f64,
        files: written.files,
    })
}

fn bytes_of(params: &Params) -> u64 {
    params.values().map(|a| a.nbytes() as u64).sum()
}

/// The absolute path of a directory that may be made.
fn free_place(to: &Path) -> Result<PathBuf> {
    let failed = |e: std::io::Error| Error::io("quantize", format!("{}: {e}", to.display()));
    let place = std::path::absolute(to).map_err(failed)?;
    if place.file_name().is_none() {
        return Err(Error::io("quantize", format!("{}: expected the name of a new directory", to.display())));
    }
    match fs::read_dir(&place) {
        Ok(entries) => match entries.count() {
            0 => Ok(place),
            _ => Err(Error::io("quantize", format!("{}: exists and is not empty", to.display()))),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(place),
        Err(e) => Err(failed(e)),
    }
}

fn put_in_place(temporary: &Path, place: &Path) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("quantize", format!("cannot rename to {}: {e}", place.display()));
    // An empty directory of that name was found to be one; anything else stays and fails the renaming.
    let _ = fs::remove_dir(place);
    fs::rename(temporary, place).map_err(failed)
}

/// For every floating parameter whether all of it is finite, lazily.
fn finite_checks(params: &Params) -> Result<Params> {
    let check = |(name, a): (&String, &Array)| Ok((name.clone(), ops::all(&ops::isfinite(a)?, .., false)?));
    params.iter().map(check).collect()
}

/// Names of the parameters, in order, cut into files.
fn shards(params: &Params, file_bytes: u64) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    let mut size = 0;
    for (name, a) in params {
        let bytes = a.nbytes() as u64;
        if size > 0 && size + bytes > file_bytes {
            all.push(Vec::new());
            size = 0;
        }
        size += bytes;
        if let Some(last) = all.last_mut() {
            last.push(name.clone());
        }
    }
    all
}

/// The name of the layer that a parameter belongs to, with the dot behind it.
fn layer_of(name: &str) -> &str {
    &name[..name.rfind('.').map_or(0, |dot| dot + 1)]
}

/// A directory in the making.
struct Writer {
    dir: PathBuf,
    files: Vec<String>,
    done: usize,
    total: usize,
}

impl Writer {
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic_file::write(&self.dir.join(name), bytes)?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// Computes and writes the weights, file after file, and the index if there are several.
    fn weights(
        &mut self,
        mut params: Params,
        shards: &[Vec<String>],
        mut finite: Params,
        total_bytes: u64,
        progress: &mut impl FnMut(usize, usize),
    ) -> Result<()> {
        let about = BTreeMap::from([("format".to_owned(), "mlx".to_owned())]);
        atomic_file::make_parent(&self.dir.join("config.json"))?;
        let mut map = BTreeMap::new();
        for (i, names) in shards.iter().enumerate() {
            let file = match shards.len() {
                1 => "model.safetensors".to_owned(),
                n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
            };
            for name in names {
                // Codes, scales and biases share their way from the floats: they are computed together, also if a file
                // ends between them.
                let prefix = layer_of(name);
                let parts = params.range(prefix.to_owned()..).take_while(|(n, _)| n.starts_with(prefix));
                let mut group: Vec<Array> = parts.map(|(_, a)| a.clone()).collect();
                let weight = format!("{prefix}weight");
                let check = finite.remove(if finite.contains_key(name) { name } else { &weight });
                group.extend(check.clone());
                isobit::eval(&group)?;
                if check.is_some_and(|c| !c.item::<bool>().unwrap_or(false)) {
                    return Err(Error::value("quantize", format!("{weight}: some values are not finite")));
                }
                map.insert(name.clone(), file.clone());
                self.done += 1;
                progress(self.done, self.total);
            }
            let shard: Params = names.iter().filter_map(|n| params.remove_entry(n)).collect();
            io::save_safetensors(self.dir.join(&file), &shard, &about)?;
            self.files.push(file);
        }
        if shards.len() > 1 {
            let index = json!({"metadata": {"total_size": total_bytes}, "weight_map": map});
            self.file("model.safetensors.index.json", format!("{index:#}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Copies tokenizer files and their like.
    fn companions(&mut self, from: &Path) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |e: std::io::Error| Error::io("quantize", format!("{path}: {e}"))
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(from).map_err(failed(from))? {
            let entry = entry.map_err(failed(from))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_file() && COMPANIONS.iter().any(|c| name.starts_with(c)) {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let path = from.join(&name);
            self.file(&name, &fs::read(&path).map_err(failed(&path))?)?;
        }
        Ok(())
    }
}
