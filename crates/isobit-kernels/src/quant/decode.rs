//! Codes of 16 columns as floats.
//!
//! ```text
//! for k of the group, in order (pair by pair exchanged if OTHER): f(k, codes of k in every strip)
//! ```
//!
//! 1. A code lies at the low end of a byte wherever it can (`block.rs`), and a vector is loaded at that byte: such a code needs
//!    no shift. Whatever lies above it does not matter to a lookup, and is masked away otherwise. Loads have ports of their own.
//! 2. AVX-512 looks up codes of up to 5 bits in one or two registers. Other levels and widths mask and convert.
//! 3. E4M3: exponent and mantissa are moved to where a float has them, and what is subnormal corrected: by a lookup of 16-bit
//!    numbers (AVX-512), or by `min(f, 2 f - 2^-6)`, which is `f` from the least normal number on. NaN is the scales' business.
//! 4. Meanwhile the words that come later are asked for, line by line.
//!
//! Cost with AVX-512, per vector of 16 codes, on two ports (the fused step included): 2.25 instructions with 2 bits, 2.75
//! with 3, 2.5 with 4, 2.6 with 5, 3.5 with 6, 3 with 8, 4.75 with E4M3.
//!
//! Loads may reach three bytes beyond a group's words; scales follow them.

use super::{Codes, Format};
use crate::isa::Level;
use crate::simd::{self, LANES, Simd};
use std::sync::atomic::{Ordering, compiler_fence};

/// Strips' words of one group.
#[derive(Clone, Copy)]
pub(super) struct Words<const NV: usize> {
    pub(super) at: [*const i32; NV],
    /// Where, from there, the bytes begin that are asked for meanwhile, for the second-level cache and for the first.
    pub(super) far: isize,
    pub(super) near: isize,
}

/// How codes of a format are decoded: a number that constants can be made of.
pub(super) const fn kind(format: Format) -> usize {
    match format.codes {
        Codes::Unsigned => format.bits,
        Codes::E2m1 => E2M1,
        Codes::E4m3 => E4M3,
    }
}

/// The [`kind`] of 4-bit floats.
pub(super) const E2M1: usize = 16 + 4;
/// The [`kind`] of 8-bit floats.
pub(super) const E4M3: usize = 16 + 8;

/// Calls a function with the [`kind`] of a format as a constant.
macro_rules! with_kind {
    ($format:expr, $kind:ident => $call:expr) => {
        match $crate::quant::decode::kind($format) {
            2 => with_kind!(@ 2, $kind, $call),
            3 => with_kind!(@ 3, $kind, $call),
            4 => with_kind!(@ 4, $kind, $call),
            5 => with_kind!(@ 5, $kind, $call),
            6 => with_kind!(@ 6, $kind, $call),
            8 => with_kind!(@ 8, $kind, $call),
            $crate::quant::decode::E2M1 => with_kind!(@ $crate::quant::decode::E2M1, $kind, $call),
            $crate::quant::decode::E4M3 => with_kind!(@ $crate::quant::decode::E4M3, $kind, $call),
            kind => unreachable!("no codes of kind {kind}"),
        }
    };
    (@ $value:expr, $kind:ident, $call:expr) => {{
        const $kind: usize = $value;
        $call
    }};
}
pub(super) use with_kind;

/// Calls `f` with the codes of every k of a group. With `OTHER` the codes of a pair come in exchanged order.
///
/// # Safety
/// `KIND` is the format's; every pointer is the group's words in a block.
#[inline(always)]
pub(super) unsafe fn decode<S: Simd, const NV: usize, const OTHER: bool, const KIND: usize>(
    s: S,
    group: usize,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    // SAFETY: the caller's promise.
    unsafe {
        if KIND == E4M3 {
            return e4m3::<S, NV, OTHER>(s, group, words, f);
        }
        let tables: [S::F; 2] = std::array::from_fn(|half| {
            s.from_array(std::array::from_fn(|i| match KIND {
                E2M1 => super::e2m1(i as u8),
                // The low and the high bits of four.
                2 => ((i >> (2 * half)) & 3) as f32,
                3 => (i & 7) as f32,
                _ => (i + LANES * half) as f32,
            }))
        });
        let float = Float::<S, KIND> { s, tables };
        let mut k = 0;
        bytes::<S, NV, OTHER, KIND>(
            s,
            group,
            words,
            #[inline(always)]
            |q| match KIND {
                2 => {
                    let high = shifted(s, q, 4);
                    f(k, float.of(q, OTHER));
                    f(k + 1, float.of(q, !OTHER));
                    f(k + 2, float.of(high, OTHER));
                    f(k + 3, float.of(high, !OTHER));
                    k += 4;
                }
                3 | 4 | E2M1 => {
                    let high = shifted(s, q, if KIND == 3 { 3 } else { 4 });
                    f(k, float.of(if OTHER { high } else { q }, false));
                    f(k + 1, float.of(if OTHER { q } else { high }, false));
                    k += 2;
                }
                _ => {
                    f(k, float.of(q, false));
                    k += 1;
                }
            },
        );
    }
}

