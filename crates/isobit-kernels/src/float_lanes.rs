//! f32, f16 and bf16 elements as lanes of f32.

/// `[expr(0), .., expr(N - 1)]` by a plain loop.
///
/// `std::array::from_fn` is not always inlined, and then the vector operations in it are calls.
macro_rules! vectors {
    ($n:expr, |$i:ident| $e:expr) => {{
        let mut a = [{
            let $i = 0;
            $e
        }; $n];
        let mut $i = 1;
        while $i < $n {
            a[$i] = $e;
            $i += 1;
        }
        a
    }};
}
pub(crate) use vectors;

use crate::simd::{Simd, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use half::{bf16, f16};

/// A float type that is held as lanes of f32: widened exactly, rounded once to nearest even.
pub(crate) trait FloatLanes: Copy + Send + Sync + 'static {
    /// Reads 16 elements.
    ///
    /// # Safety
    /// `p` must be valid for reading 16 elements.
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F;
    /// Reads `n <= 16` elements; the other lanes become zero.
    ///
    /// # Safety
    /// `p` must be valid for reading `n` elements.
    unsafe fn load_n<S: Simd>(s: S, p: *const Self, n: usize) -> S::F;
    /// Writes 16 elements.
    ///
    /// # Safety
    /// `p` must be valid for writing 16 elements.
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::F);
    /// Writes the first `n <= 16` lanes.
    ///
    /// # Safety
    /// `p` must be valid for writing `n` elements.
    unsafe fn store_n<S: Simd>(s: S, p: *mut Self, v: S::F, n: usize);
    /// One element as f32.
    fn widen(self) -> f32;
    /// The nearest element, halves to even.
    fn narrow(x: f32) -> Self;
}

impl FloatLanes for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const f32) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load(p) }
    }
    #[inline(always)]
    unsafe fn load_n<S: Simd>(s: S, p: *const f32, n: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_n(p, n, 0.0) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(s: S, p: *mut f32, v: S::F) {
        // SAFETY: the caller's promise.
        unsafe { s.store(p, v) }
    }
    #[inline(always)]
    unsafe fn store_n<S: Simd>(s: S, p: *mut f32, v: S::F, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { s.store_n(p, v, n) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    fn narrow(x: f32) -> f32 {
        x
    }
}

macro_rules! half_float {
    ($t:ty, $load:ident, $load_n:ident, $store:ident, $store_n:ident, $widen:ident, $narrow:ident) => {
        impl FloatLanes for $t {
            #[inline(always)]
            unsafe fn load<S: Simd>(s: S, p: *const $t) -> S::F {
                // SAFETY: the caller's promise.
                unsafe { s.$load(p.cast()) }
            }
            #[inline(always)]
            unsafe fn load_n<S: Simd>(s: S, p: *const $t, n: usize) -> S::F {
                // SAFETY: the caller's promise.
                unsafe { s.$load_n(p.cast(), n) }
            }
            #[inline(always)]
            unsafe fn store<S: Simd>(s: S, p: *mut $t, v: S::F) {
                // SAFETY: the caller's promise.
                unsafe { s.$store(p.cast(), v) }
            }
            #[inline(always)]
            unsafe fn store_n<S: Simd>(s: S, p: *mut $t, v: S::F, n: usize) {
                // SAFETY: the caller's promise.
                unsafe { s.$store_n(p.cast(), v, n) }
            }
            #[inline(always)]
            fn widen(self) -> f32 {
                $widen(self.to_bits())
            }
            #[inline(always)]
            fn narrow(x: f32) -> $t {
                <$t>::from_bits($narrow(x))
            }
        }
    };
}
half_float!(f16, load_f16, load_f16_n, store_f16, store_f16_n, f16_to_f32, f32_to_f16);
half_float!(bf16, load_bf16, load_bf16_n, store_bf16, store_bf16_n, bf16_to_f32, f32_to_bf16);
