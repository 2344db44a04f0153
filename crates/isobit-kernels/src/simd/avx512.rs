//! AVX-512 (F, BW, DQ, VL): the 16 lanes are one register.

use std::arch::x86_64::*;

use super::{Kernel, Simd};
use crate::isa::Level;

/// The proof that the machine has AVX-512 F, BW, DQ, VL, AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The machine must have AVX-512 F, BW, DQ and VL, AVX2, FMA and F16C.
    #[inline(always)]
    pub unsafe fn new() -> Avx512 {
        Avx512(())
    }
}

/// # Safety
/// The machine must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
#[inline(never)]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx512(()))
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $e:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> $out {
                // SAFETY: `self` is the proof that the machine has the instructions.
                unsafe { $e }
            }
        )*
    };
}

macro_rules! forward_unsafe {
    ($($name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)? = $e:expr;)*) => {
        $(
            #[inline(always)]
            unsafe fn $name(self, $($arg: $ty),*) $(-> $out)? {
                // SAFETY: `self` is the proof of the instructions; the pointers are the caller's promise.
                unsafe { $e }
            }
        )*
    };
}

#[inline(always)]
fn first(n: usize) -> u16 {
    ((1u32 << n) - 1) as u16
}

/// The fixed tree: lane `i` with `i + 8`, then `+ 4`, `+ 2`, `+ 1`.
macro_rules! tree {
    ($a:expr, $y:ident, $x:ident, $s:ident) => {{
        let a = $a;
        let v = $y(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
        let v = $x(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = $x(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32($s(v, _mm_shuffle_ps::<1>(v, v)))
    }};
}

impl Simd for Avx512 {
    const LEVEL: Level = Level::Avx512;
    type F = __m512;
    type I = __m512i;
    type M = __mmask16;

    forward_unsafe! {
        load(p: *const f32) -> __m512 = _mm512_loadu_ps(p);
        store(p: *mut f32, v: __m512) = _mm512_storeu_ps(p, v);
        stream(p: *mut f32, v: __m512) = _mm512_stream_ps(p, v);
        load_n(p: *const f32, n: usize, fill: f32) -> __m512 = _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p);
        store_n(p: *mut f32, v: __m512, n: usize) = _mm512_mask_storeu_ps(p, first(n), v);
        store_lanes(p: *mut f32, v: __m512, at: usize, n: usize) =
            _mm512_mask_storeu_ps(p.wrapping_sub(at), first(n) << at, v);
        load_i(p: *const i32) -> __m512i = _mm512_loadu_si512(p.cast());
        store_i(p: *mut i32, v: __m512i) = _mm512_storeu_si512(p.cast(), v);
        load_u8(p: *const u8) -> __m512i = _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()));
        load_f16(p: *const u16) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()));
        store_f16(p: *mut u16, v: __m512) =
            _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v));
        load_bf16(p: *const u16) -> __m512 =
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))));
        store_bytes(p: *mut i8, v: __m512i) = _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(v));
        store_bf16(p: *mut u16, v: __m512) = _mm256_storeu_si256(p.cast(), to_bf16(v));
        load_f16_n(p: *const u16, n: usize) -> __m512 = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p.cast()));
        store_f16_n(p: *mut u16, v: __m512, n: usize) = _mm256_mask_storeu_epi16(
            p.cast(),
            first(n),
            _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
        );
        load_bf16_n(p: *const u16, n: usize) -> __m512 = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n), p.cast()))
        ));
        store_bf16_n(p: *mut u16, v: __m512, n: usize) = _mm256_mask_storeu_epi16(p.cast(), first(n), to_bf16(v));
    }

    #[inline(always)]
    fn stream_fence(self) {
        // SAFETY: SSE is part of the x86-64 baseline.
        unsafe { _mm_sfence() }
    }

    forward! {
        splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        splat_i(x: i32) -> __m512i = _mm512_set1_epi32(x);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fnma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fnmadd_ps(a, b, c);
        fms(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmsub_ps(a, b, c);
        neg(a: __m512) -> __m512 = _mm512_xor_ps(a, _mm512_set1_ps(-0.0));
        abs(a: __m512) -> __m512 = _mm512_andnot_ps(_mm512_set1_ps(-0.0), a);
        sqrt(a: __m512) -> __m512 = _mm512_sqrt_ps(a);
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        round_even(a: __m512) -> __m512 = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
        floor(a: __m512) -> __m512 = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a);
        ceil(a: __m512) -> __m512 = _mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a);
        trunc(a: __m512) -> __m512 = _mm512_roundscale_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a);
        lt(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        le(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b);
        eq(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
        ne(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, b);
        select(m: __mmask16, a: __m512, b: __m512) -> __m512 = _mm512_mask_blend_ps(m, b, a);
        select_i(m: __mmask16, a: __m512i, b: __m512i) -> __m512i = _mm512_mask_blend_epi32(m, b, a);
        to_bits(a: __m512) -> __m512i = _mm512_castps_si512(a);
        from_bits(a: __m512i) -> __m512 = _mm512_castsi512_ps(a);
        add_i(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        sub_i(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32(a, b);
        mul_i(a: __m512i, b: __m512i) -> __m512i = _mm512_mullo_epi32(a, b);
        and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        xor(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        shl(a: __m512i, n: u32) -> __m512i = _mm512_sllv_epi32(a, _mm512_set1_epi32(n as i32));
        shr(a: __m512i, n: u32) -> __m512i = _mm512_srlv_epi32(a, _mm512_set1_epi32(n as i32));
        sar(a: __m512i, n: u32) -> __m512i = _mm512_srav_epi32(a, _mm512_set1_epi32(n as i32));
        shl_v(a: __m512i, n: __m512i) -> __m512i = _mm512_sllv_epi32(a, n);
        shr_v(a: __m512i, n: __m512i) -> __m512i = _mm512_srlv_epi32(a, n);
        rotl_v(a: __m512i, n: __m512i) -> __m512i = _mm512_rolv_epi32(a, n);
        lookup16(table: __m512, n: __m512i) -> __m512 = _mm512_permutexvar_ps(n, table);
        shuffle_bytes(table: __m512i, n: __m512i) -> __m512i = _mm512_shuffle_epi8(table, n);
        eq_i(a: __m512i, b: __m512i) -> __mmask16 = _mm512_cmpeq_epi32_mask(a, b);
        gt_i(a: __m512i, b: __m512i) -> __mmask16 = _mm512_cmpgt_epi32_mask(a, b);
        to_i32(a: __m512) -> __m512i =
            _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
        trunc_i32(a: __m512) -> __m512i = _mm512_cvttps_epi32(a);
        from_i32(a: __m512i) -> __m512 = _mm512_cvtepi32_ps(a);
        deinterleave(a: __m512, b: __m512) -> (__m512, __m512) = (
            _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b),
            _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b)
        );
        interleave(a: __m512, b: __m512) -> (__m512, __m512) = (
            _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b),
            _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b)
        );
        reduce_add(a: __m512) -> f32 = tree!(a, _mm256_add_ps, _mm_add_ps, _mm_add_ss);
        reduce_mul(a: __m512) -> f32 = tree!(a, _mm256_mul_ps, _mm_mul_ps, _mm_mul_ss);
        reduce_max(a: __m512) -> f32 = tree!(a, _mm256_max_ps, _mm_max_ps, _mm_max_ss);
        reduce_min(a: __m512) -> f32 = tree!(a, _mm256_min_ps, _mm_min_ps, _mm_min_ss);
    }

    #[inline(always)]
    fn dot_bytes(self, acc: __m512i, u: __m512i, x: __m512i) -> __m512i {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Pairs of products of seven bits fit in 16; the eighth bit counts 128 times.
            let ones = _mm512_set1_epi16(1);
            let low = _mm512_and_si512(u, _mm512_set1_epi8(0x7f));
            let top = _mm512_and_si512(_mm512_srli_epi16::<7>(u), _mm512_set1_epi8(1));
            let low = _mm512_madd_epi16(_mm512_maddubs_epi16(low, x), ones);
            let top = _mm512_madd_epi16(_mm512_maddubs_epi16(top, x), _mm512_set1_epi16(128));
            _mm512_add_epi32(acc, _mm512_add_epi32(low, top))
        }
    }
    #[inline(always)]
    fn dot_low_bytes(self, acc: __m512i, u: __m512i, x: __m512i) -> __m512i {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            // Pairs of products of seven bits fit in 16.
            let pairs = _mm512_maddubs_epi16(u, x);
            _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn load_i_repeated(self, p: *const i32, n: usize) -> __m512i {
        // SAFETY: the caller's promise; `self` is the proof that the machine has the instructions.
        unsafe {
            match n {
                16 => _mm512_loadu_si512(p.cast()),
                8 => _mm512_broadcast_i64x4(_mm256_loadu_si256(p.cast())),
                4 => _mm512_broadcast_i32x4(_mm_loadu_si128(p.cast())),
                _ => _mm512_set1_epi64(p.cast::<i64>().read_unaligned()),
            }
        }
    }
    #[inline(always)]
    unsafe fn over_bytes(self, base: __m512i, p: *const u8, place: u32) -> __m512i {
        // SAFETY: the caller's promise; `self` is the proof that the machine has the instructions.
        unsafe {
            // Every quarter has all bytes, and takes four of them.
            let all = _mm512_broadcast_i32x4(_mm_loadu_si128(p.cast()));
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let n = _mm512_sll_epi32(lanes, _mm_cvtsi32_si128(8 * place as i32));
            _mm512_mask_shuffle_epi8(base, 0x1111_1111_1111_1111 << place, all, n)
        }
    }
    #[inline(always)]
    fn over_byte(self, base: __m512i, a: __m512i, byte: u32, place: u32) -> __m512i {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe {
            let first = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 4, 8, 12));
            let byte = _mm512_add_epi32(first, _mm512_set1_epi32(byte as i32));
            let n = _mm512_sll_epi32(byte, _mm_cvtsi32_si128(8 * place as i32));
            _mm512_mask_shuffle_epi8(base, 0x1111_1111_1111_1111 << place, a, n)
        }
    }
    #[inline(always)]
    fn lookup32(self, tables: [__m512; 2], n: __m512i) -> __m512 {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { _mm512_permutex2var_ps(tables[0], n, tables[1]) }
    }
    #[inline(always)]
    fn e4m3_pair(self, low: __m512i, high: __m512i) -> (__m512, __m512) {
        // As bfloat16 numbers, two to a lane: exponent and mantissa moved, 120 added to the exponent; where there was none,
        // what makes the number right is looked up by the mantissa instead.
        const SUBNORMAL: [u16; 32] = {
            let mut a = [0; 32];
            let mut m = 1;
            while m < 8 {
                a[m] = ((m as f32 / 512.0).to_bits() >> 16) as u16 - ((m as u16) << 4);
                m += 1;
            }
            a
        };
        // SAFETY: `self` is the proof that the machine has the instructions; the table has 32 numbers.
        unsafe {
            let table = _mm512_loadu_si512(SUBNORMAL.as_ptr().cast());
            let subnormal = _mm512_testn_epi16_mask(high, _mm512_set1_epi16(0x7800));
            let more = _mm512_mask_permutexvar_epi16(_mm512_set1_epi16(120 << 7), subnormal, low, table);
            let moved = _mm512_and_si512(_mm512_srai_epi16::<4>(high), _mm512_set1_epi16(0x87f0_u16 as i16));
            let pair = _mm512_add_epi16(moved, more);
            let upper = _mm512_and_si512(pair, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            (_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pair)), _mm512_castsi512_ps(upper))
        }
    }
    #[inline(always)]
    fn and_m(self, a: u16, b: u16) -> u16 {
        a & b
    }
    #[inline(always)]
    fn or_m(self, a: u16, b: u16) -> u16 {
        a | b
    }
    #[inline(always)]
    fn xor_m(self, a: u16, b: u16) -> u16 {
        a ^ b
    }
    #[inline(always)]
    fn not_m(self, a: u16) -> u16 {
        !a
    }
    #[inline(always)]
    fn mask_bits(self, m: u16) -> u16 {
        m
    }
    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> u16 {
        bits
    }
}

/// Rounds to bfloat16 with integer arithmetic: the conversion instruction would flush subnormals.
///
/// # Safety
/// The machine must have AVX-512 F.
#[inline(always)]
unsafe fn to_bf16(v: __m512) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm512_castps_si512(v);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
        _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(_mm512_mask_blend_epi32(nan, rounded, quiet)))
    }
}
