//! Sorts against a naive twin.

use super::*;
use crate::test_settings;

/// A small generator for test data.
fn random(n: usize, seed: u32) -> Vec<u64> {
    let mut bytes = vec![0u8; 8 * n];
    crate::rng::random_bits(&[seed, 7], 8 * n, &mut bytes);
    bytes.as_chunks::<8>().0.iter().map(|&b| u64::from_le_bytes(b)).collect()
}

/// The definition, by comparison: NaN last, zeros equal.
trait Less: SortKey {
    fn less(self, other: Self) -> bool;
    fn bits(self) -> u64;
    fn from_random(r: u64) -> Self;
}

macro_rules! less_int {
    ($($t:ty)*) => {$(impl Less for $t {
        fn less(self, other: Self) -> bool { self < other }
        fn bits(self) -> u64 { self as u64 }
        fn from_random(r: u64) -> Self { if r % 3 == 0 { (r >> 60) as $t } else { (r >> 5) as $t } }
    })*};
}
less_int!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! less_float {
    ($($t:ty, $u:ty;)*) => {$(impl Less for $t {
        fn less(self, other: Self) -> bool { self < other || (!self.is_nan() && other.is_nan()) }
        fn bits(self) -> u64 { self.to_bits() as u64 }
        // Raw bit patterns reach NaNs of both signs, infinities and subnormals; some zeros of both signs.
        fn from_random(r: u64) -> Self {
            match r % 7 {
                0 => <$t>::from_bits(((r >> 8) as $u & 1) << (<$u>::BITS - 1)),
                1 => <$t>::from_bits(<$u>::MAX >> ((r >> 9) & 1)),
                _ => <$t>::from_bits((r >> 3) as $u),
            }
        }
    })*};
}
less_float! { f16, u16; bf16, u16; f32, u32; f64, u64; }

impl Less for bool {
    fn less(self, other: Self) -> bool {
        !self & other
    }
    fn bits(self) -> u64 {
        self as u64
    }
    fn from_random(r: u64) -> Self {
        r & 1 == 1
    }
}

fn naive_argsort<T: Less>(row: &[T]) -> Vec<u32> {
    let mut index: Vec<u32> = (0..row.len() as u32).collect();
    index.sort_by(|&a, &b| {
        let (x, y) = (row[a as usize], row[b as usize]);
        match (x.less(y), y.less(x)) {
            (true, _) => std::cmp::Ordering::Less,
            (_, true) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        }
    });
    index
}

fn naive_argpartition<T: Less>(row: &[T], kth: usize) -> Vec<u32> {
    let pivot = row[naive_argsort(row)[kth] as usize];
    let all = 0..row.len() as u32;
    let group = |f: &dyn Fn(T) -> bool| all.clone().filter(|&i| f(row[i as usize])).collect::<Vec<_>>();
    let mut out = group(&|x| x.less(pivot));
    out.extend(group(&|x| !x.less(pivot) && !pivot.less(x)));
    out.extend(group(&|x| pivot.less(x)));
    out
}

fn check<T: Less>(rows: usize, n: usize, what: &str) {
    let src: Vec<T> = random(rows * n + 1, n as u32).into_iter().map(T::from_random).collect();
    let (src, poison) = (&src[1..], src[0]);
    let bits = |v: &[T]| v.iter().map(|x| x.bits()).collect::<Vec<_>>();
    let (mut sorted, mut index) = (vec![poison; rows * n], vec![u32::MAX; rows * n]);
    sort(src, &mut sorted, n);
    argsort(src, &mut index, n);
    let kth = n / 3;
    let (mut parted, mut parted_index) = (vec![poison; rows * n], vec![u32::MAX; rows * n]);
    if n > 0 {
        partition(src, &mut parted, n, kth);
        argpartition(src, &mut parted_index, n, kth);
    }
    for r in 0..if n == 0 { 0 } else { rows } {
        let (row, at) = (&src[r * n..(r + 1) * n], r * n..(r + 1) * n);
        let take = |index: &[u32]| index.iter().map(|&i| row[i as usize].bits()).collect::<Vec<_>>();
        let want = naive_argsort(row);
        assert!(index[at.clone()] == want, "argsort {rows}x{n} {} {what}", std::any::type_name::<T>());
        assert!(bits(&sorted[at.clone()]) == take(&want), "sort {rows}x{n} {} {what}", std::any::type_name::<T>());
        let want = naive_argpartition(row, kth);
        assert!(parted_index[at.clone()] == want, "argpartition {rows}x{n} {what}");
        assert!(bits(&parted[at]) == take(&want), "partition {rows}x{n} {} {what}", std::any::type_name::<T>());
    }
}

