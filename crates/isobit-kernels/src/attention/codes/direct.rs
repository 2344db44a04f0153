//! The scores of one block of 64 keys in codes for a few rows, with floats in registers only.
//!
//! ```text
//! words by column; for each element d: x = its code * scale + bias of 64 rows;  s[r] = fma(q[r][d], x, s[r]);  softmax
//! ```
//!
//! Elements come from words by column ([`Words`]) or, with AVX2 and other widths than four and eight bits, from halves of words.
//! This is the first half; the second is [`values`](super::values). Tiles have 1, 2, 4, 6 or 8 rows; where there are fewer, the
//! last ones are zeros, and what becomes of them is not looked at. So queries, weights and accumulators have [`padded`] rows.

use super::Codes;
#[cfg(target_arch = "x86_64")]
use super::halves;
use super::words;
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::attention::block::State;
use crate::isa::Level;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::{Avx2, F2};
#[cfg(target_arch = "x86_64")]
use crate::simd::dispatch_avx2;
use crate::simd::{Kernel, LANES, Simd, dispatch_at};

/// The rows that `rows` of them take.
pub(in crate::attention) fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// Rows of the next tile and how many of them are there, with `left` rows left. Without vector registers large tiles only make
/// code.
#[inline(always)]
pub(super) fn tile(level: Level, left: usize) -> (usize, usize) {
    let n = left.min(match level {
        Level::Avx512 => 8,
        Level::Scalar => 2,
        _ => 4,
    });
    ([1, 2, 4, 4, 6, 6, 8, 8][n - 1], n)
}

/// Whether a tile of `rows` rows leaves floats behind for those after it. It does whether there are any or not: stores have
/// ports of their own, and a tile that does not would be code too.
#[inline(always)]
pub(super) fn leaves_floats(level: Level, rows: usize) -> bool {
    level == Level::Avx2 && rows == 4
}

/// Rows of `dim` queries as tiles want them: the same element of a tile's rows together.
pub(in crate::attention) struct Interleave<'a> {
    pub rows: usize,
    pub dim: usize,
    pub from: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for Interleave<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Interleave { rows, dim, from, to } = self;
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            let (from, to) = (&from[t * dim..][..n * dim], &mut to[t * dim..][..r * dim]);
            match r {
                1 => to.copy_from_slice(from),
                2 if n == 2 && dim.is_multiple_of(LANES) => interleave::<S, 2>(s, dim, from, to),
                4 if n == 4 && dim.is_multiple_of(LANES) => interleave::<S, 4>(s, dim, from, to),
                8 if n == 8 && dim.is_multiple_of(LANES) => interleave::<S, 8>(s, dim, from, to),
                _ => {
                    for row in 0..r {
                        let to = to[row.min(r * dim)..].iter_mut().step_by(r);
                        if row < n {
                            to.zip(&from[row * dim..][..dim]).for_each(|(to, &x)| *to = x);
                        } else {
                            to.for_each(|to| *to = 0.0);
                        }
                    }
                }
            }
            t += n;
        }
    }
}

/// `R` rows, all there. Each round moves one bit of a row's number into the lane.
#[inline(always)]
fn interleave<S: Simd, const R: usize>(s: S, dim: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() >= R * dim && to.len() >= R * dim);
    for d in (0..dim).step_by(LANES) {
        let mut x = [s.splat(0.0); R];
        for (row, x) in x.iter_mut().enumerate() {
            // SAFETY: the row has 16 elements from `d` on.
            *x = unsafe { s.load(from.as_ptr().add(row * dim + d)) };
        }
        for _ in 0..R.trailing_zeros() {
            let y = x;
            for i in 0..R / 2 {
                (x[2 * i], x[2 * i + 1]) = s.interleave(y[i], y[i + R / 2]);
            }
        }
        for (i, x) in x.into_iter().enumerate() {
            // SAFETY: `R` rows have so many.
            unsafe { s.store(to.as_mut_ptr().add(R * d + LANES * i), x) };
        }
    }
}

