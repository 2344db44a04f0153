//! Queries, keys and values of any float type as the f32 tiles that the block kernels want.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use super::BLOCK;
use super::ahead::Ahead;
use crate::float_lanes::{FloatLanes, vectors};
use crate::simd::{Kernel, Simd};
use crate::transpose16::{copy_transposed, transpose16};
use std::any::TypeId;

/// `to[d] = from[d] · scale`, rounded once, for one query.
pub(super) struct PackQuery<'a, T> {
    pub from: *const T,
    pub scale: f32,
    pub to: &'a mut [f32],
}

impl<T: FloatLanes> Kernel for PackQuery<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for (i, to) in self.to.chunks_mut(16).enumerate() {
            // SAFETY: the query has as many elements as `to`.
            unsafe { s.store_n(to.as_mut_ptr(), s.mul(load(s, self.from.add(16 * i), to.len()), scale), to.len()) };
        }
    }
}

/// Up to 16 elements; lanes past `n` are zero.
#[inline(always)]
unsafe fn load<S: Simd, T: FloatLanes>(s: S, p: *const T, n: usize) -> S::F {
    // SAFETY: the caller's promise: `n` elements can be read.
    unsafe { if n >= 16 { T::load(s, p) } else { T::load_n(s, p, n) } }
}

/// `to[d][j] = key j's element d`, 64 keys wide; the columns of keys that are not there become zero.
pub(super) struct PackKeys<'a, T> {
    pub from: *const T,
    pub stride: isize,
    pub keys: usize,
    pub dim: usize,
    pub to: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

impl<T: FloatLanes> Kernel for PackKeys<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PackKeys { from, stride, keys, dim, to, mut ahead } = self;
        assert!(to.len() >= dim * BLOCK && keys <= BLOCK);
        let to = to.as_mut_ptr();
        let lines = ahead.count().div_ceil(BLOCK / 16 * dim.div_ceil(16).max(1));
        for first in (0..BLOCK).step_by(16) {
            let n = keys.saturating_sub(first).min(16);
            let row = |j: usize| from.wrapping_offset((first + j) as isize * stride);
            let mut d = 0;
            // SAFETY (all below): rows below `keys` have `dim` elements, `to` has `dim` rows of 64.
            let step = stride * size_of::<T>() as isize;
            if n == 16 && TypeId::of::<T>() == TypeId::of::<f32>() {
                while d + 16 <= dim {
                    // SAFETY: as above.
                    unsafe {
                        copy_transposed::<S, false>(s, row(0).add(d).cast(), step, to.add(d * BLOCK + first), BLOCK)
                    };
                    ahead.step(lines);
                    d += 16;
                }
            }
            if n == 16 && TypeId::of::<T>() == TypeId::of::<half::bf16>() {
                while d + 32 <= dim {
                    // Two neighbouring elements are one 32-bit number: half the shuffles.
                    // SAFETY: as above.
                    unsafe {
                        copy_transposed::<S, true>(s, row(0).add(d).cast(), step, to.add(d * BLOCK + first), BLOCK)
                    };
                    ahead.step(2 * lines);
                    d += 32;
                }
            }
            while d < dim {
                let m = (dim - d).min(16);
                let rows = vectors!(16, |j| {
                    // SAFETY: as above.
                    if j < n { unsafe { load(s, row(j).add(d), m) } } else { s.splat(0.0) }
                });
                let columns = transpose16(s, rows);
                for i in 0..m {
                    // SAFETY: as above.
                    unsafe { s.store(to.add((d + i) * BLOCK + first), columns[i]) };
                }
                ahead.step(lines);
                d += 16;
            }
        }
    }
}

/// Values as f32 rows of `padded` elements, zero past `dim`.
pub(super) struct PackValues<'a, T> {
    pub from: *const T,
    pub stride: isize,
    pub keys: usize,
    pub dim: usize,
    pub padded: usize,
    pub to: &'a mut [f32],
}

impl<T: FloatLanes> Kernel for PackValues<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PackValues { from, stride, keys, dim, padded, to } = self;
        assert!(to.len() >= keys * padded && padded >= dim && padded % 16 == 0);
        for j in 0..keys {
            let row = from.wrapping_offset(j as isize * stride);
            for d in (0..padded).step_by(16) {
                // SAFETY: the row has `dim` elements, `to` has `keys` rows of `padded`.
                unsafe {
                    let v = load(s, row.wrapping_add(d), dim.saturating_sub(d));
                    s.store(to.as_mut_ptr().add(j * padded + d), v);
                }
            }
        }
    }
}
