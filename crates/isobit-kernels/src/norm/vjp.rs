//! The reverse derivative of a normalisation.
//!
//! ```text
//! per row:    mean, r = rsqrt(var + eps)             as in the forward direction
//!             g = ct * weight, y = (x - mean) * r
//!             a = mean(g) (not without centring), b = mean(g * y)
//!             dx = (fma(-y, b, g - a)) * r
//! per block of 256 rows, from 0:   dweight = fma(ct, y, dweight), dbias += ct    row by row
//! blocks are added in ascending order
//! ```
//!
//! 1. A row is read from memory once: its means, its derivative and what it adds to the sums are taken while it is in the
//!    first-level cache.
//! 2. Blocks are the tasks, so no sum depends on the number of threads. Row sums are in the canonical row order.
//! 3. All arithmetic is in `f32`; results are rounded once.
//!
//! Known cost: five passes over a row in cache; rows beyond a few thousand elements no longer fit.

use super::{Parameter, parameter, squares};
use crate::dtype::Dtype;
use crate::float_lanes::FloatLanes;
use crate::math;
use crate::par;
use crate::reduce::rows::{fold_sum, load_upto, store_upto};
use crate::reduce::{COLUMN_BLOCK, Origin, ROW_CHUNK, Target};
use crate::simd::{self, Kernel, LANES, Simd};
use half::{bf16, f16};

/// Rows beyond this are reduced in pieces, which this kernel does not do.
pub const LONGEST_ROW: usize = ROW_CHUNK;

/// Which derivative, and of what.
#[derive(Clone, Copy, Debug)]
pub struct NormVjp {
    /// Whether the mean was subtracted (layer normalisation).
    pub centred: bool,
    /// Was added to the mean square, or variance.
    pub eps: f64,
    /// Groups of rows with sums of their own.
    pub groups: usize,
    /// Rows of a group.
    pub rows: usize,
    /// Elements of a row.
    pub n: usize,
    /// What multiplied, if anything did.
    pub weight: Option<Parameter>,
}

/// Computes `dx` (`groups * rows * n`, may be `x` or `ct`) and, unless null, `dweight` and `dbias` (`groups * n` each).
/// Returns `false`, having written nothing, for types other than `f32`, `f16` and `bf16`, and for rows that are reduced in
/// pieces.
///
/// # Safety
/// All pointers are valid for as many elements of `dtype`, the weight for `n` of its own.
pub unsafe fn norm_vjp(
    dtype: Dtype,
    (x, ct): (*const u8, *const u8),
    (dx, dweight, dbias): (*mut u8, *mut u8, *mut u8),
    call: NormVjp,
) -> bool {
    if call.n > LONGEST_ROW || call.weight.is_some_and(|w| !w.dtype.is_float()) {
        return false;
    }
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => typed::<f32>((x.cast(), ct.cast()), (dx.cast(), dweight.cast(), dbias.cast()), call),
            Dtype::F16 => typed::<f16>((x.cast(), ct.cast()), (dx.cast(), dweight.cast(), dbias.cast()), call),
            Dtype::BF16 => typed::<bf16>((x.cast(), ct.cast()), (dx.cast(), dweight.cast(), dbias.cast()), call),
            _ => return false,
        }
    }
    true
}

/// A block of rows.
struct Rows<T> {
    x: *const T,
    ct: *const T,
    dx: *mut T,
    weight: *const f32,
    /// Sums for the weight and the bias, `n` each.
    sums: *mut f32,
    rows: usize,
    n: usize,
    centred: bool,
    eps: f32,
}

/// A row's place, mean and scale.
#[derive(Clone, Copy)]
struct Row<S: Simd, T> {
    x: *const T,
    ct: *const T,
    mean: S::F,
    scale: S::F,
}

impl<T: FloatLanes> Rows<T> {
    /// `(x - mean) * scale`, `ct` and `ct * weight` of the lanes from `i`; lanes past the end are of no use.
    ///
    /// # Safety
    /// The row has more than `i` elements.
    #[inline(always)]
    unsafe fn lanes<S: Simd>(&self, s: S, row: Row<S, T>, i: usize) -> (S::F, S::F, S::F) {
        let k = self.n - i;
        // SAFETY: the caller's promise.
        unsafe {
            let y = s.mul(s.sub(load_upto(s, row.x.add(i), k), row.mean), row.scale);
            let ct = load_upto(s, row.ct.add(i), k);
            let g = if self.weight.is_null() { ct } else { s.mul(ct, load_upto(s, self.weight.add(i), k)) };
            (y, ct, g)
        }
    }

