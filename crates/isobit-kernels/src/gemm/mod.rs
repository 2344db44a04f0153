//! Matrix products in the contract's order (`docs/numerics.md`): `out = alpha * (a @ b) + beta * c`.
//!
//! - K is cut into blocks of 256 from k = 0; a block has one accumulator per output, from +0, with fused steps in
//!   ascending k; block sums are added in ascending order, and the total starts as the first block's sum.
//! - f32, and f16 (widened), accumulate in f32; f64 in f64. bf16 accumulates in f32, pairs ascending, the odd element
//!   of a pair before the even one, with subnormal inputs, products and sums flushed to zero (what `VDPBF16PS` does);
//!   block sums are added under the same rule. For an odd K the missing partner is an exact zero on both sides.
//! - Then, on the total and in the default floating-point mode: `t = alpha * total`, `t = fma(beta, c, t)` if there is a
//!   `c` and `beta != 0` (with `beta == 0` it is not read), one rounding to the output's type. `alpha == 1` and
//!   `beta == 1` are exact. A NaN is stored as the canonical quiet NaN.
//! - `k == 0` gives a total of +0.
//!
//! Nothing else influences a bit: not m, n, strides, tiles, threads, the instruction set or which kernel runs. No
//! kernel reads an output that it has not written.

mod driver;
pub(crate) mod flush;
mod large;
mod micro;
pub(crate) mod pack;
mod packed;
mod scheme;
pub(crate) mod scratch;
mod store;
#[cfg(feature = "self-test")]
mod tests;

use crate::{isa, par};
use driver::{Run, Source};
use half::{bf16, f16};
pub use packed::{PackedB, gemm_packed};
use scheme::{Bf16Fma, F16, F32, F64, Lanes};

/// A strided matrix to read: element strides, of any sign; 0 broadcasts.
#[derive(Clone, Copy, Debug)]
pub struct Mat<T> {
    /// Element (0, 0).
    pub ptr: *const T,
    /// Elements from row to row.
    pub row_stride: isize,
    /// Elements from column to column.
    pub col_stride: isize,
}

/// A strided matrix to write; no two elements may share an address.
#[derive(Clone, Copy, Debug)]
pub struct OutMat<T> {
    /// Element (0, 0).
    pub ptr: *mut T,
    /// Elements from row to row.
    pub row_stride: isize,
    /// Elements from column to column.
    pub col_stride: isize,
}

impl<T> Mat<T> {
    /// A view of that pointer with those strides.
    pub fn new(ptr: *const T, row_stride: isize, col_stride: isize) -> Self {
        Mat { ptr, row_stride, col_stride }
    }

