//! Codes as floats in memory, for blocks that many rows use.

use super::Codes;
use super::bytes::Bytes;
use super::words::{Keys, Sixteen, Way, by_row, bytes_room, element, reach_of_bytes, room, way_of};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::isa::Level;
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
        // SAFETY: the keys have just been read; `to` has `dim` rows of 64.
        unsafe {
            // Two vectors of scales, offsets and codes do not fit in sixteen registers.
            if S::LEVEL == Level::Avx2 {
                columns::<S, BITS, 1>(s, keys, codes.rows, to);
            } else {
                columns::<S, BITS, 2>(s, keys, codes.rows, to);
            }
        }
    }
}

/// [`Columns`], `V` vectors of rows at a time.
///
/// # Safety
/// The keys' room is as it was read; there are so many rows, and `to` has 64 elements for every one of theirs.
#[inline(always)]
unsafe fn columns<S: Simd, const BITS: usize, const V: usize>(s: S, keys: Keys, rows: usize, to: *mut f32) {
    for first in (0..rows).step_by(16 * V) {
        // SAFETY: the caller's promise.
        unsafe {
            keys.decode::<S, BITS, V>(
                s,
                first,
                #[inline(always)]
                |d, x| {
                    for v in 0..V {
                        s.store(to.add(d * BLOCK + first + 16 * v), x[v]);
                    }
                },
            );
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
        assert!(free.len() >= 2 * each + bytes_room(codes.bits(), dim) && codes.rows <= BLOCK);
        let (scales, rest) = free.split_at_mut(each);
        let (biases, bytes) = rest.split_at_mut(each);
        // SAFETY: both have the room.
        let way = unsafe {
            by_row(s, &codes, &codes.from.scales, scales.as_mut_ptr(), 1.0);
            by_row(s, &codes, &codes.from.biases, biases.as_mut_ptr(), 0.0);
            let reach = if codes.bits() == 4 { Sixteen::<S>::REACH } else { reach_of_bytes(codes.bits()) };
            way_of(s, &codes, reach, scales.as_ptr(), biases.as_ptr(), (codes.rows * groups).next_multiple_of(16))
        };
        // SAFETY: scales and biases have just been read; `to` has room for `rows` rows.
        unsafe {
            let to = to.as_mut_ptr();
            let numbers = (scales.as_ptr(), biases.as_ptr());
            let mut from = (codes.words(0).cast::<u8>(), 4 * codes.from.codes.strides[2]);
            if ![4, 8].contains(&codes.bits()) {
                codes.expand(S::LEVEL, bytes.as_mut_ptr().cast());
                from = (bytes.as_ptr().cast(), dim as isize);
            }
            match (codes.bits(), way) {
                (4, Way::Exact) => rows_of_sixteens::<S, true>(s, &codes, numbers, padded, to),
                (4, Way::Steps) => rows_of_sixteens::<S, false>(s, &codes, numbers, padded, to),
                (_, Way::Exact) => rows_of::<S, true>(s, &codes, from, (scales, biases), padded, to),
                (_, Way::Steps) => rows_of::<S, false>(s, &codes, from, (scales, biases), padded, to),
            }
        }
    }
}

/// [`Rows`] of 4 bits in one of the ways.
///
/// # Safety
/// As for [`rows_of`].
#[inline(always)]
unsafe fn rows_of_sixteens<S: Simd, const EXACT: bool>(
    s: S,
    codes: &Codes,
    (scales, biases): (*const f32, *const f32),
    padded: usize,
    to: *mut f32,
) {
    let (dim, group, groups) = (codes.dim, codes.group(), codes.groups());
    let (sixteen, words) = (Sixteen::<S>::new(s), 2);
    for row in 0..codes.rows {
        // SAFETY (all below): a row has whole groups of codes, scales and biases; the caller's promise.
        let (mut from, mut to) = (codes.words(row), to.wrapping_add(row * padded));
        for g in row * groups..(row + 1) * groups {
            // SAFETY: as above.
            let (scale, bias) = unsafe { (s.splat(*scales.add(g)), s.splat(*biases.add(g))) };
            let add = sixteen.add::<EXACT>(s, scale, bias);
            let mut left = group / 16;
            while left > 0 {
                // Two at a time, but not one after another.
                // SAFETY: as above.
                unsafe {
                    if left > 1 {
                        let numbers = [sixteen.at(s, from), sixteen.at(s, from.add(words))];
                        s.store(to, sixteen.element::<EXACT>(s, numbers[0], scale, add));
                        s.store(to.add(16), sixteen.element::<EXACT>(s, numbers[1], scale, add));
                    } else {
                        s.store(to, sixteen.element::<EXACT>(s, sixteen.at(s, from), scale, add));
                    }
                }
                let n = left.min(2);
                (from, to, left) = (from.wrapping_add(n * words), to.wrapping_add(16 * n), left - n);
            }
        }
        for d in (dim..padded).step_by(16) {
            // SAFETY: both are multiples of sixteen.
            unsafe { s.store(to.wrapping_add(d - dim), s.splat(0.0)) };
        }
    }
}

/// [`Rows`] in one of the ways, from rows of bytes.
///
/// # Safety
/// `to` has room for the rows; the way is one for these scales and biases.
#[inline(always)]
unsafe fn rows_of<S: Simd, const EXACT: bool>(
    s: S,
    codes: &Codes,
    (from, stride): (*const u8, isize),
    (scales, biases): (&[f32], &[f32]),
    padded: usize,
    to: *mut f32,
) {
    let (dim, group, groups) = (codes.dim, codes.group(), codes.groups());
    let bytes = Bytes::new(s, codes.bits());
    for row in 0..codes.rows {
        let from = from.wrapping_offset(row as isize * stride);
        for g in 0..groups {
            let (scale, bias) = (scales[row * groups + g], biases[row * groups + g]);
            let (scale, add) = (s.splat(scale), s.splat(if EXACT { bias - scale * bytes.base } else { bias }));
            for d in (g * group..(g + 1) * group).step_by(16) {
                // SAFETY: the row has `dim` bytes; the caller's promise.
                unsafe {
                    let number = bytes.at(s, from.add(d));
                    s.store(to.add(row * padded + d), element::<S, EXACT>(s, number, bytes.base, scale, add));
                }
            }
        }
        for d in (dim..padded).step_by(16) {
            // SAFETY: both are multiples of sixteen; the caller's promise.
            unsafe { s.store(to.add(row * padded + d), s.splat(0.0)) };
        }
    }
}
