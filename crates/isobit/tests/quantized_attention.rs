//! Attention to quantized keys and values: random cases (formats, masks, sinks, layouts, widths) against the definition in
//! float64, against attention to the dequantized floats bit for bit, and rows, batches and derivatives of them.
//!
//! `ISOBIT_TEST_ROUNDS=2000` for more cases.

use isobit::ops::Quantized;
use isobit::quant::{Format, Mode};
use isobit::transforms::Trace;
use isobit::{Array, Dtype, Result, fast, ops, random, transforms};
use isobit_testing::draw::Rng;
use isobit_testing::settings;

fn rounds(n: u64) -> u64 {
    std::env::var("ISOBIT_TEST_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(n)
}

fn normal(shape: &[usize], seed: u64, dtype: Dtype) -> Result<Array> {
    ops::astype(&random::normal(shape, Dtype::F32, 0.0, 1.0, Some(&random::key(seed)))?, dtype)
}

fn floats(a: &Array) -> Result<Vec<f64>> {
    ops::astype(a, Dtype::F64)?.to_vec()
}

fn same(a: &Array, b: &Array, what: &str) -> Result<()> {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{what}");
    assert!(ops::array_equal(a, b, true)?.item::<bool>()?, "{what}: other bits");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    None,
    Causal,
    Keep,
    Add,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Dense,
    /// Length before heads.
    Transposed,
    /// The first rows of a longer buffer.
    Cache,
    /// One head for all.
    Broadcast,
    /// Stored from the last key to the first.
    Backwards,
}

#[derive(Clone, Debug)]
struct Case {
    format: Format,
    dtype: Dtype,
    batch: usize,
    heads: [usize; 2],
    lens: [usize; 2],
    dims: [usize; 2],
    kind: Kind,
    sinks: bool,
    layouts: [Layout; 2],
    seed: u64,
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len())]
}

impl Case {
    fn random(rng: &mut Rng) -> Result<Case> {
        use Layout::*;
        let format = Format::new(Mode::Affine, Some(pick(rng, &[32, 64, 128])), Some(pick(rng, &[2, 3, 4, 5, 6, 8])))?;
        let dim = |rng: &mut Rng| format.group_size() * pick(rng, &[1, 2, 3][..(384 / format.group_size()).min(3)]);
        let (kv, group) = (1 + rng.below(3), pick(rng, &[1, 1, 2, 3, 5]));
        Ok(Case {
            format,
            dtype: pick(rng, &[Dtype::F32, Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::BF16, Dtype::F64]),
            batch: 1 + rng.below(2),
            heads: [kv * group, kv],
            lens: [
                pick(rng, &[1, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33, 64, 97, 130]),
                pick(rng, &[1, 3, 16, 63, 64, 65, 130, 200, 513, 600]),
            ],
            dims: [dim(rng), dim(rng)],
            kind: pick(rng, &[Kind::None, Kind::Causal, Kind::Keep, Kind::Add]),
            sinks: rng.below(3) == 0,
            layouts: [(); 2].map(|()| pick(rng, &[Dense, Transposed, Cache, Broadcast, Backwards])),
            seed: rng.bits(),
        })
    }

