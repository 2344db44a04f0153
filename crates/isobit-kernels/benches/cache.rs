//! Attention to a quantized cache beside attention to one of bfloat16 or float16, on one thread.
//!
//! ```text
//! cargo bench -p isobit-kernels --bench cache
//! cargo bench -p isobit-kernels --bench cache -- heads=64,96,128 keys=512,4096 queries=1,2,4,8 bits=2,3,4,5,6,8 turns=61
//! ```
//!
//! 8 key heads, as many query heads for each as there are queries (so many rows share a key), bfloat16 queries, bfloat16 scales,
//! no mask. Every kind in turn with the bfloat16 cache, two caches of each; a cell is the median of the turns' ratios, and of
//! bfloat16 the median time. Answers are checked: the bits of attention to the dequantized keys and values in single precision,
//! rounded once.

use half::{bf16, f16};
use isobit_kernels::attention::{
    AttentionInputs, AttentionShape, Mask, Operand, QuantizedOperand, attention, attention_quantized,
};
use isobit_kernels::quant::{Codes, Format, Scales};
use isobit_kernels::{isa, par};
use std::time::Instant;

const HEADS: usize = 8;
/// Arguments.
const NAMES: [&str; 5] = ["heads", "keys", "queries", "bits", "turns"];

/// Uniform in -1..1.
fn random(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn strides(keys: usize, width: usize) -> [isize; 3] {
    [HEADS * keys * width, keys * width, width].map(|s| s as isize)
}

/// Every head's rows, one after the other.
fn rows<T>(data: &[T], keys: usize, width: usize) -> Operand<'_, T> {
    Operand { data, offset: 0, strides: strides(keys, width) }
}

/// Rows of codes as a range of numbers is quantized: zero is a code.
struct Stored {
    format: Format,
    keys: usize,
    dim: usize,
    codes: Vec<u32>,
    scales: Vec<u8>,
    biases: Vec<u8>,
}

impl Stored {
    fn of(x: &[f32], keys: usize, dim: usize, bits: usize, group: usize) -> Stored {
        let format = Format { bits, group, codes: Codes::Unsigned, scales: Scales::Bf16 };
        let mut stored = Stored { format, keys, dim, codes: Vec::new(), scales: Vec::new(), biases: Vec::new() };
        let most = ((1u32 << bits) - 1) as f32;
        for row in x.chunks_exact(dim) {
            let mut words = vec![0u32; dim * bits / 32 + 1];
            for (g, numbers) in row.chunks_exact(group).enumerate() {
                let scale = bf16::from_f32(2.0 / most);
                let bias = bf16::from_f32(-(most * 0.5).round() * scale.to_f32());
                for (i, &number) in numbers.iter().enumerate() {
                    let code = ((number - bias.to_f32()) / scale.to_f32()).round().clamp(0.0, most) as u64;
                    let at = (g * group + i) * bits;
                    let wide = code << (at % 32);
                    words[at / 32] |= wide as u32;
                    words[at / 32 + 1] |= (wide >> 32) as u32;
                }
                stored.scales.extend(scale.to_le_bytes());
                stored.biases.extend(bias.to_le_bytes());
            }
            stored.codes.extend(&words[..dim * bits / 32]);
        }
        stored
    }

    fn operand(&self) -> QuantizedOperand<'_> {
        let bytes = self.dim / self.format.group * 2;
        let codes = rows(&self.codes, self.keys, self.dim * self.format.bits / 32);
        QuantizedOperand {
            format: self.format,
            codes,
            scales: rows(&self.scales, self.keys, bytes),
            biases: rows(&self.biases, self.keys, bytes),
        }
    }

    fn floats(&self) -> Vec<f32> {
        let (words, groups) = (self.dim * self.format.bits / 32, self.dim / self.format.group);
        let number = |from: &[u8], at: usize| bf16::from_le_bytes([from[2 * at], from[2 * at + 1]]).to_f32();
        let mut floats = Vec::new();
        for row in 0..HEADS * self.keys {
            for d in 0..self.dim {
                let (at, bits) = (d * self.format.bits, self.format.bits);
                let word = |i: usize| u64::from(*self.codes[row * words..][..words].get(i).unwrap_or(&0));
                let code = ((word(at / 32) | word(at / 32 + 1) << 32) >> (at % 32)) & ((1 << bits) - 1);
                let group = row * groups + d / self.format.group;
                floats.push(code as f32 * number(&self.scales, group) + number(&self.biases, group));
            }
        }
        floats
    }
}

fn shape(keys: usize, dim: usize, queries: usize) -> AttentionShape {
    let q_heads = HEADS * queries;
    AttentionShape { batch: 1, q_heads, kv_heads: HEADS, q_len: 1, k_len: keys, head_dim: dim, value_dim: dim }
}

fn inputs<'a, T, K>(q: &'a [T], k: K, v: K, keys: usize, dim: usize, queries: usize) -> AttentionInputs<'a, T, K> {
    let shape = shape(keys, dim, queries);
    let strides = [shape.q_heads * dim, dim, dim].map(|s| s as isize);
    let q = Operand { data: q, offset: 0, strides };
    AttentionInputs { shape, q, k, v, scale: 1.0 / (dim as f64).sqrt(), mask: Mask::None, sinks: None }
}

/// What `NAME=1,2,3` among the arguments says.
fn list(name: &str, otherwise: &[usize]) -> Vec<usize> {
    assert!(NAMES.contains(&name));
    let given = std::env::args().find_map(|a| a.strip_prefix(name).and_then(|a| a.strip_prefix('=')).map(String::from));
    match given {
        Some(given) => given.split(',').map(|n| n.parse().expect("numbers, and commas between them")).collect(),
        None => otherwise.to_vec(),
    }
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    x[x.len() / 2]
}

