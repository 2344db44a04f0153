//! Bits of every path against the contract written naively, at every level the machine has and several thread counts.

use super::*;
use crate::isa::{self, Level};
use std::sync::MutexGuard;

/// Level and thread count are process-wide: one test at a time, and both as they were afterwards.
struct Settings<'a> {
    level: Level,
    threads: usize,
    _lock: MutexGuard<'a, ()>,
}

fn settings() -> Settings<'static> {
    let lock = crate::test_settings::lock();
    Settings { level: isa::level(), threads: par::threads(), _lock: lock }
}

impl Drop for Settings<'_> {
    fn drop(&mut self) {
        isa::set_level(self.level);
        par::set_threads(self.threads);
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Around one in magnitude, either sign, all mantissa bits in use.
    fn unit(&mut self) -> f64 {
        let r = self.next();
        ((r >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * if r & 7 == 0 { 16.0 } else { 2.0 }
    }
}

/// What a test needs to know of an element type.
trait Case: Element + PartialEq {
    const NAME: &'static str;
    const POISON: Self;
    fn from_unit(x: f64) -> Self;
    fn bits(self) -> u64;
    /// The contract's total.
    fn total(a: &[Self], b: &[Self]) -> Self::Acc;
}

macro_rules! case {
    ($t:ty, $name:literal, $poison:expr, $from:expr, $bits:expr, $zero:literal, $block:expr, $add:expr) => {
        impl Case for $t {
            const NAME: &'static str = $name;
            const POISON: $t = $poison;

            fn from_unit(x: f64) -> $t {
                $from(x)
            }

            fn bits(self) -> u64 {
                $bits(self)
            }

            fn total(a: &[$t], b: &[$t]) -> Self::Acc {
                let mut sums = a.chunks(256).zip(b.chunks(256)).map(|(a, b)| $block(a, b));
                let Some(first) = sums.next() else { return $zero };
                sums.fold(first, $add)
            }
        }
    };
}

case!(
    f32,
    "f32",
    f32::NAN,
    |x| x as f32,
    |x: f32| u64::from(x.to_bits()),
    0.0,
    |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0f32, |acc, (a, b)| a.mul_add(*b, acc)),
    |t, s| t + s
);
case!(
    f64,
    "f64",
    f64::NAN,
    |x| x,
    |x: f64| x.to_bits(),
    0.0,
    |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0f64, |acc, (a, b)| a.mul_add(*b, acc)),
    |t, s| t + s
);
case!(
    f16,
    "f16",
    f16::NAN,
    f16::from_f64,
    |x: f16| u64::from(x.to_bits()),
    0.0,
    |a: &[f16], b: &[f16]| a.iter().zip(b).fold(0.0f32, |acc, (a, b)| a.to_f32().mul_add(b.to_f32(), acc)),
    |t, s| t + s
);
case!(
    bf16,
    "bf16",
    bf16::NAN,
    bf16::from_f64,
    |x: bf16| u64::from(x.to_bits()),
    0.0,
    |a: &[bf16], b: &[bf16]| a.chunks(2).zip(b.chunks(2)).fold(0.0f32, |acc, (a, b)| {
        let odd = if a.len() == 2 { (a[1].to_f32(), b[1].to_f32()) } else { (0.0, 0.0) };
        flush::fma(a[0].to_f32(), b[0].to_f32(), flush::fma(odd.0, odd.1, acc))
    }),
    flush::add
);

/// A strided matrix in a buffer of its own.
struct Owned<T> {
    data: Vec<T>,
    start: usize,
    rows: isize,
    cols: isize,
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    RowMajor,
    ColMajor,
    /// Both strides above one, start off alignment.
    Sparse,
    /// Both strides negative.
    Reversed,
    /// One row for all rows.
    BroadcastRows,
}

const LAYOUTS: [Layout; 5] =
    [Layout::RowMajor, Layout::ColMajor, Layout::Sparse, Layout::Reversed, Layout::BroadcastRows];

