//! Codes as bytes: four to a 32-bit lane, 16 columns to a vector.
//!
//! - 2, 4 and 8 bits: byte `b` of part `i` of a word is its code `b * (8 / bits) + i`; a shift and a mask.
//! - 3 bits: four words of 8 codes, as with 4 bits, the last of which is put together (`block.rs`).
//! - 5 and 6 bits: four codes in a row; most lie in bytes of their own, the others are put together.
//! - E2M1: `2 * value + 12`, looked up.
//!
//! [`place`] is the order in which the bytes of the activations have to lie.

use crate::quant::block::{self, Layout};
use crate::quant::decode::{FIVE, SIX, put_together};
use crate::quant::product::Product;
use crate::simd::{self, Kernel, LANES, Simd};
use std::ops::Range;

/// What is added to twice an E2M1 value.
pub(super) const OFFSET: i32 = 12;

/// Of 16 elements, the one whose byte comes at `i`.
pub(super) fn place(bits: usize, i: usize) -> usize {
    if !matches!(bits, 2..=4) {
        return i;
    }
    // Vector by vector of four bytes; a word's parts follow one another.
    let (per, vector, byte) = (8 / bits, i / 4, i % 4);
    vector / per * (4 * per) + byte * per + vector % per
}

/// Twice the E2M1 values and [`OFFSET`], as bytes of words.
const TABLE: [i32; 4] = {
    let twice = [0, 1, 2, 3, 4, 6, 8, 12];
    let mut words = [0; 4];
    let mut i = 0;
    while i < 16 {
        let value = if i < 8 { twice[i] } else { -twice[i - 8] };
        words[i / 4] |= (value + OFFSET) << (i % 4 * 8);
        i += 1;
    }
    words
};

/// Codes of a width, how they are read: `QUADS` vectors of four codes to a run of activations.
#[derive(Clone, Copy)]
pub(super) struct Reader<S: Simd, const BITS: usize, const E2M1: bool, const QUADS: usize> {
    s: S,
    table: S::I,
}

impl<S: Simd, const BITS: usize, const E2M1: bool, const QUADS: usize> Reader<S, BITS, E2M1, QUADS> {
    /// Vectors of words of a run.
    pub(super) const WORDS: usize = BITS * QUADS / 8;

    #[inline(always)]
    pub(super) fn new(s: S) -> Self {
        let table = std::array::from_fn(|lane| if E2M1 { TABLE[lane % 4] } else { 0 });
        Reader { s, table: s.from_array_i(table) }
    }

    /// Vector `j` of the run whose words begin at `at`.
    ///
    /// # Safety
    /// The run's words are readable.
    #[inline(always)]
    pub(super) unsafe fn quad(&self, at: *const i32, j: usize) -> S::I {
        let (s, mask) = (self.s, (1i32 << BITS) - 1);
        // SAFETY: the caller's promise.
        unsafe {
            if matches!(BITS, 2 | 4 | 8) {
                let per = 8 / BITS;
                let q = self.word(at, j / per, j % per * BITS);
                if BITS == 8 {
                    return q;
                }
                let q = s.and(q, s.splat_i(mask * 0x0101_0101));
                return if E2M1 { s.shuffle_bytes(self.table, q) } else { q };
            }
            let q = match (BITS, j) {
                // Words of fields of 6 bits, three in memory and one put together.
                (3, 6..) => put_together(s, at, SIX),
                (3, _) => self.word(at, j / 2, 0),
                (6, _) if j % 4 == 3 => put_together(s, at.add(j / 4 * 3 * LANES), SIX),
                (6, _) => self.word(at, j / 4 * 3 + j % 4, 0),
                (_, 5) => put_together(s, at, FIVE.0),
                (_, 6) => put_together(s, at, FIVE.1),
                (_, 7) => put_together(s, at, FIVE.2),
                _ => self.word(at, j, 0),
            };
            let q = if BITS == 3 && j % 2 == 1 { s.shr(q, 3) } else { q };
            s.and(q, s.splat_i(mask * 0x0101_0101))
        }
    }