    /// The canonical sums of `g` and `g * y`.
    ///
    /// # Safety
    /// The promise of [`norm_vjp`].
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, s: S, row: Row<S, T>) -> (f32, f32) {
        let zero = s.splat(0.0);
        let (mut a, mut b) = ([zero; 4], [zero; 4]);
        let mut i = 0;
        while i < self.n {
            let mut lane = 0;
            while lane < 4 && i < self.n {
                // SAFETY: `i` is below `n`.
                let (y, _, g) = unsafe { self.lanes(s, row, i) };
                let (p, q) = (s.add(a[lane], g), s.fma(g, y, b[lane]));
                if self.n - i >= LANES {
                    (a[lane], b[lane]) = (p, q);
                } else {
                    let real = s.mask_first(self.n - i);
                    (a[lane], b[lane]) = (s.select(real, p, a[lane]), s.select(real, q, b[lane]));
                }
                i += LANES;
                lane += 1;
            }
        }
        let tree = |v: [S::F; 4]| s.reduce_add(s.add(s.add(v[0], v[1]), s.add(v[2], v[3])));
        (tree(a), tree(b))
    }
}

impl<T: FloatLanes> Kernel for Rows<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.n;
        for r in 0..self.rows {
            // SAFETY: the promise of `norm_vjp`: rows of `n` elements, sums of `2 n`.
            unsafe {
                let (x, ct, dx) = (self.x.add(r * n), self.ct.add(r * n), self.dx.add(r * n));
                let mut mean = 0.0;
                if self.centred {
                    mean = fold_sum(
                        s,
                        x,
                        n,
                        #[inline(always)]
                        |a, x| s.add(a, x),
                    ) / n as f32;
                }
                let square = squares(s, x, n, mean) / n as f32;
                let scale = math::rsqrt(s, s.splat(square + self.eps));
                let row = Row { x, ct, mean: s.splat(mean), scale };
                let (a, b) = self.sums(s, row);
                let a = s.splat(if self.centred { a / n as f32 } else { 0.0 });
                let b = s.splat(b / n as f32);
                let mut i = 0;
                while i < n {
                    let k = n - i;
                    let (y, ct, g) = self.lanes(s, row, i);
                    let (dw, db) = (self.sums.add(i), self.sums.add(n + i));
                    store_upto(s, dw, s.fma(ct, y, load_upto(s, dw, k)), k);
                    store_upto(s, db, s.add(load_upto(s, db, k), ct), k);
                    store_upto(s, dx.add(i), s.mul(s.fnma(y, b, s.sub(g, a)), scale), k);
                    i += LANES;
                }
            }
        }
    }
}

