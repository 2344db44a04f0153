//! `cargo xtask tidy`: invariants of the tree that the compiler does not check, each stated as an absence.

use crate::{read, root};
use std::path::{Path, PathBuf};

/// A file longer than this wants to be two.
const MAX_LINES: usize = 1400;

/// Checks every invariant and lists every breach.
pub fn run() -> Result<(), String> {
    let mut found = Vec::new();
    let files = sources(&root().join("crates"))?;
    for path in &files {
        let text = read(path)?;
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        check(&name, &text, &mut found);
    }
    registry_is_sorted(&mut found)?;
    operations_have_examples(&mut found)?;
    if found.is_empty() {
        println!("tidy: {} files, nothing found", files.len());
        return Ok(());
    }
    Err(format!("tidy: {} breaches\n{}", found.len(), found.join("\n")))
}

fn check(name: &str, text: &str, found: &mut Vec<String>) {
    if name.starts_with("crates/xtask") {
        return;
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{name}: {lines} lines, at most {MAX_LINES}"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        found.push(format!("{name}: does not open with `//!`, what it is and what it must not do"));
    }
    let is_test = name.contains("/tests/")
        || name.contains("/benches/")
        || name.contains("/examples/")
        || name.ends_with("tests.rs")
        || name.contains("/tests_")
        || name.starts_with("crates/isobit-testing");
    for (number, line) in code_lines(text) {
        let at = || format!("{name}:{}", number + 1);
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX"] {
            if line.contains(word) {
                found.push(format!("{}: {word}", at()));
            }
        }
        if is_test {
            continue;
        }
        // Kernels document their panics ("# Panics"): they are called with shapes that the graph has checked.
        let panics = line.contains("panic!(") && !name.starts_with("crates/isobit-kernels");
        if line.contains(".unwrap()") || panics {
            found.push(format!("{}: unwrap or panic outside tests", at()));
        }
        // A single element that is computed at once goes to the backend by address (`array.rs`).
        let safe =
            name.starts_with("crates/isobit-core") && !core_may_be_unsafe(name) && !name.ends_with("src/array.rs");
        if line.contains("unsafe {") && safe {
            found.push(format!("{}: unsafe in the graph", at()));
        }
        if name.starts_with("crates/isobit-core") && reads_elements(name) && element_type(line) {
            found.push(format!("{}: the graph knows no element type outside host.rs, io and RNG keys", at()));
        }
    }
}

/// Lines before the unit tests, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = ["#[cfg(test)]", "#[cfg(feature = \"self-test\")]\nmod tests {"];
    let end = tests.iter().filter_map(|head| text.find(head)).min().unwrap_or(text.len());
    text[..end].lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//"))
}

fn core_may_be_unsafe(name: &str) -> bool {
    ["alloc.rs", "tensor.rs", "host.rs", "/host/", "spec.rs", "/io", "array/fmt.rs", "src/array.rs"]
        .iter()
        .any(|f| name.contains(f))
}

fn reads_elements(name: &str) -> bool {
    !core_may_be_unsafe(name)
}

fn element_type(line: &str) -> bool {
    line.contains("as_ptr::<") || line.contains("as_mut_ptr::<") || line.contains("as_slice::<")
}

/// The list of primitives is sorted, and every file under `ops/` is a module.
fn registry_is_sorted(found: &mut Vec<String>) -> Result<(), String> {
    let list = read(&root().join("crates/isobit-core/src/ops/registry_list.rs"))?;
    let Some(at) = list.rfind("primitives! {") else {
        return Err("registry_list.rs: no list".into());
    };
    for part in list[at..].split("    }") {
        let rows: Vec<&str> = part
            .lines()
            .map(str::trim)
            .filter(|l| l.ends_with(',') && l.contains("::"))
            .map(|l| l.trim_end_matches(','))
            .collect();
        if let Some(w) = rows.windows(2).find(|w| w[0] > w[1]) {
            found.push(format!("registry_list.rs: {} stands before {}", w[0], w[1]));
        }
    }
    Ok(())
}

/// The function that a file under `ops/` is named after has an example, which `cargo test --doc` runs.
fn operations_have_examples(found: &mut Vec<String>) -> Result<(), String> {
    for path in sources(&root().join("crates/isobit-core/src/ops"))? {
        let Some(name) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        let text = read(&path)?;
        let head = [format!("\npub fn {name}("), format!("\npub fn {name}<")];
        let Some(at) = head.iter().find_map(|h| text.find(h.as_str())) else { continue };
        let docs = text[..at].lines().rev().take_while(|l| l.starts_with("///") || l.starts_with("#["));
        if !docs.into_iter().any(|l| l == "/// # Examples") {
            found.push(format!("ops/{name}.rs: the function has no example"));
        }
    }
    Ok(())
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut out = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for entry in entries {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}
