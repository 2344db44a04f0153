//! Codes of 16 columns as floats.
//!
//! ```text
//! for k of the group, in order (pair by pair exchanged if OTHER): f(k, codes of k in every strip)
//! ```
//!
//! 1. A vector is loaded at the byte where a code begins, so that most codes need no shift: whatever lies above them does not
//!    matter to a lookup, and is masked away otherwise. Loads have ports of their own.
//! 2. AVX-512 looks up codes of 2 and 4 bits in a register, by the low or the high bits of four: per vector of codes half a
//!    shift, one permutation. Other levels and widths mask and convert.
//!
//! Loads may reach three bytes beyond a group's words; scales follow them.

use super::{Codes, Format};
use crate::isa::Level;
use crate::simd::{LANES, Simd};

/// Strips' words of one group.
pub(super) type Words<const NV: usize> = [*const i32; NV];

/// Calls `f` with the codes of every k of a group. With `OTHER` the codes of a pair come in exchanged order.
///
/// # Safety
/// Every pointer is the group's words in a block.
#[inline(always)]
pub(super) unsafe fn decode<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    f: impl FnMut(usize, [S::F; NV]),
) {
    let table = S::LEVEL == Level::Avx512;
    // SAFETY: the caller's promise.
    unsafe {
        match (format.codes, format.bits) {
            (Codes::Unsigned, 4) if table => four::<S, NV, OTHER>(s, format, words, false, f),
            (Codes::Unsigned, 4) => bytes::<S, NV, 4, OTHER>(s, format, words, f),
            (Codes::E2m1, _) => four::<S, NV, OTHER>(s, format, words, true, f),
            (Codes::Unsigned, 2) if table => two::<S, NV, OTHER>(s, format, words, f),
            (Codes::Unsigned, 2) => bytes::<S, NV, 2, OTHER>(s, format, words, f),
            (Codes::Unsigned, 8) => bytes::<S, NV, 8, OTHER>(s, format, words, f),
            (Codes::Unsigned, _) => stream::<S, NV, OTHER>(s, format, words, f),
            (Codes::E4m3, _) => eight::<S, NV, OTHER>(s, format, words, f),
        }
    }
}

/// Byte `b` of the group's words, in the low bits of every lane.
#[inline(always)]
unsafe fn load<S: Simd, const NV: usize>(s: S, words: &Words<NV>, b: usize) -> [S::I; NV] {
    let mut q = [s.splat_i(0); NV];
    for v in 0..NV {
        // SAFETY: the caller's promise: a vector of words, up to three bytes on.
        q[v] = unsafe { s.load_i(words[v].cast::<u8>().add(b / 4 * (4 * LANES) + b % 4).cast()) };
    }
    q
}

#[inline(always)]
fn each<A: Copy, B: Copy, const NV: usize>(from: [A; NV], start: B, f: impl Fn(A) -> B) -> [B; NV] {
    let mut to = [start; NV];
    for v in 0..NV {
        to[v] = f(from[v]);
    }
    to
}

/// Codes of four bits by a table.
#[inline(always)]
unsafe fn four<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    e2m1: bool,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let table = s.from_array(std::array::from_fn(|i| if e2m1 { super::e2m1(i as u8) } else { i as f32 }));
    for b in 0..format.group / 2 {
        // SAFETY: the caller's promise.
        let q = unsafe { load(s, words, b) };
        let low = each(
            q,
            table,
            #[inline(always)]
            |q| s.lookup16(table, q),
        );
        let high = each(
            q,
            table,
            #[inline(always)]
            |q| s.lookup16(table, s.shr(q, 4)),
        );
        f(2 * b, if OTHER { high } else { low });
        f(2 * b + 1, if OTHER { low } else { high });
    }
}

