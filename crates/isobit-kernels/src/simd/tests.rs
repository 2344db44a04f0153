//! Every operation at every level the machine can run, bit for bit against the scalar level.

#![allow(clippy::excessive_precision, clippy::approx_constant, reason = "sample points, not constants")]

use super::*;

/// Lanes that between them meet every special case: signed zeros, subnormals, halves, infinities, NaN, extremes.
fn samples() -> Vec<f32> {
    let mut v = vec![
        0.0,
        1.0,
        0.5,
        1.5,
        2.5,
        3.5,
        1e-45,
        1.1754944e-38,
        1.17549421e-38,
        3.4028235e38,
        f32::INFINITY,
        f32::NAN,
        65504.0,
        65519.99,
        65520.0,
        65536.0,
        6.1e-5,
        6.0975552e-5,
        5.9604645e-8,
        2.9802322e-8,
        2.98023259e-8,
        8388607.5,
        8388608.0,
        2147483520.0,
        0.1,
        3.14159,
        1.00390625,
        1.01171875,
        1.003906369,
    ];
    let mut state = 0x1234_5678u32;
    while v.len() < 120 {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        v.push(f32::from_bits(state & 0x7fff_ffff));
    }
    let negative: Vec<f32> = v.iter().map(|x| -x).collect();
    v.extend(negative);
    v
}

fn same(x: f32, y: f32) -> bool {
    x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())
}

/// All outcomes of all operations on three vectors, as bits; a NaN is one value.
struct Everything([f32; 16], [f32; 16], [f32; 16]);

