//! Scans of f32, f16 and bf16 with f32 accumulators, 16 lanes at a time.
//!
//! ```text
//! contiguous lines: take 16 blocks of 16; transpose, so that lane b is block b; the block tree as 32 lane-wise
//!                   operations; 16 scalar steps carry the block totals; carries on; transpose back
//! columns:          lanes are columns; 16 rows at a time the same tree, with the carries of the strip on the stack
//! ```
//!
//! A rest of up to four blocks runs the tree in scalar code: the same operations on the same operands.

#![allow(
    clippy::needless_range_loop,
    reason = "vectors and lanes are addressed by number, and iterators may not inline"
)]

use super::{CHUNK, LineScan, Lines, STRIP, ScanElement, ScanOp, ScanSpec, drive};
use crate::float_lanes::{FloatLanes, vectors};
use crate::isa::{self, Level};
use crate::math;
use crate::simd::{Kernel, Simd, dispatch_at};
use crate::transpose16::transpose16;
use half::{bf16, f16};
use std::marker::PhantomData;

/// Sixteen blocks of sixteen.
const GROUP: usize = 256;

/// An operation on lanes of f32.
pub(super) trait FloatOp: Copy + Send + Sync + 'static {
    /// Changes no bit of the other operand.
    const IDENTITY: f32;
    /// What an exclusive scan starts with.
    const START: f32;
    /// `a * b`, `a` coming first in the line.
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F;
    /// The same for one pair.
    fn one<S: Simd>(s: S, a: f32, b: f32) -> f32;
    /// Whether [`FloatOp::one`] costs much less than [`FloatOp::lanes`].
    const CHEAP: bool = true;
}

/// [`FloatOp::lanes`], which is a call unless it is cheap: a group has a hundred of them.
#[inline(always)]
fn lanes<S: Simd, O: FloatOp>(s: S, a: S::F, b: S::F) -> S::F {
    if O::CHEAP {
        return O::lanes(s, a, b);
    }
    let mut to = s.to_array(a);
    called::<O>(S::LEVEL, &mut to, &s.to_array(b));
    s.from_array(to)
}

/// `a = a * b`.
#[inline(never)]
fn called<O: FloatOp>(level: Level, a: &mut [f32; 16], b: &[f32; 16]) {
    struct Lanes<'a, O>(&'a mut [f32; 16], &'a [f32; 16], PhantomData<O>);
    impl<O: FloatOp> Kernel for Lanes<'_, O> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            *self.0 = s.to_array(O::lanes(s, s.from_array(*self.0), s.from_array(*self.1)));
        }
    }
    dispatch_at(level, Lanes(a, b, PhantomData::<O>))
}

#[derive(Clone, Copy)]
struct Sum;
impl FloatOp for Sum {
    const IDENTITY: f32 = -0.0;
    const START: f32 = 0.0;
    #[inline(always)]
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
        s.add(a, b)
    }
    #[inline(always)]
    fn one<S: Simd>(_: S, a: f32, b: f32) -> f32 {
        a + b
    }
}

#[derive(Clone, Copy)]
struct Prod;
impl FloatOp for Prod {
    const IDENTITY: f32 = 1.0;
    const START: f32 = 1.0;
    #[inline(always)]
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
        s.mul(a, b)
    }
    #[inline(always)]
    fn one<S: Simd>(_: S, a: f32, b: f32) -> f32 {
        a * b
    }
}

#[derive(Clone, Copy)]
struct Max;
impl FloatOp for Max {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const START: f32 = f32::NEG_INFINITY;
    #[inline(always)]
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
        // `a` stays when it is a NaN, greater or equal; a NaN in `b` alone makes the comparison false.
        s.select(s.is_nan(a), a, s.select(s.ge(a, b), a, b))
    }
    #[inline(always)]
    fn one<S: Simd>(_: S, a: f32, b: f32) -> f32 {
        if a.is_nan() || a >= b { a } else { b }
    }
}

