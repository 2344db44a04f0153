//! The safetensors format: a length, a JSON header, the tensors' bytes one after the other.
//!
//! Format: <https://huggingface.co/docs/safetensors>. Reading maps the file and copies nothing: pages come in as
//! kernels touch them.

use crate::alloc::Buffer;
use crate::array::Array;
use crate::backend::{Inputs, Outputs};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::bytes_of;
use crate::numerics::Level;
use crate::prim::custom::{Custom, CustomPrimitive};
use crate::prim::{Batched, Grads, Jvp, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use crate::tensor::Tensor;
use memmap2::Mmap;
use safetensors::tensor::{Dtype as Stored, SafeTensorError, SafeTensors};
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const LOAD: &str = "load_safetensors";
const SAVE: &str = "save_safetensors";
/// Every tensor of a file written here starts at a multiple of its element size; the first at a multiple of this.
const ALIGN: usize = 64;
/// What readers accept as the longest header.
const HEADER_LIMIT: usize = 100_000_000;

/// The arrays of a safetensors file by name, and its metadata.
///
/// The file is mapped into memory and the arrays are views of it; one that is not aligned to its element size is
/// copied when it is evaluated. The file must not be changed in place while an array of it lives (replacing it is fine, and what
/// [`save_safetensors`] does).
///
/// # Dtypes
/// Each dtype as itself; `F8_E4M3` and `F8_E8M0` as the uint8 of their bits.
///
/// # Errors
/// A file that cannot be read, is truncated or malformed; a tensor of a dtype without a counterpart.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<(BTreeMap<String, Array>, BTreeMap<String, String>)> {
    let path = path.as_ref();
    let failed = |e: std::io::Error| Error::io(LOAD, format!("could not read {}: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() == 0 {
        return Err(Error::io(LOAD, format!("{}: the file is empty", path.display())));
    }
    // SAFETY: the documented condition: nobody changes the file in place while its arrays live.
    let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let map = Arc::new(map);
    read(&map, path, |bytes, shape, dtype| view(&map, bytes, shape, dtype))
}

/// [`load_safetensors`] of a file that is already in memory; the arrays are copies.
pub fn parse_safetensors(bytes: &[u8]) -> Result<(BTreeMap<String, Array>, BTreeMap<String, String>)> {
    read(bytes, Path::new("safetensors"), Array::from_bytes)
}

/// The contents of the file `map`, called `path` in errors; `array` makes an array of each tensor's bytes.
fn read(
    map: &[u8],
    path: &Path,
    array: impl Fn(&[u8], &[usize], Dtype) -> Result<Array>,
) -> Result<(BTreeMap<String, Array>, BTreeMap<String, String>)> {
    let (header, info) = SafeTensors::read_metadata(map).map_err(|e| malformed(path, map, &e))?;
    let metadata = info.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut arrays = BTreeMap::new();
    for (name, tensor) in info.tensors() {
        let dtype = dtype_of(tensor.dtype).ok_or_else(|| {
            let stored = tensor.dtype;
            Error::io(
                LOAD,
                format!("{}: tensor {name:?} has dtype {stored:?}, which has no counterpart", path.display()),
            )
        })?;
        let (start, end) = tensor.data_offsets;
        let bytes = &map[8 + header + start..8 + header + end];
        if dtype == Dtype::Bool && bytes.iter().any(|&b| b > 1) {
            let at = path.display();
            return Err(Error::io(LOAD, format!("{at}: tensor {name:?} of dtype BOOL has bytes other than 0 and 1")));
        }
        arrays.insert(name, array(bytes, &tensor.shape, dtype)?);
    }
    Ok((arrays, metadata))
}

/// An array over mapped bytes.
fn view(map: &Arc<Mmap>, bytes: &[u8], shape: &[usize], dtype: Dtype) -> Result<Array> {
    if !(bytes.as_ptr() as usize).is_multiple_of(dtype.size()) {
        let start = bytes.as_ptr() as usize - map.as_ptr() as usize;
        let spec = Spec::new(shape, dtype);
        let tensor = Unaligned { map: Arc::clone(map), bytes: start..start + bytes.len(), spec };
        return crate::array::apply(Custom(Arc::new(tensor)), &[]);
    }
    // SAFETY: the bytes lie in the mapping, which the buffer keeps.
    let buffer = unsafe { Buffer::foreign(bytes.as_ptr(), bytes.len(), Box::new(Arc::clone(map))) };
    Ok(Array::from_tensor(Tensor::from_buffer(Arc::new(buffer), shape, dtype)))
}

/// A tensor that does not lie at a multiple of its element size, as most do in files without padding after the header, which
/// MLX writes. It is copied when it is needed: a file that is read tensor by tensor is never in memory as a whole.
struct Unaligned {
    map: Arc<Mmap>,
    bytes: Range<usize>,
    spec: Spec,
}

impl std::fmt::Debug for Unaligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{LOAD}({:?})", self.bytes)
    }
}

