//! [`TextStream`]: text as its tokens arrive, never half a character.

use crate::tokenizer::Tokenizer;
use isobit::Result;

/// Turns a stream of tokens into a stream of text.
///
/// A token may end inside a character (byte-level vocabularies) and may look different at the start of a text (a
/// leading space that some tokenizers drop). So each step decodes the tokens since the last boundary together with the
/// few before it, and hands out only what goes beyond the text already handed out, once it ends on a whole character.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    tokens: Vec<u32>,
    /// Text of `tokens[..context]` has been handed out and serves as context.
    context: usize,
    shown: String,
}

impl<'a> TextStream<'a> {
    /// A stream that continues `prompt`, whose text is not handed out again.
    pub fn new(tokenizer: &'a Tokenizer, prompt: &[u32]) -> Result<TextStream<'a>> {
        const CONTEXT: usize = 6;
        let tokens = prompt[prompt.len().saturating_sub(CONTEXT)..].to_vec();
        let shown = tokenizer.decode(&tokens)?;
        Ok(TextStream { tokenizer, context: tokens.len(), tokens, shown })
    }

    /// Takes the next token and returns the text that it completes (often empty within a character).
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        let text = self.tokenizer.decode(&self.tokens)?;
        if text.ends_with('\u{FFFD}') {
            return Ok(String::new());
        }
        Ok(self.hand_out(text))
    }

    /// The rest: a character that never became whole comes as U+FFFD.
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.tokens)?;
        Ok(self.hand_out(text))
    }

    fn hand_out(&mut self, text: String) -> String {
        let new = match text.strip_prefix(self.shown.as_str()) {
            Some(rest) => rest.to_owned(),
            // The prompt ended inside a character, which this token completed: its U+FFFD was shown already.
            None => {
                let common = text.char_indices().zip(self.shown.chars()).find(|((_, a), b)| a != b);
                common.map_or(String::new(), |((at, _), _)| text[at..].to_owned())
            }
        };
        // What was just handed out is the context of what comes next.
        self.tokens.drain(..self.context);
        self.context = self.tokens.len();
        self.shown =
            if self.context == 0 { String::new() } else { self.tokenizer.decode(&self.tokens).unwrap_or_default() };
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_characters_and_join_to_the_text() {
        let t = Tokenizer::train(["plain words"].into_iter(), 257).unwrap();
        let text = "a größer 数 𝔘 ok";
        let tokens = t.encode(text).unwrap();
        assert!(tokens.len() > text.chars().count(), "characters must be split for this test");
        for cut in [0, 1, 5, 9] {
            let mut stream = TextStream::new(&t, &tokens[..cut]).unwrap();
            let mut out = t.decode(&tokens[..cut]).unwrap();
            for &id in &tokens[cut..] {
                let piece = stream.push(id).unwrap();
                assert!(!piece.contains('\u{FFFD}'));
                out.push_str(&piece);
            }
            out.push_str(&stream.finish().unwrap());
            if !t.decode(&tokens[..cut]).unwrap().contains('\u{FFFD}') {
                assert_eq!(out, text, "cut at {cut}");
            }
        }
    }

    #[test]
    fn an_unfinished_character_comes_at_the_end() {
        let t = Tokenizer::train(["plain words"].into_iter(), 257).unwrap();
        let tokens = t.encode("x数").unwrap();
        let mut stream = TextStream::new(&t, &[]).unwrap();
        let mut out = String::new();
        for &id in &tokens[..tokens.len() - 1] {
            out.push_str(&stream.push(id).unwrap());
        }
        assert_eq!(out, "x");
        assert!(stream.finish().unwrap().contains('\u{FFFD}'));
    }
}
