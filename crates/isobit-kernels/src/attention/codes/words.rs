//! What a block of codes is read as: words by column, scales and biases in f32 by row or by column.

use super::Codes;
use crate::attention::BLOCK;
use crate::attention::Operand;
use crate::attention::ahead::Ahead;
use crate::float_lanes::FloatLanes;
use crate::isa::Level;
use crate::quant::Scales;
use crate::simd::Simd;
use crate::transpose16::{copy_transposed, transpose16};
use half::{bf16, f16};

/// Elements that [`by_row`] needs for the scales of a block, and as many for the biases.
pub(super) fn room(groups: usize) -> usize {
    BLOCK * groups + 16
}

/// `to[w][j]` = word `w` of row `j`, rows 64 apart, zeros behind the last row. Asks for the lines `ahead` meanwhile.
///
/// # Safety
/// `to` has 64 elements for every word.
#[inline(always)]
pub(super) unsafe fn columns<S: Simd>(s: S, codes: &Codes, to: *mut f32, ahead: &mut Ahead) {
    let words = codes.from.words(codes.dim);
    let lines = ahead.count().div_ceil(BLOCK / 16 * words.div_ceil(16).max(1));
    for first in (0..BLOCK).step_by(16) {
        let n = codes.rows.saturating_sub(first).min(16);
        for word in (0..words).step_by(16) {
            let m = (words - word).min(16);
            // SAFETY: rows below `codes.rows` have `words` words; the caller's promise.
            unsafe {
                let to = to.add(word * BLOCK + first);
                if n == 16 && m == 16 {
                    let step = codes.from.codes.strides[2] * size_of::<u32>() as isize;
                    copy_transposed::<S, false>(s, codes.words(first).add(word).cast(), step, to, BLOCK);
                } else if m <= 8 {
                    // Rows `j` and `j + 8` alternate in a vector; three rounds instead of four, of half as many vectors.
                    let mut x = [s.splat(0.0); 8];
                    for (j, x) in x.iter_mut().enumerate() {
                        let mut pair = [s.splat(0.0); 2];
                        for (pair, j) in pair.iter_mut().zip([j, j + 8]) {
                            if j < n {
                                *pair = s.load_n(codes.words(first + j).add(word).cast(), m, 0.0);
                            }
                        }
                        *x = s.interleave(pair[0], pair[1]).0;
                    }
                    for _ in 0..3 {
                        let y = x;
                        for i in 0..4 {
                            (x[2 * i], x[2 * i + 1]) = s.interleave(y[i], y[i + 4]);
                        }
                    }
                    for (i, column) in x.into_iter().enumerate().take(m) {
                        s.store(to.add(i * BLOCK), column);
                    }
                } else {
                    let mut rows = [s.splat(0.0); 16];
                    for (j, row) in rows.iter_mut().enumerate().take(n) {
                        *row = s.load_n(codes.words(first + j).add(word).cast(), m, 0.0);
                    }
                    for (i, column) in transpose16(s, rows).into_iter().enumerate().take(m) {
                        s.store(to.add(i * BLOCK), column);
                    }
                }
            }
            ahead.step(lines);
        }
    }
}

/// `to[j][g]` = the number of group `g` of row `j` in f32, dense, zeros behind the last row.
///
/// # Safety
/// `part` is the scales or the biases of `codes`, `to` has [`room`] elements.
#[inline(always)]
pub(super) unsafe fn by_row<S: Simd>(s: S, codes: &Codes, part: &Operand<u8>, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match codes.kind() {
            Scales::F32 => widened::<S, f32>(s, codes, part, to),
            Scales::F16 => widened::<S, f16>(s, codes, part, to),
            Scales::Bf16 => widened::<S, bf16>(s, codes, part, to),
            kind => {
                let (groups, size) = (codes.groups(), kind.size());
                for at in 0..codes.rows * groups {
                    let row = part.row(codes.at[0], codes.at[1], codes.at[2] + at / groups);
                    to.add(at).write(kind.read(row.add(at % groups * size)));
                }
            }
        }
        let used = codes.rows * codes.groups();
        std::slice::from_raw_parts_mut(to.add(used), room(codes.groups()) - used).fill(0.0);
    }
}

