//! What a block of codes is read as: words by column, scales and biases in f32 by row or by column.

use super::Codes;
use super::bytes::{self, Bytes, SLACK, place};
use crate::attention::BLOCK;
use crate::attention::Operand;
use crate::attention::ahead::Ahead;
use crate::float_lanes::FloatLanes;
use crate::isa::Level;
use crate::quant::{Format, Scales};
use crate::simd::Simd;
use crate::transpose16::{copy_columns, copy_transposed, transpose16};
use half::{bf16, f16};

/// Elements that [`by_row`] needs for the scales of a block, and as many for the biases.
pub(super) fn room(groups: usize) -> usize {
    BLOCK * groups + 16
}

/// `to[w][j]` = word `w` of row `j`, rows 64 apart, zeros behind the last row. Asks for the lines `ahead` meanwhile.
///
/// # Safety
/// `to` has 64 elements for every word; the rows have as many words, and lie `stride` words apart.
#[inline(always)]
unsafe fn columns<S: Simd>(
    s: S,
    (from, stride): (*const u32, isize),
    rows: usize,
    words: usize,
    to: *mut f32,
    ahead: &mut Ahead,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if rows == BLOCK && stride == words as isize && matches!(S::LEVEL, Level::Avx2 | Level::Avx512) {
            // With 64 codes rows have one of these widths; where they are dense, all addresses are constants.
            match words {
                6 => return dense::<S, 6>(s, from, to, ahead),
                8 if S::LEVEL == Level::Avx512 => return dense_eights(s, from, to, ahead),
                10 => return dense::<S, 10>(s, from, to, ahead),
                12 => return dense::<S, 12>(s, from, to, ahead),
                16 => return dense::<S, 16>(s, from, to, ahead),
                _ => {}
            }
        }
        let lines = ahead.count().div_ceil(BLOCK / 16 * words.div_ceil(16).max(1));
        for first in (0..BLOCK).step_by(16) {
            let n = rows.saturating_sub(first).min(16);
            for word in (0..words).step_by(16) {
                // Rows below `rows` have `words` words.
                let at = from.wrapping_offset(first as isize * stride).wrapping_add(word);
                sixteen_rows(s, (at, stride), n, (words - word).min(16), to.add(word * BLOCK + first));
                ahead.step_near(lines);
            }
        }
    }
}

/// [`columns`] of 64 rows of `W` words without gaps.
///
/// # Safety
/// As for [`columns`].
#[inline(always)]
unsafe fn dense<S: Simd, const W: usize>(s: S, from: *const u32, to: *mut f32, ahead: &mut Ahead) {
    let lines = ahead.count().div_ceil(BLOCK / 16);
    for first in (0..BLOCK).step_by(16) {
        // SAFETY: the caller's promise.
        unsafe { sixteen_rows(s, (from.add(first * W), W as isize), 16, W, to.add(first)) };
        ahead.step_near(lines);
    }
}

/// [`dense`] rows of eight: each round moves the lowest bit of a word's place to the top.
///
/// # Safety
/// As for [`columns`].
#[inline(always)]
unsafe fn dense_eights<S: Simd>(s: S, from: *const u32, to: *mut f32, ahead: &mut Ahead) {
    let lines = ahead.count().div_ceil(BLOCK / 16);
    for first in (0..BLOCK).step_by(16) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut x = [s.splat(0.0); 8];
            for (i, x) in x.iter_mut().enumerate() {
                *x = s.load(from.add(8 * first + 16 * i).cast());
            }
            for _ in 0..3 {
                let y = x;
                for i in 0..4 {
                    (x[i], x[i + 4]) = s.deinterleave(y[2 * i], y[2 * i + 1]);
                }
            }
            for (i, column) in x.into_iter().enumerate() {
                s.store(to.add(i * BLOCK + first), column);
            }
        }
        ahead.step_near(lines);
    }
}

