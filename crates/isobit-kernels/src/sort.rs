//! Stable sort, argsort, partition and argpartition along contiguous rows.
//!
//! The order is NumPy's and MLX's: ascending, every NaN last, `-0 == +0`. All four are stable, so their results are
//! unique: no algorithm, thread count or instruction set can show in them, and a row never sees its neighbours.
//! Nothing here sorts a strided axis; the caller brings rows.
//!
//! # How
//! Every element has an unsigned integer key that orders like the element ([`SortKey`]).
//!
//! 1. Short rows use the standard library's sorts (any stable algorithm gives the one stable result).
//! 2. f32 and i32 rows are sorted in registers where the level is AVX-512 (`vector.rs`): equal keys are the same bits, or
//!    are put back in the order of the input. One million f32 take half the time of the radix passes.
//! 3. Other long rows use least-significant-digit radix passes over 8 or 11 bits of the key; a digit in which all keys agree
//!    costs no pass. The moved items are the elements themselves, so `-0`, `+0` and NaN payloads survive.
//! 4. argsort packs `(key << 32) | position` where the key has at most 32 bits.
//! 5. One long row is split over threads: a histogram per chunk, one prefix sum in (digit, chunk) order, a scatter per
//!    chunk. That is the serial pass cut in pieces, whatever the number of pieces.
//!
//! Cost: one million f32 take 3 passes of 11 bits, each reading and writing every element once.

mod partition;
mod radix;
mod search;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use partition::{argpartition, partition};
pub use search::search;

use crate::disjoint::Disjoint;
use crate::par;
use half::{bf16, f16};
use radix::radix_sort;

/// Rows up to this length go to the standard library's stable sort.
const SHORT: usize = 384;
/// Elements per task when many rows are shared among threads.
const PER_TASK: usize = 1 << 14;
/// A row must have this many elements before several threads work on it together.
const PARALLEL_ROW: usize = 1 << 16;

/// An element type with a total preorder, given as an unsigned integer key.
pub trait SortKey: Copy + Send + Sync + 'static {
    /// Significant bits of the key.
    const BITS: u32;
    /// Equal keys imply equal elements, bit for bit.
    const EXACT: bool;
    /// The key: `a` sorts before `b` exactly when `a.key() < b.key()`.
    fn key(self) -> u64;
    /// Sorts a row in vector registers, if this type and the level in force can; else says so and does nothing.
    #[doc(hidden)]
    fn sort_in_registers(_row: &[Self], _out: &mut [Self], _pieces: usize) -> bool {
        false
    }
}

/// A type's sort in registers.
macro_rules! in_registers {
    ($sort:ident) => {
        #[cfg(target_arch = "x86_64")]
        fn sort_in_registers(row: &[Self], out: &mut [Self], pieces: usize) -> bool {
            let can = vector::available();
            if can {
                vector::$sort(row, out, pieces);
            }
            can
        }
    };
}

macro_rules! int_key {
    ($($t:ty, $u:ty, $flip:expr $(, $sort:ident)?;)*) => {$(
        impl SortKey for $t {
            const BITS: u32 = <$t>::BITS;
            const EXACT: bool = true;
            #[inline(always)]
            fn key(self) -> u64 {
                ((self as $u) ^ $flip) as u64
            }
            $(in_registers!($sort);)?
        }
    )*};
}

int_key! {
    u8, u8, 0; u16, u16, 0; u32, u32, 0; u64, u64, 0;
    i8, u8, 1 << 7; i16, u16, 1 << 15; i32, u32, 1 << 31, integers; i64, u64, 1 << 63;
}

macro_rules! float_key {
    ($($t:ty, $u:ty, $inf:expr $(, $sort:ident)?;)*) => {$(
        impl SortKey for $t {
            const BITS: u32 = <$u>::BITS;
            const EXACT: bool = false;
            #[inline(always)]
            fn key(self) -> u64 {
                const SIGN: $u = 1 << (<$u>::BITS - 1);
                let bits = self.to_bits();
                // Negative: all bits inverted. Others, and -0 (as +0): the sign bit set.
                let flip = if bits > SIGN { <$u>::MAX } else { SIGN };
                let key = if bits == SIGN { SIGN } else { bits ^ flip };
                (if bits & !SIGN > $inf { <$u>::MAX } else { key }) as u64
            }
            $(in_registers!($sort);)?
        }
    )*};
}

float_key! {
    f16, u16, 0x7C00;
    bf16, u16, 0x7F80;
    f32, u32, 0x7F80_0000, floats;
    f64, u64, 0x7FF0_0000_0000_0000;
}

impl SortKey for bool {
    const BITS: u32 = 8;
    const EXACT: bool = true;
    #[inline(always)]
    fn key(self) -> u64 {
        self as u64
    }
}