#[inline(always)]
unsafe fn widened<S: Simd, T: FloatLanes>(s: S, codes: &Codes, part: &Operand<u8>, to: *mut f32) {
    let (groups, step) = (codes.groups(), part.strides[2]);
    let from = part.row(codes.at[0], codes.at[1], codes.at[2]);
    // SAFETY: the caller's promise; `to` has 16 elements more than there are numbers.
    unsafe {
        if step == (groups * size_of::<T>()) as isize {
            let (from, count) = (from.cast::<T>(), codes.rows * groups);
            for i in (0..count).step_by(16) {
                let n = (count - i).min(16);
                let x = if n == 16 { T::load(s, from.add(i)) } else { T::load_n(s, from.add(i), n) };
                s.store(to.add(i), x);
            }
            return;
        }
        for row in 0..codes.rows {
            let from = from.wrapping_offset(row as isize * step).cast::<T>();
            for g in 0..groups {
                to.add(row * groups + g).write(from.add(g).read_unaligned().widen());
            }
        }
    }
}

/// As [`by_row`] with `[g][j]`, rows of 64; says in which of the two places it is.
///
/// # Safety
/// As for [`by_row`]; both places have [`room`] elements.
#[inline(always)]
pub(super) unsafe fn by_column<S: Simd>(
    s: S,
    codes: &Codes,
    part: &Operand<u8>,
    a: *mut f32,
    b: *mut f32,
) -> *const f32 {
    let groups = codes.groups();
    // SAFETY: the caller's promise.
    unsafe {
        by_row(s, codes, part, a);
        if !groups.is_power_of_two() {
            for g in 0..groups {
                for j in 0..BLOCK {
                    b.add(g * BLOCK + j).write(a.add(j * groups + g).read());
                }
            }
            return b;
        }
        // Even places first, then odd ones: moves the lowest bit of the place to the top.
        let (mut from, mut to, half) = (a, b, BLOCK / 2 * groups);
        for _ in 0..groups.trailing_zeros() {
            for i in (0..half).step_by(16) {
                let (even, odd) = s.deinterleave(s.load(from.add(2 * i)), s.load(from.add(2 * i + 16)));
                s.store(to.add(i), even);
                s.store(to.add(half + i), odd);
            }
            (from, to) = (to, from);
        }
        from
    }
}

/// The code in the low `BITS` bits (0: those of `mask`) as a float; with 4 bits what lies above them may be anything.
#[inline(always)]
pub(super) fn number<S: Simd, const BITS: usize>(s: S, held: S::I, mask: S::I) -> S::F {
    if BITS == 4 && S::LEVEL == Level::Avx512 {
        let mut numbers = [0.0; 16];
        for (i, x) in numbers.iter_mut().enumerate() {
            *x = i as f32;
        }
        return s.lookup16(s.from_array(numbers), held);
    }
    s.from_i32(s.and(held, mask))
}

/// The mask of a code.
#[inline(always)]
pub(super) fn mask<S: Simd>(s: S, bits: usize) -> S::I {
    s.splat_i((1 << bits) - 1)
}

/// A block of keys in room of its own: words, scales and biases by column.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    words: *const f32,
    scales: *const f32,
    biases: *const f32,
    bits: usize,
    groups: usize,
    group: usize,
}

impl Keys {
    /// Reads the block. Asks for the lines `ahead` meanwhile.
    #[inline(always)]
    pub fn read<S: Simd>(s: S, codes: &Codes, room: &mut [f32], ahead: &mut Ahead) -> Keys {
        let (n, each) = (codes.from.words(codes.dim) * BLOCK, self::room(codes.groups()));
        assert!(room.len() >= n + 3 * each && codes.rows <= BLOCK);
        let (words, mut lines) = (room.as_mut_ptr(), *ahead);
        // SAFETY: there is room for words, scales and biases, and a place beside them.
        unsafe {
            columns(s, codes, words, &mut lines);
            *ahead = lines;
            let (a, b, c) = (words.add(n), words.add(n + each), words.add(n + 2 * each));
            let scales = by_column(s, codes, &codes.from.scales, a, b);
            let free = if std::ptr::eq(scales, a) { b } else { a };
            let biases = by_column(s, codes, &codes.from.biases, c, free);
            Keys { words, scales, biases, bits: codes.from.format.bits, groups: codes.groups(), group: codes.group() }
        }
    }

