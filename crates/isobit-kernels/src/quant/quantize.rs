//! Groups of floats to affine codes, scales and biases: MLX's algorithm, a step at a time in single precision.
//!
//! ```text
//! s = max((high - low) / (2^bits - 1), 1e-7), negative unless |low| > |high|;  edge = the one of larger magnitude
//! q = round(edge / s);  if q is 0: bias = 0, otherwise s = edge / q and bias = edge
//! code = clip(round((x - bias) / s), 0, 2^bits - 1)
//! ```
//!
//! `low` and `high` are NaN if any number is; a code that would be one is 0.

use super::codes::pack;
use crate::dtype::Dtype;
use crate::float_lanes::FloatLanes;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::{Kernel, LANES, Simd, dispatch_at};
use half::{bf16, f16};
use std::mem::MaybeUninit;

/// Elements that one task takes.
const TASK: usize = 16 << 10;
/// The longest group.
const LONGEST: usize = 128;

/// What is made of groups that lie one after the other.
#[derive(Clone, Copy)]
pub struct Affine {
    /// Bits of a code, at most 8.
    pub bits: usize,
    /// Elements of a group: 32, 64 or 128.
    pub group: usize,
    /// How many there are.
    pub groups: usize,
    /// Words of codes, `group * bits / 32` for every group.
    pub codes: *mut u32,
    /// One number of the type of the elements for every group.
    pub scales: *mut u8,
    /// Likewise.
    pub biases: *mut u8,
}

// SAFETY: tasks write what belongs to their own groups.
unsafe impl Sync for Affine {}

/// Quantizes the groups at `from`; false if elements are not float32, float16 or bfloat16 (then nothing is done).
///
/// # Safety
/// `from` is valid for reads of all elements and aligned for them, the outputs likewise for writes.
///
/// # Panics
/// Another width of groups or codes.
pub unsafe fn quantize(dtype: Dtype, from: *const u8, to: Affine) -> bool {
    // SAFETY: the caller's promise.
    unsafe { quantize_at(isa::level(), dtype, from, to) }
}

/// [`quantize`] at the given level.
///
/// # Safety
/// As for [`quantize`].
pub(super) unsafe fn quantize_at(level: Level, dtype: Dtype, from: *const u8, to: Affine) -> bool {
    assert!([32, 64, LONGEST].contains(&to.group), "quantize: groups of 32, 64 or 128, got {}", to.group);
    assert!((1..=8).contains(&to.bits), "quantize: codes of 1 to 8 bits, got {}", to.bits);
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => run::<f32>(level, from.cast(), to),
            Dtype::F16 => run::<f16>(level, from.cast(), to),
            Dtype::BF16 => run::<bf16>(level, from.cast(), to),
            _ => return false,
        }
    }
    true
}

/// # Safety
/// As for [`quantize`].
unsafe fn run<T: FloatLanes>(level: Level, from: *const T, to: Affine) {
    let some = TASK / to.group;
    let from = Shared(from);
    par::run(to.groups.div_ceil(some), |task| {
        let first = task * some;
        dispatch_at(level, Groups { from: from.get(), to: &to, first, count: some.min(to.groups - first) });
    });
}

struct Shared<T>(*const T);

// SAFETY: only read.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *const T {
        self.0
    }
}

/// Some of the groups; the promise of [`quantize`] holds.
struct Groups<'a, T> {
    from: *const T,
    to: &'a Affine,
    first: usize,
    count: usize,
}

impl<T: FloatLanes> Kernel for Groups<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Affine { bits, group, codes, scales, biases, .. } = *self.to;
        let words = group * bits / 32;
        let top = ((1u32 << bits) - 1) as f32;
        for g in self.first..self.first + self.count {
            // SAFETY: the group's elements and places are there.
            unsafe {
                let from = self.from.add(g * group);
                let (low, high) = ends(s, from, group);
                let (scale, bias) = scale_and_bias(low, high, top);
                scales.cast::<T>().add(g).write(T::narrow(scale));
                biases.cast::<T>().add(g).write(T::narrow(bias));
                let (scale, bias, top) = (s.splat(scale), s.splat(bias), s.splat(top));
                let mut numbers = [0i32; LONGEST];
                for i in (0..group).step_by(LANES) {
                    let code = s.round_even(s.div(s.sub(T::load(s, from.add(i)), bias), scale));
                    // A NaN is not greater than 0.
                    let code = s.min(s.max(code, s.splat(0.0)), top);
                    s.store_i(numbers.as_mut_ptr().add(i), s.to_i32(code));
                }
                let bytes = numbers.map(|n| n as u8);
                let to = codes.add(g * words).cast::<MaybeUninit<u32>>();
                pack(bits, &bytes[..group], std::slice::from_raw_parts_mut(to, words));
            }
        }
    }
}

/// The least and the greatest number; NaN if one is.
///
/// # Safety
/// There are so many numbers, a multiple of sixteen and at least as many.
#[inline(always)]
unsafe fn ends<S: Simd, T: FloatLanes>(s: S, from: *const T, group: usize) -> (f32, f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let first = T::load(s, from);
        let (mut low, mut high, mut nan) = (first, first, s.is_nan(first));
        for i in (LANES..group).step_by(LANES) {
            let x = T::load(s, from.add(i));
            (low, high, nan) = (s.min(low, x), s.max(high, x), s.or_m(nan, s.is_nan(x)));
        }
        if s.any(nan) { (f32::NAN, f32::NAN) } else { (s.reduce_min(low), s.reduce_max(high)) }
    }
}

