//! Strides: how a view's indices map to elements of a buffer. Pure integer arithmetic.

use smallvec::SmallVec;

/// Element strides, one per axis; 0 repeats, negative runs backwards.
pub type Strides = SmallVec<[isize; 4]>;

/// Strides of a row-major array of that shape.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut s = Strides::from_elem(0, shape.len());
    let mut step = 1isize;
    for d in (0..shape.len()).rev() {
        s[d] = step;
        step = step.saturating_mul(shape[d].max(1) as isize);
    }
    s
}

/// Whether elements lie densely in row-major order (axes of size 1 may have any stride).
pub fn is_contiguous(shape: &[usize], strides: &[isize]) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut step = 1isize;
    for d in (0..shape.len()).rev() {
        if shape[d] != 1 {
            if strides[d] != step {
                return false;
            }
            step *= shape[d] as isize;
        }
    }
    true
}

/// Strides under which the elements of a view have `new` shape without being moved, if there are any.
pub fn reshape_strides(shape: &[usize], strides: &[isize], new: &[usize]) -> Option<Strides> {
    if shape.contains(&0) {
        return Some(contiguous_strides(new));
    }
    // Merge the old axes into runs that are dense among themselves, then cut the runs into the new axes.
    let old: SmallVec<[(usize, isize); 4]> =
        shape.iter().zip(strides).filter(|(n, _)| **n != 1).map(|(&n, &s)| (n, s)).collect();
    let mut out = Strides::from_elem(0, new.len());
    let (mut i, mut j) = (0, 0);
    while i < old.len() {
        let mut end = i + 1;
        while end < old.len() && old[end - 1].1 == old[end].1 * old[end].0 as isize {
            end += 1;
        }
        let mut left: usize = old[i..end].iter().map(|x| x.0).product();
        let mut step = old[i..end].iter().map(|x| x.0 as isize).product::<isize>() * old[end - 1].1;
        while left > 1 {
            if j >= new.len() {
                return None;
            }
            if new[j] != 1 {
                if !left.is_multiple_of(new[j]) {
                    return None;
                }
                left /= new[j];
                step /= new[j] as isize;
            }
            out[j] = if new[j] == 1 { 0 } else { step };
            j += 1;
        }
        i = end;
    }
    // What remains are axes of size 1.
    while j < new.len() {
        out[j] = 0;
        j += 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_of_views() {
        let ok = |s: &[usize], t: &[isize], n: &[usize], want: &[isize]| {
            assert_eq!(reshape_strides(s, t, n).unwrap().as_slice(), want, "{s:?} {t:?} {n:?}")
        };
        ok(&[2, 3, 4], &[12, 4, 1], &[6, 4], &[4, 1]);
        ok(&[2, 3, 4], &[12, 4, 1], &[24], &[1]);
        ok(&[2, 3, 4], &[12, 4, 1], &[2, 12], &[12, 1]);
        ok(&[4], &[-1], &[2, 2], &[-2, -1]);
        ok(&[4, 2], &[0, 1], &[2, 2, 2], &[0, 0, 1]);
        ok(&[3, 1], &[1, 99], &[1, 3], &[0, 1]);
        assert!(reshape_strides(&[3, 2], &[1, 3], &[6]).is_none());
        assert!(reshape_strides(&[4, 2], &[0, 1], &[8]).is_none());
    }

    #[test]
    fn contiguity_ignores_axes_of_one() {
        assert!(is_contiguous(&[2, 1, 3], &[3, 77, 1]));
        assert!(!is_contiguous(&[2, 3], &[1, 2]));
        assert!(is_contiguous(&[0, 3], &[1, 2]));
        assert!(is_contiguous(&[], &[]));
    }
}
