//! [`Quantization`]: which layers of a model are stored in which format, as MLX writes it into `config.json`; and the
//! [`Recipe`] that a user gives for it.

use isobit::quant::{Format, Mode};
use isobit::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The formats of a model's layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// Of all layers but the following.
    pub format: Format,
    /// Exceptions by path; `None` is a layer of floats.
    pub layers: BTreeMap<String, Option<Format>>,
}

impl Quantization {
    /// The same format everywhere.
    pub fn new(format: Format) -> Quantization {
        Quantization { format, layers: BTreeMap::new() }
    }

    /// The format of the layer at `path`; `None`: floats.
    pub fn format_of(&self, path: &str) -> Option<Format> {
        self.layers.get(path).copied().unwrap_or(Some(self.format))
    }

    /// Reads the object `quantization`; messages begin with the field at fault.
    ///
    /// # Errors
    /// A format that there is not, a field that is neither part of a format nor a layer's exception.
    pub(crate) fn from_json(v: &Value) -> Result<Quantization> {
        let fields = object("", v)?;
        for name in ["group_size", "bits"] {
            if !fields.contains_key(name) {
                return Err(wrong(name, "missing"));
            }
        }
        let mut out = Quantization::new(format("", fields)?);
        for (name, v) in fields {
            if FORMAT_FIELDS.contains(&name.as_str()) {
                continue;
            }
            let format = match v {
                Value::Bool(quantized) => quantized.then_some(out.format),
                Value::Object(fields) => Some(format(name, fields)?),
                other => return Err(wrong(name, format!("expected an object, true or false, got {other}"))),
            };
            out.layers.insert(name.clone(), format);
        }
        Ok(out)
    }

    /// The object `quantization`.
    pub(crate) fn to_json(&self) -> Value {
        let of = |f: Format| json!({"group_size": f.group_size(), "bits": f.bits(), "mode": f.mode().name()});
        let mut v = of(self.format);
        for (path, format) in &self.layers {
            v[path.as_str()] = format.map_or(json!(false), of);
        }
        v
    }
}

/// What makes up a format; MLX takes 64, 4 and "affine" (or the mode's own numbers) for what a layer's exception leaves out.
const FORMAT_FIELDS: [&str; 3] = ["group_size", "bits", "mode"];

fn wrong(name: &str, message: impl std::fmt::Display) -> Error {
    Error::value("quantization", format!("{name}: {message}"))
}

fn object<'a>(name: &str, v: &'a Value) -> Result<&'a Map<String, Value>> {
    v.as_object().ok_or_else(|| wrong(name, format!("expected an object, got {v}")))
}

fn format(layer: &str, fields: &Map<String, Value>) -> Result<Format> {
    let named = |field: &str| if layer.is_empty() { field.to_owned() } else { format!("{layer}.{field}") };
    // What else a layer may have (a `global_scale`) changes its numbers.
    if let Some((field, v)) = fields.iter().find(|(f, _)| !layer.is_empty() && !FORMAT_FIELDS.contains(&f.as_str())) {
        return Err(wrong(&named(field), format!("expected group_size, bits and mode alone, got {field}: {v}")));
    }
    let number = |field: &str| match fields.get(field).filter(|v| !v.is_null()) {
        None => Ok(None),
        Some(v) => match v.as_u64() {
            Some(n) => Ok(Some(n as usize)),
            None => Err(wrong(&named(field), format!("expected a number, got {v}"))),
        },
    };
    let mode = match fields.get("mode").filter(|v| !v.is_null()) {
        None => Mode::Affine,
        Some(Value::String(v)) => v.parse().map_err(|e: Error| wrong(&named("mode"), e.message()))?,
        Some(v) => return Err(wrong(&named("mode"), format!("expected a name, got {v}"))),
    };
    let (group, bits) = (number("group_size")?, number("bits")?);
    Format::new(mode, group, bits).map_err(|e| {
        let field = if Format::new(mode, group, None).is_err() { "group_size" } else { "bits" };
        wrong(&named(field), e.message())
    })
}