    fn inputs(&self) -> Result<Inputs> {
        let [hq, hkv] = self.heads;
        let [lq, lk] = self.lens;
        // Up to a few units apart: the softmax is neither flat nor one key's alone.
        let q = normal(&[self.batch, hq, lq, self.dims[0]], self.seed, self.dtype)?;
        let stored = |which: usize| {
            let (layout, dim) = (self.layouts[which], self.dims[which]);
            let shape = match layout {
                Layout::Broadcast => [self.batch, 1, lk, dim],
                Layout::Cache => [self.batch, hkv, lk + 37, dim],
                _ => [self.batch, hkv, lk, dim],
            };
            let stored = if self.dtype == Dtype::F64 { Dtype::F32 } else { self.dtype };
            let x = normal(&shape, self.seed ^ (1 + which as u64), stored)?;
            let q = ops::quantize(&x, self.format, None)?;
            let lay = |a: &Array| self.laid(a, layout, [self.batch, hkv, lk]);
            Ok::<_, isobit::Error>(Quantized {
                codes: lay(&q.codes)?,
                scales: lay(&ops::astype(&q.scales, self.dtype)?)?,
                biases: q.biases.as_ref().map(|b| lay(&ops::astype(b, self.dtype)?)).transpose()?,
            })
        };
        let (keys, values) = (stored(0)?, stored(1)?);
        let mask = self.mask()?;
        let sinks = self.sinks.then(|| normal(&[hq], self.seed ^ 5, self.dtype)).transpose()?;
        Ok(Inputs { q, keys, values, mask, sinks })
    }

    /// The same numbers, or the first ones, with other strides.
    fn laid(&self, a: &Array, layout: Layout, [b, h, n]: [usize; 3]) -> Result<Array> {
        let width = a.shape()[3];
        let sizes = [b as isize, h as isize, n as isize, width as isize];
        match layout {
            Layout::Dense => Ok(a.clone()),
            Layout::Transposed => {
                let moved = ops::contiguous(&ops::swapaxes(a, 1, 2)?)?;
                ops::swapaxes(&moved, 1, 2)
            }
            Layout::Cache => ops::slice(a, &[0; 4], &sizes, &[1; 4]),
            Layout::Broadcast => ops::broadcast_to(a, &[b, h, n, width]),
            Layout::Backwards => {
                let start = [0, 0, n as isize - 1, 0];
                let stop = [sizes[0], sizes[1], -(n as isize) - 1, sizes[3]];
                let step = [1, 1, -1, 1];
                ops::slice(&ops::contiguous(&ops::slice(a, &start, &stop, &step)?)?, &start, &stop, &step)
            }
        }
    }

    /// In a shape that broadcasts to `[B, Hq, Lq, Lk]`; some rows see nothing.
    fn mask(&self) -> Result<Option<Array>> {
        let mut rng = Rng::new("mask", self.seed);
        let full = [self.batch, self.heads[0], self.lens[0], self.lens[1]];
        let shape: Vec<usize> =
            full.iter().enumerate().map(|(i, &n)| if i < 3 && rng.below(3) == 0 { 1 } else { n }).collect();
        let rows: usize = shape[..3].iter().product();
        let mut seen = Vec::new();
        for _ in 0..rows {
            let part = pick(&mut rng, &[0usize, 1, 3, 7, 7, 8]);
            seen.extend((0..full[3]).map(|_| rng.below(8) < part));
        }
        Ok(match self.kind {
            Kind::None | Kind::Causal => None,
            Kind::Keep => Some(Array::from_slice(&seen, &shape)?),
            Kind::Add => {
                let add: Vec<f32> =
                    seen.iter().map(|&s| if s { rng.real(-2.0, 2.0) as f32 } else { f32::NEG_INFINITY }).collect();
                Some(ops::astype(&Array::from_slice(&add, &shape)?, self.dtype)?)
            }
        })
    }
}

#[derive(Clone)]
struct Inputs {
    q: Array,
    keys: Quantized,
    values: Quantized,
    mask: Option<Array>,
    sinks: Option<Array>,
}

const SCALE: f32 = 0.11;

impl Inputs {
    fn mask(&self, case: &Case) -> fast::Mask<'_> {
        match &self.mask {
            _ if case.kind == Kind::Causal => fast::Mask::Causal,
            None => fast::Mask::None,
            Some(m) => fast::Mask::Array(m),
        }
    }

    fn run(&self, case: &Case) -> Result<Array> {
        let (mask, sinks) = (self.mask(case), self.sinks.as_ref());
        fast::quantized_scaled_dot_product_attention(&self.q, &self.keys, &self.values, case.format, SCALE, mask, sinks)
    }
}

