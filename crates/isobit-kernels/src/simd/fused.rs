//! Fused multiply-adds for processors without them, two lanes at a time.
//!
//! ```text
//! s = a * b + c in double precision: the product of two floats is exact there, the sum is rounded to 53 bits
//! long products:  if s is not exact, its last bit is made odd by stepping towards the exact sum       ("rounding to odd")
//! flushing:       if |s| would be rounded to less than the least normal float (to 24 bits, any exponent), s = zero of its sign
//! rounded once more, to a float
//! ```
//!
//! 1. Two roundings are one if the first is to odd and keeps at least two bits more than the second. They are also one, whatever
//!    the first does, if both terms have at most 24 bits: true for every product of two numbers of 16 bits, or of one and a code.
//!    Where the result is a subnormal float its last place is fixed, and `c` is a multiple of it: both rules hold there too.
//! 2. The direction is the sign of the sum's error, `(c - (s - p)) + (p - (s - c))`: the difference from the larger term is
//!    exact, the other one zero or of the same sign. Of infinities and NaNs it is a NaN, and nothing is changed.
//!
//! Cost per two lanes with SSE2, terms already widened: 2 instructions for the sum, 12 for the odd bit, 4 to flush, 4 for the
//! roundings to and from single precision. A call of a C library's `fmaf` costs 8 cycles per lane where it finds the instruction,
//! and some hundred where it does not.

use super::LANES;

/// Numbers, `a * b + c` of which is tiny where it lies below: halfway between the last float of 24 bits below the least normal
/// one, and that one (a tie is rounded up, to even).
const TINY: f64 = f32::MIN_POSITIVE as f64 * (1.0 - 1.0 / (1 << 25) as f64);

/// Whether a product of two 16-bit floats, or of one and a code, is among the factors; whether subnormals are flushed.
pub(crate) trait Kind {
    /// Whether the product may have more than 24 bits.
    const LONG: bool;
    /// Whether results are flushed (operands are the caller's business).
    const FLUSH: bool;
}

/// Any factors.
pub(crate) struct Long;
/// A product of at most 24 bits.
pub(crate) struct Short;
/// Any factors, flushed.
pub(crate) struct LongFlushed;
/// A product of at most 24 bits, flushed.
pub(crate) struct ShortFlushed;

impl Kind for Long {
    const LONG: bool = true;
    const FLUSH: bool = false;
}
impl Kind for Short {
    const LONG: bool = false;
    const FLUSH: bool = false;
}
impl Kind for LongFlushed {
    const LONG: bool = true;
    const FLUSH: bool = true;
}
impl Kind for ShortFlushed {
    const LONG: bool = false;
    const FLUSH: bool = true;
}

pub(crate) use two::Two;

/// Two lanes in double precision: SSE2 is part of x86-64.
#[cfg(target_arch = "x86_64")]
mod two {
    use super::{Kind, TINY};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Two(__m128d);

    impl Two {
        /// Both lanes `x`.
        #[inline(always)]
        pub(crate) fn splat(x: f32) -> Two {
            // SAFETY: SSE2 is part of x86-64.
            Two(unsafe { _mm_set1_pd(f64::from(x)) })
        }

        /// Four floats.
        ///
        /// # Safety
        /// `p` is valid for reads of them.
        #[inline(always)]
        pub(crate) unsafe fn four(p: *const f32) -> [Two; 2] {
            // SAFETY: the caller's promise.
            unsafe {
                let v = _mm_loadu_ps(p);
                [Two(_mm_cvtps_pd(v)), Two(_mm_cvtps_pd(_mm_movehl_ps(v, v)))]
            }
        }

        /// Writes four floats.
        ///
        /// # Safety
        /// `p` is valid for writes of them.
        #[inline(always)]
        pub(crate) unsafe fn put_four(p: *mut f32, v: [Two; 2]) {
            // SAFETY: the caller's promise.
            unsafe { _mm_storeu_ps(p, _mm_movelh_ps(_mm_cvtpd_ps(v[0].0), _mm_cvtpd_ps(v[1].0))) }
        }

