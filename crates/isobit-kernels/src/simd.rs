//! Sixteen-lane vectors with the same result at every instruction-set level, and the dispatch to the level in force.
//!
//! A kernel is written once as a [`Kernel`], generic over [`Simd`], and [`dispatch`] runs it at [`crate::isa::level`].
//! AVX-512 holds the 16 lanes in one register, AVX2 in two, NEON in four, the scalar level in an array.
//!
//! **Rules for kernels.** `Kernel::run` and every function between it and the vector operations must be
//! `#[inline(always)]` (closures too): only code inlined into the entry point is compiled with the level's instructions.
//! Anything else still computes the same bits, slowly.
//!
//! **Semantics, the same at every level.** Operations round to nearest even, subnormals are kept, nothing is fused unless
//! it is called `fma`. Where an operation makes a NaN, or passes one on, the result is a NaN whose sign and payload are
//! not specified; `neg`, `abs`, `select`, bit casts, loads and stores keep every bit. Comparisons with a NaN are false, except `ne`.

use crate::isa::{self, Level};

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub(crate) mod fused;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod scalar;
#[cfg(feature = "self-test")]
mod tests;

/// Lanes of a vector at every level.
pub const LANES: usize = 16;

/// The operations on 16 lanes of `f32` (`F`), of 32-bit integers (`I`) and of truth values (`M`).
///
/// A value of an implementing type is the proof that the machine has the instructions; only [`dispatch`] makes one.
#[allow(clippy::missing_safety_doc, reason = "the pointer rule is stated once, below")]
#[allow(clippy::wrong_self_convention, reason = "`self` is the level, not the value converted")]
pub trait Simd: Copy + Send + Sync + 'static {
    /// Which level this is.
    const LEVEL: Level;
    /// 16 lanes of `f32`.
    type F: Copy;
    /// 16 lanes of 32-bit integers, signed or unsigned by operation.
    type I: Copy;
    /// 16 truth values.
    type M: Copy;

    // Memory. Every `unsafe` method of this trait: the pointer must be valid for the 16 (or `n`) elements that are
    // read or written; no alignment beyond 1 byte is needed unless stated; `n <= 16`.

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Reads 16 lanes.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// Writes 16 lanes.
    unsafe fn store(self, p: *mut f32, v: Self::F);
    /// Writes 16 lanes past the caches where the level can; `p` must be 64-byte aligned. End with [`Simd::stream_fence`].
    unsafe fn stream(self, p: *mut f32, v: Self::F);
    /// Orders streamed stores before whatever follows.
    fn stream_fence(self);
    /// Reads the first `n` lanes; the others become `fill`. Touches no memory past them.
    unsafe fn load_n(self, p: *const f32, n: usize, fill: f32) -> Self::F;
    /// Writes the first `n` lanes and touches no memory past them.
    unsafe fn store_n(self, p: *mut f32, v: Self::F, n: usize);
    /// Writes `n` lanes from lane `first` on and touches no memory beside them.
    #[inline(always)]
    unsafe fn store_lanes(self, p: *mut f32, v: Self::F, first: usize, n: usize) {
        let lanes = self.to_array(v);
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(lanes[first..first + n].as_ptr(), p, n) };
    }
    /// All lanes `x`.
    fn splat_i(self, x: i32) -> Self::I;
    /// Reads 16 integer lanes.
    unsafe fn load_i(self, p: *const i32) -> Self::I;
    /// Writes 16 integer lanes.
    unsafe fn store_i(self, p: *mut i32, v: Self::I);
    /// Reads 16 bytes as integers.
    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> Self::I {
        let mut a = [0i32; LANES];
        for (i, a) in a.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *a = i32::from(unsafe { p.add(i).read() });
        }
        self.from_array_i(a)
    }
    /// `base | byte << (8 place)` with the 16 bytes at `p`, a byte to each lane; byte `place` of `base` is 0.
    #[inline(always)]
    unsafe fn over_bytes(self, base: Self::I, p: *const u8, place: u32) -> Self::I {
        // SAFETY: the caller's promise.
        self.or(base, self.shl(unsafe { self.load_u8(p) }, 8 * place))
    }
    /// Reads 16 half-precision numbers, widened exactly.
    unsafe fn load_f16(self, p: *const u16) -> Self::F;
    /// Writes 16 half-precision numbers, rounded once to nearest even; a NaN stays a (quiet) NaN.
    unsafe fn store_f16(self, p: *mut u16, v: Self::F);
    /// Reads 16 bfloat16 numbers, widened exactly.
    unsafe fn load_bf16(self, p: *const u16) -> Self::F;
    /// Writes 16 bfloat16 numbers, rounded once to nearest even, subnormals kept; a NaN stays a (quiet) NaN.
    unsafe fn store_bf16(self, p: *mut u16, v: Self::F);

    // Arithmetic.

    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c` with one rounding.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// [`Simd::fma`] where `a * b` has at most 24 bits: of two 16-bit floats, or of one and a code.
    #[inline(always)]
    fn fma_short(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.fma(a, b, c)
    }
    /// `c - a * b` with one rounding.
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a * b - c` with one rounding.
    fn fms(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Flips the sign bit.
    fn neg(self, a: Self::F) -> Self::F;
    /// Clears the sign bit.
    fn abs(self, a: Self::F) -> Self::F;
    /// The correctly rounded square root.
    fn sqrt(self, a: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`: with a NaN in either, or two zeros, it is `b`.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a > b { a } else { b }`: with a NaN in either, or two zeros, it is `b`.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// To the nearest integer, halves to even.
    fn round_even(self, a: Self::F) -> Self::F;
    /// The greatest integer not above `a`.
    fn floor(self, a: Self::F) -> Self::F;
    /// The least integer not below `a`.
    fn ceil(self, a: Self::F) -> Self::F;
    /// Towards zero.
    fn trunc(self, a: Self::F) -> Self::F;

    // Comparison and choice.

    /// `a < b`.
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a <= b`.
    fn le(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a == b`.
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a != b`, true with a NaN.
    fn ne(self, a: Self::F, b: Self::F) -> Self::M;
    /// `m ? a : b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// `m ? a : b`.
    fn select_i(self, m: Self::M, a: Self::I, b: Self::I) -> Self::I;
    /// `a & b`.
    fn and_m(self, a: Self::M, b: Self::M) -> Self::M;
    /// `a | b`.
    fn or_m(self, a: Self::M, b: Self::M) -> Self::M;
    /// `a ^ b`.
    fn xor_m(self, a: Self::M, b: Self::M) -> Self::M;
    /// `!a`.
    fn not_m(self, a: Self::M) -> Self::M;
    /// Bit `i` is lane `i`.
    fn mask_bits(self, m: Self::M) -> u16;
    /// Lane `i` is bit `i`.
    fn mask_from_bits(self, bits: u16) -> Self::M;

    // Integers (two's complement, wrapping) and bits.

    /// The bits of the floats.
    fn to_bits(self, a: Self::F) -> Self::I;
    /// The floats of the bits.
    fn from_bits(self, a: Self::I) -> Self::F;
    /// `a + b`.
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a - b`.
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// The low 32 bits of `a * b`.
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// `acc` and, added to each lane, the four products of the unsigned bytes of `u` and the signed bytes of `x`.
    #[inline(always)]
    fn dot_bytes(self, acc: Self::I, u: Self::I, x: Self::I) -> Self::I {
        let mut acc = acc;
        for b in [0, 8, 16, 24] {
            let (u, x) = (self.and(self.shr(u, b), self.splat_i(0xff)), self.sar(self.shl(x, 24 - b), 24));
            acc = self.add_i(acc, self.mul_i(u, x));
        }
        acc
    }
    /// [`Simd::dot_bytes`] for unsigned bytes below 128.
    #[inline(always)]
    fn dot_low_bytes(self, acc: Self::I, u: Self::I, x: Self::I) -> Self::I {
        self.dot_bytes(acc, u, x)
    }
    /// Stores the low byte of each lane.
    ///
    /// # Safety
    /// `p` is valid for 16 writes.
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut i8, v: Self::I) {
        let v = self.to_array_i(v);
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[i8; LANES]>().write_unaligned(std::array::from_fn(|i| v[i] as i8)) };
    }
    /// In each 16 bytes, byte `n[i]` (of 0 to 15) of the table's 16, or zero if the highest bit of `n[i]` is set.
    #[inline(always)]
    fn shuffle_bytes(self, table: Self::I, n: Self::I) -> Self::I {
        let (table, n) = (self.to_array_i(table), self.to_array_i(n));
        let byte = |lane: usize, n: i32| match n & 0x80 {
            0 => table[lane / 4 * 4 + (n >> 2 & 3) as usize] >> (8 * (n & 3)) & 0xff,
            _ => 0,
        };
        self.from_array_i(std::array::from_fn(|lane| {
            (0..4).fold(0, |word, b| word | byte(lane, n[lane] >> (8 * b)) << (8 * b))
        }))
    }
    /// `a & b`.
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a | b`.
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a ^ b`.
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a << n`, `n < 32`.
    fn shl(self, a: Self::I, n: u32) -> Self::I;
    /// `a >> n` filled with zeros, `n < 32`.
    fn shr(self, a: Self::I, n: u32) -> Self::I;
    /// `a >> n` filled with the sign, `n < 32`.
    fn sar(self, a: Self::I, n: u32) -> Self::I;
    /// `a << n` lane by lane, every `n < 32`.
    fn shl_v(self, a: Self::I, n: Self::I) -> Self::I;
    /// `a >> n` filled with zeros, lane by lane, every `n < 32`.
    fn shr_v(self, a: Self::I, n: Self::I) -> Self::I;
    /// `a` rotated to the left by `n`, lane by lane, every `n < 32`.
    #[inline(always)]
    fn rotl_v(self, a: Self::I, n: Self::I) -> Self::I {
        let right = self.and(self.sub_i(self.splat_i(0), n), self.splat_i(31));
        self.or(self.shl_v(a, n), self.shr_v(a, right))
    }
    /// Byte `byte` of each lane of `a` put into byte `place` of `base`, which is 0; the other bytes are those of `base`.
    #[inline(always)]
    fn over_byte(self, base: Self::I, a: Self::I, byte: u32, place: u32) -> Self::I {
        let moved = if byte >= place { self.shr(a, 8 * (byte - place)) } else { self.shl(a, 8 * (place - byte)) };
        self.or(base, self.and(moved, self.splat_i(0xff << (8 * place))))
    }
    /// Reads `n` integers, 2, 4, 8 or 16, which come again and again in the lanes.
    ///
    /// # Safety
    /// `p` is valid for reading `n` integers.
    #[inline(always)]
    unsafe fn load_i_repeated(self, p: *const i32, n: usize) -> Self::I {
        let mut a = [0i32; LANES];
        for (i, a) in a.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *a = unsafe { p.add(i & (n - 1)).read_unaligned() };
        }
        self.from_array_i(a)
    }
    /// Lane `i` is lane `n[i] & 15` of `table`.
    fn lookup16(self, table: Self::F, n: Self::I) -> Self::F;
    /// Lane `i` is lane `n[i] & 7` of `table`.
    #[inline(always)]
    fn lookup8(self, table: Self::F, n: Self::I) -> Self::F {
        self.lookup16(table, self.and(n, self.splat_i(7)))
    }
    /// Lane `i` is number `n[i] & 31` of the two tables, one after the other.
    #[inline(always)]
    fn lookup32(self, tables: [Self::F; 2], n: Self::I) -> Self::F {
        let second = self.eq_i(self.and(n, self.splat_i(16)), self.splat_i(16));
        self.select(second, self.lookup16(tables[1], n), self.lookup16(tables[0], n))
    }
    /// The E4M3 numbers in the first and in the third byte of each lane of `low`, which are the second and the fourth of
    /// `high`. For a NaN it is some finite number.
    #[inline(always)]
    fn e4m3_pair(self, low: Self::I, high: Self::I) -> (Self::F, Self::F) {
        let _ = high;
        (e4m3_at(self, low, 24), e4m3_at(self, low, 8))
    }
    /// 2^-8 times the E4M3 numbers in the second and in the fourth byte of each lane, in an order of lanes that
    /// [`Simd::in_order`] undoes. For a NaN it is some finite number.
    #[inline(always)]
    fn e4m3_halves(self, q: Self::I) -> (Self::F, Self::F) {
        let scale = self.splat(1.0 / 256.0);
        (self.mul(e4m3_at(self, q, 16), scale), self.mul(e4m3_at(self, self.shr(q, 16), 16), scale))
    }
    /// Undoes the order of lanes of [`Simd::e4m3_halves`].
    #[inline(always)]
    fn in_order(self, a: Self::F) -> Self::F {
        a
    }
    /// `a == b`.
    fn eq_i(self, a: Self::I, b: Self::I) -> Self::M;
    /// `a > b`, signed.
    fn gt_i(self, a: Self::I, b: Self::I) -> Self::M;
    /// To the nearest `i32`, halves to even; the lane is unspecified where that is not an `i32`.
    fn to_i32(self, a: Self::F) -> Self::I;
    /// Towards zero; the lane is unspecified where that is not an `i32`.
    fn trunc_i32(self, a: Self::F) -> Self::I;
    /// The nearest floats, halves to even.
    fn from_i32(self, a: Self::I) -> Self::F;

    // Across lanes, in a fixed tree: lane `i` with `i + 8`, then `+ 4`, `+ 2`, `+ 1`.

    /// Even lanes of `a` then of `b`; odd lanes of `a` then of `b`.
    fn deinterleave(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// The inverse of [`Simd::deinterleave`]: `a0 b0 a1 b1 ..` as two vectors.
    fn interleave(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// The sum in the fixed tree.
    fn reduce_add(self, a: Self::F) -> f32;
    /// The product in the fixed tree.
    fn reduce_mul(self, a: Self::F) -> f32;
    /// [`Simd::max`] in the fixed tree.
    fn reduce_max(self, a: Self::F) -> f32;
    /// [`Simd::min`] in the fixed tree.
    fn reduce_min(self, a: Self::F) -> f32;

    // Written with the above.

    /// `a > b`.
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::M {
        self.lt(b, a)
    }
    /// `a >= b`.
    #[inline(always)]
    fn ge(self, a: Self::F, b: Self::F) -> Self::M {
        self.le(b, a)
    }
    /// Whether a lane is a NaN.
    #[inline(always)]
    fn is_nan(self, a: Self::F) -> Self::M {
        self.ne(a, a)
    }
    /// The maximum, or a NaN where either is one. Of two zeros it is `b`.
    #[inline(always)]
    fn maximum(self, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.is_nan(a), a, self.max(a, b))
    }
    /// The minimum, or a NaN where either is one. Of two zeros it is `b`.
    #[inline(always)]
    fn minimum(self, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.is_nan(a), a, self.min(a, b))
    }
    /// `a` with the sign bit of `b`.
    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        let sign = self.splat_i(i32::MIN);
        let magnitude = self.and(self.to_bits(a), self.splat_i(i32::MAX));
        self.from_bits(self.or(magnitude, self.and(self.to_bits(b), sign)))
    }
    /// The first `n` lanes.
    #[inline(always)]
    fn mask_first(self, n: usize) -> Self::M {
        self.mask_from_bits(((1u32 << n.min(LANES)) - 1) as u16)
    }
    /// Whether any lane holds.
    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        self.mask_bits(m) != 0
    }
    /// Whether every lane holds.
    #[inline(always)]
    fn all(self, m: Self::M) -> bool {
        self.mask_bits(m) == u16::MAX
    }
    /// The lanes of an array.
    #[inline(always)]
    fn from_array(self, a: [f32; LANES]) -> Self::F {
        // SAFETY: the array has 16 elements.
        unsafe { self.load(a.as_ptr()) }
    }
    /// The lanes as an array.
    #[inline(always)]
    fn to_array(self, v: Self::F) -> [f32; LANES] {
        let mut a = [0.0; LANES];
        // SAFETY: the array has 16 elements.
        unsafe { self.store(a.as_mut_ptr(), v) };
        a
    }
    /// The lanes of an array.
    #[inline(always)]
    fn from_array_i(self, a: [i32; LANES]) -> Self::I {
        // SAFETY: the array has 16 elements.
        unsafe { self.load_i(a.as_ptr()) }
    }
    /// The lanes as an array.
    #[inline(always)]
    fn to_array_i(self, v: Self::I) -> [i32; LANES] {
        let mut a = [0; LANES];
        // SAFETY: the array has 16 elements.
        unsafe { self.store_i(a.as_mut_ptr(), v) };
        a
    }
    /// Reads the first `n` integer lanes; the others become `fill`.
    #[inline(always)]
    unsafe fn load_i_n(self, p: *const i32, n: usize, fill: i32) -> Self::I {
        // SAFETY: the caller's promise; a load keeps every bit.
        self.to_bits(unsafe { self.load_n(p.cast(), n, f32::from_bits(fill as u32)) })
    }
    /// Writes the first `n` integer lanes.
    #[inline(always)]
    unsafe fn store_i_n(self, p: *mut i32, v: Self::I, n: usize) {
        // SAFETY: the caller's promise; a store keeps every bit.
        unsafe { self.store_n(p.cast(), self.from_bits(v), n) }
    }
    /// Reads the first `n` half-precision numbers; the other lanes become zero.
    #[inline(always)]
    unsafe fn load_f16_n(self, p: *const u16, n: usize) -> Self::F {
        let mut a = [0u16; LANES];
        // SAFETY: `n <= 16` elements may be read.
        unsafe {
            std::ptr::copy_nonoverlapping(p.cast::<u8>(), a.as_mut_ptr().cast(), 2 * n);
            self.load_f16(a.as_ptr())
        }
    }
    /// Writes the first `n` half-precision numbers.
    #[inline(always)]
    unsafe fn store_f16_n(self, p: *mut u16, v: Self::F, n: usize) {
        let mut a = [0u16; LANES];
        // SAFETY: `n <= 16` elements may be written.
        unsafe {
            self.store_f16(a.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(a.as_ptr().cast::<u8>(), p.cast(), 2 * n);
        }
    }
    /// Reads the first `n` bfloat16 numbers; the other lanes become zero.
    #[inline(always)]
    unsafe fn load_bf16_n(self, p: *const u16, n: usize) -> Self::F {
        let mut a = [0u16; LANES];
        // SAFETY: `n <= 16` elements may be read.
        unsafe {
            std::ptr::copy_nonoverlapping(p.cast::<u8>(), a.as_mut_ptr().cast(), 2 * n);
            self.load_bf16(a.as_ptr())
        }
    }
    /// Writes the first `n` bfloat16 numbers.
    #[inline(always)]
    unsafe fn store_bf16_n(self, p: *mut u16, v: Self::F, n: usize) {
        let mut a = [0u16; LANES];
        // SAFETY: `n <= 16` elements may be written.
        unsafe {
            self.store_bf16(a.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(a.as_ptr().cast::<u8>(), p.cast(), 2 * n);
        }
    }
}

/// The E4M3 number, not NaN, whose sign is `up` bits below the highest one.
#[inline(always)]
pub(crate) fn e4m3_at<S: Simd>(s: S, q: S::I, up: u32) -> S::F {
    // Exponents differ by 120; where there was none, the leading one is taken out again.
    let magnitude = s.and(s.shl(q, up - 4), s.splat_i(0x07f0_0000));
    let f = s.from_bits(s.add_i(magnitude, s.splat_i(120 << 23)));
    let f = s.min(f, s.fms(f, s.splat(2.0), s.splat(0.015625)));
    s.from_bits(s.or(s.to_bits(f), s.and(s.shl(q, up), s.splat_i(i32::MIN))))
}

/// A kernel that [`dispatch`] can run at any level.
pub trait Kernel {
    /// What it returns.
    type Out;
    /// The kernel's body; implementations carry `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Runs a kernel at the level in force.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    dispatch_at(isa::level(), kernel)
}

/// Asks for `bytes` bytes from `ptr` on, for the second-level cache. The addresses need not be valid.
#[inline]
pub fn prefetch_far(ptr: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..bytes).step_by(64) {
        // SAFETY: part of every x86-64 processor; a prefetch never faults.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(ptr.wrapping_add(at).cast());
        }
    }
    let _ = (ptr, bytes);
}