impl Inputs {
    /// Queries; codes, scales and biases of keys and of values; the mask and the sinks if there are any.
    fn list(&self) -> Vec<Array> {
        let mut list = vec![self.q.clone()];
        for s in [&self.keys, &self.values] {
            list.extend([Some(s.codes.clone()), Some(s.scales.clone()), s.biases.clone()].into_iter().flatten());
        }
        list.extend(self.mask.iter().chain(&self.sinks).cloned());
        list
    }

    /// What such a list stands for, with a mask and sinks if there are some here.
    fn with(&self, list: &[Array]) -> Inputs {
        let stored = |i: usize| Quantized {
            codes: list[i].clone(),
            scales: list[i + 1].clone(),
            biases: Some(list[i + 2].clone()),
        };
        let mask = self.mask.as_ref().map(|_| list[7].clone());
        let sinks = self.sinks.as_ref().map(|_| list[list.len() - 1].clone());
        Inputs { q: list[0].clone(), keys: stored(1), values: stored(4), mask, sinks }
    }
}

/// What codes stand for in float64, and the size of the two terms that make up each element.
fn dense(x: &Quantized, format: Format) -> Result<(Vec<f64>, Vec<f64>)> {
    let codes = ops::unpack_bits(&ops::contiguous(&x.codes)?, format.bits())?.to_vec::<u8>()?;
    let (scales, biases) = (floats(&x.scales)?, x.biases.as_ref().map(floats).transpose()?.unwrap_or_default());
    let parts = codes
        .iter()
        .enumerate()
        .map(|(i, &c)| (f64::from(c) * scales[i / format.group_size()], biases[i / format.group_size()]));
    Ok(parts.map(|(a, b)| (a + b, a.abs() + b.abs())).unzip())
}

/// The definition in float64, and how far a computation in float32 with one rounding to the dtype may be off: rounding errors
/// of the scores (an element of a key has two, each step of the sum one) go through the exponential, those of the two sums
/// over keys are relative.
fn definition(case: &Case, x: &Inputs) -> Result<Vec<(f64, f64)>> {
    let ([hq, hkv], [lq, lk], [d, dv]) = (case.heads, case.lens, case.dims);
    let q = floats(&x.q)?;
    let ((k, k_size), (v, v_size)) = (dense(&x.keys, case.format)?, dense(&x.values, case.format)?);
    let mask = match &x.mask {
        Some(m) => {
            let full = ops::broadcast_to(m, &[case.batch, hq, lq, lk])?;
            let add = if case.kind == Kind::Keep {
                floats(&full)?.into_iter().map(|keep| if keep == 0.0 { f64::NEG_INFINITY } else { 0.0 }).collect()
            } else {
                floats(&full)?
            };
            Some(add)
        }
        None => None,
    };
    let sinks = x.sinks.as_ref().map(floats).transpose()?;
    let eps = if case.dtype == Dtype::F64 { 2f64.powi(-53) } else { 2f64.powi(-24) };
    let last = match case.dtype {
        Dtype::F16 => 2f64.powi(-11),
        Dtype::BF16 => 2f64.powi(-8),
        _ => eps,
    };
    let scale = f64::from(SCALE);
    let mut out = Vec::new();
    for b in 0..case.batch {
        for h in 0..hq {
            let head = b * hkv + h / (hq / hkv);
            for i in 0..lq {
                let at = ((b * hq + h) * lq + i) * d;
                let mut scores = Vec::new();
                for j in 0..lk {
                    let add = mask.as_ref().map_or(0.0, |m| m[((b * hq + h) * lq + i) * lk + j]);
                    let masked = case.kind == Kind::Causal && j + lq > i + lk;
                    if masked || add == f64::NEG_INFINITY {
                        continue;
                    }
                    let key = (head * lk + j) * d;
                    let dot: f64 = (0..d).map(|e| q[at + e] * k[key + e]).sum::<f64>() * scale;
                    let size: f64 = (0..d).map(|e| (q[at + e] * k_size[key + e]).abs()).sum::<f64>() * scale;
                    scores.push((j, dot + add, (d + 4) as f64 * size + 2.0 * add.abs()));
                }
                let sink = sinks.as_ref().map(|s| s[h]);
                let top = scores.iter().map(|s| s.1).chain(sink).fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s.1 - top).exp()).collect();
                let total: f64 = weights.iter().sum::<f64>() + sink.map_or(0.0, |s| (s - top).exp());
                let worst = scores.iter().map(|s| s.2).fold(0.0, f64::max) * eps;
                let relative = (2.0 * worst).exp_m1() + (2 * lk + 64) as f64 * eps;
                for e in 0..dv {
                    let each = || weights.iter().zip(&scores).map(|(w, s)| (w, (head * lk + s.0) * dv + e));
                    let sum: f64 = each().map(|(w, at)| w * v[at]).sum();
                    let size: f64 = each().map(|(w, at)| w * v_size[at]).sum();
                    let total = if scores.is_empty() { 1.0 } else { total };
                    let error = relative * size / total;
                    out.push((sum / total, error + last * ((sum / total).abs() + error) + 2f64.powi(-25)));
                }
            }
        }
    }
    Ok(out)
}