/// The format of a stored layer, read off its tensors as MLX does it: rows of `inputs` numbers in `codes` words with
/// `groups` scales. `biased`: scales are floats and there are biases; not: scales are bytes and there are none.
pub(crate) fn stored_format(inputs: usize, codes: usize, groups: usize, biased: bool) -> Option<Format> {
    let group = inputs.checked_div(groups).filter(|g| g * groups == inputs)?;
    let bits = (codes * 32).checked_div(inputs).filter(|b| b * inputs == codes * 32)?;
    let modes: &[Mode] = if biased { &[Mode::Affine] } else { &[Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] };
    modes.iter().find_map(|&mode| Format::new(mode, Some(group), Some(bits)).ok())
}

/// What to quantize, and how.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Of all layers that no override names.
    pub format: Format,
    /// Patterns and what they ask for; `None` keeps floats. The last one that fits a layer counts.
    pub overrides: Vec<(String, Option<Format>)>,
}

impl Recipe {
    /// The same format for all layers but routers of mixtures, which have 8 bits as MLX gives them.
    pub fn new(format: Format) -> Recipe {
        Recipe { format, overrides: Vec::new() }
    }

    /// Adds an override in the form `PATTERN=BITS:GROUP`, `PATTERN=BITS:GROUP:MODE` or `PATTERN=none`.
    ///
    /// A pattern fits a layer if it is its path or the end of it after a dot; `*` stands for any characters:
    /// `down_proj`, `layers.0.*`, `*.mlp.*`, `lm_head`.
    ///
    /// # Errors
    /// Another form; a format that there is not.
    pub fn parse_override(&mut self, text: &str) -> Result<()> {
        let fail = |why: String| Error::value("quantize", format!("override {text:?}: {why}"));
        let form = || fail("expected PATTERN=BITS:GROUP, PATTERN=BITS:GROUP:MODE or PATTERN=none".to_owned());
        let (pattern, value) = text.split_once('=').filter(|(p, _)| !p.is_empty()).ok_or_else(form)?;
        let format = if value == "none" {
            None
        } else {
            let mut parts = value.split(':');
            let mut number = || parts.next().and_then(|n| n.parse().ok()).ok_or_else(form);
            let (bits, group) = (number()?, number()?);
            let mode = parts.next().unwrap_or("affine").parse().map_err(|e: Error| fail(e.message().to_owned()))?;
            if parts.next().is_some() {
                return Err(form());
            }
            Some(Format::new(mode, Some(group), Some(bits)).map_err(|e| fail(e.message().to_owned()))?)
        };
        self.overrides.push((pattern.to_owned(), format));
        Ok(())
    }

    /// What the recipe comes to for a model with these layers, given by path and shape of the weight.
    ///
    /// # Errors
    /// An override that fits no layer; a layer whose inputs groups do not divide.
    pub fn resolve(&self, layers: &[(String, Vec<usize>)]) -> Result<Quantization> {
        if let Some((pattern, _)) = self.overrides.iter().find(|(p, _)| !layers.iter().any(|(path, _)| fits(p, path))) {
            return Err(Error::value("quantize", format!("override {pattern:?} fits no layer")));
        }
        let mut out = Quantization::new(self.format);
        for (path, shape) in layers {
            let inputs = shape.last().copied().unwrap_or(0);
            let said = self.overrides.iter().rev().find(|(p, _)| fits(p, path)).map(|(_, format)| *format);
            let format = said.unwrap_or_else(|| if is_router(path) { router(inputs) } else { Some(self.format) });
            if let Some(f) = format
                && !inputs.is_multiple_of(f.group_size())
            {
                return Err(Error::value(
                    "quantize",
                    format!(
                        "{path}: groups of {} do not divide its {inputs} inputs: choose another group size, or leave \
                         the layer as it is with the override {path}=none",
                        f.group_size()
                    ),
                ));
            }
            if format != Some(self.format) {
                out.layers.insert(path.clone(), format);
            }
        }
        Ok(out)
    }
}

/// Whether the layer at that path is a mixture's router.
pub(crate) fn is_router(path: &str) -> bool {
    path.ends_with(".mlp.gate")
}

/// Routers choose experts, and a wrong choice costs more than a rounded product: 8 bits. One that no group divides stays
/// as it is.
fn router(inputs: usize) -> Option<Format> {
    let group = [64, 32].into_iter().find(|&g| inputs.is_multiple_of(g))?;
    Format::new(Mode::Affine, Some(group), Some(8)).ok()
}

