//! The reverse derivative of attention.
//!
//! With the weights `w = softmax(scale·q k + mask)` of a row and the cotangent `ct` of its output:
//! `g[j] = ct · v[j]`, `ds[j] = w[j] (g[j] - Σ w g)`, `dq = scale Σ ds[j] k[j]`, and over all rows `dk[j] = scale Σ ds[j] q`,
//! `dv[j] = Σ w[j] ct`. The mask's cotangent is `ds`, a sink's `-w(sink) Σ w g` over its rows.
//!
//! A masked key is never multiplied, in any of the sums, as in the forward direction.
//!
//! # The order
//! All in f32, results rounded once. Scores `s[j]` are the forward direction's. For each row, over the keys that it sees:
//!
//! ```text
//! m     = max of s and the sink;   p[j] = exp(s[j] - m)                 (m = -inf counts as 0)
//! l[t]  = l[t] + ((p[t] + p[16 + t]) + (p[32 + t] + p[48 + t]))         t = 0..16, blocks of 64 keys ascending
//! L     = sum of l in the fixed tree, + exp(sink - m);   w[j] = p[j]·(1 / L)
//! g[j]  = fma chain over the value's elements ascending from +0
//! D     = fma(w, g, .) in four vectors of lanes, added as (0 + 1) + (2 + 3), then in the fixed tree
//! ds[j] = w[j]·(g[j] - D)
//! dq    = (spans of 512 keys: fma(ds[j], k[j], .) over j ascending from +0; spans added ascending)·scale + 0
//! ```
//!
//! so a row of `dq` is a function of its query, its cotangent and the keys and values that it sees. Rows of one key head are
//! ordered by query, heads of the group within. Spans of 256 rows: `dk[j] = fma(ds[j], q·scale rounded, .)` and
//! `dv[j] = fma(w[j], ct, .)` over the rows ascending from +0; spans added ascending, `+ 0`. A sink's cotangent is the sum of
//! its rows' in f64, batches ascending.
//!
//! # How
//! 1. Scores and `g` of a chunk of rows against all keys are kept, in blocks of 64 keys, so nothing is computed twice. The
//!    chunk is as long as fits in L2.
//! 2. Five products in the register tiles of the forward direction. The sums over rows read the blocks of weights by
//!    columns, six neighbouring keys at a time, so nothing is transposed but masks.
//! 3. Blocks that no row of the chunk sees are skipped; so are tiles of six rows that see nothing.
//! 4. A task is a key head, or a span of its rows where there are few heads; spans join in order.
//!
//! Known cost: keys and values are packed once per chunk of rows.

mod kernels;

use super::ahead::Ahead;
use super::mask::transpose_bits;
use super::pack::{PackKeys, PackQuery, PackValues};
use super::scratch::Scratch;
use super::tile::Weights;
use super::{AttentionElement, AttentionInputs, BLOCK, Group, Operand, SPAN};
use crate::disjoint::Disjoint;
use crate::float_lanes::FloatLanes;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::dispatch_at;
use half::{bf16, f16};
use kernels::{AddTo, Dots, RowGradients, StoreRows, Sums};
use std::any::TypeId;
use std::ops::Range;

/// Rows whose sums for keys and values are one chain; part of the order.
const ROW_SPAN: usize = 256;
/// Elements of the kept scores of a chunk of rows; not part of the order.
const CHUNK: usize = 1 << 17;

/// A result `[batch, heads, length, dim]` with a contiguous last axis.
pub struct Gradient<'a, T> {
    /// The elements that the strides walk over.
    pub data: &'a mut [T],
    /// Strides of batch, head and length, such that no two rows overlap.
    pub strides: [usize; 3],
}

/// Where the cotangents go.
pub struct Gradients<'a, T> {
    /// Of the queries.
    pub q: Gradient<'a, T>,
    /// Of the keys.
    pub k: Gradient<'a, T>,
    /// Of the values.
    pub v: Gradient<'a, T>,
    /// Of an additive mask, `[batch, q_heads, q_len, k_len]`, contiguous.
    pub mask: Option<&'a mut [f32]>,
    /// Of the sinks.
    pub sinks: Option<&'a mut [f32]>,
}

/// A float type that the derivative of attention works on.
pub trait AttentionVjpElement: AttentionElement {
    #[doc(hidden)]
    fn run_vjp(x: &AttentionInputs<Self>, ct: &Operand<Self>, grads: Gradients<Self>);
}

