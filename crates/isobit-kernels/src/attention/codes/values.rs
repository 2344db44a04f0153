//! The weighted sums of a block of 64 values in codes for a few rows, with floats in registers only.
//!
//! ```text
//! for each row j of values: x = code * scale + bias of its elements, 16 at a time;  acc[r] = fma(p[r][j], x, acc[r])
//! ```
//!
//! What a code becomes an element by is a [`Kind`]. With AVX-512 and up to five bits it is a table of the 16 or 32 elements that
//! a row's group has at most ([`Tables`]), which holds whatever scale and bias are: a row's codes lie in a byte of each
//! lane ([`spread`](super::bytes::spread)), and a lookup does not see what else is in the lane. Otherwise codes are put into
//! the mantissas of powers of two, from bytes ([`Whole`]) or, with 4 bits, from words ([`Sixteens`]), in the [`Way`] that scales and
//! biases allow. With AVX2 other widths than 4 bits have kinds of their own, without bytes in between (`fields`).

use super::Codes;
use super::bytes::{self, Bytes};
use super::direct::{leaves_floats, padded, tile};
#[cfg(target_arch = "x86_64")]
use super::fields::{self, Eighths, Fields};
use super::words::{Sixteen, Way, by_row, bytes_room, element, reach_of_bytes, room, way_of};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::attention::block::State;
use crate::isa::Level;
use crate::quant::Scales;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::simd::dispatch_avx2;
use crate::simd::{Kernel, LANES, Simd};

/// Elements of working memory for [`Sums`].
pub(super) fn sums_room(bits: usize, dim: usize, groups: usize) -> usize {
    4 * room(groups) + bytes_room(bits, dim)
}

/// The weighted sums of a block of values for some rows.
pub(in crate::attention) struct Sums<'a> {
    pub codes: Codes<'a>,
    pub state: State<'a>,
    /// As many elements per row as values have.
    pub acc: &'a mut [f32],
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    /// What a tile of [`leaves_floats`] leaves behind: the values as rows, if all its rows see the same keys.
    pub floats: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

/// Whether accumulators have the elements `i` and `8 + i` of sixteen in lanes `2 i` and `2 i + 1`.
pub(in crate::attention) fn in_pairs(level: Level, bits: usize) -> bool {
    level == Level::Avx512 && bits == 4
}

/// How a row's codes become elements.
pub(super) trait Kind<S: Simd>: Copy {
    /// Numbers that come with a scale.
    const ADDS: usize;
    /// Vectors at a time, at most.
    const MOST: usize;
    /// What is made once for all elements of a row's group.
    type Numbers: Copy;
    /// Bytes from a row's first to those of a vector.
    fn at(vector: usize) -> usize;
    /// Bytes from there to those that the vector `v` behind it is read from.
    #[inline(always)]
    fn behind(v: usize) -> usize {
        Self::at(v)
    }
    /// The kind for vectors from this one on.
    #[inline(always)]
    fn from_vector(self, _vector: usize) -> Self {
        self
    }
    /// # Safety
    /// There is a scale and what comes with it.
    unsafe fn numbers(&self, s: S, scale: *const f32, adds: *const f32) -> Self::Numbers;
    /// # Safety
    /// There are the vector's codes.
    unsafe fn elements(&self, s: S, from: *const u8, v: usize, numbers: &Self::Numbers) -> S::F;
}

/// Lookups of the elements of all codes: up to 16 `T` of them. With `SHORT` scales have so few bits that products with codes
/// are exact, and are no great numbers.
#[derive(Clone, Copy)]
struct Tables<S: Simd, const FORM: u8, const T: usize, const SHORT: bool> {
    codes: [S::F; T],
    turn: S::I,
}

/// Lanes are a word of 16 codes of 2 bits, each of its lanes turned to its code.
const WORD: u8 = 0;
/// Lanes are two words of 8 codes of 4 bits: lane `2 i` has code `i`, lane `2 i + 1` code `8 + i`.
const WORDS: u8 = 1;
/// Lanes have a code of each of four vectors in a byte.
const BYTES: u8 = 2;

