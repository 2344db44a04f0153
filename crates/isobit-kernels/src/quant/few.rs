//! Seven or eight rows with AVX2, codes straight from the words.
//!
//! ```text
//! for groups: for either half of a strip (8 columns):
//!     acc[row] = 0; for k: { q = codes of k; acc[row] = fma(x[k][row], q, acc[row]) }
//!     total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//! ```
//!
//! Two tiles of four rows by 16 columns have eight chains of fused steps, as one of eight rows by 8 columns has, which is as
//! many as are under way at a time. But here a code is decoded once, while chains wait, and is never stored.
//!
//! Cost per vector of codes: 8 fused steps and 1 (8 bits) or 1.5 instructions (4 bits) on the same two ports.

use super::Format;
use super::activations::Packed;
use super::block::{self, Layout};
use super::decode::{Words, decode, with_kind};
use crate::simd::avx2::{Avx2, F2};
use crate::simd::{self, LANES};
use std::arch::x86_64::*;

/// Whether a product of so many rows with AVX2 is one for this kernel.
pub(super) fn takes(m: usize) -> bool {
    matches!(m, 7 | 8)
}

/// All rows of a product times one strip.
pub(super) struct Few {
    pub(super) format: Format,
    pub(super) biases: bool,
    /// Whether the elements of a pair are exchanged.
    pub(super) other: bool,
    pub(super) layout: Layout,
    pub(super) strip: *const i32,
    /// From this strip to the next one to read, in bytes.
    pub(super) next: isize,
    pub(super) x: Packed,
    /// `[row][16]`, written if there is a group.
    pub(super) totals: *mut f32,
}

impl Few {
    /// Computes the totals of `m` rows.
    ///
    /// # Safety
    /// The machine has AVX2, FMA and F16C; [`takes`] says yes to `m`; the strip's blocks, the packed activations of `m` rows and
    /// the totals exist.
    pub(super) unsafe fn run(&self, m: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            with_kind!(self.format, KIND => match (m, self.other) {
                (7, false) => strip::<7, false, KIND>(self),
                (7, true) => strip::<7, true, KIND>(self),
                (_, false) => strip::<8, false, KIND>(self),
                (_, true) => strip::<8, true, KIND>(self),
            })
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn strip<const R: usize, const OTHER: bool, const KIND: usize>(t: &Few) {
    // SAFETY: the features are enabled here.
    let s = unsafe { Avx2::new() };
    let (l, group) = (&t.layout, t.format.group);
    let near = 2 * l.block(1) as isize;
    let mut started = false;
    for b in 0..l.blocks() {
        let far = if b + 1 < l.blocks() { 4 * l.block(1) as isize } else { t.next - 4 * l.block(b) as isize };
        for g in l.groups(b) {
            let (words, x) = (t.strip.wrapping_add(l.words(g)), t.x.at((0, R), g * group));
            let at = t.strip.wrapping_add(l.scales(g));
            simd::prefetch_far(at.cast::<u8>().wrapping_offset(far), 4 * l.extra);
            // SAFETY: the strip has scales for the group.
            let (scale, bias) = unsafe { block::scales(s, t.format.scales, l.extra, at) };
            let (scale, bias) = ([scale.0, scale.1], [bias.0, bias.1]);
            for half in 0..2 {
                let mut acc = [_mm256_setzero_ps(); R];
                // The first eight lanes of vectors that begin at this half; the others are not computed.
                let words = Words { at: [words.wrapping_add(half * LANES / 2)], far, near };
                // SAFETY: the strip has words for the group, the packed rows `group` elements from here on.
                unsafe {
                    decode::<Avx2, 1, OTHER, KIND>(
                        s,
                        group,
                        &words,
                        #[inline(always)]
                        |k, q: [F2; 1]| {
                            for r in 0..R {
                                acc[r] = _mm256_fmadd_ps(_mm256_set1_ps(*x.add(k * R + r)), q[0].0, acc[r]);
                            }
                        },
                    );
                }
                let (scale, bias, to) = (scale[half], bias[half], t.totals.wrapping_add(half * LANES / 2));
                for r in 0..R {
                    let to = to.wrapping_add(r * LANES);
                    // SAFETY: the caller's totals, written by the first group; the packed rows have a sum for every group.
                    unsafe {
                        let total = if started { _mm256_loadu_ps(to) } else { _mm256_setzero_ps() };
                        let mut total = _mm256_fmadd_ps(acc[r], scale, total);
                        if t.biases {
                            total = _mm256_fmadd_ps(_mm256_set1_ps(*t.x.sums(r, g)), bias, total);
                        }
                        _mm256_storeu_ps(to, total);
                    }
                }
            }
            started = true;
        }
    }
}
