//! One block of 64 keys against many rows: scores, online softmax, weighted values.
//!
//! ```text
//! for tiles of 6 rows: scores = q x packed keys (accumulators in registers); mask; m, c, p, l
//! for tiles of 6 rows: acc = acc·c + p x values, 4 vectors of the value at a time (accumulators in registers)
//! ```
//!
//! Up to [`FEW`] rows are bound by reading keys and values: they take values of any type as they lie, and ask for the next
//! keys on the way.
//!
//! All tiles do the scores before any does the values, so that the packed keys (32 KiB for 128 elements) and then the
//! values stay in L1. A key that all rows of a tile see is one fused operation per accumulator; a key that only some see
//! is done row by row, so that no row ever touches a masked value.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use super::BLOCK;
use super::ahead::Ahead;
use super::tile::{Rows, Weights, all_dots, sums, tile};
use crate::float_lanes::{FloatLanes, vectors};
use crate::isa::Level;
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};
use std::any::TypeId;

/// Up to so many rows a call is bound by reading keys and values.
pub(super) const FEW: usize = 8;

/// What of a block is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Scores and softmax, then sums.
    Both,
    /// The first alone: values are not read, and may be made where the keys were.
    Scores,
    /// The second alone: keys are not read.
    Sums,
}

/// The rows' state and one block's operands; all pointers are to `rows` rows. With more than [`FEW`] rows `V` is f32.
pub(super) struct Block<'a, V> {
    pub part: Part,
    /// Scaled queries, `dim` apart.
    pub q: &'a [f32],
    pub dim: usize,
    /// Packed keys, `dim` rows of 64.
    pub keys: &'a [f32],
    /// Values, `value_stride` apart, readable for `padded` elements for every key seen by a row.
    pub values: *const V,
    pub value_stride: isize,
    pub padded: usize,
    pub state: State<'a>,
    /// `padded` sums per row.
    pub acc: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

/// What the softmax of each row has come to, and one block's masks and weights.
pub(super) struct State<'a> {
    /// Which keys each row sees.
    pub keep: &'a [u64],
    /// 64 additive mask values per row, or nothing.
    pub bias: &'a [f32],
    /// 64 scores per row, then 64 weights.
    pub p: &'a mut [f32],
    pub m: &'a mut [f32],
    pub c: &'a mut [f32],
    /// 16 partial sums per row.
    pub l: &'a mut [f32],
}

impl State<'_> {
    /// Panics unless there is memory for all rows.
    pub fn check(&self) {
        let rows = self.keep.len();
        assert!(self.p.len() >= rows * BLOCK && (self.bias.is_empty() || self.bias.len() >= rows * BLOCK));
        assert!(self.m.len() >= rows && self.c.len() >= rows && self.l.len() >= rows * 16);
    }

    /// Turns the scores in `p` into weights and moves `m`, `c` and `l` on.
    ///
    /// # Safety
    /// Rows `t .. t + R` are there, and [`State::check`] has been called.
    #[inline(always)]
    pub unsafe fn softmax<S: Simd, const R: usize>(&mut self, s: S, t: usize) {
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut top = [f32::NEG_INFINITY; 16];
        // SAFETY (whole function): the caller's promise.
        for r in 0..R {
            // SAFETY: as above.
            unsafe {
                let p = self.p.as_mut_ptr().add((t + r) * BLOCK);
                let keep = self.keep[t + r];
                let mut x: [S::F; 4] = vectors!(4, |v| s.load(p.add(16 * v)));
                for v in 0..4 {
                    if !self.bias.is_empty() {
                        x[v] = s.add(x[v], s.load(self.bias.as_ptr().add((t + r) * BLOCK + 16 * v)));
                    }
                    x[v] = s.select(s.mask_from_bits((keep >> (16 * v)) as u16), x[v], lowest);
                    s.store(p.add(16 * v), x[v]);
                }
                top[r] = s.reduce_max(s.max(s.max(x[0], x[1]), s.max(x[2], x[3])));
            }
        }
        // SAFETY: as above.
        let base = unsafe {
            let old = s.load_n(self.m.as_ptr().add(t), R, f32::NEG_INFINITY);
            let new = s.max(s.from_array(top), old);
            let base = s.select(s.eq(new, lowest), s.splat(0.0), new);
            s.store_n(self.c.as_mut_ptr().add(t), math::exp(s, s.sub(old, base)), R);
            s.store_n(self.m.as_mut_ptr().add(t), new, R);
            s.to_array(base)
        };
        for r in 0..R {
            // SAFETY: as above.
            unsafe {
                let p = self.p.as_mut_ptr().add((t + r) * BLOCK);
                let base = s.splat(base[r]);
                let x: [S::F; 4] = vectors!(4, |v| math::exp(s, s.sub(s.load(p.add(16 * v)), base)));
                for (v, &x) in x.iter().enumerate() {
                    s.store(p.add(16 * v), x);
                }
                let l = self.l.as_mut_ptr().add((t + r) * 16);
                let sum = s.add(s.add(x[0], x[1]), s.add(x[2], x[3]));
                s.store(l, s.fma(s.load(l), s.splat(self.c[t + r]), sum));
            }
        }
    }
}

impl<V: FloatLanes> Block<'_, V> {
    pub fn at(self, level: Level) {
        dispatch_at(level, self)
    }
}

