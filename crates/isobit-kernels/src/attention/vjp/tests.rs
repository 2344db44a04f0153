//! The derivative against its order in the simplest code, and its bits.

use super::*;
use crate::attention::tests::{Case, Dense, Layout, Sample, base, bits, exp};
use crate::attention::{Mask, MaskOperand};
use crate::test_settings;

/// Everything the derivative returns, elements widened.
#[derive(PartialEq)]
struct Found {
    q: Vec<u32>,
    k: Vec<u32>,
    v: Vec<u32>,
    mask: Vec<u32>,
    sinks: Vec<u32>,
}

impl Found {
    fn assert_is(&self, want: &Found, what: &str) {
        let parts = [
            ("q", &self.q, &want.q),
            ("k", &self.k, &want.k),
            ("v", &self.v, &want.v),
            ("mask", &self.mask, &want.mask),
            ("sinks", &self.sinks, &want.sinks),
        ];
        for (name, got, want) in parts {
            let at = got.iter().zip(want).position(|(a, b)| a != b);
            let value = |x: &[u32]| at.map(|i| f32::from_bits(x[i]));
            assert!(
                got.len() == want.len() && at.is_none(),
                "{what}: {name} at {at:?}: {:?} for {:?}",
                value(got),
                value(want)
            );
        }
    }
}

fn cotangent(case: &Case) -> Dense {
    let s = case.shape;
    Dense::new([s.batch, s.q_heads, s.q_len, s.value_dim], 4)
}

fn run<T: Sample + AttentionVjpElement>(case: &Case, layout: Layout, mask: Mask) -> Found {
    run_with::<T>(case, &cotangent(case), layout, mask)
}

fn run_with<T: Sample + AttentionVjpElement>(case: &Case, ct: &Dense, layout: Layout, mask: Mask) -> Found {
    let s = case.shape;
    let (q, k, v) = (case.q.store::<T>(layout), case.k.store::<T>(layout), case.v.store::<T>(layout));
    let ct = ct.store::<T>(layout);
    let inputs = AttentionInputs {
        shape: s,
        q: Operand { data: &q.0, offset: q.1, strides: q.2 },
        k: Operand { data: &k.0, offset: k.1, strides: k.2 },
        v: Operand { data: &v.0, offset: v.1, strides: v.2 },
        scale: case.scale,
        mask,
        sinks: case.sinks.as_deref(),
    };
    let ct = Operand { data: &ct.0, offset: ct.1, strides: ct.2 };
    // The results are `[batch, length, heads, dim]` in memory.
    let room = |heads: usize, len: usize, dim: usize| vec![T::NAN; s.batch * heads * len * dim];
    let strides = |heads: usize, len: usize, dim: usize| [len * heads * dim, dim, heads * dim];
    let mut dq = room(s.q_heads, s.q_len, s.head_dim);
    let mut dk = room(s.kv_heads, s.k_len, s.head_dim);
    let mut dv = room(s.kv_heads, s.k_len, s.value_dim);
    let mut mask = vec![f32::NAN; s.batch * s.q_heads * s.q_len * s.k_len];
    let mut sinks = vec![f32::NAN; s.q_heads];
    let grads = Gradients {
        q: Gradient { data: &mut dq, strides: strides(s.q_heads, s.q_len, s.head_dim) },
        k: Gradient { data: &mut dk, strides: strides(s.kv_heads, s.k_len, s.head_dim) },
        v: Gradient { data: &mut dv, strides: strides(s.kv_heads, s.k_len, s.value_dim) },
        mask: Some(&mut mask),
        sinks: case.sinks.is_some().then_some(&mut sinks[..]),
    };
    attention_vjp(&inputs, &ct, grads);
    if case.sinks.is_none() {
        sinks.clear();
    }
    let back = |x: &[T], heads: usize, len: usize, dim: usize| {
        let mut out = Vec::new();
        for row in 0..s.batch * heads * len {
            let (b, h, i) = (row / (heads * len), row / len % heads, row % len);
            out.extend_from_slice(&x[((b * len + i) * heads + h) * dim..][..dim]);
        }
        bits(&out)
    };
    Found {
        q: back(&dq, s.q_heads, s.q_len, s.head_dim),
        k: back(&dk, s.kv_heads, s.k_len, s.head_dim),
        v: back(&dv, s.kv_heads, s.k_len, s.value_dim),
        mask: bits(&mask),
        sinks: bits(&sinks),
    }
}

