//! [`KvCache`]: the keys and values of the tokens that one attention layer has already seen, as they are or quantized.

use isobit::fast::{self, Mask};
use isobit::ops::Quantized;
use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Error, Result, ops};

/// Room is added at least this many tokens at a time.
const STEP: usize = 256;

/// Keys `[B, heads, capacity, D]` and values of one layer, filled up to [`KvCache::len`].
///
/// An update writes into the buffer in place, because the cache holds its only handle; a clone (a shared prefix) makes
/// the next update of either copy first, so both stay valid.
///
/// A quantized cache ([`KvCache::quantized`]) stores every key and value of a head in groups of its own, as codes, scales
/// and biases; what it stores does not depend on which tokens came together. Attention sees what was stored, also of the
/// tokens that have just been appended. A width that groups do not divide is filled up with zeros, which cost their room and
/// time: queries get zeros there too, and nobody sees those elements of a result.
#[derive(Clone, Default)]
pub struct KvCache {
    keys: Slot,
    values: Slot,
    len: usize,
    format: Option<Format>,
}

/// Keys or values: one buffer of floats, or codes, scales and biases.
#[derive(Clone, Default)]
struct Slot {
    parts: Vec<Array>,
    /// Dtype and width of what was appended.
    kind: Option<(Dtype, usize)>,
}

impl KvCache {
    /// An empty cache that keeps keys and values as they are.
    pub fn new() -> KvCache {
        KvCache::default()
    }

    /// An empty cache that quantizes keys and values along the head's width.
    ///
    /// # Errors
    /// A format that is not affine: keys and values need biases.
    pub fn quantized(format: Format) -> Result<KvCache> {
        if format.mode() != Mode::Affine {
            let mode = format.mode().name();
            return Err(Error::value("kv_cache", format!("expected an affine format, got {mode}")));
        }
        Ok(KvCache { format: Some(format), ..KvCache::default() })
    }

    /// Elements that a key or value of `width` takes in this format: whole groups, the last one filled up with zeros.
    pub fn stored_width(format: Format, width: usize) -> usize {
        width.next_multiple_of(format.group_size())
    }

    /// How keys and values are stored; `None`: as they are.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Tokens in the cache: the position of the next one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is in the cache.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens for which there is room.
    pub fn capacity(&self) -> usize {
        self.keys.parts.first().map_or(0, |k| k.shape()[2])
    }

    /// Bytes of the buffers.
    pub fn nbytes(&self) -> usize {
        self.arrays().map(Array::nbytes).sum()
    }

    /// Forgets all tokens after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The arrays that hold the cache's contents, to be evaluated with a step's result.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.keys.parts.iter().chain(&self.values.parts)
    }

    /// Appends `keys` and `values` of shape `[B, heads, L, D]` and returns all keys and values so far, as floats.
    ///
    /// # Errors
    /// Shapes or dtypes that do not continue what is in the cache.
    pub fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        let (all_keys, all_values) = self.append(keys, values)?;
        match self.format {
            None => Ok((all_keys[0].clone(), all_values[0].clone())),
            Some(format) => Ok((dequantized(all_keys, format, keys)?, dequantized(all_values, format, values)?)),
        }
    }

    /// Appends `keys` and `values`, and lets the `queries` `[B, query heads, L, D]` attend to everything in the cache.
    ///
    /// # Errors
    /// As [`KvCache::update`] and [`fast::scaled_dot_product_attention`].
    pub fn attend(
        &mut self,
        queries: &Array,
        keys: &Array,
        values: &Array,
        scale: f32,
        mask: Mask<'_>,
    ) -> Result<Array> {
        let (all_keys, all_values) = self.append(keys, values)?;
        match self.format {
            None => fast::scaled_dot_product_attention(queries, &all_keys[0], &all_values[0], scale, mask, None),
            Some(format) => {
                let width = values.shape()[3];
                let queries = match queries.shape().last() == keys.shape().last() {
                    true => widened(queries, format)?,
                    false => queries.clone(),
                };
                let (keys, values) = (as_quantized(all_keys)?, as_quantized(all_values)?);
                let y =
                    fast::quantized_scaled_dot_product_attention(&queries, &keys, &values, format, scale, mask, None)?;
                narrowed(y, width)
            }
        }
    }

    /// Appends to the buffers; all parts of keys and of values so far.
    fn append(&mut self, keys: &Array, values: &Array) -> Result<(Vec<Array>, Vec<Array>)> {
        if keys.ndim() != 4 || values.ndim() != 4 || keys.shape()[..3] != values.shape()[..3] {
            return Err(Error::value(
                "kv_cache",
                format!("expected keys and values [B, heads, L, D], got {:?} and {:?}", keys.shape(), values.shape()),
            ));
        }
        let end = self.len + keys.shape()[2];
        // All checks and conversions come first: after an error the cache is as before.
        let new_keys = self.keys.parts_of(keys, self.format)?;
        let new_values = self.values.parts_of(values, self.format)?;
        let kind = |a: &Array| (a.dtype(), a.shape()[3]);
        let all_keys = self.keys.append(new_keys, kind(keys), self.len, end)?;
        let all_values = self.values.append(new_values, kind(values), self.len, end)?;
        self.len = end;
        Ok((all_keys, all_values))
    }
}

