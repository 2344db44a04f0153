//! `isobit train`.

use crate::output::note;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isobit::{Dtype, Error, Result};
use isobit_lm::{Settings, Trainer};
use isobit_nn::Module;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Options of `isobit train`. What a run is made of is fixed when it starts and cannot be given with `--resume`.
#[derive(Args)]
pub struct Options {
    /// Files and directories of text to learn from (default: this project's own sources)
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "resume")]
    data: Vec<PathBuf>,
    /// Directory for checkpoints, the loss curve and the finished model
    #[arg(long, value_name = "DIR", default_value = "isobit-run")]
    out: PathBuf,
    /// Go on from the newest checkpoint in --out
    #[arg(long)]
    resume: bool,
    /// Steps
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    steps: Option<u64>,
    /// Texts per step
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    batch: Option<usize>,
    /// Tokens per text
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    block: Option<usize>,
    /// Highest learning rate
    #[arg(long, allow_negative_numbers = true, value_name = "RATE", conflicts_with = "resume")]
    lr: Option<f64>,
    /// Steps until it is reached
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    warmup: Option<u64>,
    /// Weight decay
    #[arg(long, allow_negative_numbers = true, value_name = "RATE", conflicts_with = "resume")]
    weight_decay: Option<f64>,
    /// Seed of the weights and of the order of the texts
    #[arg(long, allow_negative_numbers = true, conflicts_with = "resume")]
    seed: Option<u64>,
    /// Tokens in the vocabulary
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    vocab: Option<usize>,
    /// Width of the model
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    hidden: Option<usize>,
    /// Width inside the feed-forward blocks
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    intermediate: Option<usize>,
    /// Decoder blocks
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    layers: Option<usize>,
    /// Attention heads
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    heads: Option<usize>,
    /// Key and value heads
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    kv_heads: Option<usize>,
    /// Save a checkpoint after every so many steps
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// Checkpoints to keep
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Save and stop after this step; --resume goes on
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u64).range(1..))]
    stop_at: Option<u64>,
    /// Dtype of the finished model's weights
    #[arg(long, value_name = "DTYPE", default_value = "bfloat16")]
    save_dtype: Stored,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stored {
    Bfloat16,
    Float32,
}

impl Options {
    fn settings(&self) -> Result<Settings> {
        let d = Settings::default();
        let data = if self.data.is_empty() { own_sources()? } else { self.data.clone() };
        let steps = self.steps.unwrap_or(d.steps);
        Ok(Settings {
            data,
            seed: self.seed.unwrap_or(d.seed),
            steps,
            batch: self.batch.unwrap_or(d.batch),
            block: self.block.unwrap_or(d.block),
            learning_rate: self.lr.unwrap_or(d.learning_rate),
            warmup: self.warmup.unwrap_or(d.warmup.min(steps / 10)),
            weight_decay: self.weight_decay.unwrap_or(d.weight_decay),
            vocab: self.vocab.unwrap_or(d.vocab),
            hidden: self.hidden.unwrap_or(d.hidden),
            intermediate: self.intermediate.unwrap_or(d.intermediate),
            layers: self.layers.unwrap_or(d.layers),
            heads: self.heads.unwrap_or(d.heads),
            kv_heads: self.kv_heads.unwrap_or(d.kv_heads),
        })
    }
}

/// The sources that this program was built from, if they are still there.
fn own_sources() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let parts = ["crates", "docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "python"];
    let found: Vec<PathBuf> = parts.iter().map(|p| root.join(p)).filter(|p| p.exists()).collect();
    if found.is_empty() {
        return Err(Error::value("train", "the project's sources are not here: name what to learn from with --data"));
    }
    Ok(found)
}

/// Trains, with a progress bar on standard error.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut trainer = match options.resume {
        true => Trainer::resume(&options.out)?,
        false => Trainer::start(&options.out, options.settings()?)?,
    };
    let total = trainer.settings().steps;
    let last = options.stop_at.unwrap_or(total).min(total);
    note!(
        "{} tokens in {} blocks, vocabulary {}, {:.2} M parameters",
        trainer.blocks().tokens().len(),
        trainer.blocks().count(),
        trainer.tokenizer().vocab_size(),
        trainer.model().num_parameters() as f64 / 1e6
    );
    let bar = progress_bar(total, trainer.steps_done());
    let (start, mut tokens) = (Instant::now(), 0);
    let mut held_out = String::new();
    while trainer.steps_done() < last {
        let report = trainer.step()?;
        tokens += report.tokens;
        let rate = tokens as f64 / start.elapsed().as_secs_f64();
        // Not where the run merely stops: the curve of a resumed run is that of an uninterrupted one.
        let measure = report.step.is_multiple_of(options.checkpoint_every) || report.step == total;
        let checkpoint = measure || report.step == last;
        if measure && let Some(loss) = trainer.measure_held_out()? {
            held_out = format!(", held out {loss:.3}");
        }
        if checkpoint {
            trainer.save_checkpoint(options.keep as usize)?;
        }
        let message = format!("loss {:.3}{held_out}, {rate:.0} tokens/s", report.loss);
        if !bar.is_hidden() {
            bar.set_message(message);
            bar.set_position(report.step);
        } else if checkpoint || report.step.is_multiple_of(10) {
            note!("step {}/{total}: {message}", report.step);
        }
    }
    bar.finish();
    if trainer.steps_done() < total {
        note!("stopped after step {}; --resume goes on", trainer.steps_done());
        return Ok(ExitCode::SUCCESS);
    }
    let dtype = match options.save_dtype {
        Stored::Bfloat16 => Dtype::BF16,
        Stored::Float32 => Dtype::F32,
    };
    trainer.save_model(dtype)?;
    note!("model, tokenizer, loss.svg and loss.csv are in {}", options.out.display());
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(total: u64, done: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_position(done);
    bar.reset_eta();
    bar
}
