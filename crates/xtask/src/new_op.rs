//! `cargo xtask new-op`: the file and the rows that an operation needs, so that adding one is filling in blanks.

use crate::{read, root};
use std::path::Path;

const CORE: &str = "crates/isobit-core/src";

/// Writes `ops/NAME.rs` and the rows in the lists. The backends' arms are left to the compiler, which names them.
pub fn create(name: &str, kind: &str) -> Result<(), String> {
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !valid {
        return Err(format!("expected a name in lower_case, got {name}"));
    }
    let file = root().join(CORE).join(format!("ops/{name}.rs"));
    if file.exists() {
        return Err(format!("{} exists", file.display()));
    }
    let text = match kind {
        "unary" => UNARY,
        "binary" => BINARY,
        "plain" => PLAIN,
        other => return Err(format!("expected the kind unary, binary or plain, got {other}")),
    };
    let camel = camel(name);
    write(&file, &text.replace("NAME", name).replace("TYPE", &camel))?;
    insert(&root().join(CORE).join("ops.rs"), &format!("pub use {name}::{name};"), "pub use ")?;
    insert(&root().join(CORE).join("ops.rs"), &format!("pub mod {name};"), "pub mod ")?;
    insert(&root().join(CORE).join("ops/registry_list.rs"), &format!("        {name}::{camel},"), "        ")?;
    println!("wrote {}\nnow: the rules and cases there, and the arms that `cargo check` asks for", file.display());
    Ok(())
}

/// Every file under `ops/` is a module.
pub fn check() -> Result<(), String> {
    let ops = read(&root().join(CORE).join("ops.rs"))?;
    let dir = root().join(CORE).join("ops");
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        if path.extension().is_some_and(|e| e == "rs") && !ops.contains(&format!("mod {stem};")) {
            missing.push(stem.to_string());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("not in ops.rs: {}", missing.join(", "))) }
}

/// Inserts a line in order among the last run of lines that start with `prefix`.
fn insert(path: &Path, line: &str, prefix: &str) -> Result<(), String> {
    let text = read(path)?;
    let mut lines: Vec<&str> = text.lines().collect();
    let like = |l: &str| l.starts_with(prefix) && (prefix.trim() != "" || (l.contains("::") && l.ends_with(',')));
    let last = lines.iter().rposition(|l| like(l)).ok_or_else(|| format!("{}: no `{prefix}` line", path.display()))?;
    let first = (0..=last).rev().take_while(|&i| like(lines[i])).last().unwrap_or(last);
    let at = (first..=last).find(|&i| lines[i] > line).unwrap_or(last + 1);
    lines.insert(at, line);
    write(path, &(lines.join("\n") + "\n"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|w| w.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(w.chars().skip(1)).collect::<String>())
        .collect()
}

const UNARY: &str = r#"//! What NAME is.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise NAME.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Gradients
/// The cotangent times the derivative.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32], &[1])?;
/// assert_eq!(ops::NAME(&a)?.to_vec::<f32>()?, []);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn NAME(a: &Array) -> Result<Array> {
    super::unary_float(TYPE, a)
}

/// The primitive of [`NAME`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TYPE;

impl Elementwise for TYPE {
    const NAME: &'static str = "NAME";
    const ARITY: usize = 1;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        super::require_inexact(Self::NAME, inputs[0])
    }

    fn scaled(&self, i: usize, inputs: &[Array], out: &Array, t: &Array) -> Result<Option<Array>> {
        // t times the derivative
    }

    fn cases() -> Cases {
        Case::elementwise(TYPE, &[Domain::Real(-3.0, 3.0)])
    }
}

crate::primitive_via!(Elementwise, TYPE);
"#;

const BINARY: &str = r#"//! What NAME is.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::prim::adaptors::Elementwise;
use crate::prim::{Case, Cases, Domain};

/// Element-wise NAME.
///
/// # Shapes
/// Broadcast together.
///
/// # Gradients
/// The cotangent times the derivative.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32], &[1])?;
/// let b = Array::from_slice(&[1.0f32], &[1])?;
/// assert_eq!(ops::NAME(&a, &b)?.to_vec::<f32>()?, []);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn NAME(a: &Array, b: &Array) -> Result<Array> {
    super::binary("NAME", TYPE, a, b)
}

/// The primitive of [`NAME`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TYPE;

impl Elementwise for TYPE {
    const NAME: &'static str = "NAME";
    const ARITY: usize = 2;

    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype> {
        Ok(inputs[0])
    }

    fn scaled(&self, i: usize, inputs: &[Array], out: &Array, t: &Array) -> Result<Option<Array>> {
        // t times the derivative with respect to input i
    }

    fn cases() -> Cases {
        Case::elementwise(TYPE, &[Domain::Number(-4.0, 4.0), Domain::Number(-4.0, 4.0)])
    }
}

crate::primitive_via!(Elementwise, TYPE);
"#;

const PLAIN: &str = r#"//! What NAME is.

use crate::array::{Array, apply};
use crate::error::Result;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;

/// NAME.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32], &[1])?;
/// assert_eq!(ops::NAME(&a)?.to_vec::<f32>()?, []);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn NAME(a: &Array) -> Result<Array> {
    apply(TYPE, &[a])
}

/// The primitive of [`NAME`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TYPE;

impl Primitive for TYPE {
    const NAME: &'static str = "NAME";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {}

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {}

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {}

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {}

    fn cases() -> Cases {}
}
"#;