        /// Subnormal floats become zeros of their sign.
        #[inline(always)]
        pub(crate) fn flushed(self) -> Two {
            self.zero_below(f64::from(f32::MIN_POSITIVE))
        }

        #[inline(always)]
        fn zero_below(self, least: f64) -> Two {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                let sign = _mm_set1_pd(-0.0);
                let keep = _mm_cmpnlt_pd(_mm_andnot_pd(sign, self.0), _mm_set1_pd(least));
                Two(_mm_and_pd(self.0, _mm_or_pd(keep, sign)))
            }
        }

        /// `a * b + c`, not yet rounded to single precision: [`Two::put_four`] and [`Two::rounded`] do.
        #[inline(always)]
        pub(crate) fn sum<K: Kind>(a: Two, b: Two, c: Two) -> Two {
            // SAFETY: SSE2 is part of x86-64.
            let s = unsafe {
                let (p, c) = (_mm_mul_pd(a.0, b.0), c.0);
                let s = _mm_add_pd(p, c);
                if K::LONG {
                    let error = _mm_add_pd(_mm_sub_pd(c, _mm_sub_pd(s, p)), _mm_sub_pd(p, _mm_sub_pd(s, c)));
                    // Positive where the exact sum is further from zero; both are multiples of 2^-298, so it does not vanish.
                    let away = _mm_mul_pd(error, s);
                    let zero = _mm_setzero_pd();
                    let nearer = _mm_castpd_si128(_mm_cmplt_pd(away, zero));
                    let further = _mm_castpd_si128(_mm_cmplt_pd(zero, away));
                    let odd = _mm_srli_epi64::<63>(_mm_or_si128(nearer, further));
                    _mm_castsi128_pd(_mm_or_si128(_mm_add_epi64(_mm_castpd_si128(s), nearer), odd))
                } else {
                    s
                }
            };
            if K::FLUSH { Two(s).zero_below(TINY) } else { Two(s) }
        }

        /// Rounded to single precision.
        #[inline(always)]
        pub(crate) fn rounded(self) -> Two {
            // SAFETY: SSE2 is part of x86-64.
            Two(unsafe { _mm_cvtps_pd(_mm_cvtpd_ps(self.0)) })
        }
    }
}

/// Two lanes in double precision.
#[cfg(not(target_arch = "x86_64"))]
mod two {
    use super::{Kind, TINY};

    #[derive(Clone, Copy)]
    pub(crate) struct Two([f64; 2]);

    impl Two {
        /// Both lanes `x`.
        #[inline(always)]
        pub(crate) fn splat(x: f32) -> Two {
            Two([f64::from(x); 2])
        }

        /// Four floats.
        ///
        /// # Safety
        /// `p` is valid for reads of them.
        #[inline(always)]
        pub(crate) unsafe fn four(p: *const f32) -> [Two; 2] {
            // SAFETY: the caller's promise.
            let v = unsafe { p.cast::<[f32; 4]>().read_unaligned() }.map(f64::from);
            [Two([v[0], v[1]]), Two([v[2], v[3]])]
        }

        /// Writes four floats.
        ///
        /// # Safety
        /// `p` is valid for writes of them.
        #[inline(always)]
        pub(crate) unsafe fn put_four(p: *mut f32, v: [Two; 2]) {
            let v = [v[0].0[0] as f32, v[0].0[1] as f32, v[1].0[0] as f32, v[1].0[1] as f32];
            // SAFETY: the caller's promise.
            unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
        }

        /// Subnormal floats become zeros of their sign.
        #[inline(always)]
        pub(crate) fn flushed(self) -> Two {
            Two(self.0.map(|x| zero_below(x, f64::from(f32::MIN_POSITIVE))))
        }