macro_rules! element {
    ($($t:ty)*) => {$(
        impl AttentionVjpElement for $t {
            fn run_vjp(x: &AttentionInputs<Self>, ct: &Operand<Self>, grads: Gradients<Self>) {
                run(x, ct, grads)
            }
        }
    )*};
}
element!(f32 f16 bf16);

/// Computes the cotangents of attention's inputs from that of its output, `[batch, q_heads, q_len, value_dim]`. All elements
/// that the results' shapes and strides name are written.
///
/// # Panics
/// If an operand or a result is too short for the shape, or `q_heads` is not a multiple of `kv_heads`.
pub fn attention_vjp<T: AttentionVjpElement>(x: &AttentionInputs<T>, ct: &Operand<T>, grads: Gradients<T>) {
    let s = x.shape;
    x.check();
    ct.check(&[s.batch, s.q_heads, s.q_len], s.value_dim, "attention_vjp: the cotangent");
    grads.q.check(&[s.batch, s.q_heads, s.q_len], s.head_dim);
    grads.k.check(&[s.batch, s.kv_heads, s.k_len], s.head_dim);
    grads.v.check(&[s.batch, s.kv_heads, s.k_len], s.value_dim);
    let scores = s.batch * s.q_heads * s.q_len * s.k_len;
    assert!(grads.mask.as_ref().is_none_or(|m| m.len() == scores), "attention_vjp: size of the mask's cotangent");
    assert!(grads.sinks.as_ref().is_none_or(|l| l.len() == s.q_heads), "attention_vjp: one cotangent per sink");
    T::run_vjp(x, ct, grads);
}

impl<T> Gradient<'_, T> {
    fn check(&self, dims: &[usize; 3], dim: usize) {
        super::check(self.data.len(), 0, dims, &self.strides.map(|s| s as isize), dim, "attention_vjp: the results");
    }
}

/// A result that tasks write rows of.
struct Out<'a, T> {
    data: Disjoint<'a, T>,
    strides: [usize; 3],
}

impl<'a, T: FloatLanes> Out<'a, T> {
    fn new(g: Gradient<'a, T>) -> Self {
        Out { data: Disjoint::new(g.data), strides: g.strides }
    }

    /// Rounds `dim` sums times `scale` into row `[b, h, i]`.
    ///
    /// # Safety
    /// No other task writes the row.
    unsafe fn store(&self, level: Level, [b, h, i]: [usize; 3], from: &[f32], dim: usize, scale: f32) {
        let at = b * self.strides[0] + h * self.strides[1] + i * self.strides[2];
        // SAFETY: the caller's promise.
        dispatch_at(level, StoreRows { from, scale, to: unsafe { self.data.slice(at, dim) } });
    }
}

fn run<T: FloatLanes>(x: &AttentionInputs<T>, ct: &Operand<T>, grads: Gradients<T>) {
    let s = x.shape;
    let Gradients { q, k, v, mask, sinks } = grads;
    if s.kv_heads == 0 {
        return;
    }
    let mut sink_rows = vec![0f32; if sinks.is_some() { s.batch * s.q_heads * s.q_len } else { 0 }];
    let call = Call {
        x,
        ct,
        level: isa::level(),
        dp: s.head_dim.next_multiple_of(16),
        dvp: s.value_dim.next_multiple_of(16),
        q: Out::new(q),
        k: Out::new(k),
        v: Out::new(v),
        mask: mask.map(Disjoint::new),
        sinks: sinks.is_some().then(|| Disjoint::new(&mut sink_rows)),
    };
    call.all();
    if let Some(sinks) = sinks {
        for (head, sink) in sinks.iter_mut().enumerate() {
            let rows = (0..s.batch).flat_map(|b| &sink_rows[(b * s.q_heads + head) * s.q_len..][..s.q_len]);
            *sink = rows.fold(0.0, |sum, &x| sum + f64::from(x)) as f32;
        }
    }
}

/// One call: its inputs, padded sizes and results.
struct Call<'a, T> {
    x: &'a AttentionInputs<'a, T>,
    ct: &'a Operand<'a, T>,
    level: Level,
    dp: usize,
    dvp: usize,
    q: Out<'a, T>,
    k: Out<'a, T>,
    v: Out<'a, T>,
    mask: Option<Disjoint<'a, f32>>,
    /// A number per row.
    sinks: Option<Disjoint<'a, f32>>,
}