/// [`decode`] of E2M1 and E4M3 where registers are few and hold tables of eight: calls `f` with a k, a strip and its codes, those
/// of a word strip by strip, each strip's in the order of k. Codes come multiplied as [`unscaled`] says, those of E4M3 in an
/// order of lanes that [`Simd::in_order`] undoes.
///
/// E2M1: a table of 16 bytes makes integers of the codes, twice the numbers, which are moved to the top of a lane one by one.
/// E4M3: half precision is close by.
///
/// Cost with AVX2, per vector of 8 codes (the fused step included): 3.6 instructions with E2M1, 5.6 with E4M3.
///
/// # Safety
/// As for [`decode`].
#[inline(always)]
pub(super) unsafe fn decode_strips<S: Simd, const NV: usize, const OTHER: bool, const KIND: usize>(
    s: S,
    group: usize,
    words: &Words<NV>,
    mut f: impl FnMut(usize, usize, S::F),
) {
    let eight = Eight::<S, KIND>::new(s);
    for w in 0..group * (KIND % 16) / 32 {
        for v in 0..NV {
            let at = words.at[v].wrapping_add(w * LANES).cast::<u8>();
            simd::prefetch_far(at.wrapping_offset(words.far), 1);
            simd::prefetch_near(at.wrapping_offset(words.near));
            // SAFETY: the caller's promise.
            let q = unsafe { s.load_i(words.at[v].add(w * LANES)) };
            eight.whole::<OTHER>(q, |i, q| f(w * 32 / (KIND % 16) + i, v, q));
        }
    }
}

/// Codes of a word where kernels for a few rows with AVX2 take them as they lie: words as in a block, of 3, 5 and 6 bits the low
/// fields, or what [`put_together`] gives.
pub(super) const fn per_word(kind: usize) -> usize {
    match kind {
        2 => 16,
        3 | 4 => 8,
        _ => 4,
    }
}

/// The lowest bit of code `i` of such a word.
pub(super) const fn place(kind: usize, i: usize) -> usize {
    match kind {
        2 => 2 * i,
        3 => 8 * (i / 2) + 3 * (i % 2),
        4 => 4 * i,
        _ => 8 * i,
    }
}

/// What the activation of a k (of a group) is multiplied by where codes come multiplied by something else, from kernels for a
/// few rows with AVX2. Powers of two: the products stay the same.
pub(super) fn unscaled(kind: usize, k: usize) -> f32 {
    let bits = |exponent: usize| f32::from_bits((exponent as u32) << 23);
    match (kind, place(kind, k % per_word(kind))) {
        (E2M1, _) => bits(127 - 25),
        (E4M3, _) => bits(127 + 8),
        // Where the code would be a sign, it is shifted down.
        (bits_of, place) if place + bits_of == 32 => 1.0,
        (_, place) => bits(127 - place),
    }
}

/// What makes floats of codes where a register holds a table of eight.
struct Eight<S: Simd, const KIND: usize> {
    s: S,
    table: S::F,
}

impl<S: Simd, const KIND: usize> Eight<S, KIND> {
    #[inline(always)]
    fn new(s: S) -> Self {
        // Twice the numbers, in a byte each.
        let byte = |i: usize| u32::from((2.0 * super::e2m1(i as u8 & 15)) as i8 as u8);
        let table = s.from_array(std::array::from_fn(|i| {
            let i = 4 * (i & 3);
            f32::from_bits(byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24)
        }));
        Eight { s, table }
    }

