//! Error bounds against the `libm` crate in `f64`, and bit equality of every level, lane and tail.

use super::*;
use crate::isa::{self, Level};
use crate::simd::{Kernel, LANES, dispatch_at};

/// A function of one argument by name, its reference, and its bound in ulps.
macro_rules! functions {
    ($($name:ident: $reference:expr, $bound:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(non_camel_case_types)]
        enum Function { $($name),* }

        const FUNCTIONS: &[(Function, fn(f64) -> f64, f64)] = &[$((Function::$name, $reference, $bound)),*];

        impl Kernel for Apply<'_> {
            type Out = ();
            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                match self.0 {
                    $(Function::$name => sweep(s, self.1, self.2, #[inline(always)] |s, x| $name(s, x)),)*
                }
            }
        }
    };
}

struct Apply<'a>(Function, &'a [f32], &'a mut [f32]);

#[inline(always)]
fn sweep<S: Simd>(s: S, x: &[f32], out: &mut [f32], f: impl Fn(S, S::F) -> S::F) {
    assert_eq!(x.len(), out.len());
    let mut i = 0;
    while i < x.len() {
        let n = (x.len() - i).min(LANES);
        // SAFETY: `n` elements remain in each slice.
        unsafe {
            let v = f(s, s.load_n(x.as_ptr().add(i), n, 0.0));
            s.store_n(out.as_mut_ptr().add(i), v, n);
        }
        i += n;
    }
}

functions! {
    exp: libm::exp, 1.0;
    expm1: libm::expm1, 1.0;
    log: libm::log, 1.0;
    log1p: libm::log1p, 1.0;
    log2: libm::log2, 1.0;
    log10: libm::log10, 1.0;
    sin: libm::sin, 1.0;
    cos: libm::cos, 1.0;
    tan: libm::tan, 1.0;
    sinh: libm::sinh, 1.0;
    cosh: libm::cosh, 1.0;
    tanh: libm::tanh, 1.0;
    asin: libm::asin, 1.0;
    acos: libm::acos, 1.0;
    atan: libm::atan, 1.0;
    asinh: libm::asinh, 1.0;
    acosh: |x| if x < 1.0 { f64::NAN } else { libm::acosh(x) }, 1.0;
    atanh: libm::atanh, 1.0;
    erf: libm::erf, 1.0;
    sigmoid: |x| if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }, 1.0;
    rsqrt: |x| 1.0 / libm::sqrt(x), 1.0;
    erfinv: erfinv_reference, 4.0;
}

/// Newton's method on `erf` in `f64`, with `erfc` near the ends.
fn erfinv_reference(x: f64) -> f64 {
    if x.is_nan() || x.abs() >= 1.0 {
        return if x.abs() == 1.0 { x * f64::INFINITY } else { f64::NAN };
    }
    let a = x.abs();
    let w = -libm::log((1.0 - a) * (1.0 + a));
    // A rough start: the first term near 0, the asymptotic form near 1.
    let mut y =
        if a < 0.7 { a * 0.8862 + 0.232 * a * a * a } else { libm::sqrt((w - 0.5 * libm::log(w + 1.0)).max(0.3)) };
    for _ in 0..60 {
        let error = if a < 0.5 { libm::erf(y) - a } else { (1.0 - a) - libm::erfc(y) };
        let step = error / (libm::exp(-y * y) * std::f64::consts::FRAC_2_SQRT_PI);
        // Halley's correction.
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}

fn apply(level: Level, f: Function, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len()];
    dispatch_at(level, Apply(f, x, &mut out));
    out
}

/// The distance from the exact value in units of the last place of the correctly rounded result.
fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if exact.is_nan() || got.is_nan() {
        return if exact.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if rounded.is_infinite() || got.is_infinite() {
        if got == rounded {
            return 0.0;
        }
        // The largest finite number is as good as infinity within an ulp of the boundary.
        let boundary = f32::MAX as f64 + 0.5 * 2f64.powi(104);
        return if got.abs() == f32::MAX || got.is_infinite() {
            (exact.abs() - boundary).abs() / 2f64.powi(104) + 0.5
        } else {
            f64::INFINITY
        };
    }
    let exponent = ((rounded.to_bits() >> 23 & 0xff) as i32).max(1) - 150;
    (got as f64 - exact).abs() / 2f64.powi(exponent)
}

