//! Codes of a few bits in 32-bit words, one stream of bits per row.

use crate::par;
use std::mem::MaybeUninit;

/// Rows of codes that one task takes, in bytes.
const TASK: usize = 64 << 10;

struct Ends<A, B>(*const A, *mut B);

// SAFETY: tasks read shared memory and write disjoint rows.
unsafe impl<A, B> Sync for Ends<A, B> {}

impl<A, B> Ends<A, B> {
    fn get(&self) -> (*const A, *mut B) {
        (self.0, self.1)
    }
}

fn over_rows(rows: usize, per_row: usize, f: impl Fn(usize) + Sync) {
    let group = (TASK / per_row.max(1)).max(1);
    par::run(rows.div_ceil(group), |t| (t * group..rows.min((t + 1) * group)).for_each(&f));
}

/// Packs `rows` rows of `n` codes (their low `bits` bits) into `n * bits / 32` words each.
///
/// # Safety
/// `codes` is valid for reads of `rows * n` bytes, `words` for writes of all words; `n * bits` is a multiple of 32.
pub unsafe fn pack_bits(bits: usize, codes: *const u8, words: *mut u32, rows: usize, n: usize) {
    let width = n * bits / 32;
    let ends = Ends(codes, words);
    over_rows(rows, n, |row| {
        let (codes, words) = ends.get();
        // SAFETY: the row lies inside what the caller promised.
        let (from, to) = unsafe {
            (
                std::slice::from_raw_parts(codes.add(row * n), n),
                std::slice::from_raw_parts_mut(words.add(row * width).cast::<MaybeUninit<u32>>(), width),
            )
        };
        pack(bits, from, to);
    });
}

/// Packs codes (their low `bits` bits) that fill whole words.
#[inline(always)]
pub(super) fn pack(bits: usize, codes: &[u8], words: &mut [MaybeUninit<u32>]) {
    let mask = (1u64 << bits) - 1;
    let (mut held, mut count, mut at) = (0u64, 0, 0);
    for &c in codes {
        held |= (u64::from(c) & mask) << count;
        count += bits;
        if count >= 32 {
            words[at].write(held as u32);
            at += 1;
            held >>= 32;
            count -= 32;
        }
    }
}

/// Unpacks `rows` rows of `width` words into `width * 32 / bits` codes each.
///
/// # Safety
/// `words` is valid for reads of `rows * width` words, `codes` for writes of all codes; `width * 32` is a multiple of `bits`.
pub unsafe fn unpack_bits(bits: usize, words: *const u32, codes: *mut u8, rows: usize, width: usize) {
    let n = width * 32 / bits;
    let ends = Ends(words, codes);
    over_rows(rows, n, |row| {
        let (words, codes) = ends.get();
        // SAFETY: the row lies inside what the caller promised.
        let (from, to) = unsafe {
            (
                std::slice::from_raw_parts(words.add(row * width), width),
                std::slice::from_raw_parts_mut(codes.add(row * n).cast::<MaybeUninit<u8>>(), n),
            )
        };
        let mask = (1u64 << bits) - 1;
        let (mut held, mut count, mut at) = (0u64, 0, 0);
        for c in to {
            if count < bits {
                held |= u64::from(from[at]) << count;
                at += 1;
                count += 32;
            }
            c.write((held & mask) as u8);
            held >>= bits;
            count -= bits;
        }
    });
}
