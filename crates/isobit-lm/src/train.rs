//! Training a small decoder: a run directory, resumable to the bit.
//!
//! A run is a function of its settings and its data: the same two give the same bits of the weights on any thread
//! count and instruction set, whether or not the run was stopped and resumed in between.

use crate::checkpoint::{self, Checkpoint};
use crate::config::Config;
use crate::corpus::{Blocks, Corpus};
use crate::model_dir;
use crate::qwen3::Qwen3;
use crate::tokenizer::{END_OF_TEXT, Tokenizer};
use crate::{atomic_file, loss_curve};
use isobit::{Array, Dtype, Error, Result, ops};
use isobit_nn::losses::{Reduction, cross_entropy};
use isobit_nn::optimizers::{AdamW, Optimizer, clip_grad_norm};
use isobit_nn::schedulers::{cosine_decay, join_schedules, linear_schedule};
use isobit_nn::{Module, value_and_grad};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most held-out blocks that the loss is measured on.
const HELD_OUT: usize = 32;
/// Gradients are scaled down to this norm.
const CLIP: f64 = 1.0;

/// What a run is started with. Together with the data it fixes every bit of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Files and directories to learn from.
    pub data: Vec<PathBuf>,
    /// Fixes the weights' start and the order of the data.
    pub seed: u64,
    /// Steps.
    pub steps: u64,
    /// Blocks per step.
    pub batch: usize,
    /// Tokens per block.
    pub block: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warmup: u64,
    /// AdamW's weight decay, of matrices and the embedding alone.
    pub weight_decay: f64,
    /// Size of the vocabulary to learn.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward block.
    pub intermediate: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: Vec::new(),
            seed: 0,
            steps: 1000,
            batch: 8,
            block: 256,
            learning_rate: 1.5e-3,
            warmup: 50,
            weight_decay: 0.1,
            vocab: 2048,
            hidden: 256,
            intermediate: 768,
            layers: 4,
            heads: 4,
            kv_heads: 2,
        }
    }
}

impl Settings {
    /// # Errors
    /// Sizes of zero, heads that do not divide the width or are not divided by the kv heads, rates out of range.
    pub fn check(&self) -> Result<()> {
        let fail = |m: &str| Err(Error::value("train", m));
        let sizes = [self.batch, self.block, self.hidden, self.intermediate, self.layers, self.heads, self.kv_heads];
        if sizes.contains(&0) || self.steps == 0 {
            return fail("expected sizes and steps of at least 1");
        }
        if !self.hidden.is_multiple_of(2 * self.heads) {
            return fail("expected a width that is an even multiple of the number of heads");
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail("expected a number of kv heads that divides the number of heads");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return fail("expected a positive learning rate");
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return fail("expected a weight decay of at least 0");
        }
        if self.warmup >= self.steps {
            return fail("expected a warm-up shorter than the run");
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "data": self.data.iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
            "seed": self.seed,
            "steps": self.steps,
            "batch": self.batch,
            "block": self.block,
            "learning_rate": self.learning_rate,
            "warmup": self.warmup,
            "weight_decay": self.weight_decay,
            "vocab": self.vocab,
            "hidden": self.hidden,
            "intermediate": self.intermediate,
            "layers": self.layers,
            "heads": self.heads,
            "kv_heads": self.kv_heads,
        })
    }

    pub(crate) fn from_json(v: &Value) -> Result<Settings> {
        let wrong = |name: &str| Error::value("checkpoint", format!("settings.{name}: missing or malformed"));
        let count = |name: &str| v[name].as_u64().ok_or_else(|| wrong(name));
        let size = |name: &str| count(name).map(|n| n as usize);
        let rate = |name: &str| v[name].as_f64().ok_or_else(|| wrong(name));
        let paths = v["data"].as_array().ok_or_else(|| wrong("data"))?;
        let path = |p: &Value| p.as_str().map(PathBuf::from).ok_or_else(|| wrong("data"));
        Ok(Settings {
            data: paths.iter().map(path).collect::<Result<_>>()?,
            seed: count("seed")?,
            steps: count("steps")?,
            batch: size("batch")?,
            block: size("block")?,
            learning_rate: rate("learning_rate")?,
            warmup: count("warmup")?,
            weight_decay: rate("weight_decay")?,
            vocab: size("vocab")?,
            hidden: size("hidden")?,
            intermediate: size("intermediate")?,
            layers: size("layers")?,
            heads: size("heads")?,
            kv_heads: size("kv_heads")?,
        })
    }

    fn config(&self, tokenizer: &Tokenizer) -> Config {
        Config {
            vocab_size: tokenizer.vocab_size(),
            hidden_size: self.hidden,
            intermediate_size: self.intermediate,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.kv_heads,
            head_dim: self.hidden / self.heads,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            max_position_embeddings: self.block,
            tie_word_embeddings: true,
            attention_bias: false,
            eos_token_ids: tokenizer.token(END_OF_TEXT).into_iter().collect(),
            experts: None,
            quantization: None,
        }
    }

    fn optimizer(&self) -> Result<AdamW> {
        let warm = linear_schedule(self.learning_rate / (self.warmup + 1) as f64, self.learning_rate, self.warmup);
        let decay = cosine_decay(self.learning_rate, self.steps - self.warmup, self.learning_rate / 20.0);
        let schedule = if self.warmup == 0 { decay } else { join_schedules(vec![warm, decay], vec![self.warmup])? };
        let adamw = AdamW::new(schedule).with_betas(0.9, 0.95)?.with_bias_correction();
        // Matrices and the embedding decay; factors of norms and biases do not.
        Ok(adamw.with_weight_decay(self.weight_decay).with_decay_for(|_, a| a.ndim() >= 2))
    }
}