/// Sorts every row of `n` elements of `src` into the same row of `dst`.
///
/// # Panics
/// If `src` and `dst` differ in length or are not whole rows.
pub fn sort<T: SortKey>(src: &[T], dst: &mut [T], n: usize) {
    assert_eq!(src.len(), dst.len(), "sort: output size");
    each_row(src, dst, n, |row, out| sort_row(row, out));
}

/// Writes, for every row of `n` elements of `src`, the positions in that row in sorted order.
///
/// # Panics
/// If `src` and `out` differ in length, are not whole rows, or `n` does not fit in 32 bits.
pub fn argsort<T: SortKey>(src: &[T], out: &mut [u32], n: usize) {
    assert_eq!(src.len(), out.len(), "argsort: output size");
    assert!(n <= u32::MAX as usize, "argsort: rows of at most 2^32 - 1 elements");
    each_row(src, out, n, |row, out| argsort_row(row, out));
}

/// Runs `f` on every row; short rows are dealt to the threads in groups, long ones in order (`f` forks itself).
fn each_row<T: Sync, O: Send>(src: &[T], out: &mut [O], n: usize, f: impl Fn(&[T], &mut [O]) + Sync) {
    if src.is_empty() {
        return;
    }
    assert!(n > 0 && src.len().is_multiple_of(n), "rows of {n} elements expected");
    let rows = src.len() / n;
    if n >= PARALLEL_ROW && rows < par::threads() {
        for (row, out) in src.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
            f(row, out);
        }
        return;
    }
    let group = (PER_TASK / n).max(1);
    let shared = Disjoint::new(out);
    par::run(rows.div_ceil(group), |t| {
        for r in t * group..((t + 1) * group).min(rows) {
            // SAFETY: every row belongs to one task.
            f(&src[r * n..(r + 1) * n], unsafe { shared.slice(r * n, n) });
        }
    });
}

/// How many pieces a row of `n` elements is cut into for the threads.
fn pieces(n: usize) -> usize {
    if n >= PARALLEL_ROW { par::threads().min(n / (PARALLEL_ROW / 4)).max(1) } else { 1 }
}

fn sort_row<T: SortKey>(row: &[T], out: &mut [T]) {
    let n = row.len();
    if T::BITS == 8 && T::EXACT && n > 64 {
        return counting_sort(row, out);
    }
    if T::sort_in_registers(row, out, pieces(n)) {
        return;
    }
    out.copy_from_slice(row);
    if n <= SHORT {
        if T::EXACT {
            out.sort_unstable_by_key(|x| x.key());
        } else if n <= 16 || T::BITS > 32 {
            out.sort_by_key(|x| x.key());
        } else {
            // Plain integers sort several times faster than a key function.
            let mut items = [0u64; SHORT];
            for (i, (item, x)) in items.iter_mut().zip(row).enumerate() {
                *item = x.key() << 32 | i as u64;
            }
            items[..n].sort_unstable();
            for (o, item) in out.iter_mut().zip(&items[..n]) {
                *o = row[*item as u32 as usize];
            }
        }
        return;
    }
    let mut scratch = Vec::with_capacity(n);
    radix_sort(out, &mut scratch, T::BITS, 0, |x: T| x.key(), pieces(n));
}

/// 8-bit elements: count them and write runs. Equal keys are equal elements, so this is stable.
fn counting_sort<T: SortKey>(row: &[T], out: &mut [T]) {
    let mut count = [0usize; 256];
    let mut sample = [row[0]; 256];
    for &x in row {
        let k = (x.key() & 255) as usize;
        count[k] += 1;
        sample[k] = x;
    }
    let mut at = 0;
    for (c, x) in count.into_iter().zip(sample) {
        out[at..at + c].fill(x);
        at += c;
    }
}

fn argsort_row<T: SortKey>(row: &[T], out: &mut [u32]) {
    let n = row.len();
    if T::BITS <= 32 {
        let mut items: Vec<u64> = Vec::with_capacity(n);
        items.extend(row.iter().enumerate().map(|(i, x)| x.key() << 32 | i as u64));
        if n <= SHORT {
            items.sort_unstable();
        } else {
            let mut scratch = Vec::with_capacity(n);
            radix_sort(&mut items, &mut scratch, T::BITS, 32, |x: u64| x, pieces(n));
        }
        for (o, x) in out.iter_mut().zip(items) {
            *o = x as u32;
        }
        return;
    }
    let mut items: Vec<(u64, u32)> = Vec::with_capacity(n);
    items.extend(row.iter().enumerate().map(|(i, x)| (x.key(), i as u32)));
    if n <= SHORT {
        items.sort_unstable();
    } else {
        let mut scratch = Vec::with_capacity(n);
        radix_sort(&mut items, &mut scratch, T::BITS, 0, |x: (u64, u32)| x.0, pieces(n));
    }
    for (o, x) in out.iter_mut().zip(items) {
        *o = x.1;
    }
}

#[cfg(feature = "self-test")]
mod tests;
