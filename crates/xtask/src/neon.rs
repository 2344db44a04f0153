//! `cargo xtask neon`: the kernels' tests on aarch64 under emulation, so that a machine without NEON checks its code.
//!
//! Installs nothing. What an emulator cannot show: speed, and races that only a weakly ordered memory has.

use crate::jobs::{self, Job};
use crate::{cargo, root, step};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// What takes about half of the time of the kernels' tests: most wait for one another, so two processes take turns no more.
const LONGEST: [&str; 2] = ["gemm::", "scan::"];
const EMULATORS: [&str; 2] = ["qemu-aarch64-static", "qemu-aarch64"];

/// Builds for aarch64 and runs the kernels' tests; an error names what is missing.
pub fn run() -> Result<(), String> {
    let found = tools().map_err(|missing| format!("neon: cannot run\n{missing}"))?;
    jobs::run(built(&found)?)
}

/// As part of `cargo xtask test`: builds, and gives what is to be run; or says why it is skipped.
pub fn jobs_if_possible() -> Result<Vec<Job>, String> {
    if cfg!(target_arch = "aarch64") {
        println!("\n== NEON: this machine has it, so the tests run it");
        return Ok(Vec::new());
    }
    match tools() {
        Ok(found) => built(&found),
        Err(missing) => {
            println!("\n== NEON under emulation: skipped\n{missing}");
            Ok(Vec::new())
        }
    }
}

struct Tools {
    emulator: &'static str,
    /// Where the emulator finds the target's dynamic loader.
    prefix: PathBuf,
}

/// What is needed, or one line per thing that is missing and how to get it.
fn tools() -> Result<Tools, String> {
    let mut missing = Vec::new();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]));
    if !sysroot.is_some_and(|s| PathBuf::from(s).join("lib/rustlib").join(TARGET).is_dir()) {
        missing.push(format!("  the standard library for {TARGET}: rustup target add {TARGET}"));
    }
    let loader = output(Command::new(LINKER).arg("-print-file-name=ld-linux-aarch64.so.1"));
    let prefix = loader.and_then(|l| Some(std::fs::canonicalize(l).ok()?.parent()?.parent()?.to_path_buf()));
    if prefix.is_none() {
        missing.push(format!("  the linker {LINKER} and its C library: package gcc-aarch64-linux-gnu"));
    }
    let emulator = EMULATORS.into_iter().find(|e| output(Command::new(e).arg("--version")).is_some());
    if emulator.is_none() {
        missing.push(format!("  an emulator ({}): package qemu-user-static", EMULATORS.join(" or ")));
    }
    match (emulator, prefix) {
        (Some(emulator), Some(prefix)) if missing.is_empty() => Ok(Tools { emulator, prefix }),
        _ => Err(missing.join("\n")),
    }
}

fn output(command: &mut Command) -> Option<String> {
    let out = command.stdin(Stdio::null()).stderr(Stdio::null()).current_dir(root()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
}

/// Builds the kernels' tests; the commands that run them.
fn built(tools: &Tools) -> Result<Vec<Job>, String> {
    let runner = format!("{} -L {}", tools.emulator, tools.prefix.display());
    let env = [
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER),
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner.as_str()),
        ("ISOBIT_TEST_SAMPLE", "1"),
    ];
    step("aarch64: the library compiles", &env, &["check", "--quiet", "--package", "isobit", "--target", TARGET])?;
    let test = ["test", "--quiet", "--package", "isobit-kernels", "--test", "unit", "--target", TARGET];
    step("NEON: kernel tests, built", &env, &[&test[..], &["--no-run"]].concat())?;
    // Every test has one of the names or none of them; a test program takes one name.
    let mut jobs = Vec::new();
    for name in LONGEST {
        let named = [&test[..], &["--", name]].concat();
        jobs.push(Job::new(&format!("NEON: kernel tests under emulation, {name}"), cargo(&env, &named)));
    }
    let skipped: Vec<&str> = LONGEST.iter().flat_map(|name| ["--skip", name]).collect();
    let others = [&test[..], &["--"], &skipped].concat();
    jobs.insert(1, Job::new("NEON: kernel tests under emulation, the others", cargo(&env, &others)));
    Ok(jobs)
}