/// Codes of two bits by tables.
#[inline(always)]
unsafe fn two<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let low = s.from_array(std::array::from_fn(|i| (i & 3) as f32));
    let high = s.from_array(std::array::from_fn(|i| (i >> 2) as f32));
    let tables = if OTHER { [high, low] } else { [low, high] };
    for b in 0..format.group / 4 {
        // SAFETY: the caller's promise.
        let q = unsafe { load(s, words, b) };
        let upper = each(
            q,
            q[0],
            #[inline(always)]
            |q| s.shr(q, 4),
        );
        for (i, q) in [q, upper].into_iter().enumerate() {
            for (j, table) in tables.into_iter().enumerate() {
                f(
                    4 * b + 2 * i + j,
                    each(
                        q,
                        table,
                        #[inline(always)]
                        |q| s.lookup16(table, q),
                    ),
                );
            }
        }
    }
}

/// Codes of `BITS` bits, a divisor of 8, masked and converted.
#[inline(always)]
unsafe fn bytes<S: Simd, const NV: usize, const BITS: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let (mask, per) = (s.splat_i((1 << BITS) - 1), 8 / BITS);
    let zero = s.splat(0.0);
    for k in (0..format.group).step_by(2 * per) {
        for i in 0..2 * per {
            let (j, shift) = if OTHER { (i ^ 1, i ^ 1) } else { (i, i) };
            // SAFETY: the caller's promise.
            let q = unsafe { load(s, words, (k + j) / per) };
            let shift = (shift % per * BITS) as u32;
            f(
                k + i,
                each(
                    q,
                    zero,
                    #[inline(always)]
                    |q| s.from_i32(s.and(if shift > 0 { s.shr(q, shift) } else { q }, mask)),
                ),
            );
        }
    }
}

/// Codes of any width, some of which go on in the next word.
#[inline(always)]
unsafe fn stream<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let bits = format.bits;
    let mask = s.splat_i((1 << bits) - 1);
    let zero = s.splat(0.0);
    for k in 0..format.group {
        let at = if OTHER { k ^ 1 } else { k } * bits;
        let (w, shift) = (at / 32, at % 32);
        // SAFETY: the caller's promise; a code that goes on in the next word ends inside the group.
        let mut q = unsafe { load(s, words, 4 * w) };
        let low = s.splat_i(shift as i32);
        q = each(
            q,
            q[0],
            #[inline(always)]
            |q| s.shr_v(q, low),
        );
        if shift + bits > 32 {
            // SAFETY: as above.
            let next = unsafe { load(s, words, 4 * (w + 1)) };
            let high = s.splat_i(32 - shift as i32);
            for v in 0..NV {
                q[v] = s.or(q[v], s.shl_v(next[v], high));
            }
        }
        f(
            k,
            each(
                q,
                zero,
                #[inline(always)]
                |q| s.from_i32(s.and(q, mask)),
            ),
        );
    }
}

/// Eight-bit floats.
#[inline(always)]
unsafe fn eight<S: Simd, const NV: usize, const OTHER: bool>(
    s: S,
    format: Format,
    words: &Words<NV>,
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let zero = s.splat(0.0);
    for k in 0..format.group {
        // SAFETY: the caller's promise.
        let q = unsafe { load(s, words, if OTHER { k ^ 1 } else { k }) };
        f(
            k,
            each(
                q,
                zero,
                #[inline(always)]
                |q| e4m3(s, q),
            ),
        );
    }
}

/// The E4M3 number in the low eight bits.
#[inline(always)]
fn e4m3<S: Simd>(s: S, q: S::I) -> S::F {
    let magnitude = s.and(q, s.splat_i(0x7f));
    let normal = s.from_bits(s.add_i(s.shl(magnitude, 20), s.splat_i((127 - 7) << 23)));
    let subnormal = s.mul(s.from_i32(magnitude), s.splat(f32::from_bits((127 - 9) << 23)));
    let value = s.select(s.gt_i(s.splat_i(8), magnitude), subnormal, normal);
    let value = s.select(s.eq_i(magnitude, s.splat_i(0x7f)), s.splat(f32::NAN), value);
    s.from_bits(s.or(s.to_bits(value), s.and(s.shl(q, 24), s.splat_i(i32::MIN))))
}