/// Bit patterns of both signs: every `step`-th, and all near the special ones.
fn patterns(step: usize) -> Vec<f32> {
    let mut v: Vec<u32> = (0..0x7f80_0000u32).step_by(step).collect();
    for centre in [
        0u32,
        0x0080_0000,
        0x3f80_0000,
        0x3f00_0000,
        0x4000_0000,
        0x3f35_04f3,
        0x4049_0fdb,
        0x3fc9_0fdb,
        0x4800_0000,
        0x42b1_7218,
        0x42b2_d4fc,
        0x42cf_f1b5,
        0x7f80_0000,
        0x3e80_0000,
        0x4180_0000,
        0x3f6d_7e47,
    ] {
        v.extend((centre.saturating_sub(300)..=centre + 300).filter(|b| *b <= 0x7f80_0001));
    }
    let mut v: Vec<f32> = v.into_iter().map(f32::from_bits).collect();
    // Multiples of pi/2 and their neighbours, where a reduction loses most.
    for k in 1..2000u32 {
        let bits = (k as f64 * std::f64::consts::FRAC_PI_2) as f32;
        v.extend([-1i32, 0, 1].map(|d| f32::from_bits((bits.to_bits() as i32 + d) as u32)));
    }
    let negative: Vec<f32> = v.iter().map(|x| -x).collect();
    v.extend(negative);
    v.push(f32::NAN);
    v
}

/// The step through the bit patterns: `ISOBIT_SWEEP=1` tests every float.
fn step() -> usize {
    let usual = if crate::test_settings::sampled() { 20_011 } else { 2503 };
    std::env::var("ISOBIT_SWEEP").ok().and_then(|s| s.parse().ok()).unwrap_or(usual)
}