impl<S: Simd, const FORM: u8, const T: usize, const SHORT: bool> Tables<S, FORM, T, SHORT> {
    #[inline(always)]
    fn new(s: S, bits: usize) -> Self {
        let (mut codes, mut turn) = ([s.splat(0.0); T], [0; LANES]);
        for (t, codes) in codes.iter_mut().enumerate() {
            // What a lookup sees beside a code must not change anything.
            let mut all = [0.0; LANES];
            for (i, code) in all.iter_mut().enumerate() {
                *code = ((LANES * t + i) & ((1 << bits) - 1)) as f32;
            }
            *codes = s.from_array(all);
        }
        for (lane, turn) in turn.iter_mut().enumerate() {
            *turn = if FORM == WORD { 2 * lane } else { lane / 2 * 4 } as i32;
        }
        Tables { codes, turn: s.from_array_i(turn) }
    }
}

impl<S: Simd, const FORM: u8, const T: usize, const SHORT: bool> Kind<S> for Tables<S, FORM, T, SHORT> {
    const ADDS: usize = 1;
    const MOST: usize = if SHORT { 8 } else { 2 };
    type Numbers = [S::F; T];
    #[inline(always)]
    fn at(vector: usize) -> usize {
        match FORM {
            WORD => 4 * vector,
            WORDS => 8 * vector,
            _ => 64 * (vector / 4) + vector % 4,
        }
    }
    #[inline(always)]
    fn behind(v: usize) -> usize {
        if FORM == BYTES { 64 * (v / 4) } else { Self::at(v) }
    }
    #[inline(always)]
    unsafe fn numbers(&self, s: S, scale: *const f32, adds: *const f32) -> [S::F; T] {
        // SAFETY: the caller's promise.
        let (scale, bias) = unsafe { (s.splat(*scale), s.splat(*adds)) };
        let mut tables = self.codes;
        for table in &mut tables {
            *table = if SHORT { s.fma(*table, scale, bias) } else { s.add(s.mul(*table, scale), bias) };
        }
        tables
    }
    #[inline(always)]
    unsafe fn elements(&self, s: S, from: *const u8, v: usize, numbers: &[S::F; T]) -> S::F {
        // SAFETY: the caller's promise.
        let codes = unsafe {
            match FORM {
                WORD => s.shr_v(s.splat_i(from.cast::<i32>().read_unaligned()), self.turn),
                WORDS => s.shr_v(s.load_i_repeated(from.cast(), 2), self.turn),
                _ => s.shr(s.load_i(from.cast()), 8 * (v % 4) as u32),
            }
        };
        if T == 1 { s.lookup16(numbers[0], codes) } else { s.lookup32([numbers[0], numbers[T - 1]], codes) }
    }
}

/// Codes that are bytes.
#[derive(Clone, Copy)]
struct Whole<S: Simd, const EXACT: bool>(Bytes<S>);

impl<S: Simd, const EXACT: bool> Kind<S> for Whole<S, EXACT> {
    const ADDS: usize = 1;
    const MOST: usize = if EXACT { 8 } else { 2 };
    type Numbers = [S::F; 2];
    #[inline(always)]
    fn at(vector: usize) -> usize {
        LANES * vector
    }
    #[inline(always)]
    unsafe fn numbers(&self, s: S, scale: *const f32, adds: *const f32) -> [S::F; 2] {
        // SAFETY: the caller's promise.
        unsafe { [s.splat(*scale), s.splat(*adds)] }
    }
    #[inline(always)]
    unsafe fn elements(&self, s: S, from: *const u8, _: usize, &[scale, add]: &[S::F; 2]) -> S::F {
        // SAFETY: the caller's promise.
        element::<S, EXACT>(s, unsafe { self.0.at(s, from) }, self.0.base, scale, add)
    }
}

/// Codes of 4 bits as they lie.
#[derive(Clone, Copy)]
struct Sixteens<S: Simd, const EXACT: bool>(Sixteen<S>);

