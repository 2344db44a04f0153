//! AVX2 with FMA and F16C: the 16 lanes are two registers.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Simd};
use crate::isa::Level;

/// The proof that the machine has AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The machine must have AVX2, FMA and F16C.
    #[inline(always)]
    pub unsafe fn new() -> Avx2 {
        Avx2(())
    }
}

/// # Safety
/// The machine must have the features.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline(never)]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx2(()))
}

/// Lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub struct F2(pub __m256, pub __m256);
/// Lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub struct I2(pub __m256i, pub __m256i);
/// Lanes 0 to 7 and 8 to 15, all bits of a lane alike.
#[derive(Clone, Copy)]
pub struct M2(pub __m256, pub __m256);

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ident = $f:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> $out {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe { $out($f($($arg.0),*), $f($($arg.1),*)) }
            }
        )*
    };
}

/// The fixed tree: lane `i` with `i + 8`, then `+ 4`, `+ 2`, `+ 1`.
macro_rules! trees {
    ($($name:ident = $y:ident, $x:ident, $s:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, a: F2) -> f32 {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe {
                    let v = $y(a.0, a.1);
                    let v = $x(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                    let v = $x(v, _mm_movehl_ps(v, v));
                    _mm_cvtss_f32($s(v, _mm_shuffle_ps::<1>(v, v)))
                }
            }
        )*
    };
}

macro_rules! cmp {
    ($($name:ident = $op:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, a: F2, b: F2) -> M2 {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe { M2(_mm256_cmp_ps::<$op>(a.0, b.0), _mm256_cmp_ps::<$op>(a.1, b.1)) }
            }
        )*
    };
}

macro_rules! round {
    ($($name:ident = $mode:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, a: F2) -> F2 {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe {
                    F2(
                        _mm256_round_ps::<{ $mode | _MM_FROUND_NO_EXC }>(a.0),
                        _mm256_round_ps::<{ $mode | _MM_FROUND_NO_EXC }>(a.1),
                    )
                }
            }
        )*
    };
}

macro_rules! shift {
    ($($name:ident = $op:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, a: I2, n: u32) -> I2 {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe {
                    let n = _mm256_set1_epi32(n as i32);
                    I2($op(a.0, n), $op(a.1, n))
                }
            }
        )*
    };
}

/// Masks of `n` leading lanes: 16 lanes read at `16 - n`.
static LEADING: [i32; 2 * LANES] = {
    let mut a = [0; 2 * LANES];
    let mut i = 0;
    while i < LANES {
        a[i] = -1;
        i += 1;
    }
    a
};

#[inline(always)]
fn leading(n: usize) -> *const __m256i {
    LEADING[LANES - n.min(LANES)..].as_ptr().cast()
}

impl Simd for Avx2 {
    const LEVEL: Level = Level::Avx2;
    type F = F2;
    type I = I2;
    type M = M2;

