//! Binary search of values in sorted rows.

use super::{PER_TASK, SortKey};
use crate::disjoint::Disjoint;
use crate::par;

/// For every value of row `r` of `values` (rows of `m`) the number of elements of row `r` of `sorted` (ascending rows of
/// `n`) that come before it; with `after`, equal elements count too.
///
/// # Panics
/// If `values` and `out` differ in length, or `n` does not fit in 32 bits.
pub fn search<T: SortKey>(sorted: &[T], n: usize, values: &[T], m: usize, out: &mut [u32], after: bool) {
    assert_eq!(values.len(), out.len(), "search: output size");
    assert!(n <= u32::MAX as usize, "search: rows of at most 2^32 - 1 elements");
    if values.is_empty() {
        return;
    }
    let len = values.len();
    let out = Disjoint::new(out);
    par::run(len.div_ceil(PER_TASK), |t| {
        let start = t * PER_TASK;
        let part = &values[start..(start + PER_TASK).min(len)];
        // SAFETY: every task has its own values.
        let out = unsafe { out.slice(start, part.len()) };
        for (i, (o, v)) in out.iter_mut().zip(part).enumerate() {
            let row = (start + i) / m;
            let (row, key) = (&sorted[row * n..(row + 1) * n], v.key());
            *o = row.partition_point(|x| x.key() < key || after && x.key() == key) as u32;
        }
    });
}