    /// Calls `f` with the elements `d` of `16 V` rows from row `first` on, `d` ascending. `BITS` is the codes' width, or 0 for
    /// any.
    ///
    /// # Safety
    /// The room is as it was read; `first` is a multiple of 16, and `first + 16 V` at most 64.
    #[inline(always)]
    pub unsafe fn decode<S: Simd, const BITS: usize, const V: usize>(
        &self,
        s: S,
        first: usize,
        mut f: impl FnMut(usize, [S::F; V]),
    ) {
        let bits = if BITS > 0 { BITS } else { self.bits };
        // A word's codes, or one code that may go on in the next word.
        let together = if BITS == 4 {
            8
        } else if BITS == 8 {
            4
        } else {
            1
        };
        let mask = mask(s, bits);
        for g in 0..self.groups {
            let (mut scale, mut bias) = ([s.splat(0.0); V], [s.splat(0.0); V]);
            for v in 0..V {
                let at = g * BLOCK + first + 16 * v;
                // SAFETY: the group has 64 scales and biases.
                (scale[v], bias[v]) = unsafe { (s.load(self.scales.add(at)), s.load(self.biases.add(at))) };
            }
            let (mut d, end) = (g * self.group, (g + 1) * self.group);
            while d < end {
                let (word, shift) = (d * bits / 32, d * bits % 32);
                let word = self.words.wrapping_add(word * BLOCK + first);
                let mut held = [mask; V];
                for v in 0..V {
                    // SAFETY: the groups have these words.
                    held[v] = unsafe { s.load_i(word.add(16 * v).cast()) };
                    if BITS == 0 {
                        held[v] = s.shr_v(held[v], all_lanes(s, shift));
                        if shift + bits > 32 {
                            // SAFETY: a code that goes on in the next word ends inside the group.
                            let next = unsafe { s.load_i(word.add(BLOCK + 16 * v).cast()) };
                            held[v] = s.or(held[v], s.shl_v(next, all_lanes(s, 32 - shift)));
                        }
                    }
                }
                for c in 0..together {
                    let mut x = [scale[0]; V];
                    for v in 0..V {
                        x[v] = s.add(s.mul(number::<S, BITS>(s, held[v], mask), scale[v]), bias[v]);
                        held[v] = s.shr(held[v], BITS as u32);
                    }
                    f(d + c, x);
                }
                d += together;
            }
        }
    }
}

/// A number below 32 in all lanes, from memory: a shift by lanes that a compiler knows to be equal becomes a slower one.
#[inline(always)]
fn all_lanes<S: Simd>(s: S, n: usize) -> S::I {
    static NUMBERS: [[i32; 16]; 32] = {
        let mut all = [[0; 16]; 32];
        let mut n = 0;
        while n < 32 {
            all[n] = [n as i32; 16];
            n += 1;
        }
        all
    };
    // SAFETY: sixteen numbers.
    unsafe { s.load_i(NUMBERS[n % 32].as_ptr()) }
}

/// Sixteen codes of a row after one another as floats, of any width: a permutation of half-words brings every lane the 32 bits
/// from the half-word on in which its code begins.
#[derive(Clone, Copy)]
pub(super) struct Run<S: Simd> {
    bits: usize,
    place: S::I,
    shift: S::I,
    mask: S::I,
}

impl<S: Simd> Run<S> {
    #[inline(always)]
    pub fn new(s: S, bits: usize) -> Self {
        let (mut place, mut shift) = ([0i32; 16], [0i32; 16]);
        for i in 0..16 {
            let half = i * bits / 16;
            (place[i], shift[i]) = ((half | (half + 1) << 16) as i32, (i * bits % 16) as i32);
        }
        Run { bits, place: s.from_array_i(place), shift: s.from_array_i(shift), mask: mask(s, bits) }
    }

    /// Codes `d .. d + 16` of the row at `from`.
    ///
    /// # Safety
    /// The row has `words` words, and as many codes.
    #[inline(always)]
    pub unsafe fn at(&self, s: S, from: *const u32, words: usize, d: usize) -> S::F {
        let word = d * self.bits / 32;
        // SAFETY: the caller's promise.
        let held = unsafe { s.load_i_n(from.add(word).cast(), (words - word).min(16), 0) };
        // Sixteen codes of an odd width may begin in the middle of a word.
        let place = s.add_i(self.place, s.splat_i((d * self.bits / 16 % 2 * 0x1_0001) as i32));
        let held = s.shr_v(s.lookup_halves(held, place), self.shift);
        s.from_i32(s.and(held, self.mask))
    }
}
