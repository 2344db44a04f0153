//! Activations as bytes: panels of rows, 16 k at a time.
//!
//! ```text
//! [panel][k / 16][row] 16 bytes          in the order of `codes::place`
//! [panel][k / run][row] f32              scales of runs
//! [panel][group][row] f32                with biases: the groups' sums
//! or [panel][k / run][row] i32           for E2M1: where a run's sum starts
//! ```

use super::codes;
use super::span;
use crate::dtype::Dtype;
use crate::quant::product::Product;
use crate::quant::{Codes, Format};
use crate::simd::{Kernel, LANES, Simd};

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
    pub(super) fn size(p: &Product) -> usize {
        p.m * (p.w.k / 4 + 2 * (p.w.k / span(p.w.format)))
    }

    /// The activations of a product in [`Rounded::size`] numbers at `at`.
    pub(super) fn new(p: &Product, panels: usize, at: *mut f32) -> Rounded {
        let Format { group, codes, .. } = p.w.format;
        let (m, k, span) = (p.m, p.w.k, span(p.w.format));
        let d = at.wrapping_add(m * k / 4);
        let sums = d.wrapping_add(m * (k / span));
        Rounded { q: at.cast(), d, sums, m, k, group, span, offset: codes == Codes::E2m1, panels }
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
            q: self.q.wrapping_add(at(PIECE) * WORDS),
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
        let (p, x) = (self.p, self.x);
        let (start, rows) = x.rows(self.panel);
        let to = x.from(self.panel, 0);
        let order = order(s, p.w.format.bits);
        // E2M1 codes are twice their values.
        let unit = if x.offset { 0.5 } else { 1.0 };
        for r in 0..rows {
            let from = p.row(start + r);
            for g in 0..x.k / x.group {
                let mut xsum = 0f32;
                for run in g * x.group / x.span..(g + 1) * x.group / x.span {
                    let at = run * rows + r;
                    let to_q = to.q.cast_mut().wrapping_add((run * x.span / PIECE * rows + r) * WORDS);
                    // SAFETY: the row has a run's elements from here on, and a place of its own.
                    unsafe {
                        let from = from.wrapping_add(run * x.span * p.dtype.size());
                        let (sum, d) = round(s, p.dtype, from, x.span, order, to_q.cast(), rows * PIECE);
                        *to.d.cast_mut().wrapping_add(at) = unit * d;
                        if x.offset {
                            *to.starts.cast_mut().wrapping_add(at) = -codes::OFFSET * sum as i32;
                        }
                        xsum = d.mul_add(sum, xsum);
                    }
                }
                if !x.offset {
                    // SAFETY: as above.
                    unsafe { *to.sums.cast_mut().wrapping_add(g * rows + r) = xsum };
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

/// Writes a run of activations as bytes, `step` bytes from piece to piece; their sum, which is exact, and their scale.
///
/// # Safety
/// `from` is valid for `span` elements, `to` has room for the pieces.
#[inline(always)]
unsafe fn round<S: Simd>(
    s: S,
    dtype: Dtype,
    from: *const u8,
    span: usize,
    order: S::I,
    to: *mut i8,
    step: usize,
) -> (f32, f32) {
    // SAFETY: the caller's promise.
    let x = unsafe {
        let second = if span > PIECE { load(s, dtype, from.wrapping_add(LANES * dtype.size())) } else { s.splat(0.0) };
        [load(s, dtype, from), second]
    };
    let a = s.maximum(s.abs(x[0]), s.abs(x[1]));
    let (most, nan) = (s.reduce_max(a), s.any(s.is_nan(a)));
    let (inverse, d) = match () {
        () if nan || most == f32::INFINITY => (0.0, f32::NAN),
        () if most < f32::from_bits((127 - 100) << 23) => (0.0, 0.0),
        () => (127.0 / most, most / 127.0),
    };
    let mut sum = s.splat(0.0);
    for i in 0..span / PIECE {
        let scaled = if inverse == 0.0 { s.splat(0.0) } else { s.mul(x[i], s.splat(inverse)) };
        let q = s.to_i32(s.lookup16(scaled, order));
        // SAFETY: the caller's promise.
        unsafe { s.store_bytes(to.wrapping_add(i * step), q) };
        sum = s.add(sum, s.from_i32(q));
    }
    (s.reduce_add(sum), d)
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