impl<T: Case> Owned<T> {
    fn new(rows: usize, cols: usize, layout: Layout, fill: &mut dyn FnMut() -> T) -> Self {
        let (start, rs, cs) = match layout {
            Layout::RowMajor => (1, cols as isize, 1),
            Layout::ColMajor => (3, 1, rows as isize),
            Layout::Sparse => (1, (cols * 2 + 3) as isize, 2),
            Layout::Reversed => (rows.saturating_sub(1) * (cols + 1) + cols, -((cols + 1) as isize), -1),
            Layout::BroadcastRows => (1, 0, 1),
        };
        let span = start + rows * rs.unsigned_abs() + cols * cs.unsigned_abs() + 1;
        Owned { data: (0..span).map(|_| fill()).collect(), start, rows: rs, cols: cs }
    }

    fn index(&self, r: usize, c: usize) -> usize {
        (self.start as isize + r as isize * self.rows + c as isize * self.cols) as usize
    }

    fn mat(&self) -> Mat<T> {
        Mat::new(self.data[self.start..].as_ptr(), self.rows, self.cols)
    }

    fn out(&mut self) -> OutMat<T> {
        OutMat::new(self.data[self.start..].as_mut_ptr(), self.rows, self.cols)
    }

    fn row(&self, r: usize, n: usize) -> Vec<T> {
        (0..n).map(|c| self.data[self.index(r, c)]).collect()
    }

    fn column(&self, c: usize, n: usize) -> Vec<T> {
        (0..n).map(|r| self.data[self.index(r, c)]).collect()
    }
}

/// The contract, naively.
fn naive<T: Case>(
    m: usize,
    n: usize,
    k: usize,
    a: &Owned<T>,
    b: &Owned<T>,
    e: (T::Acc, T::Acc, Option<&Owned<T>>),
) -> Vec<T> {
    let columns: Vec<Vec<T>> = (0..n).map(|j| b.column(j, k)).collect();
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        let row = a.row(i, k);
        for (j, column) in columns.iter().enumerate() {
            out.push(T::finish(T::total(&row, column), e.0, e.1, e.2.map(|c| c.data[c.index(i, j)])));
        }
    }
    out
}

fn check<T: Case>(what: &str, m: usize, n: usize, out: &Owned<T>, want: &[T]) {
    for i in 0..m {
        for j in 0..n {
            let (got, want) = (out.data[out.index(i, j)], want[i * n + j]);
            assert_eq!(got.bits(), want.bits(), "{} {what}: out[{i}, {j}] of {m} x {n}", T::NAME);
        }
    }
}

fn levels_and_threads() -> Vec<(Level, usize)> {
    let mut all: Vec<_> = isa::available().into_iter().map(|l| (l, 2)).collect();
    all.extend([1, 3, 7].map(|t| (isa::detected(), t)).into_iter().filter(|_| !crate::test_settings::sampled()));
    all
}

/// One product with given layouts at every level and thread count.
fn product<T: Case>(m: usize, n: usize, k: usize, la: Layout, lb: Layout, lo: Layout, seed: u64) {
    let mut random = Random(seed * 2 + 0x1234_5677);
    let mut fill = || T::from_unit(random.unit());
    let a = Owned::<T>::new(m, k, la, &mut fill);
    let b = Owned::<T>::new(k, n, lb, &mut fill);
    let want = naive(m, n, k, &a, &b, (T::ONE, T::ONE, None));
    for (level, threads) in levels_and_threads() {
        assert!(isa::set_level(level));
        par::set_threads(threads);
        let mut out = Owned::<T>::new(m, n, lo, &mut || T::POISON);
        let untouched = out.data.clone();
        // SAFETY: the views cover their buffers.
        unsafe { gemm(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::none()) };
        check(&format!("{level:?} x{threads} k={k} {la:?} {lb:?} {lo:?}"), m, n, &out, &want);
        // Nothing around the outputs was written.
        let mut inside = vec![false; out.data.len()];
        for i in 0..m {
            for j in 0..n {
                inside[out.index(i, j)] = true;
            }
        }
        for (i, inside) in inside.iter().enumerate() {
            assert!(*inside || out.data[i].bits() == untouched[i].bits(), "{} wrote outside", T::NAME);
        }
    }
}

