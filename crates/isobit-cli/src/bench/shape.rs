//! Prefill and decode of a whole model, one from a directory or of a published geometry with random weights, beside what
//! memory and arithmetic allow.
//!
//! Random weights are drawn in the stored format: what matters here is how many bytes and operations there are. Text is
//! random tokens; nothing is sampled.

use super::profile::Profiler;
use crate::kv::CacheOptions;
use crate::output::say;
use isobit::quant::Format;
use isobit::{Array, Dtype, Error, Result, ops, random};
use isobit_lm::{Config, Experts, Quantization, Qwen3, Recipe, Session};
use isobit_nn::{Activations, Module, Params, Path};
use std::path::PathBuf;
use std::time::Instant;

/// Geometries that are known by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shape {
    /// 28 blocks of width 1024, tied embedding
    #[value(name = "qwen3-0.6b")]
    Small,
    /// 36 blocks of width 4096
    #[value(name = "qwen3-8b")]
    Middle,
    /// 48 blocks of width 2048 with 128 experts, 8 of them chosen
    #[value(name = "qwen3-30b-a3b")]
    Sparse,
}

impl Shape {
    fn config(self) -> Config {
        let base = Config {
            vocab_size: 151_936,
            hidden_size: 1024,
            intermediate_size: 3072,
            num_hidden_layers: 28,
            num_attention_heads: 16,
            num_key_value_heads: 8,
            head_dim: 128,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            max_position_embeddings: 40_960,
            tie_word_embeddings: true,
            attention_bias: false,
            eos_token_ids: vec![151_645],
            experts: None,
            quantization: None,
        };
        match self {
            Shape::Small => base,
            Shape::Middle => Config {
                hidden_size: 4096,
                intermediate_size: 12_288,
                num_hidden_layers: 36,
                num_attention_heads: 32,
                tie_word_embeddings: false,
                ..base
            },
            Shape::Sparse => Config {
                hidden_size: 2048,
                intermediate_size: 6144,
                num_hidden_layers: 48,
                num_attention_heads: 32,
                num_key_value_heads: 4,
                tie_word_embeddings: false,
                experts: Some(Experts {
                    num_experts: 128,
                    num_experts_per_tok: 8,
                    moe_intermediate_size: 768,
                    decoder_sparse_step: 1,
                    mlp_only_layers: Vec::new(),
                    norm_topk_prob: true,
                }),
                ..base
            },
        }
    }
}

/// Whose weights.
pub enum Source {
    /// Random ones of a geometry, in a format or in bfloat16.
    Random(Shape, Option<Format>),
    /// Those of a model directory.
    Directory(PathBuf),
}

impl Source {
    fn name(&self) -> String {
        match self {
            Source::Random(shape, _) => {
                clap::ValueEnum::to_possible_value(shape).map_or_else(String::new, |v| v.get_name().to_owned())
            }
            Source::Directory(dir) => dir.display().to_string(),
        }
    }
}

/// What to run.
pub struct Run {
    /// The weights.
    pub source: Source,
    /// How keys and values are stored.
    pub cache: CacheOptions,
    /// How products with the weights take their inputs.
    pub activations: Activations,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens after it.
    pub tokens: usize,
    /// Rounds of both.
    pub rounds: usize,
    /// Whether a last round measures the primitives.
    pub profile: bool,
}

/// What reading one token costs, by the model's geometry.
struct Cost {
    /// Bytes of the weights that it meets.
    bytes: f64,
    /// Operations of its products with weights, but for the output projection.
    flops: f64,
    /// Operations of the output projection, which a prompt has once.
    head: f64,
}

