//! Scans of f64 and of the integers on arrays, left to the compiler to vectorise.
//!
//! f64 follows the block tree. Integer operations are associative, wrapping included, so any order gives the bits of
//! the tree; they are scanned one after the other.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use super::{CHUNK, LineScan, Lines, STRIP, ScanElement, ScanOp, ScanSpec, drive};
use crate::isa::{self, Level};
use crate::simd::{Kernel, Simd, dispatch_plain_at};
use std::marker::PhantomData;

/// Columns that are scanned side by side.
const SIDE: usize = 16;

/// An operation on elements of type `T`.
trait PlainOp<T>: Copy + Send + Sync + 'static {
    const IDENTITY: T;
    const START: T;
    const ASSOCIATIVE: bool;
    fn one(a: T, b: T) -> T;
}

#[derive(Clone, Copy)]
struct Sum;
#[derive(Clone, Copy)]
struct Prod;
#[derive(Clone, Copy)]
struct Max;
#[derive(Clone, Copy)]
struct Min;

macro_rules! int_ops {
    ($($t:ty)*) => {$(
        int_op!($t, Sum, 0, |a, b| a.wrapping_add(b));
        int_op!($t, Prod, 1, |a, b| a.wrapping_mul(b));
        int_op!($t, Max, <$t>::MIN, |a, b| a.max(b));
        int_op!($t, Min, <$t>::MAX, |a, b| a.min(b));
        impl LogOp<$t> for LogSumExp {
            fn start(_: &[$t], _: &mut [$t], _: ScanSpec) {
                panic!("scan: log-sum-exp of integers: convert them to floats first");
            }
        }
        scan_plain!($t);
    )*};
}

macro_rules! int_op {
    ($t:ty, $op:ty, $id:expr, |$a:ident, $b:ident| $e:expr) => {
        impl PlainOp<$t> for $op {
            const IDENTITY: $t = $id;
            const START: $t = $id;
            const ASSOCIATIVE: bool = true;
            #[inline(always)]
            fn one($a: $t, $b: $t) -> $t {
                $e
            }
        }
    };
}

macro_rules! f64_op {
    ($op:ty, $id:expr, $start:expr, |$a:ident, $b:ident| $e:expr) => {
        impl PlainOp<f64> for $op {
            const IDENTITY: f64 = $id;
            const START: f64 = $start;
            const ASSOCIATIVE: bool = false;
            #[inline(always)]
            fn one($a: f64, $b: f64) -> f64 {
                $e
            }
        }
    };
}

f64_op!(Sum, -0.0, 0.0, |a, b| a + b);
f64_op!(Prod, 1.0, 1.0, |a, b| a * b);
f64_op!(Max, f64::NEG_INFINITY, f64::NEG_INFINITY, |a, b| if a.is_nan() || a >= b { a } else { b });
f64_op!(Min, f64::INFINITY, f64::INFINITY, |a, b| if a.is_nan() || a <= b { a } else { b });

#[derive(Clone, Copy)]
struct LogSumExp;
f64_op!(LogSumExp, f64::NEG_INFINITY, f64::NEG_INFINITY, |a, b| {
    // A NaN in either is the `high` of these comparisons or makes the sum one.
    let (high, low) = if a >= b || a.is_nan() { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY || high == f64::INFINITY {
        if low.is_nan() { low } else { high }
    } else {
        high + libm::log1p(libm::exp(low - high))
    }
});

fn start_log<T: Copy + Send + Sync + 'static>(src: &[T], dst: &mut [T], spec: ScanSpec)
where
    LogSumExp: LogOp<T>,
{
    <LogSumExp as LogOp<T>>::start(src, dst, spec)
}

/// Log-sum-exp where the type has one.
trait LogOp<T> {
    fn start(src: &[T], dst: &mut [T], spec: ScanSpec);
}

impl LogOp<f64> for LogSumExp {
    fn start(src: &[f64], dst: &mut [f64], spec: ScanSpec) {
        start::<f64, LogSumExp>(src, dst, spec)
    }
}

macro_rules! scan_plain {
    ($t:ty) => {
        impl ScanElement for $t {
            fn scan(op: ScanOp, src: &[Self], dst: &mut [Self], spec: ScanSpec) {
                match op {
                    ScanOp::Sum => start::<$t, Sum>(src, dst, spec),
                    ScanOp::Prod => start::<$t, Prod>(src, dst, spec),
                    ScanOp::Max => start::<$t, Max>(src, dst, spec),
                    ScanOp::Min => start::<$t, Min>(src, dst, spec),
                    ScanOp::LogSumExp => start_log::<$t>(src, dst, spec),
                }
            }
        }
    };
}

int_ops!(i8 i16 i32 i64 u8 u16 u32 u64);
scan_plain!(f64);

fn start<T: Copy + Send + Sync + 'static, O: PlainOp<T>>(src: &[T], dst: &mut [T], spec: ScanSpec) {
    drive(Plain { level: isa::level(), types: PhantomData::<(T, O)> }, src, dst, spec)
}