    #[inline(always)]
    fn splat(self, x: f32) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        let v = unsafe { _mm256_set1_ps(x) };
        F2(v, v)
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> I2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        let v = unsafe { _mm256_set1_epi32(x) };
        I2(v, v)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F2 {
        // SAFETY: the caller's promise.
        unsafe { F2(_mm256_loadu_ps(p), _mm256_loadu_ps(p.wrapping_add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F2) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_ps(p, v.0);
            _mm256_storeu_ps(p.wrapping_add(8), v.1);
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: F2) {
        // SAFETY: the caller's promise, the alignment included.
        unsafe {
            _mm256_stream_ps(p, v.0);
            _mm256_stream_ps(p.wrapping_add(8), v.1);
        }
    }
    #[inline(always)]
    fn stream_fence(self) {
        // SAFETY: SSE is part of the x86-64 baseline.
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize, fill: f32) -> F2 {
        let m = leading(n);
        // SAFETY: masked lanes are not read; the mask table has 16 lanes from there.
        unsafe {
            let (m0, m1) = (_mm256_loadu_si256(m), _mm256_loadu_si256(m.wrapping_add(1)));
            let fill = _mm256_set1_ps(fill);
            F2(
                _mm256_blendv_ps(fill, _mm256_maskload_ps(p, m0), _mm256_castsi256_ps(m0)),
                _mm256_blendv_ps(fill, _mm256_maskload_ps(p.wrapping_add(8), m1), _mm256_castsi256_ps(m1)),
            )
        }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: F2, n: usize) {
        let m = leading(n);
        // SAFETY: masked lanes are not written; the mask table has 16 lanes from there.
        unsafe {
            _mm256_maskstore_ps(p, _mm256_loadu_si256(m), v.0);
            _mm256_maskstore_ps(p.wrapping_add(8), _mm256_loadu_si256(m.wrapping_add(1)), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const i32) -> I2 {
        let p: *const __m256i = p.cast();
        // SAFETY: the caller's promise.
        unsafe { I2(_mm256_loadu_si256(p), _mm256_loadu_si256(p.wrapping_add(1))) }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut i32, v: I2) {
        let p: *mut __m256i = p.cast();
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_si256(p, v.0);
            _mm256_storeu_si256(p.wrapping_add(1), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F2 {
        let p: *const __m128i = p.cast();
        // SAFETY: the caller's promise.
        unsafe { F2(_mm256_cvtph_ps(_mm_loadu_si128(p)), _mm256_cvtph_ps(_mm_loadu_si128(p.wrapping_add(1)))) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, v: F2) {
        let p: *mut __m128i = p.cast();
        // SAFETY: the caller's promise.
        unsafe {
            _mm_storeu_si128(p, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v.0));
            _mm_storeu_si128(p.wrapping_add(1), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v.1));
        }
    }
    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> I2 {
        // SAFETY: the caller's promise.
        unsafe {
            let wide = |p: *const u8| _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()));
            I2(wide(p), wide(p.add(8)))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F2 {
        let p: *const __m128i = p.cast();
        // SAFETY: the caller's promise.
        unsafe {
            let wide = |v| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(v)));
            F2(wide(_mm_loadu_si128(p)), wide(_mm_loadu_si128(p.wrapping_add(1))))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: F2) {
        // SAFETY: the caller's promise.
        unsafe {
            let (a, b) = (round_bf16(v.0), round_bf16(v.1));
            // The pack works within 128-bit halves; the permute puts the quarters in order.
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(a, b));
            _mm256_storeu_si256(p.cast(), packed);
        }
    }

    forward! {
        add(a: F2, b: F2) -> F2 = _mm256_add_ps;
        sub(a: F2, b: F2) -> F2 = _mm256_sub_ps;
        mul(a: F2, b: F2) -> F2 = _mm256_mul_ps;
        div(a: F2, b: F2) -> F2 = _mm256_div_ps;
        fma(a: F2, b: F2, c: F2) -> F2 = _mm256_fmadd_ps;
        fnma(a: F2, b: F2, c: F2) -> F2 = _mm256_fnmadd_ps;
        fms(a: F2, b: F2, c: F2) -> F2 = _mm256_fmsub_ps;
        sqrt(a: F2) -> F2 = _mm256_sqrt_ps;
        min(a: F2, b: F2) -> F2 = _mm256_min_ps;
        max(a: F2, b: F2) -> F2 = _mm256_max_ps;
        and_m(a: M2, b: M2) -> M2 = _mm256_and_ps;
        or_m(a: M2, b: M2) -> M2 = _mm256_or_ps;
        xor_m(a: M2, b: M2) -> M2 = _mm256_xor_ps;
        to_bits(a: F2) -> I2 = _mm256_castps_si256;
        from_bits(a: I2) -> F2 = _mm256_castsi256_ps;
        add_i(a: I2, b: I2) -> I2 = _mm256_add_epi32;
        sub_i(a: I2, b: I2) -> I2 = _mm256_sub_epi32;
        mul_i(a: I2, b: I2) -> I2 = _mm256_mullo_epi32;
        and(a: I2, b: I2) -> I2 = _mm256_and_si256;
        or(a: I2, b: I2) -> I2 = _mm256_or_si256;
        xor(a: I2, b: I2) -> I2 = _mm256_xor_si256;
        shl_v(a: I2, n: I2) -> I2 = _mm256_sllv_epi32;
        shr_v(a: I2, n: I2) -> I2 = _mm256_srlv_epi32;
        to_i32(a: F2) -> I2 = _mm256_cvtps_epi32;
        trunc_i32(a: F2) -> I2 = _mm256_cvttps_epi32;
        from_i32(a: I2) -> F2 = _mm256_cvtepi32_ps;
    }
    cmp! {
        lt = _CMP_LT_OQ;
        le = _CMP_LE_OQ;
        eq = _CMP_EQ_OQ;
        ne = _CMP_NEQ_UQ;
    }
    round! {
        round_even = _MM_FROUND_TO_NEAREST_INT;
        floor = _MM_FROUND_TO_NEG_INF;
        ceil = _MM_FROUND_TO_POS_INF;
        trunc = _MM_FROUND_TO_ZERO;
    }
    shift! {
        shl = _mm256_sllv_epi32;
        shr = _mm256_srlv_epi32;
        sar = _mm256_srav_epi32;
    }
    trees! {
        reduce_add = _mm256_add_ps, _mm_add_ps, _mm_add_ss;
        reduce_mul = _mm256_mul_ps, _mm_mul_ps, _mm_mul_ss;
        reduce_max = _mm256_max_ps, _mm_max_ps, _mm_max_ss;
        reduce_min = _mm256_min_ps, _mm_min_ps, _mm_min_ss;
    }

    #[inline(always)]
    fn neg(self, a: F2) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            F2(_mm256_xor_ps(a.0, sign), _mm256_xor_ps(a.1, sign))
        }
    }
    #[inline(always)]
    fn abs(self, a: F2) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            F2(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }
    #[inline(always)]
    fn select(self, m: M2, a: F2, b: F2) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { F2(_mm256_blendv_ps(b.0, a.0, m.0), _mm256_blendv_ps(b.1, a.1, m.1)) }
    }
    #[inline(always)]
    fn select_i(self, m: M2, a: I2, b: I2) -> I2 {
        self.to_bits(self.select(m, self.from_bits(a), self.from_bits(b)))
    }
    #[inline(always)]
    fn not_m(self, a: M2) -> M2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let ones = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
            M2(_mm256_xor_ps(a.0, ones), _mm256_xor_ps(a.1, ones))
        }
    }
    #[inline(always)]
    fn mask_bits(self, m: M2) -> u16 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { (_mm256_movemask_ps(m.0) | _mm256_movemask_ps(m.1) << 8) as u16 }
    }
    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> M2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let one = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let lanes =
                |b: i32| _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(b), one), one));
            M2(lanes(bits as i32), lanes((bits >> 8) as i32))
        }
    }
    #[inline(always)]
    fn lookup16(self, table: F2, n: I2) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Either half by the low three bits; the fourth chooses between them.
            F2(one_of_16(table, n.0), one_of_16(table, n.1))
        }
    }
    #[inline(always)]
    fn lookup8(self, table: F2, n: I2) -> F2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { F2(_mm256_permutevar8x32_ps(table.0, n.0), _mm256_permutevar8x32_ps(table.0, n.1)) }
    }
    #[inline(always)]
    fn e4m3_halves(self, q: I2) -> (F2, F2) {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Moved down by one, exponent and mantissa are where half precision has them, whose exponents are greater by 8;
            // its conversion reads subnormal numbers whatever the mode is. The sign's copy is taken out.
            let bits = _mm256_set1_epi16(0xbf80_u16 as i16);
            let a = _mm256_and_si256(_mm256_srai_epi16::<1>(q.0), bits);
            let b = _mm256_and_si256(_mm256_srai_epi16::<1>(q.1), bits);
            // Lanes 0, 8, 1, 9, .. to 3, 11, and from 4, 12 on.
            let low = _mm256_blend_epi16::<0xaa>(a, _mm256_slli_epi32::<16>(b));
            let high = _mm256_blend_epi16::<0xaa>(_mm256_srli_epi32::<16>(a), b);
            (widen_halves(low), widen_halves(high))
        }
    }
    #[inline(always)]
    fn in_order(self, a: F2) -> F2 {
        let (even, odd) = self.deinterleave(a, a);
        F2(even.0, odd.0)
    }
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut i8, v: I2) {
        // SAFETY: `self` is the proof of the instructions; the pointer is the caller's promise.
        unsafe {
            let byte = _mm256_set1_epi32(0xff);
            // Halves of the registers are packed by themselves: quarters 0, 2, 1, 3.
            let pairs = _mm256_packus_epi32(_mm256_and_si256(v.0, byte), _mm256_and_si256(v.1, byte));
            let pairs = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
            let (low, high) = (_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
            _mm_storeu_si128(p.cast(), _mm_packus_epi16(low, high));
        }
    }
    #[inline(always)]
    unsafe fn load_i_repeated(self, p: *const i32, n: usize) -> I2 {
        // SAFETY: the caller's promise; `self` is the proof that the machine has the instructions.
        unsafe {
            match n {
                16 => I2(_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(8).cast())),
                8 => {
                    let x = _mm256_loadu_si256(p.cast());
                    I2(x, x)
                }
                4 => {
                    let x = _mm256_broadcastsi128_si256(_mm_loadu_si128(p.cast()));
                    I2(x, x)
                }
                _ => {
                    let x = _mm256_set1_epi64x(p.cast::<i64>().read_unaligned());
                    I2(x, x)
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn over_bytes(self, base: I2, p: *const u8, place: u32) -> I2 {
        // SAFETY: the caller's promise; `self` is the proof that the machine has the instructions.
        unsafe {
            // Every quarter has all bytes, and takes four of them.
            let all = _mm256_broadcastsi128_si256(_mm_loadu_si128(p.cast()));
            let n = |first: i32| {
                let lanes = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
                // Bytes that stay zero have the highest bit set.
                let place = _mm_cvtsi32_si128(8 * place as i32);
                let other = _mm256_sll_epi32(_mm256_set1_epi32(0xff), place);
                let other = _mm256_andnot_si256(other, _mm256_set1_epi32(0x8080_8080_u32 as i32));
                _mm256_or_si256(_mm256_sll_epi32(lanes, place), other)
            };
            I2(
                _mm256_or_si256(base.0, _mm256_shuffle_epi8(all, n(0))),
                _mm256_or_si256(base.1, _mm256_shuffle_epi8(all, n(8))),
            )
        }
    }
    #[inline(always)]
    fn over_byte(self, base: I2, a: I2, byte: u32, place: u32) -> I2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let first = _mm256_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12);
            let byte = _mm256_add_epi32(first, _mm256_set1_epi32(byte as i32));
            // Bytes that stay zero have the highest bit set.
            let place = _mm_cvtsi32_si128(8 * place as i32);
            let other = _mm256_sll_epi32(_mm256_set1_epi32(0xff), place);
            let other = _mm256_andnot_si256(other, _mm256_set1_epi32(0x8080_8080_u32 as i32));
            let n = _mm256_or_si256(_mm256_sll_epi32(byte, place), other);
            I2(
                _mm256_or_si256(base.0, _mm256_shuffle_epi8(a.0, n)),
                _mm256_or_si256(base.1, _mm256_shuffle_epi8(a.1, n)),
            )
        }
    }
    #[inline(always)]
    fn shuffle_bytes(self, table: I2, n: I2) -> I2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { I2(_mm256_shuffle_epi8(table.0, n.0), _mm256_shuffle_epi8(table.1, n.1)) }
    }
    #[inline(always)]
    fn dot_bytes(self, acc: I2, u: I2, x: I2) -> I2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Pairs of products of seven bits fit in 16; the eighth bit counts 128 times.
            let one = |acc: __m256i, u: __m256i, x: __m256i| {
                let low = _mm256_and_si256(u, _mm256_set1_epi8(0x7f));
                let top = _mm256_and_si256(_mm256_srli_epi16::<7>(u), _mm256_set1_epi8(1));
                let low = _mm256_madd_epi16(_mm256_maddubs_epi16(low, x), _mm256_set1_epi16(1));
                let top = _mm256_madd_epi16(_mm256_maddubs_epi16(top, x), _mm256_set1_epi16(128));
                _mm256_add_epi32(acc, _mm256_add_epi32(low, top))
            };
            I2(one(acc.0, u.0, x.0), one(acc.1, u.1, x.1))
        }
    }
    #[inline(always)]
    fn dot_low_bytes(self, acc: I2, u: I2, x: I2) -> I2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Pairs of products of seven bits fit in 16.
            let one = |acc: __m256i, u: __m256i, x: __m256i| {
                _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(u, x), _mm256_set1_epi16(1)))
            };
            I2(one(acc.0, u.0, x.0), one(acc.1, u.1, x.1))
        }
    }
    #[inline(always)]
    fn eq_i(self, a: I2, b: I2) -> M2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            M2(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.0, b.0)), _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.1, b.1)))
        }
    }
    #[inline(always)]
    fn gt_i(self, a: I2, b: I2) -> M2 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            M2(_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.0, b.0)), _mm256_castsi256_ps(_mm256_cmpgt_epi32(a.1, b.1)))
        }
    }
    #[inline(always)]
    fn deinterleave(self, a: F2, b: F2) -> (F2, F2) {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            const EVEN: i32 = 0b10_00_10_00;
            const ODD: i32 = 0b11_01_11_01;
            (
                F2(every_other::<EVEN>(a.0, a.1), every_other::<EVEN>(b.0, b.1)),
                F2(every_other::<ODD>(a.0, a.1), every_other::<ODD>(b.0, b.1)),
            )
        }
    }
    #[inline(always)]
    fn interleave(self, a: F2, b: F2) -> (F2, F2) {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { (zip(a.0, b.0), zip(a.1, b.1)) }
    }
}