    /// Rows and columns exchanged.
    pub fn t(self) -> Self {
        Mat { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    fn offset(self, elements: isize) -> Self {
        Mat { ptr: self.ptr.wrapping_offset(elements), ..self }
    }
}

impl<T> OutMat<T> {
    /// A view of that pointer with those strides.
    pub fn new(ptr: *mut T, row_stride: isize, col_stride: isize) -> Self {
        OutMat { ptr, row_stride, col_stride }
    }

    /// Rows and columns exchanged.
    pub fn t(self) -> Self {
        OutMat { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    fn offset(self, elements: isize) -> Self {
        OutMat { ptr: self.ptr.wrapping_offset(elements), ..self }
    }
}

/// What happens to a total before its one rounding: `fma(beta, c, alpha * total)`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<T: Element> {
    /// Factor of the product.
    pub alpha: T::Acc,
    /// Factor of `c`; with 0, `c` is not read.
    pub beta: T::Acc,
    /// What is added (a bias broadcasts with stride 0). It may alias nothing that is written, except that it may be
    /// the output itself, element for element.
    pub c: Option<Mat<T>>,
}

impl<T: Element> Epilogue<T> {
    /// The product alone.
    pub fn none() -> Self {
        Epilogue { alpha: T::ONE, beta: T::ONE, c: None }
    }

    /// `alpha * product + beta * c`.
    pub fn addmm(alpha: T::Acc, beta: T::Acc, c: Mat<T>) -> Self {
        Epilogue { alpha, beta, c: Some(c) }
    }

    fn is_plain(&self) -> bool {
        T::is_one(self.alpha) && (self.c.is_none() || T::is_zero(self.beta))
    }

    fn t(self) -> Self {
        Epilogue { c: self.c.map(Mat::t), ..self }
    }

    fn offset(self, elements: isize) -> Self {
        Epilogue { c: self.c.map(|c| c.offset(elements)), ..self }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// An element type that products exist for: f32, f64, f16, bf16.
pub trait Element: Copy + Send + Sync + sealed::Sealed + 'static {
    /// What it accumulates in.
    type Acc: Copy + Send + Sync + std::fmt::Debug;
    /// One.
    const ONE: Self::Acc;
    #[doc(hidden)]
    const IS_F16: bool = false;
    #[doc(hidden)]
    fn is_one(x: Self::Acc) -> bool;
    #[doc(hidden)]
    fn is_zero(x: Self::Acc) -> bool;
    #[doc(hidden)]
    fn round(x: Self::Acc) -> Self;
    #[doc(hidden)]
    fn finish(total: Self::Acc, alpha: Self::Acc, beta: Self::Acc, c: Option<Self>) -> Self;
    #[doc(hidden)]
    unsafe fn product(p: &Problem<Self>, fork: bool);
    #[doc(hidden)]
    unsafe fn product_packed(p: &Problem<Self>, b: &PackedB<Self>);
    /// Columns of a kept panel.
    #[doc(hidden)]
    const PANEL: usize;
    /// Bytes of `k` (a multiple of 256, or all of K) steps of a kept panel.
    #[doc(hidden)]
    fn kept_bytes(k: usize) -> usize;
    #[doc(hidden)]
    unsafe fn keep(level: isa::Level, lanes: Kept<Self>, dst: *mut u8);
}

/// Lanes of one kept panel in one block.
#[doc(hidden)]
pub struct Kept<T>(Lanes<T>);

/// One product.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Problem<T: Element> {
    m: usize,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    out: OutMat<T>,
    epilogue: Epilogue<T>,
}

impl<T: Element> Problem<T> {
    /// The same product with rows and columns of the output exchanged.
    fn t(self) -> Self {
        Problem {
            m: self.n,
            n: self.m,
            k: self.k,
            a: self.b.t(),
            b: self.a.t(),
            out: self.out.t(),
            epilogue: self.epilogue.t(),
        }
    }

    /// Whether lanes should run along the rows instead of the columns.
    fn prefers_transposed(&self) -> bool {
        let small = 8;
        if self.m <= small || self.n <= small {
            // Lanes need outputs: the longer side. Ties go by the output's layout.
            if self.m != self.n {
                return self.n < self.m;
            }
        }
        self.out.row_stride.unsigned_abs() < self.out.col_stride.unsigned_abs()
    }
}

macro_rules! element {
    ($t:ty, $acc:ty, $f16:literal, $widen:expr, $round:expr, |$p:ident, $source:ident, $fork:ident| $product:expr,
     $panel:literal, |$k:ident| $kept:expr, |$level:ident, $lanes:ident, $dst:ident| $keep:expr) => {
        impl sealed::Sealed for $t {}

        impl Element for $t {
            type Acc = $acc;
            const ONE: $acc = 1.0;
            const IS_F16: bool = $f16;

            #[inline(always)]
            fn is_one(x: $acc) -> bool {
                x == 1.0
            }

            #[inline(always)]
            fn is_zero(x: $acc) -> bool {
                x == 0.0
            }

            #[inline(always)]
            fn round(x: $acc) -> $t {
                $round(x)
            }

            #[inline(always)]
            fn finish(total: $acc, alpha: $acc, beta: $acc, c: Option<$t>) -> $t {
                let t = alpha * total;
                $round(match c {
                    Some(c) => beta.mul_add($widen(c), t),
                    None => t,
                })
            }

            unsafe fn product(p: &Problem<$t>, fork: bool) {
                let p = if p.prefers_transposed() { p.t() } else { *p };
                // SAFETY: as promised by the caller.
                unsafe { Self::from_source(&p, Source::Strided(p.b), fork) }
            }

            unsafe fn product_packed(p: &Problem<$t>, b: &PackedB<$t>) {
                // SAFETY: as promised by the caller.
                unsafe { Self::from_source(p, Source::Packed(b), true) }
            }

            const PANEL: usize = $panel;

            fn kept_bytes($k: usize) -> usize {
                $kept
            }

            unsafe fn keep($level: isa::Level, lanes: Kept<$t>, $dst: *mut u8) {
                let $lanes = lanes.0;
                // SAFETY: as promised by the caller.
                unsafe { $keep }
            }
        }

        impl FromSource for $t {
            unsafe fn from_source($p: &Problem<$t>, $source: Source<'_, $t>, $fork: bool) {
                // SAFETY: as promised by the caller.
                unsafe { $product }
            }
        }
    };
}

element!(
    f32,
    f32,
    false,
    |x: f32| x,
    |x: f32| if x.is_nan() { f32::NAN } else { x },
    |p, source, fork| with::<F32>(p, source, fork),
    32,
    |k| k * 128,
    |level, lanes, dst| pack::f32(level, lanes, dst.cast())
);
element!(
    f64,
    f64,
    false,
    |x: f64| x,
    |x: f64| if x.is_nan() { f64::NAN } else { x },
    |p, source, fork| with::<F64>(p, source, fork),
    16,
    |k| k * 128,
    |level, lanes, dst| pack::f64(level, lanes, dst.cast())
);
element!(
    f16,
    f32,
    true,
    f16::to_f32,
    store::round_f16,
    |p, source, fork| with::<F16>(p, source, fork),
    32,
    |k| k * 64,
    |level, lanes, dst| pack::f16_raw(level, lanes, dst.cast())
);
element!(
    bf16,
    f32,
    false,
    |x: bf16| f32::from_bits(u32::from(x.to_bits()) << 16),
    store::round_bf16,
    |p, source, fork| {
        #[cfg(target_arch = "x86_64")]
        if prefers_dot() {
            return with::<scheme::Bf16Dot>(p, source, fork);
        }
        with::<Bf16Fma>(p, source, fork)
    },
    32,
    |k| k.div_ceil(2) * 128,
    |level, lanes, dst| pack::bf16_pairs(level, lanes, dst.cast())
);

/// Which scheme multiplies an element type here.
trait FromSource: Element {
    unsafe fn from_source(p: &Problem<Self>, source: Source<'_, Self>, fork: bool);
}

/// Whether `VDPBF16PS` exists and is worth using: on some machines it runs at half the rate of f32 FMAs, on others at
/// twice. Either way the bits are the same.
#[cfg(target_arch = "x86_64")]
fn prefers_dot() -> bool {
    isa::has_bf16_dot() && driver::dot_is_fast()
}

/// A product by one scheme.
unsafe fn with<S: scheme::Scheme>(p: &Problem<S::T>, source: Source<'_, S::T>, fork: bool) {
    // SAFETY: as promised by the caller.
    unsafe { Run::<S>::new(p, source, isa::level(), fork).run() }
}

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident, $t:ty) => {
        $(#[$doc])*
        ///
        /// # Shapes
        /// `a` is m by k, `b` k by n, `out` (and the epilogue's `c`) m by n.
        ///
        /// # Safety
        /// Every element that the shapes and strides name is readable (`a`, `b`, `c`) or writable (`out`), elements of
        /// `out` do not overlap each other, and `out` overlaps neither `a` nor `b`.
        pub unsafe fn $name(m: usize, n: usize, k: usize, a: Mat<$t>, b: Mat<$t>, out: OutMat<$t>, epilogue: Epilogue<$t>) {
            // SAFETY: as promised by the caller.
            unsafe { gemm(m, n, k, a, b, out, epilogue) }
        }
    };
}

entry!(
    /// f32 product.
    gemm_f32, f32
);
entry!(
    /// f64 product.
    gemm_f64, f64
);
entry!(
    /// f16 product, accumulated in f32.
    gemm_f16, f16
);
entry!(
    /// bf16 product, accumulated in f32.
    gemm_bf16, bf16
);

/// The product of any [`Element`] type.
///
/// # Safety
/// As for [`gemm_f32`].
pub unsafe fn gemm<T: Element>(
    m: usize,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    out: OutMat<T>,
    epilogue: Epilogue<T>,
) {
    // SAFETY: as promised by the caller.
    unsafe { T::product(&Problem { m, n, k, a, b, out, epilogue }, true) }
}

/// Where one product of a batch finds its operands: element offsets from the matrices given to [`gemm_batched`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// Into the left operand.
    pub a: isize,
    /// Into the right operand.
    pub b: isize,
    /// Into the epilogue's `c`.
    pub c: isize,
    /// Into the output.
    pub out: isize,
}

/// One product per entry of `batch`, all of one shape, in parallel over the batch and within large products.
///
/// # Safety
/// As for [`gemm_f32`], for every entry; outputs of different entries do not overlap.
#[allow(clippy::too_many_arguments)]
pub unsafe fn gemm_batched<T: Element>(
    m: usize,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    out: OutMat<T>,
    epilogue: Epilogue<T>,
    batch: &[Offsets],
) {
    let shared = Shared(Problem { m, n, k, a, b, out, epilogue });
    let one = |o: &Offsets, fork: bool| {
        let p = shared.get();
        let p = Problem {
            a: p.a.offset(o.a),
            b: p.b.offset(o.b),
            out: p.out.offset(o.out),
            epilogue: p.epilogue.offset(o.c),
            ..*p
        };
        // SAFETY: as promised by the caller.
        unsafe { T::product(&p, fork) }
    };
    let work = m.saturating_mul(n).saturating_mul(k.max(1));
    let threads = par::threads();
    if threads == 1 || work.saturating_mul(batch.len()) < driver::FORK_WORK {
        batch.iter().for_each(|o| one(o, false));
    } else if batch.len() >= 4 * threads || work < driver::FORK_WORK {
        // Several products per task where they are small.
        let per = (driver::FORK_WORK / 8 / work.max(1)).clamp(1, batch.len().div_ceil(threads));
        par::run(batch.len().div_ceil(per), |t| {
            batch[t * per..batch.len().min((t + 1) * per)].iter().for_each(|o| one(o, false));
        });
    } else {
        batch.iter().for_each(|o| one(o, true));
    }
}

/// Raw pointers that tasks on other threads may use.
struct Shared<T>(T);

// SAFETY: the pointers inside are used as the entry points' callers promised: reads of shared operands, writes of
// disjoint outputs.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> &T {
        &self.0
    }
}
