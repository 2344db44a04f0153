//! [`KvCache`]: the keys and values of the tokens that one attention layer has already seen.

use isobit::{Array, Error, Result, ops};

/// Room is added at least this many tokens at a time.
const STEP: usize = 256;

/// Keys `[B, heads, capacity, D]` and values of one layer, filled up to [`KvCache::len`].
///
/// An update writes into the buffer in place, because the cache holds its only handle; a clone (a shared prefix) makes
/// the next update of either copy first, so both stay valid.
#[derive(Clone, Default)]
pub struct KvCache {
    keys: Option<Array>,
    values: Option<Array>,
    len: usize,
}

impl KvCache {
    /// An empty cache.
    pub fn new() -> KvCache {
        KvCache::default()
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
        self.keys.as_ref().map_or(0, |k| k.shape()[2])
    }

    /// Forgets all tokens after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The arrays that hold the cache's contents, to be evaluated with a step's result.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.keys.iter().chain(&self.values)
    }

    /// Appends `keys` and `values` of shape `[B, heads, L, D]` and returns all keys and values so far.
    ///
    /// # Errors
    /// Shapes or dtypes that do not continue what is in the cache.
    pub fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        if keys.ndim() != 4 || values.ndim() != 4 || keys.shape()[..3] != values.shape()[..3] {
            return Err(Error::value(
                "kv_cache",
                format!("expected keys and values [B, heads, L, D], got {:?} and {:?}", keys.shape(), values.shape()),
            ));
        }
        let end = self.len + keys.shape()[2];
        let all_keys = append(&mut self.keys, keys, self.len, end)?;
        let all_values = append(&mut self.values, values, self.len, end)?;
        self.len = end;
        Ok((all_keys, all_values))
    }
}

fn append(slot: &mut Option<Array>, new: &Array, len: usize, end: usize) -> Result<Array> {
    let shape = new.shape();
    let (b, heads, width) = (shape[0], shape[1], shape[3]);
    // Taken out, so that the graph holds the only handle on the old buffer and writes in place.
    let buffer = match slot.take() {
        Some(old) => {
            let fits = old.shape()[0] == b && old.shape()[1] == heads && old.shape()[3] == width;
            if !fits || old.dtype() != new.dtype() {
                let message = format!(
                    "expected {} [{}, {}, L, {}], got {} {shape:?}",
                    old.dtype(),
                    old.shape()[0],
                    old.shape()[1],
                    old.shape()[3],
                    new.dtype()
                );
                *slot = Some(old);
                return Err(Error::value("kv_cache", message));
            }
            if old.shape()[2] >= end { old } else { grow(old, len, end)? }
        }
        None => ops::zeros(&[b, heads, end.next_multiple_of(STEP), width], new.dtype())?,
    };
    let stop = [b as isize, heads as isize, end as isize, width as isize];
    let full = ops::slice_update(&buffer, new, &[0, 0, len as isize, 0], &stop, &[1; 4])?;
    drop(buffer);
    let seen = ops::slice(&full, &[0; 4], &stop, &[1; 4])?;
    *slot = Some(full);
    Ok(seen)
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