/// Asks for the line of `ptr`, for the first-level cache. The address need not be valid.
#[inline]
pub fn prefetch_near(ptr: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: part of every x86-64 processor; a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(ptr.cast());
    }
    let _ = ptr;
}

/// Runs a kernel at the given level, or at the scalar one if this machine cannot run it.
#[inline]
pub fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    {
        let best = isa::detected_cached();
        if level == Level::Avx512 && best >= Level::Avx512 {
            // SAFETY: the machine has the features.
            return unsafe { avx512::enter(kernel) };
        }
        if level == Level::Avx2 && best >= Level::Avx2 {
            // SAFETY: the machine has the features.
            return unsafe { avx2::enter(kernel) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if level == Level::Neon {
        // SAFETY: NEON is part of the aarch64 baseline.
        return unsafe { neon::enter(kernel) };
    }
    let _ = level;
    scalar::enter(kernel)
}

/// Runs a kernel that exists for AVX-512 only: it is compiled for that level alone.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn dispatch_avx512<K: Kernel>(kernel: K) -> K::Out {
    assert!(isa::detected_cached() >= Level::Avx512, "the level was chosen by what the machine has");
    // SAFETY: the machine has the features.
    unsafe { avx512::enter(kernel) }
}

/// Runs a kernel that exists for AVX2 only: it is compiled for that level alone.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn dispatch_avx2<K: Kernel>(kernel: K) -> K::Out {
    assert!(isa::detected_cached() >= Level::Avx2, "the level was chosen by what the machine has");
    // SAFETY: the machine has the features.
    unsafe { avx2::enter(kernel) }
}