impl Kernel for Everything {
    type Out = Vec<u32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<u32> {
        let (a, b, c) = (s.from_array(self.0), s.from_array(self.1), s.from_array(self.2));
        let (ia, ib) = (s.to_bits(a), s.to_bits(b));
        let counts = s.and(ib, s.splat_i(31));
        // Conversions to integers only inside their range.
        let small = s.select(s.lt(s.abs(a), s.splat(2147483520.0)), a, s.splat(7.5));
        let high = s.splat_i(0xffff_0000_u32 as i32);
        let floats = [
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.fma(a, b, c),
            s.fnma(a, b, c),
            s.fms(a, b, c),
            s.neg(a),
            s.abs(a),
            s.sqrt(a),
            s.min(a, b),
            s.max(a, b),
            s.minimum(a, b),
            s.maximum(a, b),
            s.round_even(a),
            s.floor(a),
            s.ceil(a),
            s.trunc(a),
            s.select(s.lt(a, b), a, c),
            s.select(s.ge(b, c), b, a),
            s.copysign(a, b),
            s.deinterleave(a, b).0,
            s.deinterleave(a, b).1,
            s.interleave(a, b).0,
            s.interleave(a, b).1,
            s.from_i32(ia),
            s.in_order(s.e4m3_halves(ia).0),
            s.in_order(s.e4m3_halves(ia).1),
            // Products of numbers with 8 bits.
            s.fma_short(s.from_bits(s.and(ia, high)), s.from_bits(s.and(ib, high)), c),
            s.splat(s.reduce_add(a)),
            s.splat(s.reduce_mul(a)),
            s.splat(s.reduce_max(a)),
            s.splat(s.reduce_min(a)),
        ];
        let mut bytes = [0; LANES];
        // SAFETY: the array has room for 16 bytes.
        unsafe { s.store_bytes(bytes.as_mut_ptr().cast(), ia) };
        let ints = [
            s.from_array_i(bytes),
            s.add_i(ia, ib),
            s.sub_i(ia, ib),
            s.mul_i(ia, ib),
            s.and(ia, ib),
            s.or(ia, ib),
            s.xor(ia, ib),
            s.shl(ia, 5),
            s.shr(ia, 5),
            s.sar(ia, 5),
            s.shl_v(ia, counts),
            s.shr_v(ia, counts),
            s.rotl_v(ia, counts),
            // SAFETY: the array has 16 elements.
            unsafe { s.load_i_repeated(self.0.as_ptr().cast(), 2) },
            // SAFETY: the array has 16 elements.
            unsafe { s.load_i_repeated(self.0.as_ptr().cast(), 4) },
            // SAFETY: the array has 16 elements.
            unsafe { s.load_i_repeated(self.0.as_ptr().cast(), 8) },
            s.to_bits(s.lookup16(a, ia)),
            s.to_bits(s.lookup8(a, ia)),
            s.dot_low_bytes(ia, s.and(ia, s.splat_i(0x7f7f_7f7f)), ib),
            s.shuffle_bytes(ia, s.and(ib, s.splat_i(0x8f8f_8f8f_u32 as i32))),
            // SAFETY: the array has 64 bytes.
            unsafe { s.load_u8(self.0.as_ptr().cast::<u8>().add(9)) },
            // SAFETY: the array has 64 bytes.
            unsafe { s.over_bytes(s.splat_i(0x4700_0000), self.0.as_ptr().cast::<u8>().add(5), 1) },
            // SAFETY: the array has 64 bytes.
            unsafe { s.over_bytes(s.splat_i(0x4300_1234), self.0.as_ptr().cast::<u8>().add(48), 2) },
            s.over_byte(s.splat_i(0x4700_0021), ia, 0, 1),
            s.over_byte(s.splat_i(0x4700_0000), ib, 1, 1),
            s.over_byte(s.splat_i(0x4300_0000), ia, 2, 2),
            s.over_byte(s.splat_i(0x4300_0001), ib, 3, 2),
            s.to_i32(small),
            s.trunc_i32(small),
            s.select_i(s.gt_i(ia, ib), ia, ib),
            s.select_i(s.eq_i(ia, ib), ia, ib),
        ];
        let (lt, le) = (s.lt(a, b), s.le(a, c));
        let masks = [
            lt,
            le,
            s.eq(a, b),
            s.ne(a, b),
            s.gt(a, b),
            s.ge(a, b),
            s.is_nan(a),
            s.and_m(lt, le),
            s.or_m(lt, le),
            s.xor_m(lt, le),
            s.not_m(lt),
            s.mask_from_bits(s.mask_bits(le)),
            s.mask_first(5),
            s.mask_first(16),
        ];
        let mut out = Vec::new();
        for f in floats {
            out.extend(s.to_array(f).map(|x| if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() }));
        }
        for i in ints {
            out.extend(s.to_array_i(i).map(|x| x as u32));
        }
        out.extend(masks.map(|m| s.mask_bits(m) as u32));
        out
    }
}

self_test!(every_operation_matches_the_scalar_level);
fn every_operation_matches_the_scalar_level() {
    let v = samples();
    let n = v.len();
    for shift in 0..n {
        let at = |k: usize| -> [f32; 16] { std::array::from_fn(|i| v[(i * 7 + shift * k + k) % n]) };
        let (a, b, c) = (at(1), at(5), at(11));
        let expect = dispatch_at(Level::Scalar, Everything(a, b, c));
        for level in isa::available() {
            assert_eq!(dispatch_at(level, Everything(a, b, c)), expect, "{level:?} {a:?} {b:?} {c:?}");
        }
    }
}

struct Convert<'a>(&'a [f32], &'a [u16]);

