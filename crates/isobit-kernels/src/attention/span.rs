//! A chunk of rows through the blocks of a span, the joining of spans, and the end.
//!
//! A state is, for each row, `padded` sums, then the maximum, then the sum of weights.

use super::ahead::Ahead;
use super::block::{Block, FEW, Part, State};
use super::codes::direct::{self, Interleave, Scores};
use super::codes::values::{Sums, in_pairs};
use super::codes::{Codes, QuantizedOperand, direct_rows};
use super::pack::PackQuery;
use super::scratch::Scratch;
use super::source::Source;
use super::{AttentionInputs, BLOCK, Group, SPAN};
use crate::float_lanes::FloatLanes;
use crate::isa::Level;
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};
use std::any::TypeId;
use std::ops::Range;

/// The rows' softmax, apart from their other memory.
macro_rules! state {
    ($rows:ident, $range:expr) => {{
        let (a, b) = ($range.start, $range.end);
        State {
            keep: &$rows.keep[a..b],
            bias: if $rows.bias.is_empty() { &[] } else { &$rows.bias[a * BLOCK..b * BLOCK] },
            p: &mut $rows.p[a * BLOCK..],
            m: &mut $rows.m[a..b],
            c: &mut $rows.c[a..b],
            l: &mut $rows.l[a * 16..b * 16],
        }
    }};
}

/// The state before any span.
pub(super) fn empty(rows: usize, padded: usize) -> Vec<f32> {
    let mut state = vec![0.0; rows * (padded + 2)];
    for row in state.chunks_exact_mut(padded + 2) {
        row[padded] = f32::NEG_INFINITY;
    }
    state
}

/// The rows of one task with their working memory.
pub(super) struct Rows<'a, T, K> {
    x: &'a AttentionInputs<'a, T, K>,
    level: Level,
    group: Group,
    range: Range<usize>,
    padded: usize,
    /// How many rows, from the first on, attend to codes.
    direct: usize,
    /// Elements of an accumulator, and whether they are in the order of [`in_pairs`].
    width: usize,
    in_pairs: bool,
    q: &'a mut [f32],
    /// Those of direct rows, interleaved.
    turned: &'a mut [f32],
    /// A block of keys, then of values, if these must be made: so both stay in the first cache.
    floats: &'a mut [f32],
    room: &'a mut [f32],
    bias: &'a mut [f32],
    p: &'a mut [f32],
    m: &'a mut [f32],
    c: &'a mut [f32],
    l: &'a mut [f32],
    acc: &'a mut [f32],
    keep: Vec<u64>,
}

impl<'a, T: FloatLanes, K: Source> Rows<'a, T, K> {
    pub fn new(
        x: &'a AttentionInputs<'a, T, K>,
        level: Level,
        group: Group,
        range: Range<usize>,
        scratch: &'a mut Scratch,
    ) -> Self {
        let (n, dim) = (range.len(), x.shape.head_dim);
        let padded = x.shape.value_dim.next_multiple_of(16);
        let bias = if x.has_bias() { n * BLOCK } else { 0 };
        let room = x.k.room(dim).max(x.v.room(x.shape.value_dim));
        let in_codes = x.k.codes().is_some() && x.v.codes().is_some();
        let direct = if in_codes { direct_rows(level, n) } else { 0 };
        // Groups of codes are whole sixteens.
        let width = if direct > 0 { x.shape.value_dim } else { padded };
        let in_pairs = direct > 0 && x.v.codes().is_some_and(|v| in_pairs(level, v.format.bits));
        let n_padded = n.max(direct::padded(direct));
        let [q, turned, floats, room, bias, p, m, c, l, acc] = scratch.parts([
            n * dim,
            direct::padded(direct) * dim,
            dim.max(padded) * BLOCK,
            room,
            bias,
            n_padded * BLOCK,
            n,
            n,
            n * 16,
            n_padded * width,
        ]);
        for (to, r) in q.chunks_exact_mut(dim.max(1)).zip(range.clone()) {
            let (head, query) = group.place(r);
            let from = x.q.row(group.batch, head, query);
            dispatch_at(level, PackQuery { from, scale: x.scale as f32, to });
        }
        if direct > 0 {
            dispatch_at(level, Interleave { rows: direct, dim, from: q, to: turned });
        }
        Rows {
            x,
            level,
            group,
            range,
            padded,
            direct,
            width,
            in_pairs,
            q,
            turned,
            floats,
            room,
            bias,
            p,
            m,
            c,
            l,
            acc,
            keep: vec![0; n],
        }
    }

    /// A state of these rows that holds nothing yet.
    pub fn empty_state(&self) -> Vec<f32> {
        empty(self.range.len(), self.padded)
    }

