//! Stable least-significant-digit radix sort, serial or cut into pieces for several threads.
//!
//! ```text
//! for each digit of the key, lowest first, unless all items share it:
//!     count the items per (piece, digit)                    pieces in parallel
//!     start[digit][piece] = running sum in that order
//!     move every item to start[its digit][its piece]++      pieces in parallel
//! ```
//!
//! Tricks: (1) the serial version counts all digits in one reading; (2) 11-bit digits from 8,192 items on, since three
//! passes then beat four and the counters still fit in L1.
//! Known cost: memory traffic of one read and one scattered write per pass.

use crate::disjoint::Disjoint;
use crate::par;

/// From this many items on digits have 11 bits.
const WIDE_FROM: usize = 8192;

/// Sorts `items` by the `bits` bits of `key` above `low`, stably. `scratch` is grown to `items.len()` and may hold
/// anything. `pieces` says how many tasks a pass is cut into; the result does not depend on it.
pub(super) fn radix_sort<I: Copy + Send + Sync>(
    items: &mut [I],
    scratch: &mut Vec<I>,
    bits: u32,
    low: u32,
    key: impl Fn(I) -> u64 + Copy + Sync,
    pieces: usize,
) {
    let n = items.len();
    if n < 2 {
        return;
    }
    // Initialised memory keeps this free of uninitialised reads; it is one streaming write.
    scratch.clear();
    scratch.resize(n, items[0]);
    if n < WIDE_FROM || bits <= 8 {
        passes::<I, 8>(items, scratch, bits, low, key, pieces);
    } else {
        passes::<I, 11>(items, scratch, bits, low, key, pieces);
    }
}

fn passes<I: Copy + Send + Sync, const DIGIT: u32>(
    items: &mut [I],
    scratch: &mut [I],
    bits: u32,
    low: u32,
    key: impl Fn(I) -> u64 + Copy + Sync,
    pieces: usize,
) {
    let buckets = 1usize << DIGIT;
    let count = bits.div_ceil(DIGIT) as usize;
    let digit = |x: I, d: usize| (key(x) >> (low + d as u32 * DIGIT)) as usize & (buckets - 1);
    let n = items.len();
    let mut totals = vec![0usize; if pieces == 1 { buckets * count } else { 0 }];
    if pieces == 1 {
        for &x in items.iter() {
            for d in 0..count {
                totals[d * buckets + digit(x, d)] += 1;
            }
        }
    }
    let (mut from, mut to) = (&mut *items, &mut *scratch);
    let mut swapped = false;
    for d in 0..count {
        let moved = if pieces == 1 {
            serial_pass(from, to, &mut totals[d * buckets..(d + 1) * buckets], |x| digit(x, d))
        } else {
            parallel_pass(from, to, buckets, pieces, |x| digit(x, d))
        };
        if moved {
            std::mem::swap(&mut from, &mut to);
            swapped = !swapped;
        }
    }
    if swapped {
        let chunk = n.div_ceil(pieces);
        let (source, target) = (&*from, Disjoint::new(to));
        par::run(pieces, |p| {
            let (a, b) = (p * chunk, ((p + 1) * chunk).min(n));
            if a < b {
                // SAFETY: pieces are disjoint.
                unsafe { target.slice(a, b - a) }.copy_from_slice(&source[a..b]);
            }
        });
    }
}

/// Turns the counts into positions and moves every item; false (and nothing moved) if all share one digit.
fn serial_pass<I: Copy>(from: &[I], to: &mut [I], counts: &mut [usize], digit: impl Fn(I) -> usize) -> bool {
    if counts[digit(from[0])] == from.len() {
        return false;
    }
    let mut at = 0;
    for c in counts.iter_mut() {
        at += std::mem::replace(c, at);
    }
    for &x in from {
        let slot = &mut counts[digit(x)];
        // SAFETY: the counts were taken over the same items, so every position is below `to.len()`.
        unsafe { *to.get_unchecked_mut(*slot) = x };
        *slot += 1;
    }
    true
}

fn parallel_pass<I: Copy + Send + Sync>(
    from: &[I],
    to: &mut [I],
    buckets: usize,
    pieces: usize,
    digit: impl Fn(I) -> usize + Sync,
) -> bool {
    let n = from.len();
    let chunk = n.div_ceil(pieces);
    let part = |p: usize| &from[(p * chunk).min(n)..((p + 1) * chunk).min(n)];
    let mut counts = vec![0usize; buckets * pieces];
    {
        let shared = Disjoint::new(&mut counts);
        par::run(pieces, |p| {
            // SAFETY: every piece has its own counters.
            let counts = unsafe { shared.slice(p * buckets, buckets) };
            for &x in part(p) {
                counts[digit(x)] += 1;
            }
        });
    }
    let first = digit(from[0]);
    if (0..pieces).map(|p| counts[p * buckets + first]).sum::<usize>() == n {
        return false;
    }
    let mut at = 0;
    for b in 0..buckets {
        for p in 0..pieces {
            at += std::mem::replace(&mut counts[p * buckets + b], at);
        }
    }
    let (slots, target) = (Disjoint::new(&mut counts), Disjoint::new(to));
    par::run(pieces, |p| {
        // SAFETY: every piece has its own counters.
        let slots = unsafe { slots.slice(p * buckets, buckets) };
        for &x in part(p) {
            let slot = &mut slots[digit(x)];
            // SAFETY: the (digit, piece) ranges are disjoint and within `n`, and each is as long as its count.
            unsafe { target.write(*slot, x) };
            *slot += 1;
        }
    });
    true
}