/// # Safety
/// As for [`norm_vjp`].
unsafe fn typed<T: FloatLanes>(
    (x, ct): (*const T, *const T),
    (dx, dweight, dbias): (*mut T, *mut T, *mut T),
    c: NormVjp,
) {
    let mut room = Vec::new();
    // SAFETY: the caller's promise.
    let weight = Origin(unsafe { parameter::<f32>(c.weight, Dtype::F32, c.n, &mut room) });
    let (x, ct, dx) = (Origin(x), Origin(ct), Target(dx));
    let blocks = c.rows.div_ceil(COLUMN_BLOCK);
    // A block's sums, those for the weight before those for the bias.
    let mut sums = vec![0.0f32; c.groups * blocks * 2 * c.n];
    let out = Target(sums.as_mut_ptr());
    par::run(c.groups * blocks, |task| {
        let (group, first) = (task / blocks, task % blocks * COLUMN_BLOCK);
        let at = (group * c.rows + first) * c.n;
        simd::dispatch(Rows {
            x: x.at(at),
            ct: ct.at(at),
            dx: dx.at(at),
            weight: weight.at(0),
            sums: out.at(task * 2 * c.n),
            rows: COLUMN_BLOCK.min(c.rows - first),
            n: c.n,
            centred: c.centred,
            eps: c.eps as f32,
        });
    });
    for group in 0..c.groups {
        for (half, to) in [dweight, dbias].into_iter().enumerate() {
            if to.is_null() {
                continue;
            }
            for i in 0..c.n {
                let part = |block: usize| sums[((group * blocks + block) * 2 + half) * c.n + i];
                let total = if blocks == 0 { 0.0 } else { (1..blocks).fold(part(0), |t, b| t + part(b)) };
                // SAFETY: the caller's promise.
                unsafe { *to.add(group * c.n + i) = T::narrow(total) };
            }
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;
    use crate::test_settings;

    self_test!(matches_the_formula);
    /// Against the formula in f64, and with the same bits at every level and number of threads.
    fn matches_the_formula() {
        let _lock = test_settings::lock();
        let eps = 1e-3;
        for (groups, rows, n) in [(1, 1, 1), (1, 5, 37), (2, 300, 64), (1, 700, 130), (3, 0, 4)] {
            let count = groups * rows * n;
            let draw = |k: usize, salt: usize| ((k * 2_654_435 + salt * 97) % 1000) as f32 / 250.0 - 2.0;
            let x: Vec<f32> = (0..count).map(|k| draw(k, 1)).collect();
            let ct: Vec<f32> = (0..count).map(|k| draw(k, 2)).collect();
            let weight: Vec<f32> = (0..n).map(|k| draw(k, 3)).collect();
            for centred in [false, true] {
                let mut want = (vec![0.0f64; count], vec![0.0f64; groups * n], vec![0.0f64; groups * n]);
                for r in 0..groups * rows {
                    let at = |i: usize| f64::from(x[r * n + i]);
                    let mean = if centred { (0..n).map(at).sum::<f64>() / n as f64 } else { 0.0 };
                    let var = (0..n).map(|i| (at(i) - mean).powi(2)).sum::<f64>() / n as f64;
                    let scale = 1.0 / (var + eps).sqrt();
                    let y = |i: usize| (at(i) - mean) * scale;
                    let g = |i: usize| f64::from(ct[r * n + i]) * f64::from(weight[i]);
                    let a = if centred { (0..n).map(g).sum::<f64>() / n as f64 } else { 0.0 };
                    let b = (0..n).map(|i| g(i) * y(i)).sum::<f64>() / n as f64;
                    for i in 0..n {
                        want.0[r * n + i] = (g(i) - a - y(i) * b) * scale;
                        want.1[r / rows * n + i] += f64::from(ct[r * n + i]) * y(i);
                        want.2[r / rows * n + i] += f64::from(ct[r * n + i]);
                    }
                }
                let mut first: Option<Vec<u32>> = None;
                test_settings::each(|_| {
                    let mut got = (vec![f32::NAN; count], vec![f32::NAN; groups * n], vec![f32::NAN; groups * n]);
                    let weight = Some(Parameter { dtype: Dtype::F32, ptr: weight.as_ptr().cast() });
                    let call = NormVjp { centred, eps, groups, rows, n, weight };
                    let outs = (got.0.as_mut_ptr().cast(), got.1.as_mut_ptr().cast(), got.2.as_mut_ptr().cast());
                    // SAFETY: vectors of as many elements.
                    assert!(unsafe { norm_vjp(Dtype::F32, (x.as_ptr().cast(), ct.as_ptr().cast()), outs, call) });
                    let all: Vec<f32> = [got.0, got.1, got.2].concat();
                    let exact = want.0.iter().chain(&want.1).chain(&want.2);
                    for (k, (&g, &w)) in all.iter().zip(exact).enumerate() {
                        let allowed = 2e-5 * (1.0 + w.abs()) * (1.0 + (rows as f64).sqrt());
                        assert!(
                            (f64::from(g) - w).abs() <= allowed,
                            "{k}: {g} for {w} ({groups} {rows} {n} {centred})"
                        );
                    }
                    let bits: Vec<u32> = all.iter().map(|v| v.to_bits()).collect();
                    assert!(first.get_or_insert_with(|| bits.clone()) == &bits);
                });
            }
        }
    }
}