impl<T: FloatLanes> Call<'_, T> {
    fn all(&self) {
        let s = self.x.shape;
        let rows = s.q_heads / s.kv_heads * s.q_len;
        let (pairs, spans) = (s.batch * s.kv_heads, rows.div_ceil(ROW_SPAN));
        let group =
            |pair: usize| Group { batch: pair / s.kv_heads, kv_head: pair % s.kv_heads, size: s.q_heads / s.kv_heads };
        let span_rows = |span: usize| span * ROW_SPAN..((span + 1) * ROW_SPAN).min(rows);
        // Sums for all keys of a head, then for all its values.
        let size = s.k_len * (self.dp + self.dvp);
        let at_once = (2 * par::threads()).div_ceil(pairs.max(1));
        if spans <= 1 || at_once <= 1 || par::threads() == 1 {
            par::run(pairs, |pair| {
                let mut scratch = Scratch::take();
                let room = [size, if spans > 1 { size } else { 0 }];
                let mut work = Work::new(self, group(pair), rows.min(ROW_SPAN), room, &mut scratch);
                let (sums, part) = (std::mem::take(&mut work.sums), std::mem::take(&mut work.part));
                sums.fill(0.0);
                for span in 0..spans {
                    if span == 0 {
                        work.span(span_rows(0), sums);
                    } else {
                        part.fill(0.0);
                        work.span(span_rows(span), part);
                        dispatch_at(self.level, AddTo { from: part, to: sums });
                    }
                }
                self.finish(group(pair), sums);
            });
            return;
        }
        let mut totals = vec![0f32; pairs * size];
        let mut parts = vec![0f32; pairs * at_once * size];
        let totals = Disjoint::new(&mut totals);
        let parts = Disjoint::new(&mut parts);
        for first in (0..spans).step_by(at_once) {
            let count = at_once.min(spans - first);
            par::run(pairs * count, |t| {
                let (pair, i) = (t / count, t % count);
                // SAFETY: every (pair, span) has a part of its own.
                let part = unsafe { parts.slice((pair * at_once + i) * size, size) };
                part.fill(0.0);
                let mut scratch = Scratch::take();
                Work::new(self, group(pair), ROW_SPAN, [0; 2], &mut scratch).span(span_rows(first + i), part);
            });
            par::run(pairs, |pair| {
                // SAFETY: every pair joins its own parts.
                let total = unsafe { totals.slice(pair * size, size) };
                for i in 0..count {
                    // SAFETY: as above.
                    let from = unsafe { parts.slice((pair * at_once + i) * size, size) };
                    dispatch_at(self.level, AddTo { from, to: total });
                }
                if first + count == spans {
                    self.finish(group(pair), total);
                }
            });
        }
    }

    /// Rounds the sums of a head's keys and values.
    fn finish(&self, group: Group, sums: &[f32]) {
        let s = self.x.shape;
        let (dk, dv) = sums.split_at(s.k_len * self.dp);
        for j in 0..s.k_len {
            let place = [group.batch, group.kv_head, j];
            // SAFETY: a head is one task's.
            unsafe {
                self.k.store(self.level, place, &dk[j * self.dp..][..self.dp], s.head_dim, 1.0);
                self.v.store(self.level, place, &dv[j * self.dvp..][..self.dvp], s.value_dim, 1.0);
            }
        }
    }
}

/// A task's working memory.
struct Work<'a, T> {
    call: &'a Call<'a, T>,
    group: Group,
    /// Rows of a chunk.
    chunk: usize,
    q: &'a mut [f32],
    ct: &'a mut [f32],
    /// A block of keys, then of values, by columns.
    packed: &'a mut [f32],
    /// A block of keys by rows, where they do not lie so.
    keys: &'a mut [f32],
    bias: &'a mut [f32],
    /// Scores, then weights: blocks of 64 keys, in each the chunk's rows.
    w: &'a mut [f32],
    /// `g`, then `ds`, likewise.
    g: &'a mut [f32],
    dq: &'a mut [f32],
    total: &'a mut [f32],
    sums: &'a mut [f32],
    part: &'a mut [f32],
    /// Which keys a row sees, laid out as `w`.
    keep: Vec<u64>,
    /// For every block whether some row sees some of it.
    seen: Vec<u64>,
}