impl<S: Simd, const EXACT: bool> Kind<S> for Sixteens<S, EXACT> {
    const ADDS: usize = 2;
    const MOST: usize = if EXACT { 8 } else { 2 };
    type Numbers = [S::F; 2];
    #[inline(always)]
    fn at(vector: usize) -> usize {
        LANES / 2 * vector
    }
    #[inline(always)]
    unsafe fn numbers(&self, s: S, scale: *const f32, adds: *const f32) -> [S::F; 2] {
        // SAFETY: the caller's promise.
        unsafe { [s.splat(*scale), s.from_bits(s.load_i_repeated(adds.cast(), 2))] }
    }
    #[inline(always)]
    unsafe fn elements(&self, s: S, from: *const u8, _: usize, &[scale, add]: &[S::F; 2]) -> S::F {
        // SAFETY: the caller's promise.
        self.0.element::<EXACT>(s, unsafe { self.0.at(s, from.cast()) }, scale, add)
    }
}

/// Where a block's rows are in the form that a kind wants.
#[derive(Clone, Copy)]
struct Block<K> {
    kind: K,
    /// Bytes of the first row, and from row to row.
    from: *const u8,
    stride: isize,
    scales: *const f32,
    adds: *const f32,
    groups: usize,
    group: usize,
}

impl<K> Block<K> {
    /// `N` vectors of a row, each `PER` of one group: the group whose number is given and so many behind it.
    ///
    /// # Safety
    /// The row is there, the first vector's codes at `from`.
    #[inline(always)]
    unsafe fn row<S: Simd, const N: usize, const PER: usize>(
        &self,
        s: S,
        from: *const u8,
        number: usize,
        behind: &[usize; N],
    ) -> [S::F; N]
    where
        K: Kind<S>,
    {
        let mut x = [s.splat(0.0); N];
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, adds) = (self.scales.add(number), self.adds.add(K::ADDS * number));
            // What is made for a group is made once: a compiler sees that it is the same.
            for v in 0..N {
                let behind = if PER >= N { 0 } else { behind[v / PER * PER] };
                let numbers = self.kind.numbers(s, scale.add(behind), adds.add(K::ADDS * behind));
                x[v] = self.kind.elements(s, from.add(K::behind(v)), v, &numbers);
            }
        }
        x
    }
}

/// One kind with AVX2, in a function of its own: compilers take long for one function of all of them.
#[cfg(target_arch = "x86_64")]
struct Alone<'a, K> {
    sums: Sums<'a>,
    block: Block<K>,
}

#[cfg(target_arch = "x86_64")]
impl<K: Kind<Avx2>> Kernel for Alone<'_, K> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        if S::LEVEL == Level::Avx2 {
            // SAFETY: the level is the proof of the instructions; the sums were checked, and the block was made, before.
            unsafe { self.sums.all(Avx2::new(), self.block) }
        }
    }
}