/// All that is stored, as the floats that `new` is.
fn dequantized(parts: Vec<Array>, format: Format, new: &Array) -> Result<Array> {
    let q = as_quantized(parts)?;
    let all = ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), format, None, Some(new.dtype()))?;
    narrowed(all, new.shape()[3])
}

/// `a` with zeros behind its last axis up to whole groups.
fn widened(a: &Array, format: Format) -> Result<Array> {
    let width = a.shape().last().copied().unwrap_or(0);
    let more = KvCache::stored_width(format, width) - width;
    if more == 0 {
        return Ok(a.clone());
    }
    let mut widths = vec![(0, 0); a.ndim()];
    if let Some(last) = widths.last_mut() {
        last.1 = more;
    }
    ops::pad(a, &widths, 0)
}

/// The first `width` elements of the last axis.
fn narrowed(a: Array, width: usize) -> Result<Array> {
    let mut stop: Vec<isize> = a.shape().iter().map(|&n| n as isize).collect();
    match stop.last_mut() {
        Some(last) if *last != width as isize => *last = width as isize,
        _ => return Ok(a),
    }
    ops::slice(&a, &vec![0; stop.len()], &stop, &vec![1; stop.len()])
}

fn as_quantized(parts: Vec<Array>) -> Result<Quantized> {
    match <[Array; 3]>::try_from(parts) {
        Ok([codes, scales, biases]) => Ok(Quantized { codes, scales, biases: Some(biases) }),
        Err(parts) => Err(Error::runtime("kv_cache", format!("expected three parts, got {}", parts.len()))),
    }
}

impl Slot {
    /// What is stored of `new`, checked against what is in the slot.
    fn parts_of(&self, new: &Array, format: Option<Format>) -> Result<Vec<Array>> {
        let shape = new.shape();
        let parts = match format {
            None => vec![new.clone()],
            Some(format) => {
                let q = ops::quantize(&widened(new, format)?, format, None)?;
                [q.codes, q.scales].into_iter().chain(q.biases).collect()
            }
        };
        if let (Some(old), Some((dtype, width))) = (self.parts.first(), self.kind) {
            let s = old.shape();
            if s[0] != shape[0] || s[1] != shape[1] || width != shape[3] || dtype != new.dtype() {
                return Err(Error::value(
                    "kv_cache",
                    format!("expected {dtype} [{}, {}, L, {width}], got {} {shape:?}", s[0], s[1], new.dtype()),
                ));
            }
        }
        Ok(parts)
    }

    fn append(&mut self, new: Vec<Array>, kind: (Dtype, usize), len: usize, end: usize) -> Result<Vec<Array>> {
        self.kind = Some(kind);
        // Taken out, so that the graph holds the only handles on the old buffers and writes in place.
        let mut old = std::mem::take(&mut self.parts).into_iter();
        let mut seen = Vec::with_capacity(new.len());
        for part in new {
            let (full, visible) = appended(old.next(), &part, len, end)?;
            self.parts.push(full);
            seen.push(visible);
        }
        Ok(seen)
    }
}

/// The buffer with `new` written behind its first `len` tokens, and its first `end` tokens.
fn appended(old: Option<Array>, new: &Array, len: usize, end: usize) -> Result<(Array, Array)> {
    let shape = new.shape();
    let (b, heads, width) = (shape[0], shape[1], shape[3]);
    let buffer = match old {
        Some(old) if old.shape()[2] >= end => old,
        Some(old) => grow(old, len, end)?,
        None => ops::zeros(&[b, heads, end.next_multiple_of(STEP), width], new.dtype())?,
    };
    let stop = [b as isize, heads as isize, end as isize, width as isize];
    let full = ops::slice_update(&buffer, new, &[0, 0, len as isize, 0], &stop, &[1; 4])?;
    drop(buffer);
    let seen = ops::slice(&full, &[0; 4], &stop, &[1; 4])?;
    Ok((full, seen))
}

/// A larger buffer (by a quarter at least, so that long texts are not copied over and over) that starts with the
/// first `len` tokens of `old`.
fn grow(old: Array, len: usize, end: usize) -> Result<Array> {
    let (b, heads, width) = (old.shape()[0], old.shape()[1], old.shape()[3]);
    let capacity = end.max(old.shape()[2] + old.shape()[2] / 4).next_multiple_of(STEP);
    let stop = [b as isize, heads as isize, len as isize, width as isize];
    let kept = ops::slice(&old, &[0; 4], &stop, &[1; 4])?;
    let room = ops::zeros(&[b, heads, capacity - len, width], old.dtype())?;
    ops::concatenate(&[kept, room], 2)
}
