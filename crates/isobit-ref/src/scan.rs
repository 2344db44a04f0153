//! Cumulative operations along an axis.

use crate::complex::{C, c};
use crate::reduce::groups;
use crate::value::Values;
use isobit_core::Dtype;
use isobit_core::ops::scan::Scan;

/// A running fold of each line, with a float and an integer form; `start` is also the first element of an exclusive one.
pub fn scan(
    x: &Values,
    shape: &[usize],
    p: Scan,
    start: (f64, i128),
    f: impl Fn(f64, f64) -> f64,
    i: impl Fn(i128, i128) -> i128,
) -> Values {
    match x {
        Values::F(v) => Values::F(lines(v, shape, p, |line| running(line, p, start.0, &f))),
        Values::I(v) => Values::I(lines(v, shape, p, |line| running(line, p, start.1, &i))),
        Values::C(_) => unreachable!("complex numbers have a scan of their own"),
    }
}

/// A running fold of each line of complex numbers.
pub fn scan_complex(x: &Values, shape: &[usize], p: Scan, start: C, f: impl Fn(C, C) -> C) -> Values {
    Values::C(lines(&x.complexes(), shape, p, |line| {
        let mut so_far = None;
        line.iter()
            .map(|&z| {
                let before = so_far.unwrap_or(start);
                so_far = Some(so_far.map_or(z, |s| f(s, z)));
                if p.inclusive { so_far.unwrap_or(start) } else { before }
            })
            .collect()
    }))
}

/// `f` of every line, taken in the scan's direction.
fn lines<T: Copy>(x: &[T], shape: &[usize], p: Scan, f: impl Fn(&[T]) -> Vec<T>) -> Vec<T> {
    let mut out = x.to_vec();
    for mut at in groups(shape, &[p.axis]) {
        if p.reverse {
            at.reverse();
        }
        let line: Vec<T> = at.iter().map(|&k| x[k]).collect();
        at.into_iter().zip(f(&line)).for_each(|(k, v)| out[k] = v);
    }
    out
}

fn running<T: Copy>(line: &[T], p: Scan, start: T, f: impl Fn(T, T) -> T) -> Vec<T> {
    let mut so_far = start;
    line.iter()
        .map(|&v| {
            let before = so_far;
            so_far = f(so_far, v);
            if p.inclusive { so_far } else { before }
        })
        .collect()
}

/// The smallest and the largest value of a dtype.
pub fn extremes(dtype: Dtype) -> [(f64, i128); 2] {
    let bits = 8 * dtype.size() as u32;
    let (low, high) = match dtype {
        Dtype::Bool => (0, 1),
        d if d.is_signed() => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        _ => (0, (1i128 << bits) - 1),
    };
    [(f64::NEG_INFINITY, low), (f64::INFINITY, high)]
}

/// Cumulative `log(sum(exp(x)))`: every prefix by itself.
pub fn logcumsumexp(x: &Values, shape: &[usize], p: Scan) -> Values {
    if x.is_complex() {
        let shift = usize::from(p.inclusive);
        let sum = |line: &[C]| line.iter().fold(c(0.0, 0.0), |s, z| s + z.exp()).ln();
        let all = |line: &[C]| (0..line.len()).map(|k| sum(&line[..k + shift])).collect();
        return Values::C(lines(&x.complexes(), shape, p, all));
    }
    Values::F(lines(&x.floats(), shape, p, |line| {
        let shift = usize::from(p.inclusive);
        (0..line.len()).map(|k| crate::reduce::logsumexp(&line[..k + shift])).collect()
    }))
}

/// `h[i] = a[i] * h[i - 1] + b[i]`, starting with `b[0]`.
pub fn linear_recurrence(a: &Values, b: &Values, shape: &[usize], p: Scan) -> Values {
    if a.is_complex() {
        let pairs: Vec<(C, C)> = a.complexes().into_iter().zip(b.complexes()).collect();
        let out = lines(&pairs, shape, p, |line| {
            let mut h: Vec<C> = Vec::with_capacity(line.len());
            for (k, &(a, b)) in line.iter().enumerate() {
                h.push(if k == 0 { b } else { a * h[k - 1] + b });
            }
            h.into_iter().map(|h| (h, c(0.0, 0.0))).collect()
        });
        return Values::C(out.into_iter().map(|(h, _)| h).collect());
    }
    let pairs: Vec<(f64, f64)> = a.floats().into_iter().zip(b.floats()).collect();
    let out = lines(&pairs, shape, p, |line| {
        let mut h = Vec::with_capacity(line.len());
        for (k, &(a, b)) in line.iter().enumerate() {
            let next = if k == 0 { b } else { a * h[k - 1] + b };
            h.push(next);
        }
        h.into_iter().map(|h| (h, 0.0)).collect()
    });
    Values::F(out.into_iter().map(|(h, _)| h).collect())
}
