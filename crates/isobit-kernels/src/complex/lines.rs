//! Reductions and cumulative operations along lines of complex64 numbers, one element after the other in ascending order.
//!
//! Products, recurrences and sums of exponentials go on in `f64` and are rounded for each element that is handed out. A
//! line's result depends on the line alone. (Sums are those of the parts, and made elsewhere.)

use super::{Complex, is_nan, order};
use crate::disjoint::Disjoint;
use crate::par;
use crate::reduce::ReduceOp;
use crate::scan::{ScanOp, ScanSpec};
use std::cmp::Ordering;

/// A number in memory.
type Pair = [f32; 2];

/// Elements per task, about.
const CHUNK: usize = 4096;

/// Runs `f` on every number below `count`, each of which stands for `each` elements.
fn every(count: usize, each: usize, f: impl Fn(usize) + Sync) {
    if count * each < 2 * CHUNK {
        (0..count).for_each(f)
    } else {
        par::for_chunks(count, (CHUNK / each.max(1)).max(1), |a, b| (a..b).for_each(&f))
    }
}

/// A product with one more factor: the first factor is the product, since one times an infinity would have a NaN in it.
fn times(so_far: Option<Complex>, z: Pair) -> Complex {
    so_far.map_or(z.into(), |p| p * z.into())
}

/// Position of the first element that is the largest (`Greater`) or smallest (`Less`); one with a NaN counts as such.
fn first(line: &[Pair], wanted: Ordering) -> usize {
    let mut best = 0;
    for (i, &z) in line.iter().enumerate() {
        if is_nan(line[best]) {
            break;
        }
        if is_nan(z) || order(z, line[best]) == wanted {
            best = i;
        }
    }
    best
}

/// Reduces every row of `n` numbers: `Prod`, `Max` or `Min`. False for any other operation, and then nothing was written.
///
/// # Panics
/// If a row of an extremum is empty.
pub fn reduce(op: ReduceOp, src: &[Pair], dst: &mut [Pair], n: usize) -> bool {
    let wanted = match op {
        ReduceOp::Prod => None,
        ReduceOp::Max => Some(Ordering::Greater),
        ReduceOp::Min => Some(Ordering::Less),
        _ => return false,
    };
    assert_eq!(src.len(), dst.len() * n, "reduce: rows of {n}");
    let (count, to) = (dst.len(), Disjoint::new(dst));
    every(count, n, |row| {
        let line = &src[row * n..(row + 1) * n];
        let value = match wanted {
            Some(wanted) => line[first(line, wanted)],
            None => line.iter().fold(None, |so_far, &z| Some(times(so_far, z))).unwrap_or(Complex::ONE).into(),
        };
        // SAFETY: every row has a place of its own.
        unsafe { to.write(row, value) };
    });
    true
}

/// The position of the first largest or smallest number of every row of `n`.
///
/// # Panics
/// If a row is empty.
pub fn position(largest: bool, src: &[Pair], dst: &mut [u32], n: usize) {
    assert_eq!(src.len(), dst.len() * n, "position: rows of {n}");
    let wanted = if largest { Ordering::Greater } else { Ordering::Less };
    let (count, to) = (dst.len(), Disjoint::new(dst));
    every(count, n, |row| {
        let found = first(&src[row * n..(row + 1) * n], wanted) as u32;
        // SAFETY: every row has a place of its own.
        unsafe { to.write(row, found) };
    });
}

/// The numbers of every line of `spec` in its order: calls `step` with a line's state, the place and whether it is the
/// line's first.
fn each_line<S>(len: usize, spec: ScanSpec, start: impl Fn() -> S + Sync, step: impl Fn(&mut S, usize) + Sync) {
    let lines = len.checked_div(spec.n).unwrap_or(0);
    every(lines, spec.n, |line| {
        let first = line / spec.inner * spec.n * spec.inner + line % spec.inner;
        let mut state = start();
        for i in 0..spec.n {
            let i = if spec.reverse { spec.n - 1 - i } else { i };
            step(&mut state, first + i * spec.inner);
        }
    });
}

/// A cumulative operation other than `Sum` along lines; false for that one, and then nothing was written.
pub fn scan(op: ScanOp, src: &[Pair], dst: &mut [Pair], spec: ScanSpec) -> bool {
    assert_eq!(src.len(), dst.len(), "scan: lengths");
    let to = Disjoint::new(dst);
    let put = |at: usize, before: Pair, after: Pair| {
        // SAFETY: every element belongs to one line, and every line to one task.
        unsafe { to.write(at, if spec.inclusive { after } else { before }) };
    };
    match op {
        ScanOp::Sum => return false,
        ScanOp::Prod => each_line(
            src.len(),
            spec,
            || None,
            |so_far: &mut Option<Complex>, at| {
                let next = times(*so_far, src[at]);
                put(at, so_far.unwrap_or(Complex::ONE).into(), next.into());
                *so_far = Some(next);
            },
        ),
        ScanOp::Max | ScanOp::Min => {
            let (start, wanted) = match op {
                ScanOp::Max => ([f32::NEG_INFINITY; 2], Ordering::Greater),
                _ => ([f32::INFINITY; 2], Ordering::Less),
            };
            each_line(
                src.len(),
                spec,
                || start,
                |so_far, at| {
                    let z = src[at];
                    let changes = !is_nan(*so_far) && (is_nan(z) || order(z, *so_far) == wanted);
                    let next = if changes { z } else { *so_far };
                    put(at, *so_far, next);
                    *so_far = next;
                },
            )
        }
        ScanOp::LogSumExp => each_line(src.len(), spec, Exponentials::default, |so_far, at| {
            let before = so_far.log();
            so_far.push(src[at].into());
            put(at, before.into(), so_far.log().into());
        }),
    }
    true
}

