//! `isobit bench`: times the kernels on this machine and prints them beside the machine's own limits, or answers a
//! driver that times several programs in turn. With `--shape` or `--model` it times a whole language model.

mod gpt;
mod profile;
mod quantized;
mod rows;
mod shape;

use crate::activations::ActivationOptions;
use crate::kv::CacheOptions;
use crate::output::say;
use crate::quantize::Mode;
use isobit::quant::Format;
use isobit::{Array, Dtype, Error, Result, ops};
use isobit_nn::Activations;
use rows::Row;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Options of `isobit bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Only rows whose name contains this
    filter: Option<String>,
    /// Threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Timed calls per row
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// Read `ROW CALLS` lines from standard input and answer each with one line of JSON (seconds per call)
    #[arg(long)]
    worker: bool,
    /// Time a language model of this geometry with random weights instead of the rows
    #[arg(long, group = "whole", conflicts_with_all = ["filter", "worker"])]
    shape: Option<shape::Shape>,
    /// Time the language model in this directory instead of the rows
    #[arg(long, value_name = "DIR", group = "whole", conflicts_with_all = ["filter", "worker"])]
    model: Option<PathBuf>,
    /// Bits of random weights: 2, 3, 4, 5, 6, 8, or 16 for bfloat16 (default: 4, in mode mxfp8 8)
    #[arg(long, value_name = "N", requires = "shape", conflicts_with = "model", value_parser = bits)]
    bits: Option<usize>,
    /// What codes and scales of random weights mean
    #[arg(long, requires = "shape", conflicts_with = "model", default_value = "affine")]
    mode: Mode,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", requires = "whole", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=32768))]
    prompt: u32,
    /// Tokens that it generates
    #[arg(long, value_name = "N", requires = "whole", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: u32,
    /// Also say where the time of a prompt and of a token goes, primitive by primitive (in a round of its own)
    #[arg(long, requires = "whole")]
    profile: bool,
    #[command(flatten)]
    cache: CacheOptions,
    #[command(flatten)]
    activations: ActivationOptions,
}

fn bits(s: &str) -> std::result::Result<usize, String> {
    const LIST: [usize; 7] = [2, 3, 4, 5, 6, 8, 16];
    s.parse().ok().filter(|n| LIST.contains(n)).ok_or_else(|| format!("expected one of {LIST:?}"))
}

/// Runs the command.
pub fn run(args: &Options) -> Result<ExitCode> {
    let threads = args.threads.or_else(|| std::env::var("NT").ok().and_then(|n| n.parse().ok()));
    if let Some(n) = threads {
        isobit_kernels::par::set_threads(n.clamp(1, 1024) as usize);
    }
    if let Some(source) = source(args)? {
        let (prompt, tokens) = (args.prompt as usize, args.tokens as usize);
        // A call is a prompt and a text: far fewer of them are needed than of kernels.
        let rounds = args.calls.div_ceil(3) as usize;
        let (activations, cache, profile) = (args.activations.get(), args.cache, args.profile);
        let run = shape::Run { source, cache, activations, prompt, tokens, rounds, profile };
        shape::run(&run, || Ok((isobit_kernels::limits::fma_gflops(), read_limit()?)))?
    } else if args.worker {
        worker(args.activations.get())?
    } else {
        table(args)?
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole model that is asked for, if one is.
fn source(args: &Options) -> Result<Option<shape::Source>> {
    if let Some(dir) = &args.model {
        return Ok(Some(shape::Source::Directory(dir.clone())));
    }
    let Some(shape) = args.shape else {
        return match args.cache.is_given() {
            true => Err(Error::value("bench", "--kv-bits belongs to a whole model: expected --shape or --model")),
            false => Ok(None),
        };
    };
    let format = match (args.bits, args.mode) {
        (Some(16), Mode::Affine) => None,
        (bits, mode) => Some(Format::new(mode.mode(), None, bits)?),
    };
    Ok(Some(shape::Source::Random(shape, format)))
}

fn table(args: &Options) -> Result<()> {
    let filter = args.filter.as_deref().unwrap_or("");
    let named = |name: &str| rows::with_activations(name, args.activations.get());
    let mut names: Vec<String> = rows::NAMES.into_iter().chain(["gpt.step"]).map(named).collect();
    names.retain(|n| n.contains(filter));
    names.dedup();
    if names.is_empty() {
        let all: Vec<&str> = rows::NAMES.into_iter().chain(["gpt.step"]).collect();
        return Err(Error::value("bench", format!("no row is named like {filter:?}; the rows are {}", all.join(" "))));
    }
    let threads = isobit_kernels::par::threads();
    let peak = isobit_kernels::limits::fma_gflops();
    let read = read_limit()?;
    say!("{threads} threads, {}", isobit_kernels::isa::level().name());
    say!("limits: {peak:.0} GFLOP/s float32 FMA, {read:.1} GB/s read from memory on huge pages\n");
    say!(
        "{:<22} {:>10} {:>10} {:>9} {:>7} {:>9} {:>7}",
        "row",
        "median ms",
        "best ms",
        "GFLOP/s",
        "of FMA",
        "GB/s",
        "of read"
    );
    for name in names {
        let Some(mut row) = rows::row(&name)? else { continue };
        let warm = row.warm;
        let mut seconds = time(&mut row, args.calls as usize, warm)?;
        seconds.sort_by(f64::total_cmp);
        let (best, median) = (seconds[0], seconds[seconds.len() / 2]);
        let rate = |work: f64, limit: f64| {
            if work == 0.0 {
                (String::new(), String::new())
            } else {
                (format!("{:.1}", work / median / 1e9), format!("{:.0} %", work / median / 1e7 / limit))
            }
        };
        let ((gflops, of_peak), (gbs, of_read)) = (rate(row.flops, peak), rate(row.bytes, read));
        say!("{name:<22} {:>10.3} {:>10.3} {gflops:>9} {of_peak:>7} {gbs:>9} {of_read:>7}", median * 1e3, best * 1e3);
    }
    Ok(())
}

fn read_limit() -> Result<f64> {
    // Far more than any cache holds, on the huge pages that every large array lies on.
    let big: Array = ops::contiguous(&ops::zeros(&[64 << 20], Dtype::F32)?)?;
    let t = big.tensor()?;
    // SAFETY: an array of float32 that has just been evaluated.
    let data = unsafe { t.as_slice::<f32>() }.unwrap_or_default();
    Ok(isobit_kernels::limits::read_gbs(data))
}

/// Seconds per call: `warm` calls that do not count, then `calls` that do.
fn time(row: &mut Row, calls: usize, warm: usize) -> Result<Vec<f64>> {
    let mut seconds = Vec::with_capacity(calls);
    for i in 0..warm + calls {
        let start = Instant::now();
        isobit::eval(&(row.call)()?)?;
        if i >= warm {
            seconds.push(start.elapsed().as_secs_f64() / row.repeats as f64);
        }
    }
    Ok(seconds)
}

fn worker(activations: Activations) -> Result<()> {
    let mut current: Option<(String, Row)> = None;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let calls = words.next().and_then(|n| n.parse().ok()).unwrap_or(3).min(1_000_000);
        say!("{}", answer(&rows::with_activations(name, activations), calls, &mut current));
    }
    Ok(())
}

fn answer(name: &str, calls: usize, current: &mut Option<(String, Row)>) -> String {
    let skip = |why: &str| format!("{{\"skip\": {:?}}}", why);
    if name == "drop" {
        *current = None;
        return "{\"variants\": {}}".to_string();
    }
    // New rows warm up until weights are packed and memory is mapped.
    let mut warm = 1;
    if current.as_ref().is_none_or(|(n, _)| n != name) {
        *current = None;
        match rows::row(name) {
            Ok(Some(row)) => {
                warm = row.warm;
                *current = Some((name.to_string(), row));
            }
            Ok(None) => return skip("n/a"),
            Err(e) => return skip(&e.to_string()),
        }
    }
    let Some((_, row)) = current else { return skip("n/a") };
    match time(row, calls, warm) {
        Ok(seconds) => {
            let list: Vec<String> = seconds.iter().map(|s| format!("{s:e}")).collect();
            format!("{{\"variants\": {{\"isobit\": [{}]}}}}", list.join(", "))
        }
        Err(e) => skip(&e.to_string()),
    }
}
