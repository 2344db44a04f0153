//! The vector loops of the derivative of attention.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::attention::tile::{Rows, Weights, all_dots, dots, sums};
use crate::float_lanes::{FloatLanes, vectors};
use crate::isa::Level;
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};

/// Calls `$f::<S, R>($args, start)` on tiles of up to six rows.
macro_rules! tiles {
    ($rows:expr, |$t:ident, $R:ident| $body:block) => {{
        let rows = $rows;
        let mut $t = 0;
        while $t < rows {
            match rows - $t {
                1 => {
                    const $R: usize = 1;
                    $body
                    $t += 1;
                }
                2 | 3 => {
                    const $R: usize = 2;
                    $body
                    $t += 2;
                }
                4 | 5 => {
                    const $R: usize = 4;
                    $body
                    $t += 4;
                }
                _ => {
                    const $R: usize = 6;
                    $body
                    $t += 6;
                }
            }
        }
    }};
}

/// Dot products of rows with 64 packed keys; rows that see none of them are skipped by tiles.
pub(super) struct Dots<'a> {
    pub x: &'a [f32],
    pub stride: usize,
    pub dim: usize,
    pub packed: &'a [f32],
    pub keep: &'a [u64],
    pub out: &'a mut [f32],
}

impl Kernel for Dots<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dots { x, stride, dim, packed, keep, out } = self;
        let (n, mut nothing) = (keep.len(), Ahead::NONE);
        assert!(x.len() >= n * stride && stride >= dim && packed.len() >= dim * BLOCK && out.len() >= n * BLOCK);
        tiles!(n, |t, R| {
            let any = keep[t..t + R].iter().fold(0, |a, b| a | b);
            if any != 0 {
                let vectors = (64 - any.leading_zeros() as usize).div_ceil(16);
                // SAFETY: `R` rows from `t` on lie in the slices.
                unsafe {
                    let x = Rows { at: x.as_ptr().add(t * stride), stride };
                    let out = out.as_mut_ptr().add(t * BLOCK);
                    if S::LEVEL == Level::Avx512 && R > 2 && vectors <= 2 {
                        dots::<S, R, 2, false>(s, x, dim, packed.as_ptr(), out, &mut nothing);
                    } else {
                        all_dots::<S, R, false>(s, x, dim, packed.as_ptr(), out, vectors, &mut nothing);
                    }
                }
            }
        });
    }
}

/// Weighted sums of rows, from what `acc` holds on; see [`sums`].
pub(super) struct Sums<'a> {
    pub acc: &'a mut [f32],
    pub padded: usize,
    pub weights: Weights,
    pub values: (*const f32, isize),
    pub keep: &'a [u64],
}

impl Sums<'_> {
    /// # Safety
    /// Weights and values are readable where `keep` has a bit.
    pub unsafe fn at(self, level: Level) {
        dispatch_at(level, self)
    }
}

impl Kernel for Sums<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Sums { acc, padded, weights, values, keep } = self;
        assert!(acc.len() >= keep.len() * padded && padded % 16 == 0);
        let mut nothing = Ahead::NONE;
        tiles!(keep.len(), |t, R| {
            let mut kept = [0; R];
            kept.copy_from_slice(&keep[t..t + R]);
            if kept != [0; R] {
                // SAFETY: `R` rows from `t` on lie in `acc`; the promise of `at`.
                unsafe {
                    let acc = Rows { at: acc.as_mut_ptr().add(t * padded), stride: padded };
                    let weights = Weights { at: weights.at.wrapping_add(t * weights.row), ..weights };
                    sums::<S, f32, R, false>(s, acc, [1.0; R], weights, values, padded / 16, kept, &mut nothing);
                }
            }
        });
    }
}

/// `to += from`.
pub(super) struct AddTo<'a> {
    pub from: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for AddTo<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let AddTo { from, to } = self;
        assert!(from.len() == to.len() && to.len().is_multiple_of(16));
        for i in (0..to.len()).step_by(16) {
            // SAFETY: both have 16 more elements.
            unsafe {
                let to = to.as_mut_ptr().add(i);
                s.store(to, s.add(s.load(to), s.load(from.as_ptr().add(i))));
            }
        }
    }
}

/// One row's scores to weights and `g` to `ds`; the row's part of block `b` is the 64 elements from `b * stride * 64` on, and
/// `keep[b * stride]` says which of them count; the others become zero, unless they all do not count. Returns the sink's
/// cotangent (without a sink zero).
pub(super) struct RowGradients<'a> {
    pub w: &'a mut [f32],
    pub g: &'a mut [f32],
    pub keep: &'a [u64],
    pub stride: usize,
    pub sink: Option<f32>,
}