/// Seconds of a call, of about two milliseconds of calls.
fn time(mut f: impl FnMut(usize)) -> f64 {
    let one = Instant::now();
    f(0);
    let calls = (2e-3 / one.elapsed().as_secs_f64()).ceil().clamp(1.0, 200.0) as usize;
    let start = Instant::now();
    (0..calls).for_each(&mut f);
    start.elapsed().as_secs_f64() / calls as f64
}

fn main() {
    // Cargo adds `--bench`.
    for arg in std::env::args().skip(1).filter(|arg| arg != "--bench") {
        let known = arg.split_once('=').is_some_and(|(name, _)| NAMES.contains(&name));
        assert!(known, "expected NAME=NUMBER,NUMBER with one of {NAMES:?}, got {arg:?}");
    }
    par::set_threads(1);
    let turns = list("turns", &[15])[0];
    let (heads, queries) = (list("heads", &[64, 96, 128]), list("queries", &[1, 2, 4, 8]));
    println!("{} level, one thread; median ratios of {turns} turns to a bfloat16 cache\n", isa::level().name());
    for &keys in &list("keys", &[4096]) {
        let columns: String = queries.iter().map(|n| format!(" {n} |")).collect();
        println!(
            "| {keys} keys: heads of, bits, groups of; queries: |{columns}\n|---|{}",
            "---|".repeat(queries.len())
        );
        for &dim in &heads {
            row(keys, dim, &queries, turns);
        }
    }
}

/// The lines of one width of heads.
fn row(keys: usize, dim: usize, queries: &[usize], turns: usize) {
    let caches: Vec<(Vec<f32>, Vec<f32>)> =
        (0..2).map(|i| (random(HEADS * keys * dim, 2 * i + 3), random(HEADS * keys * dim, 2 * i + 4))).collect();
    let q = random(HEADS * queries.iter().max().copied().unwrap_or(1) * dim, 1);
    let to_bf16 = |x: &[f32]| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
    let to_f16 = |x: &[f32]| x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
    let (q_bf16, q_f16) = (to_bf16(&q), to_f16(&q));
    let half: Vec<_> = caches.iter().map(|(k, v)| (to_bf16(k), to_bf16(v))).collect();
    let reference = |n: usize, i: usize, out: &mut [bf16]| {
        let (k, v) = &half[i % 2];
        let (k, v) = (rows(k, keys, dim), rows(v, keys, dim));
        attention(&inputs(&q_bf16[..HEADS * n * dim], k, v, keys, dim, n), out, None);
    };
    let mut line = format!("| {dim}, bfloat16, ms |");
    for &n in queries {
        let mut out = vec![bf16::ZERO; HEADS * n * dim];
        let times = (0..turns).map(|_| time(|i| reference(n, i, &mut out))).collect();
        line += &format!(" {:.3} |", median(times) * 1e3);
    }
    println!("{line}");
    let in_turn = |n: usize, f: &mut dyn FnMut(usize)| {
        let mut out = vec![bf16::ZERO; HEADS * n * dim];
        let mut ratios = Vec::new();
        for turn in 0..turns {
            let both = if turn % 2 == 0 {
                let other = time(|i| reference(n, i, &mut out));
                (time(&mut *f), other)
            } else {
                (time(&mut *f), time(|i| reference(n, i, &mut out)))
            };
            ratios.push(both.0 / both.1);
        }
        median(ratios)
    };
    let mut line = format!("| {dim}, float16 |");
    let floats: Vec<_> = caches.iter().map(|(k, v)| (to_f16(k), to_f16(v))).collect();
    for &n in queries {
        let mut out = vec![f16::ZERO; HEADS * n * dim];
        let ratio = in_turn(n, &mut |i| {
            let (k, v) = &floats[i % 2];
            let (k, v) = (rows(k, keys, dim), rows(v, keys, dim));
            attention(&inputs(&q_f16[..HEADS * n * dim], k, v, keys, dim, n), &mut out, None);
        });
        line += &format!(" {ratio:.2} |");
    }
    println!("{line}");
    for &bits in &list("bits", &[2, 3, 4, 5, 6, 8]) {
        for group in [32, 64] {
            if !dim.is_multiple_of(group) {
                continue;
            }
            let stored: Vec<_> = caches
                .iter()
                .map(|(k, v)| (Stored::of(k, keys, dim, bits, group), Stored::of(v, keys, dim, bits, group)))
                .collect();
            let (k, v) = &stored[0];
            let (kf, vf) = (k.floats(), v.floats());
            let mut line = format!("| {dim}, {bits}, {group} |");
            for &n in queries {
                let q = &q_bf16[..HEADS * n * dim];
                let mut out = vec![bf16::ZERO; HEADS * n * dim];
                attention_quantized(&inputs(q, k.operand(), v.operand(), keys, dim, n), &mut out);
                let wide: Vec<f32> = q.iter().map(|x| x.to_f32()).collect();
                let mut right = vec![0f32; out.len()];
                attention(&inputs(&wide, rows(&kf, keys, dim), rows(&vf, keys, dim), keys, dim, n), &mut right, None);
                let same = out.iter().zip(&right).all(|(a, &b)| a.to_bits() == bf16::from_f32(b).to_bits());
                assert!(same, "{bits} bits, groups of {group}, heads of {dim}, {n} queries: other bits than of floats");
                let ratio = in_turn(n, &mut |i| {
                    let (k, v) = &stored[i % 2];
                    attention_quantized(&inputs(q, k.operand(), v.operand(), keys, dim, n), &mut out);
                });
                let bold = if ratio <= 1.0 { "**" } else { "" };
                line += &format!(" {bold}{ratio:.2}{bold} |");
            }
            println!("{line}");
        }
    }
}
