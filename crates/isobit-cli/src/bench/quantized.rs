//! Rows of quantized products: every format, and mixtures of experts beside the same work done densely.

use super::rows::{Row, normal};
use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, fast, ops, random};

/// The format of that name: `q4` (groups of 64), `q4g32`, `mxfp4`, ..
pub fn format(name: &str) -> Result<Option<Format>> {
    if let Ok(mode) = name.parse::<Mode>() {
        return if mode == Mode::Affine { Ok(None) } else { Format::new(mode, None, None).map(Some) };
    }
    let Some(rest) = name.strip_prefix('q') else { return Ok(None) };
    let (bits, group) = rest.split_once('g').unwrap_or((rest, "64"));
    let (Ok(bits), Ok(group)) = (bits.parse(), group.parse()) else { return Ok(None) };
    Format::new(Mode::Affine, Some(group), Some(bits)).map(Some)
}

fn bytes_of(format: Format, n: usize, k: usize) -> f64 {
    let scales = n * k / format.group_size();
    (n * k * format.bits()) as f64 / 8.0 + (scales * if format.has_biases() { 4 } else { 1 }) as f64
}

/// `x @ W.T` with bfloat16 activations, several weights in turn so that they come from memory; `once` takes another part of
/// a larger one each time, so that nothing can have been kept with it; with `i8` after the name activations are rounded to
/// eight bits.
pub fn product(name: &str, n: usize, m: usize, once: bool) -> Result<Row> {
    let (name, int8) = name.strip_suffix("i8").map_or((name, false), |name| (name, true));
    let k = 4096;
    let format = format(name)?.ok_or_else(|| isobit::Error::value("bench", format!("no format {name}")))?;
    let x = normal(&[m, k], Dtype::BF16, 3)?;
    let copies = if once { 1 } else { 6 };
    let mut all = Vec::new();
    for seed in 0..copies {
        let rows = if once { 6 * n } else { n };
        let q = ops::quantize(&normal(&[rows, k], Dtype::BF16, 4 + seed)?, format, None)?;
        isobit::eval(&[q.codes.clone(), q.scales.clone()])?;
        all.push(q);
    }
    let row = ops::slice(&x, &[0], &[1], &[1])?;
    let product = move |q: &ops::Quantized| match (&q.codes, &q.scales, q.biases.as_ref()) {
        (codes, scales, biases) if int8 => ops::quantized_matmul_int8(&x, codes, scales, biases, format),
        (codes, scales, biases) => ops::quantized_matmul(&x, codes, scales, biases, true, format),
    };
    let wide = |a: &Array| ops::astype(a, Dtype::F64);
    let first = part(&all[0], 0, n)?;
    let scales = if format.has_biases() { wide(&first.scales)? } else { first.scales.clone() };
    let biases = first.biases.as_ref().map(wide).transpose()?;
    let dense = ops::dequantize(&first.codes, &scales, biases.as_ref(), format, None, Some(Dtype::F64))?;
    let want = ops::matmul(&wide(&row)?, &ops::transpose(&dense, ..)?)?;
    let got = wide(&ops::slice(&product(&first)?, &[0], &[1], &[1])?)?;
    let worst = ops::max(&ops::abs(&ops::subtract(&got, &want)?)?, .., false)?.item::<f64>()?;
    let allowed = if int8 { 5e-2 } else { 2e-2 };
    assert!(worst <= allowed * (k as f64).sqrt(), "a quantized product is off by {worst}");
    let mut turn = 0;
    let call: Box<dyn FnMut() -> Result<Vec<Array>>> = if once {
        Box::new(move || {
            // 61 rows on: the same memory only after hundreds of calls, never the same operand before that.
            turn = (turn + n / 2 + 61) % (5 * n);
            Ok(vec![product(&part(&all[0], turn, n)?)?])
        })
    } else {
        Box::new(move || {
            turn = (turn + 1) % all.len();
            Ok(vec![product(&all[turn])?])
        })
    };
    let bytes = bytes_of(format, n, k) + (2 * m * (k + n)) as f64;
    let warm = if once || m > 64 { 2 } else { 3 * copies as usize + 1 };
    Ok(Row { call, repeats: 1, flops: 2.0 * (m * n * k) as f64, bytes, warm })
}

