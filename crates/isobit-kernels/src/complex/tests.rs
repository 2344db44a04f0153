//! Values where cancellation, overflow and branch cuts are, and the order of numbers. The matrix of checks has the rest.

use super::*;
use std::f64::consts::PI;

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

fn z(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

/// Parts that agree to a few units of float64, zeros with their signs.
fn assert_close(got: Complex, want: Complex, what: &str) {
    for (g, w) in [(got.re, want.re), (got.im, want.im)] {
        let same = g == w && g.is_sign_negative() == w.is_sign_negative();
        assert!(same || w != 0.0 && (g - w).abs() <= 1e-14 * w.abs(), "{what}: {got:?}, expected {want:?}");
    }
}

self_test!(inverse_functions_undo_the_functions_near_and_far);
fn inverse_functions_undo_the_functions_near_and_far() {
    type F = fn(Complex) -> Complex;
    let pairs: [(&str, F, F); 8] = [
        ("log", Complex::log, Complex::exp),
        ("asin", Complex::asin, Complex::sin),
        ("acos", Complex::acos, Complex::cos),
        ("atan", Complex::atan, Complex::tan),
        ("asinh", Complex::asinh, Complex::sinh),
        ("acosh", Complex::acosh, Complex::cosh),
        ("atanh", Complex::atanh, Complex::tanh),
        ("sqrt", Complex::sqrt, |s| s * s),
    ];
    for (name, inverse, f) in pairs {
        for re in [-3.0, -1.0, -0.25, 0.25, 1.0, 40.0] {
            for im in [-2.0, -0.5, 0.5, 1.0, 30.0] {
                let x = z(re, im);
                let back = f(inverse(x));
                let off = (back - x).abs() / x.abs();
                assert!(off < 1e-12, "{name} of {x:?}: back at {back:?}");
            }
        }
    }
}

self_test!(the_sign_of_a_zero_chooses_the_side_of_a_cut);
fn the_sign_of_a_zero_chooses_the_side_of_a_cut() {
    let root = 3f64.sqrt();
    let a = libm::log(2.0 + root);
    assert_close(z(-1.0, 0.0).log(), z(0.0, PI), "log");
    assert_close(z(-1.0, -0.0).log(), z(0.0, -PI), "log");
    assert_close(z(-4.0, 0.0).sqrt(), z(0.0, 2.0), "sqrt");
    assert_close(z(-4.0, -0.0).sqrt(), z(0.0, -2.0), "sqrt");
    assert_close(z(2.0, 0.0).asin(), z(PI / 2.0, a), "asin");
    assert_close(z(2.0, -0.0).asin(), z(PI / 2.0, -a), "asin");
    assert_close(z(2.0, 0.0).acos(), z(0.0, -a), "acos");
    assert_close(z(-2.0, 0.0).acosh(), z(a, PI), "acosh");
    assert_close(z(2.0, 0.0).atanh(), z(0.25 * 9f64.ln(), PI / 2.0), "atanh");
    assert_close(z(2.0, -0.0).atanh(), z(0.25 * 9f64.ln(), -PI / 2.0), "atanh");
    assert_close(z(0.0, 2.0).asinh(), z(a, PI / 2.0), "asinh");
    assert_close(z(-0.0, 2.0).asinh(), z(-a, PI / 2.0), "asinh");
}

self_test!(nothing_overflows_or_cancels_on_the_way);
fn nothing_overflows_or_cancels_on_the_way() {
    let (big, tiny) = (f64::from(f32::MAX), f64::from(f32::from_bits(1)));
    assert_close(z(big, big) / z(big, big), z(1.0, 0.0), "quotient of the largest");
    assert_close(z(tiny, 0.0) / z(0.0, tiny), z(0.0, -1.0), "quotient of the smallest");
    assert_eq!(z(3.0 * tiny, 4.0 * tiny).abs(), 5.0 * tiny);
    // |z| is 1 + 5e-13: the logarithm keeps its digits.
    let near = z(1.0, 1e-6);
    assert_close(near.log(), z(0.5 * libm::log1p(1e-12), libm::atan2(1e-6, 1.0)), "log near 1");
    assert_close(z(1e-9, 1e-9).log1p(), z(1e-9, 1e-9 - 1e-18), "log1p near 0");
    assert_eq!(z(1.0, 1.0).pow(z(2.0, 0.0)), z(0.0, 2.0));
    assert_eq!(z(0.0, 2.0).pow(z(-2.0, 0.0)).re, -0.25);
    assert_eq!(z(0.5, 300.0).tan().im, 1.0);
    assert!((z(700.0, 2.0).log_add_exp(z(700.0, 2.0)).re - 700.0 - LN_2).abs() < 1e-12);
}

self_test!(infinities_zeros_and_nans);
fn infinities_zeros_and_nans() {
    let inf = f64::INFINITY;
    assert_eq!(z(inf, 0.0).exp(), z(inf, 0.0));
    assert_eq!(z(-inf, 1.0).exp(), z(0.0, 0.0));
    assert_eq!(z(0.0, inf).sin(), z(0.0, inf));
    assert_eq!(z(-inf, 1.0).sqrt(), z(0.0, inf));
    assert_eq!(z(1.0, 1.0) / z(inf, 0.0), z(0.0, 0.0));
    assert!((z(1.0, 0.0) / Complex::ZERO).re == inf && (z(1.0, 0.0) / Complex::ZERO).im.is_nan());
    assert_eq!(z(f64::NAN, inf).abs(), inf);
    assert_eq!(Complex::ZERO.pow(z(2.0, 0.0)), Complex::ZERO);
    assert!(Complex::ZERO.pow(z(f64::NAN, 0.0)).is_nan());
    assert_eq!(z(-inf, 0.0).log_add_exp(z(-inf, 0.0)).re, -inf);
    assert_eq!(Complex::ZERO.sign(), Complex::ZERO);
}

self_test!(numbers_are_ordered_by_real_then_imaginary_part);
fn numbers_are_ordered_by_real_then_imaginary_part() {
    let rising =
        [[-INF, 1.0], [-2.0, 3.0], [-0.0, -1.0], [0.0, 0.5], [-0.0, 0.75], [1.0, -5.0], [1.0, INF], [INF, 0.0]];
    for (i, &a) in rising.iter().enumerate() {
        for (j, &b) in rising.iter().enumerate() {
            assert_eq!(key(a).cmp(&key(b)), i.cmp(&j), "{a:?} {b:?}");
            assert_eq!(less(a, b), i < j, "{a:?} {b:?}");
        }
        for nan in [[NAN, 0.0], [0.0, NAN]] {
            assert!(key(a) < key(nan) && !less(a, nan) && !less(nan, a));
            assert!(is_nan(maximum(a, nan)) && is_nan(minimum(nan, a)));
        }
    }
    assert_eq!(key([0.0, -0.0]), key([-0.0, 0.0]));
    assert_eq!(maximum([1.0, 2.0], [1.0, 3.0]), [1.0, 3.0]);
}

self_test!(lines_are_reduced_and_scanned_one_element_after_the_other);
fn lines_are_reduced_and_scanned_one_element_after_the_other() {
    use crate::reduce::ReduceOp;
    use crate::scan::{ScanOp, ScanSpec};
    let x = [[0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [INF, 0.0]];
    let mut one = [[0.0; 2]];
    assert!(lines::reduce(ReduceOp::Prod, &x[..3], &mut one, 3) && one[0] == [-2.0, 2.0]);
    assert!(lines::reduce(ReduceOp::Prod, &x[3..], &mut one, 1) && one[0] == [INF, 0.0]);
    assert!(lines::reduce(ReduceOp::Max, &x[..3], &mut one, 3) && one[0] == [2.0, 0.0]);
    assert!(!lines::reduce(ReduceOp::Sum, &x[..3], &mut one, 3));
    let mut at = [9];
    lines::position(true, &[[1.0, NAN], [NAN, 0.0]], &mut at, 2);
    assert_eq!(at, [0]);
    let mut out = [[0.0; 2]; 3];
    let spec = ScanSpec { n: 3, inner: 1, inclusive: false, reverse: true };
    assert!(lines::scan(ScanOp::Prod, &x[..3], &mut out, spec));
    assert_eq!(out, [[2.0, 2.0], [1.0, 1.0], [1.0, 0.0]]);
    assert!(!lines::scan(ScanOp::Sum, &x[..3], &mut out, spec));
}