/// A sum of exponentials: `e^top * sum`, the largest of whose terms has magnitude 1 in `sum`.
struct Exponentials {
    top: f64,
    sum: Complex,
    /// The term that nothing can be added to: infinite, or with a NaN.
    last: Option<Complex>,
}

impl Default for Exponentials {
    fn default() -> Exponentials {
        Exponentials { top: f64::NEG_INFINITY, sum: Complex::ZERO, last: None }
    }
}

impl Exponentials {
    fn push(&mut self, z: Complex) {
        if self.last.is_some_and(Complex::is_nan) {
            return;
        }
        if z.is_nan() {
            self.last = Some(Complex { re: f64::NAN, im: f64::NAN });
        } else if z.re == f64::INFINITY {
            self.last = self.last.or(Some(z));
        } else if z.re != f64::NEG_INFINITY {
            let top = self.top.max(z.re);
            let old = self.sum.scale(libm::exp(self.top - top));
            self.sum = old + Complex { re: z.re - top, im: z.im }.exp();
            self.top = top;
        }
    }

    fn log(&self) -> Complex {
        if let Some(z) = self.last {
            return z;
        }
        if self.top == f64::NEG_INFINITY {
            return Complex { re: f64::NEG_INFINITY, im: 0.0 };
        }
        let z = self.sum.log();
        Complex { re: self.top + z.re, im: z.im }
    }
}

/// `h[i] = a[i] * h[i - 1] + b[i]` along lines, starting with `b`.
pub fn linear_recurrence(a: &[Pair], b: &[Pair], dst: &mut [Pair], spec: ScanSpec) {
    assert!(a.len() == b.len() && b.len() == dst.len(), "linear_recurrence: lengths");
    let to = Disjoint::new(dst);
    each_line(
        a.len(),
        spec,
        || None,
        |h: &mut Option<Complex>, at| {
            let next = match *h {
                None => b[at].into(),
                Some(h) => Complex::from(a[at]) * h + b[at].into(),
            };
            // SAFETY: every element belongs to one line, and every line to one task.
            unsafe { to.write(at, next.into()) };
            *h = Some(next);
        },
    );
}

/// The key of every number ([`super::key`]).
pub fn keys(src: &[Pair], dst: &mut [u64]) {
    assert_eq!(src.len(), dst.len(), "keys: lengths");
    let to = Disjoint::new(dst);
    // SAFETY: every element has a place of its own.
    every(src.len(), 1, |i| unsafe { to.write(i, super::key(src[i])) });
}

/// Row by row, `dst[i] = src[order[i]]`: positions within rows of `n`.
pub fn reorder(src: &[Pair], order: &[u32], dst: &mut [Pair], n: usize) {
    assert!(src.len() == order.len() && src.len() == dst.len(), "reorder: lengths");
    let to = Disjoint::new(dst);
    // SAFETY: every element has a place of its own.
    every(src.len(), 1, |i| unsafe { to.write(i, src[i / n * n + order[i] as usize]) });
}

/// Real products combined: `alpha * (a @ b) + beta * c` of complex matrices, from the four products of their parts (real by
/// real, imaginary by imaginary, real by imaginary, imaginary by real). Sums are formed in `f64` and rounded once.
pub fn combine(products: [&[f32]; 4], c: Option<&[Pair]>, alpha: f64, beta: f64, dst: &mut [Pair]) {
    let [rr, ii, ri, ir] = products;
    assert!(
        products.iter().all(|p| p.len() == dst.len()) && c.is_none_or(|c| c.len() == dst.len()),
        "combine: lengths"
    );
    let to = Disjoint::new(dst);
    let wide = |x: f32| f64::from(x);
    every(rr.len(), 1, |i| {
        let z = Complex { re: wide(rr[i]) - wide(ii[i]), im: wide(ri[i]) + wide(ir[i]) };
        let z = if alpha == 1.0 { z } else { z.scale(alpha) };
        let z = match c {
            Some(c) if beta != 0.0 => z + Complex::from(c[i]).scale(beta),
            _ => z,
        };
        // SAFETY: every element has a place of its own.
        unsafe { to.write(i, z.into()) };
    });
}
