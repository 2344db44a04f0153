//! Partition around the element that a sort would put at position `kth`, without sorting.
//!
//! The result is defined completely, so that it is as reproducible as a sort: first all elements below the pivot in
//! their order of occurrence, then all equal to it, then all above. NumPy and MLX leave the order inside the three
//! groups open, so this is one of their valid answers.
//!
//! ```text
//! candidates = row
//! for each digit of the key, highest first:
//!     count the candidates per digit; walk to the digit that holds position kth; keep the candidates of that digit
//! copy elements below the pivot's key, then equal, then above
//! ```
//!
//! Known cost: two to three readings of the row; a full sort has about four readings and three scattered writes.

use super::{SortKey, each_row};

const DIGIT: u32 = 11;

/// Partitions every row of `n` elements of `src` into the same row of `dst` around position `kth`.
///
/// # Panics
/// If `src` and `dst` differ in length or are not whole rows, or `kth >= n`.
pub fn partition<T: SortKey>(src: &[T], dst: &mut [T], n: usize, kth: usize) {
    assert_eq!(src.len(), dst.len(), "partition: output size");
    each_row(src, dst, n, |row, out| {
        let pivot = pivot_key(row, kth);
        fill(out, pivot, || row.iter().map(|&x| (x.key(), x)));
    });
}

/// Writes, for every row of `n` elements of `src`, the positions in that row partitioned around position `kth`.
///
/// # Panics
/// If `src` and `out` differ in length, are not whole rows, `kth >= n`, or `n` does not fit in 32 bits.
pub fn argpartition<T: SortKey>(src: &[T], out: &mut [u32], n: usize, kth: usize) {
    assert_eq!(src.len(), out.len(), "argpartition: output size");
    assert!(n <= u32::MAX as usize, "argpartition: rows of at most 2^32 - 1 elements");
    each_row(src, out, n, |row, out| {
        let pivot = pivot_key(row, kth);
        fill(out, pivot, || row.iter().enumerate().map(|(i, x)| (x.key(), i as u32)));
    });
}

/// Three groups, each in order of occurrence. Counting first lets one pass write all three.
fn fill<O: Copy, I: Iterator<Item = (u64, O)>>(out: &mut [O], pivot: u64, items: impl Fn() -> I) {
    let (mut below, mut equal) = (0, 0);
    for (k, _) in items() {
        below += (k < pivot) as usize;
        equal += (k == pivot) as usize;
    }
    let mut at = [0, below, below + equal];
    for (k, x) in items() {
        let group = (k >= pivot) as usize + (k > pivot) as usize;
        out[at[group]] = x;
        at[group] += 1;
    }
}

/// The key of the element that a sort would put at `kth`.
fn pivot_key<T: SortKey>(row: &[T], kth: usize) -> u64 {
    assert!(kth < row.len(), "partition: position {kth} of a row of {} elements", row.len());
    let mut kth = kth;
    let mut candidates: Vec<u64> = Vec::new();
    let mut counts = [0usize; 1 << DIGIT];
    let mut shift = T::BITS;
    let mut first = true;
    loop {
        let width = DIGIT.min(shift);
        shift -= width;
        let digit = |k: u64| (k >> shift) as usize & ((1 << width) - 1);
        counts.fill(0);
        if first {
            row.iter().for_each(|x| counts[digit(x.key())] += 1);
        } else {
            candidates.iter().for_each(|&k| counts[digit(k)] += 1);
        }
        let mut chosen = 0;
        while kth >= counts[chosen] {
            kth -= counts[chosen];
            chosen += 1;
        }
        if first {
            candidates.reserve(counts[chosen]);
            candidates.extend(row.iter().map(|x| x.key()).filter(|&k| digit(k) == chosen));
            first = false;
        } else {
            candidates.retain(|&k| digit(k) == chosen);
        }
        if shift == 0 || candidates.len() == 1 {
            return candidates[0];
        }
    }
}