        /// `a * b + c`, not yet rounded to single precision: [`Two::put_four`] and [`Two::rounded`] do.
        #[inline(always)]
        pub(crate) fn sum<K: Kind>(a: Two, b: Two, c: Two) -> Two {
            Two(std::array::from_fn(|i| {
                let (p, c) = (a.0[i] * b.0[i], c.0[i]);
                let mut s = p + c;
                if K::LONG {
                    let error = (c - (s - p)) + (p - (s - c));
                    let away = error * s;
                    let (nearer, further) = (away < 0.0, away > 0.0);
                    s = f64::from_bits((s.to_bits() - u64::from(nearer)) | u64::from(nearer || further));
                }
                if K::FLUSH { zero_below(s, TINY) } else { s }
            }))
        }

        /// Rounded to single precision.
        #[inline(always)]
        pub(crate) fn rounded(self) -> Two {
            Two(self.0.map(|x| f64::from(x as f32)))
        }
    }

    fn zero_below(x: f64, least: f64) -> f64 {
        if x.abs() < least { f64::from_bits(x.to_bits() & 1 << 63) } else { x }
    }
}

/// Sixteen lanes of `a * b + c`; where results are flushed, operands must be flushed already.
#[inline(always)]
pub(crate) fn fused<K: Kind>(a: &[f32; LANES], b: &[f32; LANES], c: &[f32; LANES]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for i in (0..LANES).step_by(4) {
        // SAFETY: four of sixteen.
        unsafe {
            let (a, b, c) = (Two::four(a.as_ptr().add(i)), Two::four(b.as_ptr().add(i)), Two::four(c.as_ptr().add(i)));
            let half = |h: usize| Two::sum::<K>(a[h], b[h], c[h]);
            Two::put_four(out.as_mut_ptr().add(i), [half(0), half(1)]);
        }
    }
    out
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;
    use crate::gemm::flush;

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let x = self.0 ^ self.0 >> 29;
            x.wrapping_mul(0xbf58476d1ce4e5b9) ^ x >> 32
        }

        /// Any bits, or a number near 1, near the least normal one, with few bits, or a special one.
        fn float(&mut self) -> f32 {
            let r = self.next();
            let bits = r as u32;
            match r >> 60 {
                0..3 => f32::from_bits(bits),
                3..7 => f32::from_bits(bits & 0x81ff_ffff | 0x3e00_0000),
                7..9 => f32::from_bits(bits & 0x807f_ffff | ((bits >> 23 & 63) + 32) << 23),
                9..12 => f32::from_bits((bits & 0x81ff_ffff | 0x3e00_0000) & !((1 << (r >> 32 & 31).min(22)) - 1)),
                12..15 => f32::from_bits(bits & 0x83ff_ffff),
                _ => [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1.0]
                    [(r >> 32 & 7) as usize],
            }
        }
    }

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    }

    /// What is added to a product: any number, or one that leaves a sum near a tie of floats (where two roundings differ from
    /// one), or one that nearly cancels it.
    fn addend(r: &mut Random, a: f32, b: f32) -> f32 {
        let p = f64::from(a) * f64::from(b);
        let n = r.next();
        match n & 7 {
            0 | 1 => r.float(),
            // So much larger than the product that only its sign and a tie decide.
            2 | 3 => {
                let up = 2f64.powi((n >> 8) as i32 % 6 + 22);
                (p * up) as f32
            }
            4 => f32::from_bits(((-p) as f32).to_bits().wrapping_add((n >> 8 & 3) as u32).wrapping_sub(1)),
            5 => (p * 2f64.powi(24)) as f32,
            _ => (p * 2f64.powi((n >> 8) as i32 % 60 - 30)) as f32,
        }
    }

    fn rounds() -> usize {
        // More of them, for once: ISOBIT_TEST_ROUNDS=6250000 are 100 million.
        std::env::var("ISOBIT_TEST_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60_000)
    }

    self_test!(any_product_rounds_once);
    fn any_product_rounds_once() {
        let mut r = Random(7);
        for _ in 0..rounds() {
            let (a, b): ([f32; 16], [f32; 16]) =
                (std::array::from_fn(|_| r.float()), std::array::from_fn(|_| r.float()));
            let c = std::array::from_fn(|i| addend(&mut r, a[i], b[i]));
            let plain = fused::<Long>(&a, &b, &c);
            let flushed = fused::<LongFlushed>(&a.map(flush::flush), &b.map(flush::flush), &c.map(flush::flush));
            for i in 0..16 {
                let (a, b, c) = (a[i], b[i], c[i]);
                assert!(same(plain[i], a.mul_add(b, c)), "{a:e} * {b:e} + {c:e}: {:e}", plain[i]);
                assert!(same(flushed[i], flush::fma(a, b, c)), "{a:e} * {b:e} + {c:e} flushed: {:e}", flushed[i]);
            }
        }
    }

    self_test!(ties_that_a_first_rounding_makes_are_none);
    fn ties_that_a_first_rounding_makes_are_none() {
        // (1 + u) (1 - u) is a hair less than 1; half a last place of c, it is a hair from the middle between two floats, and
        // double precision rounds it there.
        let mut r = Random(11);
        let (mut met, mut a, mut b, mut c) = (0, [0f32; 16], [0f32; 16], [0f32; 16]);
        for _ in 0..rounds() {
            for i in 0..16 {
                let (u, sign) = ((1 + r.next() % 400) as f32 * f32::EPSILON, [1.0, -1.0][(r.next() & 1) as usize]);
                a[i] = (1.0 + u) * 2f32.powi((r.next() % 40) as i32 - 20) * sign;
                b[i] = (1.0 - u) * 2f32.powi((r.next() % 100) as i32 - 110);
                let exponent = (f64::from(a[i]) * f64::from(b[i]) * 1.5).abs().to_bits() >> 52;
                let power = f64::from_bits((exponent + 24) << 52);
                c[i] = (f64::from(f32::from_bits(r.next() as u32 & 0x807f_ffff | 0x3f80_0000)) * power) as f32;
                let s = f64::from(a[i]) * f64::from(b[i]) + f64::from(c[i]);
                met += usize::from(s.to_bits() & 0x1fff_ffff == 0x1000_0000);
            }
            for (i, got) in fused::<Long>(&a, &b, &c).into_iter().enumerate() {
                assert!(same(got, a[i].mul_add(b[i], c[i])), "{:e} * {:e} + {:e}", a[i], b[i], c[i]);
            }
        }
        assert!(met > rounds(), "few cases met");
    }

    self_test!(products_of_short_numbers_round_once);
    fn products_of_short_numbers_round_once() {
        let mut r = Random(3);
        for _ in 0..rounds() {
            let short = |r: &mut Random| {
                let x = r.float();
                if r.next() & 1 == 0 {
                    f32::from_bits(x.to_bits() & 0xffff_0000)
                } else {
                    half::f16::from_f32(x).to_f32()
                }
            };
            let a: [f32; 16] = std::array::from_fn(|_| short(&mut r));
            let b: [f32; 16] = std::array::from_fn(|_| short(&mut r));
            let c = std::array::from_fn(|i| addend(&mut r, a[i], b[i]));
            let plain = fused::<Short>(&a, &b, &c);
            let flushed = fused::<ShortFlushed>(&a.map(flush::flush), &b.map(flush::flush), &c.map(flush::flush));
            for i in 0..16 {
                let (a, b, c) = (a[i], b[i], c[i]);
                assert!(same(plain[i], a.mul_add(b, c)), "{a:e} * {b:e} + {c:e}: {:e}", plain[i]);
                assert!(same(flushed[i], flush::fma(a, b, c)), "{a:e} * {b:e} + {c:e} flushed: {:e}", flushed[i]);
            }
        }
    }
}
