//! Orders along an axis.

use crate::reduce::groups;
use crate::value::Values;
use isobit_core::ops::Side;
use std::cmp::Ordering;

/// Numbers ascending, zeros of both signs equal, NaN last.
fn compare(x: &Values, a: usize, b: usize) -> Ordering {
    match x {
        Values::F(v) => match (v[a].is_nan(), v[b].is_nan()) {
            (false, false) => v[a].partial_cmp(&v[b]).unwrap_or(Ordering::Equal),
            (a, b) => a.cmp(&b),
        },
        Values::I(v) => v[a].cmp(&v[b]),
        Values::C(v) => match (v[a].is_nan(), v[b].is_nan()) {
            (false, false) => v[a].order(v[b]).unwrap_or(Ordering::Equal),
            (a, b) => a.cmp(&b),
        },
    }
}

/// For every line its own positions and the positions that its elements come from.
fn orders(x: &Values, shape: &[usize], axis: usize, kth: Option<usize>) -> Vec<(Vec<usize>, Vec<usize>)> {
    let sorted = |line: &[usize]| {
        let mut order = line.to_vec();
        order.sort_by(|&a, &b| compare(x, a, b));
        order
    };
    let arranged = |line: &[usize]| {
        let order = sorted(line);
        let (Some(kth), false) = (kth, line.is_empty()) else { return order };
        // A stable sort by the element's group: below the pivot, equal, above.
        let mut groups = line.to_vec();
        groups.sort_by_key(|&k| compare(x, k, order[kth]));
        groups
    };
    groups(shape, &[axis]).into_iter().map(|line| (arranged(&line), line)).map(|(o, l)| (l, o)).collect()
}

/// Sorted, or partitioned around `kth`.
pub fn elements(x: &Values, shape: &[usize], axis: usize, kth: Option<usize>) -> Values {
    let mut from: Vec<usize> = (0..x.len()).collect();
    for (line, order) in orders(x, shape, axis, kth) {
        line.into_iter().zip(order).for_each(|(to, k)| from[to] = k);
    }
    x.gather(from.into_iter())
}

/// The positions within the line that [`elements`] takes its elements from.
pub fn positions(x: &Values, shape: &[usize], axis: usize, kth: Option<usize>) -> Values {
    let mut out = vec![0i128; x.len()];
    for (line, order) in orders(x, shape, axis, kth) {
        for (&to, k) in line.iter().zip(order) {
            out[to] = line.iter().position(|&l| l == k).unwrap_or(0) as i128;
        }
    }
    Values::I(out)
}

/// How many elements of its row's sequence come before each value.
pub fn searchsorted(s: &Values, n: usize, v: &Values, m: usize, side: Side) -> Values {
    let both = match (s, v) {
        (Values::I(a), Values::I(b)) => Values::I([a.as_slice(), b].concat()),
        (Values::C(a), Values::C(b)) => Values::C([a.as_slice(), b].concat()),
        _ => Values::F([s.floats(), v.floats()].concat()),
    };
    let count = |at: usize| {
        let row = at / m.max(1);
        let before = |k: &usize| match compare(&both, *k, s.len() + at) {
            Ordering::Less => true,
            Ordering::Equal => side == Side::Right,
            Ordering::Greater => false,
        };
        (row * n..(row + 1) * n).filter(before).count() as i128
    };
    Values::I((0..v.len()).map(count).collect())
}
