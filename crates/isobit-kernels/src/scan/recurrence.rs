//! First-order linear recurrences along one axis of contiguous `[outer, n, inner]` arrays.
//!
//! ```text
//! h = b[0];  out[0] = h
//! h = a[i] * h + b[i];  out[i] = h      product and sum rounded one after the other, i ascending (descending in reverse)
//! ```
//!
//! The state is f32 for f16 and bf16, rounded once per element. A line is one chain of operations: there is no tree, since
//! composing steps would multiply the factors beyond the range of their products with the state. Lines go side by side,
//! so the cost is that of reading where there are 16 or more of them, and about 8 cycles an element for a single one.

use super::ScanSpec;
use crate::disjoint::Disjoint;
use crate::float_lanes::FloatLanes;
use crate::par;
use crate::simd::{Kernel, Simd, dispatch};
use half::{bf16, f16};

/// Lines that go side by side.
const SIDE: usize = 16;
/// Columns that one task takes.
const STRIP: usize = 256;
/// Elements per task.
const PER_TASK: usize = 1 << 14;

/// An element type of a recurrence.
pub trait RecurrenceElement: Copy + Send + Sync + 'static {
    /// The state's type.
    #[doc(hidden)]
    type State: Copy + std::ops::Mul<Output = Self::State> + std::ops::Add<Output = Self::State> + Default;
    /// Exact.
    #[doc(hidden)]
    fn widen(self) -> Self::State;
    /// The nearest element.
    #[doc(hidden)]
    fn narrow(h: Self::State) -> Self;
}

macro_rules! in_f32 {
    ($($t:ty)*) => {$(
        impl RecurrenceElement for $t {
            type State = f32;
            #[inline(always)]
            fn widen(self) -> f32 {
                FloatLanes::widen(self)
            }
            #[inline(always)]
            fn narrow(h: f32) -> $t {
                <$t as FloatLanes>::narrow(h)
            }
        }
    )*};
}
in_f32!(f32 f16 bf16);

impl RecurrenceElement for f64 {
    type State = f64;
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn narrow(h: f64) -> f64 {
        h
    }
}

/// The recurrence on every line; `spec.inclusive` is not looked at.
///
/// # Panics
/// If the slices differ in length or are not whole lines.
pub fn linear_recurrence<T: RecurrenceElement>(a: &[T], b: &[T], dst: &mut [T], spec: ScanSpec) {
    assert!(a.len() == dst.len() && b.len() == dst.len(), "linear_recurrence: output size");
    if dst.is_empty() {
        return;
    }
    let slab = spec.n * spec.inner;
    assert!(slab > 0 && dst.len().is_multiple_of(slab), "linear_recurrence: lines of {} x {}", spec.n, spec.inner);
    let outer = dst.len() / slab;
    let dst = Disjoint::new(dst);
    let call = |lines, cols| Call { a, b, dst: &dst, spec, lines, cols };
    if spec.inner == 1 {
        let group = (PER_TASK / spec.n).clamp(1, 64).next_multiple_of(SIDE);
        par::run(outer.div_ceil(group), |t| dispatch(call(t * group..((t + 1) * group).min(outer), 0..1)));
        return;
    }
    let strips = spec.inner.div_ceil(STRIP);
    par::run(outer * strips, |t| {
        let (o, strip) = (t / strips, t % strips);
        dispatch(call(o..o + 1, strip * STRIP..((strip + 1) * STRIP).min(spec.inner)));
    });
}

/// The lines of some slabs and some columns.
struct Call<'a, T> {
    a: &'a [T],
    b: &'a [T],
    dst: &'a Disjoint<'a, T>,
    spec: ScanSpec,
    lines: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
}

impl<T: RecurrenceElement> Kernel for Call<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Call { a, b, dst, spec, lines, cols } = self;
        let slab = spec.n * spec.inner;
        if spec.inner == 1 {
            let mut from = lines.start;
            while from < lines.end {
                let count = SIDE.min(lines.end - from);
                let mut h = [T::State::default(); SIDE];
                for i in 0..spec.n {
                    let at = spec.at(i);
                    for (l, h) in h[..count].iter_mut().enumerate() {
                        let k = (from + l) * slab + at;
                        *h = if i == 0 { b[k].widen() } else { a[k].widen() * *h + b[k].widen() };
                        // SAFETY: a line belongs to one task, and `b[k]` has checked the place.
                        unsafe { dst.write(k, T::narrow(*h)) };
                    }
                }
                from += count;
            }
            return;
        }
        for o in lines {
            let mut state = [T::State::default(); STRIP];
            let h = &mut state[..cols.len()];
            for i in 0..spec.n {
                let at = o * slab + spec.at(i) + cols.start;
                let (a, b) = (&a[at..at + h.len()], &b[at..at + h.len()]);
                // SAFETY: the columns of this strip belong to this task.
                let to = unsafe { dst.slice(at, h.len()) };
                for (((h, a), b), to) in h.iter_mut().zip(a).zip(b).zip(to) {
                    *h = if i == 0 { b.widen() } else { a.widen() * *h + b.widen() };
                    *to = T::narrow(*h);
                }
            }
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    fn naive<T: RecurrenceElement>(a: &[T], b: &[T], spec: ScanSpec) -> Vec<T> {
        let slab = spec.n * spec.inner;
        let mut out = b.to_vec();
        for line in 0..b.len() / spec.n {
            let first = line / spec.inner * slab + line % spec.inner;
            let mut h = None;
            for i in 0..spec.n {
                let k = first + spec.at(i);
                let next = match h {
                    None => b[k].widen(),
                    Some(h) => a[k].widen() * h + b[k].widen(),
                };
                h = Some(next);
                out[k] = T::narrow(next);
            }
        }
        out
    }

    self_test!(every_level_thread_count_and_shape_gives_the_chain);
    fn every_level_thread_count_and_shape_gives_the_chain() {
        let _guard = crate::test_settings::lock();
        for (outer, n, inner) in [(1, 1, 1), (3, 7, 1), (70, 33, 1), (2, 300, 5), (2, 9, 300), (1, 1000, 1)] {
            for reverse in [false, true] {
                let spec = ScanSpec { n, inner, inclusive: true, reverse };
                let len = outer * n * inner;
                let a: Vec<f32> = (0..len).map(|i| ((i * 37 % 101) as f32 - 50.0) / 47.0).collect();
                let b: Vec<f32> = (0..len).map(|i| ((i * 53 % 97) as f32 - 48.0) / 13.0).collect();
                let (want, half) =
                    (naive(&a, &b, spec), |x: &[f32]| -> Vec<f16> { x.iter().map(|&x| f16::from_f32(x)).collect() });
                let (a16, b16) = (half(&a), half(&b));
                let want16 = naive(&a16, &b16, spec);
                crate::test_settings::each(|what| {
                    let mut out = vec![f32::NAN; len];
                    linear_recurrence(&a, &b, &mut out, spec);
                    let same = out.iter().zip(&want).all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(same, "{outer} x {n} x {inner}, {what}");
                    let mut out = vec![f16::NAN; len];
                    linear_recurrence(&a16, &b16, &mut out, spec);
                    assert!(out.iter().zip(&want16).all(|(x, y)| x.to_bits() == y.to_bits()), "f16, {what}");
                });
            }
        }
    }
}
