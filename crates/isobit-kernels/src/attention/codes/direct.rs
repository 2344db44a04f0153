//! One block of 64 keys in codes against a few rows, with floats in registers only.
//!
//! ```text
//! keys:   words by column; for each element d: x = its code * scale + bias of 64 rows;  s[r] = fma(q[r][d], x, s[r])
//! values: for each row j: x = code * scale + bias of its elements, 16 at a time;        acc[r] = fma(p[r][j], x, acc[r])
//! ```
//!
//! With 4 bits a value's words are lanes as they lie, so accumulators hold elements in another order ([`Layout`]) until a span
//! ends; with other widths sixteen elements are a vector of bytes. With AVX2 they are [`Sixteen`] of 4 bits in order: turning the
//! lanes of words by numbers of their own takes three instructions there. A code becomes a float by being put into the mantissa of a power
//! of two ([`Places`]), and that an element by one fused operation where scales and biases allow it ([`Way`]).
//!
//! `BITS` is 4, or 8 for all codes that are bytes, or have become bytes. Tiles have 1, 2, 4, 6 or 8 rows; where there are fewer, the last ones are zeros, and what
//! becomes of them is not looked at. So queries, weights and accumulators have [`padded`] rows.

use super::Codes;
use super::bytes::Bytes;
use super::words::{Keys, Places, Sixteen, Way, base, by_row, bytes_room, element, room, way_of};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::attention::block::State;
use crate::isa::Level;
use crate::quant::Format;
use crate::simd::{Kernel, LANES, Simd};

/// How values of one width lie in accumulators, the same for all blocks.
///
/// A chunk is as many elements of one group as fill vectors, so that they have one scale. With 4 bits its 2 to 16 words fill
/// the lanes as often as they go into them, with other codes of theirs each time.
pub(in crate::attention) struct Layout {
    /// Vectors of a chunk, and chunks.
    vectors: usize,
    chunks: usize,
    /// Elements of an accumulator.
    pub width: usize,
    /// Where each element of a value is in it; empty: in order.
    pub order: Vec<u32>,
}

/// Whether words are lanes.
fn by_words(level: Level, bits: usize) -> bool {
    bits == 4 && level != Level::Avx2
}

/// Whether numbers of a group are [`quads`].
#[inline(always)]
fn in_quads<S: Simd>(bits: usize) -> bool {
    by_words(S::LEVEL, bits)
}

/// Words of a chunk of `vectors` vectors.
#[inline(always)]
fn words_of(bits: usize, vectors: usize) -> usize {
    vectors * LANES * bits / 32
}

impl Layout {
    /// That of values of `dim` codes.
    pub fn new(level: Level, dim: usize, format: Format) -> Layout {
        let (bits, of_group) = (format.bits, format.group / LANES);
        let vectors = (1 << of_group.trailing_zeros()).min(8);
        let mut layout = Layout { vectors, chunks: dim / (vectors * LANES), width: dim, order: Vec::new() };
        if by_words(level, bits) {
            let words = words_of(bits, vectors);
            for chunk in 0..layout.chunks {
                for word in 0..words {
                    for code in 0..32 / bits {
                        let (copy, vector) = (code / vectors, code % vectors);
                        let at = (chunk * vectors + vector) * LANES + copy * words + word;
                        layout.order.push(at as u32);
                    }
                }
            }
        }
        layout
    }
}

/// The rows that `rows` of them take.
pub(in crate::attention) fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// Rows of the next tile and how many of them are there, with `left` rows left. Without vector registers large tiles only make
/// code.
#[inline(always)]
fn tile(level: Level, left: usize) -> (usize, usize) {
    let n = left.min(match level {
        Level::Avx512 => 8,
        Level::Scalar => 2,
        _ => 4,
    });
    ([1, 2, 4, 4, 6, 6, 8, 8][n - 1], n)
}

/// Whether a tile of `rows` rows leaves floats behind for those after it. It does whether there are any or not: stores have
/// ports of their own, and a tile that does not would be code too.
#[inline(always)]
fn leaves_floats(level: Level, rows: usize) -> bool {
    level == Level::Avx2 && rows == 4
}

