//! Sine, cosine and tangent: `x = n pi/2 + r`, with `r` as two floats for every argument, however large.

use super::{divide, fast_two_sum, poly, two_prod, two_sum};
use crate::simd::{LANES, Simd};

/// pi/2 in three parts of 24 bits.
const HALF_PI: [f32; 3] = [std::f32::consts::FRAC_PI_2, -4.371_139e-8, -1.715_124_5e-15];
const TWO_OVER_PI: f32 = std::f32::consts::FRAC_2_PI;
/// Up to here `n` is exact enough for the three-part reduction.
const SMALL: f32 = 131_072.0;

/// The binary digits of 2/pi after the point, behind one word of zeros.
const TWO_OVER_PI_BITS: [u32; 9] =
    [0, 0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab, 0xdebb_c561];

/// The reduction for one large finite argument: exact integer arithmetic on the digits of 2/pi
/// (M. Payne and R. Hanek, 1983). Returns `n` modulo 4 and `r` as two floats.
#[cold]
#[inline(never)]
fn reduce_large(x: f32) -> (i32, f32, f32) {
    let bits = x.to_bits() & 0x7fff_ffff;
    let mantissa = (bits & 0x7f_ffff | 0x80_0000) as u128;
    // x = mantissa 2^shift, -6 <= shift <= 104; the digits above 4 turn full circles and are left out.
    let shift = (bits >> 23) as i32 - 150;
    let offset = (shift - 2 + 32) as usize;
    let word = |i: usize| {
        let (k, r) = (i / 32, i % 32);
        let pair = (TWO_OVER_PI_BITS[k] as u64) << 32 | TWO_OVER_PI_BITS[k + 1] as u64;
        (pair << r >> 32) as u128
    };
    let window = word(offset) << 64 | word(offset + 32) << 32 | word(offset + 64);
    // Two digits of quadrant and 94 of fraction.
    let product = (mantissa * window) & ((1 << 96) - 1);
    let rounded = product + (1 << 93);
    let n = (rounded >> 94) as i32 & 3;
    let fraction = (rounded & ((1 << 94) - 1)) as i128 - (1 << 93);
    let r = fraction as f64 * (std::f64::consts::FRAC_PI_2 / (1u128 << 94) as f64);
    let r = if x < 0.0 { -r } else { r };
    let hi = r as f32;
    (if x < 0.0 { -n } else { n }, hi, (r - hi as f64) as f32)
}

/// `n` modulo 4 (as bits 0 and 1) and `r = hi + lo` with `x = n pi/2 + r`, `|r| <= pi/4` and a little.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F) -> (S::I, S::F, S::F) {
    let nf = s.round_even(s.mul(x, s.splat(TWO_OVER_PI)));
    // The first step is exact; the second is kept as two floats.
    let r0 = s.fnma(nf, s.splat(HALF_PI[0]), x);
    let (p, p_lo) = two_prod(s, nf, s.splat(HALF_PI[1]));
    let (hi, lo) = two_sum(s, r0, s.neg(p));
    let lo = s.fnma(nf, s.splat(HALF_PI[2]), s.sub(lo, p_lo));
    let (hi, lo) = fast_two_sum(s, hi, lo);
    let (n, ax) = (s.to_i32(nf), s.abs(x));
    let large = s.and_m(s.gt(ax, s.splat(SMALL)), s.lt(ax, s.splat(f32::INFINITY)));
    if s.any(large) {
        return reduce_lanes(s, x, large, (n, hi, lo));
    }
    (n, hi, lo)
}

/// Replaces the lanes in `large` by the exact reduction.
#[inline(always)]
fn reduce_lanes<S: Simd>(s: S, x: S::F, large: S::M, small: (S::I, S::F, S::F)) -> (S::I, S::F, S::F) {
    let (x, lanes) = (s.to_array(x), s.mask_bits(large));
    let (mut n, mut hi, mut lo) = (s.to_array_i(small.0), s.to_array(small.1), s.to_array(small.2));
    for i in 0..LANES {
        if lanes >> i & 1 == 1 {
            (n[i], hi[i], lo[i]) = reduce_large(x[i]);
        }
    }
    (s.from_array_i(n), s.from_array(hi), s.from_array(lo))
}

