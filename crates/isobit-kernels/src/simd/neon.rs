//! NEON (aarch64): the 16 lanes are four registers.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Kernel, LANES, Simd};
use crate::isa::Level;

/// The proof that the machine has NEON, which every aarch64 has.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    /// NEON is part of the aarch64 baseline.
    #[inline(always)]
    pub fn new() -> Neon {
        Neon(())
    }
}

impl Default for Neon {
    fn default() -> Neon {
        Neon::new()
    }
}

/// # Safety
/// The machine must have NEON.
#[target_feature(enable = "neon")]
#[inline(never)]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Neon(()))
}

type F = [float32x4_t; 4];
type I = [int32x4_t; 4];
type M = [uint32x4_t; 4];

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $e:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> $out {
                std::array::from_fn(
                    #[inline(always)]
                    |i| {
                        $(let $arg = $arg[i];)*
                        // SAFETY: NEON is part of the aarch64 baseline.
                        unsafe { $e }
                    },
                )
            }
        )*
    };
}

/// The fixed tree: lane `i` with `i + 8`, then `+ 4`, `+ 2`, `+ 1`.
macro_rules! trees {
    ($($name:ident = $op:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, a: F) -> f32 {
                // SAFETY: NEON is part of the aarch64 baseline.
                unsafe {
                    let op = $op;
                    let v = op(op(a[0], a[2]), op(a[1], a[3]));
                    let v = op(v, vextq_f32::<2>(v, v));
                    vgetq_lane_f32::<0>(op(v, vextq_f32::<1>(v, v)))
                }
            }
        )*
    };
}

#[inline(always)]
unsafe fn max4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    // SAFETY: NEON is part of the aarch64 baseline.
    unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
}

#[inline(always)]
unsafe fn min4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    // SAFETY: NEON is part of the aarch64 baseline.
    unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
}