impl CustomPrimitive for Unaligned {
    fn name(&self) -> &'static str {
        LOAD
    }

    fn level(&self) -> Level {
        Level::Isa
    }

    fn infer(&self, _: &[Spec]) -> Result<Specs> {
        crate::prim::one(self.spec.clone())
    }

    fn run(&self, _: Inputs, _: &[Spec]) -> Result<Outputs> {
        let copy = Array::from_bytes(&self.map[self.bytes.clone()], &self.spec.shape, self.spec.dtype)?;
        Ok(smallvec![copy.tensor()?.clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(cx.outs.iter().map(|_| None).collect())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        cx.none()
    }

    fn vmap(&self, _: &Vmap<'_>) -> Result<Batched> {
        // Without inputs nothing can be batched.
        Err(Error::runtime(LOAD, "there is nothing to batch"))
    }
}

fn malformed(path: &Path, bytes: &[u8], e: &SafeTensorError) -> Error {
    let len = bytes.len();
    let what = match e {
        SafeTensorError::HeaderTooSmall => format!("truncated: {len} bytes, expected at least 8"),
        SafeTensorError::InvalidHeaderLength => {
            let said = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            format!("truncated, or no safetensors file: a header of {said} bytes in a file of {len}")
        }
        SafeTensorError::HeaderTooLarge => "the header is too large: probably no safetensors file".to_string(),
        SafeTensorError::MetadataIncompleteBuffer => {
            format!("truncated, or with bytes to spare: the tensors do not fill the file of {len} bytes")
        }
        other => format!("malformed header: {other}"),
    };
    Error::io(LOAD, format!("{}: {what}", path.display()))
}

fn dtype_of(stored: Stored) -> Option<Dtype> {
    Some(match stored {
        Stored::BOOL => Dtype::Bool,
        Stored::U8 | Stored::F8_E4M3 | Stored::F8_E8M0 => Dtype::U8,
        Stored::U16 => Dtype::U16,
        Stored::U32 => Dtype::U32,
        Stored::U64 => Dtype::U64,
        Stored::I8 => Dtype::I8,
        Stored::I16 => Dtype::I16,
        Stored::I32 => Dtype::I32,
        Stored::I64 => Dtype::I64,
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::BF16,
        Stored::F32 => Dtype::F32,
        Stored::F64 => Dtype::F64,
        Stored::C64 => Dtype::C64,
        _ => return None,
    })
}

fn name_of(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "BOOL",
        Dtype::U8 => "U8",
        Dtype::U16 => "U16",
        Dtype::U32 => "U32",
        Dtype::U64 => "U64",
        Dtype::I8 => "I8",
        Dtype::I16 => "I16",
        Dtype::I32 => "I32",
        Dtype::I64 => "I64",
        Dtype::F16 => "F16",
        Dtype::BF16 => "BF16",
        Dtype::F32 => "F32",
        Dtype::F64 => "F64",
        Dtype::C64 => "C64",
    }
}

