//! NumPy's npy format, versions 1 to 3.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. bfloat16 has no descriptor there;
//! as in MLX it is written as two raw bytes (`V2`) and read back as bfloat16.

use crate::array::Array;
use crate::backend::{Inputs, Outputs};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::bytes_of;
use crate::numerics::Level;
use crate::prim::custom::{Custom, CustomPrimitive};
use crate::prim::{Batched, Grads, Jvp, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec};
use crate::tensor::Tensor;
use parking_lot::Mutex;
use smallvec::smallvec;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The array of an npy file.
///
/// The header is read at once, the elements when the array is evaluated: an error there is the evaluation's. Until then the
/// file must not be changed in place (replacing it is fine, and what [`save_npy`] does).
///
/// # Errors
/// A file that cannot be read, a malformed header; an element type without a counterpart.
pub fn load_npy(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let named = |e: Error| Error::new(e.kind(), "load_npy", format!("{}: {}", path.display(), e.message()));
    let failed = |e: std::io::Error| Error::io("load_npy", format!("could not read {}: {e}", path.display()));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (fields, start) = read_header(&mut file).map_err(named)?;
    let stored = Stored { file: Mutex::new(file), path: path.to_path_buf(), start, fields };
    let fortran = stored.fields.fortran;
    let a = crate::array::apply(Custom(Arc::new(stored)), &[])?;
    if fortran { crate::ops::transpose(&a, ..) } else { Ok(a) }
}

/// The fields of the header at a file's beginning, and where its elements begin.
fn read_header(file: &mut std::fs::File) -> Result<(Fields, u64)> {
    // A header says how long it is within the first twelve bytes.
    let mut head = Vec::new();
    let mut read = |head: &mut Vec<u8>, n: u64| {
        Read::by_ref(file).take(n).read_to_end(head).map(|_| ()).map_err(|e| bad(format!("could not read: {e}")))
    };
    read(&mut head, 12)?;
    let end = text_range(&head)?.end;
    let missing = end.saturating_sub(head.len()) as u64;
    read(&mut head, missing)?;
    let (text, start) = header(&head)?;
    let fields = Fields::parse(text)?;
    crate::spec::checked_size("load_npy", &fields.shape, fields.dtype.size())?;
    Ok((fields, start as u64))
}

/// The elements of a file whose header has been read.
struct Stored {
    file: Mutex<std::fs::File>,
    path: PathBuf,
    start: u64,
    fields: Fields,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "load_npy({})", self.path.display())
    }
}

impl CustomPrimitive for Stored {
    fn name(&self) -> &'static str {
        "load_npy"
    }

    fn level(&self) -> Level {
        Level::Isa
    }

    fn infer(&self, _: &[Spec]) -> Result<Specs> {
        crate::prim::one(Spec::new(self.fields.stored_shape(), self.fields.dtype))
    }

    fn run(&self, _: Inputs, outs: &[Spec]) -> Result<Outputs> {
        let failed = |e: std::io::Error| {
            let what = match e.kind() {
                std::io::ErrorKind::UnexpectedEof => "truncated: the file ends before its last element".to_string(),
                _ => format!("could not read: {e}"),
            };
            Error::io("load_npy", format!("{}: {what}", self.path.display()))
        };
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(self.start)).map_err(failed)?;
        let tensor = read_tensor(&outs[0], self.fields.swap, |bytes| file.read_exact(bytes).map_err(failed))?;
        Ok(smallvec![tensor])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(cx.outs.iter().map(|_| None).collect())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        cx.none()
    }

    fn vmap(&self, _: &Vmap<'_>) -> Result<Batched> {
        // Without inputs nothing can be batched.
        Err(Error::runtime("load_npy", "there is nothing to batch"))
    }
}

/// The array of an npy file that is read from `input`.
///
/// # Errors
/// As [`load_npy`].
pub fn read_npy(input: &mut dyn Read) -> Result<Array> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
    let (text, start) = header(&bytes)?;
    let (fields, data) = (Fields::parse(text)?, &bytes[start..]);
    let n = crate::spec::checked_size("load_npy", &fields.shape, fields.dtype.size())?;
    let want = n * fields.dtype.size();
    if data.len() < want {
        let got = data.len();
        return Err(bad(format!("truncated: expected {want} bytes of elements, got {got}")));
    }
    let spec = Spec::new(fields.stored_shape(), fields.dtype);
    let tensor = read_tensor(&spec, fields.swap, |to| {
        to.copy_from_slice(&data[..want]);
        Ok(())
    })?;
    let a = Array::from_tensor(tensor);
    if fields.fortran { crate::ops::transpose(&a, ..) } else { Ok(a) }
}

fn bad(what: impl Into<String>) -> Error {
    Error::io("load_npy", what)
}

/// Where the header's text lies in a file that begins with these bytes (twelve of them are enough).
fn text_range(bytes: &[u8]) -> Result<Range<usize>> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(bad("no npy file: it does not begin with \\x93NUMPY"));
    };
    let truncated = || bad(format!("truncated: {} bytes", bytes.len()));
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
    let (len, start) = match version[0] {
        1 => rest.first_chunk::<2>().map(|n| (usize::from(u16::from_le_bytes(*n)), 10)),
        2 | 3 => rest.first_chunk::<4>().map(|n| (u32::from_le_bytes(*n) as usize, 12)),
        v => return Err(bad(format!("expected version 1, 2 or 3, got {v}"))),
    }
    .ok_or_else(truncated)?;
    Ok(start..start + len)
}

/// The header's text and where it ends.
fn header(bytes: &[u8]) -> Result<(&str, usize)> {
    let range = text_range(bytes)?;
    let text = bytes.get(range.clone()).ok_or_else(|| bad(format!("truncated: {} bytes", bytes.len())))?;
    let text = std::str::from_utf8(text).map_err(|_| bad("malformed header: not text"))?;
    Ok((text, range.end))
}

/// The tensor whose bytes `fill` writes; `swap` turns every element's around.
fn read_tensor(spec: &Spec, swap: bool, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Tensor> {
    crate::host::tensor_from("load_npy", spec, |bytes| {
        fill(bytes)?;
        if swap {
            bytes.chunks_exact_mut(spec.dtype.size()).for_each(<[u8]>::reverse);
        }
        Ok(())
    })
}

struct Fields {
    dtype: Dtype,
    swap: bool,
    fortran: bool,
    shape: Vec<usize>,
}

impl Fields {
    /// The shape in which the elements lie row-major.
    fn stored_shape(&self) -> Shape {
        match self.fortran {
            true => self.shape.iter().rev().copied().collect(),
            false => self.shape.iter().copied().collect(),
        }
    }

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
