//! `isobit quantize`.

use crate::output::note;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isobit::Result;
use isobit::quant::{self, Format};
use isobit_lm::{Recipe, quantize_dir};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `isobit quantize`.
#[derive(Args)]
pub struct Options {
    /// Model directory with weights of floats
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// New directory for the quantized model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Bits of a weight: 2, 3, 4, 5, 6 or 8 (default: 4, in mode mxfp8 8)
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    bits: Option<usize>,
    /// Weights that share a scale (default: 64, in the other modes their own number)
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    group_size: Option<usize>,
    /// What codes and scales mean
    #[arg(long, value_name = "MODE", default_value = "affine")]
    mode: Mode,
    /// Another format for some layers, or none (may be given several times, the last that fits counts): a pattern is a
    /// layer's path or its end after a dot, `*` stands for any characters, as in down_proj=8:64, layers.0.*=8:32:affine,
    /// lm_head=none
    #[arg(long = "override", value_name = "PATTERN=BITS:GROUP[:MODE] | PATTERN=none")]
    overrides: Vec<String>,
    /// Most bytes of a file of weights, in MB
    #[arg(long, value_name = "MB", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_file_mb: u64,
}

/// What codes and scales mean, by name.
#[derive(Clone, Copy, ValueEnum)]
pub enum Mode {
    Affine,
    Mxfp4,
    Mxfp8,
    Nvfp4,
}

impl Mode {
    /// The mode of that name.
    pub fn mode(self) -> quant::Mode {
        match self {
            Mode::Affine => quant::Mode::Affine,
            Mode::Mxfp4 => quant::Mode::Mxfp4,
            Mode::Mxfp8 => quant::Mode::Mxfp8,
            Mode::Nvfp4 => quant::Mode::Nvfp4,
        }
    }
}

/// Quantizes and says on standard error what came of it.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut recipe = Recipe::new(Format::new(options.mode.mode(), options.group_size, options.bits)?);
    for text in &options.overrides {
        recipe.parse_override(text)?;
    }
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} tensors, {eta} left") {
        bar.set_style(style);
    }
    let done = quantize_dir(&options.model, &options.out, &recipe, options.max_file_mb * 1_000_000, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let done = done?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    note!(
        "{} of {} layers quantized; weights {:.1} MB, were {:.1} MB; {:.2} bits per weight",
        done.layers.1,
        done.layers.0,
        mb(done.bytes.1),
        mb(done.bytes.0),
        done.bits_per_weight
    );
    note!("{}: {}", options.out.display(), done.files.join(", "));
    Ok(ExitCode::SUCCESS)
}
