//! `isobit verify`.

use crate::output::{self, say};
use crate::{activations, kv, shipped};
use clap::{Args, ValueEnum};
use isobit::cpu::isa;
use isobit::{Dtype, Error, Result};
use isobit_lm::{LanguageModel, Plan, verify};
use isobit_nn::Module;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `isobit verify`.
#[derive(Args)]
pub struct Options {
    /// Model directory; without it the shipped small model, in float32, bfloat16 and float16
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Tokens per text
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(8..=4096))]
    tokens: u32,
    /// Texts in the largest batch
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64))]
    batch: u32,
    /// Convert the weights (of quantized ones scales and biases) first; may be given several times
    #[arg(long, value_name = "DTYPE")]
    dtype: Vec<Float>,
    #[command(flatten)]
    kv: kv::CacheOptions,
    #[command(flatten)]
    activations: activations::ActivationOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Float {
    Float32,
    Bfloat16,
    Float16,
}

impl Float {
    fn dtype(self) -> Dtype {
        match self {
            Float::Float32 => Dtype::F32,
            Float::Bfloat16 => Dtype::BF16,
            Float::Float16 => Dtype::F16,
        }
    }
}

/// What the texts are made of: any text will do, but a varied one goes through more of the vocabulary.
const TEXT: &str = "/// The sum of all elements along the given axes.\npub fn sum(a: &Array, axes: impl Into<Axes>, \
    keepdims: bool) -> Result<Array> {\n    let axes = resolve(\"sum\", axes.into(), a.ndim())?;\n    apply(Sum { axes }, \
    &[a])\n}\n\nThe quick brown fox jumps over the lazy dog: 3.14159, [1, 2, 3], x_0 = -7e-3; größer, 数.\n";

/// Prints the table; the status says whether all differences are zero.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut model = shipped::load(options.model.as_deref())?;
    options.kv.apply(&mut model.model)?;
    model.model.set_activations(options.activations.get())?;
    let dtypes: Vec<Dtype> = match (options.dtype.as_slice(), &options.model) {
        ([], Some(_)) => vec![model.model.dtype()],
        ([], None) => vec![Dtype::F32, Dtype::BF16, Dtype::F16],
        (some, _) => some.iter().map(|d| d.dtype()).collect(),
    };
    let plan = Plan { rows: rows(&model, options)?, threads: vec![1, 2, 3], levels: isa::available() };
    let mut failed = 0;
    let titles = ["dtype", "computed by", "runs", "scores", "differing", "max difference"];
    say!("{:<9} {:<52} {:>5} {:>9} {:>9} {:>14}", titles[0], titles[1], titles[2], titles[3], titles[4], titles[5]);
    let original = model.model.clone();
    for dtype in dtypes {
        model.model = original.clone();
        model.model.set_dtype(dtype)?;
        model.model.eval()?;
        let mut written = Ok(());
        verify(&model.model, &plan, |c| {
            failed += usize::from(!c.passed());
            if written.is_ok() {
                written = output::line(format_args!(
                    "{:<9} {:<52} {:>5} {:>9} {:>9} {:>14}",
                    dtype.name(),
                    c.name,
                    c.runs,
                    c.scores,
                    c.differing,
                    c.max_difference
                ));
            }
        })?;
        written?;
    }
    if failed > 0 {
        say!("{failed} rows differ from the reference");
        return Ok(ExitCode::FAILURE);
    }
    say!("the same bits in every row");
    Ok(ExitCode::SUCCESS)
}

/// Texts of the wanted number of tokens, each starting elsewhere.
fn rows(model: &LanguageModel, options: &Options) -> Result<Vec<Vec<u32>>> {
    let base = model.tokenizer.encode(TEXT)?;
    if base.is_empty() {
        return Err(Error::value("verify", "the tokenizer makes no tokens of the text"));
    }
    let row = |i: usize| base.iter().cycle().skip(i * 7).take(options.tokens as usize).copied().collect();
    Ok((0..options.batch as usize).map(row).collect())
}