impl<'a, T: FloatLanes> Work<'a, T> {
    /// For spans of up to `rows` rows, with room for so many sums.
    fn new(call: &'a Call<'a, T>, group: Group, rows: usize, room: [usize; 2], scratch: &'a mut Scratch) -> Self {
        let s = call.x.shape;
        let blocks = s.k_len.div_ceil(BLOCK);
        let chunk = (CHUNK / (blocks * BLOCK).max(1)).clamp(16, 128).min(rows);
        let (n, dp, dvp) = (chunk, call.dp, call.dvp);
        let bias = if call.x.has_bias() { n * BLOCK } else { 0 };
        let kept = n * blocks * BLOCK;
        let packed = s.head_dim.max(s.value_dim) * BLOCK;
        let [q, ct, packed, keys, bias, w, g, dq, total, sums, part] =
            scratch.parts([n * dp, n * dvp, packed, dp * BLOCK, bias, kept, kept, n * dp, n * dp, room[0], room[1]]);
        let (keep, seen) = (vec![0; n * blocks], vec![0; blocks]);
        Work { call, group, chunk, q, ct, packed, keys, bias, w, g, dq, total, sums, part, keep, seen }
    }

    /// The rows' own results, and their part of the sums for keys and values.
    fn span(&mut self, rows: Range<usize>, sums: &mut [f32]) {
        for first in rows.clone().step_by(self.chunk.max(1)) {
            let chunk = first..(first + self.chunk).min(rows.end);
            self.load(chunk.clone());
            self.scores(chunk.clone());
            self.gradients(chunk.clone());
            self.products(chunk, sums);
        }
    }

    /// Queries and cotangents as rows of f32, zero past their elements.
    fn load(&mut self, rows: Range<usize>) {
        let (x, level, dp, dvp) = (self.call.x, self.call.level, self.call.dp, self.call.dvp);
        let (dim, value_dim) = (x.shape.head_dim, x.shape.value_dim);
        for (i, r) in rows.enumerate() {
            let (head, query) = self.group.place(r);
            let to = &mut self.q[i * dp..(i + 1) * dp];
            to[dim..].fill(0.0);
            let from = x.q.row(self.group.batch, head, query);
            dispatch_at(level, PackQuery { from, scale: x.scale as f32, to: &mut to[..dim] });
            let from = self.call.ct.row(self.group.batch, head, query);
            let to = &mut self.ct[i * dvp..(i + 1) * dvp];
            dispatch_at(level, PackValues { from, stride: 0, keys: 1, dim: value_dim, padded: dvp, to });
        }
    }

    /// Scores and `g` of the rows with all keys that they see.
    fn scores(&mut self, rows: Range<usize>) {
        let (x, level, n) = (self.call.x, self.call.level, rows.len());
        let s = x.shape;
        let (b, h) = (self.group.batch, self.group.kv_head);
        for block in 0..self.seen.len() {
            let key = block * BLOCK;
            let keep = &mut self.keep[block * n..(block + 1) * n];
            let mut seen = 0;
            for (i, r) in rows.clone().enumerate() {
                let (head, query) = self.group.place(r);
                let bias = if self.bias.is_empty() { &mut [] } else { &mut self.bias[i * BLOCK..(i + 1) * BLOCK] };
                keep[i] = x.keep(b, head, query, key, bias);
                seen |= keep[i];
            }
            self.seen[block] = seen;
            if seen == 0 {
                continue;
            }
            // Keys behind the last one that somebody sees need not be read.
            let keys = 64 - seen.leading_zeros() as usize;
            let at = block * n * BLOCK..(block + 1) * n * BLOCK;
            let (dim, to) = (s.head_dim, &mut *self.packed);
            dispatch_at(
                level,
                PackKeys { from: x.k.row(b, h, key), stride: x.k.strides[2], keys, dim, to, ahead: Ahead::NONE },
            );
            let out = &mut self.w[at.clone()];
            dispatch_at(level, Dots { x: self.q, stride: self.call.dp, dim, packed: self.packed, keep, out });
            if !self.bias.is_empty() {
                dispatch_at(level, AddTo { from: &self.bias[..n * BLOCK], to: &mut self.w[at.clone()] });
            }
            let (dim, to) = (s.value_dim, &mut *self.packed);
            dispatch_at(
                level,
                PackKeys { from: x.v.row(b, h, key), stride: x.v.strides[2], keys, dim, to, ahead: Ahead::NONE },
            );
            let out = &mut self.g[at];
            dispatch_at(level, Dots { x: self.ct, stride: self.call.dvp, dim, packed: self.packed, keep, out });
        }
    }

