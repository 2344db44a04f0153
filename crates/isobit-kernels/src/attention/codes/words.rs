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
                } else if m == 8 && words == 8 && n == 16 && codes.from.codes.strides[2] == 8 {
                    // Dense rows of eight: each round moves the lowest bit of a word's place to the top.
                    let from = codes.words(first).cast::<f32>();
                    let mut x = [s.splat(0.0); 8];
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = s.load(from.add(16 * i));
                    }
                    for _ in 0..3 {
                        let y = x;
                        for i in 0..4 {
                            (x[i], x[i + 4]) = s.deinterleave(y[2 * i], y[2 * i + 1]);
                        }
                    }
                    for (i, column) in x.into_iter().enumerate() {
                        s.store(to.add(i * BLOCK), column);
                    }
                } else if m <= 8 {
                    // Rows `j` and `j + 8` alternate in a vector; three rounds instead of four, of half as many vectors.
                    let (from, step) = (codes.words(first).wrapping_add(word), codes.from.codes.strides[2]);
                    let row = |j: usize| from.wrapping_offset(j as isize * step).cast::<f32>();
                    let mut x = [s.splat(0.0); 8];
                    for (j, x) in x.iter_mut().enumerate() {
                        let pair = if n == 16 {
                            [s.load_n(row(j), m, 0.0), s.load_n(row(j + 8), m, 0.0)]
                        } else {
                            [j, j + 8].map(|j| if j < n { s.load_n(row(j), m, 0.0) } else { s.splat(0.0) })
                        };
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

/// The bits of `2^23`: with a code below them they are the float `2^23 + code`.
const MAGIC: i32 = 0x4B00_0000;

/// Whether each of `count` numbers, a multiple of sixteen, may be multiplied by powers of two from `2^-23` to `2^23` without
/// rounding, and products with it have a positive zero.
///
/// # Safety
/// The numbers are there.
#[inline(always)]
unsafe fn tame<S: Simd>(s: S, numbers: *const f32, count: usize) -> bool {
    let (low, high) = (s.splat(1e-30), s.splat(1e30));
    let mut all = s.mask_from_bits(u16::MAX);
    for i in (0..count).step_by(16) {
        // SAFETY: the caller's promise.
        let x = unsafe { s.load(numbers.add(i)) };
        let zero = s.eq_i(s.to_bits(x), s.splat_i(0));
        let size = s.select(zero, high, s.abs(x));
        all = s.and_m(all, s.and_m(s.ge(size, low), s.le(size, high)));
    }
    s.all(all)
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
    /// Whether products of codes and scales may be had by way of [`MAGIC`].
    tame: bool,
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
            let tame = tame(s, scales, BLOCK * codes.groups());
            let (bits, groups, group) = (codes.from.format.bits, codes.groups(), codes.group());
            Keys { words, scales, biases, bits, groups, group, tame }
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
        if (BITS == 4 || BITS == 8) && self.tame {
            // SAFETY: the caller's promise.
            return unsafe { self.decode_tame::<S, BITS, V>(s, first, f) };
        }
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
            // SAFETY: the group has 64 scales and biases.
            let (scale, bias) = unsafe { self.numbers::<S, V>(s, g, first) };
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

    /// The scales and biases of group `g` of `16 V` rows from row `first` on.
    ///
    /// # Safety
    /// As for [`Keys::decode`].
    #[inline(always)]
    unsafe fn numbers<S: Simd, const V: usize>(&self, s: S, g: usize, first: usize) -> ([S::F; V], [S::F; V]) {
        let (mut scale, mut bias) = ([s.splat(0.0); V], [s.splat(0.0); V]);
        for v in 0..V {
            let at = g * BLOCK + first + 16 * v;
            // SAFETY: the caller's promise.
            (scale[v], bias[v]) = unsafe { (s.load(self.scales.add(at)), s.load(self.biases.add(at))) };
        }
        (scale, bias)
    }

    /// [`Keys::decode`] of 4 or 8 bits with tame scales, in three operations for a number instead of four or five.
    ///
    /// A code in the bits from `b` on of a word's half is the float `2^23 + code 2^b` by way of one `and` and one `or`, and
    /// `fma` of it with `scale 2^-b` and `-2^23 scale 2^-b` is `code * scale`, rounded once: both products are exact before.
    ///
    /// # Safety
    /// As for [`Keys::decode`].
    #[inline(always)]
    unsafe fn decode_tame<S: Simd, const BITS: usize, const V: usize>(
        &self,
        s: S,
        first: usize,
        mut f: impl FnMut(usize, [S::F; V]),
    ) {
        let of_half = 16 / BITS;
        let magic = s.splat_i(MAGIC);
        for g in 0..self.groups {
            // SAFETY: the caller's promise.
            let (scale, bias) = unsafe { self.numbers::<S, V>(s, g, first) };
            let (mut factor, mut offset) = ([[s.splat(0.0); V]; 4], [[s.splat(0.0); V]; 4]);
            for c in 0..of_half {
                let down = 1.0 / (1u32 << (c * BITS)) as f32;
                for v in 0..V {
                    factor[c][v] = s.mul(scale[v], s.splat(down));
                    offset[c][v] = s.mul(scale[v], s.splat(-8_388_608.0 * down));
                }
            }
            let words = g * self.group * BITS / 32..(g + 1) * self.group * BITS / 32;
            for word in words {
                let from = self.words.wrapping_add(word * BLOCK + first);
                let mut held = [magic; V];
                for v in 0..V {
                    // SAFETY: the groups have these words.
                    held[v] = unsafe { s.load_i(from.add(16 * v).cast()) };
                }
                for half in 0..2 {
                    for c in 0..of_half {
                        let mask = s.splat_i(((1 << BITS) - 1) << (c * BITS));
                        let mut x = [scale[0]; V];
                        for v in 0..V {
                            let number = s.from_bits(s.or(s.and(held[v], mask), magic));
                            x[v] = s.add(s.fma(number, factor[c][v], offset[c][v]), bias[v]);
                        }
                        f(word * 32 / BITS + half * of_half + c, x);
                    }
                    for v in 0..V {
                        held[v] = s.shr(held[v], 16);
                    }
                }
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
