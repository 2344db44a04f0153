//! Reductions over axes, which stay with size 1.

use crate::complex::C;
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

/// A fold of each group of complex numbers that begins with its first element; of an empty one `start`.
pub fn fold_complex(x: &Values, shape: &[usize], axes: &[usize], start: C, f: impl Fn(C, C) -> C) -> Values {
    let v = x.complexes();
    let one = |g: &Vec<usize>| g.iter().map(|&k| v[k]).reduce(&f).unwrap_or(start);
    Values::C(groups(shape, axes).iter().map(one).collect())
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
        Values::C(_) => unreachable!("complex numbers have a fold of their own"),
    }
}

/// A function of each group, with a float and an integer form.
pub fn each(
    x: &Values,
    shape: &[usize],
    axes: &[usize],
    f: impl Fn(&[f64]) -> f64,
    i: impl Fn(&[i128]) -> i128,
) -> Values {
    let groups = groups(shape, axes);
    match x {
        Values::F(v) => Values::F(groups.iter().map(|g| f(&g.iter().map(|&k| v[k]).collect::<Vec<_>>())).collect()),
        Values::I(v) => Values::I(groups.iter().map(|g| i(&g.iter().map(|&k| v[k]).collect::<Vec<_>>())).collect()),
        Values::C(_) => unreachable!("complex numbers have a fold of their own"),
    }
}

/// The larger one; NaN if either is. Of equal numbers the first.
pub fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if b > a {
        b
    } else {
        a
    }
}

/// The smaller one, likewise.
pub fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

/// Position of the first element that no other comes before; a NaN comes before everything.
pub fn first<T: Copy>(x: &[T], before: impl Fn(T, T) -> bool) -> i128 {
    let mut best = 0;
    for (k, &v) in x.iter().enumerate() {
        if before(v, x[best]) {
            best = k;
        }
    }
    best as i128
}

/// Positions of the largest elements (of the smallest ones with `least`).
pub fn arg(x: &Values, shape: &[usize], axis: usize, least: bool) -> Values {
    if let Values::C(v) = x {
        let before = |a: C, b: C| !b.is_nan() && (a.is_nan() || if least { a.less(b) } else { b.less(a) });
        let line = |g: &Vec<usize>| first(&g.iter().map(|&k| v[k]).collect::<Vec<_>>(), before);
        return Values::I(groups(shape, &[axis]).iter().map(line).collect());
    }
    let before = |a: f64, b: f64| !b.is_nan() && (a.is_nan() || if least { a < b } else { a > b });
    let int_before = |a: i128, b: i128| if least { a < b } else { a > b };
    let floats = each(x, shape, &[axis], |g| first(g, before) as f64, |g| first(g, int_before));
    Values::I(floats.ints())
}

/// `log(sum(exp(x)))`.
pub fn logsumexp(x: &[f64]) -> f64 {
    let top = x.iter().fold(f64::NEG_INFINITY, |m, &v| larger(m, v));
    if !top.is_finite() {
        return top;
    }
    top + libm::log(x.iter().map(|&v| libm::exp(v - top)).sum())
}

/// Softmax of each group.
pub fn softmax(x: &Values, shape: &[usize], axes: &[usize]) -> Values {
    let x = x.floats();
    let mut out = vec![0.0; x.len()];
    for g in groups(shape, axes) {
        let top = g.iter().fold(f64::NEG_INFINITY, |m, &k| larger(m, x[k]));
        let total: f64 = g.iter().map(|&k| libm::exp(x[k] - top)).sum();
        g.iter().for_each(|&k| out[k] = libm::exp(x[k] - top) / total);
    }
    Values::F(out)
}
