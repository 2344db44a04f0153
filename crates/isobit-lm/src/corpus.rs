//! Training text: files and directories to documents, documents to blocks of tokens, blocks to batches.
//!
//! Which block comes in which batch is a function of the seed and the step alone, so a run that stops can go on with
//! the very batches that it would have seen.

use crate::tokenizer::{END_OF_TEXT, Tokenizer};
use isobit::{Array, Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Files in directories are taken if they end in one of these; a file that is named itself is always taken.
const TEXT_FILES: &[&str] = &[
    "adoc", "bash", "c", "cc", "cpp", "cs", "css", "cu", "go", "h", "hpp", "hs", "html", "java", "jl", "js", "kt",
    "lua", "md", "metal", "ml", "php", "pl", "proto", "py", "pyi", "r", "rb", "rs", "rst", "scala", "sh", "sql",
    "swift", "tex", "toml", "ts", "txt", "yaml", "yml", "zig",
];
/// Larger files in directories are generated ones more often than not.
const LARGEST_FILE: u64 = 4 << 20;

/// Documents to learn from.
pub struct Corpus {
    /// Path and text, in the order of the paths.
    pub documents: Vec<(PathBuf, String)>,
    /// Files in directories that were left out because they are too large or not UTF-8.
    pub skipped: usize,
}

impl Corpus {
    /// Reads files, and directories recursively (without hidden entries, links, and `target`).
    ///
    /// # Errors
    /// A path that does not exist or cannot be read, a named file that is not UTF-8, no text at all.
    pub fn read(paths: &[PathBuf]) -> Result<Corpus> {
        let mut corpus = Corpus { documents: Vec::new(), skipped: 0 };
        for path in paths {
            let meta = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
            if meta.is_dir() {
                corpus.add_directory(path)?;
            } else {
                let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
                let text = String::from_utf8(bytes)
                    .map_err(|e| Error::io("data", format!("{}: not UTF-8 text: {e}", path.display())))?;
                corpus.documents.push((path.clone(), text));
            }
        }
        corpus.documents.retain(|(_, text)| !text.is_empty());
        if corpus.documents.is_empty() {
            return Err(Error::value("data", format!("no text in {}", list(paths))));
        }
        Ok(corpus)
    }

    fn add_directory(&mut self, dir: &Path) -> Result<()> {
        let mut entries: Vec<PathBuf> = fs::read_dir(dir)
            .and_then(|all| all.map(|e| e.map(|e| e.path())).collect())
            .map_err(|e| unreadable(dir, &e))?;
        // By name: the order in which a file system lists them is no part of a run.
        entries.sort();
        for path in entries {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let meta = fs::symlink_metadata(&path).map_err(|e| unreadable(&path, &e))?;
            if name.starts_with('.') || meta.is_symlink() {
                continue;
            }
            if meta.is_dir() {
                if name != "target" {
                    self.add_directory(&path)?;
                }
                continue;
            }
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if !TEXT_FILES.contains(&extension) {
                continue;
            }
            match (meta.len() <= LARGEST_FILE).then(|| fs::read(&path)) {
                Some(Err(e)) => return Err(unreadable(&path, &e)),
                Some(Ok(bytes)) => match String::from_utf8(bytes) {
                    Ok(text) => self.documents.push((path, text)),
                    Err(_) => self.skipped += 1,
                },
                None => self.skipped += 1,
            }
        }
        Ok(())
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.documents.iter().map(|(_, text)| text.len()).sum()
    }

    /// All documents as tokens, each followed by the end token.
    ///
    /// # Errors
    /// A vocabulary without an end token.
    pub fn tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let end = tokenizer
            .token(END_OF_TEXT)
            .ok_or_else(|| Error::value("data", format!("the tokenizer has no token {END_OF_TEXT}")))?;
        let mut all = Vec::with_capacity(self.bytes() / 3);
        for (_, text) in &self.documents {
            all.extend(tokenizer.encode(text)?);
            all.push(end);
        }
        Ok(all)
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> Error {
    Error::io("data", format!("cannot read {}: {e}", path.display()))
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Tokens cut into blocks of one length; every twentieth is held out to measure the loss on text not trained on.
pub struct Blocks {
    tokens: Vec<u32>,
    len: usize,
    seed: u64,
    train: Vec<usize>,
    held_out: Vec<usize>,
}

impl Blocks {
    /// Blocks of `len` inputs (and their `len` targets, shifted by one).
    ///
    /// # Errors
    /// Fewer tokens than one block takes.
    pub fn new(tokens: Vec<u32>, len: usize, seed: u64) -> Result<Blocks> {
        if len == 0 || tokens.len() < len + 1 {
            return Err(Error::value(
                "data",
                format!("expected at least {} tokens for blocks of {len}, got {}", len + 1, tokens.len()),
            ));
        }
        let count = (tokens.len() - 1) / len;
        let (held_out, train) = (0..count).partition(|i| count >= 40 && i % 20 == 19);
        Ok(Blocks { tokens, len, seed, train, held_out })
    }

    /// Blocks to train on; one pass over them is an epoch.
    pub fn count(&self) -> usize {
        self.train.len()
    }

    /// All tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// A number that changes if the tokens do (FNV-1a).
    pub fn fingerprint(&self) -> u64 {
        self.tokens
            .iter()
            .flat_map(|t| t.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// Inputs and targets `[batch, len]` of a step. Every epoch goes through all blocks in an order of its own.
    pub fn batch(&self, step: u64, batch: usize) -> Result<(Array, Array)> {
        let n = self.train.len() as u64;
        let mut rows = Vec::with_capacity(batch);
        let mut order: Option<(u64, Vec<usize>)> = None;
        for i in step * batch as u64..(step + 1) * batch as u64 {
            let epoch = i / n;
            let order = match &mut order {
                Some((e, o)) if *e == epoch => o,
                slot => &mut slot.insert((epoch, self.shuffled(epoch))).1,
            };
            rows.push(order[(i % n) as usize]);
        }
        self.rows(&rows)
    }

    /// Inputs and targets of the held-out blocks, at most `limit` of them.
    pub fn held_out(&self, limit: usize) -> Result<Option<(Array, Array)>> {
        let rows = &self.held_out[..limit.min(self.held_out.len())];
        if rows.is_empty() { Ok(None) } else { self.rows(rows).map(Some) }
    }

    fn rows(&self, blocks: &[usize]) -> Result<(Array, Array)> {
        let at = |shift: usize| {
            let part = |&b: &usize| self.tokens[b * self.len + shift..][..self.len].iter().map(|&t| t as i32);
            let flat: Vec<i32> = blocks.iter().flat_map(part).collect();
            Array::from_slice(&flat, &[blocks.len(), self.len])
        };
        Ok((at(0)?, at(1)?))
    }

    /// Fisher and Yates' shuffle of the training blocks.
    fn shuffled(&self, epoch: u64) -> Vec<usize> {
        let mut state = self.seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut order = self.train.clone();
        for i in (1..order.len()).rev() {
            let j = (u128::from(split_mix(&mut state)) * (i as u128 + 1)) >> 64;
            order.swap(i, j as usize);
        }
        order
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_block_once_and_batches_depend_on_the_step_alone() {
        let blocks = Blocks::new((0..=640).collect(), 16, 7).unwrap();
        assert_eq!(blocks.count(), 38);
        let firsts = |step| -> Vec<i32> {
            let (x, y) = blocks.batch(step, 2).unwrap();
            assert_eq!(x.shape(), &[2, 16]);
            let (x, y) = (x.to_vec::<i32>().unwrap(), y.to_vec::<i32>().unwrap());
            assert!(x.iter().zip(&y).all(|(a, b)| a + 1 == *b));
            vec![x[0], x[16]]
        };
        let epoch = |e: u64| -> Vec<i32> { (e * 19..(e + 1) * 19).flat_map(firsts).collect() };
        let (one, two) = (epoch(0), epoch(1));
        assert_ne!(one, two);
        let sorted = |mut v: Vec<i32>| {
            v.sort();
            v
        };
        assert_eq!(sorted(one.clone()), sorted(two));
        assert_eq!(firsts(3), one[6..8]);
        let (held, _) = blocks.held_out(9).unwrap().unwrap();
        assert_eq!(held.shape(), &[2, 16]);
        assert!(!one.contains(&held.to_vec::<i32>().unwrap()[0]));
        assert!(Blocks::new(vec![1, 2], 2, 0).is_err());
        assert_ne!(Blocks::new(vec![1, 2, 3], 2, 0).unwrap().fingerprint(), blocks.fingerprint());
    }

    #[test]
    fn directories_are_read_in_the_order_of_names() {
        let dir = std::env::temp_dir().join(format!("isobit-corpus-{}", std::process::id()));
        fs::create_dir_all(dir.join("sub/target")).unwrap();
        for (name, text) in [
            ("b.rs", &b"bb"[..]),
            ("a.md", b"aa"),
            ("sub/c.txt", b"cc"),
            ("sub/target/d.rs", b"no"),
            (".hidden.rs", b"no"),
            ("image.png", b"no"),
            ("bad.txt", b"\xff\xfe"),
            ("empty.txt", b""),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        let corpus = Corpus::read(std::slice::from_ref(&dir)).unwrap();
        let texts: Vec<&str> = corpus.documents.iter().map(|(_, t)| t.as_str()).collect();
        assert_eq!(texts, ["aa", "bb", "cc"]);
        assert_eq!((corpus.skipped, corpus.bytes()), (1, 6));
        let message = |p: PathBuf| Corpus::read(&[p]).err().unwrap().to_string();
        assert!(message(dir.join("bad.txt")).contains("not UTF-8"));
        assert!(message(dir.join("gone")).contains("cannot read"));
        assert!(message(dir.join("empty.txt")).contains("no text in"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
