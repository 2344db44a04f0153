//! One block of 64 keys in codes against a few rows, with floats in registers only.
//!
//! ```text
//! keys:   words by column; for each element d: x = its code * scale + bias of 64 rows;  s[r] = fma(q[r][d], x, s[r])
//! values: for each row j: x = code * scale + bias of its elements, 16 at a time;        acc[r] = fma(p[r][j], x, acc[r])
//! ```
//!
//! With 4 bits a value's words are 16 lanes as they lie: vector `i` of elements is the `i`-th code of every word, one shift
//! away, and the scales are the same for all vectors. So accumulators hold elements in another order ([`Layout`]) until a span
//! ends. Fewer words than lanes are there several times, shifted by as many codes. With 8 bits sixteen elements are a vector of
//! bytes, with other widths a [`Run`].
//!
//! `BITS` is the width, or 0 for any. Tiles have 1, 2, 4, 6 or 8 rows; where there are fewer, the last ones are zeros, and what
//! becomes of them is not looked at. So queries, weights and accumulators have [`padded`] rows.

use super::Codes;
use super::words::{Keys, Run, by_row, mask, number, room};
use crate::attention::BLOCK;
use crate::attention::ahead::Ahead;
use crate::attention::block::State;
use crate::isa::Level;
use crate::quant::Format;
use crate::simd::{Kernel, LANES, Simd};

/// Up to sixteen words of a value as lanes, or, if words are no lanes, all of it.
struct Chunk {
    /// The first word, and how many.
    word: usize,
    words: usize,
    /// Lanes that the words take, a power of two, and how often they are there.
    lanes: usize,
    copies: usize,
    /// Vectors of elements.
    vectors: usize,
    /// For every lane the word of the chunk, the shift of its first code, and its group after `first_group`.
    word_of: [i32; LANES],
    shift_of: [i32; LANES],
    group_of: [i32; LANES],
    first_group: usize,
}

/// All codes of four bits.
const NUMBERS: [f32; LANES] = {
    let mut numbers = [0.0; LANES];
    let mut i = 0;
    while i < LANES {
        numbers[i] = i as f32;
        i += 1;
    }
    numbers
};

/// How values of one width lie in accumulators, the same for all blocks.
pub(in crate::attention) struct Layout {
    chunks: Vec<Chunk>,
    /// If words are no lanes: the group of every vector.
    groups: Vec<usize>,
    /// Elements of an accumulator.
    pub width: usize,
    /// Where each element of a value is in it; empty: in order.
    pub order: Vec<u32>,
}

/// Whether words are lanes.
fn by_words(bits: usize) -> bool {
    bits == 4
}

impl Layout {
    /// That of values of `dim` codes.
    pub fn new(dim: usize, format: Format) -> Layout {
        let (bits, words) = (format.bits, dim * format.bits / 32);
        let mut layout = Layout { chunks: Vec::new(), groups: Vec::new(), width: dim, order: Vec::new() };
        if !by_words(bits) {
            layout.groups.extend((0..dim).step_by(LANES).map(|d| d / format.group));
            layout.chunks.push(Chunk::new(0, words, LANES, 1, dim / LANES));
            return layout;
        }
        layout.width = 0;
        for word in (0..words).step_by(LANES) {
            let words = (words - word).min(LANES);
            let lanes = words.next_power_of_two();
            let copies = (LANES / lanes).min(32 / bits);
            let mut chunk = Chunk::new(word, words, lanes, copies, 32 / bits / copies);
            chunk.first_group = word * 32 / bits / format.group;
            for lane in 0..LANES {
                let (at, copy) = ((lane % lanes).min(words - 1), (lane / lanes).min(copies - 1));
                let group = (word + at) * 32 / bits / format.group - chunk.first_group;
                (chunk.word_of[lane], chunk.shift_of[lane]) = (at as i32, (copy * bits) as i32);
                chunk.group_of[lane] = group as i32;
            }
            for word in 0..words {
                for code in 0..32 / bits {
                    let lane = code % copies * lanes + word;
                    layout.order.push((layout.width + code / copies * LANES + lane) as u32);
                }
            }
            layout.width += chunk.vectors * LANES;
            layout.chunks.push(chunk);
        }
        layout
    }
}

