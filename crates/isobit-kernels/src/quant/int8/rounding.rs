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
/// Elements of a run at most.
const SPAN: usize = 32;
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
                    // SAFETY: the row has a run's elements from here on, and a place of its own.
                    unsafe {
                        let (q, d) = rounded(s, p.dtype, from.wrapping_add(run * x.span * p.dtype.size()), x.span);
                        let sum: i32 = q.iter().sum();
                        store(
                            s,
                            &q,
                            order,
                            x.span,
                            rows,
                            to.q.cast_mut().wrapping_add(run * x.span / PIECE * rows * WORDS + r * WORDS),
                        );
                        *to.d.cast_mut().wrapping_add(at) = unit * d;
                        if x.offset {
                            *to.starts.cast_mut().wrapping_add(at) = -codes::OFFSET * sum;
                        }
                        xsum = d.mul_add(sum as f32, xsum);
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

/// The order of the bytes, for [`Simd::shuffle_bytes`].
#[inline(always)]
fn order<S: Simd>(s: S, bits: usize) -> S::I {
    let at = |lane: usize, b: usize| (codes::place(bits, lane % WORDS * 4 + b) as i32) << (8 * b);
    s.from_array_i(std::array::from_fn(|lane| (0..4).fold(0, |word, b| word | at(lane, b))))
}

/// Writes a run's bytes, `rows` pieces apart.
///
/// # Safety
/// `to` has room for the pieces.
#[inline(always)]
unsafe fn store<S: Simd>(s: S, q: &[i32; SPAN], order: S::I, span: usize, rows: usize, to: *mut i32) {
    let bytes: [i8; SPAN] = std::array::from_fn(|k| q[k] as i8);
    let mut words = [0; LANES];
    for (word, b) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = i32::from_le_bytes([b[0] as u8, b[1] as u8, b[2] as u8, b[3] as u8]);
    }
    let words = s.to_array_i(s.shuffle_bytes(s.from_array_i(words), order));
    for i in 0..span / PIECE {
        // SAFETY: the caller's promise.
        unsafe {
            to.add(i * rows * WORDS)
                .cast::<[i32; WORDS]>()
                .write_unaligned(std::array::from_fn(|w| words[i * WORDS + w]))
        };
    }
}

/// A run of activations as integers (zeros beyond it), and its scale.
///
/// # Safety
/// `from` is valid for `span` elements.
#[inline(always)]
unsafe fn rounded<S: Simd>(s: S, dtype: Dtype, from: *const u8, span: usize) -> ([i32; SPAN], f32) {
    // SAFETY: the caller's promise.
    let x = unsafe {
        let second = if span == SPAN { load(s, dtype, from.wrapping_add(LANES * dtype.size())) } else { s.splat(0.0) };
        [load(s, dtype, from), second]
    };
    let a = s.maximum(s.abs(x[0]), s.abs(x[1]));
    let (most, nan) = (s.reduce_max(a), s.any(s.is_nan(a)));
    let mut q = [0; SPAN];
    if nan || most == f32::INFINITY {
        return (q, f32::NAN);
    }
    if most < f32::from_bits((127 - 100) << 23) {
        return (q, 0.0);
    }
    let inverse = s.splat(127.0 / most);
    for i in 0..2 {
        // SAFETY: the array has two vectors.
        unsafe { s.store_i(q.as_mut_ptr().add(i * LANES), s.to_i32(s.mul(x[i], inverse))) };
    }
    (q, most / 127.0)
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