/// Up to 16 words of up to 16 rows as columns; those of rows that are not there are zero.
///
/// # Safety
/// There are `n` rows of `m` words, and 64 elements for every word.
#[inline(always)]
unsafe fn sixteen_rows<S: Simd>(s: S, (from, stride): (*const u32, isize), n: usize, m: usize, to: *mut f32) {
    let row = |j: usize| from.wrapping_offset(j as isize * stride).cast::<f32>();
    let step = stride * size_of::<u32>() as isize;
    // SAFETY: the caller's promise.
    unsafe {
        if n == 16 && (4..16).contains(&m) && copy_columns(s, (from.cast(), step), to, BLOCK, m & !3) {
            // Four columns at a time, the last ones once more if fewer are left.
            if !m.is_multiple_of(4) {
                let last = m - 4;
                copy_columns(s, (from.add(last).cast(), step), to.add(last * BLOCK), BLOCK, 4);
            }
        } else if n == 16 && m == 16 {
            copy_transposed::<S, false>(s, from.cast(), step, to, BLOCK);
        } else if m <= 8 {
            // Rows `j` and `j + 8` alternate in a vector; three rounds instead of four, of half as many vectors.
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
            let mut x = [s.splat(0.0); 16];
            for (j, x) in x.iter_mut().enumerate().take(n) {
                *x = s.load_n(row(j), m, 0.0);
            }
            for (i, column) in transpose16(s, x).into_iter().enumerate().take(m) {
                s.store(to.add(i * BLOCK), column);
            }
        }
    }
}

