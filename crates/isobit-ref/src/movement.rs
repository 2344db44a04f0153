//! Elements moved, not changed.

use crate::complex::C;
use crate::value::{Values, indices, ravel};
use isobit_core::Spec;
use isobit_core::ops::Reduce;
use isobit_core::ops::arange::Arange;
use isobit_core::ops::gather::Gather;
use isobit_core::ops::linspace::Linspace;
use isobit_core::ops::put_along_axis::PutAlongAxis;
use isobit_core::ops::scatter::Scatter;
use isobit_core::ops::slice::Region;

/// Inputs one after the other along an axis.
pub fn concatenate(x: &[Values], shapes: &[&[usize]], axis: usize, out: &Spec) -> Values {
    let pick = |ix: &[usize]| {
        let (mut at, mut k) = (ix[axis], 0);
        while at >= shapes[k][axis] {
            at -= shapes[k][axis];
            k += 1;
        }
        let mut inner = ix.to_vec();
        inner[axis] = at;
        (k, ravel(&inner, shapes[k]))
    };
    match &x[0] {
        Values::C(_) => {
            let all: Vec<Vec<C>> = x.iter().map(Values::complexes).collect();
            Values::C(indices(&out.shape).map(|ix| pick(&ix)).map(|(k, i)| all[k][i]).collect())
        }
        Values::F(_) => {
            let all: Vec<Vec<f64>> = x.iter().map(Values::floats).collect();
            Values::F(indices(&out.shape).map(|ix| pick(&ix)).map(|(k, i)| all[k][i]).collect())
        }
        Values::I(_) => {
            let all: Vec<Vec<i128>> = x.iter().map(Values::ints).collect();
            Values::I(indices(&out.shape).map(|ix| pick(&ix)).map(|(k, i)| all[k][i]).collect())
        }
    }
}

/// A region replaced.
pub fn slice_update(x: &Values, update: &Values, region: &Region, shape: &[usize]) -> Values {
    let places: Vec<usize> = indices(region.shape())
        .map(|ix| {
            let at: Vec<usize> = ix
                .iter()
                .enumerate()
                .map(|(d, &i)| (region.start()[d] + region.step()[d] * i as isize) as usize)
                .collect();
            ravel(&at, shape)
        })
        .collect();
    match (x, update) {
        (Values::C(x), u) => {
            let mut out = x.clone();
            places.into_iter().zip(u.complexes()).for_each(|(p, v)| out[p] = v);
            Values::C(out)
        }
        (Values::F(x), u) => {
            let mut out = x.clone();
            places.into_iter().zip(u.floats()).for_each(|(p, v)| out[p] = v);
            Values::F(out)
        }
        (Values::I(x), u) => {
            let mut out = x.clone();
            places.into_iter().zip(u.ints()).for_each(|(p, v)| out[p] = v);
            Values::I(out)
        }
    }
}

/// The same value around an array.
pub fn pad(x: &Values, value: &Values, inner: &Region, out: &Spec) -> Values {
    let filled = match value {
        Values::F(v) => Values::F(vec![v[0]; out.size()]),
        Values::I(v) => Values::I(vec![v[0]; out.size()]),
        Values::C(v) => Values::C(vec![v[0]; out.size()]),
    };
    slice_update(&filled, x, inner, &out.shape)
}

/// Where a slice of `window` elements begins along an axis of `n`: negative counts from the end, then clamped.
fn begin(index: i128, n: usize, window: usize) -> usize {
    let n = n as i128;
    let at = if index < 0 { index + n } else { index };
    at.clamp(0, (n - window as i128).max(0)) as usize
}

/// For each element of the slices at `indices`, row-major, its position in an array of `shape`.
fn places(numbers: &[Values], lead: &[usize], axes: &[usize], window: &[usize], shape: &[usize]) -> Vec<usize> {
    let ints: Vec<Vec<i128>> = numbers.iter().map(Values::ints).collect();
    let mut out = Vec::new();
    for k in 0..lead.iter().product() {
        let mut first = vec![0; shape.len()];
        for (ints, &axis) in ints.iter().zip(axes) {
            first[axis] = begin(ints[k], shape[axis], window[axis]);
        }
        for ix in indices(window) {
            let at: Vec<usize> = ix.iter().zip(&first).map(|(i, f)| i + f).collect();
            out.push(ravel(&at, shape));
        }
    }
    out
}