/// Rows of `dim` queries as tiles want them: the same element of a tile's rows together.
pub(in crate::attention) fn interleave(level: Level, rows: usize, dim: usize, from: &[f32], to: &mut [f32]) {
    let mut t = 0;
    while t < rows {
        let (r, n) = tile(level, rows - t);
        let to = &mut to[t * dim..][..r * dim];
        if r == 1 {
            to.copy_from_slice(&from[t * dim..][..dim]);
        } else {
            for row in 0..r {
                let to = to[row.min(r * dim)..].iter_mut().step_by(r);
                if row < n {
                    to.zip(&from[(t + row) * dim..][..dim]).for_each(|(to, &x)| *to = x);
                } else {
                    to.for_each(|to| *to = 0.0);
                }
            }
        }
        t += n;
    }
}

/// Elements of working memory for [`Sums`].
pub(super) fn sums_room(bits: usize, dim: usize, groups: usize) -> usize {
    6 * room(groups) + bytes_room(bits, dim)
}

/// The scores of some rows with a block of keys, and their softmax.
pub(in crate::attention) struct Scores<'a, const BITS: usize> {
    pub codes: Codes<'a>,
    /// Scaled queries, interleaved.
    pub q: &'a [f32],
    pub state: State<'a>,
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    /// What a tile of [`leaves_floats`] leaves behind: the keys as `dim` columns of 64.
    pub floats: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

impl<const BITS: usize> Kernel for Scores<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let rows = self.state.keep.len();
        self.state.check();
        assert!(self.q.len() >= padded(rows) * self.codes.dim && self.state.p.len() >= padded(rows) * BLOCK);
        let keys = Keys::read(s, &self.codes, self.room, &mut self.ahead);
        assert!(!leaves_floats(S::LEVEL, 4) || self.floats.len() >= self.codes.dim * BLOCK);
        let (wide, scalar) = (S::LEVEL == Level::Avx512, S::LEVEL == Level::Scalar);
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            let any = self.state.keep[t..t + n].iter().fold(0, |a, b| a | b);
            let used = 64 - any.leading_zeros() as usize;
            // SAFETY: the keys have just been read, and there is memory for the padded rows.
            unsafe {
                match r {
                    _ if used == 0 => {}
                    1 if wide => self.scores::<S, 1, 4>(s, keys, t, used),
                    1 if !scalar => self.scores::<S, 1, 2>(s, keys, t, used),
                    1 => self.scores::<S, 1, 1>(s, keys, t, used),
                    2 if wide => self.scores::<S, 2, 4>(s, keys, t, used),
                    2 => self.scores::<S, 2, 1>(s, keys, t, used),
                    4 if wide && BITS == 4 => self.scores::<S, 4, 4>(s, keys, t, used),
                    4 if wide => self.scores::<S, 4, 2>(s, keys, t, used),
                    4 if !scalar => self.scores::<S, 4, 1>(s, keys, t, used),
                    6 if wide => self.scores::<S, 6, 2>(s, keys, t, used),
                    _ if wide => self.scores::<S, 8, 2>(s, keys, t, used),
                    _ => {}
                }
                let (mut t, end) = (t, if used > 0 { t + n } else { t });
                while t < end {
                    match end - t {
                        4.. if !scalar => self.state.softmax::<S, 4>(s, t),
                        2.. => self.state.softmax::<S, 2>(s, t),
                        _ => self.state.softmax::<S, 1>(s, t),
                    }
                    t += [1, 2, 2, 4][(end - t).min(4) - 1];
                }
            }
            t += n;
        }
    }
}

impl<const BITS: usize> Scores<'_, BITS> {
    /// The tile of rows from row `t` on with the first `used` keys, `V` vectors of them at a time.
    ///
    /// # Safety
    /// The keys' room is as it was read; queries and weights have all rows of the tile.
    #[inline(always)]
    unsafe fn scores<S: Simd, const R: usize, const V: usize>(&mut self, s: S, keys: Keys, t: usize, used: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let q = self.q.as_ptr().add(t * self.codes.dim);
            let p = self.state.p.as_mut_ptr().add(t * BLOCK);
            let floats = self.floats.as_mut_ptr();
            for first in (0..used).step_by(V * LANES) {
                let mut sum = [[s.splat(0.0); V]; R];
                keys.decode::<S, BITS, V>(
                    s,
                    first,
                    #[inline(always)]
                    |d, x| {
                        if leaves_floats(S::LEVEL, R) {
                            for v in 0..V {
                                s.store(floats.add(d * BLOCK + first + 16 * v), x[v]);
                            }
                        }
                        for r in 0..R {
                            let q = s.splat(*q.add(d * R + r));
                            for v in 0..V {
                                sum[r][v] = s.fma(q, x[v], sum[r][v]);
                            }
                        }
                    },
                );
                for r in 0..R {
                    for v in 0..V {
                        s.store(p.add(r * BLOCK + first + 16 * v), sum[r][v]);
                    }
                }
            }
        }
    }
}

