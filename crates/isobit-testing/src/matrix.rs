//! The runner: every primitive against every check, each cell named, caught and counted as one test.
//!
//! ```text
//! cells = registry x checks, filtered by the arguments
//! two threads take cells that may run beside others; then the rest run alone
//! a cell runs its check on every case, each caught; it fails if any case fails
//! cells of the ledger must fail; on a whole run docs/coverage.md must be up to date
//! ```

use crate::checks::{CHECKS, Check, Cx};
use crate::coverage::{self, Mark, Row};
use crate::draw::Rng;
use crate::{Failure, ledger};
use isobit_core::prim::{Case, Entry, REGISTRY};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

thread_local! {
    /// Message and place of the last panic on this thread.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What the command line asks for: the part of the standard test harness's arguments that makes sense here.
#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    ignored: bool,
    threads: Option<usize>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Options {
        let mut o = Options::default();
        while let Some(a) = args.next() {
            match a.as_str() {
                "--list" => o.list = true,
                "--exact" => o.exact = true,
                "--ignored" => o.ignored = true,
                "--skip" => o.skip.extend(args.next()),
                "--test-threads" => o.threads = args.next().and_then(|n| n.parse().ok()),
                "--format" | "--color" | "-Z" | "--logfile" | "--shuffle-seed" => {
                    args.next();
                }
                a if a.starts_with("--test-threads=") => o.threads = a[15..].parse().ok(),
                a if a.starts_with('-') => {}
                _ => o.filters.push(a),
            }
        }
        o
    }

    fn wants(&self, name: &str) -> bool {
        let hit = |f: &String| if self.exact { name == f } else { name.contains(f.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(hit)) && !self.skip.iter().any(hit)
    }

    fn is_whole(&self) -> bool {
        self.filters.is_empty() && self.skip.is_empty()
    }
}

struct Cell {
    entry: &'static Entry,
    check: &'static Check,
    name: String,
}

struct Outcome {
    compared: usize,
    failures: Vec<String>,
    seconds: f64,
}

fn run_case(cell: &Cell, case: &Case, number: usize) -> (usize, Option<String>) {
    let mut cx = Cx { case, rng: Rng::new(&cell.name, number as u64), compared: 0 };
    PANIC.with_borrow_mut(String::clear);
    let result = catch_unwind(AssertUnwindSafe(|| (cell.check.run)(&mut cx)));
    let shapes: Vec<&[usize]> = case.inputs.iter().map(|o| o.shape.as_slice()).collect();
    let place = || {
        let mut prim = format!("{:?}", case.prim);
        if prim.len() > 160 {
            prim = prim.chars().take(160).collect::<String>() + "...";
        }
        format!("case {number} {prim} on {shapes:?}")
    };
    let failure = match result {
        Ok(Ok(())) => None,
        Ok(Err(Failure(m))) => Some(format!("{}: {m}", place())),
        Err(_) => Some(format!("{}: panicked: {}", place(), PANIC.with_borrow(String::clone))),
    };
    (cx.compared, failure)
}

fn run_cell(cell: &Cell) -> Outcome {
    let start = Instant::now();
    let mut out = Outcome { compared: 0, failures: Vec::new(), seconds: 0.0 };
    match catch_unwind(|| (cell.entry.cases)()) {
        Ok(cases) if cases.is_empty() => out.failures.push("declares no cases".to_string()),
        Ok(cases) => {
            for (number, case) in cases.iter().enumerate() {
                let (compared, failure) = run_case(cell, case, number);
                out.compared += compared;
                out.failures.extend(failure);
            }
        }
        Err(_) => out.failures.push(format!("cases() panicked: {}", PANIC.with_borrow(String::clone))),
    }
    out.seconds = start.elapsed().as_secs_f64();
    out
}

/// The whole test: what `main` of `tests/matrix.rs` calls.
pub fn main() -> ExitCode {
    let options = Options::parse(std::env::args().skip(1));
    let mut cells: Vec<Cell> = Vec::new();
    for entry in REGISTRY {
        for check in CHECKS {
            let name = format!("{}::{}", entry.name, check.name);
            if options.wants(&name) && !options.ignored {
                cells.push(Cell { entry, check, name });
            }
        }
    }
    if options.list {
        cells.iter().for_each(|c| println!("{}: test", c.name));
        println!("\n{} tests, 0 benchmarks", cells.len());
        return ExitCode::SUCCESS;
    }
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(|s| (*s).to_string());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        PANIC.with_borrow_mut(|p| *p = format!("{text}{place}"));
    }));
    let start = Instant::now();
    println!("\nrunning {} tests", cells.len());
    let outcomes = run_all(&cells, options.threads.unwrap_or(2));
    let _ = std::panic::take_hook();
    report(&options, &cells, outcomes, start)
}