/// Those of a group with these ends.
#[inline(always)]
fn scale_and_bias(low: f32, high: f32, top: f32) -> (f32, f32) {
    let step = (high - low) / top;
    // A NaN stays.
    let step = if step < 1e-7 { 1e-7 } else { step };
    let (scale, edge) = if low.abs() > high.abs() { (step, low) } else { (-step, high) };
    let whole = (edge / scale).round_ties_even();
    if whole == 0.0 { (scale, 0.0) } else { (edge / whole, edge) }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;
    use crate::quant::unpack_bits;

    /// A group by the definition, one number after the other.
    fn by_definition<T: FloatLanes>(x: &[T], bits: usize) -> (Vec<u8>, T, T) {
        let x: Vec<f32> = x.iter().map(|x| x.widen()).collect();
        let top = ((1u32 << bits) - 1) as f32;
        let nan = x.iter().any(|x| x.is_nan());
        let low = if nan { f32::NAN } else { x.iter().copied().fold(f32::INFINITY, f32::min) };
        let high = if nan { f32::NAN } else { x.iter().copied().fold(f32::NEG_INFINITY, f32::max) };
        let mut scale = (high - low) / top;
        if scale < 1e-7 {
            scale = 1e-7;
        }
        let below = low.abs() > high.abs();
        if !below {
            scale = -scale;
        }
        let mut bias = if below { low } else { high };
        let q = (bias / scale).round_ties_even();
        if q == 0.0 {
            bias = 0.0;
        } else {
            scale = bias / q;
        }
        let codes = x.iter().map(|x| ((x - bias) / scale).round_ties_even().clamp(0.0, top) as u8).collect();
        (codes, T::narrow(scale), T::narrow(bias))
    }

    /// Groups of many kinds of numbers.
    fn groups(group: usize) -> Vec<f32> {
        let mut state = 99u64;
        let mut unit = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut all = Vec::new();
        let mut add = |f: &mut dyn FnMut(usize) -> f32| all.extend((0..group).map(f));
        for scale in [1.0, 1e-3, 100.0, 1e-8, 3e4, 1e-38, 1e-42, 3e38] {
            add(&mut |_| unit() * scale);
            add(&mut |_| (unit() + 1.0) * scale * 0.5);
            add(&mut |_| (unit() - 1.0) * scale * 0.5);
            add(&mut |_| scale);
            add(&mut |_| -scale);
        }
        for constant in [0.0, -0.0, f32::INFINITY, f32::NAN] {
            add(&mut |_| constant);
        }
        // A few of these among others, in any place; and ties of codes.
        for strange in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e30, -65504.0] {
            for place in [0, 17, group - 1] {
                add(&mut |i| if i == place { strange } else { unit() });
            }
        }
        for bits in 2..=8 {
            add(&mut |i| (i % (1 << (bits + 1))) as f32 * 0.5);
            add(&mut |i| -((i % (1 << (bits + 1))) as f32) * 0.5);
        }
        all
    }

    fn same<T: FloatLanes>(a: T, b: T) -> bool {
        let (a, b) = (a.widen(), b.widen());
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    }

    fn check<T: FloatLanes>(dtype: Dtype, group: usize, bits: usize, level: Level) {
        // So often that there is more than one task.
        let once: Vec<T> = groups(group).into_iter().map(T::narrow).collect();
        let x: Vec<T> = once.iter().copied().cycle().take(once.len() * 8).collect();
        let groups = x.len() / group;
        let mut words = vec![u32::MAX; groups * group * bits / 32];
        let mut numbers = [vec![T::narrow(f32::NAN); groups], vec![T::narrow(f32::NAN); groups]];
        let mut codes = vec![0u8; x.len()];
        let [scales, biases] = &mut numbers;
        let (scales, biases) = (scales.as_mut_ptr().cast(), biases.as_mut_ptr().cast());
        let to = Affine { bits, group, groups, codes: words.as_mut_ptr(), scales, biases };
        // SAFETY: the buffers have the sizes that the functions name.
        unsafe {
            assert!(quantize_at(level, dtype, x.as_ptr().cast(), to));
            unpack_bits(bits, words.as_ptr(), codes.as_mut_ptr(), groups, group * bits / 32);
        }
        for (g, x) in x.chunks_exact(group).enumerate() {
            let (want, scale, bias) = by_definition(x, bits);
            let what = || format!("{} {dtype:?} {bits} bits, group {g} of {group}", level.name());
            assert!(same(scale, numbers[0][g]), "{}: scale {} {}", what(), scale.widen(), numbers[0][g].widen());
            assert!(same(bias, numbers[1][g]), "{}: bias {} {}", what(), bias.widen(), numbers[1][g].widen());
            assert_eq!(want, codes[g * group..][..group], "{}", what());
        }
    }

    self_test!(quant_groups_are_quantized_as_defined);
    fn quant_groups_are_quantized_as_defined() {
        for level in isa::available() {
            for bits in [2, 3, 4, 5, 6, 8] {
                for group in [32, 64, 128] {
                    check::<f32>(Dtype::F32, group, bits, level);
                    check::<f16>(Dtype::F16, group, bits, level);
                    check::<bf16>(Dtype::BF16, group, bits, level);
                }
            }
        }
    }

    self_test!(quant_other_elements_are_refused);
    fn quant_other_elements_are_refused() {
        let mut out = [0u32; 8];
        let at = out.as_mut_ptr();
        let to = Affine { bits: 8, group: 32, groups: 0, codes: at, scales: at.cast(), biases: at.cast() };
        // SAFETY: there is nothing to read or write.
        assert!(!unsafe { quantize(Dtype::F64, at.cast_const().cast(), to) });
    }
}