impl Kernel for Sums<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (codes, rows, dim) = (self.codes, self.state.keep.len(), self.codes.dim);
        let (bits, groups, group) = (codes.bits(), codes.groups(), codes.group());
        self.state.check();
        assert!(self.room.len() >= sums_room(bits, dim, groups) && codes.rows <= BLOCK && dim.is_multiple_of(LANES));
        assert!(self.acc.len() >= padded(rows) * dim && self.state.p.len() >= padded(rows) * BLOCK);
        assert!(!leaves_floats(S::LEVEL, 4) || self.floats.len() >= codes.rows * dim);
        assert!(self.state.keep.iter().all(|k| 64 - k.leading_zeros() as usize <= codes.rows));
        let (each, to) = (room(groups), self.room.as_mut_ptr());
        let (from, stride) = (codes.words(0).cast::<u8>(), 4 * codes.from.codes.strides[2]);
        // SAFETY: there is the room; values are read and made before they are used.
        unsafe {
            let (scales, adds, biases) = (to, to.add(each), to.add(3 * each));
            let bytes = to.add(4 * each).cast::<u8>();
            by_row(s, &codes, &codes.from.scales, scales, 1.0);
            by_row(s, &codes, &codes.from.biases, biases, 0.0);
            macro_rules! all {
                ($kind:expr, $from:expr, $stride:expr, $adds:expr) => {
                    self.all(s, Block { kind: $kind, from: $from, stride: $stride, scales, adds: $adds, groups, group })
                };
            }
            let used = (codes.rows * groups).next_multiple_of(LANES);
            if S::LEVEL == Level::Avx512 && bits <= 5 {
                let (biases, short) = (biases.cast_const(), are_short(s, &codes, scales, used));
                macro_rules! tables {
                    ($form:expr, $t:expr, $from:expr, $stride:expr) => {
                        match short {
                            true => all!(Tables::<S, $form, $t, true>::new(s, bits), $from, $stride, biases),
                            false => all!(Tables::<S, $form, $t, false>::new(s, bits), $from, $stride, biases),
                        }
                    };
                }
                if matches!(bits, 3 | 5) {
                    bytes::spread(bits, (from, stride), codes.rows, dim, bytes);
                }
                let (spread, spread_stride) = (bytes.cast_const(), dim.next_multiple_of(64) as isize);
                return match bits {
                    2 => tables!(WORD, 1, from, stride),
                    4 => tables!(WORDS, 1, from, stride),
                    3 => tables!(BYTES, 1, spread, spread_stride),
                    _ => tables!(BYTES, 2, spread, spread_stride),
                };
            }
            #[cfg(target_arch = "x86_64")]
            if S::LEVEL == Level::Avx2 && bits != 4 && (dim.is_multiple_of(32) || matches!(bits, 2 | 3 | 8)) {
                // The level is the proof of the instructions.
                let s = Avx2::new();
                macro_rules! kinds {
                    ($way:expr, $of:ident::<$bits:literal>, $adds:expr) => {
                        match $way {
                            true => kinds!($of::<$bits, true>::new(s), $adds),
                            false => kinds!($of::<$bits, false>::new(s), biases.cast_const()),
                        }
                    };
                    ($kind:expr, $adds:expr) => {
                        dispatch_avx2(Alone {
                            block: Block { kind: $kind, from, stride, scales, adds: $adds, groups, group },
                            sums: self,
                        })
                    };
                }
                if bits <= 3 {
                    let short = are_short(s, &codes, scales, used);
                    return match bits {
                        2 => kinds!(short, Eighths::<2>, biases.cast_const()),
                        _ => kinds!(short, Eighths::<3>, biases.cast_const()),
                    };
                }
                let exact = way_of(s, &codes, [fields::place(bits); 2], scales, biases, used) == Way::Exact;
                if exact {
                    over(s, fields::base(bits), (scales, biases), used, adds);
                }
                return match bits {
                    5 => kinds!(exact, Fields::<5>, adds.cast_const()),
                    6 => kinds!(exact, Fields::<6>, adds.cast_const()),
                    _ => kinds!(exact, Fields::<8>, adds.cast_const()),
                };
            }
            if bits == 4 && S::LEVEL != Level::Scalar && S::LEVEL != Level::Avx512 {
                let kind = Sixteen::new(s);
                match way_of(s, &codes, Sixteen::<S>::REACH, scales, biases, used) {
                    Way::Exact => {
                        sixteen_adds::<S, true>(s, (scales, biases), used, adds);
                        all!(Sixteens::<S, true>(kind), from, stride, adds.cast_const())
                    }
                    Way::Steps => {
                        sixteen_adds::<S, false>(s, (scales, biases), used, adds);
                        all!(Sixteens::<S, false>(kind), from, stride, adds.cast_const())
                    }
                }
                return;
            }
            let (mut from, mut stride) = (from, stride);
            if bits != 8 {
                codes.expand(S::LEVEL, bytes);
                (from, stride) = (bytes, dim as isize);
            }
            let kind = Bytes::new(s, bits);
            match way_of(s, &codes, reach_of_bytes(bits), scales, biases, used) {
                Way::Exact => {
                    over(s, kind.base, (scales, biases), used, adds);
                    all!(Whole::<S, true>(kind), from, stride, adds.cast_const())
                }
                Way::Steps => all!(Whole::<S, false>(kind), from, stride, biases.cast_const()),
            }
        }
    }
}

/// Whether products of scales with codes are exact: they have few bits, and none is great or a NaN.
///
/// # Safety
/// There are `used` scales, a multiple of sixteen.
#[inline(always)]
unsafe fn are_short<S: Simd>(s: S, codes: &Codes, scales: *const f32, used: usize) -> bool {
    let (most, mut short) = (s.splat(1e30), s.mask_from_bits(u16::MAX));
    for i in (0..used).step_by(LANES) {
        // SAFETY: the caller's promise.
        short = s.and_m(short, s.le(s.abs(unsafe { s.load(scales.add(i)) }), most));
    }
    matches!(codes.kind(), Scales::Bf16 | Scales::F16) && s.all(short)
}