/// Writes arrays and metadata as a safetensors file, replacing the file of that name only when the new one is complete.
/// Evaluates the arrays. Equal contents give equal bytes.
///
/// # Errors
/// A complex array, a reserved name, a failed evaluation, a file that cannot be written.
pub fn save_safetensors(
    path: impl AsRef<Path>,
    arrays: &BTreeMap<String, Array>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let path = path.as_ref();
    let contents = Contents::new(arrays, metadata)?;
    let failed = |e: std::io::Error| Error::io(SAVE, format!("could not write {}: {e}", path.display()));
    super::replace(SAVE, path, |out| contents.write(out, failed))
}

/// What [`save_safetensors`] would write, in memory.
///
/// # Errors
/// As [`save_safetensors`], files apart.
pub fn safetensors_bytes(arrays: &BTreeMap<String, Array>, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = |e: std::io::Error| Error::io(SAVE, format!("could not write: {e}"));
    Contents::new(arrays, metadata)?.write(&mut bytes, failed)?;
    Ok(bytes)
}

/// A header and the tensors that it describes, evaluated.
struct Contents<'a> {
    header: String,
    order: Vec<(&'a String, &'a Array)>,
}

impl<'a> Contents<'a> {
    fn new(arrays: &'a BTreeMap<String, Array>, metadata: &BTreeMap<String, String>) -> Result<Contents<'a>> {
        crate::eval::eval(&arrays.values().cloned().collect::<Vec<_>>())?;
        // Larger elements first, so that each tensor is aligned to its own.
        let mut order: Vec<(&String, &Array)> = arrays.iter().collect();
        order.sort_by_key(|(_, a)| std::cmp::Reverse(a.dtype().size()));
        Ok(Contents { header: header(&order, metadata)?, order })
    }

    fn write(&self, out: &mut dyn std::io::Write, failed: impl Fn(std::io::Error) -> Error) -> Result<()> {
        out.write_all(&(self.header.len() as u64).to_le_bytes()).map_err(&failed)?;
        out.write_all(self.header.as_bytes()).map_err(&failed)?;
        for (_, a) in &self.order {
            let t = crate::backend::current()?.contiguous(a.tensor()?)?;
            out.write_all(bytes_of(&t)?).map_err(&failed)?;
        }
        Ok(())
    }
}

fn header(order: &[(&String, &Array)], metadata: &BTreeMap<String, String>) -> Result<String> {
    let mut json = String::from("{\"__metadata__\":{");
    for (i, (k, v)) in metadata.iter().enumerate() {
        json.push_str(if i > 0 { "," } else { "" });
        quote(&mut json, k);
        json.push(':');
        quote(&mut json, v);
    }
    json.push('}');
    let mut at = 0;
    for (name, a) in order {
        let dtype = name_of(a.dtype());
        if name.as_str() == "__metadata__" {
            return Err(Error::value(SAVE, "expected other names than \"__metadata__\", which the format reserves"));
        }
        json.push(',');
        quote(&mut json, name);
        let end = at + a.nbytes();
        // Debug form of a list of integers is JSON; writing to a string does not fail.
        let _ = write!(json, ":{{\"dtype\":\"{dtype}\",\"shape\":{:?},\"data_offsets\":[{at},{end}]}}", a.shape());
        at = end;
    }
    json.push('}');
    let padded = (8 + json.len()).next_multiple_of(ALIGN) - 8;
    if padded > HEADER_LIMIT {
        return Err(Error::value(
            SAVE,
            format!("the header would take {padded} bytes: the format allows {HEADER_LIMIT}"),
        ));
    }
    json.extend(std::iter::repeat_n(' ', padded - json.len()));
    Ok(json)
}

/// Appends a JSON string.
fn quote(json: &mut String, s: &str) {
    json.push('"');
    for c in s.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(json, "\\u{:04x}", c as u32);
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