/// Rounds to bfloat16 in the low half of each lane.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn round_bf16(v: __m256) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm256_castps_si256(v);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
        _mm256_srli_epi32::<16>(_mm256_blendv_epi8(rounded, quiet, nan))
    }
}

// Functions, not closures, which the compiler may leave out of line, and then without the instructions.

/// # Safety
/// The machine must have F16C.
#[inline(always)]
unsafe fn widen_halves(v: __m256i) -> F2 {
    // SAFETY: the caller's promise.
    unsafe { F2(_mm256_cvtph_ps(_mm256_castsi256_si128(v)), _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(v))) }
}

/// Either half of the table by the low three bits; the fourth chooses between them.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn one_of_16(table: F2, n: __m256i) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let (low, high) = (_mm256_permutevar8x32_ps(table.0, n), _mm256_permutevar8x32_ps(table.1, n));
        _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(n)))
    }
}

/// Even or odd lanes of two registers.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn every_other<const WHICH: i32>(x: __m256, y: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(_mm256_shuffle_ps::<WHICH>(x, y))))
    }
}

/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn zip(x: __m256, y: __m256) -> F2 {
    // SAFETY: the caller's promise.
    unsafe {
        let (lo, hi) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
        F2(_mm256_permute2f128_ps::<0x20>(lo, hi), _mm256_permute2f128_ps::<0x31>(lo, hi))
    }
}
