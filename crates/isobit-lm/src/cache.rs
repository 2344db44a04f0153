//! Caches of what a model has already read.

use crate::qwen3::Qwen3;
use isobit::{Array, Error, Result, ops};
use isobit_nn::KvCache;

/// The keys and values of every layer.
#[derive(Clone)]
pub struct Cache {
    pub(crate) layers: Vec<KvCache>,
}

impl Cache {
    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, KvCache::len)
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the buffers.
    pub fn nbytes(&self) -> usize {
        self.layers.iter().map(KvCache::nbytes).sum()
    }

    /// Forgets all tokens after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|l| l.truncate(len));
    }

    /// Computes the contents together with `outputs`.
    pub fn eval_with(&self, outputs: &[&Array]) -> Result<()> {
        let all: Vec<Array> =
            self.layers.iter().flat_map(KvCache::arrays).chain(outputs.iter().copied()).cloned().collect();
        isobit::eval(&all)
    }
}

/// One text that a model reads: its tokens so far and their cache. A clone shares the cache until either goes on, so
/// that a common prefix is read once.
#[derive(Clone)]
pub struct Session {
    tokens: Vec<u32>,
    cache: Cache,
}

impl Session {
    /// Nothing read yet.
    pub fn new(model: &Qwen3) -> Session {
        Session { tokens: Vec::new(), cache: model.new_cache() }
    }

    /// Tokens read so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// A session that has read the longest common prefix of this one and `prompt`, but not all of `prompt`: at least
    /// one token is left, whose scores continue the text.
    pub fn resume(&self, prompt: &[u32]) -> Session {
        let common = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let common = common.min(prompt.len().saturating_sub(1));
        let mut cache = self.cache.clone();
        cache.truncate(common);
        Session { tokens: prompt[..common].to_vec(), cache }
    }

    /// Reads `tokens`, `chunk` at a time, and returns the scores `[vocab]` of what comes after the last.
    ///
    /// # Errors
    /// No tokens; a token beyond the vocabulary.
    pub fn read(&mut self, model: &Qwen3, tokens: &[u32], chunk: usize) -> Result<Array> {
        let vocab = model.config().vocab_size;
        if let Some(t) = tokens.iter().find(|&&t| t as usize >= vocab) {
            return Err(Error::index("read", format!("token {t}: expected less than {vocab}")));
        }
        let mut last = None;
        for part in tokens.chunks(chunk.max(1)) {
            let input = token_array(&[part])?;
            let hidden = model.hidden(&input, Some(&mut self.cache))?;
            self.cache.eval_with(&[&hidden])?;
            self.tokens.extend_from_slice(part);
            last = Some(hidden);
        }
        let hidden = last.ok_or_else(|| Error::value("read", "expected at least one token"))?;
        let row = ops::take_index(&hidden, hidden.shape()[1] - 1, 1)?;
        let logits = ops::squeeze(&model.logits(&row)?, 0isize)?;
        logits.eval()?;
        Ok(logits)
    }
}

/// Rows of tokens as an integer array `[B, L]`.
///
/// # Errors
/// Rows of different lengths.
pub(crate) fn token_array(rows: &[&[u32]]) -> Result<Array> {
    let len = rows.first().map_or(0, |r| r.len());
    if rows.iter().any(|r| r.len() != len) {
        return Err(Error::value("tokens", "expected rows of one length"));
    }
    let flat: Vec<i32> = rows.iter().flat_map(|r| r.iter().map(|&t| t as i32)).collect();
    Array::from_slice(&flat, &[rows.len(), len])
}