/// Slices at indices.
pub fn gather(x: &[Values], shapes: &[&[usize]], p: &Gather) -> Values {
    let lead = shapes.get(1).copied().unwrap_or(&[]);
    let at = places(&x[1..], lead, p.axes(), &p.window(shapes[0]), shapes[0]);
    x[0].gather(at.into_iter())
}

/// Updates combined into slices at indices, in order.
pub fn scatter(x: &[Values], shapes: &[&[usize]], p: &Scatter) -> Values {
    let lead = shapes.get(2).copied().unwrap_or(&[]);
    let at = places(&x[2..], lead, p.axes(), &shapes[1][lead.len()..], shapes[0]);
    combine(&x[0], &x[1], &at, p.reduce())
}

/// For each index along `axis`, row-major, the position of the element that it means.
fn places_along(index: &Values, index_shape: &[usize], shape: &[usize], axis: usize) -> Vec<usize> {
    let ints = index.ints();
    let place = |(k, mut ix): (usize, Vec<usize>)| {
        ix[axis] = begin(ints[k], shape[axis], 1);
        ravel(&ix, shape)
    };
    indices(index_shape).enumerate().map(place).collect()
}

/// Elements chosen along an axis.
pub fn take_along_axis(x: &[Values], shapes: &[&[usize]], axis: usize) -> Values {
    x[0].gather(places_along(&x[1], shapes[1], shapes[0], axis).into_iter())
}

/// Values combined into places along an axis, in order.
pub fn put_along_axis(x: &[Values], shapes: &[&[usize]], p: &PutAlongAxis) -> Values {
    let at = places_along(&x[1], shapes[1], shapes[0], p.axis());
    combine(&x[0], &x[2], &at, p.reduce())
}

/// `updates` combined into `x` at these positions, in order.
fn combine(x: &Values, updates: &Values, at: &[usize], reduce: Reduce) -> Values {
    let float = |a: f64, b: f64| match reduce {
        Reduce::Set => b,
        Reduce::Add => a + b,
        Reduce::Multiply => a * b,
        _ if a.is_nan() => a,
        _ if b.is_nan() => b,
        Reduce::Maximum => {
            if b > a {
                b
            } else {
                a
            }
        }
        Reduce::Minimum => {
            if b < a {
                b
            } else {
                a
            }
        }
    };
    let integer = |a: i128, b: i128| match reduce {
        Reduce::Set => b,
        Reduce::Add => a.wrapping_add(b),
        Reduce::Multiply => a.wrapping_mul(b),
        Reduce::Maximum => a.max(b),
        Reduce::Minimum => a.min(b),
    };
    let complex = |a: C, b: C| match reduce {
        Reduce::Set => b,
        Reduce::Add => a + b,
        Reduce::Multiply => a * b,
        Reduce::Maximum => a.larger(b),
        Reduce::Minimum => a.smaller(b),
    };
    match x {
        Values::C(x) => {
            let mut out = x.clone();
            at.iter().zip(updates.complexes()).for_each(|(&p, u)| out[p] = complex(out[p], u));
            Values::C(out)
        }
        Values::F(x) => {
            let mut out = x.clone();
            at.iter().zip(updates.floats()).for_each(|(&p, u)| out[p] = float(out[p], u));
            Values::F(out)
        }
        Values::I(x) => {
            let mut out = x.clone();
            at.iter().zip(updates.ints()).for_each(|(&p, u)| out[p] = integer(out[p], u));
            Values::I(out)
        }
    }
}

/// Numbers from a start by a step.
pub fn arange(p: &Arange, out: &Spec) -> Values {
    if out.dtype.is_float() {
        let (start, step) = p.floats();
        return Values::F((0..out.size()).map(|i| start + i as f64 * step).collect());
    }
    let (start, step) = p.integers();
    Values::I((0..out.size()).map(|i| i128::from(start.wrapping_add((i as u64).wrapping_mul(step)))).collect())
}

/// Numbers between two ends.
pub fn linspace(p: &Linspace, out: &Spec) -> Values {
    let v = (0..out.size()).map(|i| p.at(i));
    if out.dtype.is_float() { Values::F(v.collect()) } else { Values::I(v.map(|x| x as i128).collect()) }
}