/// What is added to products of scales with numbers over a power of two.
///
/// # Safety
/// There are `used` scales and biases, a multiple of sixteen, and room for as many numbers.
#[inline(always)]
unsafe fn over<S: Simd>(s: S, base: f32, (scales, biases): (*const f32, *const f32), used: usize, to: *mut f32) {
    let base = s.splat(base);
    for i in (0..used).step_by(LANES) {
        // SAFETY: the caller's promise.
        unsafe { s.store(to.add(i), s.fnma(s.load(scales.add(i)), base, s.load(biases.add(i)))) };
    }
}

/// What [`Sixteen::element`] adds, for each group of each row: two numbers, those of even and of odd lanes.
///
/// # Safety
/// There are `used` scales and biases, a multiple of sixteen, and at `to` is room for twice as many numbers.
#[inline(always)]
unsafe fn sixteen_adds<S: Simd, const EXACT: bool>(
    s: S,
    (scales, biases): (*const f32, *const f32),
    used: usize,
    to: *mut f32,
) {
    let sixteen = Sixteen::<S>::new(s);
    for i in (0..used).step_by(LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, bias) = (s.load(scales.add(i)), s.load(biases.add(i)));
            let [even, odd] = sixteen.adds::<EXACT>(s, scale, bias);
            let pairs = s.interleave(even, odd);
            s.store(to.add(2 * i), pairs.0);
            s.store(to.add(2 * i + LANES), pairs.1);
        }
    }
}

