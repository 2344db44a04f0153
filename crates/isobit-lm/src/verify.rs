//! The bit contract, proved on a model: the same scores however a text is cut, cached, batched or computed.

use crate::cache::{Cache, token_array};
use crate::qwen3::Qwen3;
use isobit::cpu::{isa, par};
use isobit::{Array, Dtype, Error, Result, ops};

/// What to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Texts of one length, of at least 8 tokens; the first is the reference.
    pub rows: Vec<Vec<u32>>,
    /// Thread counts to try.
    pub threads: Vec<usize>,
    /// Instruction-set levels to try.
    pub levels: Vec<isa::Level>,
}

/// The outcome of one way to compute the reference's scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was done.
    pub name: String,
    /// How many computations were compared.
    pub runs: usize,
    /// How many scores were compared.
    pub scores: usize,
    /// How many of them have other bits.
    pub differing: usize,
    /// The largest absolute difference (infinite if only one of the two is a number).
    pub max_difference: f64,
}

impl Check {
    fn new(name: impl Into<String>) -> Check {
        Check { name: name.into(), runs: 0, scores: 0, differing: 0, max_difference: 0.0 }
    }

    /// Whether every score has the reference's bits.
    pub fn passed(&self) -> bool {
        self.runs > 0 && self.differing == 0
    }

    fn compare(&mut self, got: &[f32], want: &[f32]) {
        self.runs += 1;
        self.scores += want.len();
        self.differing += want.len().abs_diff(got.len());
        for (g, w) in got.iter().zip(want) {
            if g.to_bits() != w.to_bits() {
                self.differing += 1;
                let d = f64::from((g - w).abs());
                self.max_difference = self.max_difference.max(if d.is_nan() { f64::INFINITY } else { d });
            }
        }
    }
}

/// Puts thread count and level back, also after an error.
struct Restore(usize, isa::Level);

impl Drop for Restore {
    fn drop(&mut self) {
        par::set_threads(self.0);
        isa::set_level(self.1);
    }
}

/// Runs every comparison and hands each outcome to `done` as it comes.
///
/// # Errors
/// Rows that are too short, of different lengths, or beyond the vocabulary; a level that this machine cannot run.
pub fn verify(model: &Qwen3, plan: &Plan, mut done: impl FnMut(&Check)) -> Result<Vec<Check>> {
    let rows: Vec<&[u32]> = plan.rows.iter().map(Vec::as_slice).collect();
    let Some(&text) = rows.first().filter(|r| r.len() >= 8) else {
        return Err(Error::value("verify", "expected at least one text of 8 tokens or more"));
    };
    if rows.iter().any(|r| r.len() != text.len()) {
        return Err(Error::value("verify", "expected texts of one length"));
    }
    let vocab = model.config().vocab_size;
    if let Some(t) = rows.iter().flat_map(|r| r.iter()).find(|&&t| t as usize >= vocab) {
        return Err(Error::index("verify", format!("token {t}: expected less than {vocab}")));
    }
    let n = text.len();
    let want = in_chunks(model, &[text], &[n])?;
    let mut all = Vec::new();
    let mut finish = |check: Check| {
        done(&check);
        all.push(check);
    };

    // Without a cache nothing is rounded to the format of a quantized one: that is another function.
    if model.cache_format().is_none() {
        let mut check = Check::new("prefill without a cache");
        check.compare(&scores(&model.logits(&model.hidden(&token_array(&[text])?, None)?)?)?, &want);
        finish(check);
    }

    let mut check = Check::new("prefill in two chunks, cut at every point");
    for cut in 1..n {
        check.compare(&in_chunks(model, &[text], &[cut, n - cut])?, &want);
    }
    finish(check);

    let mut check = Check::new("prefill in chunks of 2, 3, 5, 7, 8, 16, 17, 32, 64");
    for size in [2, 3, 5, 7, 8, 16, 17, 32, 64] {
        check.compare(&in_chunks(model, &[text], &even_chunks(n, size))?, &want);
    }
    finish(check);

    let mut check = Check::new("token-by-token decode");
    check.compare(&in_chunks(model, &[text], &vec![1; n])?, &want);
    finish(check);

    finish(prefix_hits(model, text, &want)?);
    for count in batch_sizes(rows.len()) {
        finish(batch(model, &rows[..count])?);
    }

    let restore = Restore(par::threads(), isa::level());
    for &threads in &plan.threads {
        par::set_threads(threads);
        finish(again(model, &rows, &want, format!("threads: {threads}"))?);
    }
    par::set_threads(restore.0);
    for &level in &plan.levels {
        if !isa::set_level(level) {
            return Err(Error::value("verify", format!("this machine cannot run level {}", level.name())));
        }
        finish(again(model, &rows, &want, format!("instruction set: {}", level.name()))?);
    }
    drop(restore);
    Ok(all)
}

