//! Rows of activations as the product reads them: panels of rows, k by k, in single precision, and their sums over groups.
//!
//! ```text
//! [block of 256 k][panel][k][row of the panel] f32        for bfloat16 the two elements of a pair are exchanged
//! [group][row] f32                                        sums, ascending in that order, from +0
//! ```
//!
//! Panels of up to 16 rows are transposed in registers, 16 k at a time, and of bfloat16 32, as 16 pairs; sums run along with the
//! rows in lanes, and hide behind the transpositions.

use super::block::SPAN;
use super::decode;
use super::product::{Product, takes_few};
use crate::dtype::Dtype;
use crate::elementwise::widen;
use crate::gemm::flush;
use crate::isa::Level;
use crate::simd::{self, Kernel, LANES, Simd};
use crate::transpose16::transpose16;

/// Bytes of a row that are asked for before they are read.
const AHEAD: usize = 256;

/// Groups of one row that are summed side by side.
const CHAINS: usize = 8;

/// Where packed activations lie.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    x: *mut f32,
    sums: *mut f32,
    /// Whether the activations are multiplied as [`decode::unscaled`] says: 1 or 0, for each panel of products that ask.
    scaled: *mut f32,
    m: usize,
    k: usize,
    /// Rows of a first panel that is cut off before the others are made even; 0 if there is none.
    head: usize,
    panels: usize,
}

// SAFETY: tasks write disjoint parts; afterwards it is only read.
unsafe impl Sync for Packed {}
// SAFETY: as above.
unsafe impl Send for Packed {}

impl Packed {
    /// Numbers that a product's activations take.
    pub(super) fn size(p: &Product) -> usize {
        p.m * (p.w.k + p.w.k / p.w.format.group) + LANES
    }

    /// Panels of a product in `size` numbers at `at`.
    pub(super) fn new(p: &Product, head: usize, panels: usize, at: *mut f32) -> Packed {
        let sums = at.wrapping_add(p.m * p.w.k);
        let scaled = sums.wrapping_add(p.m * (p.w.k / p.w.format.group));
        Packed { x: at, sums, scaled, m: p.m, k: p.w.k, head, panels }
    }

    /// The same of that product at another place.
    pub(super) fn at_place(&self, p: &Product, at: *mut f32) -> Packed {
        Packed::new(p, self.head, self.panels, at)
    }

    /// Start and number of a panel's rows: but for the first one of `head` rows as even as can be.
    #[inline(always)]
    pub(super) fn rows(&self, panel: usize) -> (usize, usize) {
        let cut = usize::from(self.head > 0);
        if panel < cut {
            return (0, self.head);
        }
        let (panel, panels, m) = (panel - cut, self.panels - cut, self.m - self.head);
        let (each, more) = (m / panels, m % panels);
        (self.head + panel * each + panel.min(more), each + usize::from(panel < more))
    }

    /// Panels that are packed at a time: two where their rows fit into the lanes of a vector.
    #[inline(always)]
    fn together(&self) -> usize {
        1 + usize::from(
            self.head > 0 && self.panels > 1 && self.rows(0).1.max(self.rows(1).1) + self.rows(1).1 <= LANES,
        )
    }

    /// Tasks of packing.
    pub(super) fn packs(&self) -> usize {
        self.panels.div_ceil(self.together())
    }

    /// The panel whose rows begin at `start`, `rows` of them, from element `k` on.
    #[inline(always)]
    pub(super) fn at(&self, (start, rows): (usize, usize), k: usize) -> *mut f32 {
        let block = k / SPAN * SPAN;
        let len = SPAN.min(self.k - block);
        self.x.wrapping_add(block * self.m + start * len + (k - block) * rows)
    }

    /// Whether a panel's activations were multiplied as [`decode::unscaled`] says, which is done if it changes nothing.
    ///
    /// # Safety
    /// The product has one row, or [`super::product::takes_few`] it; the panel has been packed.
    #[inline(always)]
    pub(super) unsafe fn is_scaled(&self, panel: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { *self.scaled.add(panel) != 0.0 }
    }

    /// Sums of the rows from `start` on over group `g`; those of the next group are `m` further.
    #[inline(always)]
    pub(super) fn sums(&self, start: usize, g: usize) -> *mut f32 {
        self.sums.wrapping_add(g * self.m + start)
    }
}

/// Packs one panel, or two.
pub(super) struct Pack<'a> {
    pub(super) p: &'a Product<'a>,
    pub(super) x: Packed,
    /// Which of [`Packed::packs`].
    pub(super) part: usize,
}

impl Kernel for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let each = self.x.together();
        let first = self.x.rows(each * self.part);
        let second =
            if each * self.part + 1 < self.x.panels && each == 2 { self.x.rows(each * self.part + 1).1 } else { 0 };
        // SAFETY: every row has `k` adjacent elements, and the panel has its own place.
        unsafe {
            if self.p.m == 1 {
                self.one_row(s);
            } else {
                let wanted = takes_few(S::LEVEL, self.p.m);
                let scaled = self.transposed(s, first, second, wanted);
                if wanted {
                    *self.x.scaled.add(self.part) = f32::from(u8::from(scaled));
                    if !scaled {
                        self.transposed(s, first, second, false);
                    }
                }
            }
        }
    }
}