/// The sum of 16 numbers in the fixed tree.
fn tree(mut l: [f32; 16]) -> f32 {
    for w in [8, 4, 2, 1] {
        for t in 0..w {
            l[t] += l[t + w];
        }
    }
    l[0]
}

fn chain(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

/// A row's weights and `ds` for all keys (zero where masked), and its sink's cotangent.
fn row(scores: &[Option<f32>], g: &[f32], sink: Option<f32>) -> (Vec<f32>, Vec<f32>, f32) {
    let max = |a: f32, b: f32| if a > b { a } else { b };
    let m = scores.iter().flatten().copied().chain(sink).fold(f32::NEG_INFINITY, |m, s| max(s, m));
    let mut p: Vec<f32> = scores.iter().map(|s| s.map_or(0.0, |s| exp(s - base(m)))).collect();
    p.resize(scores.len().next_multiple_of(BLOCK), 0.0);
    let mut l = [0f32; 16];
    for p in p.chunks(BLOCK) {
        for t in 0..16 {
            l[t] += (p[t] + p[16 + t]) + (p[32 + t] + p[48 + t]);
        }
    }
    let of_sink = sink.map_or(0.0, |s| exp(s - base(m)));
    let total = tree(l) + of_sink;
    let by = if total == 0.0 { 0.0 } else { 1.0 / total };
    let w: Vec<f32> = p.iter().map(|p| p * by).collect();
    let g = |j: usize| if j < g.len() && scores[j].is_some() { g[j] } else { 0.0 };
    let mut d = [[0f32; 16]; 4];
    for (j, w) in w.iter().enumerate() {
        d[j / 16 % 4][j % 16] = w.mul_add(g(j), d[j / 16 % 4][j % 16]);
    }
    let mean = tree(std::array::from_fn(|t| (d[0][t] + d[1][t]) + (d[2][t] + d[3][t])));
    let ds = (0..scores.len()).map(|j| if scores[j].is_some() { w[j] * (g(j) - mean) } else { 0.0 }).collect();
    (w, ds, -(of_sink * by) * mean)
}

/// The order of the module's comment; `see(b, h, i, j)` is the additive mask or `None`.
fn ordered<T: Sample>(case: &Case, see: impl Fn(usize, usize, usize, usize) -> Option<f32>) -> Found {
    let s = case.shape;
    let (group, d, dv) = (s.q_heads / s.kv_heads, s.head_dim, s.value_dim);
    let widen = |x: &[f32]| x.iter().map(|&x| T::narrow(x).widen()).collect::<Vec<_>>();
    let ct = cotangent(case);
    let mut q = vec![0f32; s.batch * s.q_heads * s.q_len * d];
    let mut mask = vec![0f32; s.batch * s.q_heads * s.q_len * s.k_len];
    let (mut k, mut v, mut sinks) = (Vec::new(), Vec::new(), vec![0f64; s.q_heads]);
    for b in 0..s.batch {
        for kv in 0..s.kv_heads {
            let keys: Vec<_> = (0..s.k_len).map(|j| widen(case.k.row(b, kv, j))).collect();
            let values: Vec<_> = (0..s.k_len).map(|j| widen(case.v.row(b, kv, j))).collect();
            let (mut dk, mut dvs) = (vec![0f32; s.k_len * d], vec![0f32; s.k_len * dv]);
            let (mut part_k, mut part_v) = (dk.clone(), dvs.clone());
            let rows = group * s.q_len;
            for r in 0..rows {
                let (h, i) = (kv * group + r % group, r / group);
                let query: Vec<f32> = widen(case.q.row(b, h, i)).iter().map(|q| q * case.scale as f32).collect();
                let ct = widen(ct.row(b, h, i));
                let scores: Vec<_> =
                    (0..s.k_len).map(|j| see(b, h, i, j).map(|m| chain(&query, &keys[j]) + m)).collect();
                let g: Vec<f32> = values.iter().map(|v| chain(&ct, v)).collect();
                let (w, ds, sink) = row(&scores, &g, case.sinks.as_ref().map(|l| l[h]));
                let at = (b * s.q_heads + h) * s.q_len + i;
                sinks[h] += f64::from(sink);
                mask[at * s.k_len..(at + 1) * s.k_len].copy_from_slice(&ds);
                for e in 0..d {
                    let mut total = 0f32;
                    for span in (0..s.k_len).step_by(SPAN) {
                        let mut part = 0f32;
                        for j in (span..s.k_len.min(span + SPAN)).filter(|&j| scores[j].is_some()) {
                            part = ds[j].mul_add(keys[j][e], part);
                        }
                        total += part;
                    }
                    q[at * d + e] = total * case.scale as f32 + 0.0;
                }
                for j in (0..s.k_len).filter(|&j| scores[j].is_some()) {
                    (0..d).for_each(|e| part_k[j * d + e] = ds[j].mul_add(query[e], part_k[j * d + e]));
                    (0..dv).for_each(|e| part_v[j * dv + e] = w[j].mul_add(ct[e], part_v[j * dv + e]));
                }
                if (r + 1).is_multiple_of(ROW_SPAN) || r + 1 == rows {
                    for (total, part) in [(&mut dk, &mut part_k), (&mut dvs, &mut part_v)] {
                        total.iter_mut().zip(part.iter()).for_each(|(t, p)| *t += p);
                        part.fill(0.0);
                    }
                }
            }
            k.extend(dk.iter().map(|x| x + 0.0));
            v.extend(dvs.iter().map(|x| x + 0.0));
        }
    }
    let sinks: Vec<f32> = sinks.iter().map(|&x| x as f32).filter(|_| case.sinks.is_some()).collect();
    let rounded = |x: &[f32]| bits(&x.iter().map(|&x| T::narrow(x)).collect::<Vec<T>>());
    Found { q: rounded(&q), k: rounded(&k), v: rounded(&v), mask: bits(&mask), sinks: bits(&sinks) }
}

fn case_all<T: Sample + AttentionVjpElement>(case: &Case, what: &str) {
    let name = std::any::type_name::<T>();
    let none = ordered::<T>(case, |_, _, _, _| Some(0.0));
    let causal = ordered::<T>(case, case.causal());
    test_settings::each(|setting| {
        for layout in [Layout::Contiguous, Layout::Gaps, Layout::Backwards] {
            let what = format!("{what} {name} {layout:?} {setting}");
            run::<T>(case, layout, Mask::None).assert_is(&none, &what);
            run::<T>(case, layout, Mask::Causal).assert_is(&causal, &format!("causal {what}"));
        }
    });
}

self_test!(every_shape_follows_the_order);
fn every_shape_follows_the_order() {
    let _guard = test_settings::lock();
    for (heads, len, dim) in [
        ([1, 1], [1, 1], [1, 1]),
        ([4, 4], [3, 70], [16, 16]),
        ([4, 2], [7, 65], [72, 40]),
        ([4, 1], [5, 130], [33, 7]),
        ([2, 2], [1, 1100], [20, 144]),
        ([3, 1], [40, 40], [32, 80]),
        ([2, 1], [60, 33], [17, 32]),
        // More than one span of rows.
        ([3, 1], [190, 20], [8, 16]),
    ] {
        let case = Case::new(2, heads, len, dim);
        let what = format!("{heads:?} {len:?} {dim:?}");
        case_all::<f32>(&case, &what);
        case_all::<bf16>(&case, &what);
        case_all::<f16>(&case, &what);
    }
    // One head, so that spans of rows are the tasks; and no rows, no keys.
    case_all::<f32>(&Case::new(1, [1, 1], [700, 30], [16, 16]), "long");
    case_all::<f32>(&Case::new(1, [2, 1], [0, 3], [4, 4]), "no rows");
    case_all::<f32>(&Case::new(1, [2, 1], [3, 0], [4, 4]), "no keys");
}

self_test!(sinks_and_masks_follow_the_order);
fn sinks_and_masks_follow_the_order() {
    let _guard = test_settings::lock();
    let mut case = Case::new(2, [4, 2], [9, 580], [24, 24]);
    case.sinks = Some(vec![0.5, -30.0, 40.0, f32::NEG_INFINITY]);
    let s = case.shape;
    // A third of the keys, but nothing at all for query 4, and nothing of the whole span 0 for query 5.
    let sees = |b: usize, h: usize, i: usize, j: usize| {
        (j * 7 + i * 3 + h * 5 + b).is_multiple_of(3) && i != 4 && (i != 5 || j >= SPAN)
    };
    let add = |b: usize, h: usize, i: usize, j: usize| {
        if sees(b, h, i, j) { ((j + h) % 9) as f32 * 0.25 - 1.0 } else { f32::NEG_INFINITY }
    };
    let all = |f: &dyn Fn(usize, usize, usize, usize) -> f32| {
        let n = s.batch * s.q_heads * s.q_len * s.k_len;
        let at = |x: usize| {
            (
                x / (s.q_heads * s.q_len * s.k_len),
                x / (s.q_len * s.k_len) % s.q_heads,
                x / s.k_len % s.q_len,
                x % s.k_len,
            )
        };
        (0..n).map(at).map(|(b, h, i, j)| f(b, h, i, j)).collect::<Vec<f32>>()
    };
    let strides = [s.q_heads * s.q_len * s.k_len, s.q_len * s.k_len, s.k_len, 1].map(|s| s as isize);
    let keep: Vec<u8> = all(&|b, h, i, j| sees(b, h, i, j) as u8 as f32).iter().map(|&x| x as u8).collect();
    let added = all(&add);
    let want_keep = ordered::<f32>(&case, |b, h, i, j| sees(b, h, i, j).then_some(0.0));
    let want_add = ordered::<f32>(&case, |b, h, i, j| sees(b, h, i, j).then(|| add(b, h, i, j)));
    test_settings::each(|what| {
        let keep = Mask::Keep(MaskOperand { data: &keep, offset: 0, strides });
        run::<f32>(&case, Layout::Gaps, keep).assert_is(&want_keep, what);
        let add = Mask::AddF32(MaskOperand { data: &added, offset: 0, strides });
        run::<f32>(&case, Layout::Gaps, add).assert_is(&want_add, what);
    });
}

self_test!(masked_keys_and_other_rows_do_not_show);
/// A NaN or an infinity that a row does not see stays out of its results, and a row's results do not depend on the others.
fn masked_keys_and_other_rows_do_not_show() {
    let _guard = test_settings::lock();
    let mut case = Case::new(1, [2, 1], [70, 150], [32, 48]);
    let clean = run::<f32>(&case, Layout::Contiguous, Mask::Causal);
    // Query 0 sees keys 0..=80; poison everything behind.
    let (d, dv) = (case.shape.head_dim, case.shape.value_dim);
    case.k.data[81 * d..].fill(f32::NAN);
    case.v.data[81 * dv..].fill(f32::INFINITY);
    let poisoned = run::<f32>(&case, Layout::Contiguous, Mask::Causal);
    for head in 0..2 {
        let row = head * 70 * d..head * 70 * d + d;
        assert!(poisoned.q[row.clone()] == clean.q[row.clone()], "a row that sees no poison");
        assert!(
            poisoned.q[row.start + d..row.end + d].iter().all(|&x| f32::from_bits(x).is_nan()),
            "and one that does"
        );
    }
    // The last queries alone: the same rows of dq.
    let case = Case::new(1, [2, 1], [70, 150], [32, 48]);
    let ct = cotangent(&case);
    let mut last = Case::new(1, [2, 1], [3, 150], [32, 48]);
    let mut last_ct = cotangent(&last);
    for head in 0..2 {
        let copy = |to: &mut [f32], from: &[f32], d: usize| {
            to[head * 3 * d..(head + 1) * 3 * d].copy_from_slice(&from[(head * 70 + 67) * d..(head + 1) * 70 * d]);
        };
        copy(&mut last.q.data, &case.q.data, d);
        copy(&mut last_ct.data, &ct.data, dv);
    }
    let alone = run_with::<f32>(&last, &last_ct, Layout::Contiguous, Mask::Causal);
    for head in 0..2 {
        let among = &clean.q[(head * 70 + 67) * d..(head + 1) * 70 * d];
        assert!(alone.q[head * 3 * d..(head + 1) * 3 * d] == *among, "rows alone and among others");
    }
}

self_test!(bits_transpose);
fn bits_transpose() {
    let mut x: [u64; 64] = std::array::from_fn(|i| (i as u64 + 3).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let before = x;
    transpose_bits(&mut x);
    assert!((0..64).all(|i| (0..64).all(|j| x[i] >> j & 1 == before[j] >> i & 1)));
}