impl Kernel for RowGradients<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let RowGradients { w, g, keep, stride, sink } = self;
        let blocks = keep.len().div_ceil(stride);
        let end = (blocks - 1) * stride * BLOCK + BLOCK;
        assert!(w.len() >= end && g.len() >= end);
        let (w, g) = (w.as_mut_ptr(), g.as_mut_ptr());
        let seen = |b: usize| keep[b * stride];
        let lanes = |b: usize, v: usize| s.mask_from_bits((seen(b) >> (16 * v)) as u16);
        let (lowest, zero) = (s.splat(f32::NEG_INFINITY), s.splat(0.0));
        let mut top = lowest;
        for b in 0..blocks {
            if seen(b) != 0 {
                let p = w.wrapping_add(b * stride * BLOCK);
                // SAFETY: the block's (here and below) 64 elements lie before `end`.
                let x: [S::F; 4] = vectors!(4, |v| unsafe { s.select(lanes(b, v), s.load(p.add(16 * v)), lowest) });
                top = s.max(s.max(s.max(x[0], x[1]), s.max(x[2], x[3])), top);
            }
        }
        let mut m = s.reduce_max(top);
        if let Some(sink) = sink {
            m = if sink > m { sink } else { m };
        }
        let base = s.splat(if m == f32::NEG_INFINITY { 0.0 } else { m });
        let mut l = zero;
        for b in 0..blocks {
            if seen(b) != 0 {
                // SAFETY: as above.
                unsafe {
                    let p = w.add(b * stride * BLOCK);
                    let x: [S::F; 4] = vectors!(4, |v| {
                        let x = s.select(lanes(b, v), s.load(p.add(16 * v)), lowest);
                        math::exp(s, s.sub(x, base))
                    });
                    for v in 0..4 {
                        s.store(p.add(16 * v), x[v]);
                    }
                    l = s.add(l, s.add(s.add(x[0], x[1]), s.add(x[2], x[3])));
                }
            }
        }
        let of_sink = sink.map_or(0.0, |sink| s.to_array(math::exp(s, s.sub(s.splat(sink), base)))[0]);
        let total = s.reduce_add(l) + of_sink;
        // No unmasked key and no sink: nothing is weighted.
        let by = if total == 0.0 { 0.0 } else { 1.0 / total };
        let scale = s.splat(by);
        let mut sums = [zero; 4];
        for b in 0..blocks {
            if seen(b) != 0 {
                // SAFETY: as above.
                unsafe {
                    let at = b * stride * BLOCK;
                    for v in 0..4 {
                        let weight = s.mul(s.load(w.add(at + 16 * v)), scale);
                        s.store(w.add(at + 16 * v), weight);
                        let g = s.select(lanes(b, v), s.load(g.add(at + 16 * v)), zero);
                        sums[v] = s.fma(weight, g, sums[v]);
                    }
                }
            }
        }
        let mean = s.reduce_add(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
        let less = s.splat(mean);
        for b in 0..blocks {
            if seen(b) != 0 {
                // SAFETY: as above.
                unsafe {
                    let at = b * stride * BLOCK;
                    for v in 0..4 {
                        let g = g.add(at + 16 * v);
                        let ds = s.mul(s.load(w.add(at + 16 * v)), s.sub(s.load(g), less));
                        s.store(g, s.select(lanes(b, v), ds, zero));
                    }
                }
            }
        }
        -(of_sink * by) * mean
    }
}

/// `to = from · scale + 0`, rounded once.
pub(super) struct StoreRows<'a, T> {
    pub from: &'a [f32],
    pub scale: f32,
    pub to: &'a mut [T],
}

impl<T: FloatLanes> Kernel for StoreRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let StoreRows { from, scale, to } = self;
        assert!(from.len() >= to.len().next_multiple_of(16));
        let scale = s.splat(scale);
        for (i, to) in to.chunks_mut(16).enumerate() {
            // SAFETY: `from` has 16 more elements, `to` as many as it says.
            unsafe {
                let y = s.add(s.mul(s.load(from.as_ptr().add(16 * i)), scale), s.splat(0.0));
                if to.len() == 16 {
                    T::store(s, to.as_mut_ptr(), y)
                } else {
                    T::store_n(s, to.as_mut_ptr(), y, to.len())
                }
            }
        }
    }
}