impl Layout {
    /// Those of a value.
    fn words(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.words).sum()
    }
}

impl Chunk {
    fn new(word: usize, words: usize, lanes: usize, copies: usize, vectors: usize) -> Chunk {
        let none = [0; LANES];
        Chunk { word, words, lanes, copies, vectors, word_of: none, shift_of: none, group_of: none, first_group: 0 }
    }
}

/// The rows that `rows` of them take.
pub(in crate::attention) fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// Rows of the next tile and how many of them are there, with `left` rows left.
#[inline(always)]
fn tile(level: Level, left: usize) -> (usize, usize) {
    let n = left.min(if level == Level::Avx512 { 8 } else { 4 });
    ([1, 2, 4, 4, 6, 6, 8, 8][n - 1], n)
}

/// Rows of `dim` queries as tiles want them: the same element of a tile's rows together.
pub(in crate::attention) fn interleave(level: Level, rows: usize, dim: usize, from: &[f32], to: &mut [f32]) {
    let mut t = 0;
    while t < rows {
        let (r, n) = tile(level, rows - t);
        for (d, to) in to[t * dim..][..r * dim].chunks_exact_mut(r).enumerate() {
            for (row, to) in to.iter_mut().enumerate() {
                *to = if row < n { from[(t + row) * dim + d] } else { 0.0 };
            }
        }
        t += n;
    }
}

/// Elements of working memory for [`Sums`].
pub(super) fn sums_room(words: usize, groups: usize, bits: usize) -> usize {
    2 * room(groups) + if by_words(bits) { words.div_ceil(LANES) * 2 * LANES * BLOCK } else { 0 }
}

