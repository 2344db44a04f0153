//! Rotary position embedding and its inverse on rows `[batch, heads, length, head_dim]`.
//!
//! The first `dims` elements of a row are `dims / 2` pairs, each turned by an angle; the others pass through bit for bit.
//! In the traditional layout a pair is two neighbours, otherwise element `i` and element `i + dims / 2`.
//!
//! ```text
//! inv[i]  = exp(-i · c), c = ln(base) / (dims / 2) rounded from f64;   with explicit frequencies: 1 / freqs[i]
//! theta   = ((offset + position) as f32 · scale) · inv[i]
//! a', b'  = a·cos - b·sin, a·sin + b·cos          inverse: a·cos + b·sin, b·cos - a·sin
//! ```
//!
//! Every operation is rounded to f32 by itself, as in a composition of array operations; half precision is widened
//! before and rounded once after. f64 rows do the same in f64. An angle of `t` is known to `t / 2^24` only, as in MLX.
//! The inverse is the transposed rotation, which is also the gradient.
//!
//! Sines and cosines are computed once per position and call, for all heads (and for all of the batch, if it shares one
//! offset). Known cost: a memory-bound pass over the rows.

use crate::attention::Operand;
use crate::disjoint::Disjoint;
use crate::float_lanes::FloatLanes;
use crate::isa;
use crate::math;
use crate::par;
use crate::simd::{Kernel, Simd, dispatch_at};
use half::{bf16, f16};

/// Elements that one task turns.
const PER_TASK: usize = 1 << 15;

/// Where the angles come from.
#[derive(Clone, Copy, Debug)]
pub enum Frequencies<'a> {
    /// Geometric from 1 with this base.
    Base(f32),
    /// `dims / 2` wavelengths: the angle of a position is `position / freqs[i]`.
    Explicit(&'a [f32]),
}

/// A call's sizes and angles.
#[derive(Clone, Copy, Debug)]
pub struct RopeSpec<'a> {
    /// Independent sequences.
    pub batch: usize,
    /// Heads, which share positions.
    pub heads: usize,
    /// Positions.
    pub len: usize,
    /// Elements of a row.
    pub head_dim: usize,
    /// Elements of a row that are turned, from the first.
    pub dims: usize,
    /// Pairs of neighbours instead of pairs half a row apart.
    pub traditional: bool,
    /// The frequencies.
    pub frequencies: Frequencies<'a>,
    /// The factor on positions.
    pub scale: f32,
    /// The position of the first row: one for all, or one per sequence.
    pub offsets: &'a [i64],
    /// Whether to turn back.
    pub inverse: bool,
}

/// A float type whose rows can be turned.
pub trait RopeElement: Copy + Send + Sync + 'static {
    #[doc(hidden)]
    fn run(spec: &RopeSpec, x: Operand<Self>, out: &mut [Self]);
}

/// Turns the rows of `x` (any strides) into the contiguous `out` `[batch, heads, len, head_dim]`.
///
/// # Panics
/// If an operand is too short for the sizes, `dims` exceeds `head_dim`, or there are neither one offset nor one per sequence.
pub fn rope<T: RopeElement>(spec: &RopeSpec, x: Operand<T>, out: &mut [T]) {
    let s = spec;
    assert_eq!(out.len(), s.batch * s.heads * s.len * s.head_dim, "rope: output size");
    assert!(s.dims <= s.head_dim, "rope: {} of {} elements", s.dims, s.head_dim);
    assert!(s.offsets.len() == 1 || s.offsets.len() == s.batch, "rope: one offset, or one per sequence");
    if let Frequencies::Explicit(f) = s.frequencies {
        assert_eq!(f.len(), s.dims / 2, "rope: one frequency per pair");
    }
    if out.is_empty() {
        return;
    }
    x.check(&[s.batch, s.heads, s.len], s.head_dim, "rope: the rows");
    T::run(spec, x, out);
}

/// Cosines and sines of the pairs, for every position, `2 * padded` numbers each.
struct Table<A> {
    values: Vec<A>,
    padded: usize,
}

impl RopeSpec<'_> {
    /// The position of table row `row`: rows are positions, or (sequence, position) where offsets differ.
    fn position(&self, row: usize) -> i64 {
        self.offsets[if self.offsets.len() == 1 { 0 } else { row / self.len }] + (row % self.len) as i64
    }

    fn table_rows(&self) -> usize {
        if self.offsets.len() == 1 { self.len } else { self.batch * self.len }
    }

    fn table_row(&self, batch: usize, position: usize) -> usize {
        if self.offsets.len() == 1 { position } else { batch * self.len + position }
    }
}