    /// Works through the span; false if no row sees a key of it (then nothing was computed).
    pub fn span(&mut self, span: usize) -> bool {
        let s = self.x.shape;
        let end = ((span + 1) * SPAN).min(s.k_len);
        let mut any = false;
        for key in (span * SPAN..end).step_by(BLOCK) {
            let mut seen = 0;
            for (i, r) in self.range.clone().enumerate() {
                let (head, query) = self.group.place(r);
                let bias = if self.bias.is_empty() { &mut [] } else { &mut self.bias[i * BLOCK..(i + 1) * BLOCK] };
                self.keep[i] = self.x.keep(self.group.batch, head, query, key, bias);
                seen |= self.keep[i];
            }
            if seen == 0 {
                continue;
            }
            if !any {
                self.m.fill(f32::NEG_INFINITY);
                self.l.fill(0.0);
                self.acc.fill(0.0);
                any = true;
            }
            self.block(key, (end - key).min(BLOCK), seen);
        }
        any
    }

    fn block(&mut self, key: usize, keys: usize, seen: u64) {
        let (x, level, padded) = (self.x, self.level, self.padded);
        let (b, h) = (self.group.batch, self.group.kv_head);
        let (dim, value_dim) = (x.shape.head_dim, x.shape.value_dim);
        // Keys behind the last one that somebody sees need not be read.
        let keys = keys.min(64 - seen.leading_zeros() as usize);
        // With few rows, what comes next is asked for early: the values while keys are packed, then the next keys.
        let few = self.range.len() <= FEW;
        let next = if few { BLOCK.min(x.shape.k_len.saturating_sub(key + BLOCK)) } else { 0 };
        let (at, all) = ([b, h, key], 0..self.range.len());
        if let (Some(k), Some(v)) = (x.k.codes(), x.v.codes())
            && self.direct > 0
            && (self.direct == all.end || self.keep.iter().all(|&keep| keep == seen))
        {
            return self.attend_to_codes((k, v), at, keys);
        }
        let ahead = x.v.lines(at, if few { keys } else { 0 }, value_dim);
        x.k.columns(level, at, keys, dim, self.floats, self.room, ahead);
        let next = x.k.lines([b, h, key + BLOCK], next, dim);
        match x.v.direct(at) {
            Some((from, stride))
                if padded == value_dim && (few || TypeId::of::<K::Element>() == TypeId::of::<f32>()) =>
            {
                self.attend(Part::Both, all, from, stride, next);
            }
            _ => {
                self.attend(Part::Scores, all.clone(), self.floats.as_ptr(), 0, Ahead::NONE);
                x.v.rows(level, at, keys, value_dim, padded, self.floats, self.room);
                self.attend(Part::Sums, all, self.floats.as_ptr(), padded as isize, next);
            }
        }
    }

    /// Some rows with the packed keys and these values.
    fn attend<V: FloatLanes>(
        &mut self,
        part: Part,
        rows: Range<usize>,
        values: *const V,
        value_stride: isize,
        ahead: Ahead,
    ) {
        let block = Block {
            part,
            q: &self.q[rows.start * self.x.shape.head_dim..],
            dim: self.x.shape.head_dim,
            keys: self.floats,
            values,
            value_stride,
            padded: self.padded,
            state: state!(self, rows),
            acc: &mut self.acc[rows.start * self.padded..],
            ahead,
        };
        block.at(self.level);
    }

    /// The codes of this block's keys and values, which all rows see alike if not all attend to codes.
    fn attend_to_codes(&mut self, (k, v): (&QuantizedOperand, &QuantizedOperand), at: [usize; 3], rows: usize) {
        let (s, level, direct) = (self.x.shape, self.level, 0..self.direct);
        let others = self.direct..self.range.len();
        let ahead = v.lines(at, rows, s.value_dim);
        let codes = Codes { from: k, at, rows, dim: s.head_dim };
        let (state, q, room, floats) = (state!(self, direct), &*self.turned, &mut *self.room, &mut *self.floats);
        Scores { codes, q, state, room, floats, ahead }.at(level);
        if !others.is_empty() {
            self.attend(Part::Scores, others.clone(), self.floats.as_ptr(), 0, Ahead::NONE);
        }
        let next = [at[0], at[1], at[2] + BLOCK];
        let ahead = k.lines(next, BLOCK.min(s.k_len.saturating_sub(next[2])), s.head_dim);
        let codes = Codes { from: v, at, rows, dim: s.value_dim };
        let (state, room, floats, acc) = (state!(self, direct), &mut *self.room, &mut *self.floats, &mut *self.acc);
        dispatch_at(level, Sums { codes, state, acc, room, floats, ahead });
        if !others.is_empty() {
            self.attend(Part::Sums, others, self.floats.as_ptr(), self.padded as isize, Ahead::NONE);
        }
    }

    /// Joins the span just computed to `state`.
    pub fn merge_into(&mut self, state: &mut [f32]) {
        let mut part = self.empty_state();
        self.write_state(true, &mut part);
        Merge { rows: self.range.len(), dvp: self.padded, part: &part, total: state }.at(self.level);
    }