/// Rows `from .. from + n` of a quantized matrix.
fn part(q: &ops::Quantized, from: usize, n: usize) -> Result<ops::Quantized> {
    let rows = |a: &Array| ops::slice(a, &[from as isize], &[(from + n) as isize], &[1]);
    Ok(ops::Quantized {
        codes: rows(&q.codes)?,
        scales: rows(&q.scales)?,
        biases: q.biases.as_ref().map(rows).transpose()?,
    })
}

/// How the products of a mixture are computed.
#[derive(Clone, Copy, PartialEq)]
pub enum Experts {
    /// Rows gathered by expert.
    Gathered,
    /// The same, with activations rounded to eight bits.
    GatheredInt8,
    /// The same bytes and operations as one product with a plain matrix (for 512 tokens, 32 rows times all experts).
    Plain,
}

impl Experts {
    /// By the name in a row's.
    pub fn named(name: &str) -> Option<Experts> {
        let all = [("q4", Experts::Gathered), ("q4i8", Experts::GatheredInt8), ("dense", Experts::Plain)];
        all.into_iter().find(|(n, _)| *n == name).map(|(_, kind)| kind)
    }
}

/// Experts at random, eight different ones for each token.
struct Routed {
    order: Vec<i32>,
    next: usize,
    state: u32,
}

impl Routed {
    fn new(count: usize) -> Routed {
        Routed { order: (0..count as i32).collect(), next: 0, state: 1 }
    }

    /// The experts of a token: in a prompt any (so that experts have unequally many rows), otherwise none again before all
    /// have been used (so that they come from memory).
    fn token(&mut self, prompt: bool) -> &[i32] {
        if prompt || self.next + 8 > self.order.len() {
            self.next = 0;
        }
        if self.next == 0 {
            for i in 1..self.order.len() {
                // Marsaglia's xorshift.
                self.state ^= self.state << 13;
                self.state ^= self.state >> 17;
                self.state ^= self.state << 5;
                self.order.swap(i, self.state as usize % (i + 1));
            }
        }
        self.next += 8;
        &self.order[self.next - 8..self.next]
    }
}

/// 128 experts of 768 x 2048, 8 for each token, 4 bits: one token, or 512 sorted by expert,
/// routed at random.
pub fn experts(kind: Experts, prefill: bool) -> Result<Row> {
    let (count, n, k, tokens) = (128usize, 768usize, 2048usize, if prefill { 512 } else { 1 });
    let format = Format::new(Mode::Affine, Some(64), Some(4))?;
    let pairs = 8 * tokens;
    let (flops, read) = (2.0 * (pairs * n * k) as f64, if prefill { count * n } else { 8 * n });
    let bytes = bytes_of(format, read, k) + (2 * (pairs * n + tokens * k)) as f64;
    let mut turn = 0;
    let call: Box<dyn FnMut() -> Result<Vec<Array>>> = if kind != Experts::Plain {
        let q = weights(format, count * n, k, 1)?;
        let stack = |a: &Array| ops::reshape(a, &[count as isize, n as isize, -1]);
        let (codes, scales) = (stack(&q.codes)?, stack(&q.scales)?);
        let biases = q.biases.as_ref().map(stack).transpose()?;
        let x = normal(&[tokens, 1, k], Dtype::BF16, 4)?;
        let choices = 16;
        let mut routed = Routed::new(count);
        let mut index = |_| -> Result<(Array, Array)> {
            let mut pairs: Vec<(i32, i32)> = Vec::new();
            for t in 0..tokens as i32 {
                pairs.extend(routed.token(prefill).iter().map(|&expert| (expert, t)));
            }
            pairs.sort_unstable();
            let of =
                |f: fn(&(i32, i32)) -> i32| Array::from_slice(&pairs.iter().map(f).collect::<Vec<_>>(), &[8 * tokens]);
            Ok((of(|p| p.1)?, of(|p| p.0)?))
        };
        let all: Vec<_> = (0..choices).map(&mut index).collect::<Result<_>>()?;
        let product = move |(lhs, rhs): &(Array, Array)| {
            let (biases, lhs, rhs) = (biases.as_ref(), Some(lhs), Some(rhs));
            match kind {
                Experts::GatheredInt8 => ops::gather_qmm_int8(&x, &codes, &scales, biases, lhs, rhs, format),
                _ => ops::gather_qmm(&x, &codes, &scales, biases, lhs, rhs, true, format),
            }
        };
        Box::new(move || {
            turn = (turn + 1) % choices;
            Ok(vec![product(&all[turn])?])
        })
    } else {
        let m = if prefill { 32 } else { 1 };
        let x = normal(&[m, k], Dtype::BF16, 4)?;
        // As many weights in turn as the experts are.
        let parts: Vec<_> =
            (0..count * n / read).map(|i| weights(format, read, k, 3 * i as u64)).collect::<Result<_>>()?;
        Box::new(move || {
            turn = (turn + 1) % parts.len();
            let q = &parts[turn];
            Ok(vec![ops::quantized_matmul(&x, &q.codes, &q.scales, q.biases.as_ref(), true, format)?])
        })
    };
    Ok(Row { call, repeats: 1, flops, bytes, warm: if prefill { 2 } else { 3 * 16 + 1 } })
}

