//! The project's own commands: `cargo xtask test | neon | python | tidy | new-op`. Needs nothing but the standard
//! library, and Python for the Python package.

mod jobs;
mod neon;
mod new_op;
mod python;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

const USAGE: &str = "usage: cargo xtask COMMAND

  test [--fast]                everything there is to test; --fast for the inner loop
  neon                         the kernels' tests on aarch64 under emulation; says what is missing for that
  python                       the Python package, and its tests (needs CPython 3.11 or newer and pip)
  ulp [STRIDE] [FUNCTION]      the float32 functions' largest errors over every (or every STRIDE-th) float
  tidy                         the invariants of the tree (ARCHITECTURE.md)
  new-op NAME --kind KIND      writes a new operation's file and rows; KIND is unary, binary or plain
  new-op --check               whether every operation has all its rows";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["test"] => test::run(false),
        ["test", "--fast"] => test::run(true),
        ["neon"] => neon::run(),
        ["python"] => python::test(),
        ["ulp", rest @ ..] if rest.len() <= 2 => ulp(rest),
        ["tidy"] => tidy::run(),
        ["new-op", "--check"] => new_op::check(),
        ["new-op", name, "--kind", kind] => new_op::create(name, kind),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The sweep over all floats, for which the kernels' tests are the program: a number is the stride, a word the function.
fn ulp(args: &[&str]) -> Result<(), String> {
    let mut env = vec![("ISOBIT_SWEEP", "1")];
    for arg in args {
        let is_stride = arg.parse::<u32>().is_ok_and(|n| n > 0);
        env.push((if is_stride { "ISOBIT_SWEEP" } else { "ISOBIT_FUNCTION" }, *arg));
    }
    let test = [
        "test",
        "--quiet",
        "--package",
        "isobit-kernels",
        "--test",
        "unit",
        "--",
        "--nocapture",
        "math::tests::every_float",
    ];
    step("errors of the float32 functions", &env, &test)
}

/// The workspace's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A cargo command at the workspace's root.
fn cargo(env: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).envs(env.iter().copied()).current_dir(root());
    command
}

/// One cargo command with a headline and its time.
fn step(name: &str, env: &[(&str, &str)], args: &[&str]) -> Result<(), String> {
    println!("\n== {name}");
    let started = Instant::now();
    let status = cargo(env, args).status().map_err(|e| format!("could not start cargo: {e}"))?;
    if !status.success() {
        return Err(format!("failed: {name} (cargo {})", args.join(" ")));
    }
    println!("== {name}: {} s", started.elapsed().as_secs());
    Ok(())
}