/// One point of the loss curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Loss of the step's batch.
    pub loss: f32,
    /// Loss on text not trained on, where it was measured.
    pub held_out: Option<f32>,
}

impl Point {
    pub(crate) fn to_json(self) -> Value {
        json!([self.step, self.loss.to_bits(), self.held_out.map(f32::to_bits)])
    }

    pub(crate) fn from_json(v: &Value) -> Option<Point> {
        let bits = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok()).map(f32::from_bits);
        Some(Point { step: v[0].as_u64()?, loss: bits(&v[1])?, held_out: bits(&v[2]) })
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Mean loss of the batch, in nats per token.
    pub loss: f32,
    /// Norm of the gradient before clipping.
    pub grad_norm: f32,
    /// The learning rate used.
    pub learning_rate: f64,
    /// Tokens trained on.
    pub tokens: usize,
    /// How long it took.
    pub time: Duration,
}

/// A training run.
pub struct Trainer {
    settings: Settings,
    run: PathBuf,
    tokenizer: Tokenizer,
    blocks: Blocks,
    model: Qwen3,
    optimizer: AdamW,
    history: Vec<Point>,
}

impl Trainer {
    /// Starts a run in the directory `run`: learns the vocabulary and makes random weights.
    ///
    /// # Errors
    /// Settings out of range, unreadable data, a directory that already holds a run.
    pub fn start(run: &Path, settings: Settings) -> Result<Trainer> {
        settings.check()?;
        if !checkpoint::list(run)?.is_empty() {
            return Err(Error::value(
                "train",
                format!("{} already holds a run: resume it or choose another directory", run.display()),
            ));
        }
        let corpus = Corpus::read(&settings.data)?;
        let texts = corpus.documents.iter().map(|(_, text)| text.as_str());
        let tokenizer = Tokenizer::train(texts, settings.vocab)?;
        let blocks = Blocks::new(corpus.tokens(&tokenizer)?, settings.block, settings.seed)?;
        atomic_file::write(&run.join("tokenizer.json"), tokenizer.to_json()?.as_bytes())?;
        let model = Qwen3::random(settings.config(&tokenizer), settings.seed)?;
        model.eval()?;
        let optimizer = settings.optimizer()?;
        Ok(Trainer { settings, run: run.to_owned(), tokenizer, blocks, model, optimizer, history: Vec::new() })
    }