fn close(got: &Array, want: &[(f64, f64)], what: &str) -> Result<()> {
    let got = floats(got)?;
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, (w, bound))) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= *bound, "{what}: element {i} is {g}, expected {w} give or take {bound:e}");
    }
    Ok(())
}

/// Attention in float32 (float64) to the floats that the codes stand for, rounded once.
fn to_floats(case: &Case, x: &Inputs) -> Result<Array> {
    let wide = if case.dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let of = |x: &Quantized| {
        let (scales, biases) = (ops::astype(&x.scales, wide)?, x.biases.as_ref().map(|b| ops::astype(b, wide)));
        ops::dequantize(&x.codes, &scales, biases.transpose()?.as_ref(), case.format, None, Some(wide))
    };
    let (q, sinks) = (ops::astype(&x.q, wide)?, x.sinks.as_ref());
    let out = fast::scaled_dot_product_attention(&q, &of(&x.keys)?, &of(&x.values)?, SCALE, x.mask(case), sinks)?;
    ops::astype(&out, case.dtype)
}

/// Row `i` of every head alone: with a causal mask among the keys up to its own.
fn one_row(case: &Case, x: &Inputs, i: usize) -> Result<(Case, Inputs)> {
    let [lq, lk] = case.lens;
    let causal = case.kind == Kind::Causal;
    let keys = if causal { (i + 1 + lk).saturating_sub(lq) } else { lk };
    let cut = |a: &Array, axis: usize, from: usize, to: usize| {
        let (mut start, mut stop) = ([0isize; 4], [0isize; 4]);
        (0..4).for_each(|n| stop[n] = a.shape()[n] as isize);
        if a.shape()[axis] > 1 {
            (start[axis], stop[axis]) = (from as isize, to as isize);
        }
        ops::slice(a, &start, &stop, &[1; 4])
    };
    let stored = |x: &Quantized| {
        let short = |a: &Array| cut(a, 2, 0, keys);
        Ok::<_, isobit::Error>(Quantized {
            codes: short(&x.codes)?,
            scales: short(&x.scales)?,
            biases: x.biases.as_ref().map(short).transpose()?,
        })
    };
    let (k, v) =
        if keys < lk && lk > 1 { (stored(&x.keys)?, stored(&x.values)?) } else { (x.keys.clone(), x.values.clone()) };
    let q = if lq > 1 { cut(&x.q, 2, i, i + 1)? } else { x.q.clone() };
    let mask = x.mask.as_ref().map(|m| cut(m, 2, i, i + 1)).transpose()?;
    let case = Case { lens: [1, keys], kind: if causal { Kind::None } else { case.kind }, ..case.clone() };
    Ok((case, Inputs { q, keys: k, values: v, mask, sinks: x.sinks.clone() }))
}

