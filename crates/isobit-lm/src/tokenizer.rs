//! Text to tokens and back, by the `tokenizers` crate; and training of a byte-level byte-pair vocabulary.

use crate::model_dir::read_bytes;
use isobit::{Error, Result};
use std::path::Path;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

/// The token between documents in a vocabulary made by [`Tokenizer::train`].
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// A tokenizer.
pub struct Tokenizer {
    inner: Inner,
}

fn failed(what: &str) -> impl FnOnce(tokenizers::Error) -> Error + '_ {
    move |e| Error::value("tokenizer", format!("{what}: {e}"))
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn open(path: &Path) -> Result<Tokenizer> {
        let bytes = read_bytes(path).map_err(|e| Error::io("tokenizer", format!("{}: {e}", path.display())))?;
        Tokenizer::parse(&bytes, &path.display().to_string())
    }

    /// The tokenizer in the bytes of a `tokenizer.json`; `name` appears in errors.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Tokenizer> {
        Ok(Tokenizer { inner: Inner::from_bytes(bytes).map_err(failed(name))? })
    }

    /// A byte-pair vocabulary of `vocab_size` tokens learned from `texts`; the same texts give the same vocabulary.
    ///
    /// # Errors
    /// A size too small for the 256 bytes and the end token.
    pub fn train<'a>(texts: impl Iterator<Item = &'a str> + Send, vocab_size: usize) -> Result<Tokenizer> {
        if vocab_size < 257 {
            return Err(Error::value("tokenizer", format!("vocabulary: expected at least 257, got {vocab_size}")));
        }
        let mut inner = Inner::new(BPE::default());
        let bytes = ByteLevel::new(false, true, true);
        inner.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        let trainer = BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(vocab_size)
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
            .build();
        let mut trainer = TrainerWrapper::from(trainer);
        inner.train(&mut trainer, texts).map_err(failed("training"))?;
        Ok(Tokenizer { inner })
    }

    /// The tokens of `text`, with whatever the tokenizer's own template adds.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.inner.encode_fast(text, true).map_err(failed("encoding"))?.get_ids().to_vec())
    }

    /// The text of `tokens`, without special tokens; incomplete characters become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.inner.decode(tokens, true).map_err(failed("decoding"))
    }

    /// The number of a token, if there is such a token.
    pub fn token(&self, text: &str) -> Option<u32> {
        self.inner.token_to_id(text)
    }

    /// One more than the largest token number.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The bytes of `tokenizer.json`.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(true).map_err(failed("writing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn add(a: &Array, b: &Array) -> Result<Array> { apply(Add, &[a, b]) } // größer, 数\n";

    fn trained() -> Tokenizer {
        let texts: Vec<String> = (0..40).map(|i| TEXT.replace("add", &format!("add{i}"))).collect();
        Tokenizer::train(texts.iter().map(String::as_str), 400).unwrap()
    }

    #[test]
    fn any_text_survives_the_round_trip() {
        let t = trained();
        assert!(t.vocab_size() <= 400 && t.vocab_size() > 257, "{}", t.vocab_size());
        for text in [TEXT, "", " ", "\t\n\n  x", "𝔘nseen \u{0} bytes é"] {
            assert_eq!(t.decode(&t.encode(text).unwrap()).unwrap(), text);
        }
        assert!(t.encode(TEXT).unwrap().len() * 2 < TEXT.len());
        let end = t.token(END_OF_TEXT).unwrap();
        assert_eq!(t.encode(END_OF_TEXT).unwrap(), [end]);
        assert_eq!(t.decode(&[end]).unwrap(), "");
    }

    #[test]
    fn training_is_reproducible_and_the_file_reads_back() {
        let (a, b) = (trained().to_json().unwrap(), trained().to_json().unwrap());
        assert_eq!(a, b);
        let back = Tokenizer::parse(a.as_bytes(), "tokenizer.json").unwrap();
        assert_eq!(back.encode(TEXT).unwrap(), trained().encode(TEXT).unwrap());
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(Tokenizer::train(["x"].into_iter(), 12).is_err());
        let e = Tokenizer::parse(b"{\"model\": 3}", "t.json").err().unwrap().to_string();
        assert!(e.contains("t.json"), "{e}");
        let e = Tokenizer::open(Path::new("/nowhere/tokenizer.json")).err().unwrap().to_string();
        assert!(e.contains("/nowhere/tokenizer.json"), "{e}");
    }
}