macro_rules! for_each_type {
    ($name:ident, $body:ident) => {
        mod $name {
            use super::*;

            self_test!(gemm_f32);
            fn gemm_f32() {
                $body::<f32>();
            }

            self_test!(gemm_f64);
            fn gemm_f64() {
                $body::<f64>();
            }

            self_test!(gemm_f16);
            fn gemm_f16() {
                $body::<f16>();
            }

            self_test!(gemm_bf16);
            fn gemm_bf16() {
                $body::<bf16>();
            }
        }
    };
}

fn ragged<T: Case>() {
    let _settings = settings();
    let mut random = Random(77);
    for k in [0, 1, 2, 3, 255, 256, 257, 300, 512, 513] {
        for n in [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 40] {
            let m = 1 + (random.next() % 20) as usize;
            let pick = |r: u64| LAYOUTS[(r % 5) as usize];
            let (la, lb) = (pick(random.next()), pick(random.next()));
            let lo = LAYOUTS[(random.next() % 4) as usize];
            product::<T>(m, n, k, la, lb, lo, random.next() % 1000);
        }
    }
}
for_each_type!(ragged_shapes, ragged);

fn layouts<T: Case>() {
    let _settings = settings();
    for la in LAYOUTS {
        for lb in LAYOUTS {
            for lo in &LAYOUTS[..4] {
                product::<T>(5, 37, 19, la, lb, *lo, 5);
            }
        }
    }
    for (i, (la, lb)) in
        [(Layout::RowMajor, Layout::ColMajor), (Layout::ColMajor, Layout::RowMajor)].into_iter().enumerate()
    {
        product::<T>(97, 70, 270, la, lb, Layout::RowMajor, i as u64);
        product::<T>(97, 70, 270, la, lb, Layout::ColMajor, i as u64);
    }
}
for_each_type!(every_layout, layouts);

/// Rows have the same bits however many of them there are: 1..=130 and 512 rows, sliced anywhere.
fn rows<T: Case>() {
    let _settings = settings();
    let full = 512;
    for (n, k, lb) in [(48, 300, Layout::ColMajor), (33, 257, Layout::RowMajor), (70, 64, Layout::ColMajor)] {
        let mut random = Random(n as u64);
        let mut fill = || T::from_unit(random.unit());
        let a = Owned::<T>::new(full, k, Layout::RowMajor, &mut fill);
        let b = Owned::<T>::new(k, n, lb, &mut fill);
        let want = naive(full, n, k, &a, &b, (T::ONE, T::ONE, None));
        for (level, threads) in levels_and_threads() {
            assert!(isa::set_level(level));
            par::set_threads(threads);
            let slow = level != isa::detected() || threads > 2;
            for m in (1..=130).filter(|m| !slow || m % 13 == 1).chain([full]) {
                let start = if m == full { 0 } else { (m * 37) % (full - m) };
                let mut out = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
                let view = Mat { ptr: a.data[a.index(start, 0)..].as_ptr(), ..a.mat() };
                // SAFETY: the views cover their buffers.
                unsafe { gemm(m, n, k, view, b.mat(), out.out(), Epilogue::none()) };
                check(&format!("{level:?} x{threads} rows from {start}, k={k}"), m, n, &out, &want[start * n..]);
            }
        }
    }
}
for_each_type!(row_slices, rows);

/// Few rows, many columns: the streaming kernels and their ragged ends.
fn few_rows<T: Case>() {
    let _settings = settings();
    for (n, k) in [(256, 257), (300, 515), (530, 31), (1100, 3)] {
        for m in [1, 2, 3, 4, 5, 8] {
            product::<T>(m, n, k, Layout::RowMajor, Layout::RowMajor, Layout::RowMajor, (n + m) as u64);
        }
        product::<T>(1, n, k, Layout::Sparse, Layout::RowMajor, Layout::Sparse, n as u64);
        product::<T>(n, 2, k, Layout::ColMajor, Layout::RowMajor, Layout::RowMajor, n as u64);
    }
}
for_each_type!(few_rows_many_columns, few_rows);

