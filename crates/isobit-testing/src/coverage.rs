//! `docs/coverage.md`: which check holds for which primitive, written from a run of the whole matrix.

use crate::checks::CHECKS;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What one cell came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Every comparison held.
    Holds,
    /// There was nothing to compare (no float input, say).
    Nothing,
    /// A known hole of the ledger.
    Hole,
    /// It failed.
    Failed,
}

/// A row of the table.
pub struct Row {
    /// The primitive.
    pub name: &'static str,
    /// How many cases it declares.
    pub cases: usize,
    /// One mark per check.
    pub marks: Vec<Mark>,
}

/// Where the file is.
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/coverage.md"))
}

/// The file's text.
pub fn text(rows: &[Row], holes: &[(String, String)]) -> String {
    let mut out = String::new();
    let cells = rows.len() * CHECKS.len();
    let count = |m: Mark| rows.iter().flat_map(|r| &r.marks).filter(|&&x| x == m).count();
    let cases: usize = rows.iter().map(|r| r.cases).sum();
    let _ = writeln!(out, "# Coverage\n");
    let _ = writeln!(
        out,
        "Written by the matrix test; do not edit. To refresh: `UPDATE_COVERAGE=1 cargo test -p isobit --test matrix`.\n"
    );
    let _ = writeln!(
        out,
        "{} primitives, {cases} cases, {} checks: {cells} cells, of which {} hold, {} have nothing to compare and {} \
         are known holes.\n",
        rows.len(),
        CHECKS.len(),
        count(Mark::Holds),
        count(Mark::Nothing),
        count(Mark::Hole)
    );
    for c in CHECKS {
        let _ = writeln!(out, "- **{}**: {}", c.name, c.about);
    }
    let _ = writeln!(out, "\n`+` holds, `-` nothing to compare, `!` known hole.\n");
    let _ = write!(out, "| primitive | cases |");
    for c in CHECKS {
        let _ = write!(out, " {} |", c.name);
    }
    let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(CHECKS.len()));
    for r in rows {
        let _ = write!(out, "| {} | {} |", r.name, r.cases);
        for m in &r.marks {
            let sign = match m {
                Mark::Holds => "+",
                Mark::Nothing => "-",
                Mark::Hole => "!",
                Mark::Failed => "FAILED",
            };
            let _ = write!(out, " {sign} |");
        }
        out.push('\n');
    }
    if !holes.is_empty() {
        let _ = writeln!(out, "\n## Known holes\n");
        for (cell, reason) in holes {
            let _ = writeln!(out, "- `{cell}`: {reason}");
        }
    }
    out
}
