//! `isobit bench`: times the kernels on this machine and prints them beside the machine's own limits, or answers a
//! driver that times several programs in turn.

mod gpt;
mod quantized;
mod rows;

use isobit::{Array, Dtype, Error, Result, ops};
use rows::Row;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Options of `isobit bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Only rows whose name contains this
    filter: Option<String>,
    /// Threads
    #[arg(long)]
    threads: Option<usize>,
    /// Timed calls per row
    #[arg(long, default_value_t = 7)]
    calls: usize,
    /// Read `ROW CALLS` lines from standard input and answer each with one line of JSON (seconds per call)
    #[arg(long)]
    worker: bool,
}

/// Runs the command.
pub fn run(args: &Options) -> Result<ExitCode> {
    let threads = args.threads.or_else(|| std::env::var("NT").ok().and_then(|n| n.parse().ok()));
    if let Some(n) = threads {
        isobit_kernels::par::set_threads(n.max(1));
    }
    if args.worker {
        worker()?
    } else {
        table(args)?
    }
    Ok(ExitCode::SUCCESS)
}

fn table(args: &Options) -> Result<()> {
    let filter = args.filter.as_deref().unwrap_or("");
    let names: Vec<&str> = rows::NAMES.into_iter().chain(["gpt.step"]).filter(|n| n.contains(filter)).collect();
    if names.is_empty() {
        let all: Vec<&str> = rows::NAMES.into_iter().chain(["gpt.step"]).collect();
        return Err(Error::value("bench", format!("no row is named like {filter:?}; the rows are {}", all.join(" "))));
    }
    let threads = isobit_kernels::par::threads();
    let peak = isobit_kernels::limits::fma_gflops();
    let read = read_limit()?;
    println!("{threads} threads, {}", isobit_kernels::isa::level().name());
    println!("limits: {peak:.0} GFLOP/s float32 FMA, {read:.1} GB/s read from memory on huge pages\n");
    println!(
        "{:<22} {:>10} {:>10} {:>9} {:>7} {:>9} {:>7}",
        "row", "median ms", "best ms", "GFLOP/s", "of FMA", "GB/s", "of read"
    );
    for name in names {
        let Some(mut row) = rows::row(name)? else { continue };
        let warm = row.warm;
        let mut seconds = time(&mut row, args.calls.max(1), warm)?;
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
        println!(
            "{name:<22} {:>10.3} {:>10.3} {gflops:>9} {of_peak:>7} {gbs:>9} {of_read:>7}",
            median * 1e3,
            best * 1e3
        );
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

fn worker() -> Result<()> {
    let mut current: Option<(String, Row)> = None;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let calls = words.next().and_then(|n| n.parse().ok()).unwrap_or(3);
        println!("{}", answer(name, calls, &mut current));
        if std::io::stdout().flush().is_err() {
            break;
        }
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
