//! Codes of any width as bytes, and bytes as floats.
//!
//! Eight codes of `b` bits are `b` bytes, so every eight begin with a byte: they become a word of eight bytes by one `pdep`,
//! thirty-two of them by shuffles into two bytes for each and shifts of these, and sixty-four, with VBMI, by a permutation of
//! bytes and a selection of eight bits eight times per word. What is expanded stays in the first-level cache. A byte becomes a float by being put as it is into the mantissa of a power of two.

use crate::isa::Level;
use crate::simd::Simd;
use std::ops::Range;

/// Bytes that [`expand`] may write behind the last row.
pub(super) const SLACK: usize = 64;

/// The byte of a lane that a code's byte becomes: seven bits have room below the exponent.
pub(in crate::attention) const fn place(bits: usize) -> u32 {
    if bits == 8 { 1 } else { 2 }
}

/// Floats `2^k + code` out of bytes of codes of one width.
#[derive(Clone, Copy)]
pub(super) struct Bytes<S: Simd> {
    place: u32,
    top: S::I,
    /// The power of two.
    pub base: f32,
}

impl<S: Simd> Bytes<S> {
    #[inline(always)]
    pub fn new(s: S, bits: usize) -> Self {
        let place = place(bits);
        let base = (1u32 << (23 - 8 * place)) as f32;
        Bytes { place, top: s.splat_i(base.to_bits() as i32), base }
    }

    /// The codes that are byte `byte` of each lane.
    #[inline(always)]
    pub fn of_words(&self, s: S, words: S::I, byte: u32) -> S::F {
        s.from_bits(s.over_byte(self.top, words, byte, self.place))
    }

    /// Sixteen codes after one another.
    ///
    /// # Safety
    /// There are sixteen bytes.
    #[inline(always)]
    pub unsafe fn at(&self, s: S, from: *const u8) -> S::F {
        // SAFETY: the caller's promise.
        s.from_bits(unsafe { s.over_bytes(self.top, from, self.place) })
    }
}

/// Writes the rows' `dim` codes of `bits` bits as bytes, rows `dim` apart.
///
/// # Safety
/// Rows are readable, `stride` bytes apart, and `to` has room for all of them up to the last, and for [`SLACK`] bytes more. `dim`
/// is a multiple of 16.
pub(super) unsafe fn expand(
    level: Level,
    bits: usize,
    (from, stride): (*const u8, isize),
    rows: Range<usize>,
    dim: usize,
    to: *mut u8,
) {
    // SAFETY: the caller's promise; the machine has the instructions.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            if level == Level::Avx512 && is_x86_feature_detected!("avx512vbmi") {
                return x86::expand64(bits, (from, stride), rows, dim, to);
            }
            if level != Level::Scalar && is_x86_feature_detected!("bmi2") {
                return x86::expand32(bits, (from, stride), rows, dim, to);
            }
        }
        let _ = level;
        by_eights((from, stride), bits, rows, dim, to, |word| {
            (0..8).fold(0, |bytes, i| bytes | (word >> (i * bits) & ((1 << bits) - 1)) << (8 * i))
        });
    }
}

/// Whether there is [`expand_columns`].
pub(super) fn has_columns(level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 {
        return is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512vbmi2");
    }
    let _ = level;
    false
}

/// Words of codes of many rows, by column, as words of four bytes: four codes after one another.
///
/// # Safety
/// `from` has a column of 64 words for every word of `dim` codes, `to` room for one for every four codes; the machine
/// [has](has_columns) the instructions.
pub(super) unsafe fn expand_columns(bits: usize, from: *const u32, dim: usize, to: *mut u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        match bits {
            2 => x86::columns64::<2>(from, dim, to),
            3 => x86::columns64::<3>(from, dim, to),
            5 => x86::columns64::<5>(from, dim, to),
            _ => x86::columns64::<6>(from, dim, to),
        }
    }
    let _ = (bits, from, dim, to);
}

/// Writes 64 codes of up to five bits of a row at a time, the `i`-th as the lowest bits of byte `i / 16` of lane `i % 16`. What is
/// above a code is anything. Rows have whole 64s of bytes.
///
/// # Safety
/// As for [`expand`] with rows so long, on a machine with AVX-512.
pub(super) unsafe fn spread(bits: usize, rows_at: (*const u8, isize), rows: usize, dim: usize, to: *mut u8) {
    // SAFETY: the caller's promise; the machine has the instructions.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        if is_x86_feature_detected!("avx512vbmi") {
            x86::spread64(bits, rows_at, rows, dim, to);
        } else {
            x86::spread8(bits, rows_at, rows, dim, to);
        }
    }
    let _ = (bits, rows_at, rows, dim, to);
}