impl Sums<'_> {
    /// All rows.
    ///
    /// # Safety
    /// The block is as it was read; weights and accumulators have all rows of the tiles.
    #[inline(always)]
    unsafe fn all<S: Simd, K: Kind<S>>(&mut self, s: S, block: Block<K>) {
        let (mut t, rows) = (0, self.state.keep.len());
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            // SAFETY: the caller's promise.
            unsafe {
                match r {
                    _ if self.state.keep[t..t + n].iter().all(|&k| k == 0) => {}
                    1 => self.parts::<S, K, 1>(s, block, t, n),
                    2 => self.parts::<S, K, 2>(s, block, t, n),
                    4 if S::LEVEL != Level::Scalar => self.parts::<S, K, 4>(s, block, t, n),
                    6 if S::LEVEL == Level::Avx512 => self.parts::<S, K, 6>(s, block, t, n),
                    _ if S::LEVEL == Level::Avx512 => self.parts::<S, K, 8>(s, block, t, n),
                    _ => {}
                }
            }
            t += n;
        }
    }

    /// Rows `t .. t + n`: as many vectors at a time as leave registers for all else.
    ///
    /// # Safety
    /// As for [`Sums::all`].
    #[inline(always)]
    unsafe fn parts<S: Simd, K: Kind<S>, const R: usize>(&mut self, s: S, block: Block<K>, t: usize, n: usize) {
        let most = match S::LEVEL {
            Level::Avx512 => [8, 8, 8, 4, 4, 2, 2, 2, 2][R],
            Level::Scalar => 1,
            // Few rows have too few sums for the latency of adding to them.
            Level::Avx2 => [2, if K::ADDS == 1 { 4 } else { 2 }, 2, 1, 1, 1, 1, 1, 1][R],
            _ => [2, 2, if K::ADDS == 1 { 2 } else { 1 }, 1, 1, 1, 1, 1, 1][R],
        };
        // Vectors of one group after one another.
        let per = [4, 1, 2, 1][block.group / LANES % 4];
        let (most, vectors) = (most.min(K::MOST), self.codes.dim / LANES);
        let mut w = 0;
        while w < vectors {
            let left = vectors - w;
            // SAFETY: the caller's promise.
            unsafe {
                w += match per {
                    4 if most >= 8 && left >= 8 => self.part::<S, K, R, 8, 4>(s, block, w, t, n),
                    2 if most >= 8 && left >= 8 => self.part::<S, K, R, 8, 2>(s, block, w, t, n),
                    4 if most >= 4 && left >= 4 => self.part::<S, K, R, 4, 4>(s, block, w, t, n),
                    2 if most >= 4 && left >= 4 => self.part::<S, K, R, 4, 2>(s, block, w, t, n),
                    2 | 4 if most >= 2 && left >= 2 => self.part::<S, K, R, 2, 2>(s, block, w, t, n),
                    _ => self.part::<S, K, R, 1, 1>(s, block, w, t, n),
                }
            }
        }
    }

    /// `N` vectors from vector `w` on, each `PER` of one group. Returns `N`.
    ///
    /// # Safety
    /// As for [`Sums::all`].
    #[inline(always)]
    unsafe fn part<S: Simd, K: Kind<S>, const R: usize, const N: usize, const PER: usize>(
        &mut self,
        s: S,
        mut block: Block<K>,
        w: usize,
        t: usize,
        n: usize,
    ) -> usize {
        block.kind = block.kind.from_vector(w);
        let mut ahead = self.ahead;
        let lines = 4 * ahead.count().div_ceil(BLOCK);
        let keep = &self.state.keep[t..t + n];
        let all = keep.iter().fold(u64::MAX, |a, b| a & b);
        let some = keep.iter().fold(0, |a, b| a | b);
        let (dim, first) = (self.codes.dim, w * LANES / block.group);
        // SAFETY: the caller's promise; rows of codes are read for kept keys only, which are there.
        unsafe {
            let acc = self.acc.as_mut_ptr().add(t * dim + w * LANES);
            let weights = self.state.p.as_ptr().add(t * BLOCK);
            let at = |r: usize, v: usize| acc.add(r * dim + v * LANES);
            let mut sum = [[s.splat(0.0); N]; R];
            for r in 0..R {
                let factor = s.splat(if r < n { self.state.c[t + r] } else { 0.0 });
                for v in 0..N {
                    sum[r][v] = s.mul(s.load(at(r, v)), factor);
                }
            }
            // Groups from the first one of these vectors on, one for every `PER` vectors or fewer.
            let mut behind = [0; N];
            for (v, behind) in behind.iter_mut().enumerate() {
                *behind = (w + v) * LANES / block.group - first;
            }
            // Terms that every row has come in a run from some term on; mixed ones are done row by row.
            let mut j = some.trailing_zeros() as usize;
            let end = 64 - some.leading_zeros() as usize;
            let place = |j: usize| {
                (block.from.wrapping_offset(j as isize * block.stride).wrapping_add(K::at(w)), j * block.groups + first)
            };
            while j < end {
                let stop = (j + (!(all >> j)).trailing_zeros() as usize).min(end);
                let (mut from, mut number) = place(j);
                // Of use if all rows see the same keys, in one run or in many.
                let mut floats = self.floats.as_mut_ptr().wrapping_add(j * dim + w * LANES);
                while j < stop {
                    // A few rows, then what they ask for.
                    let few = (j + 4).min(stop);
                    while j < few {
                        let x = block.row::<S, N, PER>(s, from, number, &behind);
                        if leaves_floats(S::LEVEL, R) {
                            for v in 0..N {
                                s.store(floats.add(v * LANES), x[v]);
                            }
                            floats = floats.wrapping_add(dim);
                        }
                        for r in 0..R {
                            let p = s.splat(*weights.add(r * BLOCK + j));
                            for v in 0..N {
                                sum[r][v] = s.fma(p, x[v], sum[r][v]);
                            }
                        }
                        (from, number) = (from.wrapping_offset(block.stride), number + block.groups);
                        j += 1;
                    }
                    ahead.step_near(lines);
                }
                if j < end {
                    if some >> j & 1 == 1 {
                        let (from, number) = place(j);
                        let x = block.row::<S, N, PER>(s, from, number, &behind);
                        for r in 0..R {
                            if r < n && keep[r] >> j & 1 == 1 {
                                let p = s.splat(*weights.add(r * BLOCK + j));
                                for v in 0..N {
                                    sum[r][v] = s.fma(p, x[v], sum[r][v]);
                                }
                            }
                        }
                    }
                    j += 1;
                }
            }
            for r in 0..R {
                for v in 0..N {
                    s.store(at(r, v), sum[r][v]);
                }
            }
        }
        self.ahead = ahead;
        N
    }
}