/// The scores of some rows with a block of keys, and their softmax.
pub(in crate::attention) struct Scores<'a> {
    pub codes: Codes<'a>,
    /// Scaled queries, interleaved.
    pub q: &'a [f32],
    pub state: State<'a>,
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    /// What a tile of [`leaves_floats`] leaves behind: the keys as `dim` columns of 64.
    pub floats: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

impl Scores<'_> {
    /// Runs them at a level.
    pub fn at(self, level: Level) {
        #[cfg(target_arch = "x86_64")]
        if level == Level::Avx2 {
            // Words of four and eight bits are as good: their codes lie alike in all of them.
            match self.codes.bits() {
                2 => return dispatch_avx2(Halves::<2>(self)),
                3 => return dispatch_avx2(Halves::<3>(self)),
                5 => return dispatch_avx2(Halves::<5>(self)),
                6 => return dispatch_avx2(Halves::<6>(self)),
                _ => {}
            }
        }
        match self.codes.bits() {
            4 => dispatch_at(level, Words::<4>(self)),
            _ => dispatch_at(level, Words::<8>(self)),
        }
    }
}

/// [`Scores`] from words by column; `BITS` is 4, or 8 for all codes that are bytes, or have become bytes.
struct Words<'a, const BITS: usize>(Scores<'a>);

impl<const BITS: usize> Kernel for Words<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let keys = words::Keys::read(s, &self.0.codes, self.0.room, &mut self.0.ahead);
        // SAFETY: the keys have just been read.
        unsafe { self.0.tiles(s, ByWords::<BITS>(keys)) };
    }
}

/// [`Scores`] from halves of words by column, with AVX2.
#[cfg(target_arch = "x86_64")]
struct Halves<'a, const BITS: usize>(Scores<'a>);

#[cfg(target_arch = "x86_64")]
impl<const BITS: usize> Kernel for Halves<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        if S::LEVEL == Level::Avx2 {
            // SAFETY: the level is the proof of the instructions.
            let s = unsafe { Avx2::new() };
            let keys = halves::Keys::read(s, &self.0.codes, self.0.room, &mut self.0.ahead);
            // SAFETY: the keys have just been read.
            unsafe { self.0.tiles(s, ByHalves::<BITS>(keys)) };
        }
    }
}

/// A block of keys that was read.
trait Keys<S: Simd>: Copy {
    /// Whether codes have four bits.
    const FOUR: bool;
    /// Whether elements come from halves of words.
    const HALVES: bool = false;
    /// Calls `f` with the elements `d` of `16 V` rows from row `first` on, `d` ascending.
    ///
    /// # Safety
    /// Their room is as it was read; `first` is a multiple of 16, and `first + 16 V` at most 64.
    unsafe fn decode<const V: usize>(&self, s: S, first: usize, f: impl FnMut(usize, [S::F; V]));
}

#[derive(Clone, Copy)]
struct ByWords<const BITS: usize>(words::Keys);