/// `to[j][g]` = the number of group `g` of row `j` in f32, dense, `rest` behind the last row.
///
/// # Safety
/// `part` is the scales or the biases of `codes`, `to` has [`room`] elements.
#[inline(always)]
pub(super) unsafe fn by_row<S: Simd>(s: S, codes: &Codes, part: &Operand<u8>, to: *mut f32, rest: f32) {
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
        std::slice::from_raw_parts_mut(to.add(used), room(codes.groups()) - used).fill(rest);
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
    rest: f32,
) -> *const f32 {
    let groups = codes.groups();
    // SAFETY: the caller's promise.
    unsafe {
        let (at, dense) = (codes.at, part.strides[2] == 4 && codes.rows == BLOCK);
        if groups == 2 && dense && codes.kind() == Scales::Bf16 {
            // Two numbers of a row are the halves of a word.
            let from = part.row(at[0], at[1], at[2]).cast::<i32>();
            for i in (0..BLOCK).step_by(16) {
                let pair = s.load_i(from.wrapping_add(i));
                s.store(a.add(i), s.from_bits(s.shl(pair, 16)));
                s.store(a.add(BLOCK + i), s.from_bits(s.and(pair, s.splat_i(-0x1_0000))));
            }
            return a;
        }
        by_row(s, codes, part, a, rest);
        if !groups.is_power_of_two() {
            // Lane by lane from the vector that has it.
            let lanes = s.from_array_i(std::array::from_fn(|lane| (lane * groups) as i32));
            for g in 0..groups {
                let at = s.add_i(lanes, s.splat_i(g as i32));
                let (mut x, vector) = ([s.splat(0.0); BLOCK / 16], s.shr(at, 4));
                for v in 0..groups {
                    let here = s.eq_i(vector, s.splat_i(v as i32));
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = s.select(here, s.lookup16(s.load(a.add(16 * (i * groups + v))), at), *x);
                    }
                }
                for (i, x) in x.into_iter().enumerate() {
                    s.store(b.add(g * BLOCK + 16 * i), x);
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

/// Where codes of a width are put in the mantissa of a power of two: the bits of three numbers `2^(23 - b) + code`.
///
/// `(held & mask) | top` with the code in the bits from `b` on is that float, and `fma(it, scale, bias - 2^(23 - b) scale)` the
/// element, if that difference is a float: one operation for the number and one for the element.
#[derive(Clone, Copy)]
pub(super) struct Places<S: Simd> {
    mask: [S::I; 3],
    top: [S::I; 3],
}

/// The bit from which on a code lies: one of three for codes of four bits in words, that of a byte ([`Bytes`]) for others.
pub(super) const fn places(bits: usize) -> [usize; 3] {
    match bits {
        4 => [8, 12, 16],
        _ => [8 * place(bits) as usize; 3],
    }
}

/// The power of two over which codes at place `p` lie.
pub(super) fn base(bits: usize, p: usize) -> f32 {
    (1u32 << (23 - places(bits)[p])) as f32
}

impl<S: Simd> Places<S> {
    #[inline(always)]
    pub fn new(s: S, bits: usize) -> Self {
        let (mut mask, mut top) = ([s.splat_i(0); 3], [s.splat_i(0); 3]);
        for p in 0..3 {
            mask[p] = s.splat_i(((1 << bits) - 1) << places(bits)[p]);
            top[p] = s.splat_i(((127 + 23 - places(bits)[p]) << 23) as i32);
        }
        Places { mask, top }
    }

    /// The power of two and the code at place `p`.
    #[inline(always)]
    pub fn number(&self, s: S, held: S::I, p: usize) -> S::F {
        s.from_bits(s.or(s.and(held, self.mask[p]), self.top[p]))
    }
}

/// How elements may be computed with the bits of `code * scale + bias`, rounded after each step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `fma(2^k + code, scale, bias - 2^k scale)`: products are exact, and so is that difference.
    Exact,
    /// As it is written.
    Steps,
}

/// The lowest and the highest bit of a mantissa from which on codes lie.
pub(super) type Reach = [usize; 2];

/// Those of bytes.
pub(super) fn reach_of_bytes(bits: usize) -> Reach {
    [8 * place(bits) as usize; 2]
}

/// The way for `count` scales and biases, a multiple of sixteen.
///
/// With `n` significant bits in scales and biases `bias - 2^k scale` needs no more than 24 if `|bias|` is 0, or at least
/// `2^(n - 23 + k)` and at most `2^(k + 23 - n)` times the scale, for every `k`: so it is of what a range of numbers is quantized to.
///
/// The sign of a zero among elements may be another one, which no chain that begins with +0 and ends with a sum with +0 shows.
///
/// # Safety
/// The numbers are there.
#[inline(always)]
pub(super) unsafe fn way<S: Simd>(
    s: S,
    format: Format,
    [lowest, highest]: Reach,
    scales: *const f32,
    biases: *const f32,
    count: usize,
) -> Way {
    let significant = significant(format.scales);
    let power = |n: i32| s.splat(f32::from_bits(((127 + n) << 23) as u32));
    let (least, most) = (power(significant - lowest as i32), power(46 - highest as i32 - significant));
    let (low, high) = (s.splat(1e-24), s.splat(1e24));
    let mut exact = s.mask_from_bits(u16::MAX);
    for i in (0..count).step_by(16) {
        // SAFETY: the caller's promise.
        let (scale, bias) = unsafe { (s.abs(s.load(scales.add(i))), s.abs(s.load(biases.add(i)))) };
        let tame = s.and_m(s.ge(scale, low), s.le(scale, high));
        let none = s.eq(bias, s.splat(0.0));
        let range = s.and_m(s.or_m(s.ge(bias, s.mul(scale, least)), none), s.le(bias, s.mul(scale, most)));
        exact = s.and_m(exact, s.and_m(tame, range));
    }
    if significant < 24 && s.all(exact) { Way::Exact } else { Way::Steps }
}

/// Significant bits of a scale.
fn significant(scales: Scales) -> i32 {
    match scales {
        Scales::Bf16 => 8,
        Scales::F16 => 11,
        _ => 24,
    }
}

/// The way for the scales and biases of a block, of which these are `count` in f32.
///
/// # Safety
/// The numbers are there.
#[inline(always)]
pub(super) unsafe fn way_of<S: Simd>(
    s: S,
    codes: &Codes,
    reach: Reach,
    scales: *const f32,
    biases: *const f32,
    count: usize,
) -> Way {
    // SAFETY: the caller's promise, and rows have whole groups; the level is the proof of the instructions.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if matches!(S::LEVEL, Level::Avx2 | Level::Avx512) && matches!(codes.kind(), Scales::Bf16 | Scales::F16) {
            let (used, stride) = (codes.rows * codes.groups(), (2 * codes.groups()) as isize);
            let [a, b] = [&codes.from.scales, &codes.from.biases];
            if used >= 32 && a.strides[2] == stride && b.strides[2] == stride {
                let numbers = [a, b].map(|part| part.row(codes.at[0], codes.at[1], codes.at[2]).cast());
                let n = significant(codes.kind());
                let range = [n - reach[0] as i32, 46 - reach[1] as i32 - n].map(|x| x as i16);
                let bf16 = codes.kind() == Scales::Bf16;
                let exact = match S::LEVEL {
                    Level::Avx512 if bf16 => x86::exact512::<true>(numbers, used, range),
                    Level::Avx512 => x86::exact512::<false>(numbers, used, range),
                    _ if bf16 => x86::exact256::<true>(numbers, used, range),
                    _ => x86::exact256::<false>(numbers, used, range),
                };
                // What fails there may be subnormal only.
                if exact {
                    return Way::Exact;
                }
            }
        }
        way(s, codes.from.format, reach, scales, biases, count)
    }
}

/// Scales and biases as numbers of sixteen bits: magnitudes times a power of two are magnitudes plus a constant.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// What magnitudes are compared with: the least and the greatest of scales (1e-24 and 1e24, or all normal ones), of biases
    /// that are not 0, and where the exponent begins.
    const fn limits(bf16: bool) -> ([u16; 2], [u16; 2], u32) {
        // With the factors that are allowed no bfloat16 bias leaves the normal numbers.
        if bf16 { ([0x179b, 0x6753], [0x0080, 0x7f7f], 7) } else { ([0x0400, 0x7bff], [0x0400, 0x7bff], 10) }
    }

    macro_rules! exact {
        ($name:ident, $feature:literal, $n:literal, $v:ident, $load:ident, $set:ident, $and:ident, $sub:ident, $max:ident,
         $drop_zeros:expr, $within:expr) => {
            /// Whether scales have ordinary magnitudes, and biases are 0 or `2^low` to `2^high` times those.
            ///
            /// # Safety
            /// There are `count` scales and biases, at least 32; on a machine with the instructions.
            #[inline]
            #[target_feature(enable = $feature)]
            pub unsafe fn $name<const BF16: bool>(
                [scales, biases]: [*const u16; 2],
                count: usize,
                [low, high]: [i16; 2],
            ) -> bool {
                let ([least, most], [bias_least, bias_most], place) = const { limits(BF16) };
                let all = |x: u16| $set(x as i16);
                let (magnitude, least_all, bias_least_all) = (all(0x7fff), all(least), all(bias_least));
                let low_all = $set(low << place);
                let (mut size, mut bias_size, mut range) = ($set(0), $set(0), $set(0));
                let mut i = 0;
                while i < count {
                    // The last ones may be some that were looked at before.
                    let at = i.min(count - $n);
                    // SAFETY: the caller's promise.
                    let (scale, bias) = unsafe {
                        ($and($load(scales.add(at).cast()), magnitude), $and($load(biases.add(at).cast()), magnitude))
                    };
                    // Differences below zero are great numbers without a sign.
                    size = $max(size, $sub(scale, least_all));
                    let over = $sub($sub(bias, scale), low_all);
                    bias_size = $max(bias_size, $drop_zeros(bias, $sub(bias, bias_least_all)));
                    range = $max(range, $drop_zeros(bias, over));
                    i += $n;
                }
                $within(size, all(most - least))
                    && $within(bias_size, all(bias_most - bias_least))
                    && $within(range, $set((high - low) << place))
            }
        };
    }

    exact!(
        exact256,
        "avx2",
        16,
        __m256i,
        _mm256_loadu_si256,
        _mm256_set1_epi16,
        _mm256_and_si256,
        _mm256_sub_epi16,
        _mm256_max_epu16,
        |bias, x| _mm256_andnot_si256(_mm256_cmpeq_epi16(bias, _mm256_setzero_si256()), x),
        |x, most| _mm256_movemask_epi8(_mm256_cmpeq_epi16(_mm256_max_epu16(x, most), most)) == -1
    );
    exact!(
        exact512,
        "avx512f,avx512bw",
        32,
        __m512i,
        _mm512_loadu_si512,
        _mm512_set1_epi16,
        _mm512_and_si512,
        _mm512_sub_epi16,
        _mm512_max_epu16,
        |bias, x| _mm512_maskz_mov_epi16(_mm512_test_epi16_mask(bias, bias), x),
        |x, most| _mm512_cmpgt_epu16_mask(x, most) == 0
    );
}

