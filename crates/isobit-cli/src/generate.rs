//! `isobit generate`.

use crate::output::note;
use crate::{activations, kv, shipped};
use clap::Args;
use isobit::{Error, Result};
use isobit_lm::{Generation, Generator, Sampling};
use std::borrow::Cow;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `isobit generate`.
#[derive(Args)]
pub struct Options {
    /// Model directory (config.json, tokenizer.json, model.safetensors or shards); without it the shipped small model
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Text to continue, as it is; - takes standard input, all of it
    #[arg(long, allow_hyphen_values = true, value_name = "TEXT")]
    prompt: String,
    /// At most this many new tokens
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Temperature; 0 takes the most likely token
    #[arg(long, allow_negative_numbers = true, value_name = "T", default_value_t = 0.0, value_parser = temperature)]
    temp: f32,
    /// Draw from the most likely tokens that together have this probability
    #[arg(long, allow_negative_numbers = true, value_name = "P", default_value_t = 1.0, value_parser = probability)]
    top_p: f32,
    /// Seed of the draw
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    seed: u64,
    /// Prompt tokens read at a time (changes speed and memory, never a result)
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    chunk: u32,
    #[command(flatten)]
    kv: kv::CacheOptions,
    #[command(flatten)]
    activations: activations::ActivationOptions,
}

fn temperature(s: &str) -> std::result::Result<f32, String> {
    match s.parse::<f32>() {
        Ok(t) if t >= 0.0 && t.is_finite() => Ok(t),
        _ => Err("expected a number of at least 0".to_owned()),
    }
}

fn probability(s: &str) -> std::result::Result<f32, String> {
    match s.parse::<f32>() {
        Ok(p) if p > 0.0 && p <= 1.0 => Ok(p),
        _ => Err("expected a number above 0 and up to 1".to_owned()),
    }
}

/// The prompt itself.
fn prompt(given: &str) -> Result<Cow<'_, str>> {
    if given != "-" {
        return Ok(Cow::Borrowed(given));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|e| Error::io("generate", format!("standard input: {e}")))?;
    Ok(Cow::Owned(text))
}

/// Streams the continuation to standard output and the speed to standard error.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut model = shipped::load(options.model.as_deref())?;
    options.kv.apply(&mut model.model)?;
    model.model.set_activations(options.activations.get())?;
    let sampling = Sampling { temperature: options.temp, top_p: options.top_p, seed: options.seed };
    let generation = Generation { max_tokens: options.max_tokens as usize, sampling, chunk: options.chunk as usize };
    let prompt = prompt(&options.prompt)?;
    let mut out = std::io::stdout().lock();
    // Whether somebody still reads.
    let mut write = |text: &str| match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::io("generate", format!("standard output: {e}"))),
    };
    let mut started = false;
    let timing = Generator::new(&model).run(&prompt, &generation, |text| {
        // The prompt appears once it is known to be one that the model can continue.
        let open = started || write(&prompt)?;
        started = true;
        Ok(open && write(text)?)
    })?;
    if !started {
        write(&prompt)?;
    }
    write("\n")?;
    note!(
        "prompt: {} tokens, {:.1} tokens/s; generated: {} tokens, {:.1} tokens/s",
        timing.prompt_tokens,
        timing.prefill_rate(),
        timing.tokens,
        timing.decode_rate()
    );
    // Longer texts work; how well is another matter.
    let (length, most) = (timing.prompt_tokens + timing.tokens, model.model.config().max_position_embeddings);
    if length > most {
        note!("note: a text of {length} tokens; the model was made for up to {most}");
    }
    Ok(ExitCode::SUCCESS)
}
