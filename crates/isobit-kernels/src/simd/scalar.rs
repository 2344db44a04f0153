//! The portable level: arrays of 16, no intrinsics. It is the reference that the other levels are compared with.

use super::fused::{Long, Short, fused};
use super::{Kernel, LANES, Simd, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::isa::Level;

/// The portable level.
#[derive(Clone, Copy)]
pub struct Scalar(());

impl Scalar {
    /// The portable level needs no proof.
    pub fn new() -> Scalar {
        Scalar(())
    }
}

impl Default for Scalar {
    fn default() -> Scalar {
        Scalar::new()
    }
}

#[inline(never)]
pub(super) fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Scalar(()))
}

type F = [f32; LANES];
type I = [i32; LANES];
/// All bits of a lane alike, so that a choice is three bit operations and not a branch.
type M = [i32; LANES];

macro_rules! each {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $e:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> $out {
                std::array::from_fn(
                    #[inline(always)]
                    |i| {
                        $(let $arg = $arg[i];)*
                        $e
                    },
                )
            }
        )*
    };
}

#[inline(always)]
fn choose(m: i32, a: i32, b: i32) -> i32 {
    (a & m) | (b & !m)
}

/// The fixed tree: lane `i` with `i + 8`, then `+ 4`, `+ 2`, `+ 1`.
#[inline(always)]
fn tree(mut a: F, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            a[i] = f(a[i], a[i + width]);
        }
        width /= 2;
    }
    a[0]
}

// Operations that are calls without vector instructions: kept out of line, so that kernels stay small.

/// Whether the target has the instruction, so that `mul_add` is no call.
const HAS_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

#[inline(never)]
fn fma(a: &F, b: &F, c: &F) -> F {
    if HAS_FMA {
        return std::array::from_fn(|i| a[i].mul_add(b[i], c[i]));
    }
    fused::<Long>(a, b, c)
}

#[inline(never)]
fn fma_short(a: &F, b: &F, c: &F) -> F {
    if HAS_FMA {
        return std::array::from_fn(|i| a[i].mul_add(b[i], c[i]));
    }
    fused::<Short>(a, b, c)
}

#[inline(never)]
fn each(a: &F, f: fn(f32) -> f32) -> F {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(never)]
fn integers(a: &F) -> I {
    std::array::from_fn(|i| a[i] as i32)
}

#[inline(never)]
fn widen(a: &[u16; LANES], f: fn(u16) -> f32) -> F {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(never)]
fn narrow(a: &F, f: fn(f32) -> u16) -> [u16; LANES] {
    std::array::from_fn(|i| f(a[i]))
}