/// A matrix of random codes, made of no float matrix.
fn weights(format: Format, n: usize, k: usize, seed: u64) -> Result<ops::Quantized> {
    let codes = random::bits(&[n, format.words(k)], 4, Some(&random::key(seed)))?;
    let groups = [n, k / format.group_size()];
    let scales = random::uniform(0.01, 0.02, &groups, Dtype::BF16, Some(&random::key(seed + 1)))?;
    let biases = random::uniform(-0.1, 0.1, &groups, Dtype::BF16, Some(&random::key(seed + 2)))?;
    isobit::eval(&[codes.clone(), scales.clone(), biases.clone()])?;
    Ok(ops::Quantized { codes, scales, biases: Some(biases) })
}

/// One bfloat16 query on a quantized cache of 4096 keys, in groups of 64.
pub fn attention(bits: usize) -> Result<Row> {
    let format = Format::new(Mode::Affine, Some(64), Some(bits))?;
    let q = normal(&[1, 16, 1, 128], Dtype::BF16, 1)?;
    let stored = |seed: u64| ops::quantize(&normal(&[1, 8, 4096, 128], Dtype::BF16, seed)?, format, None);
    let (k, v) = (stored(2)?, stored(3)?);
    let scale = 1.0 / 128f32.sqrt();
    let got = fast::quantized_scaled_dot_product_attention(&q, &k, &v, format, scale, fast::Mask::None, None)?;
    let floats = |x: &ops::Quantized| {
        let of = |a: &Array| ops::astype(a, Dtype::F32);
        let biases = x.biases.as_ref().map(of).transpose()?;
        ops::dequantize(&x.codes, &of(&x.scales)?, biases.as_ref(), format, None, None)
    };
    let wide = ops::astype(&q, Dtype::F32)?;
    let want = fast::scaled_dot_product_attention(&wide, &floats(&k)?, &floats(&v)?, scale, fast::Mask::None, None)?;
    let same = ops::array_equal(&got, &ops::astype(&want, Dtype::BF16)?, false)?.item::<bool>()?;
    assert!(same, "attention to codes is that to the floats that they stand for");
    Ok(Row {
        call: Box::new(move || {
            let mask = fast::Mask::None;
            Ok(vec![fast::quantized_scaled_dot_product_attention(&q, &k, &v, format, scale, mask, None)?])
        }),
        repeats: 1,
        flops: 4.0 * (16 * 4096 * 128) as f64,
        bytes: (2 * 8 * 4096 * (128 * bits / 8 + 8)) as f64,
        warm: 2,
    })
}