#[test]
fn random_cases() -> Result<()> {
    for round in 0..rounds(300) {
        let mut rng = Rng::new("quantized attention", round);
        let case = Case::random(&mut rng)?;
        let what = format!("round {round}, {case:?}");
        let x = case.inputs()?;
        let got = x.run(&case)?;
        close(&got, &definition(&case, &x)?, &what)?;
        same(&got, &to_floats(&case, &x)?, &what)?;
        settings::every_level(|level| {
            // Plain code takes long.
            if level != "scalar" || round % 10 == 0 {
                same(&x.run(&case)?, &got, &format!("{what}, {level}"))?;
            }
            Ok(())
        })
        .unwrap();
        let i = rng.below(case.lens[0]);
        if case.kind != Kind::Causal || i + case.lens[1] >= case.lens[0] {
            let (one, row) = one_row(&case, &x, i)?;
            let [b, h, _, d] = [0, 1, 2, 3].map(|n| got.shape()[n] as isize);
            let place = i as isize;
            let want = ops::slice(&got, &[0, 0, place, 0], &[b, h, place + 1, d], &[1; 4])?;
            same(&row.run(&one)?, &want, &format!("{what}, row {i}"))?;
        }
    }
    Ok(())
}

/// One mask for all queries that hides keys between others, with more rows than attend to codes where they lie: what these
/// leave behind for the others has the same gaps.
#[test]
fn keys_that_no_query_sees() -> Result<()> {
    for (round, bits) in [2, 3, 4, 5, 6, 8].into_iter().enumerate() {
        for (lens, kind) in [([5, 64], Kind::Add), ([9, 100], Kind::Keep), ([4, 70], Kind::Keep), ([3, 64], Kind::Add)]
        {
            let case = Case {
                format: Format::new(Mode::Affine, Some(32), Some(bits))?,
                dtype: [Dtype::BF16, Dtype::F32, Dtype::F16][round % 3],
                batch: 1,
                heads: [2, 2],
                lens,
                dims: [64, 32],
                kind,
                sinks: false,
                layouts: [Layout::Dense; 2],
                seed: 3 + round as u64,
            };
            let seen: Vec<bool> = (0..lens[1]).map(|i| i % 7 != 2 && i / 11 % 3 != 1).collect();
            let mask = Array::from_slice(&seen, &[1, 1, 1, lens[1]])?;
            let hidden = Array::scalar(f64::NEG_INFINITY, case.dtype);
            let added = ops::where_(&mask, &Array::scalar(0.5, case.dtype), &hidden)?;
            let x = Inputs { mask: Some(if kind == Kind::Keep { mask } else { added }), ..case.inputs()? };
            let what = format!("{case:?}");
            let want = to_floats(&case, &x)?;
            close(&want, &definition(&case, &x)?, &what)?;
            settings::every_level(|level| Ok(same(&x.run(&case)?, &want, &format!("{what}, {level}"))?)).unwrap();
        }
    }
    Ok(())
}

/// The case of a report: 2 queries on 7,358 keys, where a kernel was off by 12.46.
#[test]
fn two_queries_on_7358_keys() -> Result<()> {
    for (round, bits) in [2, 3, 4, 5, 6, 8].into_iter().enumerate() {
        let format = Format::new(Mode::Affine, Some([64, 32, 128][round % 3]), Some(bits))?;
        for (kind, layout) in [(Kind::Causal, Layout::Cache), (Kind::None, Layout::Transposed)] {
            let case = Case {
                format,
                dtype: [Dtype::BF16, Dtype::F32, Dtype::F16][round % 3],
                batch: 1,
                heads: [4, 2],
                lens: [2, 7358],
                dims: [128, 128],
                kind,
                sinks: false,
                layouts: [layout; 2],
                seed: 7 + round as u64,
            };
            let x = case.inputs()?;
            let (got, what) = (x.run(&case)?, format!("{case:?}"));
            close(&got, &definition(&case, &x)?, &what)?;
            same(&got, &to_floats(&case, &x)?, &what)?;
        }
    }
    Ok(())
}

