//! Text, token by token.

use crate::cache::Session;
use crate::model_dir::LanguageModel;
use crate::sampler::{Sampler, Sampling};
use crate::text_stream::TextStream;
use isobit::{Error, Result};
use std::time::{Duration, Instant};

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// At most this many tokens.
    pub max_tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Prompt tokens read at a time; no result depends on it.
    pub chunk: usize,
}

impl Default for Generation {
    fn default() -> Generation {
        Generation { max_tokens: 256, sampling: Sampling::default(), chunk: 512 }
    }
}

/// How long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Prompt tokens that had to be read.
    pub prompt_tokens: usize,
    /// Until the scores of the first token.
    pub prefill: Duration,
    /// Tokens generated.
    pub tokens: usize,
    /// For all tokens after the first.
    pub decode: Duration,
    /// Whether an end token, not the limit, ended the text.
    pub ended: bool,
}

impl Timing {
    /// Prompt tokens per second.
    pub fn prefill_rate(&self) -> f64 {
        self.prompt_tokens as f64 / self.prefill.as_secs_f64().max(1e-9)
    }

    /// Generated tokens per second, the first not counted: it comes out of the prefill.
    pub fn decode_rate(&self) -> f64 {
        self.tokens.saturating_sub(1) as f64 / self.decode.as_secs_f64().max(1e-9)
    }
}

/// Generates text with a model and keeps what it has read, so that the next prompt with the same beginning starts
/// further on.
pub struct Generator<'a> {
    model: &'a LanguageModel,
    session: Session,
}

impl<'a> Generator<'a> {
    /// A generator that has read nothing yet.
    pub fn new(model: &'a LanguageModel) -> Generator<'a> {
        Generator { model, session: Session::new(&model.model) }
    }

    /// Continues `prompt` and hands out text as it comes; `show` returns `false` to stop.
    ///
    /// # Errors
    /// An empty prompt, options out of range.
    pub fn run(
        &mut self,
        prompt: &str,
        options: &Generation,
        mut show: impl FnMut(&str) -> Result<bool>,
    ) -> Result<Timing> {
        let LanguageModel { model, tokenizer, .. } = self.model;
        let prompt = tokenizer.encode(prompt)?;
        if prompt.is_empty() {
            return Err(Error::value("generate", "the prompt has no tokens"));
        }
        let mut sampler = Sampler::new(options.sampling)?;
        let mut stream = TextStream::new(tokenizer, &prompt)?;
        self.session = self.session.resume(&prompt);
        let rest = &prompt[self.session.tokens().len()..];
        let mut timing = Timing { prompt_tokens: rest.len(), ..Timing::default() };
        let start = Instant::now();
        let mut logits = self.session.read(model, rest, options.chunk)?;
        timing.prefill = start.elapsed();
        let start = Instant::now();
        while timing.tokens < options.max_tokens {
            let token = sampler.sample(&logits)?;
            if model.config().eos_token_ids.contains(&token) {
                timing.ended = true;
                break;
            }
            timing.tokens += 1;
            timing.decode = start.elapsed();
            let text = stream.push(token)?;
            if !text.is_empty() && !show(&text)? {
                return Ok(timing);
            }
            if timing.tokens < options.max_tokens {
                logits = self.session.read(model, &[token], 1)?;
            }
        }
        let rest = stream.finish()?;
        if !rest.is_empty() {
            show(&rest)?;
        }
        Ok(timing)
    }
}