/// Builds or reads the model, times it and prints the table.
pub fn run(run: &Run, limits: impl FnOnce() -> Result<(f64, f64)>) -> Result<()> {
    let start = Instant::now();
    let mut model = match &run.source {
        Source::Random(shape, format) => lazy_model(*shape, *format)?,
        Source::Directory(dir) => isobit_lm::load(dir)?.model,
    };
    model.set_activations(run.activations)?;
    run.cache.apply(&mut model)?;
    let weights = bytes(&model);
    if let Source::Random(..) = run.source {
        check_memory(&model, run, isobit::alloc::available_memory())?;
        fill(&mut model)?;
    }
    let cost = cost(&model);
    say!(
        "{} with {:.2} bits per weight{}{}: {:.2} GB, made in {:.1} s; {} threads, {}",
        run.source.name(),
        bits_per_weight(&model),
        if run.activations == Activations::Int8 { ", activations rounded to eight bits" } else { "" },
        model.cache_format().map_or_else(String::new, |f| format!(", a cache of {} bits", f.bits())),
        weights as f64 / 1e9,
        start.elapsed().as_secs_f64(),
        isobit_kernels::par::threads(),
        isobit_kernels::isa::level().name()
    );
    let (gflops, read) = limits()?;
    say!("limits: {gflops:.0} GFLOP/s float32 FMA, {read:.1} GB/s read from memory on huge pages");
    say!(
        "a token: {:.2} GB of weights, {:.2} GFLOP of products with them\n",
        cost.bytes / 1e9,
        (cost.flops + cost.head) / 1e9
    );
    let vocab = model.config().vocab_size;
    let text: Vec<u32> = (0..run.prompt).map(|i| (i * 7919 % vocab) as u32).collect();

    // Memory is mapped and weights are packed before anything is timed.
    let mut warm = Session::new(&model);
    warm.read(&model, &text, 512)?;
    for i in 0..4 {
        warm.read(&model, &[i], 1)?;
    }
    drop(warm);
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds.max(1) {
        let mut session = Session::new(&model);
        let start = Instant::now();
        session.read(&model, &text, 512)?;
        prefill.push(run.prompt as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        for i in 0..run.tokens {
            session.read(&model, &[(i * 104_729 % vocab) as u32], 1)?;
        }
        decode.push(run.tokens as f64 / start.elapsed().as_secs_f64());
    }
    // A chunk of a prompt reads the weights once; of mixtures it may meet every expert.
    let prompt_flops = cost.flops * run.prompt as f64 + cost.head;
    let prompt_bytes = weights as f64 * run.prompt.div_ceil(512) as f64;
    let of_prompt = |work: f64, rate: f64| run.prompt as f64 * rate * 1e9 / work;
    say!(
        "{:<10} {:>7} {:>10} {:>10} {:>24} {:>24}",
        "phase",
        "tokens",
        "tokens/s",
        "best",
        "limit by arithmetic",
        "limit by bandwidth"
    );
    row("prefill", run.prompt, prefill, of_prompt(prompt_flops, gflops), of_prompt(prompt_bytes, read))?;
    row("decode", run.tokens, decode, gflops * 1e9 / (cost.flops + cost.head), read * 1e9 / cost.bytes)?;
    if run.profile {
        profiled(&model, &text, run.tokens)?;
    }
    Ok(())
}

/// One more prompt and text with every primitive measured.
fn profiled(model: &Qwen3, text: &[u32], tokens: usize) -> Result<()> {
    let profiler = Profiler::new()?;
    profiler.with(|| {
        let mut session = Session::new(model);
        let start = Instant::now();
        session.read(model, text, 512)?;
        say!("\n{}", profiler.report("a prompt:", start.elapsed(), 1));
        let start = Instant::now();
        for i in 0..tokens {
            session.read(model, &[(i * 104_729 % model.config().vocab_size) as u32], 1)?;
        }
        say!("{}", profiler.report("a token after it:", start.elapsed(), tokens));
        Ok(())
    })
}

/// The model in its format, with zeros that take no memory.
fn lazy_model(shape: Shape, format: Option<Format>) -> Result<Qwen3> {
    let mut model = Qwen3::zeros(shape.config(), Dtype::BF16)?;
    if let Some(format) = format {
        let quantization: Quantization = Recipe::new(format).resolve(&model.quantizable_layers())?;
        model.quantize(&quantization)?;
    }
    Ok(model)
}

/// Stored bits of a weight in a layer that can be quantized, scales and biases included.
fn bits_per_weight(model: &Qwen3) -> f64 {
    let params = model.parameters();
    let (mut bits, mut weights) = (0, 0);
    for (path, shape) in model.quantizable_layers() {
        weights += shape.iter().product::<usize>();
        bits += stored(&params, &path) * 8;
    }
    bits as f64 / weights.max(1) as f64
}

/// Bytes of a layer's matrix.
fn stored(params: &Params, path: &str) -> usize {
    let part = |name: &str| params.get(&format!("{path}.{name}")).map_or(0, Array::nbytes);
    part("weight") + part("scales") + part("biases")
}

fn bytes(model: &Qwen3) -> usize {
    model.parameters().values().map(Array::nbytes).sum()
}

fn row(name: &str, tokens: usize, mut rates: Vec<f64>, arithmetic: f64, bandwidth: f64) -> Result<()> {
    rates.sort_by(f64::total_cmp);
    let (median, best) = (rates[rates.len() / 2], rates[rates.len() - 1]);
    let limit = |rate: f64| format!("{rate:.1} ({:.0} %)", 100.0 * median / rate);
    say!("{name:<10} {tokens:>7} {median:>10.1} {best:>10.1} {:>24} {:>24}", limit(arithmetic), limit(bandwidth));
    Ok(())
}

/// Counts what a token meets: every matrix but the embedding (unless it is the output projection too), and of experts the
/// chosen share.
fn cost(model: &Qwen3) -> Cost {
    let config = model.config();
    let params = model.parameters();
    let share = config.experts.as_ref().map_or(1.0, |e| e.num_experts_per_tok as f64 / e.num_experts as f64);
    let mut cost = Cost { bytes: 0.0, flops: 0.0, head: 0.0 };
    for (path, shape) in model.quantizable_layers() {
        let is_table = path.ends_with("embed_tokens");
        if is_table && !config.tie_word_embeddings {
            continue;
        }
        let part = if shape.len() == 3 { share } else { 1.0 };
        let flops = 2.0 * part * shape.iter().product::<usize>() as f64;
        *(if is_table || path == "lm_head" { &mut cost.head } else { &mut cost.flops }) += flops;
        cost.bytes += part * stored(&params, &path) as f64;
    }
    cost
}

/// # Errors
/// Weights, cache and room to work that do not fit what memory is free. Packed copies of weights take what is left.
fn check_memory(model: &Qwen3, run: &Run, free: usize) -> Result<()> {
    let weights = bytes(model);
    let c = model.config();
    let positions = (run.prompt + run.tokens).next_multiple_of(256) * 2;
    let cache = 4 * positions * c.num_hidden_layers * c.num_key_value_heads * c.head_dim;
    let widest =
        c.intermediate_size.max(c.experts.as_ref().map_or(0, |e| e.moe_intermediate_size * e.num_experts_per_tok));
    let work = run.prompt.min(512) * widest * 32 + (512 << 20);
    let need = weights + cache + work;
    if need > free {
        let gb = |n: usize| n as f64 / 1e9;
        let message = format!(
            "this shape needs {:.1} GB ({:.1} GB of weights with {:.1} bits, the rest to work in), but {:.1} GB are free",
            gb(need),
            gb(weights),
            bits_per_weight(model),
            gb(free)
        );
        return Err(Error::value("bench", message));
    }
    Ok(())
}

/// Random codes and weights, and scales that give quantized weights the size that floats have here.
fn fill(model: &mut Qwen3) -> Result<()> {
    let (mut seed, mut result) = (0, Ok(()));
    model.visit_mut(&mut Path::new(), &mut |name, a| {
        if result.is_err() {
            return;
        }
        seed += 1;
        match drawn(name, a, seed) {
            Ok(fresh) => *a = fresh,
            Err(e) => result = Err(e),
        }
    });
    result
}

fn drawn(name: &str, a: &Array, seed: u64) -> Result<Array> {
    let (shape, key) = (a.shape(), random::key(seed));
    let fresh = if a.dtype() == Dtype::U32 {
        random::bits(shape, 4, Some(&key))?
    } else if a.ndim() == 1 {
        ops::ones(shape, a.dtype())?
    } else if name.ends_with(".scales") || name.ends_with(".biases") {
        // Codes of any width then reach from -0.05 to 0.05 or so.
        let of_scale = 0.006;
        ops::full(shape, if name.ends_with(".scales") { of_scale } else { -8.0 * of_scale }, a.dtype())?
    } else {
        ops::astype(&random::uniform(-0.05, 0.05, shape, Dtype::F32, Some(&key))?, a.dtype())?
    };
    let fresh = ops::contiguous(&fresh)?;
    fresh.eval()?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isobit::quant::Mode;

    fn four() -> Option<Format> {
        Some(Format::new(Mode::Affine, None, Some(4)).unwrap())
    }

    #[test]
    fn geometries_have_the_published_sizes() {
        for (shape, millions, met) in
            [(Shape::Small, 596, 595), (Shape::Middle, 8190, 7568), (Shape::Sparse, 30_532, 3041)]
        {
            let model = lazy_model(shape, None).unwrap();
            assert_eq!(model.num_parameters() / 1_000_000, millions);
            let cost = cost(&model);
            // Matrices in bfloat16: two operations and two bytes for each element that a token meets.
            assert_eq!(((cost.flops + cost.head) / 2e6) as usize, met, "{shape:?}");
            assert_eq!(cost.bytes, cost.flops + cost.head);
            assert_eq!(bits_per_weight(&model), 16.0);
        }
        let four = lazy_model(Shape::Middle, four()).unwrap();
        let bits = bytes(&four) as f64 * 8.0 / 8.191e9;
        assert!((bits - 4.5).abs() < 0.01 && bits_per_weight(&four) == 4.5, "{bits}");
        let scaled = lazy_model(Shape::Sparse, Some(Format::new(Mode::Nvfp4, None, None).unwrap())).unwrap();
        // Routers have 8 bits and a scale and a bias for each 64 weights.
        assert!((bits_per_weight(&scaled) - 4.5).abs() < 0.01);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let source = Source::Random(Shape::Sparse, four());
        let (activations, cache) = (Activations::Exact, CacheOptions::default());
        let run = Run { source, cache, activations, prompt: 512, tokens: 32, rounds: 1, profile: false };
        let model = lazy_model(Shape::Sparse, four()).unwrap();
        let e = check_memory(&model, &run, 16 << 30).unwrap_err().to_string();
        assert!(e.contains("17.2 GB of weights with 4.5 bits") && e.contains("17.2 GB are free"), "{e}");
        check_memory(&model, &run, 64 << 30).unwrap();
    }
}