impl Pack<'_> {
    #[inline(always)]
    unsafe fn one_row<S: Simd>(&self, _: S) {
        let (p, to) = (self.p, self.x.x);
        // SAFETY: the caller's promise; k counts pairs.
        unsafe {
            let from = p.row(0);
            match p.dtype {
                Dtype::F32 => std::ptr::copy_nonoverlapping(from.cast(), to, p.w.k),
                Dtype::F16 => widen(p.dtype, from.cast(), to, p.w.k),
                _ => {
                    for k in (0..p.w.k).step_by(2) {
                        let (a, b) = (*from.cast::<u16>().add(k), *from.cast::<u16>().add(k + 1));
                        *to.add(k) = f32::from_bits(u32::from(b) << 16);
                        *to.add(k + 1) = f32::from_bits(u32::from(a) << 16);
                    }
                }
            }
            if !p.w.biases.is_null() {
                for first in (0..p.w.k / p.w.format.group).step_by(CHAINS) {
                    self.sums_of_one(first, soft::<S>(p));
                }
            }
            *self.x.scaled = f32::from(u8::from(S::LEVEL == Level::Avx2 && self.scale()));
        }
    }

    /// What elements from a multiple of 32 on are multiplied by, in the order of k, and the bits of the least magnitude, zero
    /// aside, and of that above the greatest which stay exact (and are not flushed).
    fn factors(&self) -> ([f32; 32], i32, i32) {
        let kind = decode::kind(self.p.w.format);
        let factors = std::array::from_fn(|k| decode::unscaled(kind, k));
        let (least, most) = if factors[0] > 1.0 { (1, 246) } else { (30, 255) };
        (factors, least << 23, most << 23)
    }

    /// Multiplies by [`Pack::factors`], unless a number would no longer be exact (or flushed).
    ///
    /// # Safety
    /// The row has been packed, and its sums.
    #[inline(always)]
    unsafe fn scale(&self) -> bool {
        let p = self.p;
        // SAFETY: the packed row; k counts pairs.
        let x = unsafe { std::slice::from_raw_parts_mut(self.x.x, p.w.k) };
        let (factors, least, most) = self.factors();
        let bad = |x: &f32| {
            let magnitude = x.to_bits() as i32 & i32::MAX;
            u32::from(magnitude < least) & u32::from(magnitude != 0) | u32::from(magnitude >= most)
        };
        if x.iter().map(bad).sum::<u32>() > 0 {
            return false;
        }
        let factors: [f32; 32] = std::array::from_fn(|i| factors[i ^ usize::from(p.dtype == Dtype::BF16)]);
        for x in x.chunks_mut(32) {
            for (x, factor) in x.iter_mut().zip(factors) {
                *x *= factor;
            }
        }
        true
    }

    /// The panel of `first` rows, after it that of `second` rows (if there are any), and their sums, which run with the rows
    /// in lanes. If `scaled`, elements are multiplied by [`Pack::factors`]; returns false if one of them does not stay exact.
    #[inline(always)]
    unsafe fn transposed<S: Simd>(&self, s: S, (start, first): (usize, usize), second: usize, scaled: bool) -> bool {
        let (p, rows) = (self.p, first + second);
        let (group, pairs, soft) = (p.w.format.group, p.dtype == Dtype::BF16, soft::<S>(p));
        // Lanes beyond the last row repeat it, and are not stored.
        let row: [*const u8; LANES] = std::array::from_fn(|r| p.row(start + r.min(rows - 1)));
        let mut sum = s.splat(0.0);
        let mut factors = scaled.then(|| Factors::new(s, self.factors()));
        for g in 0..p.w.k / group {
            let (mut k, end) = (g * group, (g + 1) * group);
            while k < end {
                let mut x = [s.splat(0.0); LANES];
                let mut to = Columns {
                    first: (self.x.at((start, first), k), first),
                    second: (self.x.at((start + first, second), k), second),
                };
                let at = k * p.dtype.size();
                if pairs && k + 2 * LANES <= end {
                    for r in 0..LANES {
                        // SAFETY: the row has 32 elements from k on.
                        x[r] = unsafe { s.load(row[r].wrapping_add(at).cast()) };
                        simd::prefetch_near(row[r].wrapping_add(at + AHEAD));
                    }
                    let columns = transpose16(s, x);
                    for i in 0..LANES {
                        let bits = s.to_bits(columns[i]);
                        // The odd element is stored before the even one, and added before it.
                        let odd = s.from_bits(s.and(bits, s.splat_i(-0x1_0000)));
                        let even = s.from_bits(s.shl(bits, 16));
                        // SAFETY: the panels have so many elements for each k.
                        unsafe {
                            to.put(s, times(s, &mut factors, k + 2 * i + 1, odd));
                            to.put(s, times(s, &mut factors, k + 2 * i, even));
                        }
                        sum = add(s, soft, add(s, soft, sum, odd), even);
                    }
                    k += 2 * LANES;
                    continue;
                }
                for r in 0..LANES {
                    // SAFETY: the row has 16 elements from k on: groups are multiples of 16.
                    x[r] = unsafe {
                        match p.dtype {
                            Dtype::F32 => s.load(row[r].wrapping_add(at).cast()),
                            Dtype::F16 => s.load_f16(row[r].wrapping_add(at).cast()),
                            _ => s.load_bf16(row[r].wrapping_add(at).cast()),
                        }
                    };
                }
                let columns = transpose16(s, x);
                for i in 0..LANES {
                    let x = columns[i ^ usize::from(pairs)];
                    // SAFETY: as above.
                    unsafe { to.put(s, times(s, &mut factors, k + (i ^ usize::from(pairs)), x)) };
                    sum = add(s, soft, sum, x);
                }
                k += LANES;
            }
            if !p.w.biases.is_null() {
                // SAFETY: the sums have a place for each group.
                unsafe { s.store_n(self.x.sums(start, g), sum, rows) };
            }
            sum = s.splat(0.0);
        }
        factors.is_none_or(|f| !s.any(f.lost))
    }

    /// Sums of some groups of one row, the chains side by side.
    #[inline(always)]
    unsafe fn sums_of_one(&self, first: usize, soft: bool) {
        let group = self.p.w.format.group;
        let last = self.p.w.k / group - 1;
        let mut sum = [0f32; CHAINS];
        // Groups beyond the last are the last again.
        let from: [*mut f32; CHAINS] = std::array::from_fn(|i| self.x.at((0, 1), (first + i).min(last) * group));
        for j in 0..group {
            for i in 0..CHAINS {
                // SAFETY: the row has these elements.
                let x = unsafe { *from[i].add(j) };
                sum[i] = if soft { flush::add(sum[i], x) } else { sum[i] + x };
            }
        }
        for i in 0..CHAINS {
            // SAFETY: the sums have a place for each group.
            unsafe { *self.x.sums(0, (first + i).min(last)) = sum[i] };
        }
    }
}