impl Simd for Scalar {
    const LEVEL: Level = Level::Scalar;
    type F = F;
    type I = I;
    type M = M;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<F>().write_unaligned(v) }
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
        unsafe { std::ptr::copy_nonoverlapping(p.cast::<u8>(), a.as_mut_ptr().cast(), 4 * n) };
        a
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: F, n: usize) {
        // SAFETY: `n <= 16` elements may be written.
        unsafe { std::ptr::copy_nonoverlapping(v.as_ptr().cast::<u8>(), p.cast(), 4 * n) };
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> I {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const i32) -> I {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut i32, v: I) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<I>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F {
        // SAFETY: the caller's promise.
        widen(&unsafe { p.cast::<[u16; LANES]>().read_unaligned() }, f16_to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, v: F) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[u16; LANES]>().write_unaligned(narrow(&v, f32_to_f16)) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F {
        // SAFETY: the caller's promise.
        widen(&unsafe { p.cast::<[u16; LANES]>().read_unaligned() }, bf16_to_f32)
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: F) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[u16; LANES]>().write_unaligned(narrow(&v, f32_to_bf16)) }
    }

    each! {
        add(a: F, b: F) -> F = a + b;
        sub(a: F, b: F) -> F = a - b;
        mul(a: F, b: F) -> F = a * b;
        div(a: F, b: F) -> F = a / b;
        neg(a: F) -> F = f32::from_bits(a.to_bits() ^ 0x8000_0000);
        abs(a: F) -> F = f32::from_bits(a.to_bits() & 0x7fff_ffff);
        sqrt(a: F) -> F = a.sqrt();
        min(a: F, b: F) -> F = if a < b { a } else { b };
        max(a: F, b: F) -> F = if a > b { a } else { b };
        lt(a: F, b: F) -> M = -((a < b) as i32);
        le(a: F, b: F) -> M = -((a <= b) as i32);
        eq(a: F, b: F) -> M = -((a == b) as i32);
        ne(a: F, b: F) -> M = -((a != b) as i32);
        select(m: M, a: F, b: F) -> F = f32::from_bits(choose(m, a.to_bits() as i32, b.to_bits() as i32) as u32);
        select_i(m: M, a: I, b: I) -> I = choose(m, a, b);
        and_m(a: M, b: M) -> M = a & b;
        or_m(a: M, b: M) -> M = a | b;
        xor_m(a: M, b: M) -> M = a ^ b;
        not_m(a: M) -> M = !a;
        to_bits(a: F) -> I = a.to_bits() as i32;
        from_bits(a: I) -> F = f32::from_bits(a as u32);
        add_i(a: I, b: I) -> I = a.wrapping_add(b);
        sub_i(a: I, b: I) -> I = a.wrapping_sub(b);
        mul_i(a: I, b: I) -> I = a.wrapping_mul(b);
        and(a: I, b: I) -> I = a & b;
        or(a: I, b: I) -> I = a | b;
        xor(a: I, b: I) -> I = a ^ b;
        shl_v(a: I, n: I) -> I = a.wrapping_shl(n as u32);
        shr_v(a: I, n: I) -> I = (a as u32).wrapping_shr(n as u32) as i32;
        eq_i(a: I, b: I) -> M = -((a == b) as i32);
        gt_i(a: I, b: I) -> M = -((a > b) as i32);
        from_i32(a: I) -> F = a as f32;
    }

    #[inline(always)]
    fn lookup16(self, table: F, n: I) -> F {
        std::array::from_fn(|i| table[(n[i] & 15) as usize])
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        fma(&a, &b, &c)
    }
    #[inline(always)]
    fn fma_short(self, a: F, b: F, c: F) -> F {
        fma_short(&a, &b, &c)
    }
    #[inline(always)]
    fn fnma(self, a: F, b: F, c: F) -> F {
        fma(&self.neg(a), &b, &c)
    }
    #[inline(always)]
    fn fms(self, a: F, b: F, c: F) -> F {
        fma(&a, &b, &self.neg(c))
    }
    #[inline(always)]
    fn round_even(self, a: F) -> F {
        each(&a, f32::round_ties_even)
    }
    #[inline(always)]
    fn floor(self, a: F) -> F {
        each(&a, f32::floor)
    }
    #[inline(always)]
    fn ceil(self, a: F) -> F {
        each(&a, f32::ceil)
    }
    #[inline(always)]
    fn trunc(self, a: F) -> F {
        each(&a, f32::trunc)
    }
    #[inline(always)]
    fn to_i32(self, a: F) -> I {
        integers(&each(&a, f32::round_ties_even))
    }
    #[inline(always)]
    fn trunc_i32(self, a: F) -> I {
        integers(&a)
    }
    #[inline(always)]
    fn shl(self, a: I, n: u32) -> I {
        a.map(|x| x.wrapping_shl(n))
    }
    #[inline(always)]
    fn shr(self, a: I, n: u32) -> I {
        a.map(|x| (x as u32).wrapping_shr(n) as i32)
    }
    #[inline(always)]
    fn sar(self, a: I, n: u32) -> I {
        a.map(|x| x.wrapping_shr(n))
    }
    #[inline(always)]
    fn mask_bits(self, m: M) -> u16 {
        m.iter().enumerate().fold(0, |bits, (i, &b)| bits | ((b & 1) as u16) << i)
    }
    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> M {
        std::array::from_fn(|i| -((bits >> i & 1) as i32))
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> (F, F) {
        let at = |i: usize| if i < LANES { a[i] } else { b[i - LANES] };
        (std::array::from_fn(|i| at(2 * i)), std::array::from_fn(|i| at(2 * i + 1)))
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> (F, F) {
        let at = |i: usize| if i.is_multiple_of(2) { a[i / 2] } else { b[i / 2] };
        (std::array::from_fn(at), std::array::from_fn(|i| at(i + LANES)))
    }
    #[inline(always)]
    fn reduce_add(self, a: F) -> f32 {
        tree(a, |x, y| x + y)
    }
    #[inline(always)]
    fn reduce_mul(self, a: F) -> f32 {
        tree(a, |x, y| x * y)
    }
    #[inline(always)]
    fn reduce_max(self, a: F) -> f32 {
        tree(a, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    fn reduce_min(self, a: F) -> f32 {
        tree(a, |x, y| if x < y { x } else { y })
    }
}