/// Several stages, groups and spans of the driver.
fn large<T: Case>() {
    let _settings = settings();
    let (m, n, k) = (2048 + 19, 45, 263);
    let mut random = Random(3);
    let mut fill = || T::from_unit(random.unit());
    let a = Owned::<T>::new(m, k, Layout::RowMajor, &mut fill);
    let b = Owned::<T>::new(k, n, Layout::ColMajor, &mut fill);
    let want = naive(m, n, k, &a, &b, (T::ONE, T::ONE, None));
    for (level, threads) in [(isa::detected(), 1), (isa::detected(), 3)] {
        assert!(isa::set_level(level));
        par::set_threads(threads);
        let mut out = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
        // SAFETY: the views cover their buffers.
        unsafe { gemm(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::none()) };
        check(&format!("{level:?} x{threads}"), m, n, &out, &want);
        // The transposed product is the same numbers, through the other operand's code.
        let mut out = Owned::<T>::new(n, m, Layout::RowMajor, &mut || T::POISON);
        // SAFETY: the views cover their buffers.
        unsafe { gemm(n, m, k, b.mat().t(), a.mat().t(), out.out(), Epilogue::none()) };
        let swapped: Vec<T> = (0..n * m).map(|i| want[(i % m) * n + i / m]).collect();
        check(&format!("{level:?} x{threads} transposed"), n, m, &out, &swapped);
    }
}
for_each_type!(large_products, large);

/// Rows and columns enough for A to be packed on the way: one chunk of B's columns and several, either layout of B.
fn many_rows<T: Case>() {
    let _settings = settings();
    product::<T>(350, 330, 515, Layout::RowMajor, Layout::ColMajor, Layout::RowMajor, 6);
    product::<T>(341, 1090, 260, Layout::RowMajor, Layout::RowMajor, Layout::Sparse, 7);
}
for_each_type!(many_rows_and_columns, many_rows);

fn epilogues<T: Case>()
where
    T::Acc: From<f32>,
{
    let _settings = settings();
    let mut random = Random(9);
    let mut fill = || T::from_unit(random.unit());
    for (m, n, k) in [(1, 40, 300), (17, 33, 5), (45, 20, 257), (3, 5, 0), (400, 70, 520)] {
        let a = Owned::<T>::new(m, k, Layout::RowMajor, &mut fill);
        let b = Owned::<T>::new(k, n, Layout::ColMajor, &mut fill);
        let c = Owned::<T>::new(m, n, Layout::Sparse, &mut fill);
        let bias = Owned::<T>::new(m, n, Layout::BroadcastRows, &mut fill);
        let nan = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
        for (alpha, beta, c, read) in
            [(0.7f32, -1.3f32, &c, true), (1.0, 1.0, &bias, true), (1.0, 0.0, &nan, false), (-2.0, 0.0, &nan, false)]
        {
            let (alpha, beta) = (T::Acc::from(alpha), T::Acc::from(beta));
            let want = naive(m, n, k, &a, &b, (alpha, beta, read.then_some(c)));
            for (level, threads) in levels_and_threads() {
                assert!(isa::set_level(level));
                par::set_threads(threads);
                for lo in [Layout::RowMajor, Layout::ColMajor] {
                    let mut out = Owned::<T>::new(m, n, lo, &mut || T::POISON);
                    // SAFETY: the views cover their buffers.
                    unsafe { gemm(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::addmm(alpha, beta, c.mat())) };
                    check(&format!("{level:?} x{threads} {lo:?} alpha {alpha:?} beta {beta:?}"), m, n, &out, &want);
                }
            }
        }
    }
}
for_each_type!(epilogue_order, epilogues);