    /// Scores become weights, `g` becomes `ds`; the mask's and the sinks' cotangents.
    fn gradients(&mut self, rows: Range<usize>) {
        let (call, n) = (self.call, rows.len());
        let s = call.x.shape;
        if s.k_len == 0 {
            return;
        }
        for (i, r) in rows.enumerate() {
            let (head, _) = self.group.place(r);
            let sink = call.x.sinks.map(|l| l[head]);
            let at = self.group.out_row(&s, r);
            let (w, g) = (&mut self.w[i * BLOCK..], &mut self.g[i * BLOCK..]);
            let rows = RowGradients { w, g, keep: &self.keep[i..self.seen.len() * n], stride: n, sink };
            let of_sink = dispatch_at(call.level, rows);
            if let Some(sinks) = &call.sinks {
                // SAFETY: every row belongs to one task.
                unsafe { sinks.slice(at, 1)[0] = of_sink };
            }
            if let Some(mask) = &call.mask {
                // SAFETY: as above.
                let to = unsafe { mask.slice(at * s.k_len, s.k_len) };
                for (block, to) in to.chunks_mut(BLOCK).enumerate() {
                    if self.keep[block * n + i] == 0 {
                        to.fill(0.0);
                    } else {
                        to.copy_from_slice(&self.g[(block * n + i) * BLOCK..][..to.len()]);
                    }
                }
            }
        }
    }

    /// The three products with `w` and `ds`.
    fn products(&mut self, rows: Range<usize>, sums: &mut [f32]) {
        let (call, n) = (self.call, rows.len());
        let (x, level, dp, dvp) = (call.x, call.level, call.dp, call.dvp);
        let s = x.shape;
        let (dk, dv) = sums.split_at_mut(s.k_len * dp);
        self.total[..n * dp].fill(0.0);
        let mut fresh = true;
        for block in 0..self.seen.len() {
            let keys = 64 - self.seen[block].leading_zeros() as usize;
            if keys > 0 {
                if fresh {
                    self.dq[..n * dp].fill(0.0);
                    fresh = false;
                }
                let key = block * BLOCK;
                let values = self.key_rows(key, keys);
                let (w, g) = (self.w[block * n * BLOCK..].as_ptr(), self.g[block * n * BLOCK..].as_ptr());
                let keep = &self.keep[block * n..(block + 1) * n];
                let weights = Weights { at: g, row: BLOCK, term: 1 };
                // SAFETY: `n` rows of weights, keys that are there for every bit of `keep`.
                unsafe { Sums { acc: &mut self.dq[..n * dp], padded: dp, weights, values, keep }.at(level) };
                for first in (0..n).step_by(BLOCK) {
                    let mut columns = [0; 64];
                    let part = &keep[first..n.min(first + BLOCK)];
                    columns[..part.len()].copy_from_slice(part);
                    transpose_bits(&mut columns);
                    let keep = &columns[..keys];
                    let by_column = |p: *const f32| Weights { at: p.wrapping_add(first * BLOCK), row: 1, term: BLOCK };
                    let values = (self.ct[first * dvp..].as_ptr(), dvp as isize);
                    let acc = &mut dv[key * dvp..(key + keys) * dvp];
                    // SAFETY: columns have a bit for each of the chunk's rows, which are all there.
                    unsafe { Sums { acc, padded: dvp, weights: by_column(w), values, keep }.at(level) };
                    let values = (self.q[first * dp..].as_ptr(), dp as isize);
                    let acc = &mut dk[key * dp..(key + keys) * dp];
                    // SAFETY: as above.
                    unsafe { Sums { acc, padded: dp, weights: by_column(g), values, keep }.at(level) };
                }
            }
            let ends = (block + 1).is_multiple_of(SPAN / BLOCK) || block + 1 == self.seen.len();
            if ends && !fresh {
                dispatch_at(level, AddTo { from: &self.dq[..n * dp], to: &mut self.total[..n * dp] });
                fresh = true;
            }
        }
        for (i, r) in rows.enumerate() {
            let (head, query) = self.group.place(r);
            let from = &self.total[i * dp..(i + 1) * dp];
            // SAFETY: every row belongs to one task.
            unsafe { call.q.store(level, [self.group.batch, head, query], from, s.head_dim, x.scale as f32) };
        }
    }

    /// The block's keys as rows of f32, padded, and their stride.
    fn key_rows(&mut self, key: usize, keys: usize) -> (*const f32, isize) {
        let (x, dp) = (self.call.x, self.call.dp);
        let from = x.k.row(self.group.batch, self.group.kv_head, key);
        let (stride, dim) = (x.k.strides[2], x.shape.head_dim);
        if TypeId::of::<T>() == TypeId::of::<f32>() && dp == dim {
            return (from.cast(), stride);
        }
        dispatch_at(self.call.level, PackValues { from, stride, keys, dim, padded: dp, to: self.keys });
        (self.keys.as_ptr(), dp as isize)
    }
}

#[cfg(feature = "self-test")]
mod tests;