#[derive(Clone, Copy)]
struct Min;
impl FloatOp for Min {
    const IDENTITY: f32 = f32::INFINITY;
    const START: f32 = f32::INFINITY;
    #[inline(always)]
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
        s.select(s.is_nan(a), a, s.select(s.le(a, b), a, b))
    }
    #[inline(always)]
    fn one<S: Simd>(_: S, a: f32, b: f32) -> f32 {
        if a.is_nan() || a <= b { a } else { b }
    }
}

#[derive(Clone, Copy)]
struct LogSumExp;
impl FloatOp for LogSumExp {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const START: f32 = f32::NEG_INFINITY;
    const CHEAP: bool = false;
    #[inline(always)]
    fn lanes<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
        let (high, low) = (s.maximum(a, b), s.minimum(a, b));
        let sum = s.add(high, math::log1p(s, math::exp(s, s.sub(low, high))));
        // -inf adds nothing, not even a changed zero, and +inf stays although inf - inf is a NaN.
        let keep = s.or_m(s.eq(low, s.splat(f32::NEG_INFINITY)), s.eq(high, s.splat(f32::INFINITY)));
        s.select(keep, high, sum)
    }
    #[inline(always)]
    fn one<S: Simd>(s: S, a: f32, b: f32) -> f32 {
        s.to_array(lanes::<S, Self>(s, s.splat(a), s.splat(b)))[0]
    }
}

struct Float<T, O> {
    level: Level,
    types: PhantomData<(T, O)>,
}

impl<T, O> Clone for Float<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, O> Copy for Float<T, O> {}

struct Call<'a, T, O> {
    lines: Lines<T>,
    carry: Option<&'a mut [f32]>,
    op: PhantomData<O>,
}

impl<T: FloatLanes, O: FloatOp> LineScan<T> for Float<T, O> {
    type Acc = f32;
    fn identity(self) -> f32 {
        O::IDENTITY
    }
    fn combine(self, a: f32, b: f32) -> f32 {
        struct One<O>(f32, f32, PhantomData<O>);
        impl<O: FloatOp> Kernel for One<O> {
            type Out = f32;
            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> f32 {
                O::one(s, self.0, self.1)
            }
        }
        dispatch_at(self.level, One(a, b, PhantomData::<O>))
    }
    unsafe fn run(self, lines: Lines<T>, carry: Option<&mut [f32]>) {
        dispatch_at(self.level, Call { lines, carry, op: PhantomData::<O> })
    }
}

impl<T: FloatLanes, O: FloatOp> Kernel for Call<'_, T, O> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Call { lines, mut carry, .. } = self;
        let slab = lines.spec.n * lines.spec.inner;
        let width = lines.cols.len();
        for o in lines.outer.clone() {
            let mut own = [O::IDENTITY; STRIP];
            let carry = match &mut carry {
                Some(c) => &mut c[..width],
                None => &mut own[..width],
            };
            // SAFETY: the slab lies in the array (the promise of `LineScan::run`).
            unsafe {
                let src = lines.src.add(o * slab);
                let dst = if lines.dst.is_null() { lines.dst } else { lines.dst.add(o * slab) };
                if !lines.spec.inclusive && lines.rows.start == 0 && !dst.is_null() {
                    for j in lines.cols.clone() {
                        dst.add(lines.spec.at(0) + j).write(T::narrow(O::START));
                    }
                }
                let mut row = lines.rows.start;
                while row < lines.rows.end {
                    let end = (row + CHUNK).min(lines.rows.end);
                    if lines.spec.inner == 1 {
                        let total = row_chunk::<S, T, O>(s, src, dst, lines.spec, row..end, carry[0]);
                        carry[0] = O::one(s, carry[0], total);
                    } else {
                        column_chunk::<S, T, O>(s, src, dst, lines.spec, row..end, lines.cols.clone(), carry);
                    }
                    row = end;
                }
            }
        }
    }
}

/// The block tree, lane-wise.
#[inline(always)]
fn tree<S: Simd, O: FloatOp>(s: S, x: &mut [S::F; 16]) {
    for w in [1, 2, 4, 8] {
        for i in 0..16 {
            if i & w != 0 {
                x[i] = lanes::<S, O>(s, x[(i & !(2 * w - 1)) + w - 1], x[i]);
            }
        }
    }
}

