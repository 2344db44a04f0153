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
use crate::float_lanes::vectors;
use crate::isa::Level;
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};

/// Rows of a register tile.
const TILE: usize = 6;

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
        let tiles = || (0..rows).step_by(TILE).map(|t| (t, (rows - t).min(TILE)));
        for (t, r) in tiles() {
            let any = self.keep[t..t + r].iter().fold(0, |a, b| a | b);
            if any == 0 {
                continue;
            }
            let vectors = (64 - any.leading_zeros() as usize).div_ceil(16);
            match r {
                1 => self.scores::<S, 1>(s, t, vectors),
                2 => self.scores::<S, 2>(s, t, vectors),
                3 => self.scores::<S, 3>(s, t, vectors),
                4 => self.scores::<S, 4>(s, t, vectors),
                5 => self.scores::<S, 5>(s, t, vectors),
                _ => self.scores::<S, 6>(s, t, vectors),
            }
        }
        for (t, r) in tiles() {
            let keep = &self.keep[t..t + r];
            let any = keep.iter().fold(0, |a, b| a | b);
            if any == 0 {
                continue;
            }
            match r {
                1 => self.values::<S, 1>(s, t),
                2 => self.values::<S, 2>(s, t),
                3 => self.values::<S, 3>(s, t),
                4 => self.values::<S, 4>(s, t),
                5 => self.values::<S, 5>(s, t),
                _ => self.values::<S, 6>(s, t),
            }
        }
    }
}

impl Block<'_> {
    /// Scores and softmax of `R` rows from row `t` on; keys from `16 * vectors` on are masked for all of them.
    #[inline(always)]
    fn scores<S: Simd, const R: usize>(&mut self, s: S, t: usize, vectors: usize) {
        // As many accumulators as the level has registers for, and enough of them to hide the latency.
        if S::LEVEL == Level::Avx512 || R == 1 {
            self.dots::<S, R, 4>(s, t, 0);
        } else if R <= 3 {
            for v in (0..vectors).step_by(2) {
                self.dots::<S, R, 2>(s, t, v);
            }
        } else {
            for v in 0..vectors {
                self.dots::<S, R, 1>(s, t, v);
            }
        }
        self.softmax::<S, R>(s, t);
    }

    /// The dot products of `R` rows with `16 V` keys from `16 v` on.
    #[inline(always)]
    fn dots<S: Simd, const R: usize, const V: usize>(&mut self, s: S, t: usize, v: usize) {
        let dim = self.dim;
        let mut sum = [[s.splat(0.0); V]; R];
        // SAFETY: `run` checked the lengths; the tile lies in them.
        unsafe {
            let q = self.q.as_ptr().add(t * dim);
            let keys = self.keys.as_ptr().add(16 * v);
            for d in 0..dim {
                let key: [S::F; V] = vectors!(V, |i| s.load(keys.add(d * BLOCK + 16 * i)));
                for r in 0..R {
                    let q = s.splat(*q.add(r * dim + d));
                    for i in 0..V {
                        sum[r][i] = s.fma(q, key[i], sum[r][i]);
                    }
                }
            }
            for r in 0..R {
                for i in 0..V {
                    s.store(self.p.as_mut_ptr().add((t + r) * BLOCK + 16 * (v + i)), sum[r][i]);
                }
            }
        }
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
    fn values<S: Simd, const R: usize>(&mut self, s: S, t: usize) {
        let vectors = self.padded / 16;
        let keep: [u64; R] = std::array::from_fn(|r| self.keep[t + r]);
        let all = keep.iter().fold(u64::MAX, |a, b| a & b);
        let some = keep.iter().fold(0, |a, b| a | b);
        let mut w = 0;
        if S::LEVEL == Level::Avx512 {
            while R <= 2 && w + 8 <= vectors {
                self.sums::<S, R, 8>(s, t, w, keep, all, some);
                w += 8;
            }
            while w + 4 <= vectors {
                self.sums::<S, R, 4>(s, t, w, keep, all, some);
                w += 4;
            }
        }
        while (S::LEVEL == Level::Avx512 || R <= 3) && w + 2 <= vectors {
            self.sums::<S, R, 2>(s, t, w, keep, all, some);
            w += 2;
        }
        while w < vectors {
            self.sums::<S, R, 1>(s, t, w, keep, all, some);
            w += 1;
        }
    }

    /// `W` vectors of the value from vector `w` on; `all` and `some` are the keys that all or some of the rows see.
    #[inline(always)]
    fn sums<S: Simd, const R: usize, const W: usize>(
        &mut self,
        s: S,
        t: usize,
        w: usize,
        keep: [u64; R],
        all: u64,
        some: u64,
    ) {
        // SAFETY: `run` checked the lengths, the tile lies in them, and values are read for seen keys only.
        unsafe {
            let acc = self.acc.as_mut_ptr().add(t * self.padded + 16 * w);
            let p = self.p.as_ptr().add(t * BLOCK);
            let values = self.values.wrapping_add(16 * w);
            let mut sum: [[S::F; W]; R] = [[s.splat(0.0); W]; R];
            for r in 0..R {
                let c = s.splat(self.c[t + r]);
                for i in 0..W {
                    sum[r][i] = s.mul(s.load(acc.add(r * self.padded + 16 * i)), c);
                }
            }
            // Keys that every row sees come in a run from some key on; mixed ones are done row by row.
            let mut j = some.trailing_zeros() as usize;
            let end = 64 - some.leading_zeros() as usize;
            while j < end {
                let run = (!(all >> j)).trailing_zeros() as usize;
                let stop = (j + run).min(end);
                while j < stop {
                    let row = values.wrapping_offset(j as isize * self.value_stride);
                    let value: [S::F; W] = vectors!(W, |i| s.load(row.add(16 * i)));
                    for r in 0..R {
                        let p = s.splat(*p.add(r * BLOCK + j));
                        for i in 0..W {
                            sum[r][i] = s.fma(p, value[i], sum[r][i]);
                        }
                    }
                    j += 1;
                }
                if j < end {
                    if some >> j & 1 == 1 {
                        let row = values.wrapping_offset(j as isize * self.value_stride);
                        for r in 0..R {
                            if keep[r] >> j & 1 == 1 {
                                let p = s.splat(*p.add(r * BLOCK + j));
                                for i in 0..W {
                                    sum[r][i] = s.fma(p, s.load(row.add(16 * i)), sum[r][i]);
                                }
                            }
                        }
                    }
                    j += 1;
                }
            }
            for r in 0..R {
                for i in 0..W {
                    s.store(acc.add(r * self.padded + 16 * i), sum[r][i]);
                }
            }
        }
    }
}