    /// Calls `f` with the floats of whole words, those of a pair in exchanged order if `OTHER`.
    #[inline(always)]
    fn whole<const OTHER: bool>(&self, q: S::I, mut f: impl FnMut(usize, S::F)) {
        let s = self.s;
        let bytes = |order: [u32; 4]| {
            s.from_array_i(std::array::from_fn(|lane| {
                let byte = |b: usize| if order[b] == 0x80 { 0x80 } else { order[b] + 4 * (lane as u32 & 3) };
                (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24) as i32
            }))
        };
        if KIND == E4M3 {
            // Bytes 0, 2, 1, 3: two at a time in the upper bytes of halves.
            let up = s.shuffle_bytes(q, bytes([0x80, 0, 0x80, 2]));
            for (k, q) in [(0, up), (2, q)] {
                let (first, second) = s.e4m3_halves(q);
                f(k, if OTHER { second } else { first });
                f(k + 1, if OTHER { first } else { second });
                compiler_fence(Ordering::SeqCst);
            }
            return;
        }
        let (table, low) = (s.to_bits(self.table), s.splat_i(0x0f0f_0f0f));
        let twice = [s.shuffle_bytes(table, s.and(q, low)), s.shuffle_bytes(table, s.and(s.shr(q, 4), low))];
        for b in 0..4 {
            for i in 0..2 {
                let q = twice[if OTHER { i ^ 1 } else { i }];
                let top = match b {
                    0 => s.shl(q, 24),
                    3 => s.and(q, s.splat_i(0xff00_0000_u32 as i32)),
                    _ => s.shuffle_bytes(q, bytes([0x80, 0x80, 0x80, b])),
                };
                f(2 * b as usize + i, s.from_i32(top));
            }
        }
    }
}

/// What makes floats of codes.
struct Float<S: Simd, const KIND: usize> {
    s: S,
    tables: [S::F; 2],
}

impl<S: Simd, const KIND: usize> Float<S, KIND> {
    /// The codes at the low end, or (of two bits) those above them.
    #[inline(always)]
    fn of<const NV: usize>(&self, q: [S::I; NV], second: bool) -> [S::F; NV] {
        let (s, lookup) = (self.s, S::LEVEL == Level::Avx512);
        let mut floats = [self.tables[0]; NV];
        for v in 0..NV {
            floats[v] = match KIND {
                2 if lookup => s.lookup16(self.tables[usize::from(second)], q[v]),
                3 | 4 if lookup => s.lookup16(self.tables[0], q[v]),
                5 if lookup => s.lookup32(self.tables, q[v]),
                E2M1 => s.lookup16(self.tables[0], q[v]),
                _ => {
                    let q = if second { s.shr(q[v], 2) } else { q[v] };
                    s.from_i32(s.and(q, s.splat_i((1 << (KIND % 16)) - 1)))
                }
            };
        }
        floats
    }
}

/// Calls `g` with the bytes of a group that codes lie in, in the low bits of every lane; where a byte has one code, the
/// bytes of a pair in exchanged order if `OTHER`.
///
/// # Safety
/// As for [`decode`].
#[inline(always)]
unsafe fn bytes<S: Simd, const NV: usize, const OTHER: bool, const KIND: usize>(
    s: S,
    group: usize,
    words: &Words<NV>,
    mut g: impl FnMut([S::I; NV]),
) {
    let other = usize::from(OTHER && matches!(KIND, 5 | 6 | 8));
    // Words that belong together.
    let unit = match KIND {
        3 | 6 => 3,
        5 => 5,
        _ => 1,
    };
    for first in (0..group * (KIND % 16) / 32).step_by(unit) {
        for w in first..first + unit {
            for b in 0..4 {
                // SAFETY: the caller's promise.
                g(unsafe { load(s, words, w, b ^ other) });
            }
        }
        // What lies above those codes, four bytes at a time.
        // SAFETY: the caller's promise.
        unsafe {
            match KIND {
                3 | 6 => four_more(s, words, first, SIX, other, &mut g),
                5 => {
                    four_more(s, words, first, FIVE.0, other, &mut g);
                    four_more(s, words, first, FIVE.1, other, &mut g);
                    four_more(s, words, first, FIVE.2, other, &mut g);
                }
                _ => {}
            }
        }
    }
}

/// A part of what lies above the low codes of four bytes: of which word, how far up, the bits of a byte up to which it counts.
pub(super) type Part = (usize, u32, i32);

