//! Codes as floats in memory, for blocks that many rows use.

use super::Codes;
use super::words::{Keys, Run, Way, base, by_row, element, room, way};
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
        let (dim, groups) = (codes.dim, codes.groups());
        assert!(to.len() >= codes.rows * padded && padded >= dim && dim.is_multiple_of(16));
        let each = room(groups);
        assert!(free.len() >= 2 * each && codes.rows <= BLOCK);
        let (scales, biases) = free.split_at_mut(each);
        // SAFETY: both have the room.
        let way = unsafe {
            by_row(s, &codes, &codes.from.scales, scales.as_mut_ptr(), 1.0);
            by_row(s, &codes, &codes.from.biases, biases.as_mut_ptr(), 0.0);
            way(s, codes.from.format, scales.as_ptr(), biases.as_ptr(), (codes.rows * groups).next_multiple_of(16))
        };
        // SAFETY: scales and biases have just been read; `to` has room for `rows` rows.
        unsafe {
            let to = to.as_mut_ptr();
            match way {
                Way::Exact => rows_of::<S, true>(s, &codes, scales, biases, padded, to),
                Way::Steps => rows_of::<S, false>(s, &codes, scales, biases, padded, to),
            }
        }
    }
}

/// [`Rows`] in one of the ways.
///
/// # Safety
/// `to` has room for the rows; the way is one for these scales and biases.
#[inline(always)]
unsafe fn rows_of<S: Simd, const EXACT: bool>(
    s: S,
    codes: &Codes,
    scales: &[f32],
    biases: &[f32],
    padded: usize,
    to: *mut f32,
) {
    let (dim, group, groups, bits) = (codes.dim, codes.group(), codes.groups(), codes.from.format.bits);
    let (words, run) = (codes.from.words(dim), Run::new(s, bits));
    let under = if bits == 8 { 0.0 } else { base(bits, 0) };
    for row in 0..codes.rows {
        let from = codes.words(row);
        for g in 0..groups {
            let (scale, bias) = (scales[row * groups + g], biases[row * groups + g]);
            let (scale, add) = (s.splat(scale), s.splat(if EXACT { bias - scale * under } else { bias }));
            for d in (g * group..(g + 1) * group).step_by(16) {
                // SAFETY: the row has `words` words; the caller's promise.
                unsafe {
                    let number = if bits == 8 {
                        s.from_i32(s.load_u8(from.cast::<u8>().add(d)))
                    } else {
                        run.at(s, from, words, d)
                    };
                    s.store(to.add(row * padded + d), element::<S, EXACT>(s, number, under, scale, add));
                }
            }
        }
        for d in (dim..padded).step_by(16) {
            // SAFETY: both are multiples of sixteen; the caller's promise.
            unsafe { s.store(to.add(row * padded + d), s.splat(0.0)) };
        }
    }
}