fn check_all(rows: usize, n: usize, what: &str) {
    check::<bool>(rows, n, what);
    check::<u8>(rows, n, what);
    check::<i8>(rows, n, what);
    check::<u16>(rows, n, what);
    check::<i16>(rows, n, what);
    check::<u32>(rows, n, what);
    check::<i32>(rows, n, what);
    check::<u64>(rows, n, what);
    check::<i64>(rows, n, what);
    check::<f16>(rows, n, what);
    check::<bf16>(rows, n, what);
    check::<f32>(rows, n, what);
    check::<f64>(rows, n, what);
}

self_test!(every_dtype_and_length_matches_the_definition);
fn every_dtype_and_length_matches_the_definition() {
    for n in (0..40).chain([63, 64, 65, 66, 383, 384, 385, 1000, WIDE - 1, WIDE, WIDE + 1]) {
        check_all(if n > 1000 { 1 } else { 3 }, n, "");
    }
}

const WIDE: usize = 8192;

self_test!(long_rows_and_many_rows_over_threads);
fn long_rows_and_many_rows_over_threads() {
    let _guard = test_settings::lock();
    let before = par::threads();
    for t in [1, 2, 3, 7] {
        par::set_threads(t);
        let what = format!("{t} threads");
        check::<f32>(1, PARALLEL_ROW + 13, &what);
        check::<bf16>(1, PARALLEL_ROW + 13, &what);
        check::<i64>(1, PARALLEL_ROW, &what);
        check::<u8>(2, PARALLEL_ROW + 1, &what);
        check::<f32>(777, 50, &what);
    }
    par::set_threads(before);
}

self_test!(patterns_at_every_level);
/// Rows that are hard on pivots: in order, in reverse, up and down, few values, one value and an outlier.
fn patterns_at_every_level() {
    fn check_sort<T: Less>(row: &[T], what: &str) {
        let mut out = vec![row[0]; row.len()];
        sort(row, &mut out, row.len());
        let want: Vec<u64> = naive_argsort(row).iter().map(|&i| row[i as usize].bits()).collect();
        assert!(out.iter().map(|x| x.bits()).eq(want), "{} of {} {what}", std::any::type_name::<T>(), row.len());
    }
    let _guard = test_settings::lock();
    let noise = random(5000, 1);
    for n in (1..600).step_by(13).chain([1000, 5000]) {
        let patterns: [&dyn Fn(usize) -> i32; 7] = [
            &|i| i as i32,
            &|i| -(i as i32),
            &|i| i.min(n - i) as i32,
            &|i| (noise[i] % 3) as i32 - 1,
            &|i| (noise[i] % 50) as i32,
            &|i| if i == n / 2 { i32::MAX } else { i32::MIN },
            &|i| noise[i] as i32,
        ];
        test_settings::each_level(|level| {
            for (k, pattern) in patterns.iter().enumerate() {
                let row: Vec<i32> = (0..n).map(pattern).collect();
                check_sort(&row, &format!("pattern {k}, {level}"));
                // Zeros of both signs and NaNs among them.
                let float = |(i, &x): (usize, &i32)| match noise[i] >> 60 {
                    0 => f32::from_bits(0x7fc0_0000 | (noise[i] as u32 & 0x8000_0fff)),
                    1 => -0.0,
                    _ => x as f32,
                };
                check_sort(&row.iter().enumerate().map(float).collect::<Vec<_>>(), &format!("pattern {k}, {level}"));
            }
        });
    }
    // Long rows, shared among threads.
    test_settings::each(|how| {
        let n = PARALLEL_ROW + 77;
        let many = random(n, 3);
        check_sort(&many.iter().map(|&x| x as i32).collect::<Vec<_>>(), how);
        check_sort(&many.iter().map(|&x| (x % 9) as f32 - 4.0).collect::<Vec<_>>(), how);
        check_sort(&many.iter().map(|&x| f32::from_random(x)).collect::<Vec<_>>(), how);
    });
}

self_test!(zeros_keep_their_order_and_nans_come_last);
fn zeros_keep_their_order_and_nans_come_last() {
    let src = [0.0f32, -f32::NAN, -0.0, f32::INFINITY, f32::NAN, -1.0, 0.0];
    let (mut out, mut index) = ([f32::NAN; 7], [9u32; 7]);
    sort(&src, &mut out, 7);
    argsort(&src, &mut index, 7);
    assert_eq!(index, [5, 0, 2, 6, 3, 1, 4]);
    assert_eq!(out.map(f32::to_bits), index.map(|i| src[i as usize].to_bits()));
}

self_test!(digits_that_all_share_are_skipped);
fn digits_that_all_share_are_skipped() {
    // Sorted already in all but one digit, and constant rows: the passes that move nothing must leave the right buffer.
    for shift in [0, 8, 11, 16, 22, 24] {
        let src: Vec<u32> = (0..9000u32).map(|i| 0x4000_0000 ^ ((i * 7919 % 251) << shift)).collect();
        let mut out = vec![0; src.len()];
        sort(&src, &mut out, src.len());
        let mut want = src.clone();
        want.sort();
        assert_eq!(out, want);
    }
}
