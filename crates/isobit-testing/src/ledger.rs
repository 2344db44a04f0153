//! Known holes: cells that are allowed to fail, each with its reason. A listed cell that passes fails the run.

use std::collections::BTreeMap;

/// The ledger's text: one `primitive::check::reason` per line, `#` starts a comment.
pub const TEXT: &str = include_str!("../ledger.txt");

/// Cells and reasons.
pub fn entries() -> BTreeMap<String, String> {
    TEXT.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|l| {
            let mut parts = l.splitn(3, "::");
            match (parts.next(), parts.next(), parts.next()) {
                (Some(p), Some(c), Some(r)) if !r.trim().is_empty() => (format!("{p}::{c}"), r.trim().to_string()),
                _ => panic!("ledger.txt: expected primitive::check::reason, got {l:?}"),
            }
        })
        .collect()
}
