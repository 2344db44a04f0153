//! Activations as bytes: panels of rows, 16 k at a time.
//!
//! ```text
//! [panel][k / 16][row] 16 bytes          in the order of `codes::place`; or twice as many, the low digits and the high ones
//! [panel][k / run][row] f32              scales of runs
//! [panel][group][row] f32                with biases: the groups' sums
//! or [panel][k / run][row] i32           for E2M1: where a run's sum starts
//! ```
//!
//! Sixteen runs at a time: their largest magnitudes are found with one tree of shuffles, and so are their sums.

use super::codes;
use super::span;
use crate::dtype::Dtype;
use crate::isa::Level;
use crate::quant::product::Product;
use crate::quant::{Codes, Format};
use crate::simd::{self, Kernel, LANES, Simd};

/// Elements of a row that lie together.
pub(super) const PIECE: usize = 16;
/// 32-bit numbers of a piece.
pub(super) const WORDS: usize = PIECE / 4;

/// Where the rounded activations of a product lie.
#[derive(Clone, Copy)]
pub(super) struct Rounded {
    q: *mut i32,
    d: *mut f32,
    /// Sums of groups, or starts of runs.
    sums: *mut f32,
    m: usize,
    k: usize,
    group: usize,
    /// Elements of a run.
    pub(super) span: usize,
    /// Whether codes have an offset.
    offset: bool,
    /// Bytes of an activation: 1, or 2 where they are written in two digits (`pairs.rs`).
    digits: usize,
    /// Panels of rows.
    pub(super) panels: usize,
}

// SAFETY: tasks write disjoint rows; afterwards it is only read.
unsafe impl Sync for Rounded {}
// SAFETY: as above.
unsafe impl Send for Rounded {}

/// A panel's operands from some k on.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) q: *const i32,
    pub(super) d: *const f32,
    /// Sums of the groups; null if codes have an offset.
    pub(super) sums: *const f32,
    /// Where the runs' sums start; null if codes have no offset.
    pub(super) starts: *const i32,
}

impl Rounded {
    /// Numbers that a product's activations take.
    pub(super) fn size(p: &Product, digits: usize) -> usize {
        p.m * (digits * (p.w.k / 4) + 2 * (p.w.k / span(p.w.format)))
    }

    /// The activations of a product in [`Rounded::size`] numbers at `at`.
    pub(super) fn new(p: &Product, panels: usize, digits: usize, at: *mut f32) -> Rounded {
        let Format { group, codes, .. } = p.w.format;
        let (m, k, span) = (p.m, p.w.k, span(p.w.format));
        let d = at.wrapping_add(digits * (m * k / 4));
        let sums = d.wrapping_add(m * (k / span));
        Rounded { q: at.cast(), d, sums, m, k, group, span, offset: codes == Codes::E2m1, digits, panels }
    }

    /// The same of that product at another place.
    pub(super) fn at_place(&self, p: &Product, at: *mut f32) -> Rounded {
        Rounded::new(p, self.panels, self.digits, at)
    }

    /// Start and number of a panel's rows: as even as can be.
    #[inline(always)]
    pub(super) fn rows(&self, panel: usize) -> (usize, usize) {
        let (each, more) = (self.m / self.panels, self.m % self.panels);
        (panel * each + panel.min(more), each + usize::from(panel < more))
    }

    /// A panel's operands from element `k`, the start of a group, on.
    #[inline(always)]
    pub(super) fn from(&self, panel: usize, k: usize) -> Operands {
        let (start, rows) = self.rows(panel);
        let at = |per: usize| start * (self.k / per) + k / per * rows;
        let (sums, starts) = (self.sums.wrapping_add(at(self.group)), self.sums.wrapping_add(at(self.span)));
        Operands {
            q: self.q.wrapping_add(at(PIECE) * WORDS * self.digits),
            d: self.d.wrapping_add(at(self.span)),
            sums: if self.offset { std::ptr::null() } else { sums },
            starts: if self.offset { starts.cast() } else { std::ptr::null() },
        }
    }
}