/// The scores of some rows with a block of keys, and their softmax.
pub(in crate::attention) struct Scores<'a, const BITS: usize> {
    pub codes: Codes<'a>,
    /// Scaled queries, interleaved.
    pub q: &'a [f32],
    pub state: State<'a>,
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
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
        let wide = S::LEVEL == Level::Avx512;
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            let any = self.state.keep[t..t + n].iter().fold(0, |a, b| a | b);
            let used = 64 - any.leading_zeros() as usize;
            // SAFETY: the keys have just been read, and there is memory for the padded rows.
            unsafe {
                match r {
                    _ if used == 0 => {}
                    1 => self.scores::<S, 1, 4>(s, keys, t, used),
                    2 if wide => self.scores::<S, 2, 4>(s, keys, t, used),
                    2 => self.scores::<S, 2, 2>(s, keys, t, used),
                    4 if wide => self.scores::<S, 4, 4>(s, keys, t, used),
                    4 => self.scores::<S, 4, 1>(s, keys, t, used),
                    6 if wide => self.scores::<S, 6, 2>(s, keys, t, used),
                    _ if wide => self.scores::<S, 8, 2>(s, keys, t, used),
                    _ => {}
                }
                let (mut t, end) = (t, if used > 0 { t + n } else { t });
                while t < end {
                    match end - t {
                        4.. => self.state.softmax::<S, 4>(s, t),
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
            for first in (0..used).step_by(V * LANES) {
                let mut sum = [[s.splat(0.0); V]; R];
                keys.decode::<S, BITS, V>(
                    s,
                    first,
                    #[inline(always)]
                    |d, x| {
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

/// The weighted sums of a block of values for some rows.
pub(in crate::attention) struct Sums<'a, const BITS: usize> {
    pub codes: Codes<'a>,
    pub state: State<'a>,
    /// As many elements per row as the layout says.
    pub acc: &'a mut [f32],
    pub layout: &'a Layout,
    /// As [`Source::room`](crate::attention::source::Source::room) says.
    pub room: &'a mut [f32],
    /// What will be read next.
    pub ahead: Ahead,
}

/// A place among the vectors of a value.
#[derive(Clone, Copy)]
struct Place<'a> {
    layout: &'a Layout,
    /// The chunk's number.
    number: usize,
    /// The vector of it, and of the accumulator.
    i: usize,
    at: usize,
}

/// For every chunk and row scales of all lanes, then biases; numbers by row are at `from`.
///
/// # Safety
/// Both places have the elements that [`sums_room`] says.
#[inline(always)]
unsafe fn spread<S: Simd>(s: S, codes: &Codes, layout: &Layout, from: *const f32, to: *mut f32) {
    let (groups, each) = (codes.groups(), room(codes.groups()));
    let mut to = to;
    for chunk in &layout.chunks {
        let group = s.from_array_i(chunk.group_of);
        for j in 0..codes.rows {
            // SAFETY: the caller's promise; sixteen numbers from a row's first one on are there.
            unsafe {
                let from = from.add(j * groups + chunk.first_group);
                s.store(to, s.lookup16(s.load(from), group));
                s.store(to.add(LANES), s.lookup16(s.load(from.add(each)), group));
                to = to.add(2 * LANES);
            }
        }
    }
}

/// `NV` vectors of the elements of values from a place on, of one row after another.
struct Value<S: Simd, const BITS: usize, const NV: usize> {
    /// The row's words from the chunk's first on, the stride, and how many there are.
    from: *const u32,
    stride: isize,
    words: usize,
    /// Words as lanes: whether they take all lanes, the word of every lane, the shift of its first code, and from vector to
    /// vector.
    whole: bool,
    word: S::I,
    shift: S::I,
    step: S::I,
    mask: S::I,
    /// The row's scales and biases from the first vector's group on, and the stride.
    scales: *const f32,
    biases: *const f32,
    scale_stride: usize,
    groups: Groups<S, NV>,
    /// If words are no lanes: the elements.
    run: Run<S>,
    first: usize,
}

/// Which scales and biases elements have.
#[derive(Clone, Copy)]
enum Groups<S: Simd, const NV: usize> {
    /// All the first.
    One,
    /// Each lane its own of sixteen numbers.
    Lanes(S::I),
    /// They are spread over the lanes already.
    Spread,
    /// Each vector its own.
    Vectors([usize; NV]),
}

impl<S: Simd, const BITS: usize, const NV: usize> Value<S, BITS, NV> {
    /// That of row `j`, with scales and biases by row at `room`, spread ones behind them.
    #[inline(always)]
    fn new(s: S, codes: &Codes, place: Place, room: *const f32, spread: bool, j: usize) -> Self {
        let Place { layout, number, i, .. } = place;
        let chunk = &layout.chunks[number];
        let each = self::room(codes.groups());
        let (mut shift, mut step) = (s.from_array_i(chunk.shift_of), 0);
        let (mut scales, mut biases, mut scale_stride) = (room, room.wrapping_add(each), codes.groups());
        let groups = if BITS == 4 {
            shift = s.add_i(shift, s.splat_i((i * chunk.copies * BITS) as i32));
            // The last vector is shifted once more, by nothing if that were a whole word.
            step = chunk.copies * BITS % 32;
            // Sixteen numbers are all there are of one group, which is worth it where they are looked up at once.
            let one = S::LEVEL == Level::Avx512 && chunk.group_of.iter().all(|&g| g == 0);
            if spread && !one {
                scales = room.wrapping_add(2 * each + number * codes.rows * 2 * LANES);
                (biases, scale_stride) = (scales.wrapping_add(LANES), 2 * LANES);
                Groups::Spread
            } else {
                (scales, biases) = (scales.wrapping_add(chunk.first_group), biases.wrapping_add(chunk.first_group));
                if one { Groups::One } else { Groups::Lanes(s.from_array_i(chunk.group_of)) }
            }
        } else {
            let of: [usize; NV] = std::array::from_fn(|v| layout.groups[i + v]);
            (scales, biases) = (scales.wrapping_add(of[0]), biases.wrapping_add(of[0]));
            if of[NV - 1] == of[0] { Groups::One } else { Groups::Vectors(of.map(|g| g - of[0])) }
        };
        let stride = codes.from.codes.strides[2];
        Value {
            from: codes.words(0).wrapping_add(chunk.word).wrapping_offset(j as isize * stride),
            stride,
            words: chunk.words,
            whole: chunk.lanes == LANES,
            word: s.from_array_i(chunk.word_of),
            shift,
            step: s.splat_i(step as i32),
            mask: mask(s, codes.from.format.bits),
            scales: scales.wrapping_add(j * scale_stride),
            biases: biases.wrapping_add(j * scale_stride),
            scale_stride,
            groups,
            run: Run::new(s, codes.from.format.bits),
            first: i * LANES,
        }
    }

    /// Goes on to the next row.
    #[inline(always)]
    fn go_on(&mut self) {
        self.from = self.from.wrapping_offset(self.stride);
        self.scales = self.scales.wrapping_add(self.scale_stride);
        self.biases = self.biases.wrapping_add(self.scale_stride);
    }

    /// The row's elements.
    ///
    /// # Safety
    /// The row is there, and scales and biases have been read.
    #[inline(always)]
    unsafe fn get(&self, s: S) -> [S::F; NV] {
        // SAFETY: the caller's promise.
        unsafe { if BITS == 4 { self.of_words(s) } else { self.of_runs(s) } }
    }

    /// [`Value::get`] where words are lanes.
    #[inline(always)]
    unsafe fn of_words(&self, s: S) -> [S::F; NV] {
        let mut x = [s.splat(0.0); NV];
        // SAFETY: the caller's promise.
        unsafe {
            let mut held = s.load_n(self.from.cast(), self.words, 0.0);
            if !self.whole {
                held = s.lookup16(held, self.word);
            }
            let mut held = s.shr_v(s.to_bits(held), self.shift);
            let (scale, bias) = match self.groups {
                Groups::Lanes(of) => (s.lookup16(s.load(self.scales), of), s.lookup16(s.load(self.biases), of)),
                Groups::Spread => (s.load(self.scales), s.load(self.biases)),
                _ => {
                    let numbers = s.add(s.mul(s.from_array(NUMBERS), s.splat(*self.scales)), s.splat(*self.biases));
                    for v in 0..NV {
                        x[v] = s.lookup16(numbers, held);
                        held = s.shr_v(held, self.step);
                    }
                    return x;
                }
            };
            for v in 0..NV {
                x[v] = s.add(s.mul(number::<S, BITS>(s, held, self.mask), scale), bias);
                held = s.shr_v(held, self.step);
            }
        }
        x
    }

    /// [`Value::get`] where they are none.
    #[inline(always)]
    unsafe fn of_runs(&self, s: S) -> [S::F; NV] {
        let mut x = [s.splat(0.0); NV];
        // SAFETY: the caller's promise.
        unsafe {
            for v in 0..NV {
                let d = self.first + LANES * v;
                x[v] = if BITS == 8 {
                    s.from_i32(s.load_u8(self.from.cast::<u8>().add(d)))
                } else {
                    self.run.at(s, self.from, self.words, d)
                };
            }
            if let Groups::Vectors(of) = self.groups {
                for v in 0..NV {
                    let (scale, bias) = (*self.scales.add(of[v]), *self.biases.add(of[v]));
                    x[v] = s.add(s.mul(x[v], s.splat(scale)), s.splat(bias));
                }
            } else {
                let (scale, bias) = (s.splat(*self.scales), s.splat(*self.biases));
                for v in 0..NV {
                    x[v] = s.add(s.mul(x[v], scale), bias);
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
        let (groups, each) = (codes.groups(), room(codes.groups()));
        self.state.check();
        let enough = sums_room(codes.from.words(codes.dim), groups, codes.from.format.bits);
        assert!(self.room.len() >= enough && codes.rows <= BLOCK && layout.words() == codes.from.words(codes.dim));
        assert!(self.acc.len() >= padded(rows) * layout.width && self.state.p.len() >= padded(rows) * BLOCK);
        assert!(self.state.keep.iter().all(|k| 64 - k.leading_zeros() as usize <= codes.rows));
        // More than two rows take several turns.
        let several = BITS == 4 && rows > 2;
        // SAFETY: there is the room.
        unsafe {
            let to = self.room.as_mut_ptr();
            by_row(s, &codes, &codes.from.scales, to);
            by_row(s, &codes, &codes.from.biases, to.add(each));
            if several {
                spread(s, &codes, layout, to, to.add(2 * each));
            }
        }
        let mut t = 0;
        while t < rows {
            let (r, n) = tile(S::LEVEL, rows - t);
            // SAFETY: the values have just been read, and there is memory for the padded rows.
            unsafe {
                match r {
                    _ if self.state.keep[t..t + n].iter().all(|&k| k == 0) => {}
                    1 => self.tile::<S, 1>(s, t, n),
                    2 => self.tile::<S, 2>(s, t, n),
                    4 => self.tile::<S, 4>(s, t, n),
                    6 if S::LEVEL == Level::Avx512 => self.tile::<S, 6>(s, t, n),
                    _ if S::LEVEL == Level::Avx512 => self.tile::<S, 8>(s, t, n),
                    _ => {}
                }
            }
            t += n;
        }
    }
}

impl<const BITS: usize> Sums<'_, BITS> {
    /// Rows `t .. t + n`: as many vectors at a time as leave a register for all else.
    ///
    /// # Safety
    /// The room is as it was read; weights and accumulators have all rows of the tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize>(&mut self, s: S, t: usize, n: usize) {
        let most = if S::LEVEL == Level::Avx512 { 16 } else { 4 } / R;
        let mut at = 0;
        let layout = self.layout;
        for (number, chunk) in layout.chunks.iter().enumerate() {
            let mut i = 0;
            while i < chunk.vectors {
                let place = Place { layout, number, i, at: at + i };
                // SAFETY: the caller's promise.
                i += unsafe {
                    match chunk.vectors - i {
                        8.. if most >= 8 => self.part::<S, R, 8>(s, place, t, n),
                        4.. if most >= 4 => self.part::<S, R, 4>(s, place, t, n),
                        2.. if most == 2 => self.part::<S, R, 2>(s, place, t, n),
                        _ => self.part::<S, R, 1>(s, place, t, n),
                    }
                };
            }
            at += chunk.vectors;
        }
    }

    /// `NV` vectors of elements from `place` on. Returns `NV`.
    ///
    /// # Safety
    /// As for [`Sums::tile`].
    #[inline(always)]
    unsafe fn part<S: Simd, const R: usize, const NV: usize>(
        &mut self,
        s: S,
        place: Place,
        t: usize,
        n: usize,
    ) -> usize {
        let mut ahead = self.ahead;
        let lines = ahead.count().div_ceil(BLOCK);
        let keep = &self.state.keep[t..t + n];
        let all = keep.iter().fold(u64::MAX, |a, b| a & b);
        let some = keep.iter().fold(0, |a, b| a | b);
        let spread = self.state.keep.len() > 2;
        // SAFETY: the caller's promise; rows of codes are read for kept keys only, which are there.
        unsafe {
            let acc = self.acc.as_mut_ptr().add(t * self.layout.width + place.at * LANES);
            let weights = self.state.p.as_ptr().add(t * BLOCK);
            let mut sum = [[s.splat(0.0); NV]; R];
            for r in 0..R {
                let c = s.splat(if r < n { self.state.c[t + r] } else { 0.0 });
                for v in 0..NV {
                    sum[r][v] = s.mul(s.load(acc.add(r * self.layout.width + v * LANES)), c);
                }
            }
            // Terms that every row has come in a run from some term on; mixed ones are done row by row.
            let mut j = some.trailing_zeros() as usize;
            let end = 64 - some.leading_zeros() as usize;
            let mut value = Value::<S, BITS, NV>::new(s, &self.codes, place, self.room.as_ptr(), spread, j);
            while j < end {
                let stop = (j + (!(all >> j)).trailing_zeros() as usize).min(end);
                while j < stop {
                    let x = value.get(s);
                    for r in 0..R {
                        let p = s.splat(*weights.add(r * BLOCK + j));
                        for v in 0..NV {
                            sum[r][v] = s.fma(p, x[v], sum[r][v]);
                        }
                    }
                    ahead.step(lines);
                    value.go_on();
                    j += 1;
                }
                if j < end {
                    if some >> j & 1 == 1 {
                        let x = value.get(s);
                        for r in 0..R {
                            if r < n && keep[r] >> j & 1 == 1 {
                                let p = s.splat(*weights.add(r * BLOCK + j));
                                for v in 0..NV {
                                    sum[r][v] = s.fma(p, x[v], sum[r][v]);
                                }
                            }
                        }
                    }
                    value.go_on();
                    j += 1;
                }
            }
            for r in 0..R {
                for v in 0..NV {
                    s.store(acc.add(r * self.layout.width + v * LANES), sum[r][v]);
                }
            }
        }
        self.ahead = ahead;
        NV
    }
}