/// Calls `g` with four bytes that are put together from parts of the unit's words from `first` on.
///
/// # Safety
/// As for [`decode`].
#[inline(always)]
unsafe fn four_more<S: Simd, const NV: usize, const PARTS: usize>(
    s: S,
    words: &Words<NV>,
    first: usize,
    parts: [Part; PARTS],
    other: usize,
    g: &mut impl FnMut([S::I; NV]),
) {
    let mut q = [s.splat_i(0); NV];
    for v in 0..NV {
        // SAFETY: the caller's promise.
        q[v] = unsafe { put_together(s, words.at[v].add(first * LANES), parts) };
    }
    for b in 0..4 {
        g(shifted(s, q, 8 * (b ^ other as u32)));
    }
}

/// Four bytes put together from parts of a unit's words; what lies above them in a byte does not count.
///
/// # Safety
/// `unit` is valid for the words.
#[inline(always)]
pub(super) unsafe fn put_together<S: Simd, const PARTS: usize>(s: S, unit: *const i32, parts: [Part; PARTS]) -> S::I {
    let mut q = s.splat_i(0);
    for i in (0..PARTS).rev() {
        let (word, shift, mask) = parts[i];
        // SAFETY: the caller's promise.
        let part = unsafe { s.shr(s.load_i(unit.add(word * LANES)), shift) };
        q = if i + 1 == PARTS { part } else { s.or(s.and(part, s.splat_i(mask)), s.and(q, s.splat_i(!mask))) };
    }
    q
}

/// Where the last four of 16 fields of 6 bits are: word, shift, bits up to there.
pub(super) const SIX: [Part; 3] = [(0, 6, 0x0303_0303), (1, 4, 0x0f0f_0f0f), (2, 2, 0x3f3f_3f3f)];
/// The same for the last twelve of 32 fields of 5 bits, in fours.
pub(super) const FIVE: ([Part; 2], [Part; 2], [Part; 3]) = (
    [(0, 5, 0x0707_0707), (1, 2, 0x1f1f_1f1f)],
    [(2, 5, 0x0707_0707), (3, 2, 0x1f1f_1f1f)],
    [(4, 5, 0x0707_0707), (1, 4, 0x0f0f_0f0f), (3, 3, 0x1f1f_1f1f)],
);

/// Eight-bit floats, two at a time.
///
/// # Safety
/// As for [`decode`].
#[inline(always)]
unsafe fn e4m3<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    group: usize,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    for w in 0..group / 4 {
        for half in 0..2 {
            // SAFETY: the caller's promise.
            let (low, whole) = unsafe { (load(s, words, w, half), load_whole(s, words, w)) };
            let (mut first, mut second) = ([s.splat(0.0); NV], [s.splat(0.0); NV]);
            for v in 0..NV {
                let high = if half == 0 { s.shl(low[v], 8) } else { whole[v] };
                (first[v], second[v]) = s.e4m3_pair(low[v], high);
            }
            let k = 4 * w + 2 * half;
            f(k, if OTHER { second } else { first });
            f(k + 1, if OTHER { first } else { second });
        }
    }
}

/// Word `w` of the group, from byte `b` on, which then is in the low bits of every lane; asks for what comes later.
#[inline(always)]
unsafe fn load<S: Simd, const NV: usize>(s: S, words: &Words<NV>, w: usize, b: usize) -> [S::I; NV] {
    let mut q = [s.splat_i(0); NV];
    for v in 0..NV {
        let at = words.at[v].wrapping_add(w * LANES).cast::<u8>();
        // One line of each for every word.
        if v % 4 == b {
            simd::prefetch_far(at.wrapping_offset(words.far), 1);
        }
        if v % 4 == (b + 2) % 4 {
            simd::prefetch_near(at.wrapping_offset(words.near));
        }
        // SAFETY: the caller's promise: a vector of words, up to three bytes on.
        q[v] = unsafe { s.load_i(at.add(b).cast()) };
    }
    q
}

/// Word `w` of the group.
#[inline(always)]
unsafe fn load_whole<S: Simd, const NV: usize>(s: S, words: &Words<NV>, w: usize) -> [S::I; NV] {
    let mut q = [s.splat_i(0); NV];
    for v in 0..NV {
        // SAFETY: the caller's promise.
        q[v] = unsafe { s.load_i(words.at[v].add(w * LANES)) };
    }
    q
}

/// Every lane of every vector, `n` bits down.
#[inline(always)]
fn shifted<S: Simd, const NV: usize>(s: S, q: [S::I; NV], n: u32) -> [S::I; NV] {
    let mut q = q;
    for v in 0..NV {
        q[v] = s.shr(q[v], n);
    }
    q
}