    /// Goes on from the newest checkpoint in `run`.
    ///
    /// # Errors
    /// No checkpoint, a damaged one, data that changed since the run began.
    pub fn resume(run: &Path) -> Result<Trainer> {
        let all = checkpoint::list(run)?;
        let Some(newest) = all.last() else {
            return Err(Error::value("train", format!("{}: no checkpoint to resume from", run.display())));
        };
        let Checkpoint { step, settings, fingerprint, history, model: weights, optimizer: state } =
            Checkpoint::load(newest)?;
        settings.check()?;
        let tokenizer = Tokenizer::open(&run.join("tokenizer.json"))?;
        let corpus = Corpus::read(&settings.data)?;
        let blocks = Blocks::new(corpus.tokens(&tokenizer)?, settings.block, settings.seed)?;
        if blocks.fingerprint() != fingerprint {
            return Err(Error::value("train", "the data has changed since the run began: it cannot be resumed"));
        }
        let mut model = Qwen3::zeros(settings.config(&tokenizer), Dtype::F32)?;
        let mut optimizer = settings.optimizer()?;
        // Exactly float32: `update` also refuses another dtype, `load` a missing tensor.
        model
            .load(&weights)
            .and_then(|()| Qwen3::zeros(model.config().clone(), Dtype::F32)?.update(&weights))
            .map_err(|e| Error::new(e.kind(), "checkpoint", format!("{}: {}", newest.display(), e.message())))?;
        optimizer.load_state(state)?;
        if optimizer.step() != step {
            return Err(Error::value("checkpoint", format!("{}: steps do not agree", newest.display())));
        }
        Ok(Trainer { settings, run: run.to_owned(), tokenizer, blocks, model, optimizer, history })
    }

    /// What the run was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.optimizer.step()
    }

    /// The training data.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The model as it is now.
    pub fn model(&self) -> &Qwen3 {
        &self.model
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The loss curve so far.
    pub fn history(&self) -> &[Point] {
        &self.history
    }

    /// One step of AdamW.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn step(&mut self) -> Result<StepReport> {
        let start = Instant::now();
        let learning_rate = self.optimizer.learning_rate();
        let (inputs, targets) = self.blocks.batch(self.optimizer.step(), self.settings.batch)?;
        let (loss, grads) = value_and_grad(&self.model, |m| mean_loss(m, &inputs, &targets))?;
        let (grads, norm) = clip_grad_norm(&grads, CLIP)?;
        self.optimizer.update(&mut self.model, &grads)?;
        drop(grads);
        let mut all: Vec<Array> = self.model.parameters().into_values().collect();
        all.extend(self.optimizer.state().into_values());
        all.extend([loss.clone(), norm.clone()]);
        isobit::eval(&all)?;
        let (loss, step) = (loss.item::<f32>()?, self.optimizer.step());
        if !loss.is_finite() {
            return Err(Error::runtime("train", format!("the loss is {loss} at step {step}")));
        }
        self.history.push(Point { step, loss, held_out: None });
        let tokens = self.settings.batch * self.settings.block;
        Ok(StepReport { step, loss, grad_norm: norm.item()?, learning_rate, tokens, time: start.elapsed() })
    }

    /// The loss on text not trained on, if any was held out; noted in the curve.
    pub fn measure_held_out(&mut self) -> Result<Option<f32>> {
        let Some((inputs, targets)) = self.blocks.held_out(HELD_OUT)? else { return Ok(None) };
        let loss = mean_loss(&self.model, &inputs, &targets)?.item::<f32>()?;
        if let Some(last) = self.history.last_mut() {
            last.held_out = Some(loss);
        }
        Ok(Some(loss))
    }

    /// Saves a checkpoint and the loss curve; of earlier checkpoints the newest `keep - 1` stay.
    pub fn save_checkpoint(&self, keep: usize) -> Result<PathBuf> {
        let state = Checkpoint {
            step: self.optimizer.step(),
            settings: self.settings.clone(),
            fingerprint: self.blocks.fingerprint(),
            history: self.history.clone(),
            model: self.model.parameters(),
            optimizer: self.optimizer.state(),
        };
        let path = state.save(&self.run, keep)?;
        atomic_file::write(&self.run.join("loss.svg"), loss_curve::svg(&self.history).as_bytes())?;
        atomic_file::write(&self.run.join("loss.csv"), loss_curve::csv(&self.history).as_bytes())?;
        Ok(path)
    }

    /// Saves the model as a directory that [`crate::load`] reads, with weights in `dtype`.
    pub fn save_model(&self, dtype: Dtype) -> Result<()> {
        model_dir::save(&self.run, &self.model, &self.tokenizer, dtype)
    }
}

fn mean_loss(model: &Qwen3, inputs: &Array, targets: &Array) -> Result<Array> {
    let logits = model.logits(&model.hidden(inputs, None)?)?;
    cross_entropy(&ops::astype(&logits, Dtype::F32)?, targets, None, -1, 0.0, Reduction::Mean)
}