/// The first row's codes, in words of four bits or bytes, and bytes from row to row.
type From = (*const u8, isize);

/// The weighted sums of a block of values for some rows.
pub(in crate::attention) struct Sums<'a, const BITS: usize> {
    pub codes: Codes<'a>,
    pub state: State<'a>,
    /// As many elements per row as the layout says.
    pub acc: &'a mut [f32],
    pub layout: &'a Layout,
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    /// What a tile of [`leaves_floats`] leaves behind: the values as rows, if all its rows see the same keys.
    pub floats: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

/// `N` vectors of each of `C` chunks of values, from vector `first` of the chunk `chunk` on, of one row after another. With
/// `FULL` these are all vectors of a chunk.
struct Value<S: Simd, const BITS: usize, const C: usize, const N: usize, const FULL: bool> {
    /// The row's bytes from the first chunk's on, and the stride.
    from: *const u8,
    stride: isize,
    /// The scale of the row's first chunk, how far behind is what comes with it, and those of the other chunks, the stride.
    numbers: *const f32,
    with: usize,
    behind: [usize; C],
    number_stride: usize,
    /// With AVX2 and 4 bits all is counted from the first number ([`sixteen_adds`]), by the group's.
    group: usize,
    /// Words as lanes: words of a chunk, and how far each lane is turned.
    each: usize,
    turn: S::I,
    places: Places<S>,
    /// If words are no lanes: how bytes become numbers, and those of a chunk.
    bytes: Bytes<S>,
    /// With AVX2 and 4 bits.
    sixteen: Sixteen<S>,
    step: usize,
}

impl<S: Simd, const BITS: usize, const C: usize, const N: usize, const FULL: bool> Value<S, BITS, C, N, FULL> {
    /// That of row `j`, with [`quads`] at `numbers`, or for bytes scales there and what comes with them in the [`room`] behind.
    #[inline(always)]
    fn new(
        s: S,
        codes: &Codes,
        layout: &Layout,
        (chunk, first): (usize, usize),
        (from, stride): From,
        numbers: *const f32,
        j: usize,
    ) -> Self {
        let (vectors, group) = (layout.vectors, codes.group());
        let each = words_of(BITS, vectors);
        let avx2 = S::LEVEL == Level::Avx2;
        let mut turn = [0i32; LANES];
        if BITS == 4 {
            for (lane, turn) in turn.iter_mut().enumerate() {
                *turn = (8 + 32 - 4 * (lane / each * vectors + first) as i32) & 31;
            }
        }
        let start = match BITS {
            4 if avx2 => (chunk * vectors + first) * LANES / 2,
            4 => 4 * chunk * each,
            _ => (chunk * vectors + first) * LANES,
        };
        let group_of = |c: usize| (chunk + c) * vectors * LANES / group;
        let by_group = avx2 && BITS == 4;
        let (size, with) = if in_quads::<S>(BITS) { (4, 1) } else { (1, room(codes.groups())) };
        Value {
            from: from.wrapping_add(start).wrapping_offset(j as isize * stride),
            stride,
            numbers: if by_group { numbers } else { numbers.wrapping_add(size * (j * codes.groups() + group_of(0))) },
            with,
            behind: std::array::from_fn(|c| size * (group_of(c) - group_of(0))),
            number_stride: size * codes.groups(),
            group: j * codes.groups() + group_of(0),
            each,
            turn: s.from_array_i(turn),
            places: Places::new(s, 4),
            bytes: Bytes::new(s, codes.bits()),
            sixteen: Sixteen::new(s),
            step: vectors * LANES,
        }
    }

    /// Goes on to the next row.
    #[inline(always)]
    fn go_on(&mut self) {
        self.from = self.from.wrapping_offset(self.stride);
        if S::LEVEL == Level::Avx2 && BITS == 4 {
            self.group += self.number_stride;
        } else {
            self.numbers = self.numbers.wrapping_add(self.number_stride);
        }
    }