fn run_all(cells: &[Cell], threads: usize) -> Vec<Outcome> {
    let done: Mutex<Vec<Option<Outcome>>> = Mutex::new(cells.iter().map(|_| None).collect());
    let run = |i: usize| {
        let outcome = run_cell(&cells[i]);
        done.lock().expect("no cell panics while it stores its outcome")[i] = Some(outcome);
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..threads.clamp(1, 64) {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    match cells.get(i) {
                        None => break,
                        Some(c) if c.check.alone => {}
                        Some(_) => run(i),
                    }
                }
            });
        }
    });
    (0..cells.len()).filter(|&i| cells[i].check.alone).for_each(run);
    let done = done.into_inner().expect("no cell panics while it stores its outcome");
    done.into_iter().map(|o| o.expect("every cell has run")).collect()
}

fn report(options: &Options, cells: &[Cell], outcomes: Vec<Outcome>, start: Instant) -> ExitCode {
    let mut holes = ledger::entries();
    let (mut passed, mut failed) = (0, Vec::<(String, String)>::new());
    let mut marks: Vec<Mark> = Vec::new();
    let mut known: Vec<(String, String)> = Vec::new();
    for (cell, o) in cells.iter().zip(&outcomes) {
        let hole = holes.remove(&cell.name);
        let (mark, note) = match (o.failures.is_empty(), hole) {
            (true, None) if o.compared == 0 => (Mark::Nothing, "ok (nothing to compare)".to_string()),
            (true, None) => (Mark::Holds, "ok".to_string()),
            (true, Some(_)) => {
                failed.push((cell.name.clone(), "stale: the ledger lists it, but it passes".to_string()));
                (Mark::Failed, "FAILED".to_string())
            }
            (false, Some(reason)) => {
                known.push((cell.name.clone(), reason.clone()));
                (Mark::Hole, format!("ok (known hole: {reason})"))
            }
            (false, None) => {
                let first = o.failures.iter().take(4).map(|f| format!("  {f}\n")).collect::<String>();
                failed.push((cell.name.clone(), format!("{} of its cases fail\n{first}", o.failures.len())));
                (Mark::Failed, "FAILED".to_string())
            }
        };
        passed += usize::from(mark != Mark::Failed);
        marks.push(mark);
        println!("test {} ... {note}", cell.name);
    }
    if options.is_whole() && !options.ignored {
        for (cell, _) in holes {
            failed.push((cell, "stale: the ledger lists it, but there is no such cell".to_string()));
        }
        match check_coverage(&marks, &known) {
            Ok(()) => {
                passed += 1;
                println!("test docs::coverage ... ok");
            }
            Err(message) => {
                println!("test docs::coverage ... FAILED");
                failed.push(("docs::coverage".to_string(), message));
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:\n");
        for (name, message) in &failed {
            println!("---- {name} ----\n{message}\n");
        }
    }
    print_slowest(cells, &outcomes);
    let compared: usize = outcomes.iter().map(|o| o.compared).sum();
    println!("{compared} comparisons");
    println!(
        "\ntest result: {}. {passed} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        REGISTRY.len() * CHECKS.len() - cells.len(),
        start.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn print_slowest(cells: &[Cell], outcomes: &[Outcome]) {
    let mut slow: Vec<(f64, &str)> = cells.iter().zip(outcomes).map(|(c, o)| (o.seconds, c.name.as_str())).collect();
    slow.sort_by(|a, b| b.0.total_cmp(&a.0));
    let list: Vec<String> = slow.iter().take(5).filter(|s| s.0 > 0.5).map(|s| format!("{} {:.1}s", s.1, s.0)).collect();
    if !list.is_empty() {
        println!("slowest: {}", list.join(", "));
    }
}

fn check_coverage(marks: &[Mark], holes: &[(String, String)]) -> Result<(), String> {
    let rows: Vec<Row> = REGISTRY
        .iter()
        .zip(marks.chunks(CHECKS.len()))
        .map(|(e, m)| {
            // A primitive whose cases panic has been reported already.
            let cases = catch_unwind(|| (e.cases)().len()).unwrap_or(0);
            Row { name: e.name, cases, marks: m.to_vec() }
        })
        .collect();
    let text = coverage::text(&rows, holes);
    let path = coverage::path();
    if std::env::var_os("UPDATE_COVERAGE").is_some_and(|v| !v.is_empty() && v != "0") {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        }
        return std::fs::write(&path, text).map_err(|e| e.to_string());
    }
    match std::fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        _ => Err("docs/coverage.md is stale: run UPDATE_COVERAGE=1 cargo test -p isobit --test matrix".to_string()),
    }
}