/// Whether the pattern is the path, or an end of it that begins after a dot.
fn fits(pattern: &str, path: &str) -> bool {
    let ends = path.match_indices('.').map(|(i, _)| &path[i + 1..]);
    std::iter::once(path).chain(ends).any(|end| wildcard(pattern, end))
}

/// Whether `text` is `pattern` with any characters in place of each `*`.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    // The earliest place for each piece leaves most for the next; the last one has to end the text.
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Format {
        Format::new(Mode::Affine, None, None).unwrap()
    }

    fn layers() -> Vec<(String, Vec<usize>)> {
        let of = |path: &str, inputs| (path.to_owned(), vec![10, inputs]);
        vec![
            of("model.embed_tokens", 128),
            of("model.layers.0.self_attn.q_proj", 128),
            of("model.layers.0.mlp.gate", 128),
            of("model.layers.0.mlp.switch_mlp.down_proj", 96),
            of("lm_head", 128),
        ]
    }

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("lm_head", "lm_head", true),
            ("down_proj", "model.layers.0.mlp.down_proj", true),
            ("own_proj", "model.layers.0.mlp.down_proj", false),
            ("layers.0.*", "model.layers.0.mlp.down_proj", true),
            ("layers.1.*", "model.layers.10.mlp.down_proj", false),
            ("*.mlp.*", "model.layers.0.mlp.down_proj", true),
            ("m*l*n*proj", "model.layers.0.mlp.down_proj", true),
            ("m*lp*lp*proj", "model.layers.0.mlp.down_proj", false),
            ("*", "x", true),
            ("x**", "x", true),
            ("x*x", "x", false),
        ] {
            assert_eq!(fits(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn overrides_are_read_and_the_last_counts() {
        let mut r = Recipe::new(base());
        for text in ["*_proj=8:32", "down_proj=3:32", "lm_head=none", "embed_tokens=4:32:mxfp4"] {
            r.parse_override(text).unwrap();
        }
        let q = r.resolve(&layers()).unwrap();
        let bits = |path: &str| q.format_of(path).map(|f| (f.bits(), f.group_size(), f.mode()));
        assert_eq!(bits("model.layers.0.self_attn.q_proj"), Some((8, 32, Mode::Affine)));
        assert_eq!(bits("model.layers.0.mlp.switch_mlp.down_proj"), Some((3, 32, Mode::Affine)));
        assert_eq!(bits("lm_head"), None);
        assert_eq!(bits("model.embed_tokens"), Some((4, 32, Mode::Mxfp4)));
        assert_eq!(bits("model.layers.0.mlp.gate"), Some((8, 64, Mode::Affine)));
        assert_eq!(Quantization::from_json(&q.to_json()).unwrap(), q);
    }

    #[test]
    fn formats_are_read_off_tensors() {
        for mode in [Mode::Affine, Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] {
            for group in [16, 32, 64, 128] {
                for bits in [2, 3, 4, 5, 6, 8] {
                    let Ok(f) = Format::new(mode, Some(group), Some(bits)) else { continue };
                    assert_eq!(stored_format(384, 384 * bits / 32, 384 / group, mode == Mode::Affine), Some(f));
                }
            }
        }
        for (codes, groups, biased) in
            [(49, 6, true), (48, 5, true), (48, 6, false), (0, 6, true), (48, 0, true), (384, 6, true)]
        {
            assert_eq!(stored_format(384, codes, groups, biased), None, "{codes} {groups} {biased}");
        }
        assert_eq!(stored_format(0, 0, 0, true), None);
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["", "x", "=4:64", "x=", "x=4", "x=4:7", "x=4:64:mxfp9", "x=4:64:affine:1", "x=four:64"] {
            let e = Recipe::new(base()).parse_override(bad).unwrap_err().to_string();
            assert!(e.contains(&format!("override {bad:?}")), "{e}");
        }
        let e = Recipe::new(base()).resolve(&layers()).unwrap_err().to_string();
        assert!(e.contains("down_proj: groups of 64 do not divide its 96 inputs"), "{e}");
        let mut r = Recipe::new(base());
        r.parse_override("gone=none").unwrap();
        assert!(r.resolve(&layers()).unwrap_err().to_string().contains("\"gone\" fits no layer"));
    }
}