    /// The row's elements.
    ///
    /// # Safety
    /// The row is there, and its numbers are.
    #[inline(always)]
    unsafe fn get<const EXACT: bool>(&self, s: S) -> [[S::F; N]; C] {
        let mut x = [[s.splat(0.0); N]; C];
        if S::LEVEL == Level::Avx2 && BITS == 4 {
            // SAFETY: the caller's promise.
            unsafe {
                let (scale, adds) = (s.splat(*self.numbers.add(self.group)), self.numbers.add(self.with));
                let add = s.from_bits(s.load_i_repeated(adds.add(2 * self.group).cast(), 2));
                for v in 0..N {
                    let number = self.sixteen.at(s, self.from.add(v * LANES / 2).cast());
                    x[0][v] = self.sixteen.element::<EXACT>(s, number, scale, add);
                }
            }
            return x;
        }
        let each = if FULL { words_of(BITS, N) } else { self.each };
        // SAFETY: the caller's promise.
        unsafe {
            for c in 0..C {
                let numbers = if c == 0 { self.numbers } else { self.numbers.add(self.behind[c]) };
                let scale = s.splat(*numbers);
                let mut held = s.splat_i(0);
                if BITS == 4 {
                    held = s.rotl_v(s.load_i_repeated(self.from.add(4 * c * each).cast(), each), self.turn);
                }
                let (down, up) = (s.shr(held, 12), s.shl(held, 8));
                for v in 0..N {
                    let p = if BITS == 4 { [0, 1, 2, 0, 1, 2, 0, 1][v] } else { 0 };
                    let turned = [held, held, held, down, down, down, up, up][v];
                    let (number, base) = match BITS {
                        4 => (self.places.number(s, turned, p), base(BITS, p)),
                        _ => (self.bytes.at(s, self.from.add(c * self.step + v * LANES)), self.bytes.base),
                    };
                    let add = s.splat(*numbers.add(if EXACT { self.with + p } else { self.with }));
                    x[c][v] = element::<S, EXACT>(s, number, base, scale, add);
                }
            }
        }
        x
    }
}

impl<const BITS: usize> Kernel for Sums<'_, BITS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (codes, layout, rows) = (self.codes, self.layout, self.state.keep.len());
        let (format, each) = (codes.from.format, room(codes.groups()));
        self.state.check();
        assert!(self.room.len() >= sums_room(format.bits, codes.dim, codes.groups()) && codes.rows <= BLOCK);
        assert!(layout.width == codes.dim && layout.chunks * layout.vectors * LANES == codes.dim);
        assert!(self.acc.len() >= padded(rows) * layout.width && self.state.p.len() >= padded(rows) * BLOCK);
        assert!(!leaves_floats(S::LEVEL, 4) || self.floats.len() >= codes.rows * layout.width);
        assert!(self.state.keep.iter().all(|k| 64 - k.leading_zeros() as usize <= codes.rows));
        let mut from = (codes.words(0).cast::<u8>(), 4 * codes.from.codes.strides[2]);
        // SAFETY: there is the room.
        let way = unsafe {
            let to = self.room.as_mut_ptr();
            let (scales, biases) = match BITS {
                4 if S::LEVEL == Level::Avx2 => (to, to.add(5 * each)),
                4 => (to.add(4 * each), to.add(5 * each)),
                _ => (to, to.add(each)),
            };
            by_row(s, &codes, &codes.from.scales, scales, 1.0);
            by_row(s, &codes, &codes.from.biases, biases, 0.0);
            let used = (codes.rows * codes.groups()).next_multiple_of(LANES);
            let way = way_of(s, &codes, scales, biases, used);
            match (BITS, way) {
                (4, Way::Exact) if S::LEVEL == Level::Avx2 => {
                    sixteen_adds::<S, true>(s, (scales, biases), used, to.add(each));
                }
                (4, Way::Steps) if S::LEVEL == Level::Avx2 => {
                    sixteen_adds::<S, false>(s, (scales, biases), used, to.add(each));
                }
                (4, _) => quads(s, way, (scales, biases), used, to),
                (_, Way::Exact) => {
                    let under = s.splat(base(format.bits, 0));
                    for i in (0..used).step_by(LANES) {
                        s.store(biases.add(i), s.fnma(s.load(scales.add(i)), under, s.load(biases.add(i))));
                    }
                }
                _ => {}
            }
            if ![4, 8].contains(&format.bits) {
                let bytes = to.add(6 * each).cast::<u8>();
                codes.expand(S::LEVEL, bytes);
                from = (bytes, codes.dim as isize);
            }
            way
        };
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            // SAFETY: the values have just been read, and there is memory for the padded rows.
            unsafe {
                match r {
                    _ if self.state.keep[t..t + n].iter().all(|&k| k == 0) => {}
                    1 => self.tile::<S, 1>(s, way, from, t, n),
                    2 => self.tile::<S, 2>(s, way, from, t, n),
                    4 if S::LEVEL != Level::Scalar => self.tile::<S, 4>(s, way, from, t, n),
                    6 if S::LEVEL == Level::Avx512 => self.tile::<S, 6>(s, way, from, t, n),
                    _ if S::LEVEL == Level::Avx512 => self.tile::<S, 8>(s, way, from, t, n),
                    _ => {}
                }
            }
            t += n;
        }
    }
}