struct Plain<T, O> {
    level: Level,
    types: PhantomData<(T, O)>,
}

impl<T, O> Clone for Plain<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, O> Copy for Plain<T, O> {}

// SAFETY: it holds no value of `T`.
unsafe impl<T, O> Sync for Plain<T, O> {}

struct Call<'a, T, O> {
    lines: Lines<T>,
    carry: Option<&'a mut [T]>,
    op: PhantomData<O>,
}

impl<T: Copy + Send + Sync + 'static, O: PlainOp<T>> LineScan<T> for Plain<T, O> {
    type Acc = T;
    fn identity(self) -> T {
        O::IDENTITY
    }
    fn combine(self, a: T, b: T) -> T {
        O::one(a, b)
    }
    unsafe fn run(self, lines: Lines<T>, carry: Option<&mut [T]>) {
        dispatch_plain_at(self.level, Call { lines, carry, op: PhantomData::<O> })
    }
}

impl<T: Copy + Send + Sync + 'static, O: PlainOp<T>> Kernel for Call<'_, T, O> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Call { lines, mut carry, .. } = self;
        let (spec, cols) = (lines.spec, lines.cols.clone());
        let slab = spec.n * spec.inner;
        for o in lines.outer.clone() {
            let mut own = [O::IDENTITY; STRIP];
            let carry = match &mut carry {
                Some(c) => &mut c[..cols.len()],
                None => &mut own[..cols.len()],
            };
            // SAFETY: the slab lies in the array (the promise of `LineScan::run`).
            unsafe {
                let src = lines.src.add(o * slab);
                let dst = if lines.dst.is_null() { lines.dst } else { lines.dst.add(o * slab) };
                if !spec.inclusive && lines.rows.start == 0 && !dst.is_null() {
                    for j in cols.clone() {
                        dst.add(spec.at(0) + j).write(O::START);
                    }
                }
                let mut row = lines.rows.start;
                while row < lines.rows.end {
                    let end = (row + CHUNK).min(lines.rows.end);
                    let mut j = 0;
                    while j < cols.len() {
                        let at = cols.start + j;
                        let (src, to) = (src.add(at), if dst.is_null() { dst } else { dst.add(at) });
                        if cols.len() - j >= SIDE {
                            chunk::<T, O, SIDE>(src, to, spec, row..end, &mut carry[j..]);
                            j += SIDE;
                        } else {
                            chunk::<T, O, 1>(src, to, spec, row..end, &mut carry[j..]);
                            j += 1;
                        }
                    }
                    row = end;
                }
            }
        }
    }
}

/// `W` neighbouring columns within one chunk; their carries move on.
///
/// # Safety
/// `src` and `dst` (unless null) are the first column's first element in memory.
#[inline(always)]
unsafe fn chunk<T: Copy, O: PlainOp<T>, const W: usize>(
    src: *const T,
    dst: *mut T,
    spec: ScanSpec,
    rows: std::ops::Range<usize>,
    chunk_carry: &mut [T],
) {
    let mut carry = [O::IDENTITY; W];
    let start: [T; W] = std::array::from_fn(|j| chunk_carry[j]);
    let mut p = rows.start;
    while p < rows.end {
        let h = (rows.end - p).min(16);
        let mut x = [[O::IDENTITY; W]; 16];
        for (i, x) in x[..h].iter_mut().enumerate() {
            // SAFETY: the row and these W columns are in the slab.
            *x = unsafe { src.add(spec.at(p + i)).cast::<[T; W]>().read_unaligned() };
        }
        if O::ASSOCIATIVE {
            for i in 0..16 {
                for j in 0..W {
                    carry[j] = O::one(carry[j], x[i][j]);
                    x[i][j] = O::one(start[j], carry[j]);
                }
            }
        } else {
            for w in [1, 2, 4, 8] {
                for i in 0..16 {
                    if i & w != 0 {
                        let from = x[(i & !(2 * w - 1)) + w - 1];
                        for j in 0..W {
                            x[i][j] = O::one(from[j], x[i][j]);
                        }
                    }
                }
            }
            let total = x[15];
            for x in &mut x {
                for j in 0..W {
                    x[j] = O::one(start[j], O::one(carry[j], x[j]));
                }
            }
            for j in 0..W {
                carry[j] = O::one(carry[j], total[j]);
            }
        }
        if !dst.is_null() {
            for (i, x) in x[..h].iter().enumerate() {
                if let Some(to) = spec.goes(p + i) {
                    // SAFETY: the row and these W columns are in the slab.
                    unsafe { dst.add(to).cast::<[T; W]>().write_unaligned(*x) };
                }
            }
        }
        p += h;
    }
    for j in 0..W {
        chunk_carry[j] = O::one(start[j], carry[j]);
    }
}