impl Simd for Neon {
    const LEVEL: Level = Level::Neon;
    type F = F;
    type I = I;
    type M = M;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        // SAFETY: NEON is part of the aarch64 baseline.
        [unsafe { vdupq_n_f32(x) }; 4]
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> I {
        // SAFETY: NEON is part of the aarch64 baseline.
        [unsafe { vdupq_n_s32(x) }; 4]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        // SAFETY: the caller's promise.
        std::array::from_fn(|i| unsafe { vld1q_f32(p.wrapping_add(4 * i)) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { vst1q_f32(p.wrapping_add(4 * i), v) };
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: F) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, v) }
    }
    #[inline(always)]
    fn stream_fence(self) {}
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize, fill: f32) -> F {
        let mut a = [fill; LANES];
        // SAFETY: `n <= 16` elements may be read.
        unsafe {
            std::ptr::copy_nonoverlapping(p.cast::<u8>(), a.as_mut_ptr().cast(), 4 * n);
            self.load(a.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: F, n: usize) {
        let a = self.to_array(v);
        // SAFETY: `n <= 16` elements may be written.
        unsafe { std::ptr::copy_nonoverlapping(a.as_ptr().cast::<u8>(), p.cast(), 4 * n) };
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const i32) -> I {
        // SAFETY: the caller's promise.
        std::array::from_fn(|i| unsafe { vld1q_s32(p.wrapping_add(4 * i)) })
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut i32, v: I) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { vst1q_s32(p.wrapping_add(4 * i), v) };
        }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F {
        std::array::from_fn(|i| {
            // SAFETY: the caller's promise; the instruction reads and writes registers only.
            unsafe {
                let half = vld1_u16(p.wrapping_add(4 * i));
                let wide: float32x4_t;
                asm!("fcvtl {0:v}.4s, {1:v}.4h", lateout(vreg) wide, in(vreg) half, options(pure, nomem, nostack));
                wide
            }
        })
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, v: F) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the caller's promise; the instruction reads and writes registers only.
            unsafe {
                let half: uint16x4_t;
                asm!("fcvtn {0:v}.4h, {1:v}.4s", lateout(vreg) half, in(vreg) v, options(pure, nomem, nostack));
                vst1_u16(p.wrapping_add(4 * i), half);
            }
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F {
        // SAFETY: the caller's promise.
        std::array::from_fn(|i| unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p.wrapping_add(4 * i)))) })
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: F) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let bits = vreinterpretq_u32_f32(v);
                let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
                let rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
                let quiet = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
                let result = vbslq_u32(vceqq_f32(v, v), rounded, quiet);
                vst1_u16(p.wrapping_add(4 * i), vshrn_n_u32::<16>(result));
            }
        }
    }

    forward! {
        add(a: F, b: F) -> F = vaddq_f32(a, b);
        sub(a: F, b: F) -> F = vsubq_f32(a, b);
        mul(a: F, b: F) -> F = vmulq_f32(a, b);
        div(a: F, b: F) -> F = vdivq_f32(a, b);
        fma(a: F, b: F, c: F) -> F = vfmaq_f32(c, a, b);
        fnma(a: F, b: F, c: F) -> F = vfmsq_f32(c, a, b);
        fms(a: F, b: F, c: F) -> F = vfmaq_f32(vnegq_f32(c), a, b);
        neg(a: F) -> F = vnegq_f32(a);
        abs(a: F) -> F = vabsq_f32(a);
        sqrt(a: F) -> F = vsqrtq_f32(a);
        min(a: F, b: F) -> F = min4(a, b);
        max(a: F, b: F) -> F = max4(a, b);
        round_even(a: F) -> F = vrndnq_f32(a);
        floor(a: F) -> F = vrndmq_f32(a);
        ceil(a: F) -> F = vrndpq_f32(a);
        trunc(a: F) -> F = vrndq_f32(a);
        lt(a: F, b: F) -> M = vcltq_f32(a, b);
        le(a: F, b: F) -> M = vcleq_f32(a, b);
        eq(a: F, b: F) -> M = vceqq_f32(a, b);
        ne(a: F, b: F) -> M = vmvnq_u32(vceqq_f32(a, b));
        select(m: M, a: F, b: F) -> F = vbslq_f32(m, a, b);
        select_i(m: M, a: I, b: I) -> I = vbslq_s32(m, a, b);
        and_m(a: M, b: M) -> M = vandq_u32(a, b);
        or_m(a: M, b: M) -> M = vorrq_u32(a, b);
        xor_m(a: M, b: M) -> M = veorq_u32(a, b);
        not_m(a: M) -> M = vmvnq_u32(a);
        to_bits(a: F) -> I = vreinterpretq_s32_f32(a);
        from_bits(a: I) -> F = vreinterpretq_f32_s32(a);
        add_i(a: I, b: I) -> I = vaddq_s32(a, b);
        sub_i(a: I, b: I) -> I = vsubq_s32(a, b);
        mul_i(a: I, b: I) -> I = vmulq_s32(a, b);
        and(a: I, b: I) -> I = vandq_s32(a, b);
        or(a: I, b: I) -> I = vorrq_s32(a, b);
        xor(a: I, b: I) -> I = veorq_s32(a, b);
        shl_v(a: I, n: I) -> I = vshlq_s32(a, n);
        shr_v(a: I, n: I) -> I = vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vnegq_s32(n)));
        eq_i(a: I, b: I) -> M = vceqq_s32(a, b);
        gt_i(a: I, b: I) -> M = vcgtq_s32(a, b);
        to_i32(a: F) -> I = vcvtnq_s32_f32(a);
        trunc_i32(a: F) -> I = vcvtq_s32_f32(a);
        from_i32(a: I) -> F = vcvtq_f32_s32(a);
    }
    trees! {
        reduce_add = |a, b| vaddq_f32(a, b);
        reduce_mul = |a, b| vmulq_f32(a, b);
        reduce_max = |a, b| max4(a, b);
        reduce_min = |a, b| min4(a, b);
    }

    #[inline(always)]
    fn shl(self, a: I, n: u32) -> I {
        self.shl_v(a, self.splat_i(n as i32))
    }
    #[inline(always)]
    fn lookup16(self, table: F, n: I) -> F {
        // SAFETY: NEON is part of the aarch64 baseline.
        unsafe {
            // Four bytes of the 64 for each lane.
            let bytes = |i: usize| vreinterpretq_u8_f32(table[i]);
            let table = uint8x16x4_t(bytes(0), bytes(1), bytes(2), bytes(3));
            std::array::from_fn(
                #[inline(always)]
                |i| {
                    let lane = vandq_u32(vreinterpretq_u32_s32(n[i]), vdupq_n_u32(15));
                    let at = vmlaq_u32(vdupq_n_u32(0x0302_0100), lane, vdupq_n_u32(0x0404_0404));
                    vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(at)))
                },
            )
        }
    }
    #[inline(always)]
    fn shuffle_bytes(self, table: I, n: I) -> I {
        std::array::from_fn(
            #[inline(always)]
            |i| {
                // SAFETY: NEON is part of the aarch64 baseline.
                unsafe { vreinterpretq_s32_s8(vqtbl1q_s8(vreinterpretq_s8_s32(table[i]), vreinterpretq_u8_s32(n[i]))) }
            },
        )
    }
    #[inline(always)]
    fn dot_bytes(self, acc: I, u: I, x: I) -> I {
        std::array::from_fn(
            #[inline(always)]
            |i| {
                // SAFETY: NEON is part of the aarch64 baseline.
                unsafe {
                    // A product fits in 16 bits, two of them are added in 32.
                    let (u, x) = (vreinterpretq_u8_s32(u[i]), vreinterpretq_s8_s32(x[i]));
                    let low = vmulq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(u))), vmovl_s8(vget_low_s8(x)));
                    let high = vmulq_s16(vreinterpretq_s16_u16(vmovl_high_u8(u)), vmovl_high_s8(x));
                    vaddq_s32(acc[i], vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
                }
            },
        )
    }
    #[inline(always)]
    fn shr(self, a: I, n: u32) -> I {
        self.shr_v(a, self.splat_i(n as i32))
    }
    #[inline(always)]
    fn sar(self, a: I, n: u32) -> I {
        // SAFETY: NEON is part of the aarch64 baseline.
        std::array::from_fn(|i| unsafe { vshlq_s32(a[i], vdupq_n_s32(-(n as i32))) })
    }
    #[inline(always)]
    fn mask_bits(self, m: M) -> u16 {
        // SAFETY: NEON is part of the aarch64 baseline.
        unsafe {
            let weights = [1u32, 2, 4, 8];
            let weights = vld1q_u32(weights.as_ptr());
            let nibble = |v| vaddvq_u32(vandq_u32(v, weights));
            (nibble(m[0]) | nibble(m[1]) << 4 | nibble(m[2]) << 8 | nibble(m[3]) << 12) as u16
        }
    }
    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> M {
        // SAFETY: NEON is part of the aarch64 baseline.
        std::array::from_fn(|i| unsafe {
            let weights = [1u32, 2, 4, 8];
            vtstq_u32(vdupq_n_u32((bits >> (4 * i)) as u32), vld1q_u32(weights.as_ptr()))
        })
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> (F, F) {
        // SAFETY: NEON is part of the aarch64 baseline.
        unsafe {
            (
                [vuzp1q_f32(a[0], a[1]), vuzp1q_f32(a[2], a[3]), vuzp1q_f32(b[0], b[1]), vuzp1q_f32(b[2], b[3])],
                [vuzp2q_f32(a[0], a[1]), vuzp2q_f32(a[2], a[3]), vuzp2q_f32(b[0], b[1]), vuzp2q_f32(b[2], b[3])],
            )
        }
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> (F, F) {
        // SAFETY: NEON is part of the aarch64 baseline.
        unsafe {
            (
                [vzip1q_f32(a[0], b[0]), vzip2q_f32(a[0], b[0]), vzip1q_f32(a[1], b[1]), vzip2q_f32(a[1], b[1])],
                [vzip1q_f32(a[2], b[2]), vzip2q_f32(a[2], b[2]), vzip1q_f32(a[3], b[3]), vzip2q_f32(a[3], b[3])],
            )
        }
    }
}