/// Elements that the words of a block need by column, as they lie and as words of bytes.
fn columns_room(bits: usize, dim: usize) -> usize {
    match bits {
        4 | 8 => dim * bits / 32 * BLOCK,
        _ => (dim / 4 + dim * bits / 32) * BLOCK,
    }
}

/// Elements that the bytes of a block need: rows begin with a line.
pub(super) fn bytes_room(bits: usize, dim: usize) -> usize {
    if bits == 8 { 0 } else { (dim.next_multiple_of(64) * BLOCK + SLACK) / 4 }
}

/// Elements of working memory for [`Keys`].
pub(super) fn keys_room(bits: usize, dim: usize, groups: usize) -> usize {
    columns_room(bits, dim) + 3 * room(groups) + bytes_room(bits, dim)
}

/// A block of keys in room of its own: words, scales and biases by column. Words are of codes of four bits or of bytes.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    words: *const f32,
    scales: *const f32,
    biases: *const f32,
    bits: usize,
    groups: usize,
    group: usize,
    way: Way,
}

impl Keys {
    /// Reads the block. Asks for the lines `ahead` meanwhile.
    #[inline(always)]
    pub fn read<S: Simd>(s: S, codes: &Codes, room: &mut [f32], ahead: &mut Ahead) -> Keys {
        let (n, each) = (columns_room(codes.bits(), codes.dim), self::room(codes.groups()));
        assert!(room.len() >= keys_room(codes.bits(), codes.dim, codes.groups()) && codes.rows <= BLOCK);
        let (words, mut lines) = (room.as_mut_ptr(), *ahead);
        // SAFETY: there is room for words, scales and biases, and a place beside them, and for bytes.
        unsafe {
            let (from, count) = ((codes.words(0), codes.from.codes.strides[2]), codes.from.words(codes.dim));
            if [4, 8].contains(&codes.bits()) {
                columns(s, from, codes.rows, count, words, &mut lines);
            } else if bytes::has_columns(S::LEVEL) {
                let packed = words.add(codes.dim / 4 * BLOCK);
                columns(s, from, codes.rows, count, packed, &mut lines);
                bytes::expand_columns(codes.bits(), packed.cast(), codes.dim, words.cast());
            } else {
                let bytes = words.add(n + 3 * each).cast::<u8>();
                codes.expand(S::LEVEL, bytes);
                let from = (bytes.cast_const().cast(), codes.dim as isize / 4);
                columns(s, from, codes.rows, codes.dim / 4, words, &mut lines);
            }
            *ahead = lines;
            let (a, b, c) = (words.add(n), words.add(n + each), words.add(n + 2 * each));
            let scales = by_column(s, codes, &codes.from.scales, a, b, 1.0);
            let free = if std::ptr::eq(scales, a) { b } else { a };
            let biases = by_column(s, codes, &codes.from.biases, c, free, 0.0);
            let format = codes.from.format;
            let reach = if codes.bits() == 4 { [places(4)[0], places(4)[2]] } else { reach_of_bytes(codes.bits()) };
            let way = way_of(s, codes, reach, scales, biases, BLOCK * codes.groups());
            Keys { words, scales, biases, bits: format.bits, groups: codes.groups(), group: codes.group(), way }
        }
    }

