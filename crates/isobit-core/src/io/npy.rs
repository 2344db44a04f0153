//! NumPy's npy format, versions 1 to 3.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. bfloat16 has no descriptor there;
//! as in MLX it is written as two raw bytes (`V2`) and read back as bfloat16.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::bytes_of;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The array of an npy file.
///
/// # Errors
/// A file that cannot be read, is truncated or malformed; an element type without a counterpart.
pub fn load_npy(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let failed = |e: std::io::Error| Error::io("load_npy", format!("could not read {}: {e}", path.display()));
    read_npy(&mut std::fs::File::open(path).map_err(failed)?)
        .map_err(|e| Error::new(e.kind(), "load_npy", format!("{}: {}", path.display(), e.message())))
}

/// The array of an npy file that is read from `input`.
///
/// # Errors
/// As [`load_npy`].
pub fn read_npy(input: &mut dyn Read) -> Result<Array> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
    let (text, data) = header(&bytes)?;
    let fields = Fields::parse(text)?;
    let n = crate::spec::checked_size("load_npy", &fields.shape, fields.dtype.size())?;
    let want = n * fields.dtype.size();
    if data.len() < want {
        let got = data.len();
        return Err(bad(format!("truncated: expected {want} bytes of elements, got {got}")));
    }
    let mut data = data[..want].to_vec();
    if fields.swap {
        data.chunks_exact_mut(fields.dtype.size()).for_each(<[u8]>::reverse);
    }
    if !fields.fortran {
        return Array::from_bytes(&data, &fields.shape, fields.dtype);
    }
    let backwards: Vec<usize> = fields.shape.iter().rev().copied().collect();
    crate::ops::transpose(&Array::from_bytes(&data, &backwards, fields.dtype)?, ..)
}

fn bad(what: impl Into<String>) -> Error {
    Error::io("load_npy", what)
}

/// The header's text and what follows it.
fn header(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(bad("no npy file: it does not begin with \\x93NUMPY"));
    };
    let truncated = || bad(format!("truncated: {} bytes", bytes.len()));
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
    let (len, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, r)| (usize::from(u16::from_le_bytes(*n)), r)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, r)| (u32::from_le_bytes(*n) as usize, r)),
        v => return Err(bad(format!("expected version 1, 2 or 3, got {v}"))),
    }
    .ok_or_else(truncated)?;
    let (text, data) = rest.split_at_checked(len).ok_or_else(truncated)?;
    let text = std::str::from_utf8(text).map_err(|_| bad("malformed header: not text"))?;
    Ok((text, data))
}

struct Fields {
    dtype: Dtype,
    swap: bool,
    fortran: bool,
    shape: Vec<usize>,
}

impl Fields {
    /// Reads the Python dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &str) -> Result<Fields> {
        let malformed = |what: &str| bad(format!("malformed header: {what} in {:?}", text.trim_end()));
        let value = |key: &str| {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            let after = quoted.iter().find_map(|q| text.split_once(q.as_str()))?.1;
            after.trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = value("descr").ok_or_else(|| malformed("no 'descr'"))?;
        let mark = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let mark = mark.ok_or_else(|| malformed("'descr' is not a plain element type"))?;
        let descr = descr[1..].split(mark).next().unwrap_or("");
        let (dtype, swap) = element(descr).ok_or_else(|| bad(format!("element type {descr:?} has no counterpart")))?;
        let order = value("fortran_order").ok_or_else(|| malformed("no 'fortran_order'"))?;
        let fortran = match () {
            () if order.starts_with("True") => true,
            () if order.starts_with("False") => false,
            () => return Err(malformed("'fortran_order' is neither True nor False")),
        };
        let shape = value("shape").and_then(|s| s.strip_prefix('(')?.split_once(')'));
        let (shape, _) = shape.ok_or_else(|| malformed("no 'shape'"))?;
        let shape = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape = shape.map(|s| s.trim_end_matches('L').parse().map_err(|_| malformed("a size that is no number")));
        Ok(Fields { dtype, swap, fortran, shape: shape.collect::<Result<_>>()? })
    }
}

/// The dtype of a descriptor, and whether its bytes are in the other order than this machine's.
fn element(descr: &str) -> Option<(Dtype, bool)> {
    let (order, kind) = match descr.strip_prefix(['<', '>', '=', '|']) {
        Some(kind) => (descr.as_bytes()[0], kind),
        None => (b'=', descr),
    };
    let dtype = match kind {
        "b1" | "?" => Dtype::Bool,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "V2" => Dtype::BF16,
        // Its halves would have to be turned around one by one.
        "c8" if order != b'>' => Dtype::C64,
        _ => return None,
    };
    let swap = dtype.size() > 1 && if cfg!(target_endian = "little") { order == b'>' } else { order == b'<' };
    Some((dtype, swap))
}

fn descriptor(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "|b1",
        Dtype::U8 => "|u1",
        Dtype::U16 => "<u2",
        Dtype::U32 => "<u4",
        Dtype::U64 => "<u8",
        Dtype::I8 => "|i1",
        Dtype::I16 => "<i2",
        Dtype::I32 => "<i4",
        Dtype::I64 => "<i8",
        Dtype::F16 => "<f2",
        Dtype::BF16 => "|V2",
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
        Dtype::C64 => "<c8",
    }
}

/// Writes an array as an npy file, replacing the file of that name only when the new one is complete. Evaluates.
///
/// # Errors
/// A failed evaluation, a file that cannot be written.
pub fn save_npy(path: impl AsRef<Path>, a: &Array) -> Result<()> {
    let path = path.as_ref();
    super::replace("save_npy", path, |out| write_npy(out, a))
}

/// Writes an array in npy format. Evaluates.
///
/// # Errors
/// As [`save_npy`].
pub fn write_npy(out: &mut dyn Write, a: &Array) -> Result<()> {
    let descr = descriptor(a.dtype());
    let sizes: Vec<String> = a.shape().iter().map(|n| format!("{n},")).collect();
    let shape = match sizes.len() {
        1 => sizes.concat(),
        _ => sizes.join(" ").trim_end_matches(',').to_string(),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Elements start at a multiple of 64; the text ends with a line break.
    let wide = 10 + text.len() + 64 > usize::from(u16::MAX);
    let before = if wide { 12 } else { 10 };
    let len = (before + text.len() + 1).next_multiple_of(64) - before;
    text.extend(std::iter::repeat_n(' ', len - 1 - text.len()));
    text.push('\n');
    let mut head = MAGIC.to_vec();
    if wide {
        head.extend([2, 0]);
        head.extend((len as u32).to_le_bytes());
    } else {
        head.extend([1, 0]);
        head.extend((len as u16).to_le_bytes());
    }
    let t = crate::backend::current()?.contiguous(a.tensor()?)?;
    let failed = |e: std::io::Error| Error::io("save_npy", format!("could not write: {e}"));
    [head.as_slice(), text.as_bytes(), bytes_of(&t)?]
        .into_iter()
        .try_for_each(|part| out.write_all(part))
        .map_err(failed)
}