impl<S: Simd, const BITS: usize> Keys<S> for ByWords<BITS> {
    const FOUR: bool = BITS == 4;
    #[inline(always)]
    unsafe fn decode<const V: usize>(&self, s: S, first: usize, f: impl FnMut(usize, [S::F; V])) {
        // SAFETY: the caller's promise.
        unsafe { self.0.decode::<S, BITS, V>(s, first, f) }
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct ByHalves<const BITS: usize>(halves::Keys);

#[cfg(target_arch = "x86_64")]
impl<const BITS: usize> Keys<Avx2> for ByHalves<BITS> {
    const FOUR: bool = BITS == 4;
    const HALVES: bool = true;
    #[inline(always)]
    unsafe fn decode<const V: usize>(&self, s: Avx2, first: usize, f: impl FnMut(usize, [F2; V])) {
        // SAFETY: the caller's promise.
        unsafe { self.0.decode::<BITS, V>(s, first, f) }
    }
}

impl Scores<'_> {
    /// All rows.
    ///
    /// # Safety
    /// The keys' room is as it was read.
    #[inline(always)]
    unsafe fn tiles<S: Simd, K: Keys<S>>(&mut self, s: S, keys: K) {
        let rows = self.state.keep.len();
        self.state.check();
        assert!(self.q.len() >= padded(rows) * self.codes.dim && self.state.p.len() >= padded(rows) * BLOCK);
        assert!(!leaves_floats(S::LEVEL, 4) || self.floats.len() >= self.codes.dim * BLOCK);
        let (wide, scalar) = (S::LEVEL == Level::Avx512, S::LEVEL == Level::Scalar);
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            let any = self.state.keep[t..t + n].iter().fold(0, |a, b| a | b);
            let used = 64 - any.leading_zeros() as usize;
            // SAFETY: the keys have just been read, and there is memory for the padded rows.
            unsafe {
                match r {
                    _ if used == 0 => {}
                    1 if wide => self.scores::<S, K, 1, 4>(s, keys, t, used),
                    1 if !scalar => self.scores::<S, K, 1, 2>(s, keys, t, used),
                    1 => self.scores::<S, K, 1, 1>(s, keys, t, used),
                    2 if wide => self.scores::<S, K, 2, 4>(s, keys, t, used),
                    // Fewer sums would wait for one another.
                    2 if K::HALVES => self.scores::<S, K, 2, 2>(s, keys, t, used),
                    2 => self.scores::<S, K, 2, 1>(s, keys, t, used),
                    4 if wide && K::FOUR => self.scores::<S, K, 4, 4>(s, keys, t, used),
                    4 if wide => self.scores::<S, K, 4, 2>(s, keys, t, used),
                    4 if !scalar => self.scores::<S, K, 4, 1>(s, keys, t, used),
                    6 if wide => self.scores::<S, K, 6, 2>(s, keys, t, used),
                    _ if wide => self.scores::<S, K, 8, 2>(s, keys, t, used),
                    _ => {}
                }
                let (mut t, end) = (t, if used > 0 { t + n } else { t });
                while t < end {
                    match end - t {
                        4.. if !scalar => self.state.softmax::<S, 4>(s, t),
                        2.. => self.state.softmax::<S, 2>(s, t),
                        _ => self.state.softmax::<S, 1>(s, t),
                    }
                    t += [1, 2, 2, 4][(end - t).min(4) - 1];
                }
            }
            t += n;
        }
    }

    /// The tile of rows from row `t` on with the first `used` keys, `V` vectors of them at a time.
    ///
    /// # Safety
    /// The keys' room is as it was read; queries and weights have all rows of the tile.
    #[inline(always)]
    unsafe fn scores<S: Simd, K: Keys<S>, const R: usize, const V: usize>(
        &mut self,
        s: S,
        keys: K,
        t: usize,
        used: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let q = self.q.as_ptr().add(t * self.codes.dim);
            let p = self.state.p.as_mut_ptr().add(t * BLOCK);
            let floats = self.floats.as_mut_ptr();
            for first in (0..used).step_by(V * LANES) {
                let mut sum = [[s.splat(0.0); V]; R];
                keys.decode::<V>(
                    s,
                    first,
                    #[inline(always)]
                    |d, x| {
                        if leaves_floats(S::LEVEL, R) {
                            for v in 0..V {
                                s.store(floats.add(d * BLOCK + first + 16 * v), x[v]);
                            }
                        }
                        for r in 0..R {
                            let q = s.splat(*q.add(d * R + r));
                            for v in 0..V {
                                sum[r][v] = s.fma(q, x[v], sum[r][v]);
                            }
                        }
                    },
                );
                for r in 0..R {
                    for v in 0..V {
                        s.store(p.add(r * BLOCK + first + 16 * v), sum[r][v]);
                    }
                }
            }
        }
    }
}