/// Rounds the rows of one panel.
pub(super) struct Pack<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) x: Rounded,
    pub(super) panel: usize,
}

impl Kernel for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.x.span / PIECE {
            1 => self.rows::<S, 1>(s),
            _ => self.rows::<S, 2>(s),
        }
    }
}

impl Pack<'_> {
    /// All rows, runs of so many pieces.
    #[inline(always)]
    fn rows<S: Simd, const PIECES: usize>(self, s: S) {
        let (p, x) = (self.p, self.x);
        let span = PIECES * PIECE;
        let (start, rows) = x.rows(self.panel);
        let to = x.from(self.panel, 0);
        let order = order(s, p.w.format.bits);
        // E2M1 codes are twice their values.
        let unit = if x.offset { 0.5 } else { 1.0 };
        for r in 0..rows {
            let (from, next) = (p.row(start + r), p.row((start + r + 1).min(p.m - 1)));
            let runs = x.k / span;
            let mut xsum = 0f32;
            for first in (0..runs).step_by(LANES) {
                let count = LANES.min(runs - first);
                let at = first * span * p.dtype.size();
                let from = from.wrapping_add(at);
                // Gathered rows lie anywhere.
                simd::prefetch_far(next.wrapping_add(at), count * span * p.dtype.size());
                let to_q = to.q.cast_mut().wrapping_add((first * PIECES * rows + r) * WORDS * x.digits);
                let (to_q, step) = (to_q.cast(), rows * PIECE * x.digits);
                // SAFETY: the row has these runs' elements, and a place of its own.
                let (sums, d) = unsafe { round::<S, PIECES>(s, p.dtype, from, count, order, to_q, step, x.digits) };
                for i in 0..count {
                    let run = first + i;
                    // SAFETY: as above.
                    unsafe { *to.d.cast_mut().wrapping_add(run * rows + r) = unit * d[i] };
                    if x.offset {
                        // SAFETY: as above.
                        unsafe { *to.starts.cast_mut().wrapping_add(run * rows + r) = -codes::OFFSET * sums[i] as i32 };
                        continue;
                    }
                    xsum = d[i].mul_add(sums[i], xsum);
                    let after = (run + 1) * span;
                    if after.is_multiple_of(x.group) {
                        // SAFETY: as above.
                        unsafe { *to.sums.cast_mut().wrapping_add((after / x.group - 1) * rows + r) = xsum };
                        xsum = 0.0;
                    }
                }
            }
        }
    }
}

/// The order of a piece's elements.
#[inline(always)]
fn order<S: Simd>(s: S, bits: usize) -> S::I {
    s.from_array_i(std::array::from_fn(|i| codes::place(bits, i) as i32))
}

