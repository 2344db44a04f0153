//! One block of 64 keys against many rows: scores, online softmax, weighted values.
//!
//! ```text
//! for tiles of 6 rows: scores = q x packed keys (accumulators in registers); mask; m, c, p, l
//! for tiles of 6 rows: acc = acc·c + p x values, 4 vectors of the value at a time (accumulators in registers)
//! ```
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
use super::tile::{Rows, TILE, Weights, all_dots, sums};
use crate::float_lanes::vectors;
use crate::isa::Level;
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};

/// The rows' state and one block's operands; all pointers are to `rows` rows.
pub(super) struct Block<'a> {
    /// Scaled queries, `dim` apart.
    pub q: &'a [f32],
    pub dim: usize,
    /// Packed keys, `dim` rows of 64.
    pub keys: &'a [f32],
    /// Values, `value_stride` apart, readable for `padded` elements for every key seen by a row.
    pub values: *const f32,
    pub value_stride: isize,
    pub padded: usize,
    /// Which keys each row sees.
    pub keep: &'a [u64],
    /// 64 additive mask values per row, or nothing.
    pub bias: &'a [f32],
    /// 64 weights per row.
    pub p: &'a mut [f32],
    pub m: &'a mut [f32],
    pub c: &'a mut [f32],
    /// 16 partial sums per row.
    pub l: &'a mut [f32],
    /// `padded` sums per row.
    pub acc: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

impl Block<'_> {
    pub fn at(self, level: Level) {
        dispatch_at(level, self)
    }
}

impl Kernel for Block<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let rows = self.keep.len();
        let (dim, padded) = (self.dim, self.padded);
        assert!(self.q.len() >= rows * dim && self.keys.len() >= dim * BLOCK && self.p.len() >= rows * BLOCK);
        assert!(self.bias.is_empty() || self.bias.len() >= rows * BLOCK);
        assert!(self.m.len() >= rows && self.c.len() >= rows && self.l.len() >= rows * 16);
        assert!(self.acc.len() >= rows * padded && padded % 16 == 0);
        // With few rows, what comes next is asked for on the way.
        match rows {
            0 => return,
            1 => return self.one_tile::<S, 1>(s),
            2 => return self.one_tile::<S, 2>(s),
            3 => return self.one_tile::<S, 3>(s),
            4 => return self.one_tile::<S, 4>(s),
            5 => return self.one_tile::<S, 5>(s),
            6 => return self.one_tile::<S, 6>(s),
            _ => {}
        }
        let tiles = || (0..rows).step_by(TILE).map(|t| (t, (rows - t).min(TILE)));
        for (t, r) in tiles() {
            let any = self.keep[t..t + r].iter().fold(0, |a, b| a | b);
            if any == 0 {
                continue;
            }
            let vectors = (64 - any.leading_zeros() as usize).div_ceil(16);
            match r {
                1 => self.scores::<S, 1, false>(s, t, vectors),
                2 => self.scores::<S, 2, false>(s, t, vectors),
                3 => self.scores::<S, 3, false>(s, t, vectors),
                4 => self.scores::<S, 4, false>(s, t, vectors),
                5 => self.scores::<S, 5, false>(s, t, vectors),
                _ => self.scores::<S, 6, false>(s, t, vectors),
            }
        }
        for (t, r) in tiles() {
            let keep = &self.keep[t..t + r];
            let any = keep.iter().fold(0, |a, b| a | b);
            if any == 0 {
                continue;
            }
            match r {
                1 => self.values::<S, 1, false>(s, t),
                2 => self.values::<S, 2, false>(s, t),
                3 => self.values::<S, 3, false>(s, t),
                4 => self.values::<S, 4, false>(s, t),
                5 => self.values::<S, 5, false>(s, t),
                _ => self.values::<S, 6, false>(s, t),
            }
        }
    }
}

impl Block<'_> {
    /// All of a call with `R` rows.
    #[inline(always)]
    fn one_tile<S: Simd, const R: usize>(&mut self, s: S) {
        let any = self.keep.iter().fold(0, |a, b| a | b);
        if any != 0 {
            self.scores::<S, R, true>(s, 0, (64 - any.leading_zeros() as usize).div_ceil(16));
            self.values::<S, R, true>(s, 0);
        }
    }

    /// Scores and softmax of `R` rows from row `t` on; keys from `16 * vectors` on are masked for all of them.
    #[inline(always)]
    fn scores<S: Simd, const R: usize, const A: bool>(&mut self, s: S, t: usize, vectors: usize) {
        // SAFETY: `run` checked the lengths; the tile lies in them.
        unsafe {
            let q = Rows { at: self.q.as_ptr().add(t * self.dim), stride: self.dim };
            let out = self.p.as_mut_ptr().add(t * BLOCK);
            all_dots::<S, R, A>(s, q, self.dim, self.keys.as_ptr(), out, vectors, &mut self.ahead);
        }
        self.softmax::<S, R>(s, t);
    }

    /// Turns the scores in `p` into weights and moves `m`, `c` and `l` on.
    #[inline(always)]
    fn softmax<S: Simd, const R: usize>(&mut self, s: S, t: usize) {
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut top = [f32::NEG_INFINITY; 16];
        // SAFETY (whole function): `run` checked the lengths; the tile lies in them.
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

    /// The weighted values of `R` rows from row `t` on.
    #[inline(always)]
    fn values<S: Simd, const R: usize, const A: bool>(&mut self, s: S, t: usize) {
        let keep: [u64; R] = std::array::from_fn(|r| self.keep[t + r]);
        let c: [f32; R] = std::array::from_fn(|r| self.c[t + r]);
        // SAFETY: `run` checked the lengths, the tile lies in them, and values are there for seen keys.
        unsafe {
            let acc = Rows { at: self.acc.as_mut_ptr().add(t * self.padded), stride: self.padded };
            let weights = Weights { at: self.p.as_ptr().add(t * BLOCK), row: BLOCK, term: 1 };
            let values = (self.values, self.value_stride);
            sums::<S, R, A>(s, acc, c, weights, values, self.padded / 16, keep, &mut self.ahead);
        }
    }
}