fn batches<T: Case>() {
    let _settings = settings();
    let mut random = Random(21);
    let mut fill = || T::from_unit(random.unit());
    for (m, n, k, count) in [(3, 5, 7, 40), (20, 33, 64, 9), (65, 70, 80, 3), (4, 4, 4, 0)] {
        let a = Owned::<T>::new(m * count, k, Layout::RowMajor, &mut fill);
        let b = Owned::<T>::new(k, n, Layout::ColMajor, &mut fill);
        let want = naive(m * count, n, k, &a, &b, (T::ONE, T::ONE, None));
        let batch: Vec<Offsets> = (0..count as isize)
            .map(|i| Offsets { a: i * (m * k) as isize, b: 0, c: 0, out: i * (m * n) as isize })
            .collect();
        for (level, threads) in levels_and_threads() {
            assert!(isa::set_level(level));
            par::set_threads(threads);
            let mut out = Owned::<T>::new(m * count, n, Layout::RowMajor, &mut || T::POISON);
            // SAFETY: the views cover their buffers.
            unsafe { gemm_batched(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::none(), &batch) };
            check(&format!("{level:?} x{threads} batch of {count}"), m * count, n, &out, &want);
        }
    }
}
for_each_type!(batched, batches);

/// Infinities and NaNs anywhere: a NaN result is always the canonical one.
fn specials<T: Case>() {
    let _settings = settings();
    let (m, n, k) = (20, 37, 270);
    let mut random = Random(31);
    let mut fill = || match random.next() % 200 {
        0 => T::from_unit(f64::NAN),
        1 => T::from_unit(f64::INFINITY),
        2 => T::from_unit(-f64::NAN),
        3 | 4 => T::from_unit(-0.0),
        _ => T::from_unit(random.unit()),
    };
    let a = Owned::<T>::new(m, k, Layout::RowMajor, &mut fill);
    let b = Owned::<T>::new(k, n, Layout::ColMajor, &mut fill);
    let want = naive(m, n, k, &a, &b, (T::ONE, T::ONE, None));
    assert!(want.iter().any(|x| x.bits() == T::POISON.bits()));
    for (level, threads) in levels_and_threads() {
        assert!(isa::set_level(level));
        par::set_threads(threads);
        for m in [1, 4, m] {
            let mut out = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
            // SAFETY: the views cover their buffers.
            unsafe { gemm(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::none()) };
            check(&format!("{level:?} x{threads} specials"), m, n, &out, &want);
        }
    }
}
for_each_type!(special_values, specials);

/// Products and sums around the least normal number, and subnormal operands.
fn tiny<T: Case>(exponents: std::ops::Range<i32>) {
    let _settings = settings();
    let (m, n, k) = (18, 35, 259);
    let mut random = Random(41);
    let span = (exponents.end - exponents.start) as u64;
    let mut fill = || T::from_unit(random.unit() * 2f64.powi(exponents.start + (random.next() % span) as i32));
    let a = Owned::<T>::new(m, k, Layout::RowMajor, &mut fill);
    let b = Owned::<T>::new(k, n, Layout::ColMajor, &mut fill);
    let want = naive(m, n, k, &a, &b, (T::ONE, T::ONE, None));
    assert!(want.iter().any(|x| x.bits() != 0));
    for (level, threads) in levels_and_threads() {
        assert!(isa::set_level(level));
        par::set_threads(threads);
        for m in [1, 3, m] {
            let mut out = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
            // SAFETY: the views cover their buffers.
            unsafe { gemm(m, n, k, a.mat(), b.mat(), out.out(), Epilogue::none()) };
            check(&format!("{level:?} x{threads} tiny from 2^{}", exponents.start), m, n, &out, &want);
        }
    }
}

self_test!(gemm_bf16_subnormals);
fn gemm_bf16_subnormals() {
    for range in [-70..-55, -66..-62, -64..-60, -80..-40] {
        tiny::<bf16>(range);
    }
}

self_test!(gemm_f16_subnormals);
fn gemm_f16_subnormals() {
    for range in [-24..-10, -20..-14, -13..-11] {
        tiny::<f16>(range);
    }
}

self_test!(gemm_f32_subnormals);
fn gemm_f32_subnormals() {
    for range in [-78..-66, -70..-60] {
        tiny::<f32>(range);
    }
}