/// Writes up to 16 runs of activations as bytes, `step` bytes from piece to piece; the sums of each, which are exact, and the
/// scales.
///
/// # Safety
/// `from` is valid for `count` runs of so many pieces, `to` has room for the pieces.
#[allow(clippy::too_many_arguments, reason = "everything is in registers")]
#[inline(always)]
unsafe fn round<S: Simd, const PIECES: usize>(
    s: S,
    dtype: Dtype,
    from: *const u8,
    count: usize,
    order: S::I,
    to: *mut i8,
    step: usize,
    digits: usize,
) -> ([f32; LANES], [f32; LANES]) {
    let run = |i: usize| from.wrapping_add(i * PIECES * PIECE * dtype.size());
    let mut most = [s.splat(0.0); LANES];
    let mut odd = s.splat_i(0);
    for i in 0..count {
        // SAFETY: the caller's promise.
        let x = unsafe { load_run::<S, PIECES>(s, dtype, run(i)) };
        let x = [s.abs(x[0]), s.abs(x[1])];
        most[i] = s.max(x[0], x[1]);
        // The sign of a number that is not finite.
        let next = s.splat_i(1 << 23);
        odd = s.or(odd, s.or(s.add_i(s.to_bits(x[0]), next), s.add_i(s.to_bits(x[1]), next)));
    }
    let finite = !s.any(s.gt_i(s.splat_i(0), odd));
    let most = across(
        s,
        most,
        #[inline(always)]
        |a, b| s.max(a, b),
    );
    let small = s.lt(most, s.splat(f32::from_bits((127 - 100) << 23)));
    let zero = s.splat(0.0);
    let mut inverse = s.to_array(s.select(small, zero, s.div(s.splat(127.0), most)));
    let mut d = s.to_array(s.select(small, zero, s.div(most, s.splat(127.0))));
    if !finite {
        for i in 0..count {
            // SAFETY: the caller's promise.
            let x = unsafe { load_run::<S, PIECES>(s, dtype, run(i)) };
            let x = s.maximum(s.abs(x[0]), s.abs(x[1]));
            // A NaN, too.
            if !(s.reduce_max(x) < f32::INFINITY) || s.any(s.is_nan(x)) {
                (inverse[i], d[i]) = (0.0, f32::NAN);
            }
        }
    }
    let mut sums = [zero; LANES];
    for i in 0..count {
        // SAFETY: the caller's promise.
        let mut x = unsafe { load_run::<S, PIECES>(s, dtype, run(i)) };
        if !finite && inverse[i] == 0.0 {
            x = [zero; 2];
        }
        let mut sum = s.splat_i(0);
        for piece in 0..PIECES {
            let q = s.to_i32(s.lookup16(s.mul(x[piece], s.splat(inverse[i])), order));
            let to = to.wrapping_add((i * PIECES + piece) * step);
            if S::LEVEL == Level::Avx2 && digits == 2 {
                let high = s.sar(s.add_i(q, s.splat_i(8)), 4);
                // SAFETY: the caller's promise; the place of a row has both.
                unsafe {
                    s.store_bytes(to, s.sub_i(q, s.shl(high, 4)));
                    s.store_bytes(to.wrapping_add(PIECE), high);
                }
            } else {
                // SAFETY: the caller's promise.
                unsafe { s.store_bytes(to, q) };
            }
            sum = s.add_i(sum, q);
        }
        sums[i] = s.from_bits(sum);
    }
    let sums = across(
        s,
        sums,
        #[inline(always)]
        |a, b| s.from_bits(s.add_i(s.to_bits(a), s.to_bits(b))),
    );
    (s.to_array(s.from_i32(s.to_bits(sums))), d)
}

/// Lane `i` is what `of` makes of the lanes of vector `i`.
#[inline(always)]
fn across<S: Simd>(s: S, x: [S::F; LANES], of: impl Fn(S::F, S::F) -> S::F) -> S::F {
    let mut x = x;
    // Each round makes one vector of two, and moves one bit of a vector's number into the lane.
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            let (a, b) = s.interleave(x[i], x[i + half]);
            x[i] = of(a, b);
        }
    }
    x[0]
}

/// The two vectors of a run, of which the second is zero if the run has one.
///
/// # Safety
/// `from` is valid for the run.
#[inline(always)]
unsafe fn load_run<S: Simd, const PIECES: usize>(s: S, dtype: Dtype, from: *const u8) -> [S::F; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let second = if PIECES > 1 { load(s, dtype, from.wrapping_add(LANES * dtype.size())) } else { s.splat(0.0) };
        [load(s, dtype, from), second]
    }
}

/// 16 activations in single precision.
///
/// # Safety
/// `from` is valid for as many elements.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, dtype: Dtype, from: *const u8) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => s.load(from.cast()),
            Dtype::F16 => s.load_f16(from.cast()),
            _ => s.load_bf16(from.cast()),
        }
    }
}