/// [`expand`] by what expands eight codes.
///
/// # Safety
/// As for [`expand`].
#[inline(always)]
unsafe fn by_eights(
    (from, stride): (*const u8, isize),
    bits: usize,
    rows: Range<usize>,
    dim: usize,
    to: *mut u8,
    eight: impl Fn(u64) -> u64,
) {
    let bytes = dim / 8 * bits;
    for row in rows {
        let from = from.wrapping_offset(row as isize * stride);
        for i in 0..dim / 8 {
            // SAFETY: the row has `bytes` bytes, and eight of them may be read where as many are left, or else, if there are as
            // many at all, from earlier on; the caller's promise.
            unsafe {
                let at = i * bits;
                let word = if at + 8 <= bytes {
                    u64::from_le(from.add(at).cast::<u64>().read_unaligned())
                } else if bytes >= 8 {
                    u64::from_le(from.add(bytes - 8).cast::<u64>().read_unaligned()) >> (8 * (at + 8 - bytes))
                } else {
                    let mut word = [0u8; 8];
                    std::ptr::copy_nonoverlapping(from.add(at), word.as_mut_ptr(), bytes - at);
                    u64::from_le_bytes(word)
                };
                to.add(row * dim + 8 * i).cast::<u64>().write_unaligned(eight(word).to_le());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    /// # Safety
    /// As for [`super::expand`], on a machine with BMI2.
    #[target_feature(enable = "bmi2")]
    pub unsafe fn expand8(bits: usize, rows_at: (*const u8, isize), rows: Range<usize>, dim: usize, to: *mut u8) {
        let mask = ((1 << bits) - 1) * 0x0101_0101_0101_0101;
        // SAFETY: the caller's promise.
        unsafe { super::by_eights(rows_at, bits, rows, dim, to, |word| _pdep_u64(word, mask)) }
    }

    /// # Safety
    /// As for [`super::expand`], with codes of at most six bits, on a machine with AVX2 and BMI2.
    #[target_feature(enable = "avx2,bmi2")]
    pub unsafe fn expand32(
        bits: usize,
        (from, stride): (*const u8, isize),
        rows: Range<usize>,
        dim: usize,
        to: *mut u8,
    ) {
        // Where the two bytes of each of eight codes are, of the first eight and of the second; what moves a code to the top.
        let (mut two, mut up) = ([[0u8; 32]; 2], [0i16; 16]);
        for i in 0..16 {
            let bit = i % 8 * bits;
            up[i] = 1 << (16 - bits - bit % 8);
            for (half, two) in two.iter_mut().enumerate() {
                let first = (half * bits + bit / 8) as u8;
                (two[2 * i], two[2 * i + 1]) = (first, first + 1);
            }
        }
        // Rows without gaps are one.
        let (rows, codes) = if stride == (dim / 8 * bits) as isize {
            (rows.start..rows.start + 1.min(rows.len()), rows.len() * dim)
        } else {
            (rows, dim)
        };
        // SAFETY: no byte past a row is read; what is written are codes.
        unsafe {
            let two = two.map(|two| _mm256_loadu_si256(two.as_ptr().cast()));
            let up = _mm256_loadu_si256(up.as_ptr().cast());
            let down = _mm_cvtsi32_si128(16 - bits as i32);
            let bytes = codes / 8 * bits;
            // Two times sixteen bytes are read for 32 codes.
            let whole = if bytes < 2 * bits + 16 { 0 } else { (bytes - 2 * bits - 16) / (4 * bits) + 1 };
            for row in rows {
                let (from, to) = (from.wrapping_offset(row as isize * stride), to.add(row * dim));
                for i in 0..whole {
                    let at = from.add(4 * bits * i);
                    let [low, high] = [at, at.add(2 * bits)].map(|at| _mm_loadu_si128(at.cast()));
                    let held = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
                    let [a, b] =
                        two.map(|two| _mm256_srl_epi16(_mm256_mullo_epi16(_mm256_shuffle_epi8(held, two), up), down));
                    _mm256_storeu_si256(to.add(32 * i).cast(), _mm256_packus_epi16(a, b));
                }
                let done = 32 * whole;
                let rest = (from.add(4 * bits * whole).cast(), 0);
                expand8(bits, rest, 0..1, codes - done, to.add(done));
            }
        }
    }

    /// For every width: the byte from which on each of eight words of eight codes is read.
    static FIRST: [[u8; 64]; 9] = {
        let mut all = [[0; 64]; 9];
        let mut bits = 0;
        while bits < 9 {
            let mut i = 0;
            while i < 64 {
                all[bits][i] = (i / 8 * bits + i % 8) as u8;
                i += 1;
            }
            bits += 1;
        }
        all
    };

    /// # Safety
    /// As for [`super::expand`], on a machine with AVX-512 F, BW, VL and VBMI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub unsafe fn expand64(
        bits: usize,
        (from, stride): (*const u8, isize),
        rows: Range<usize>,
        dim: usize,
        to: *mut u8,
    ) {
        // SAFETY: no byte past a row is read; stores are of 64 bytes, and the next row's or the slack is behind them.
        unsafe {
            let first = _mm512_loadu_si512(FIRST[bits].as_ptr().cast());
            let shifts = (0..8).fold(0u64, |all, i| all | ((i * bits) as u64) << (8 * i));
            let (shifts, mask) = (_mm512_set1_epi64(shifts as i64), _mm512_set1_epi8(((1 << bits) - 1) as i8));
            // Rows without gaps are one.
            let row_bytes = dim / 8 * bits;
            let (rows, codes) = if stride == row_bytes as isize {
                (rows.start..rows.start + 1.min(rows.len()), rows.len() * dim)
            } else {
                (rows, dim)
            };
            for row in rows {
                let (from, to) = (from.wrapping_offset(row as isize * stride), to.add(row * dim));
                macro_rules! some {
                    ($held:expr, $d:expr) => {{
                        let words = _mm512_permutexvar_epi8(first, $held);
                        let bytes = _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, words), mask);
                        _mm512_storeu_si512(to.add($d).cast(), bytes);
                    }};
                }
                let whole = codes / 64;
                if bits <= 4 {
                    // Half a register, which lies in one line more often.
                    let there = u32::MAX >> (32 - 8 * bits);
                    for i in 0..whole {
                        let held = _mm256_maskz_loadu_epi8(there, from.add(8 * i * bits).cast());
                        some!(_mm512_castsi256_si512(held), 64 * i);
                    }
                } else {
                    let there = u64::MAX >> (64 - 8 * bits);
                    for i in 0..whole {
                        some!(_mm512_maskz_loadu_epi8(there, from.add(8 * i * bits).cast()), 64 * i);
                    }
                }
                let left = codes % 64 / 8 * bits;
                if left > 0 {
                    let there = u64::MAX >> (64 - left);
                    some!(_mm512_maskz_loadu_epi8(there, from.add(8 * whole * bits).cast()), 64 * whole);
                }
            }
        }
    }

    /// For every width: where the bytes of [`super::spread`] come from, those of eight bytes of two lanes: of four pairs of codes
    /// of sixteen after one another, each in two bytes; and from which bits of these.
    static SPREAD: [[[u8; 64]; 2]; 6] = {
        let mut all = [[[0; 64]; 2]; 6];
        let mut bits = 2;
        while bits <= 5 {
            let mut i = 0;
            while i < 64 {
                let (lanes, byte) = (i / 8, i % 8);
                // As bytes of a pair, then as a code.
                let pair = (16 * (byte / 2) + 2 * lanes) * bits;
                all[bits][0][i] = (pair / 8 + byte % 2) as u8;
                let (lane, vector) = (byte / 4, byte % 4);
                let pair = (16 * vector + 2 * lanes) * bits;
                all[bits][1][i] = (16 * vector + pair % 8 + lane * bits) as u8;
                i += 1;
            }
            bits += 1;
        }
        all
    };

    /// # Safety
    /// As for [`super::spread`], on a machine with AVX-512 F, BW, VL and VBMI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub unsafe fn spread64(bits: usize, (from, stride): (*const u8, isize), rows: usize, dim: usize, to: *mut u8) {
        // SAFETY: no byte past a row is read; every row has 64s of bytes to write.
        unsafe {
            let [first, shifts] = &SPREAD[bits];
            let first = _mm512_loadu_si512(first.as_ptr().cast());
            let shifts = _mm512_loadu_si512(shifts.as_ptr().cast());
            let whole = dim.next_multiple_of(64);
            // Rows without gaps are one.
            let (rows, dim) =
                if whole == dim && stride == (dim / 8 * bits) as isize { (1, rows * dim) } else { (rows, dim) };
            macro_rules! some {
                ($held:expr, $at:expr) => {{
                    let pairs = _mm512_permutexvar_epi8(first, $held);
                    _mm512_storeu_si512(to.add($at).cast(), _mm512_multishift_epi64_epi8(shifts, pairs));
                }};
            }
            macro_rules! rows {
                ($load:expr) => {
                    for row in 0..rows {
                        let from = from.wrapping_offset(row as isize * stride);
                        for i in 0..dim / 64 {
                            some!($load(from.add(8 * i * bits)), row * whole + 64 * i);
                        }
                    }
                };
            }
            match bits {
                2 => rows!(|at: *const u8| _mm512_castsi128_si512(_mm_loadu_si128(at.cast()))),
                // Half a register, which lies in one line more often.
                3 => rows!(|at: *const u8| _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(u32::MAX >> 8, at.cast()))),
                4 => rows!(|at: *const u8| _mm512_castsi256_si512(_mm256_loadu_si256(at.cast()))),
                _ => rows!(|at: *const u8| _mm512_maskz_loadu_epi8(u64::MAX >> (64 - 8 * bits), at.cast())),
            }
            let left = dim % 64 / 8 * bits;
            if left > 0 {
                let there = u64::MAX >> (64 - left);
                for row in 0..rows {
                    let from = from.wrapping_offset(row as isize * stride).add(8 * (dim / 64) * bits);
                    some!(_mm512_maskz_loadu_epi8(there, from.cast()), row * whole + dim / 64 * 64);
                }
            }
        }
    }

    /// # Safety
    /// As for [`super::spread`], on a machine with AVX-512 F and BW, and BMI2.
    #[target_feature(enable = "avx512f,avx512bw,bmi2")]
    pub unsafe fn spread8(bits: usize, (from, stride): (*const u8, isize), rows: usize, dim: usize, to: *mut u8) {
        let mut bytes = [0; 64];
        // SAFETY: no byte past a row is read; every row has 64s of bytes to write.
        unsafe {
            let quarters = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            for row in 0..rows {
                let from = from.wrapping_offset(row as isize * stride);
                for first in (0..dim).step_by(64) {
                    let n = (dim - first).min(64);
                    expand8(bits, (from.add(first / 8 * bits), 0), 0..1, n, bytes.as_mut_ptr());
                    let held = _mm512_permutexvar_epi32(quarters, _mm512_loadu_si512(bytes.as_ptr().cast()));
                    let spread = _mm512_shuffle_epi8(held, turn);
                    _mm512_storeu_si512(to.add(row * dim.next_multiple_of(64) + first).cast(), spread);
                }
            }
        }
    }

    /// # Safety
    /// As for [`super::expand_columns`], on a machine with AVX-512 F, BW, VBMI and VBMI2.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
    pub unsafe fn columns64<const BITS: usize>(from: *const u32, dim: usize, to: *mut u32) {
        // SAFETY: there are 64 words for every word of codes, and four codes lie in one word or in two that both are there.
        unsafe {
            let mask = _mm512_set1_epi8(((1 << BITS) - 1) as i8);
            // 32 codes fill `BITS` words.
            for first in (0..dim).step_by(32) {
                let (from, to) = (from.add(first / 32 * BITS * 64), to.add(first / 4 * 64));
                macro_rules! four {
                    ($i:literal) => {
                        if first + 4 * $i < dim {
                            let (word, bit) = (4 * $i * BITS / 32, 4 * $i * BITS % 32);
                            let two = bit + 4 * BITS > 32;
                            // Where each byte begins in the words of two rows, or in these moved down.
                            let begin = if two { 0 } else { bit };
                            let shifts = (0..8)
                                .fold(0u64, |all, b| all | ((begin + b % 4 * BITS + b / 4 * 32) as u64) << (8 * b));
                            let shifts = _mm512_set1_epi64(shifts as i64);
                            for v in 0..4 {
                                let mut held = _mm512_loadu_si512(from.add(word * 64 + 16 * v).cast());
                                if two {
                                    let next = _mm512_loadu_si512(from.add((word + 1) * 64 + 16 * v).cast());
                                    held = _mm512_shrdv_epi32(held, next, _mm512_set1_epi32(bit as i32));
                                }
                                let bytes = _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, held), mask);
                                _mm512_storeu_si512(to.add($i * 64 + 16 * v).cast(), bytes);
                            }
                        }
                    };
                }
                four!(0);
                four!(1);
                four!(2);
                four!(3);
                four!(4);
                four!(5);
                four!(6);
                four!(7);
            }
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    /// Rows of codes with a gap between them, and the codes.
    fn rows(bits: usize, rows: usize, dim: usize, gap: usize) -> (Vec<u8>, Vec<u8>) {
        let (words, mut draw) = (dim * bits / 32 + gap, 1u32);
        let mut next = || {
            draw = draw.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (draw >> 24) as u8
        };
        let bytes: Vec<u8> = (0..4 * words * rows).map(|_| next()).collect();
        let code = |i: usize| {
            let (row, bit) = (i / dim, i % dim * bits);
            let bit = |b: usize| bytes[4 * words * row + (bit + b) / 8] >> ((bit + b) % 8) & 1;
            (0..bits).fold(0, |code, b| code | bit(b) << b)
        };
        let codes = (0..rows * dim).map(code).collect();
        (bytes, codes)
    }

    #[cfg(target_arch = "x86_64")]
    self_test!(spread_codes_are_where_lookups_read_them);
    /// All that the machine has must agree, also what a better one of its kind makes unnecessary.
    #[cfg(target_arch = "x86_64")]
    fn spread_codes_are_where_lookups_read_them() {
        if crate::isa::detected() != Level::Avx512 {
            return;
        }
        for bits in 2..=5 {
            for (count, dim, gap) in [(64, 64, 0), (3, 96, 0), (5, 160, 1), (1, 32, 0), (2, 128, 0)] {
                let (bytes, codes) = rows(bits, count, dim, gap);
                let (whole, stride) = (dim.next_multiple_of(64), (4 * (dim * bits / 32 + gap)) as isize);
                let of = |i: usize, code: usize| whole * i + code / 64 * 64 + code % 16 * 4 + code % 64 / 16;
                let all = |run: &dyn Fn(*mut u8)| {
                    let mut to = vec![0xff; whole * count];
                    run(to.as_mut_ptr());
                    for (i, &code) in codes.iter().enumerate() {
                        let got = to[of(i / dim, i % dim)] & ((1 << bits) - 1);
                        assert_eq!(got, code, "{bits} bits, code {} of row {}", i % dim, i / dim);
                    }
                };
                let from = (bytes.as_ptr(), stride);
                // SAFETY: the rows are there, and the room is.
                all(&|to| unsafe { x86::spread8(bits, from, count, dim, to) });
                if is_x86_feature_detected!("avx512vbmi") {
                    // SAFETY: as above.
                    all(&|to| unsafe { spread(bits, from, count, dim, to) });
                }
            }
        }
    }

    self_test!(codes_become_bytes_at_every_level);
    fn codes_become_bytes_at_every_level() {
        for level in crate::isa::available() {
            for bits in [2, 3, 5, 6] {
                for (count, dim, gap) in
                    [(64, 64, 0), (3, 96, 0), (5, 160, 1), (7, 64, 2), (1, 32, 0), (2, 128, 0), (0, 64, 0)]
                {
                    let (bytes, codes) = rows(bits, count, dim, gap);
                    let (stride, mut to) = ((4 * (dim * bits / 32 + gap)) as isize, vec![0xff; count * dim + SLACK]);
                    // SAFETY: the rows are there, and the room is; the machine has the level.
                    unsafe { expand(level, bits, (bytes.as_ptr(), stride), 0..count, dim, to.as_mut_ptr()) };
                    assert!(
                        to[..codes.len()] == codes,
                        "{level:?}, {bits} bits, {count} rows of {dim}, {gap} words apart"
                    );
                }
            }
        }
    }

    self_test!(columns_of_words_become_columns_of_bytes);
    fn columns_of_words_become_columns_of_bytes() {
        if !has_columns(crate::isa::detected()) {
            return;
        }
        for bits in [2, 3, 5, 6] {
            for dim in [32, 64, 96, 160] {
                let (bytes, codes) = rows(bits, 64, dim, 0);
                let words = dim * bits / 32;
                let word =
                    |j: usize, w: usize| u32::from_le_bytes(std::array::from_fn(|b| bytes[4 * (words * j + w) + b]));
                let columns: Vec<u32> = (0..words * 64).map(|i| word(i % 64, i / 64)).collect();
                let mut to = vec![u32::MAX; dim / 4 * 64];
                // SAFETY: the columns are there, and the room is; the machine has the instructions.
                unsafe { expand_columns(bits, columns.as_ptr(), dim, to.as_mut_ptr()) };
                for (i, &code) in codes.iter().enumerate() {
                    let (j, d) = (i / dim, i % dim);
                    let got = to[d / 4 * 64 + j].to_le_bytes()[d % 4];
                    assert_eq!(got, code, "{bits} bits, code {d} of row {j}");
                }
            }
        }
    }
}
