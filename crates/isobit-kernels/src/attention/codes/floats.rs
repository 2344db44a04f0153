//! Codes as floats in memory, for blocks that many rows use.

use super::Codes;
use super::words::{Keys, Run, by_row, room};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::simd::{Kernel, Simd};

/// `to[d][j] = code * scale + bias` for up to 64 rows `j`; any numbers behind them.
pub(super) struct Columns<'a, const BITS: usize> {
    pub codes: Codes<'a>,
    pub to: &'a mut [f32],
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    pub ahead: Ahead,
}

impl<const BITS: usize> Kernel for Columns<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Columns { codes, to, room, mut ahead } = self;
        assert!(to.len() >= codes.dim * BLOCK);
        let keys = Keys::read(s, &codes, room, &mut ahead);
        let to = to.as_mut_ptr();
        for first in (0..codes.rows).step_by(32) {
            // SAFETY: the keys have just been read; `to` has `dim` rows of 64.
            unsafe {
                keys.decode::<S, BITS, 2>(
                    s,
                    first,
                    #[inline(always)]
                    |d, x| {
                        s.store(to.add(d * BLOCK + first), x[0]);
                        s.store(to.add(d * BLOCK + first + 16), x[1]);
                    },
                );
            }
        }
    }
}

/// `to[j][d] = code * scale + bias` for the rows `j`, `padded` apart, zero past the last code.
pub(super) struct Rows<'a> {
    pub codes: Codes<'a>,
    pub padded: usize,
    pub to: &'a mut [f32],
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Rows { codes, padded, to, room: free } = self;
        let (dim, group, groups) = (codes.dim, codes.group(), codes.groups());
        assert!(to.len() >= codes.rows * padded && padded >= dim && dim.is_multiple_of(16));
        let (words, each) = (codes.from.words(dim), room(groups));
        assert!(free.len() >= 2 * each && codes.rows <= BLOCK);
        let (scales, biases) = free.split_at_mut(each);
        // SAFETY: both have the room.
        unsafe {
            by_row(s, &codes, &codes.from.scales, scales.as_mut_ptr());
            by_row(s, &codes, &codes.from.biases, biases.as_mut_ptr());
        }
        let run = Run::new(s, codes.from.format.bits);
        for row in 0..codes.rows {
            let from = codes.words(row);
            for g in 0..groups {
                let (scale, bias) = (s.splat(scales[row * groups + g]), s.splat(biases[row * groups + g]));
                for d in (g * group..(g + 1) * group).step_by(16) {
                    // SAFETY: the row has `words` words; `to` has room for `rows` rows.
                    unsafe {
                        let x = s.add(s.mul(run.at(s, from, words, d), scale), bias);
                        s.store(to.as_mut_ptr().add(row * padded + d), x);
                    }
                }
            }
            to[row * padded + dim..(row + 1) * padded].fill(0.0);
        }
    }
}