impl<V: FloatLanes> Kernel for Block<'_, V> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let rows = self.state.keep.len();
        let (dim, padded) = (self.dim, self.padded);
        self.state.check();
        assert!(self.q.len() >= rows * dim && (self.part == Part::Sums || self.keys.len() >= dim * BLOCK));
        assert!(self.acc.len() >= rows * padded && padded % 16 == 0);
        if rows <= FEW {
            return self.few(s);
        }
        assert!(TypeId::of::<V>() == TypeId::of::<f32>(), "values of many rows are widened first");
        let tile = tile(S::LEVEL);
        let tiles = || (0..rows).step_by(tile).map(|t| (t, (rows - t).min(tile)));
        for (t, r) in tiles() {
            let any = self.state.keep[t..t + r].iter().fold(0, |a, b| a | b);
            if any == 0 || self.part == Part::Sums {
                continue;
            }
            let vectors = (64 - any.leading_zeros() as usize).div_ceil(16);
            match r {
                1 => self.scores::<S, 1, false>(s, t, vectors),
                2 => self.scores::<S, 2, false>(s, t, vectors),
                _ if S::LEVEL == Level::Scalar => {}
                3 => self.scores::<S, 3, false>(s, t, vectors),
                4 => self.scores::<S, 4, false>(s, t, vectors),
                5 => self.scores::<S, 5, false>(s, t, vectors),
                _ => self.scores::<S, 6, false>(s, t, vectors),
            }
        }
        for (t, r) in tiles() {
            let keep = &self.state.keep[t..t + r];
            let any = keep.iter().fold(0, |a, b| a | b);
            if any == 0 || self.part == Part::Scores {
                continue;
            }
            match r {
                1 => self.values::<S, 1, false>(s, t),
                2 => self.values::<S, 2, false>(s, t),
                _ if S::LEVEL == Level::Scalar => {}
                3 => self.values::<S, 3, false>(s, t),
                4 => self.values::<S, 4, false>(s, t),
                5 => self.values::<S, 5, false>(s, t),
                _ => self.values::<S, 6, false>(s, t),
            }
        }
    }
}

impl<V: FloatLanes> Block<'_, V> {
    /// All of a call with few rows.
    #[inline(always)]
    fn few<S: Simd>(&mut self, s: S) {
        let rows = self.state.keep.len();
        let some = |keep: &[u64]| keep.iter().fold(0, |a, b| a | b);
        let mut t = 0;
        while t < rows && self.part != Part::Sums {
            let r = [1, 2, 2, 4][(rows - t).min(4.min(tile(S::LEVEL))) - 1];
            let vectors = (64 - some(&self.state.keep[t..t + r]).leading_zeros() as usize).div_ceil(16);
            match r {
                _ if vectors == 0 => {}
                1 => self.scores::<S, 1, true>(s, t, vectors),
                2 => self.scores::<S, 2, true>(s, t, vectors),
                _ if S::LEVEL == Level::Scalar => {}
                _ => self.scores::<S, 4, true>(s, t, vectors),
            }
            t += r;
        }
        let mut t = 0;
        while t < rows && self.part != Part::Scores {
            let r = [1, 2, 2, 4][(rows - t).min(4.min(tile(S::LEVEL))) - 1];
            match r {
                _ if some(&self.state.keep[t..t + r]) == 0 => {}
                1 => self.values::<S, 1, true>(s, t),
                2 => self.values::<S, 2, true>(s, t),
                _ if S::LEVEL == Level::Scalar => {}
                _ => self.values::<S, 4, true>(s, t),
            }
            t += r;
        }
    }

    /// Scores and softmax of `R` rows from row `t` on; keys from `16 * vectors` on are masked for all of them.
    #[inline(always)]
    fn scores<S: Simd, const R: usize, const A: bool>(&mut self, s: S, t: usize, vectors: usize) {
        // SAFETY: `run` checked the lengths; the tile lies in them.
        unsafe {
            let q = Rows { at: self.q.as_ptr().add(t * self.dim), stride: self.dim };
            let out = self.state.p.as_mut_ptr().add(t * BLOCK);
            all_dots::<S, R, A>(s, q, self.dim, self.keys.as_ptr(), out, vectors, &mut self.ahead);
        }
        // SAFETY: `run` checked the lengths; the tile lies in them.
        unsafe { self.state.softmax::<S, R>(s, t) };
    }

    /// The weighted values of `R` rows from row `t` on.
    #[inline(always)]
    fn values<S: Simd, const R: usize, const A: bool>(&mut self, s: S, t: usize) {
        let keep: [u64; R] = std::array::from_fn(|r| self.state.keep[t + r]);
        let c: [f32; R] = std::array::from_fn(|r| self.state.c[t + r]);
        // SAFETY: `run` checked the lengths, the tile lies in them, and values are there for seen keys.
        unsafe {
            let acc = Rows { at: self.acc.as_mut_ptr().add(t * self.padded), stride: self.padded };
            let weights = Weights { at: self.state.p.as_ptr().add(t * BLOCK), row: BLOCK, term: 1 };
            let values = (self.values, self.value_stride);
            sums::<S, V, R, A>(s, acc, c, weights, values, self.padded / 16, keep, &mut self.ahead);
        }
    }
}
