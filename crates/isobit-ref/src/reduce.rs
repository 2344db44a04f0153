//! Reductions over axes, which stay with size 1.

use crate::value::{Values, indices, ravel};

/// For each output element, the positions of the input elements that it is made of, ascending.
pub fn groups(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let mut kept = shape.to_vec();
    for &a in axes {
        kept[a] = 1;
    }
    let mut out = vec![Vec::new(); kept.iter().product()];
    for ix in indices(shape) {
        let mut to = ix.clone();
        for &a in axes {
            to[a] = 0;
        }
        out[ravel(&to, &kept)].push(ravel(&ix, shape));
    }
    out
}

/// A fold of each group, with a float and an integer form.
pub fn fold(
    x: &Values,
    shape: &[usize],
    axes: &[usize],
    start_f: f64,
    start_i: i128,
    f: impl Fn(f64, f64) -> f64,
    i: impl Fn(i128, i128) -> i128,
) -> Values {
    let groups = groups(shape, axes);
    match x {
        Values::F(v) => Values::F(groups.iter().map(|g| g.iter().fold(start_f, |acc, &k| f(acc, v[k]))).collect()),
        Values::I(v) => Values::I(groups.iter().map(|g| g.iter().fold(start_i, |acc, &k| i(acc, v[k]))).collect()),
    }
}