struct Angles<'a> {
    spec: &'a RopeSpec<'a>,
    inverse_frequencies: &'a [f32],
    rows: std::ops::Range<usize>,
    to: &'a mut [f32],
}

impl Kernel for Angles<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let padded = self.inverse_frequencies.len();
        for (row, to) in self.rows.zip(self.to.chunks_exact_mut(2 * padded)) {
            let position = s.splat(self.spec.position(row) as f32 * self.spec.scale);
            for i in (0..padded).step_by(16) {
                // SAFETY: `padded` is a multiple of 16; `to` has twice as many elements.
                unsafe {
                    let theta = s.mul(position, s.load(self.inverse_frequencies.as_ptr().add(i)));
                    s.store(to.as_mut_ptr().add(i), math::cos(s, theta));
                    s.store(to.as_mut_ptr().add(padded + i), math::sin(s, theta));
                }
            }
        }
    }
}

struct InverseFrequencies<'a>(&'a mut [f32], f32);

impl Kernel for InverseFrequencies<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (v, to) in self.0.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut index = [0f32; 16];
            for (i, x) in index.iter_mut().enumerate() {
                *x = -((16 * v + i) as f32);
            }
            *to = s.to_array(math::exp(s, s.mul(s.from_array(index), s.splat(self.1))));
        }
    }
}

fn table(spec: &RopeSpec, level: isa::Level) -> Table<f32> {
    let half = spec.dims / 2;
    let padded = half.next_multiple_of(16);
    if half == 0 {
        return Table { values: Vec::new(), padded };
    }
    let mut inverse = vec![0f32; padded];
    match spec.frequencies {
        Frequencies::Base(base) => {
            let c = (libm::log(base as f64) / half as f64) as f32;
            dispatch_at(level, InverseFrequencies(&mut inverse, c));
        }
        Frequencies::Explicit(f) => inverse.iter_mut().zip(f).for_each(|(i, f)| *i = 1.0 / f),
    }
    let rows = spec.table_rows();
    let mut values = vec![0f32; rows * 2 * padded];
    let group = (PER_TASK / 16 / padded).max(1);
    let shared = Disjoint::new(&mut values);
    par::run(rows.div_ceil(group), |t| {
        let range = t * group..((t + 1) * group).min(rows);
        // SAFETY: every row belongs to one task.
        let to = unsafe { shared.slice(range.start * 2 * padded, range.len() * 2 * padded) };
        dispatch_at(level, Angles { spec, inverse_frequencies: &inverse, rows: range, to });
    });
    Table { values, padded }
}

/// The rows of some (batch, head) pairs and positions.
struct Turn<'a, T> {
    spec: &'a RopeSpec<'a>,
    table: &'a Table<f32>,
    x: Operand<'a, T>,
    rows: std::ops::Range<usize>,
    out: &'a mut [T],
}

/// The rotation of 16 pairs.
#[inline(always)]
fn turn<S: Simd>(s: S, a: S::F, b: S::F, cos: S::F, sin: S::F, inverse: bool) -> (S::F, S::F) {
    if inverse {
        (s.add(s.mul(a, cos), s.mul(b, sin)), s.sub(s.mul(b, cos), s.mul(a, sin)))
    } else {
        (s.sub(s.mul(a, cos), s.mul(b, sin)), s.add(s.mul(a, sin), s.mul(b, cos)))
    }
}