/// 256 elements, block by block; returns the block carry after them.
#[inline(always)]
fn group<S: Simd, O: FloatOp>(
    s: S,
    blocks: [S::F; 16],
    reverse: bool,
    mut block_carry: f32,
    chunk_carry: f32,
) -> ([S::F; 16], f32) {
    let mut x = transpose16(s, blocks);
    if reverse {
        x.reverse();
    }
    tree::<S, O>(s, &mut x);
    let totals = s.to_array(x[15]);
    let mut before = [0.0; 16];
    for b in 0..16 {
        before[b] = block_carry;
        block_carry = O::one(s, block_carry, totals[b]);
    }
    let (before, chunk) = (s.from_array(before), s.splat(chunk_carry));
    for x in &mut x {
        *x = lanes::<S, O>(s, chunk, lanes::<S, O>(s, before, *x));
    }
    if reverse {
        x.reverse();
    }
    (transpose16(s, x), block_carry)
}

/// A part of a contiguous line within one chunk; returns its total.
///
/// # Safety
/// `src` and `dst` (unless null) are the line's first element in memory.
#[inline(always)]
unsafe fn row_chunk<S: Simd, T: FloatLanes, O: FloatOp>(
    s: S,
    src: *const T,
    dst: *mut T,
    spec: ScanSpec,
    rows: std::ops::Range<usize>,
    chunk_carry: f32,
) -> f32 {
    let (n, shift) = (spec.n, !spec.inclusive as usize);
    let mut carry = O::IDENTITY;
    let mut p = rows.start;
    // Where block 0 of a group lies, and the step from block to block.
    let first = |p: usize| if spec.reverse { n - 16 - p } else { p } as isize;
    let step: isize = if spec.reverse { -16 } else { 16 };
    // Without vectors the tree is as quick in scalar code, and less of it.
    while (!O::CHEAP || S::LEVEL != Level::Scalar) && p + GROUP <= rows.end && p + GROUP + shift <= n {
        // SAFETY: elements p .. p + 256, and their shifted outputs, are in the line.
        unsafe {
            let blocks = vectors!(16, |b| T::load(s, src.offset(first(p) + b as isize * step)));
            let (out, after) = group::<S, O>(s, blocks, spec.reverse, carry, chunk_carry);
            carry = after;
            if !dst.is_null() {
                for b in 0..16 {
                    T::store(s, dst.offset(first(p + shift) + b as isize * step), out[b]);
                }
            }
        }
        p += GROUP;
    }
    while p < rows.end {
        let len = (rows.end - p).min(GROUP);
        let mut rest = [O::IDENTITY; GROUP];
        for (i, r) in rest[..len].iter_mut().enumerate() {
            // SAFETY: element p + i is in the line.
            *r = unsafe { src.add(spec.at(p + i)).read() }.widen();
        }
        carry = rest_of_chunk::<S, O>(s, &mut rest, len, carry, chunk_carry);
        if !dst.is_null() {
            for (i, &r) in rest[..len].iter().enumerate() {
                if let Some(to) = spec.goes(p + i) {
                    // SAFETY: `to` is in the line.
                    unsafe { dst.add(to).write(T::narrow(r)) };
                }
            }
        }
        p += len;
    }
    carry
}

/// Up to 256 elements of a chunk that are no group, padded with the identity, in sequence order.
#[inline(always)]
fn rest_of_chunk<S: Simd, O: FloatOp>(s: S, x: &mut [f32; GROUP], len: usize, mut carry: f32, chunk_carry: f32) -> f32 {
    if !O::CHEAP || len > 64 && S::LEVEL != Level::Scalar {
        // SAFETY: the array has 256 elements.
        unsafe {
            let blocks = vectors!(16, |b| s.load(x.as_ptr().add(16 * b)));
            let (out, after) = group::<S, O>(s, blocks, false, carry, chunk_carry);
            for b in 0..16 {
                s.store(x.as_mut_ptr().add(16 * b), out[b]);
            }
            return after;
        }
    }
    for block in x[..len.next_multiple_of(16)].as_chunks_mut::<16>().0 {
        for w in [1, 2, 4, 8] {
            for i in 0..16 {
                if i & w != 0 {
                    block[i] = O::one(s, block[(i & !(2 * w - 1)) + w - 1], block[i]);
                }
            }
        }
        let total = block[15];
        for x in block {
            *x = O::one(s, chunk_carry, O::one(s, carry, *x));
        }
        carry = O::one(s, carry, total);
    }
    carry
}

