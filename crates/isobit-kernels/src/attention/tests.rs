//! Tests of attention against a naive twin, and of its bits.

use super::*;
use crate::simd::{Kernel, Simd, dispatch_at};
use crate::{math, test_settings};

pub(super) fn random(n: usize, seed: u32) -> Vec<f32> {
    let mut bytes = vec![0u8; 4 * n];
    crate::rng::random_bits(&[seed, 5], 4 * n, &mut bytes);
    bytes.as_chunks::<4>().0.iter().map(|&b| (u32::from_le_bytes(b) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// A scalar function of `math`, by the scalar level.
fn scalar(x: f32, log: bool) -> f32 {
    struct One(f32, bool);
    impl Kernel for One {
        type Out = f32;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> f32 {
            let x = s.splat(self.0);
            s.to_array(if self.1 { math::log(s, x) } else { math::exp(s, x) })[0]
        }
    }
    dispatch_at(crate::isa::Level::Scalar, One(x, log))
}

pub(super) fn exp(x: f32) -> f32 {
    scalar(x, false)
}

fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `-inf` as a maximum counts as zero.
pub(super) fn base(m: f32) -> f32 {
    if m == f32::NEG_INFINITY { 0.0 } else { m }
}

/// One row in the order of the module's comment, in the simplest code; `None` is a masked key.
fn ordered_row(
    q: &[f32],
    keys: &[Option<(Vec<f32>, Vec<f32>, f32)>],
    scale: f32,
    dv: usize,
    sink: Option<f32>,
) -> (Vec<f32>, f32) {
    let q: Vec<f32> = q.iter().map(|q| q * scale).collect();
    let (mut total_m, mut total_l, mut total) = (f32::NEG_INFINITY, 0f32, vec![0f32; dv]);
    let join = |a: f32, b: f32| {
        let m = max(b, a);
        (m, exp(a - base(m)), exp(b - base(m)))
    };
    for span in keys.chunks(SPAN) {
        let (mut m, mut l, mut acc) = (f32::NEG_INFINITY, [0f32; 16], vec![0f32; dv]);
        for block in span.chunks(BLOCK) {
            let mut s = [f32::NEG_INFINITY; BLOCK];
            for (s, key) in s.iter_mut().zip(block) {
                if let Some((k, _, bias)) = key {
                    *s = q.iter().zip(k).fold(0f32, |sum, (q, k)| q.mul_add(*k, sum)) + bias;
                }
            }
            let old = m;
            m = s.iter().fold(m, |m, &s| max(s, m));
            let c = exp(old - base(m));
            let p = s.map(|s| exp(s - base(m)));
            for t in 0..16 {
                l[t] = l[t].mul_add(c, (p[t] + p[16 + t]) + (p[32 + t] + p[48 + t]));
            }
            acc.iter_mut().for_each(|a| *a *= c);
            for (p, key) in p.iter().zip(block) {
                if let Some((_, v, _)) = key {
                    acc.iter_mut().zip(v).for_each(|(a, v)| *a = p.mul_add(*v, *a));
                }
            }
        }
        for w in [8, 4, 2, 1] {
            for t in 0..w {
                l[t] += l[t + w];
            }
        }
        let (new, a, b) = join(total_m, m);
        (total_m, total_l) = (new, l[0].mul_add(b, total_l * a));
        total.iter_mut().zip(acc).for_each(|(t, acc)| *t = acc.mul_add(b, *t * a));
    }
    if let Some(sink) = sink {
        let (new, a, b) = join(total_m, sink);
        (total_m, total_l) = (new, 1f32.mul_add(b, total_l * a));
        total.iter_mut().for_each(|t| *t *= a);
    }
    if total_l == 0.0 {
        return (vec![0.0; dv], f32::NEG_INFINITY);
    }
    (total.iter().map(|t| t / total_l + 0.0).collect(), total_m + scalar(total_l, true))
}

pub(super) trait Sample: AttentionElement + FloatLanes + PartialEq {
    const NAN: Self;
}
impl Sample for f32 {
    const NAN: f32 = f32::NAN;
}
impl Sample for f16 {
    const NAN: f16 = f16::NAN;
}
impl Sample for bf16 {
    const NAN: bf16 = bf16::NAN;
}

/// A dense operand `[batch, heads, len, dim]` and ways to lay it out.
pub(super) struct Dense {
    pub dims: [usize; 4],
    pub data: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Layout {
    Contiguous,
    /// `[batch, len, heads, dim]` with a gap of NaNs after every row, off alignment.
    Gaps,
    /// The sequence stored backwards.
    Backwards,
}

impl Dense {
    pub fn new(dims: [usize; 4], seed: u32) -> Dense {
        Dense { dims, data: random(dims.iter().product(), seed) }
    }
    pub fn row(&self, b: usize, h: usize, i: usize) -> &[f32] {
        let [_, hs, n, d] = self.dims;
        let at = ((b * hs + h) * n + i) * d;
        &self.data[at..at + d]
    }
    /// The stored elements, the offset and the strides; everything that no index reaches is NaN.
    pub fn store<T: Sample>(&self, layout: Layout) -> (Vec<T>, usize, [isize; 3]) {
        let [bs, hs, n, d] = self.dims;
        let (offset, strides) = match layout {
            Layout::Contiguous => (0, [hs * n * d, n * d, d].map(|s| s as isize)),
            Layout::Gaps => (3, [n * hs * (d + 5), d + 5, hs * (d + 5)].map(|s| s as isize)),
            Layout::Backwards => (n.saturating_sub(1) * d, [(hs * n * d) as isize, (n * d) as isize, -(d as isize)]),
        };
        let mut data = vec![T::NAN; bs * hs * n * (d + 5) + 3];
        for b in 0..bs {
            for h in 0..hs {
                for i in 0..n {
                    let at =
                        offset as isize + b as isize * strides[0] + h as isize * strides[1] + i as isize * strides[2];
                    for (j, &x) in self.row(b, h, i).iter().enumerate() {
                        data[at as usize + j] = T::narrow(x);
                    }
                }
            }
        }
        if layout != Layout::Gaps {
            data.truncate(bs * hs * n * d);
        }
        (data, offset, strides)
    }
}

pub(super) struct Case {
    pub shape: AttentionShape,
    pub q: Dense,
    pub k: Dense,
    pub v: Dense,
    pub scale: f64,
    pub sinks: Option<Vec<f32>>,
}

impl Case {
    pub fn new(batch: usize, heads: [usize; 2], len: [usize; 2], dim: [usize; 2]) -> Case {
        let [q_heads, kv_heads] = heads;
        let [q_len, k_len] = len;
        let [head_dim, value_dim] = dim;
        let shape = AttentionShape { batch, q_heads, kv_heads, q_len, k_len, head_dim, value_dim };
        Case {
            shape,
            q: Dense::new([batch, q_heads, q_len, head_dim], 1),
            k: Dense::new([batch, kv_heads, k_len, head_dim], 2),
            v: Dense::new([batch, kv_heads, k_len, value_dim], 3),
            scale: 1.7 / (head_dim.max(1) as f64).sqrt(),
            sinks: None,
        }
    }

    fn run<T: Sample>(&self, layout: Layout, mask: Mask) -> (Vec<T>, Vec<f32>) {
        let (q, k, v) = (self.q.store::<T>(layout), self.k.store::<T>(layout), self.v.store::<T>(layout));
        let s = self.shape;
        let rows = s.batch * s.q_heads * s.q_len;
        // One element off, so that rows are not aligned either.
        let (mut out, mut lse) = (vec![T::NAN; rows * s.value_dim + 1], vec![f32::NAN; rows]);
        let inputs = AttentionInputs {
            shape: s,
            q: Operand { data: &q.0, offset: q.1, strides: q.2 },
            k: Operand { data: &k.0, offset: k.1, strides: k.2 },
            v: Operand { data: &v.0, offset: v.1, strides: v.2 },
            scale: self.scale,
            mask,
            sinks: self.sinks.as_deref(),
        };
        attention(&inputs, &mut out[1..], Some(&mut lse));
        out.remove(0);
        (out, lse)
    }

    /// The stated order for every row; `see(b, h, i, j)` is the additive mask or `None`.
    fn ordered<T: Sample>(&self, see: impl Fn(usize, usize, usize, usize) -> Option<f32>) -> (Vec<T>, Vec<f32>) {
        let s = self.shape;
        let (mut out, mut lse) = (Vec::new(), Vec::new());
        let widen = |x: &[f32]| x.iter().map(|&x| T::narrow(x).widen()).collect::<Vec<_>>();
        for b in 0..s.batch {
            for h in 0..s.q_heads {
                let kv = h / (s.q_heads / s.kv_heads);
                for i in 0..s.q_len {
                    let keys: Vec<_> = (0..s.k_len)
                        .map(|j| see(b, h, i, j).map(|m| (widen(self.k.row(b, kv, j)), widen(self.v.row(b, kv, j)), m)))
                        .collect();
                    let sink = self.sinks.as_ref().map(|l| l[h]);
                    let (o, l) = ordered_row(&widen(self.q.row(b, h, i)), &keys, self.scale as f32, s.value_dim, sink);
                    out.extend(o.into_iter().map(T::narrow));
                    lse.push(l);
                }
            }
        }
        (out, lse)
    }

    pub fn causal(&self) -> impl Fn(usize, usize, usize, usize) -> Option<f32> + use<> {
        let (q, k) = (self.shape.q_len, self.shape.k_len);
        move |_, _, i, j| (j + q <= i + k).then_some(0.0)
    }
}

pub(super) fn bits<T: Sample>(x: &[T]) -> Vec<u32> {
    x.iter().map(|x| x.widen().to_bits()).collect()
}

fn same<T: Sample>(got: &(Vec<T>, Vec<f32>), want: &(Vec<T>, Vec<f32>), what: &str) {
    assert!(bits(&got.0) == bits(&want.0), "output: {what}");
    // Zeros of a log-sum-exp may differ in sign.
    assert!(got.1.len() == want.1.len() && got.1.iter().zip(&want.1).all(|(a, b)| a == b), "log-sum-exp: {what}");
}

fn case_all<T: Sample>(case: &Case, what: &str) {
    let name = std::any::type_name::<T>();
    let none = case.ordered::<T>(|_, _, _, _| Some(0.0));
    let causal = case.ordered::<T>(case.causal());
    test_settings::each(|setting| {
        for layout in [Layout::Contiguous, Layout::Gaps, Layout::Backwards] {
            same(&case.run(layout, Mask::None), &none, &format!("{what} {name} no mask {layout:?} {setting}"));
            same(&case.run(layout, Mask::Causal), &causal, &format!("{what} {name} causal {layout:?} {setting}"));
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
        ([8, 1], [1, 600], [64, 96]),
        ([2, 2], [1, 1100], [20, 144]),
        ([3, 1], [40, 40], [32, 80]),
        ([2, 1], [60, 33], [17, 32]),
    ] {
        let case = Case::new(2, heads, len, dim);
        let what = format!("{heads:?} {len:?} {dim:?}");
        case_all::<f32>(&case, &what);
        case_all::<bf16>(&case, &what);
        case_all::<f16>(&case, &what);
    }
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
        let mut x = Vec::new();
        for b in 0..s.batch {
            for h in 0..s.q_heads {
                for i in 0..s.q_len {
                    x.extend((0..s.k_len).map(|j| f(b, h, i, j)));
                }
            }
        }
        x
    };
    let dense = [s.q_heads * s.q_len * s.k_len, s.q_len * s.k_len, s.k_len, 1].map(|s| s as isize);
    let keep: Vec<u8> = all(&|b, h, i, j| sees(b, h, i, j) as u8 as f32).iter().map(|&x| x as u8).collect();
    let f32s = all(&add);
    let f16s: Vec<f16> = f32s.iter().map(|&x| f16::from_f32(x)).collect();
    let bf16s: Vec<bf16> = f32s.iter().map(|&x| bf16::from_f32(x)).collect();
    let f64s: Vec<f64> = f32s.iter().map(|&x| x as f64).collect();
    let want_keep = case.ordered::<f32>(|b, h, i, j| sees(b, h, i, j).then_some(0.0));
    let want_add = case.ordered::<f32>(|b, h, i, j| sees(b, h, i, j).then(|| add(b, h, i, j)));
    test_settings::each(|what| {
        let mask = |f: Mask| case.run::<f32>(Layout::Gaps, f);
        same(&mask(Mask::Keep(MaskOperand { data: &keep, offset: 0, strides: dense })), &want_keep, what);
        same(&mask(Mask::AddF32(MaskOperand { data: &f32s, offset: 0, strides: dense })), &want_add, what);
        same(&mask(Mask::AddF16(MaskOperand { data: &f16s, offset: 0, strides: dense })), &want_add, what);
        same(&mask(Mask::AddBf16(MaskOperand { data: &bf16s, offset: 0, strides: dense })), &want_add, what);
        same(&mask(Mask::AddF64(MaskOperand { data: &f64s, offset: 0, strides: dense })), &want_add, what);
    });
}

self_test!(equal_masks_of_different_kinds_give_equal_bits);
fn equal_masks_of_different_kinds_give_equal_bits() {
    let case = Case::new(1, [4, 2], [70, 150], [32, 32]);
    let (q, k) = (case.shape.q_len, case.shape.k_len);
    let see = case.causal();
    let mut keep = vec![0u8; q * k];
    let mut add = vec![f32::NEG_INFINITY; q * k];
    for i in 0..q {
        for j in 0..k {
            if see(0, 0, i, j).is_some() {
                keep[i * k + j] = 1;
                add[i * k + j] = 0.0;
            }
        }
    }
    let want = case.run::<f32>(Layout::Contiguous, Mask::Causal);
    let strides = [0, 0, k as isize, 1];
    same(&case.run(Layout::Contiguous, Mask::Keep(MaskOperand { data: &keep, offset: 0, strides })), &want, "boolean");
    same(&case.run(Layout::Contiguous, Mask::AddF32(MaskOperand { data: &add, offset: 0, strides })), &want, "-inf");
    // The same boolean mask stored key-major, so that its last stride is not 1.
    let turned: Vec<u8> = (0..q * k).map(|at| keep[at % q * k + at / q]).collect();
    let mask = Mask::Keep(MaskOperand { data: &turned, offset: 0, strides: [0, 0, 1, q as isize] });
    same(&case.run(Layout::Contiguous, mask), &want, "boolean, key-major");
    // One row for all queries.
    let row: Vec<u8> = (0..k).map(|j| (j % 4 != 1) as u8).collect();
    let mask = Mask::Keep(MaskOperand { data: &row, offset: 0, strides: [0, 0, 0, 1] });
    same(&case.run::<f32>(Layout::Contiguous, mask), &case.ordered(|_, _, _, j| (j % 4 != 1).then_some(0.0)), "row");
}

/// Queries `from .. to` of a case whose keys end where the last of them ends.
fn slice(case: &Case, from: usize, to: usize, keys: usize) -> Case {
    let cut = |x: &Dense, a: usize, b: usize| {
        let [bs, hs, n, d] = x.dims;
        let mut data = Vec::new();
        for row in x.data.chunks(n * d) {
            data.extend_from_slice(&row[a * d..b * d]);
        }
        Dense { dims: [bs, hs, b - a, d], data }
    };
    Case {
        shape: AttentionShape { q_len: to - from, k_len: keys, ..case.shape },
        q: cut(&case.q, from, to),
        k: cut(&case.k, 0, keys),
        v: cut(&case.v, 0, keys),
        scale: case.scale,
        sinks: case.sinks.clone(),
    }
}

self_test!(chunked_prefill_and_decode_give_the_bits_of_one_prefill);
fn chunked_prefill_and_decode_give_the_bits_of_one_prefill() {
    let _guard = test_settings::lock();
    let n = 600;
    let mut case = Case::new(1, [4, 2], [n, n], [40, 24]);
    case.sinks = Some(vec![0.1, 0.2, 0.3, 0.4]);
    let (whole, lse) = case.run::<bf16>(Layout::Contiguous, Mask::Causal);
    let rows = |head: usize, from: usize, to: usize| {
        let at = (head * n + from) * 24..(head * n + to) * 24;
        (bits(&whole[at]), lse[head * n + from..head * n + to].to_vec())
    };
    test_settings::each(|what| {
        let mut steps: Vec<usize> = vec![0, 1, 2, 7, 63, 64, 65, 128, 300, 511, 512, 513, 514, 598, 599, n];
        steps.dedup();
        for w in steps.windows(2) {
            let part = slice(&case, w[0], w[1], w[1]);
            let (out, l) = part.run::<bf16>(Layout::Gaps, Mask::Causal);
            let len = w[1] - w[0];
            for head in 0..4 {
                let got =
                    (bits(&out[head * len * 24..(head + 1) * len * 24]), l[head * len..(head + 1) * len].to_vec());
                assert!(got == rows(head, w[0], w[1]), "queries {}..{} head {head} {what}", w[0], w[1]);
            }
        }
    });
    // Token by token, without a mask: the key does not exist yet.
    for i in (0..n).step_by(1) {
        let (out, l) = slice(&case, i, i + 1, i + 1).run::<bf16>(Layout::Contiguous, Mask::None);
        for head in 0..4 {
            let got = (bits(&out[head * 24..(head + 1) * 24]), vec![l[head]]);
            assert!(got == rows(head, i, i + 1), "token {i} head {head}");
        }
    }
}

self_test!(grouped_heads_are_repeated_heads_and_batches_are_single_calls);
fn grouped_heads_are_repeated_heads_and_batches_are_single_calls() {
    for kv in [4, 2, 1] {
        let case = Case::new(3, [4, kv], [11, 90], [24, 16]);
        let got = case.run::<f32>(Layout::Contiguous, Mask::Causal);
        let repeat = |x: &Dense| {
            let [bs, hs, n, d] = x.dims;
            let rows = (0..bs * 4).flat_map(|t| x.data[(t / 4 * hs + t % 4 / (4 / hs)) * n * d..][..n * d].to_vec());
            Dense { dims: [bs, 4, n, d], data: rows.collect() }
        };
        let mut repeated = Case::new(3, [4, 4], [11, 90], [24, 16]);
        (repeated.k, repeated.v) = (repeat(&case.k), repeat(&case.v));
        same(&repeated.run(Layout::Contiguous, Mask::Causal), &got, "repeated heads");
        for b in 0..3 {
            let one = |x: &Dense| {
                let n = x.data.len() / 3;
                Dense { dims: [1, x.dims[1], x.dims[2], x.dims[3]], data: x.data[b * n..(b + 1) * n].to_vec() }
            };
            let mut single = Case::new(1, [4, kv], [11, 90], [24, 16]);
            (single.q, single.k, single.v) = (one(&case.q), one(&case.k), one(&case.v));
            let (out, lse) = single.run::<f32>(Layout::Contiguous, Mask::Causal);
            let want = (got.0[b * out.len()..][..out.len()].to_vec(), got.1[b * lse.len()..][..lse.len()].to_vec());
            same(&(out, lse), &want, "single");
        }
    }
}

self_test!(nothing_behind_a_mask_shows);
fn nothing_behind_a_mask_shows() {
    let _guard = test_settings::lock();
    let clean = Case::new(1, [2, 1], [20, 90], [24, 40]);
    let row: Vec<u8> = (0..90).map(|j| (j % 5 != 2 && j < 77) as u8).collect();
    let mask = Mask::Keep(MaskOperand { data: &row, offset: 0, strides: [0, 0, 0, 1] });
    let mut dirty = Case::new(1, [2, 1], [20, 90], [24, 40]);
    for j in (0..90).filter(|&j| row[j] == 0) {
        let bad = [f32::NAN, f32::INFINITY, -0.0][j % 3];
        dirty.k.data[j * 24..(j + 1) * 24].fill(bad);
        dirty.v.data[j * 40..(j + 1) * 40].fill(bad);
    }
    test_settings::each(|what| {
        let want = clean.run::<f32>(Layout::Contiguous, mask);
        same(&dirty.run::<f32>(Layout::Contiguous, mask), &want, what);
    });
    // The future is hidden in the same way: query i of a prefill does not see later NaNs.
    let mut late = Case::new(1, [2, 1], [90, 90], [24, 40]);
    let want = late.run::<f32>(Layout::Contiguous, Mask::Causal);
    late.v.data[60 * 40..].fill(f32::NAN);
    late.k.data[60 * 24..].fill(f32::NAN);
    let got = late.run::<f32>(Layout::Contiguous, Mask::Causal);
    for h in 0..2 {
        let at = h * 90 * 40..(h * 90 + 60) * 40;
        assert_eq!(bits(&got.0[at.clone()]), bits(&want.0[at]));
        assert!(got.0[(h * 90 + 60) * 40..(h + 1) * 90 * 40].iter().all(|x| x.is_nan()));
    }
}

self_test!(rows_that_see_nothing_are_zero);
fn rows_that_see_nothing_are_zero() {
    let mut case = Case::new(1, [2, 1], [6, 4], [8, 8]);
    let (out, lse) = case.run::<f32>(Layout::Contiguous, Mask::Causal);
    for h in 0..2 {
        // Queries 0 and 1 of 6 come before key 0 of 4.
        assert_eq!(bits(&out[h * 48..h * 48 + 16]), [0; 16]);
        assert_eq!(lse[h * 6..h * 6 + 2], [f32::NEG_INFINITY; 2]);
        assert!(lse[h * 6 + 2..h * 6 + 6].iter().all(|l| l.is_finite()));
    }
    case.sinks = Some(vec![3.0, -2.0]);
    let (out, lse) = case.run::<f32>(Layout::Contiguous, Mask::Causal);
    assert_eq!(bits(&out[..16]), [0; 16]);
    assert_eq!((lse[0], lse[6]), (3.0, -2.0));
}

self_test!(empty_sizes);
fn empty_sizes() {
    for (len, dim) in [([0, 5], [4, 4]), ([5, 0], [4, 4]), ([3, 3], [0, 4]), ([3, 3], [4, 0])] {
        let case = Case::new(1, [2, 1], len, dim);
        let (out, lse) = case.run::<f32>(Layout::Contiguous, Mask::None);
        same(&(out, lse), &case.ordered(|_, _, _, _| Some(0.0)), &format!("{len:?} {dim:?}"));
    }
}

self_test!(a_nan_or_infinite_score_gives_nan);
fn a_nan_or_infinite_score_gives_nan() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut case = Case::new(1, [1, 1], [3, 70], [4, 4]);
        case.q.data[4..8].copy_from_slice(&[bad; 4]);
        let (out, lse) = case.run::<f32>(Layout::Contiguous, Mask::None);
        assert!(out[4..8].iter().all(|x| x.is_nan()) && lse[1].is_nan());
        assert!(out[..4].iter().chain(&out[8..]).all(|x| x.is_finite()));
    }
}

/// The definition in f64 on the rounded inputs, with the error bound of the order.
fn close<T: Sample>(case: &Case, unit: f64) {
    let s = case.shape;
    let widen = |x: &[f32]| x.iter().map(|&x| T::narrow(x).widen() as f64).collect::<Vec<_>>();
    let (out, lse) = case.run::<T>(Layout::Contiguous, Mask::Causal);
    let see = case.causal();
    let u = f32::EPSILON as f64 / 2.0;
    for h in 0..s.q_heads {
        let kv = h / (s.q_heads / s.kv_heads);
        for i in 0..s.q_len {
            let q = widen(case.q.row(0, h, i));
            let keys: Vec<usize> = (0..s.k_len).filter(|&j| see(0, h, i, j).is_some()).collect();
            let products = |j: usize| {
                widen(case.k.row(0, kv, j)).iter().zip(&q).map(|(k, q)| k * q * case.scale).collect::<Vec<_>>()
            };
            let scores: Vec<f64> = keys.iter().map(|&j| products(j).iter().sum()).collect();
            let sizes = keys.iter().map(|&j| products(j).iter().map(|x| x.abs()).sum::<f64>());
            let top = scores.iter().fold(f64::NEG_INFINITY, |m, &s| m.max(s));
            let p: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let l: f64 = p.iter().sum();
            // A score: d + 1 roundings of terms (scale, chain) and one of the difference; then exp of at most 2 u, some
            // factors c, and the sums over keys (at most one rounding per key) of numerator and denominator.
            let score = sizes.fold(0.0, f64::max) * (s.head_dim as f64 + 4.0) * u;
            let relative = 2.0 * (score + (keys.len() as f64 / 16.0 + 40.0) * u) + keys.len() as f64 * u;
            for d in 0..s.value_dim {
                let values: Vec<f64> =
                    keys.iter().map(|&j| T::narrow(case.v.row(0, kv, j)[d]).widen() as f64).collect();
                let want = p.iter().zip(&values).map(|(p, v)| p * v).sum::<f64>() / l;
                let size = p.iter().zip(&values).map(|(p, v)| p * v.abs()).sum::<f64>() / l;
                let got = out[(h * s.q_len + i) * s.value_dim + d].widen() as f64;
                let bound = size * relative + want.abs() * unit + 1e-40;
                assert!((got - want).abs() <= bound, "{h} {i} {d}: {got} {want} {bound}");
            }
            let got = lse[h * s.q_len + i] as f64;
            assert!((got - (top + l.ln())).abs() <= relative + 4.0 * u * (top.abs() + l.ln()), "{got}");
        }
    }
}

self_test!(close_to_the_definition);
fn close_to_the_definition() {
    for len in [[70, 70], [3, 1200]] {
        let case = Case::new(1, [4, 2], len, [64, 32]);
        close::<f32>(&case, f32::EPSILON as f64 / 2.0);
        close::<bf16>(&case, 1.0 / 256.0);
        close::<f16>(&case, 1.0 / 2048.0);
    }
}

self_test!(f64_agrees_with_f32_far_closer_than_f32_can_and_is_row_stable);
fn f64_agrees_with_f32_far_closer_than_f32_can_and_is_row_stable() {
    let case = Case::new(1, [4, 2], [9, 130], [16, 8]);
    let wide = |x: &Dense| x.data.iter().map(|&x| x as f64).collect::<Vec<_>>();
    let (q, k, v) = (wide(&case.q), wide(&case.k), wide(&case.v));
    let run = |from: usize, to: usize| {
        let (n, keys) = (to - from, to + 121);
        let mut out = vec![f64::NAN; 4 * n * 8];
        let mut lse = vec![f32::NAN; 4 * n];
        let x = AttentionInputs {
            shape: AttentionShape { q_len: n, k_len: keys, ..case.shape },
            q: Operand { data: &q, offset: from * 16, strides: [0, 9 * 16, 16] },
            k: Operand { data: &k, offset: 0, strides: [0, 130 * 16, 16] },
            v: Operand { data: &v, offset: 0, strides: [0, 130 * 8, 8] },
            scale: case.scale,
            mask: Mask::Causal,
            sinks: None,
        };
        attention(&x, &mut out, Some(&mut lse));
        (out, lse)
    };
    let (all, lse) = run(0, 9);
    let (single, _) = case.run::<f32>(Layout::Contiguous, Mask::Causal);
    for (a, b) in all.iter().zip(&single) {
        assert!((a - *b as f64).abs() < 2e-6, "{a} {b}");
    }
    for i in 0..9 {
        let (one, l) = run(i, i + 1);
        for h in 0..4 {
            let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&one[h * 8..h * 8 + 8]), bits(&all[(h * 9 + i) * 8..][..8]));
            assert_eq!(l[h], lse[h * 9 + i]);
        }
    }
}

self_test!(operands_outside_their_slices_are_refused, panics "the keys reach");
fn operands_outside_their_slices_are_refused() {
    let data = vec![0f32; 64];
    let o = |len: isize| Operand { data: &data, offset: 0, strides: [0, 0, len] };
    let shape = AttentionShape { batch: 1, q_heads: 1, kv_heads: 1, q_len: 1, k_len: 9, head_dim: 8, value_dim: 8 };
    let x = AttentionInputs { shape, q: o(8), k: o(8), v: o(0), scale: 1.0, mask: Mask::None, sinks: None };
    attention(&x, &mut [0.0; 8], None);
}
