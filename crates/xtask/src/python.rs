//! `cargo xtask python`: the Python package built from this tree into `target/python`, and its tests.
//!
//! The package there is the files of `python/isobit` beside the library that `cargo build` makes; pytest, NumPy and what
//! else the tests need come from the package index into an environment of their own, `target/python/venv`. What users do, `pip install .`, gives
//! the same files by way of maturin.

use crate::{root, step};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tests need.
const PACKAGES: [&str; 4] = ["ml_dtypes", "mypy", "numpy", "pytest"];

/// Builds the package and runs `python/tests`.
pub fn test() -> Result<(), String> {
    let packages = build()?;
    run(&mut pytest(&packages, &environment()?))
}

/// The command that tests the package that lies in `packages`.
pub fn pytest(packages: &Path, python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pytest", "-q", "python/tests"]);
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(root());
    command
}

/// Where packages are built.
fn packages() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("python")
}

/// Builds the package; where it lies.
pub fn build() -> Result<PathBuf, String> {
    let packages = packages();
    // The whole workspace, so that dependencies have the features that the tests built them with: with those of this package
    // alone cargo builds the kernels once more.
    let features = ["--features", "isobit-kernels/self-test"];
    let build = [&["build", "--quiet", "--workspace", "--lib"][..], &features].concat();
    step("the Python package, built", &[], &build)?;
    let package = packages.join("isobit");
    if package.exists() {
        std::fs::remove_dir_all(&package).map_err(|e| format!("{}: {e}", package.display()))?;
    }
    copy(&root().join("python/isobit"), &package)?;
    let library = packages.with_file_name("debug").join("libisobit_py.so");
    std::fs::copy(&library, package.join("core.abi3.so")).map_err(|e| format!("{}: {e}", library.display()))?;
    Ok(packages)
}

/// The interpreter of a virtual environment with what the tests need; made once.
pub fn environment() -> Result<PathBuf, String> {
    let at = &packages().join("venv");
    let python = at.join("bin/python");
    let complete = at.join("complete");
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(&PACKAGES.join(" ")) {
        let found = Command::new("python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).status();
        if !found.is_ok_and(|s| s.success()) {
            return Err("the Python tests need CPython 3.11 or newer as `python3`".into());
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(at))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        std::fs::write(&complete, PACKAGES.join(" ")).map_err(|e| e.to_string())?;
    }
    Ok(python)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            if name != "__pycache__" {
                copy(&path, &to.join(name))?;
            }
        } else if path.extension().is_none_or(|e| e != "so") {
            std::fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("could not start {:?}: {e}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("failed: {command:?}")) }
}