#[cfg(target_arch = "x86_64")]
self_test!(gemm_bf16_dot_equals_fma);
/// Both bf16 kernels of the AVX-512 level, whichever the machine prefers.
#[cfg(target_arch = "x86_64")]
fn gemm_bf16_dot_equals_fma() {
    let _settings = settings();
    assert!(isa::set_level(isa::detected()));
    if !isa::has_bf16_dot() {
        return;
    }
    for (scale, seed) in [(0, 1u64), (-63, 2), (-60, 3), (60, 4)] {
        for (m, n, k) in [(1, 33, 513), (13, 64, 256), (40, 70, 301), (350, 40, 260)] {
            let mut random = Random(seed * 99 + 5);
            let mut fill = || {
                let e = scale + (random.next() % 8) as i32;
                bf16::from_f64(random.unit() * 2f64.powi(e))
            };
            let a = Owned::<bf16>::new(m, k, Layout::RowMajor, &mut fill);
            let b = Owned::<bf16>::new(k, n, Layout::ColMajor, &mut fill);
            let want = naive(m, n, k, &a, &b, (1.0, 1.0, None));
            for dot in [false, true] {
                let mut out = Owned::<bf16>::new(m, n, Layout::RowMajor, &mut || bf16::NAN);
                let p = Problem { m, n, k, a: a.mat(), b: b.mat(), out: out.out(), epilogue: Epilogue::none() };
                // SAFETY: the views cover their buffers; the instruction exists.
                unsafe {
                    if dot {
                        with::<scheme::Bf16Dot>(&p, Source::Strided(p.b), false);
                    } else {
                        with::<Bf16Fma>(&p, Source::Strided(p.b), false);
                    }
                }
                check(&format!("dot {dot} scale 2^{scale} k={k}"), m, n, &out, &want);
            }
        }
    }
}

/// Kept panels give the bits of the unpacked product, for any number of rows.
fn packed<T: Case>() {
    let _settings = settings();
    for (n, k, lb) in [
        (33, 257, Layout::ColMajor),
        (70, 300, Layout::RowMajor),
        (1, 513, Layout::ColMajor),
        (40, 1, Layout::Sparse),
        (32, 512, Layout::Reversed),
        (5, 0, Layout::RowMajor),
    ] {
        let full = 400;
        let mut random = Random(n as u64 + 5);
        let mut fill = || T::from_unit(random.unit());
        let a = Owned::<T>::new(full, k, Layout::RowMajor, &mut fill);
        let b = Owned::<T>::new(k, n, lb, &mut fill);
        let want = naive(full, n, k, &a, &b, (T::ONE, T::ONE, None));
        for (level, threads) in levels_and_threads() {
            assert!(isa::set_level(level));
            par::set_threads(threads);
            // SAFETY: the view covers its buffer.
            let packed = unsafe { PackedB::new(k, n, b.mat()) };
            assert_eq!((packed.k(), packed.n()), (k, n));
            for m in (1..=17).chain([29, full]) {
                let mut out = Owned::<T>::new(m, n, Layout::RowMajor, &mut || T::POISON);
                // SAFETY: the views cover their buffers.
                unsafe { gemm_packed(m, a.mat(), &packed, out.out(), Epilogue::none()) };
                check(&format!("{level:?} x{threads} packed k={k}"), m, n, &out, &want);
            }
            if k < 3 {
                continue;
            }
            let mut out = Owned::<T>::new(3, n, Layout::Sparse, &mut || T::POISON);
            // SAFETY: the views cover their buffers.
            unsafe { gemm_packed(3, a.mat(), &packed, out.out(), Epilogue::addmm(T::ONE, T::ONE, a.mat().t())) };
            let c = Owned { data: a.data.clone(), start: a.start, rows: a.cols, cols: a.rows };
            let want = naive(3, n, k, &a, &b, (T::ONE, T::ONE, Some(&c)));
            check(&format!("{level:?} x{threads} packed addmm k={k}"), 3, n, &out, &want);
        }
    }
}
for_each_type!(packed_weights, packed);