    /// Calls `f` with the elements `d` of `16 V` rows from row `first` on, `d` ascending. `BITS` is 4, or 8 for codes that are
    /// bytes.
    ///
    /// # Safety
    /// The room is as it was read; `first` is a multiple of 16, and `first + 16 V` at most 64.
    #[inline(always)]
    pub unsafe fn decode<S: Simd, const BITS: usize, const V: usize>(
        &self,
        s: S,
        first: usize,
        f: impl FnMut(usize, [S::F; V]),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.way {
                Way::Exact => self.decode_by::<S, BITS, V, true>(s, first, f),
                Way::Steps => self.decode_by::<S, BITS, V, false>(s, first, f),
            }
        }
    }

    /// [`Keys::decode`] in one of the ways.
    ///
    /// # Safety
    /// As for [`Keys::decode`].
    #[inline(always)]
    unsafe fn decode_by<S: Simd, const BITS: usize, const V: usize, const EXACT: bool>(
        &self,
        s: S,
        first: usize,
        mut f: impl FnMut(usize, [S::F; V]),
    ) {
        let (bits, places, bytes) = (self.bits, Places::new(s, 4), Bytes::new(s, self.bits));
        for g in 0..self.groups {
            let (mut scale, mut bias, mut offset) = ([s.splat(0.0); V], [s.splat(0.0); V], [[s.splat(0.0); V]; 3]);
            for v in 0..V {
                let at = g * BLOCK + first + 16 * v;
                // SAFETY: the group has 64 scales and biases.
                (scale[v], bias[v]) = unsafe { (s.load(self.scales.add(at)), s.load(self.biases.add(at))) };
                for p in 0..if BITS == 4 { 3 } else { 1 } {
                    offset[p][v] = s.fnma(scale[v], s.splat(base(bits, p)), bias[v]);
                }
            }
            let (mut d, end) = (g * self.group, (g + 1) * self.group);
            while d < end {
                let from = self.words.wrapping_add(d * BITS / 32 * BLOCK + first);
                let mut held = [s.splat_i(0); V];
                for v in 0..V {
                    // SAFETY: the groups have these words.
                    held[v] = unsafe { s.load_i(from.add(16 * v).cast()) };
                }
                // One code of each word; written out, so that places are constants.
                macro_rules! code {
                    ($c:expr, $p:expr, |$v:ident| $number:expr) => {{
                        let mut x = [scale[0]; V];
                        for $v in 0..V {
                            let number = $number;
                            let add = if EXACT { offset[$p][$v] } else { bias[$v] };
                            x[$v] = element::<S, EXACT>(s, number, base(bits, $p), scale[$v], add);
                        }
                        f(d + $c, x);
                    }};
                }
                if BITS == 4 {
                    let mut turned = held;
                    for v in 0..V {
                        turned[v] = s.shl(held[v], 8);
                    }
                    code!(0, 0, |v| places.number(s, turned[v], 0));
                    code!(1, 1, |v| places.number(s, turned[v], 1));
                    code!(2, 0, |v| places.number(s, held[v], 0));
                    code!(3, 1, |v| places.number(s, held[v], 1));
                    code!(4, 2, |v| places.number(s, held[v], 2));
                    for v in 0..V {
                        turned[v] = s.shr(held[v], 12);
                    }
                    code!(5, 0, |v| places.number(s, turned[v], 0));
                    code!(6, 1, |v| places.number(s, turned[v], 1));
                    code!(7, 2, |v| places.number(s, turned[v], 2));
                    d += 8;
                } else {
                    code!(0, 0, |v| bytes.of_words(s, held[v], 0));
                    code!(1, 0, |v| bytes.of_words(s, held[v], 1));
                    code!(2, 0, |v| bytes.of_words(s, held[v], 2));
                    code!(3, 0, |v| bytes.of_words(s, held[v], 3));
                    d += 4;
                }
            }
        }
    }
}