/// A kernel of plain loops, which gains nothing from 512 bits: compiled for two levels only, to keep the library small.
#[inline]
pub(crate) fn dispatch_plain<K: Kernel>(kernel: K) -> K::Out {
    dispatch_plain_at(isa::level(), kernel)
}

/// [`dispatch_plain`] at the given level, or at the scalar one if this machine cannot run it.
#[inline]
pub(crate) fn dispatch_plain_at<K: Kernel>(level: Level, kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2 && isa::detected_cached() >= Level::Avx2 {
        // SAFETY: the machine has the features.
        return unsafe { avx2::enter(kernel) };
    }
    let _ = level;
    scalar::enter(kernel)
}

/// Half precision to single precision, exact.
#[inline(always)]
pub fn f16_to_f32(h: u16) -> f32 {
    let sign = ((h & 0x8000) as u32) << 16;
    let magnitude = (h & 0x7fff) as u32;
    let bits = if magnitude >= 0x7c00 {
        // Infinity or NaN; a NaN becomes quiet, as the conversion instructions do.
        let quiet = if magnitude > 0x7c00 { 0x0040_0000 } else { 0 };
        0x7f80_0000 | ((magnitude & 0x3ff) << 13) | quiet
    } else if magnitude >= 0x0400 {
        (magnitude << 13) + ((127 - 15) << 23)
    } else {
        // Zero or subnormal: the magnitude times 2^-24, exact.
        (magnitude as f32 * f32::from_bits((127 - 24) << 23)).to_bits()
    };
    f32::from_bits(sign | bits)
}

/// Single precision to half precision, to nearest even.
#[inline(always)]
pub fn f32_to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let h = if magnitude > 0x7f80_0000 {
        0x7e00 | ((magnitude >> 13) & 0x3ff) as u16
    } else if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Normal: rebias, then round on the 13 bits that go (a carry into the exponent is right, up to infinity).
        let rebased = magnitude - ((127 - 15) << 23);
        ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13) as u16
    } else {
        // Subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits.
        let sum = f32::from_bits(magnitude) + 0.5;
        (sum.to_bits() - 0.5f32.to_bits()) as u16
    };
    sign | h
}

/// bfloat16 to single precision, exact.
#[inline(always)]
pub fn bf16_to_f32(h: u16) -> f32 {
    f32::from_bits((h as u32) << 16)
}

/// Single precision to bfloat16, to nearest even, subnormals kept.
#[inline(always)]
pub fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return ((bits >> 16) | 0x40) as u16;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}