    /// Writes the span just computed as a state, or the state that holds nothing.
    pub fn write_state(&self, any: bool, to: &mut [f32]) {
        let (n, padded) = (self.range.len(), self.padded);
        for (r, to) in to.chunks_exact_mut(padded + 2).take(n).enumerate() {
            if any {
                let acc = &self.acc[r * self.width..(r + 1) * self.width];
                if self.in_pairs {
                    for (to, acc) in to.as_chunks_mut::<16>().0.iter_mut().zip(acc.as_chunks::<16>().0) {
                        *to = std::array::from_fn(|i| acc[i % 8 * 2 + i / 8]);
                    }
                } else {
                    to[..padded].copy_from_slice(acc);
                }
                to[padded] = self.m[r];
                to[padded + 1] = dispatch_at(self.level, SumLanes(&self.l[r * 16..(r + 1) * 16]));
            } else {
                to.fill(0.0);
                to[padded] = f32::NEG_INFINITY;
            }
        }
    }
}

struct SumLanes<'a>(&'a [f32]);

impl Kernel for SumLanes<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        assert!(self.0.len() >= 16);
        // SAFETY: 16 lanes are there.
        s.reduce_add(unsafe { s.load(self.0.as_ptr()) })
    }
}

/// Joins a part's state to the total, row by row.
pub(super) struct Merge<'a> {
    pub rows: usize,
    pub dvp: usize,
    pub part: &'a [f32],
    pub total: &'a mut [f32],
}

impl Merge<'_> {
    pub fn at(self, level: Level) {
        dispatch_at(level, self)
    }
}

/// `(max(a, b), exp(a - max), exp(b - max))`, a maximum of -inf counting as 0 in the differences.
#[inline(always)]
fn join<S: Simd>(s: S, a: f32, b: f32) -> (f32, f32, f32) {
    let max = if b > a { b } else { a };
    let base = if max == f32::NEG_INFINITY { 0.0 } else { max };
    let mut x = [0.0; 16];
    (x[0], x[1]) = (a - base, b - base);
    let e = s.to_array(math::exp(s, s.from_array(x)));
    (max, e[0], e[1])
}

impl Kernel for Merge<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.dvp;
        assert!(self.part.len() >= self.rows * (n + 2) && self.total.len() >= self.rows * (n + 2));
        let parts = self.part.chunks_exact(n + 2).take(self.rows);
        for (part, total) in parts.zip(self.total.chunks_exact_mut(n + 2)) {
            let (max, a, b) = join(s, total[n], part[n]);
            total[n] = max;
            total[n + 1] = part[n + 1].mul_add(b, total[n + 1] * a);
            let (a, b) = (s.splat(a), s.splat(b));
            for d in (0..n).step_by(16) {
                // SAFETY: `n` is a multiple of 16 and both rows have more elements.
                unsafe {
                    let to = total.as_mut_ptr().add(d);
                    s.store(to, s.fma(s.load(part.as_ptr().add(d)), b, s.mul(s.load(to), a)));
                }
            }
        }
    }
}

/// One row's end: the sink joins, the division, the rounding. Returns the log-sum-exp.
pub(super) struct Finish<'a, T> {
    pub state: &'a [f32],
    pub sink: Option<f32>,
    pub out: &'a mut [T],
}

impl<T: FloatLanes> Finish<'_, T> {
    pub fn at(self, level: Level) -> f32 {
        dispatch_at(level, self)
    }
}

impl<T: FloatLanes> Kernel for Finish<'_, T> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Finish { state, sink, out } = self;
        let n = state.len() - 2;
        assert!(out.len() <= n);
        let (mut m, mut l) = (state[n], state[n + 1]);
        let mut factor = 1.0;
        if let Some(sink) = sink {
            let (max, a, b) = join(s, m, sink);
            (m, l, factor) = (max, 1f32.mul_add(b, l * a), a);
        }
        // No unmasked key (and no sink): zero. A NaN stays one.
        let divisor = s.splat(if l == 0.0 { 1.0 } else { l });
        let factor = s.splat(factor);
        let len = out.len();
        for d in (0..len).step_by(16) {
            // SAFETY: the state has a multiple of 16 sums, at least `len`; `out` has `len` elements.
            unsafe {
                let sum = s.mul(s.load(state.as_ptr().add(d)), factor);
                let y = s.add(s.div(sum, divisor), s.splat(0.0));
                let to = out.as_mut_ptr().add(d);
                if len - d >= 16 { T::store(s, to, y) } else { T::store_n(s, to, y, len - d) }
            }
        }
        if l == 0.0 {
            return f32::NEG_INFINITY;
        }
        m + s.to_array(math::log(s, s.splat(l)))[0]
    }
}