/// Scales of codes of four bits and what comes with them, four numbers for each group of each row: for [`Way::Exact`] what is added to a product with
/// a number over a power of two, for three of these, otherwise the bias.
///
/// # Safety
/// There are `used` scales and biases, a multiple of sixteen, and at `to` is room for four times as many numbers.
#[inline(always)]
unsafe fn quads<S: Simd>(s: S, way: Way, (scales, biases): (*const f32, *const f32), used: usize, to: *mut f32) {
    for i in (0..used).step_by(LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, bias) = (s.load(scales.add(i)), s.load(biases.add(i)));
            let mut add = [bias; 3];
            if way == Way::Exact {
                for (p, add) in add.iter_mut().enumerate() {
                    *add = s.fnma(scale, s.splat(base(4, p)), bias);
                }
            }
            let (a, b) = (s.interleave(scale, add[1]), s.interleave(add[0], add[2]));
            let (c, d) = (s.interleave(a.0, b.0), s.interleave(a.1, b.1));
            for (v, x) in [c.0, c.1, d.0, d.1].into_iter().enumerate() {
                s.store(to.add(4 * i + v * LANES), x);
            }
        }
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

impl<const BITS: usize> Sums<'_, BITS> {
    /// Rows `t .. t + n`.
    ///
    /// # Safety
    /// The room is as it was read; weights and accumulators have all rows of the tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize>(&mut self, s: S, way: Way, from: From, t: usize, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match way {
                Way::Exact => self.parts::<S, R, true>(s, from, t, n),
                Way::Steps => self.parts::<S, R, false>(s, from, t, n),
            }
        }
    }

    /// [`Sums::tile`] in one of the ways: as many vectors at a time as leave registers for all else, of several chunks if one
    /// has fewer, so that there are enough sums to hide the latency.
    ///
    /// # Safety
    /// As for [`Sums::tile`].
    #[inline(always)]
    unsafe fn parts<S: Simd, const R: usize, const EXACT: bool>(&mut self, s: S, from: From, t: usize, n: usize) {
        let most = match S::LEVEL {
            Level::Avx512 => [8, 8, 8, 4, 4, 2, 2, 2, 2][R],
            Level::Scalar => 1,
            _ => [2, 2, if BITS == 8 { 2 } else { 1 }, 1, 1, 1, 1, 1, 1][R],
        };
        // Fewer at a time in the way that caches of half precision do not take: every size is code.
        let (several, most) = if EXACT { (R <= 4, most) } else { (false, most.min(2)) };
        let (vectors, chunks) = (self.layout.vectors, self.layout.chunks);
        let mut chunk = 0;
        while chunk < chunks {
            let (left, at) = (chunks - chunk, (chunk, 0));
            // SAFETY: the caller's promise.
            unsafe {
                chunk += match vectors {
                    4 if several && most >= 8 && left >= 2 => self.part::<S, R, 2, 4, true, EXACT>(s, from, at, t, n),
                    4 if several && most >= 8 => self.part::<S, R, 1, 4, true, EXACT>(s, from, at, t, n),
                    2 if several && most >= 8 && left >= 4 => self.part::<S, R, 4, 2, true, EXACT>(s, from, at, t, n),
                    2 if several && most >= 4 && left >= 2 => self.part::<S, R, 2, 2, true, EXACT>(s, from, at, t, n),
                    _ => {
                        let together = most.min(4).min(vectors);
                        for first in (0..vectors).step_by(together) {
                            let at = (chunk, first);
                            match together {
                                4 if most >= 4 => self.part::<S, R, 1, 4, false, EXACT>(s, from, at, t, n),
                                2 if most >= 2 => self.part::<S, R, 1, 2, false, EXACT>(s, from, at, t, n),
                                _ => self.part::<S, R, 1, 1, false, EXACT>(s, from, at, t, n),
                            };
                        }
                        1
                    }
                }
            }
        }
    }

    /// `N` vectors of each of `C` chunks from a chunk's vector on. Returns `C`.
    ///
    /// # Safety
    /// As for [`Sums::tile`].
    #[inline(always)]
    unsafe fn part<S: Simd, const R: usize, const C: usize, const N: usize, const FULL: bool, const EXACT: bool>(
        &mut self,
        s: S,
        from: From,
        (chunk, first): (usize, usize),
        t: usize,
        n: usize,
    ) -> usize {
        let mut ahead = self.ahead;
        let lines = ahead.count().div_ceil(BLOCK);
        let keep = &self.state.keep[t..t + n];
        let all = keep.iter().fold(u64::MAX, |a, b| a & b);
        let some = keep.iter().fold(0, |a, b| a | b);
        let (width, vectors) = (self.layout.width, self.layout.vectors);
        // SAFETY: the caller's promise; rows of codes are read for kept keys only, which are there.
        unsafe {
            let acc = self.acc.as_mut_ptr().add(t * width + (chunk * vectors + first) * LANES);
            let weights = self.state.p.as_ptr().add(t * BLOCK);
            let at = |r: usize, c: usize, v: usize| acc.add(r * width + (c * vectors + v) * LANES);
            let mut sum = [[[s.splat(0.0); N]; C]; R];
            for r in 0..R {
                let factor = s.splat(if r < n { self.state.c[t + r] } else { 0.0 });
                for c in 0..C {
                    for v in 0..N {
                        sum[r][c][v] = s.mul(s.load(at(r, c, v)), factor);
                    }
                }
            }
            // Terms that every row has come in a run from some term on; mixed ones are done row by row.
            let mut j = some.trailing_zeros() as usize;
            let end = 64 - some.leading_zeros() as usize;
            let place = (chunk, first);
            // Only of use if all terms come in a run.
            let mut floats = self.floats.as_mut_ptr().wrapping_add(j * width + (chunk * vectors + first) * LANES);
            let mut value =
                Value::<S, BITS, C, N, FULL>::new(s, &self.codes, self.layout, place, from, self.room.as_ptr(), j);
            while j < end {
                let stop = (j + (!(all >> j)).trailing_zeros() as usize).min(end);
                while j < stop {
                    let x = value.get::<EXACT>(s);
                    if leaves_floats(S::LEVEL, R) {
                        for v in 0..C * N {
                            let (c, v) = (v / N, v % N);
                            s.store(floats.add((c * vectors + v) * LANES), x[c][v]);
                        }
                        floats = floats.wrapping_add(width);
                    }
                    for r in 0..R {
                        let p = s.splat(*weights.add(r * BLOCK + j));
                        for c in 0..C {
                            for v in 0..N {
                                sum[r][c][v] = s.fma(p, x[c][v], sum[r][c][v]);
                            }
                        }
                    }
                    ahead.step(lines);
                    value.go_on();
                    j += 1;
                }
                if j < end {
                    if some >> j & 1 == 1 {
                        let x = value.get::<EXACT>(s);
                        for r in 0..R {
                            if r < n && keep[r] >> j & 1 == 1 {
                                let p = s.splat(*weights.add(r * BLOCK + j));
                                for c in 0..C {
                                    for v in 0..N {
                                        sum[r][c][v] = s.fma(p, x[c][v], sum[r][c][v]);
                                    }
                                }
                            }
                        }
                    }
                    value.go_on();
                    j += 1;
                }
            }
            for r in 0..R {
                for c in 0..C {
                    for v in 0..N {
                        s.store(at(r, c, v), sum[r][c][v]);
                    }
                }
            }
        }
        self.ahead = ahead;
        C
    }
}