/// The elements of which these are the numbers over `base`: `EXACT` adds offsets, otherwise biases are added.
#[inline(always)]
pub(super) fn element<S: Simd, const EXACT: bool>(s: S, number: S::F, base: f32, scale: S::F, add: S::F) -> S::F {
    if EXACT { s.fma(number, scale, add) } else { s.add(s.mul(s.sub(number, s.splat(base)), scale), add) }
}

/// Sixteen codes of 4 bits of a row after one another as floats, by shuffles of the bytes that all lanes hold.
///
/// Every other word is made the top bytes of two powers first, so that a shuffle brings both: one power for codes in lower halves
/// of bytes and one for upper halves, of which a mask leaves the code.
#[derive(Clone, Copy)]
pub(super) struct Sixteen<S: Simd> {
    bytes: S::I,
    words: S::M,
    tops: S::I,
    mask: S::I,
    /// The powers of two over which the codes are.
    pub under: S::F,
}

impl<S: Simd> Sixteen<S> {
    /// Where codes are in mantissas.
    pub const REACH: Reach = [8, 12];
    /// Bytes, tops and mask; constants, so that a compiler sees which halves are alike.
    const LANES: [[i32; 16]; 3] = {
        let (top, mut lanes, mut i) = (Self::UNDER, [[0; 16]; 3], 0);
        while i < 16 {
            let lane = i as i32;
            lanes[0][i] = 0x0080_0080 | (lane / 2) << 8 | (8 + lane % 2) << 24;
            lanes[1][i] = (top[0].to_bits() >> 24 | top[1].to_bits() >> 24 << 8) as i32;
            lanes[2][i] = if i % 2 == 0 { 0x0f00 } else { 0xf000 } | 0xff << 24;
            i += 1;
        }
        lanes
    };
    const UNDER: [f32; 16] = {
        let (mut under, mut i) = ([32768.0; 16], 0);
        while i < 16 {
            if i % 2 == 1 {
                under[i] = 2048.0;
            }
            i += 1;
        }
        under
    };