impl Kernel for Convert<'_> {
    type Out = (Vec<u16>, Vec<u16>, Vec<f32>, Vec<f32>);
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Out {
        let n = self.0.len();
        let (mut h, mut b) = (vec![0u16; n], vec![0u16; n]);
        let (mut fh, mut fb) = (vec![0f32; n], vec![0f32; n]);
        let mut i = 0;
        while i < n {
            let k = (n - i).min(LANES);
            // SAFETY: `k` elements remain in each slice.
            unsafe {
                if k == LANES {
                    let x = s.load(self.0.as_ptr().add(i));
                    s.store_f16(h.as_mut_ptr().add(i), x);
                    s.store_bf16(b.as_mut_ptr().add(i), x);
                    s.store(fh.as_mut_ptr().add(i), s.load_f16(self.1.as_ptr().add(i)));
                    s.store(fb.as_mut_ptr().add(i), s.load_bf16(self.1.as_ptr().add(i)));
                } else {
                    let x = s.load_n(self.0.as_ptr().add(i), k, 9.0);
                    s.store_f16_n(h.as_mut_ptr().add(i), x, k);
                    s.store_bf16_n(b.as_mut_ptr().add(i), x, k);
                    s.store_n(fh.as_mut_ptr().add(i), s.load_f16_n(self.1.as_ptr().add(i), k), k);
                    s.store_n(fb.as_mut_ptr().add(i), s.load_bf16_n(self.1.as_ptr().add(i), k), k);
                }
            }
            i += k;
        }
        (h, b, fh, fb)
    }
}

self_test!(sixteen_bit_conversions);
fn sixteen_bit_conversions() {
    // Every half pattern, and floats around every half and bfloat16 pattern and its rounding boundary.
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let mut floats = Vec::new();
    for h in halves.iter().copied() {
        for base in [f16_to_f32(h).to_bits(), (h as u32) << 16] {
            for delta in [0u32, 1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff_ffff] {
                floats.push(f32::from_bits(base.wrapping_add(delta)));
            }
        }
    }
    for &x in &floats {
        let (h, b) = (half::f16::from_f32_const(x), half::bf16::from_f32(x));
        if x.is_nan() {
            assert!(half::f16::from_bits(f32_to_f16(x)).is_nan() && half::bf16::from_bits(f32_to_bf16(x)).is_nan());
        } else {
            assert_eq!((f32_to_f16(x), f32_to_bf16(x)), (h.to_bits(), b.to_bits()), "{x:e}");
        }
    }
    for &h in &halves {
        assert!(same(f16_to_f32(h), half::f16::from_bits(h).to_f32_const()));
    }
    let patterns: Vec<u16> = floats.iter().enumerate().map(|(i, _)| i as u16).collect();
    for n in (0..=40).chain([floats.len()]) {
        let expect = dispatch_at(Level::Scalar, Convert(&floats[..n], &patterns[..n]));
        for level in isa::available() {
            let got = dispatch_at(level, Convert(&floats[..n], &patterns[..n]));
            assert_eq!(got.0, expect.0, "f16 {level:?}");
            assert_eq!(got.1, expect.1, "bf16 {level:?}");
            assert!(got.2.iter().zip(&expect.2).all(|(x, y)| x.to_bits() == y.to_bits()), "from f16 {level:?}");
            assert!(got.3.iter().zip(&expect.3).all(|(x, y)| x.to_bits() == y.to_bits()), "from bf16 {level:?}");
        }
    }
}

struct Partial<'a>(&'a mut [f32], usize);

impl Kernel for Partial<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let n = self.1;
        // SAFETY: the slice has at least 1 + 16 elements.
        unsafe {
            let v = s.load_n(self.0.as_ptr().add(1), n, 100.0);
            s.store_n(self.0.as_mut_ptr().add(1), s.add(v, s.splat(1.0)), n);
            s.reduce_add(v)
        }
    }
}

self_test!(partial_loads_and_stores_touch_their_lanes_only);
fn partial_loads_and_stores_touch_their_lanes_only() {
    for level in isa::available() {
        for n in 0..=LANES {
            let mut a: Vec<f32> = (0..18).map(|i| i as f32).collect();
            let sum = dispatch_at(level, Partial(&mut a, n));
            assert_eq!(sum, (1..=n).sum::<usize>() as f32 + 100.0 * (LANES - n) as f32);
            for (i, &x) in a.iter().enumerate() {
                let expect = if (1..=n).contains(&i) { i + 1 } else { i };
                assert_eq!(x, expect as f32, "{level:?} n={n} i={i}");
            }
        }
    }
}