/// Prefill, uneven chunks and decode once more, under whatever settings are in force.
fn again(model: &Qwen3, rows: &[&[u32]], want: &[f32], name: String) -> Result<Check> {
    let (text, n) = (rows[0], rows[0].len());
    let mut check = Check::new(name);
    for chunks in [vec![n], even_chunks(n, 5), vec![1; n]] {
        check.compare(&in_chunks(model, &[text], &chunks)?, want);
    }
    let together = in_chunks(model, rows, &[n])?;
    check.compare(&together[..want.len()], want);
    Ok(check)
}

/// A cache that has read the text (and was continued differently since) serves the text's prefixes.
fn prefix_hits(model: &Qwen3, text: &[u32], want: &[f32]) -> Result<Check> {
    let n = text.len();
    let mut check = Check::new("prefix-cache hit");
    let vocab = want.len() / n;
    let mut full = model.new_cache();
    read(model, &[text], &mut full)?;
    for keep in [1, n / 4, n / 2, n - 1] {
        let mut hit = full.clone();
        hit.truncate(keep);
        // Another continuation of the same prefix writes first: it must not show through.
        let mut other = hit.clone();
        let reversed: Vec<u32> = text[keep..].iter().rev().copied().collect();
        read(model, &[&reversed], &mut other)?;
        check.compare(&read(model, &[&text[keep..]], &mut hit)?, &want[keep * vocab..]);
    }
    Ok(check)
}

/// Rows together against each alone: prefill, then decode of the last tokens.
fn batch(model: &Qwen3, rows: &[&[u32]]) -> Result<Check> {
    let n = rows[0].len();
    let mut check = Check::new(format!("batch of {} against single", rows.len()));
    let mut decode = vec![n - 4];
    decode.extend([1; 4]);
    for chunks in [vec![n], decode] {
        let together = in_chunks(model, rows, &chunks)?;
        let size = together.len() / rows.len();
        for (i, row) in rows.iter().enumerate() {
            check.compare(&together[i * size..(i + 1) * size], &in_chunks(model, &[row], &chunks)?);
        }
    }
    Ok(check)
}

fn batch_sizes(rows: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = [2, 3, rows].into_iter().filter(|&n| n > 1 && n <= rows).collect();
    sizes.dedup();
    sizes
}

fn even_chunks(n: usize, size: usize) -> Vec<usize> {
    (0..n.div_ceil(size)).map(|i| size.min(n - i * size)).collect()
}

/// Scores of every position of `rows`, row after row, read in chunks of the given lengths.
fn in_chunks(model: &Qwen3, rows: &[&[u32]], chunks: &[usize]) -> Result<Vec<f32>> {
    let n = rows[0].len();
    let mut cache = model.new_cache();
    let mut parts: Vec<Vec<f32>> = Vec::new();
    let mut at = 0;
    for &len in chunks {
        let part: Vec<&[u32]> = rows.iter().map(|r| &r[at..at + len]).collect();
        parts.push(read(model, &part, &mut cache)?);
        at += len;
    }
    debug_assert_eq!(at, n);
    if rows.len() == 1 {
        return Ok(parts.concat());
    }
    // Chunk-major to row-major.
    let vocab = model.config().vocab_size;
    let mut out = Vec::with_capacity(rows.len() * n * vocab);
    for row in 0..rows.len() {
        for (part, &len) in parts.iter().zip(chunks) {
            out.extend_from_slice(&part[row * len * vocab..(row + 1) * len * vocab]);
        }
    }
    Ok(out)
}

fn read(model: &Qwen3, rows: &[&[u32]], cache: &mut Cache) -> Result<Vec<f32>> {
    let logits = model.logits(&model.hidden(&token_array(rows)?, Some(cache))?)?;
    cache.eval_with(&[&logits])?;
    scores(&logits)
}

/// In float32, into which every smaller float goes exactly.
fn scores(logits: &Array) -> Result<Vec<f32>> {
    ops::astype(logits, Dtype::F32)?.to_vec::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_and_measured() {
        let mut c = Check::new("x");
        assert!(!c.passed(), "nothing was compared");
        c.compare(&[1.0, -0.0], &[1.0, -0.0]);
        assert!(c.passed());
        c.compare(&[1.0, 0.0, 2.0], &[1.0, -0.0, 2.5]);
        assert_eq!((c.differing, c.max_difference, c.runs), (2, 0.5, 2));
        c.compare(&[f32::NAN], &[1.0]);
        assert_eq!(c.max_difference, f64::INFINITY);
        c.compare(&[1.0], &[1.0, 2.0]);
        assert_eq!(c.differing, 4);
        assert_eq!(even_chunks(10, 4), [4, 4, 2]);
        assert_eq!(batch_sizes(3), [2, 3]);
        assert_eq!(batch_sizes(5), [2, 3, 5]);
    }
}