    #[inline(always)]
    pub fn new(s: S) -> Self {
        let (bytes, tops) = (s.from_array_i(Self::LANES[0]), s.from_array_i(Self::LANES[1]));
        let mask = s.from_array_i(Self::LANES[2]);
        Sixteen { bytes, words: s.mask_from_bits(0x3333), tops, mask, under: s.from_array(Self::UNDER) }
    }

    /// The numbers over [`Sixteen::under`] of the sixteen codes at `from`.
    ///
    /// # Safety
    /// They are there.
    #[inline(always)]
    pub unsafe fn at(&self, s: S, from: *const u32) -> S::F {
        // SAFETY: the caller's promise.
        s.from_bits(unsafe {
            let held = s.select_i(self.words, s.load_i_repeated(from.cast(), 2), self.tops);
            s.and(s.shuffle_bytes(held, self.bytes), self.mask)
        })
    }

    /// The elements of which these are the numbers; [`Sixteen::add`] says what is added.
    #[inline(always)]
    pub fn element<const EXACT: bool>(&self, s: S, number: S::F, scale: S::F, add: S::F) -> S::F {
        if EXACT { s.fma(number, scale, add) } else { s.add(s.mul(s.sub(number, self.under), scale), add) }
    }

    /// What [`Sixteen::element`] adds in even lanes and in odd ones, for scales and biases of sixteen groups.
    #[inline(always)]
    pub fn adds<const EXACT: bool>(&self, s: S, scale: S::F, bias: S::F) -> [S::F; 2] {
        let of = |i: usize| if EXACT { s.fnma(scale, s.splat(Self::UNDER[i]), bias) } else { bias };
        [of(0), of(1)]
    }

    /// What [`Sixteen::element`] adds, for one scale and bias in all lanes.
    #[inline(always)]
    pub fn add<const EXACT: bool>(&self, s: S, scale: S::F, bias: S::F) -> S::F {
        if EXACT { s.fnma(scale, self.under, bias) } else { bias }
    }
}
