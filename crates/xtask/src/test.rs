//! `cargo xtask test`: the workspace's tests; the bit and completeness tests again at every weaker instruction-set level that
//! this machine can run, under poison; the NEON kernels under emulation where the tools are there; the Python package's.
//!
//! Everything is built first, by both cores of a small machine. What then runs alone is run two at a time.

use crate::jobs::{self, Job};
use crate::{cargo, neon, python, root, step};
use std::time::Instant;

/// Tests whose results must not depend on level or memory: run again under each forced setting.
const AGAIN: [&str; 2] = ["matrix", "bits"];
/// What a forced setting does not change, since it goes through all levels itself, and poisons memory in every run.
const SAME_AT_EVERY_LEVEL: &str = "::bits";

/// Runs everything; stops at the first failure.
pub fn run(fast: bool) -> Result<(), String> {
    let started = Instant::now();
    step("invariants of the tree", &[], &["run", "--quiet", "--package", "xtask", "--", "tidy"])?;
    if fast {
        // Not `--lib`, which would link tests of the Python extension.
        step("unit and integration tests", &[], &["test", "--workspace", "--tests", "--quiet"])?;
    } else {
        everything()?;
    }
    println!("\nall tests passed in {} s", started.elapsed().as_secs());
    Ok(())
}

fn everything() -> Result<(), String> {
    let (neon, pytest) = std::thread::scope(|scope| {
        // Waits for the network most of its time.
        let interpreter = scope.spawn(python::environment);
        step("all tests, built", &[], &["test", "--workspace", "--no-run", "--quiet"])?;
        let packages = python::build()?;
        let neon = neon::jobs_if_possible()?;
        let interpreter = interpreter.join().unwrap_or_else(|_| Err("python: a thread failed".to_owned()))?;
        Ok::<_, String>((neon, python::pytest(&packages, &interpreter)))
    })?;
    // The longest first. The whole workspace in each, so that dependencies have the features that they were built with.
    let test = |name: &str, env: &[(&str, &str)], which: &[&str]| {
        Job::new(name, cargo(env, &[&["test", "--workspace", "--quiet"][..], which].concat()))
    };
    // Those of the library, of programs, of `tests` and of the documentation, as cargo chooses: asked for libraries by name it
    // would link tests of the Python extension, which only an interpreter can load.
    let mut all = vec![test("all tests", &[], &[])];
    for level in levels() {
        let mut which = Vec::new();
        for name in existing(&AGAIN) {
            which.extend(["--test", name]);
        }
        which.extend(["--", "--skip", SAME_AT_EVERY_LEVEL]);
        all.push(test(
            &format!("{level} and poisoned memory"),
            &[("ISOBIT_ISA", level), ("ISOBIT_POISON", "1")],
            &which,
        ));
    }
    all.extend(neon);
    all.push(Job::new("the Python package", pytest));
    jobs::run(all)
}

/// Weaker levels than the best one of this machine (which the plain run uses).
fn levels() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let mut levels = vec!["scalar"];
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
            levels.push("avx2");
        }
        levels
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        vec!["scalar"]
    }
}

fn existing<'a>(tests: &[&'a str]) -> Vec<&'a str> {
    let dir = root().join("crates/isobit/tests");
    tests.iter().copied().filter(|t| dir.join(format!("{t}.rs")).exists()).collect()
}
