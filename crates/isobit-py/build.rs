//! Docstrings: for each operation of isobit-core and form of isobit-nn the documentation of the Rust function of that name,
//! as a text file for `include_str!`. Links and headings are written the way Python's help shows them.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

/// Folders of the crates, and what the names of their functions get in front.
const SOURCES: [(&str, &str); 6] = [
    ("isobit-core/src/ops", ""),
    ("isobit-core/src/random", "random_"),
    ("isobit-core/src/transforms", ""),
    ("isobit-nn/src", "nn_"),
    ("isobit-nn/src/functional", "nn_"),
    ("isobit-nn/src/optimizers", "nn_"),
];

fn main() -> io::Result<()> {
    let crates = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let out = env::var("OUT_DIR").unwrap_or_default();
    let mut docs = BTreeMap::new();
    for (dir, prefix) in SOURCES {
        let dir = crates.join(dir);
        println!("cargo::rerun-if-changed={}", dir.display());
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "rs") {
                collect(&fs::read_to_string(path)?, prefix, &mut docs);
            }
        }
    }
    collect(&fs::read_to_string(crates.join("isobit-core/src/random.rs"))?, "random_", &mut docs);
    println!("cargo::rerun-if-changed={}", crates.join("isobit-core/src/random.rs").display());
    for (name, doc) in docs {
        let path = Path::new(&out).join(format!("{name}.txt"));
        if fs::read_to_string(&path).ok().as_deref() != Some(&doc) {
            fs::write(path, doc)?;
        }
    }
    Ok(())
}

/// Adds the documentation of every public function of a source file that stands at its left margin.
fn collect(source: &str, prefix: &str, docs: &mut BTreeMap<String, String>) {
    let mut doc: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.strip_prefix(' ').unwrap_or(text));
        } else if let Some(rest) = line.strip_prefix("pub fn ") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            docs.entry(format!("{prefix}{name}")).or_insert_with(|| text(&doc));
            doc.clear();
        } else if !line.starts_with("#[") {
            doc.clear();
        }
    }
}

/// Rust's headings as words with a colon; `[name](path)` as `name`; examples, which are Rust, left out.
fn text(doc: &[&str]) -> String {
    let mut out = String::new();
    let (mut in_examples, mut in_code) = (false, false);
    for line in doc {
        in_code ^= line.starts_with("```");
        if let Some(heading) = line.strip_prefix("# ").filter(|_| !in_code) {
            in_examples = heading == "Examples";
            if !in_examples {
                out.push_str(&format!("{heading}:\n"));
            }
        } else if !in_examples {
            out.push_str(&plain(line));
            out.push('\n');
        }
    }
    out.trim_end().to_string()
}

fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']').map(|i| open + i) else { break };
        let inside = &rest[open + 1..close];
        out.push_str(&rest[..open]);
        if inside.starts_with('`') && inside.ends_with('`') {
            out.push_str(inside);
            rest = &rest[close + 1..];
            if rest.starts_with('(')
                && let Some(end) = closing(rest)
            {
                rest = &rest[end..];
            }
        } else {
            out.push_str(&rest[open..=close]);
            rest = &rest[close + 1..];
        }
    }
    out + rest
}

/// Where the parenthesis that opens `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(i + 1);
        }
    }
    None
}
