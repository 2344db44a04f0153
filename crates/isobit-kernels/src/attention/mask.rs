//! Masks as one word of 64 bits per (row, block): bit `j` is set if the row sees key `j` of the block.
//!
//! Causal masks, boolean masks, the end of the keys and additive `-inf` all become such bits, so the kernels cannot tell
//! them apart.

use super::{AttentionInputs, BLOCK, Mask, MaskOperand};
use crate::float_lanes::FloatLanes;

/// The first `n` bits, all of them from 64 on.
#[inline(always)]
fn first_bits(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

/// Rows and columns of a 64 x 64 matrix of bits exchanged.
///
/// Six rounds; each exchanges the off-diagonal quarters of all squares of its size.
pub(super) fn transpose_bits(x: &mut [u64; 64]) {
    let (mut size, mut low) = (32, u64::MAX >> 32);
    while size > 0 {
        for first in (0..64).step_by(2 * size) {
            for i in first..first + size {
                let swap = (x[i] >> size ^ x[i + size]) & low;
                x[i] ^= swap << size;
                x[i + size] ^= swap;
            }
        }
        size /= 2;
        low ^= low << size;
    }
}

impl<T> MaskOperand<'_, T> {
    /// The address of element `[b, head, query, key]`.
    #[inline(always)]
    pub(super) fn at(&self, b: usize, head: usize, query: usize, key: usize) -> *const T {
        let [sb, sh, sq, sk] = self.strides;
        let at = self.offset as isize + b as isize * sb + head as isize * sh + query as isize * sq + key as isize * sk;
        self.data.as_ptr().wrapping_offset(at)
    }
}

impl<T, K> AttentionInputs<'_, T, K> {
    /// Whether the mask adds to scores.
    pub(super) fn has_bias(&self) -> bool {
        matches!(self.mask, Mask::AddF32(_) | Mask::AddF16(_) | Mask::AddBf16(_) | Mask::AddF64(_))
    }

    /// How many keys from key 0 on the query may see before any mask operand is looked at.
    #[inline(always)]
    pub(super) fn limit(&self, query: usize) -> usize {
        let s = &self.shape;
        match self.mask {
            Mask::Causal => (query + s.k_len + 1).saturating_sub(s.q_len).min(s.k_len),
            _ => s.k_len,
        }
    }

    /// The bits of a row for the block from key `key` on; `bias` takes an additive mask's values of the seen keys.
    pub(super) fn keep(&self, b: usize, head: usize, query: usize, key: usize, bias: &mut [f32]) -> u64 {
        let n = self.limit(query).saturating_sub(key).min(BLOCK);
        if n == 0 {
            return 0;
        }
        // SAFETY (all reads below): `attention` checked that the strides stay within the mask for all its indices.
        match &self.mask {
            Mask::None | Mask::Causal => first_bits(n),
            Mask::Keep(m) => {
                let (p, step) = (m.at(b, head, query, key), m.strides[3]);
                // SAFETY: as above.
                unsafe { keep_bytes(p, step, n) }
            }
            // SAFETY: as above.
            Mask::AddF32(m) => unsafe { add(m.at(b, head, query, key), m.strides[3], n, bias, |x| x) },
            // SAFETY: as above.
            Mask::AddF16(m) => unsafe { add(m.at(b, head, query, key), m.strides[3], n, bias, |x| x.widen()) },
            // SAFETY: as above.
            Mask::AddBf16(m) => unsafe { add(m.at(b, head, query, key), m.strides[3], n, bias, |x| x.widen()) },
            // SAFETY: as above.
            Mask::AddF64(m) => unsafe { add(m.at(b, head, query, key), m.strides[3], n, bias, |x| x as f32) },
        }
    }
}

/// # Safety
/// `n` bytes `step` apart must be readable from `p`.
unsafe fn keep_bytes(p: *const u8, step: isize, n: usize) -> u64 {
    let mut bits = 0;
    let mut j = 0;
    if step == 1 {
        while j + 8 <= n {
            // SAFETY: the caller's promise.
            let word = u64::from_le(unsafe { p.add(j).cast::<u64>().read_unaligned() });
            // Gathers the lowest bit of each byte in the top byte.
            let byte = (word & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            bits |= byte << j;
            j += 8;
        }
    }
    while j < n {
        // SAFETY: the caller's promise.
        bits |= ((unsafe { p.offset(j as isize * step).read() } & 1) as u64) << j;
        j += 1;
    }
    bits
}

/// # Safety
/// `n` elements `step` apart must be readable from `p`.
unsafe fn add<M: Copy>(p: *const M, step: isize, n: usize, bias: &mut [f32], widen: impl Fn(M) -> f32) -> u64 {
    let mut bits = 0;
    bias[n..BLOCK].fill(0.0);
    for (j, out) in bias[..n].iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *out = widen(unsafe { p.offset(j as isize * step).read() });
        bits |= ((*out != f32::NEG_INFINITY) as u64) << j;
    }
    bits
}