/// A strip of columns within one chunk; `chunk_carry` moves on.
///
/// # Safety
/// `src` and `dst` (unless null) are the slab's first element in memory.
#[inline(always)]
unsafe fn column_chunk<S: Simd, T: FloatLanes, O: FloatOp>(
    s: S,
    src: *const T,
    dst: *mut T,
    spec: ScanSpec,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    chunk_carry: &mut [f32],
) {
    let width = cols.len();
    let mut block_carry = [s.splat(O::IDENTITY); STRIP / 16];
    let mut chunk = [s.splat(O::IDENTITY); STRIP / 16];
    let vectors = width.div_ceil(16);
    for v in 0..vectors {
        let m = (width - 16 * v).min(16);
        // SAFETY: `m` carries are there.
        chunk[v] = unsafe { s.load_n(chunk_carry.as_ptr().add(16 * v), m, O::IDENTITY) };
    }
    let mut p = rows.start;
    while p < rows.end {
        let h = (rows.end - p).min(16);
        for v in 0..vectors {
            let (j, m) = (cols.start + 16 * v, (width - 16 * v).min(16));
            let mut x = [s.splat(O::IDENTITY); 16];
            for (i, x) in x[..h].iter_mut().enumerate() {
                // SAFETY: row p + i, columns j .. j + m are in the slab.
                *x = unsafe {
                    let from = src.add(spec.at(p + i) + j);
                    if m == 16 { T::load(s, from) } else { T::load_n(s, from, m) }
                };
            }
            tree::<S, O>(s, &mut x);
            let before = block_carry[v];
            block_carry[v] = lanes::<S, O>(s, before, x[15]);
            if dst.is_null() {
                continue;
            }
            for (i, &x) in x[..h].iter().enumerate() {
                let Some(to) = spec.goes(p + i) else { continue };
                let y = lanes::<S, O>(s, chunk[v], lanes::<S, O>(s, before, x));
                // SAFETY: row `to`, columns j .. j + m are in the slab.
                unsafe {
                    let to = dst.add(to + j);
                    if m == 16 { T::store(s, to, y) } else { T::store_n(s, to, y, m) }
                }
            }
        }
        p += h;
    }
    for v in 0..vectors {
        let m = (width - 16 * v).min(16);
        // SAFETY: `m` carries are there.
        unsafe { s.store_n(chunk_carry.as_mut_ptr().add(16 * v), lanes::<S, O>(s, chunk[v], block_carry[v]), m) };
    }
}

fn start<T: FloatLanes, O: FloatOp>(src: &[T], dst: &mut [T], spec: ScanSpec) {
    drive(Float { level: isa::level(), types: PhantomData::<(T, O)> }, src, dst, spec)
}

macro_rules! scan_float {
    ($($t:ty)*) => {$(
        impl ScanElement for $t {
            fn scan(op: ScanOp, src: &[Self], dst: &mut [Self], spec: ScanSpec) {
                match op {
                    ScanOp::Sum => start::<$t, Sum>(src, dst, spec),
                    ScanOp::Prod => start::<$t, Prod>(src, dst, spec),
                    ScanOp::Max => start::<$t, Max>(src, dst, spec),
                    ScanOp::Min => start::<$t, Min>(src, dst, spec),
                    ScanOp::LogSumExp => start::<$t, LogSumExp>(src, dst, spec),
                }
            }
        }
    )*};
}
scan_float!(f32 f16 bf16);
