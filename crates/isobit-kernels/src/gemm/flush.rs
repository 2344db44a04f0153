//! Flush-to-zero arithmetic for bf16 products: the mode switch, and (for tests) its exact scalar twin.
//!
//! `VDPBF16PS` treats subnormal inputs as zeros and flushes results that are tiny *after rounding* (what SSE calls
//! FTZ and DAZ). Vector kernels get the same from MXCSR; portable code computes it in software (`simd/fused.rs`).

use crate::isa::Level;

/// FTZ and DAZ in MXCSR.
#[cfg(target_arch = "x86_64")]
const FTZ_DAZ: u32 = 0x8040;

/// Switches the calling thread to flush-to-zero until dropped. Does nothing at the scalar level, whose
/// fused steps flush by themselves.
pub(crate) struct Flush {
    active: bool,
    saved: u64,
}

impl Flush {
    /// Starts flushing if `wanted` and the level flushes in hardware.
    pub(crate) fn begin(level: Level, wanted: bool) -> Flush {
        let active = wanted && level != Level::Scalar;
        let mut saved = 0;
        if active {
            saved = control();
            set_control(flushing(saved));
        }
        Flush { active, saved }
    }

    /// Runs `f` in the mode that the thread had before.
    pub(crate) fn paused<R>(&self, f: impl FnOnce() -> R) -> R {
        if self.active {
            set_control(self.saved);
        }
        let result = f();
        if self.active {
            set_control(flushing(self.saved));
        }
        result
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.active {
            set_control(self.saved);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn flushing(control: u64) -> u64 {
    control | u64::from(FTZ_DAZ)
}

#[cfg(target_arch = "x86_64")]
fn control() -> u64 {
    let mut value = 0u32;
    // SAFETY: stores MXCSR into a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack)) };
    u64::from(value)
}

#[cfg(target_arch = "x86_64")]
fn set_control(value: u64) {
    let value = value as u32;
    // SAFETY: only FTZ and DAZ ever differ from what the thread had; kernels between two switches use intrinsics only.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &value, options(nostack)) };
}

/// FZ in FPCR.
#[cfg(target_arch = "aarch64")]
fn flushing(control: u64) -> u64 {
    control | (1 << 24)
}

#[cfg(target_arch = "aarch64")]
fn control() -> u64 {
    let value: u64;
    // SAFETY: reads FPCR.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack)) };
    value
}

#[cfg(target_arch = "aarch64")]
fn set_control(value: u64) {
    // SAFETY: only FZ ever differs from what the thread had.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) value, options(nostack)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn flushing(control: u64) -> u64 {
    control
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn control() -> u64 {
    0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn set_control(_value: u64) {}

/// A subnormal becomes a zero of the same sign.
#[inline]
pub(crate) fn flush(x: f32) -> f32 {
    if x.is_subnormal() { f32::from_bits(x.to_bits() & 0x8000_0000) } else { x }
}

/// `a * b + c`, fused, with subnormal operands read as zeros and tiny results flushed, as SSE does it: a result is tiny
/// if, rounded to 24 bits with an unbounded exponent, it lies below the least normal number.
#[cfg(feature = "self-test")]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    let (a, b, c) = (flush(a), flush(b), flush(c));
    let r = a.mul_add(b, c);
    if r.abs() > f32::MIN_POSITIVE || r.is_nan() { r } else { fma_tiny(a, b, c, r) }
}

/// The rare case of [`fma`]: the rounded result `r` is zero, subnormal or the least normal number.
#[cfg(feature = "self-test")]
fn fma_tiny(a: f32, b: f32, c: f32, r: f32) -> f32 {
    // Both operands of the sum are exact in f64, and so is the sum's rounding error (Knuth's two-sum).
    let (p, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let s = p + c;
    let t = s - p;
    let e = (p - (s - t)) + (c - t);
    let (s, e) = if s < 0.0 { (-s, -e) } else { (s, e) };
    // Halfway between the last number below the least normal one (in 24 bits) and that one: a tie rounds up, to even.
    let threshold = f64::from(f32::MIN_POSITIVE) * (1.0 - 2.0f64.powi(-25));
    let sign = r.to_bits() & 0x8000_0000;
    if s > threshold || (s == threshold && e >= 0.0) {
        f32::from_bits(sign | f32::MIN_POSITIVE.to_bits())
    } else {
        f32::from_bits(sign)
    }
}

/// `a + b` with flushing; the sum of two normal numbers is exact where it is subnormal.
#[inline]
pub(crate) fn add(a: f32, b: f32) -> f32 {
    flush(flush(a) + flush(b))
}

#[cfg(all(feature = "self-test", target_arch = "x86_64"))]
mod tests {
    use super::*;

    self_test!(gemm_flush_fma_matches_hardware);
    /// The twin against the hardware's mode, on operands that crowd the least normal number.
    fn gemm_flush_fma_matches_hardware() {
        if !is_x86_feature_detected!("fma") {
            return;
        }
        #[target_feature(enable = "fma,avx")]
        unsafe fn hardware(a: f32, b: f32, c: f32) -> f32 {
            use std::arch::x86_64::*;
            let mut r = std::hint::black_box(a);
            // SAFETY: one scalar FMA, r = r * b + c.
            unsafe {
                std::arch::asm!("vfmadd213ss {0}, {1}, {2}", inout(xmm_reg) r, in(xmm_reg) b, in(xmm_reg) c);
                let _ = _mm_setzero_ps();
            }
            r
        }
        let mut s = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            s
        };
        #[target_feature(enable = "avx512f,avx512bf16")]
        unsafe fn dot(a: f32, b: f32, c: f32) -> f32 {
            use std::arch::x86_64::*;
            let pair = |x: f32| _mm512_set1_epi32((x.to_bits() & 0xffff_0000) as i32);
            // SAFETY: the transmutes rename 512-bit vectors; the odd element is (a, b), the even one is zero.
            unsafe {
                let (a, b) = (
                    std::mem::transmute::<__m512i, __m512bh>(pair(a)),
                    std::mem::transmute::<__m512i, __m512bh>(pair(b)),
                );
                _mm512_cvtss_f32(_mm512_dpbf16_ps(_mm512_set1_ps(c), a, b))
            }
        }
        let has_dot = is_x86_feature_detected!("avx512bf16");
        let (mut tiny, mut kept) = (0, 0);
        for i in 0..2_000_000u64 {
            let r = next();
            let q = next();
            // bf16 factors whose product lands in 2^-100 ..= 2^-160; addends next to the least normal number.
            let ea = 20 + (r % 40) as u32;
            let eb = 107u32.saturating_sub(ea) + ((r >> 8) % 24) as u32;
            let a = f32::from_bits(((r >> 20) as u32 & 0x8000_0000) | ea << 23 | ((r >> 32) as u32 & 0x7f) << 16);
            let b =
                f32::from_bits(((r >> 21) as u32 & 0x8000_0000) | eb.max(1) << 23 | ((r >> 40) as u32 & 0x7f) << 16);
            let near = match i % 4 {
                0 => 0x0080_0000,
                1 => 0x0080_0000 + (q as u32 & 0xf),
                2 => (q as u32) & 0x00ff_ffff,
                _ => (q as u32) & 0x03ff_ffff,
            };
            let c = f32::from_bits(((q >> 32) as u32 & 0x8000_0000) | near);
            let flush = Flush::begin(Level::Avx2, true);
            // SAFETY: the features were checked above.
            let want = unsafe { hardware(a, b, c) };
            drop(flush);
            let got = fma(a, b, c);
            assert_eq!(got.to_bits(), want.to_bits(), "fma({a:e}, {b:e}, {c:e}) = {got:e}, hardware {want:e}");
            if has_dot {
                // The even element's step adds an exact zero, which only turns -0 into +0.
                // SAFETY: the feature was checked above.
                let got = unsafe { dot(a, b, c) };
                let want = fma(0.0, 0.0, got);
                assert_eq!(got.to_bits(), want.to_bits(), "dot({a:e}, {b:e}, {c:e})");
                assert_eq!(got.to_bits(), fma(0.0, 0.0, fma(a, b, c)).to_bits(), "dot({a:e}, {b:e}, {c:e})");
            }
            tiny += usize::from(want == 0.0);
            kept += usize::from(want.abs() == f32::MIN_POSITIVE);
        }
        assert!(tiny > 1000 && kept > 200, "the cases miss the boundary: {tiny} flushed, {kept} kept");
    }
}