self_test!(error_bounds);
fn error_bounds() {
    let x = patterns(step());
    let only = std::env::var("ISOBIT_FUNCTION").ok();
    let mut failures = Vec::new();
    for &(f, reference, bound) in FUNCTIONS {
        if only.as_ref().is_some_and(|o| *o != format!("{f:?}")) {
            continue;
        }
        let (mut worst, mut at) = (0.0, 0.0);
        for x in x.chunks(1 << 16) {
            let got = apply(isa::detected(), f, x);
            for (&x, &y) in x.iter().zip(&got) {
                let exact = reference(x as f64);
                let error = ulps(y, exact);
                if error > worst {
                    (worst, at) = (error, x);
                }
                assert!(exact.is_nan() || x != 0.0 || exact != 0.0 || y.is_sign_negative() == exact.is_sign_negative());
            }
        }
        println!("{f:?}: {worst:.3} ulp at {at:e} ({:#x})", at.to_bits());
        if worst > bound {
            failures.push(format!("{f:?}({at:e}) is {worst} ulp off, {bound} allowed"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

self_test!(every_float);
/// Every `ISOBIT_SWEEP`-th float, of all functions or of `ISOBIT_FUNCTION`. All of them take minutes for each function, so
/// that is for `cargo xtask ulp`; by itself this test takes few.
fn every_float() {
    let stride = std::env::var("ISOBIT_SWEEP").ok().and_then(|s| s.parse().ok()).unwrap_or(262_147);
    let only = std::env::var("ISOBIT_FUNCTION").ok();
    for &(f, reference, bound) in FUNCTIONS {
        if only.as_ref().is_some_and(|o| *o != format!("{f:?}")) {
            continue;
        }
        let (mut worst, mut at, mut count) = (0.0, 0.0, 0u64);
        let mut bits = (0..=u32::MAX).step_by(stride).map(f32::from_bits).peekable();
        while bits.peek().is_some() {
            let x: Vec<f32> = bits.by_ref().take(1 << 16).collect();
            count += x.len() as u64;
            for (&x, &y) in x.iter().zip(&apply(isa::detected(), f, &x)) {
                let error = ulps(y, reference(x as f64));
                if error > worst {
                    (worst, at) = (error, x);
                }
            }
        }
        println!("{f:?}: {worst:.4} ulp at {at:e}, {count} floats, {} level", isa::detected().name());
        assert!(worst <= bound, "{f:?}({at:e}) is {worst} ulp off, {bound} allowed");
    }
}

self_test!(every_level_has_the_same_bits);
fn every_level_has_the_same_bits() {
    let x = patterns(step() * 7);
    for &(f, _, _) in FUNCTIONS {
        let expect = apply(Level::Scalar, f, &x);
        for level in isa::available() {
            let got = apply(level, f, &x);
            for ((x, a), b) in x.iter().zip(&got).zip(&expect) {
                assert!(
                    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                    "{f:?}({x:e}) {level:?}: {a:e} {b:e}"
                );
            }
        }
    }
}

self_test!(lanes_and_tails_do_not_matter);
fn lanes_and_tails_do_not_matter() {
    let x: Vec<f32> = (0..67).map(|i| ((i * 37 % 67) as f32 - 30.0) * if i % 9 == 4 { 1e6 } else { 0.11 }).collect();
    for level in isa::available() {
        for &(f, _, _) in FUNCTIONS {
            let alone: Vec<u32> = x.iter().map(|&x| apply(level, f, &[x])[0].to_bits()).collect();
            for n in 0..=x.len() {
                let got: Vec<u32> = apply(level, f, &x[..n]).iter().map(|y| y.to_bits()).collect();
                for (a, b) in got.iter().zip(&alone) {
                    assert!(
                        a == b || (f32::from_bits(*a).is_nan() && f32::from_bits(*b).is_nan()),
                        "{f:?} {level:?} n={n}"
                    );
                }
            }
        }
    }
}

struct Apply2<'a>(bool, &'a [f32], &'a [f32], &'a mut [f32]);

impl Kernel for Apply2<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for i in (0..self.1.len()).step_by(LANES) {
            let n = (self.1.len() - i).min(LANES);
            // SAFETY: `n` elements remain in each slice.
            unsafe {
                let (a, b) = (s.load_n(self.1.as_ptr().add(i), n, 0.0), s.load_n(self.2.as_ptr().add(i), n, 0.0));
                let v = if self.0 { pow(s, a, b) } else { atan2(s, a, b) };
                s.store_n(self.3.as_mut_ptr().add(i), v, n);
            }
        }
    }
}

fn binary_cases(pow: bool) -> (Vec<f32>, Vec<f32>) {
    let special = [
        0.0,
        1.0,
        2.0,
        3.0,
        0.5,
        1.5,
        7.0,
        16777215.0,
        16777216.0,
        33554432.0,
        1e-45,
        1.1754944e-38,
        3.4028235e38,
        0.99999994,
        1.0000001,
        f32::INFINITY,
        1e20,
        1e-20,
        1e38,
        1e-38,
        127.0,
        128.0,
        149.0,
        150.0,
    ];
    let special: Vec<f32> = special.iter().flat_map(|&x: &f32| [x, -x]).chain([f32::NAN]).collect();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for &x in &special {
        for &y in &special {
            a.push(x);
            b.push(y);
        }
    }
    let mut state = 88172645463325252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    };
    for i in 0..400_000 {
        let x = f32::from_bits(next());
        a.push(if pow && i % 4 != 0 { x.abs() } else { x });
        // Exponents that keep the power finite, mostly.
        let unit = next() as f32 / u32::MAX as f32 * 2.0 - 1.0;
        b.push(match i % 5 {
            0 => f32::from_bits(next()),
            1 => (unit * 20.0).round(),
            _ if pow => unit * 100.0 / (x.abs().ln().abs() + 1e-3),
            _ => x * unit * 8.0,
        });
    }
    (a, b)
}

self_test!(two_argument_functions);
fn two_argument_functions() {
    for is_pow in [true, false] {
        let (a, b) = binary_cases(is_pow);
        let mut expect = vec![0.0; a.len()];
        dispatch_at(Level::Scalar, Apply2(is_pow, &a, &b, &mut expect));
        let (mut worst, mut at) = (0.0, (0.0, 0.0));
        for ((&x, &y), &got) in a.iter().zip(&b).zip(&expect) {
            let exact = if is_pow { libm::pow(x as f64, y as f64) } else { libm::atan2(x as f64, y as f64) };
            let error = ulps(got, exact);
            if error > worst {
                (worst, at) = (error, (x, y));
            }
            if (exact as f32) == 0.0 || (exact as f32).is_infinite() {
                assert_eq!(got.is_sign_negative(), exact.is_sign_negative(), "sign at {x:e} {y:e}");
            }
        }
        println!("{}: {worst:.3} ulp at {at:?}", if is_pow { "pow" } else { "atan2" });
        assert!(worst <= if is_pow { 2.0 } else { 1.0 }, "{worst} ulp at {at:?}");
        for level in isa::available() {
            let mut got = vec![0.0; a.len()];
            dispatch_at(level, Apply2(is_pow, &a, &b, &mut got));
            for i in 0..a.len() {
                let same = got[i].to_bits() == expect[i].to_bits() || (got[i].is_nan() && expect[i].is_nan());
                assert!(same, "{level:?} {:e} {:e}: {:e} {:e}", a[i], b[i], got[i], expect[i]);
            }
        }
    }
}
