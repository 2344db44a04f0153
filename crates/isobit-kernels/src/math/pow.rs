//! Powers: `exp(y ln |x|)` with the logarithm and the product in two floats.

use super::exp::exp_sum;
use super::log::decompose;
use super::{divide, fast_two_sum, poly, two_prod, two_sum};
use crate::simd::Simd;

/// ln 2: 16 bits, whose product with an exponent is exact, then the rest.
const LN2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
const TWO_THIRDS: (f32, f32) = (0.666_666_7, -1.986_821_6e-8);

/// `ln(x)` for positive finite `x` as two floats, about 2^-40 relative.
#[inline(always)]
fn log_parts<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let zero = s.splat(0.0);
    let (e, f) = decompose(s, x);
    // v = f / (2 + f); ln(1 + f) = 2v + 2/3 v^3 + v^5 T(v^2).
    let (dh, dl) = fast_two_sum(s, s.splat(2.0), f);
    let (q, q_lo) = divide(s, f, zero, dh, dl);
    let (v, v_lo) = fast_two_sum(s, q, q_lo);
    let (z, z_lo) = two_prod(s, v, v);
    let z_lo = s.fma(s.add(v, v), v_lo, z_lo);
    let t = poly(s, z, [0.4, 0.285_719_72, 0.221_797_2, 0.195_569_86]);
    // c = 2/3 + z T(z), times z, times v.
    let (c, c_lo) = fast_two_sum(s, s.splat(TWO_THIRDS.0), s.mul(z, t));
    let c_lo = s.add(c_lo, s.splat(TWO_THIRDS.1));
    let (cz, cz_lo) = two_prod(s, c, z);
    let cz_lo = s.add(cz_lo, s.fma(c, z_lo, s.mul(c_lo, z)));
    let (w, w_lo) = two_prod(s, cz, v);
    let w_lo = s.add(w_lo, s.fma(cz, v_lo, s.mul(cz_lo, v)));
    let (l, l_lo) = fast_two_sum(s, s.add(v, v), w);
    let l_lo = s.add(l_lo, s.add(w_lo, s.add(v_lo, v_lo)));
    // e ln 2 in front.
    let e = s.from_i32(e);
    let (hi, lo) = fast_two_sum(s, s.mul(e, s.splat(LN2[0])), l);
    let (m, m_lo) = two_prod(s, e, s.splat(LN2[1]));
    let (hi, hi_lo) = two_sum(s, hi, m);
    fast_two_sum(s, hi, s.add(hi_lo, s.add(lo, s.add(m_lo, l_lo))))
}

/// `x^y`, with C99's rules for zeros, infinities, NaN and negative bases.
#[inline(always)]
pub fn pow<S: Simd>(s: S, x: S::F, y: S::F) -> S::F {
    let (zero, one, inf) = (s.splat(0.0), s.splat(1.0), s.splat(f32::INFINITY));
    let (ax, ay) = (s.abs(x), s.abs(y));
    let (lh, ll) = log_parts(s, ax);
    // The logarithms of zero and infinity.
    let ordinary = s.and_m(s.gt(ax, zero), s.lt(ax, inf));
    let lh = s.select(ordinary, lh, s.select(s.eq(ax, zero), s.neg(inf), ax));
    let (p, p_lo) = two_prod(s, lh, y);
    let p_lo = s.fma(ll, y, p_lo);
    // Where the result is 0 or infinite the low part may be anything, a NaN too; it is dropped.
    let inside = s.lt(s.abs(p), s.splat(150.0));
    let p_lo = s.select(inside, p_lo, zero);
    let p = s.min(s.splat(150.0), s.max(s.splat(-150.0), p));
    let magnitude = exp_sum(s, p, p_lo);
    // |x| = 1 has magnitude 1 for infinite y too.
    let magnitude = s.select(s.eq(ax, one), s.select(s.is_nan(y), y, one), magnitude);

    let half = s.mul(ay, s.splat(0.5));
    let whole = s.eq(s.trunc(ay), ay);
    let odd = s.and_m(whole, s.ne(s.trunc(half), half));
    let negative = s.gt_i(zero_bits(s), s.to_bits(x));
    let signed = s.select(s.and_m(negative, odd), s.neg(magnitude), magnitude);
    // A finite negative base has no fractional power (an infinite one and -0 have magnitude 0 or infinity).
    let no_power = s.and_m(s.and_m(s.lt(x, zero), s.lt(ax, inf)), s.not_m(whole));
    let v = s.select(no_power, s.splat(f32::NAN), signed);
    let v = s.select(s.or_m(s.is_nan(x), s.is_nan(y)), s.splat(f32::NAN), v);
    s.select(s.or_m(s.eq(y, zero), s.eq(x, one)), one, v)
}

#[inline(always)]
fn zero_bits<S: Simd>(s: S) -> S::I {
    s.splat_i(0)
}