impl<T: FloatLanes> Kernel for Turn<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Turn { spec, table, x, rows, out } = self;
        let (half, dim) = (spec.dims / 2, spec.head_dim);
        for (row, out) in rows.zip(out.chunks_exact_mut(dim)) {
            let (pair, position) = (row / spec.len, row % spec.len);
            let (batch, head) = (pair / spec.heads, pair % spec.heads);
            let at = spec.table_row(batch, position) * 2 * table.padded;
            let table_row = &table.values[at..at + 2 * table.padded];
            let from = x.row(batch, head, position);
            let to = out.as_mut_ptr();
            let mut i = 0;
            // SAFETY: `rope` checked that the row has `dim` elements, `2 * half <= dim`; the table's rows are padded.
            unsafe {
                while i < half {
                    let n = (half - i).min(16);
                    let cos = s.load(table_row.as_ptr().add(i));
                    let sin = s.load(table_row.as_ptr().add(table.padded + i));
                    if spec.traditional {
                        let (low, high) = ((2 * n).min(16), (2 * n).saturating_sub(16));
                        let first = T::load_n(s, from.add(2 * i), low);
                        let second = T::load_n(s, from.wrapping_add(2 * i + 16), high);
                        let (a, b) = s.deinterleave(first, second);
                        let (a, b) = turn(s, a, b, cos, sin, spec.inverse);
                        let (first, second) = s.interleave(a, b);
                        T::store_n(s, to.add(2 * i), first, low);
                        T::store_n(s, to.wrapping_add(2 * i + 16), second, high);
                    } else if n == 16 {
                        let (a, b) = (T::load(s, from.add(i)), T::load(s, from.add(half + i)));
                        let (a, b) = turn(s, a, b, cos, sin, spec.inverse);
                        T::store(s, to.add(i), a);
                        T::store(s, to.add(half + i), b);
                    } else {
                        let (a, b) = (T::load_n(s, from.add(i), n), T::load_n(s, from.add(half + i), n));
                        let (a, b) = turn(s, a, b, cos, sin, spec.inverse);
                        T::store_n(s, to.add(i), a, n);
                        T::store_n(s, to.add(half + i), b, n);
                    }
                    i += 16;
                }
                std::ptr::copy_nonoverlapping(from.wrapping_add(2 * half), to.wrapping_add(2 * half), dim - 2 * half);
            }
        }
    }
}

fn run<T: FloatLanes>(spec: &RopeSpec, x: Operand<T>, out: &mut [T]) {
    let level = isa::level();
    let table = table(spec, level);
    let rows = spec.batch * spec.heads * spec.len;
    let group = (PER_TASK / spec.head_dim).max(1);
    let shared = Disjoint::new(out);
    par::run(rows.div_ceil(group), |t| {
        let range = t * group..((t + 1) * group).min(rows);
        // SAFETY: every row belongs to one task.
        let out = unsafe { shared.slice(range.start * spec.head_dim, range.len() * spec.head_dim) };
        dispatch_at(level, Turn { spec, table: &table, x, rows: range, out });
    });
}

macro_rules! rope_element {
    ($($t:ty)*) => {$(
        impl RopeElement for $t {
            fn run(spec: &RopeSpec, x: Operand<Self>, out: &mut [Self]) {
                run(spec, x, out)
            }
        }
    )*};
}
rope_element!(f32 f16 bf16);

impl RopeElement for f64 {
    fn run(spec: &RopeSpec, x: Operand<f64>, out: &mut [f64]) {
        let half = spec.dims / 2;
        let inverse: Vec<f64> = match spec.frequencies {
            Frequencies::Base(base) => {
                let c = libm::log(base as f64) / half as f64;
                (0..half).map(|i| libm::exp(-(i as f64) * c)).collect()
            }
            Frequencies::Explicit(f) => f.iter().map(|&f| 1.0 / f as f64).collect(),
        };
        let rows = spec.table_rows();
        let mut table = vec![(0f64, 0f64); rows * half];
        let shared = Disjoint::new(&mut table);
        par::run(rows, |r| {
            let position = spec.position(r) as f64 * spec.scale as f64;
            // SAFETY: every row belongs to one task.
            for (t, f) in unsafe { shared.slice(r * half, half) }.iter_mut().zip(&inverse) {
                *t = (libm::cos(position * f), libm::sin(position * f));
            }
        });
        let dim = spec.head_dim;
        let shared = Disjoint::new(out);
        par::run(spec.batch * spec.heads, |pair| {
            let (batch, head) = (pair / spec.heads, pair % spec.heads);
            for position in 0..spec.len {
                // SAFETY: every row belongs to one task; `rope` checked that `x` has it.
                let (to, from) = unsafe {
                    let from = std::slice::from_raw_parts(x.row(batch, head, position), dim);
                    (shared.slice((pair * spec.len + position) * dim, dim), from)
                };
                to.copy_from_slice(from);
                let row = spec.table_row(batch, position) * half;
                for (i, &(cos, sin)) in table[row..row + half].iter().enumerate() {
                    let (p, q) = if spec.traditional { (2 * i, 2 * i + 1) } else { (i, i + half) };
                    let (a, b) = (from[p], from[q]);
                    let sin = if spec.inverse { -sin } else { sin };
                    (to[p], to[q]) = (a * cos - b * sin, a * sin + b * cos);
                }
            }
        });
    }
}

#[cfg(feature = "self-test")]
mod tests;
