//! `cargo xtask test`: the workspace's tests, then the bit and completeness tests again under poison and at every
//! instruction-set level that this machine can run, then the NEON kernels under emulation where the tools are there.
//! Last the Python package's.

use crate::{neon, root, step};
use std::time::Instant;

/// Tests whose results must not depend on level or memory: run again under each forced setting.
const AGAIN: [&str; 2] = ["matrix", "bits"];

/// Runs everything; stops at the first failure.
pub fn run(fast: bool) -> Result<(), String> {
    let started = Instant::now();
    step("invariants of the tree", &[], &["run", "--quiet", "--package", "xtask", "--", "tidy"])?;
    if fast {
        step("unit and integration tests", &[], &["test", "--workspace", "--lib", "--bins", "--tests", "--quiet"])?;
    } else {
        step("all tests", &[], &["test", "--workspace", "--quiet"])?;
        let mut settings = vec![("poisoned memory", ("ISOBIT_POISON", "1"))];
        settings.extend(levels().into_iter().map(|l| (l, ("ISOBIT_ISA", l))));
        for (name, setting) in settings {
            // The whole workspace, so that dependencies have the features that they were built with already.
            let mut args = vec!["test", "--workspace", "--quiet"];
            for test in existing(&AGAIN) {
                args.extend(["--test", test]);
            }
            step(name, &[setting], &args)?;
        }
        neon::run_if_possible()?;
        println!("\n== the Python package");
        crate::python::test()?;
    }
    println!("\nall tests passed in {} s", started.elapsed().as_secs());
    Ok(())
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