    /// Word `w` of a run, without its lowest bits.
    ///
    /// # Safety
    /// It is readable.
    #[inline(always)]
    unsafe fn word(&self, at: *const i32, w: usize, from: usize) -> S::I {
        // SAFETY: the caller's promise.
        let q = unsafe { self.s.load_i(at.add(w * LANES)) };
        if from == 0 { q } else { self.s.shr(q, from as u32) }
    }
}

/// Calls the method with `BITS`, `E2M1`, `QUADS` of a format that has the mode.
macro_rules! with_codes {
    ($format:expr, $self:ident.$method:ident::<$($s:ty),*>($($args:expr),*)) => {
        match ($format.codes, $format.bits, $crate::quant::int8::span($format)) {
            ($crate::quant::Codes::E2m1, _, 16) => $self.$method::<$($s,)* 4, true, 4>($($args),*),
            ($crate::quant::Codes::E2m1, _, _) => $self.$method::<$($s,)* 4, true, 8>($($args),*),
            (_, 2, _) => $self.$method::<$($s,)* 2, false, 8>($($args),*),
            (_, 3, _) => $self.$method::<$($s,)* 3, false, 8>($($args),*),
            (_, 4, _) => $self.$method::<$($s,)* 4, false, 8>($($args),*),
            (_, 5, _) => $self.$method::<$($s,)* 5, false, 8>($($args),*),
            (_, 6, _) => $self.$method::<$($s,)* 6, false, 8>($($args),*),
            _ => $self.$method::<$($s,)* 8, false, 8>($($args),*),
        }
    };
}
pub(super) use with_codes;

/// Writes the bytes, and the scales in single precision, of some groups of some strips.
pub(super) struct Fill<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) layout: Layout,
    pub(super) strips: &'a [*const i32],
    pub(super) groups: Range<usize>,
    /// `[4 k][strip][16]`.
    pub(super) codes: *mut i32,
    /// `[group][strip][scale, bias][16]`.
    pub(super) scales: *mut f32,
}

impl Kernel for Fill<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        with_codes!(self.p.w.format, self.of::<S>(s))
    }
}

impl Fill<'_> {
    #[inline(always)]
    fn of<S: Simd, const BITS: usize, const E2M1: bool, const QUADS: usize>(self, s: S) {
        let reader = Reader::<S, BITS, E2M1, QUADS>::new(s);
        let (l, format, nv) = (&self.layout, self.p.w.format, self.strips.len());
        let (mut codes, mut scales) = (self.codes, self.scales);
        // As far ahead as the next call begins.
        let ahead = self.groups.len() * l.bytes() / 4;
        for g in self.groups {
            for v in 0..nv {
                let mut at = self.strips[v].wrapping_add(l.words(g));
                let mut to = codes.wrapping_add(v * LANES);
                simd::prefetch_far(at.wrapping_add(ahead).cast(), l.bytes());
                for _ in 0..format.group / (4 * QUADS) {
                    for j in 0..QUADS {
                        // SAFETY: the strip has words for the group, and the bytes their place.
                        unsafe { s.store_i(to, reader.quad(at, j)) };
                        to = to.wrapping_add(nv * LANES);
                    }
                    at = at.wrapping_add(Reader::<S, BITS, E2M1, QUADS>::WORDS * LANES);
                }
                // SAFETY: the strip has scales for the group, and they their place.
                unsafe {
                    let (scale, bias) =
                        block::scales(s, format.scales, l.extra, self.strips[v].wrapping_add(l.scales(g)));
                    s.store(scales, scale);
                    s.store(scales.wrapping_add(LANES), bias);
                }
                scales = scales.wrapping_add(2 * LANES);
            }
            codes = codes.wrapping_add(format.group / 4 * nv * LANES);
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    self_test!(the_table_holds_twice_the_values);
    fn the_table_holds_twice_the_values() {
        for code in 0..16 {
            let byte = TABLE[code / 4] >> (code % 4 * 8) & 0xff;
            assert_eq!((byte - OFFSET) as f32, 2.0 * crate::quant::e2m1(code as u8));
        }
    }
}