/// `sin(r + lo) - r`.
#[inline(always)]
fn sin_tail<S: Simd>(s: S, r: S::F, lo: S::F) -> S::F {
    let z = s.mul(r, r);
    let p = poly(s, z, [-0.166_666_67, 8.333_379e-3, -1.985_300_6e-4, 2.831_279_7e-6]);
    // lo cos(r), with cos(r) = 1 - z/2.
    let carry = s.fnma(s.mul(lo, z), s.splat(0.5), lo);
    s.fma(s.mul(r, z), p, carry)
}

/// `cos(r + lo)` as two floats.
#[inline(always)]
fn cos_parts<S: Simd>(s: S, r: S::F, lo: S::F) -> (S::F, S::F) {
    let z = s.mul(r, r);
    let p = poly(s, z, [4.166_664_6e-2, -1.388_730_1e-3, 2.443_066_8e-5]);
    let half = s.mul(z, s.splat(0.5));
    let one = s.splat(1.0);
    let w = s.sub(one, half);
    let rest = s.sub(s.sub(one, w), half);
    (w, s.add(rest, s.fnma(r, lo, s.mul(s.mul(z, z), p))))
}

/// Both, with quadrants: `sin(x)` when `quarter` is 0, `cos(x)` when it is 1.
#[inline(always)]
fn sin_cos<S: Simd>(s: S, x: S::F, quarter: i32) -> S::F {
    let (n, r, lo) = reduce(s, x);
    let n = s.add_i(n, s.splat_i(quarter));
    let odd = s.eq_i(s.and(n, s.splat_i(1)), s.splat_i(1));
    let (c, c_lo) = cos_parts(s, r, lo);
    let t = sin_tail(s, r, lo);
    let v = s.add(s.select(odd, c, r), s.select(odd, c_lo, t));
    let sign = s.shl(s.and(n, s.splat_i(2)), 30);
    let v = s.from_bits(s.xor(s.to_bits(v), sign));
    // An infinity has no sine.
    s.select(s.lt(s.abs(x), s.splat(f32::INFINITY)), v, s.sub(x, x))
}

/// The sine of an angle in radians.
#[inline(always)]
pub fn sin<S: Simd>(s: S, x: S::F) -> S::F {
    s.select(s.lt(s.abs(x), s.splat(1e-4)), x, sin_cos(s, x, 0))
}

/// The cosine of an angle in radians.
#[inline(always)]
pub fn cos<S: Simd>(s: S, x: S::F) -> S::F {
    sin_cos(s, x, 1)
}

/// The tangent of an angle in radians.
#[inline(always)]
pub fn tan<S: Simd>(s: S, x: S::F) -> S::F {
    let (n, r, lo) = reduce(s, x);
    let (c, c_lo) = cos_parts(s, r, lo);
    // What rounding r^2 lost, which a quotient feels twice.
    let z_lo = s.fms(r, r, s.mul(r, r));
    let c_lo = s.fnma(z_lo, s.splat(0.5), c_lo);
    let t = sin_tail(s, r, lo);
    // An odd quadrant has the negative reciprocal.
    let odd = s.eq_i(s.and(n, s.splat_i(1)), s.splat_i(1));
    let (nh, nl) = (s.select(odd, s.neg(c), r), s.select(odd, s.neg(c_lo), t));
    let (dh, dl) = (s.select(odd, r, c), s.select(odd, t, c_lo));
    let ((nh, nl), (dh, dl)) = (fast_two_sum(s, nh, nl), fast_two_sum(s, dh, dl));
    let (q, rest) = divide(s, nh, nl, dh, dl);
    let v = s.add(q, rest);
    let v = s.select(s.lt(s.abs(x), s.splat(f32::INFINITY)), v, s.sub(x, x));
    s.select(s.lt(s.abs(x), s.splat(1e-4)), x, v)
}