/// A batch of every subset of operands, in front or behind, has the bits of a loop.
#[test]
fn batches() -> Result<()> {
    for round in 0..rounds(300) / 6 {
        let mut rng = Rng::new("batched quantized attention", round);
        let case = Case { batch: 1, ..Case::random(&mut rng)? };
        let all: Vec<Inputs> =
            (0..3).map(|i| Case { seed: case.seed ^ (i << 32), ..case.clone() }.inputs()).collect::<Result<_>>()?;
        let lists: Vec<Vec<Array>> = all.iter().map(Inputs::list).collect();
        let count = lists[0].len();
        let mut axes: Vec<Option<isize>> = (0..count).map(|_| pick(&mut rng, &[None, Some(0), Some(-1)])).collect();
        axes[rng.below(count)] = Some(0);
        // Masks of all three have one shape only if no size was drawn away.
        if lists.iter().any(|l| l.iter().zip(&lists[0]).any(|(a, b)| a.shape() != b.shape())) {
            axes[7] = None;
            axes[0] = Some(0);
        }
        let inputs: Vec<Array> = (0..count)
            .map(|i| match axes[i] {
                None => Ok(lists[0][i].clone()),
                Some(axis) => ops::stack(&lists.iter().map(|l| l[i].clone()).collect::<Vec<_>>(), axis),
            })
            .collect::<Result<_>>()?;
        let run = |list: &[Array]| Ok(vec![all[0].with(list).run(&case)?]);
        let got = transforms::vmap_with(run, axes.clone(), vec![Some(0)])(&inputs)?;
        let one = |n: usize| {
            let list: Vec<Array> =
                (0..count).map(|i| lists[if axes[i].is_some() { n } else { 0 }][i].clone()).collect();
            all[0].with(&list).run(&case)
        };
        let want = ops::stack(&[one(0)?, one(1)?, one(2)?], 0)?;
        same(&got[0], &want, &format!("round {round}, {axes:?}, {case:?}"))?;
    }
    Ok(())
}

/// Derivatives of everything that has them against those of the definition written out in float64.
#[test]
fn derivatives() -> Result<()> {
    for round in 0..rounds(300) / 10 {
        let mut rng = Rng::new("derivatives of quantized attention", round);
        let mut case = Case { dtype: Dtype::F32, ..Case::random(&mut rng)? };
        case.lens[1] = case.lens[1].min(130);
        // A masked row has no derivative; neither has a softmax of nothing.
        if case.kind == Kind::Keep || (case.kind == Kind::Causal && case.lens[0] > case.lens[1]) {
            case.kind = Kind::None;
        }
        let mut x = case.inputs()?;
        if case.kind == Kind::Add {
            let [lq, lk] = case.lens;
            x.mask = Some(normal(&[case.batch, case.heads[0], lq, lk], case.seed ^ 9, Dtype::F32)?);
        }
        let ct = normal(&[case.batch, case.heads[0], case.lens[0], case.dims[1]], case.seed ^ 11, Dtype::F32)?;
        let both = |x: &Quantized| [Some(x.scales.clone()), x.biases.clone()].into_iter().flatten().collect::<Vec<_>>();
        let mut args = vec![x.q.clone()];
        args.extend(both(&x.keys));
        args.extend(both(&x.values));
        args.extend(x.mask.iter().chain(&x.sinks).cloned());
        let with = |a: &[Array]| {
            let stored = |codes: &Array, i: usize| Quantized {
                codes: codes.clone(),
                scales: a[i].clone(),
                biases: Some(a[i + 1].clone()),
            };
            let mask = x.mask.as_ref().map(|_| a[5].clone());
            let sinks = x.sinks.as_ref().map(|_| a[a.len() - 1].clone());
            Inputs { q: a[0].clone(), keys: stored(&x.keys.codes, 1), values: stored(&x.values.codes, 3), mask, sinks }
        };
        let all: Vec<usize> = (0..args.len()).collect();
        let loss = |a: &[Array]| ops::sum(&ops::multiply(&with(a).run(&case)?, &ct)?, .., false);
        let got = transforms::grad(loss, all.clone())(&args)?;
        let wide: Vec<Array> = args.iter().map(|a| ops::astype(a, Dtype::F64)).collect::<Result<_>>()?;
        let ct = ops::astype(&ct, Dtype::F64)?;
        let loss = |a: &[Array]| ops::sum(&ops::multiply(&written_out(&case, &with(a))?, &ct)?, .., false);
        let want = transforms::grad(loss, all)(&wide)?;
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let (got, want) = (floats(got)?, floats(want)?);
            let size = want.iter().fold(1e-3f64, |m, w| m.max(w.abs()));
            for (g, w) in got.iter().zip(&want) {
                assert!((g - w).abs() <= 2e-5 * size, "round {round}, input {i}: {g} for {w} of {size}, {case:?}");
            }
        }
    }
    Ok(())
}