/// [`Pack::factors`], and which lanes have met a number that does not stay exact.
struct Factors<S: Simd> {
    factors: [f32; 32],
    least: i32,
    most: i32,
    lost: S::M,
}

impl<S: Simd> Factors<S> {
    #[inline(always)]
    fn new(s: S, (factors, least, most): ([f32; 32], i32, i32)) -> Self {
        Factors { factors, least, most, lost: s.mask_from_bits(0) }
    }
}

/// Element k of some rows times its factor, if there are factors.
#[inline(always)]
fn times<S: Simd>(s: S, factors: &mut Option<Factors<S>>, k: usize, x: S::F) -> S::F {
    let Some(f) = factors else { return x };
    let magnitude = s.and(s.to_bits(x), s.splat_i(i32::MAX));
    let small = s.and_m(s.gt_i(s.splat_i(f.least), magnitude), s.gt_i(magnitude, s.splat_i(0)));
    f.lost = s.or_m(f.lost, s.or_m(small, s.gt_i(magnitude, s.splat_i(f.most - 1))));
    s.mul(x, s.splat(f.factors[k % 32]))
}

/// Where the next column of one panel goes, or of two: places and rows.
struct Columns {
    first: (*mut f32, usize),
    second: (*mut f32, usize),
}

impl Columns {
    /// Stores a column.
    ///
    /// # Safety
    /// The places are valid for it.
    #[inline(always)]
    unsafe fn put<S: Simd>(&mut self, s: S, x: S::F) {
        let ((first, rows), (second, more)) = (self.first, self.second);
        // SAFETY: the caller's promise.
        unsafe {
            s.store_n(first, x, rows);
            if more > 0 {
                s.store_lanes(second, x, rows, more);
            }
        }
        (self.first.0, self.second.0) = (first.wrapping_add(rows), second.wrapping_add(more));
    }
}

/// Whether sums must flush in software: at the level that has no mode for it.
fn soft<S: Simd>(p: &Product) -> bool {
    p.dtype == Dtype::BF16 && S::LEVEL == Level::Scalar
}

/// `a + b`, flushed in software if `soft`.
#[inline(always)]
fn add<S: Simd>(s: S, soft: bool, a: S::F, b: S::F) -> S::F {
    if soft { soft_add(s, a, b) } else { s.add(a, b) }
}

/// The flushing addition of the level without a mode for it.
#[inline(never)]
fn soft_add<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    let (a, b) = (s.to_array(a), s.to_array(b));
    s.from_array(std::array::from_fn(|i| flush::add(a[i], b[i])))
}