/// A recording has the bits of the function and of its gradient, alone, inside `grad` and inside `vmap`, for other values too,
/// and serves no other lengths; a batch of gradients has the bits of a loop.
#[test]
fn recordings_and_batches_of_gradients() -> Result<()> {
    for round in 0..rounds(300) / 6 {
        let mut rng = Rng::new("recorded quantized attention", round);
        let kind = pick(&mut rng, &[Kind::None, Kind::Causal, Kind::Add]);
        let case = Case { batch: 1, kind, ..Case::random(&mut rng)? };
        let what = format!("round {round}, {case:?}");
        // With a mask in its full size: the one that is drawn has a shape that depends on the seed.
        let of = |seed: u64, lens: [usize; 2]| {
            let shape = [1, case.heads[0], lens[0], lens[1]];
            let mask = (kind == Kind::Add).then(|| normal(&shape, seed ^ 9, case.dtype)).transpose()?;
            Ok::<_, isobit::Error>(Inputs { mask, ..Case { seed, lens, ..case.clone() }.inputs()? })
        };
        let all: Vec<Inputs> = (0..3).map(|i| of(case.seed ^ (i << 32), case.lens)).collect::<Result<_>>()?;
        let lists: Vec<Vec<Array>> = all.iter().map(Inputs::list).collect();
        let ct = normal(&[1, case.heads[0], case.lens[0], case.dims[1]], case.seed ^ 11, case.dtype)?;
        let floating: Vec<usize> = (0..lists[0].len()).filter(|&i| lists[0][i].dtype().is_inexact()).collect();
        let attend = |list: &[Array]| Ok(vec![all[0].with(list).run(&case)?]);
        // The result, and the derivative with respect to all that has one.
        let slopes = |f: &dyn Fn(&[Array]) -> Result<Vec<Array>>, list: &[Array]| {
            let inner = |some: &[Array]| {
                let mut list = list.to_vec();
                floating.iter().zip(some).for_each(|(&i, a)| list[i] = a.clone());
                f(&list)
            };
            let at: Vec<Array> = floating.iter().map(|&i| list[i].clone()).collect();
            let (y, g) = transforms::vjp(inner, &at, &[ct.clone()])?;
            Ok::<_, isobit::Error>([y, g].concat())
        };
        let with_slopes = |list: &[Array]| slopes(&attend, list);
        let want: Vec<Vec<Array>> = lists.iter().map(|l| with_slopes(l)).collect::<Result<_>>()?;
        let plain = Trace::record(attend, &lists[0])?;
        let whole = Trace::record(with_slopes, &lists[0])?;
        assert!(plain.lasts() && whole.lasts() && !plain.any_shape() && !whole.any_shape(), "{what}");
        for (list, want) in lists.iter().zip(&want) {
            let recorded = |list: &[Array]| plain.call(list);
            for (way, got) in [("recorded", whole.call(list)?), ("gradient of a recording", slopes(&recorded, list)?)] {
                assert_eq!(got.len(), want.len(), "{what}");
                for (i, (g, w)) in got.iter().zip(want).enumerate() {
                    same(g, w, &format!("{what}: {way}, output {i}"))?;
                }
            }
            same(&plain.call(list)?[0], &want[0], &what)?;
        }
        // Every operand is batched: the recording, and the gradients.
        let together =
            |lists: &[Vec<Array>], i: usize| ops::stack(&lists.iter().map(|l| l[i].clone()).collect::<Vec<_>>(), 0);
        let stacked: Vec<Array> = (0..lists[0].len()).map(|i| together(&lists, i)).collect::<Result<_>>()?;
        same(&transforms::vmap(|l: &[Array]| plain.call(l))(&stacked)?[0], &together(&want, 0)?, &what)?;
        let got = transforms::vmap(with_slopes)(&stacked)?;
        for (i, g) in got.iter().enumerate() {
            same(g, &together(&want, i)?, &format!("{what}: batch of gradients, output {i}"))?;
        }
        // One key more.
        let longer = of(case.seed, [case.lens[0], case.lens[1] + 1])?.list();
        assert!(plain.call(&longer).is_err() && whole.call(&longer).is_err(), "{what}");
    }
    Ok(())
}

/// Attention by elementary operations.
fn written_out(case: &Case, x: &Inputs) -> Result<Array> {
    let groups = (case.heads[0] / case.heads[1]) as isize;
    let size = case.format.group_size() as isize;
    let dense = |x: &Quantized| {
        let codes = ops::astype(&ops::unpack_bits(&ops::contiguous(&x.codes)?, case.format.bits())?, Dtype::F64)?;
        let codes = ops::unflatten(&codes, -1, &[-1, size])?;
        let scaled = ops::multiply(&codes, &ops::expand_dims(&x.scales, -1)?)?;
        let biases = x.biases.as_ref().map(|b| ops::expand_dims(b, -1)).transpose()?;
        let all = match biases {
            Some(b) => ops::add(&scaled, &b)?,
            None => scaled,
        };
        ops::repeat(&ops::flatten(&all, -2, -1)?, groups as usize, Some(1))
    };
    let (k, v) = (dense(&x.keys)?, dense(&x.values)?);
    let scores = ops::matmul(&x.q, &ops::swapaxes(&k, -1, -2)?)?;
    let mut scores = ops::multiply(&scores, &Array::scalar(f64::from(SCALE), Dtype::F64))?;
    let [lq, lk] = case.lens;
    if let Some(m) = &x.mask {
        scores = ops::add(&scores, m)?;
    }
    if case.kind == Kind::Causal {
        let seen: Vec<f64> =
            (0..lq * lk).map(|at| if at % lk + lq <= at / lk + lk { 0.0 } else { f64::NEG_INFINITY }).collect();
        scores = ops::add(&scores, &Array::from_slice(&seen, &[lq, lk])?)?;
    }
    if let Some(sinks) = &x.sinks {
        let shape = [case.batch, case.heads[0], lq, 1];
        let sinks = ops::broadcast_to(&ops::reshape(sinks, &[1, -1, 1, 1])?, &shape)?;
        scores = ops::concatenate(&[scores, sinks], 3)?;
    }
    let p = ops::softmax(&scores, -1isize, false)?;
    let [b, h] = [case.batch as isize, case.heads[0] as isize];
    let p = ops::slice(&p, &[0; 4], &[b, h, lq as isize, lk as isize], &[1; 4])?;
    ops::matmul(&p, &v)
}
