//! `y = x @ w.T` with a quantized `w`, codes and scales as they lie in files.
//!
//! ```text
//! pack x:      [tile][k][row of the tile] as f32, and each row's sum over each group
//! per panel of 16 or 32 columns (a task):
//!   per group: its words transposed, 16 rows of w to lanes; codes to floats [k][lane]; scales and biases to lanes
//!     per tile: acc[row][vector] = 0; for k: acc = fma(x[k][row], code[k], acc)
//!               total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//!   round totals once, store
//! ```
//!
//! 1. Codes become floats once per panel and group, whatever the number of rows.
//! 2. For bfloat16 activations the odd element of a pair is stored before the even one, in x and in codes alike: then
//!    the same loop runs in the contract's order, under flush-to-zero.
//! 3. Totals live in a scratch buffer in the second-level cache; they are touched once per group.
//!
//! Cost: one row is bound by the transposition and the unpacking (about 10 instructions per 16 codes), many rows by FMAs.

use super::{Codes, Format};
use crate::dtype::Dtype;
use crate::elementwise::{narrow, widen};
use crate::gemm::flush::{self, Flush};
use crate::gemm::scratch::Scratch;
use crate::isa::{self, Level};
use crate::par;
use crate::simd::{self, Kernel, LANES, Simd};

/// A product of `m` rows by a quantized matrix of `n` rows of `k` codes.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Format of the matrix.
    pub format: Format,
    /// Rows of `x`.
    pub m: usize,
    /// Rows of the matrix.
    pub n: usize,
    /// Codes per row: a multiple of the group.
    pub k: usize,
    /// Activations: f32, f16 or bf16.
    pub dtype: Dtype,
    /// The first activation.
    pub x: *const u8,
    /// Elements from row to row of `x`; elements of a row are adjacent.
    pub x_stride: isize,
    /// The first word.
    pub codes: *const u32,
    /// Words from row to row.
    pub code_stride: isize,
    /// The first scale.
    pub scales: *const u8,
    /// The first bias; null if there are none.
    pub biases: *const u8,
    /// Scales (and biases) from row to row.
    pub scale_stride: isize,
    /// The first output; its dtype is that of `x`, elements of a row are adjacent.
    pub out: *mut u8,
    /// Elements from row to row of the output.
    pub out_stride: isize,
}

// SAFETY: operands are read, and tasks write disjoint columns of the output.
unsafe impl Sync for Product {}

/// Most codes of a group.
const GROUP: usize = 128;
/// Most words of a group.
const WORDS: usize = GROUP * 8 / 32;

/// Vectors of 16 columns that make up a panel.
fn vectors(level: Level) -> usize {
    if level == Level::Avx512 { 2 } else { 1 }
}

/// Rows of a tile.
fn tile_rows(level: Level, m: usize) -> usize {
    match m {
        1 => 1,
        2 => 2,
        3 | 4 => 4,
        _ if level == Level::Avx512 => 8,
        _ => 4,
    }
}

/// The product.
///
/// # Safety
/// Everything that the fields describe is readable, the output writable, its rows disjoint, and apart from the operands.
pub unsafe fn product(p: &Product) {
    if p.m == 0 || p.n == 0 {
        return;
    }
    let level = isa::level();
    let rows = tile_rows(level, p.m);
    let tiles = p.m.div_ceil(rows);
    let groups = p.k / p.format.group;
    let packed = Scratch::take::<f32>(tiles * rows * (p.k + groups));
    let x = Packed { x: packed.ptr(), rows, tiles, k: p.k, groups };
    // Few tiles are packed at once where a fork would cost more.
    let per = (1 << 16) / (rows * p.k).max(1) + 1;
    par::run(tiles.div_ceil(per), |task| {
        let flush = Flush::begin(level, p.dtype == Dtype::BF16);
        simd::dispatch_at(level, Pack { p, x: &x, tiles: task * per..tiles.min((task + 1) * per) });
        drop(flush);
    });
    let width = LANES * vectors(level);
    par::run(p.n.div_ceil(width), |panel| {
        simd::dispatch_at(level, Panel { p, x: &x, first: panel * width });
    });
}

/// Activations as the kernel reads them.
struct Packed {
    /// `[tile][k][row]`, then sums `[tile][group][row]`.
    x: *mut f32,
    rows: usize,
    tiles: usize,
    k: usize,
    groups: usize,
}

// SAFETY: tasks write disjoint tiles; afterwards it is only read.
unsafe impl Sync for Packed {}

impl Packed {
    fn tile(&self, tile: usize) -> *mut f32 {
        self.x.wrapping_add(tile * self.rows * self.k)
    }

    fn sums(&self, tile: usize) -> *mut f32 {
        self.x.wrapping_add(self.rows * (self.tiles * self.k + tile * self.groups))
    }
}

struct Pack<'a> {
    p: &'a Product,
    x: &'a Packed,
    tiles: std::ops::Range<usize>,
}

impl Kernel for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (p, x) = (self.p, self.x);
        let bf16 = p.dtype == Dtype::BF16;
        // Position k holds element k, or its pair's other one.
        let other = usize::from(bf16);
        let soft = bf16 && S::LEVEL == Level::Scalar;
        let mut row = vec![0f32; p.k];
        for tile in self.tiles {
            let (to, sums) = (x.tile(tile), x.sums(tile));
            for r in 0..x.rows {
                let m = tile * x.rows + r;
                if m < p.m {
                    let from = p.x.wrapping_offset(m as isize * p.x_stride * p.dtype.size() as isize);
                    // SAFETY: row `m` has `k` adjacent elements.
                    unsafe { to_single(p.dtype, from, row.as_mut_ptr(), p.k) };
                } else {
                    row.fill(0.0);
                }
                for (k, v) in row.iter().enumerate() {
                    // SAFETY: the tile has `rows * k` elements; k is even wherever `other` is 1.
                    unsafe { *to.add((k ^ other) * x.rows + r) = *v };
                }
            }
            if p.biases.is_null() {
                continue;
            }
            for g in 0..x.groups {
                for r in 0..x.rows {
                    let mut sum = 0f32;
                    for j in 0..p.format.group {
                        // SAFETY: inside the tile, which has been written.
                        let v = unsafe { *to.add((g * p.format.group + j) * x.rows + r) };
                        sum = if soft { flush::add(sum, v) } else { sum + v };
                    }
                    // SAFETY: the tile has `rows * groups` sums.
                    unsafe { *sums.add(g * x.rows + r) = sum };
                }
            }
        }
    }
}

struct Panel<'a> {
    p: &'a Product,
    x: &'a Packed,
    first: usize,
}

impl Kernel for Panel<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if S::LEVEL == Level::Avx512 { self.columns::<S, 2>(s) } else { self.columns::<S, 1>(s) }
    }
}

/// Codes of one group and panel as floats, and what goes with them.
#[repr(align(64))]
struct Group<const NV: usize> {
    codes: [[[f32; LANES]; NV]; GROUP],
    scales: [[f32; LANES]; NV],
    biases: [[f32; LANES]; NV],
}

impl Panel<'_> {
    #[inline(always)]
    fn columns<S: Simd, const NV: usize>(&self, s: S) {
        let (p, x) = (self.p, self.x);
        let width = NV * LANES;
        let totals = Scratch::take::<f32>(x.tiles * x.rows * width);
        let totals = totals.ptr::<f32>();
        // SAFETY: the scratch has that many elements.
        unsafe { std::ptr::write_bytes(totals, 0, x.tiles * x.rows * width) };
        let mut group =
            Group::<NV> { codes: [[[0.0; LANES]; NV]; GROUP], scales: [[0.0; LANES]; NV], biases: [[0.0; LANES]; NV] };
        for g in 0..x.groups {
            for v in 0..NV {
                // The decoding knows no subnormal arithmetic but that of the scales, which must not be flushed.
                self.load::<S, NV>(s, &mut group, g, v);
            }
            let flush = Flush::begin(S::LEVEL, p.dtype == Dtype::BF16);
            for tile in 0..x.tiles {
                let total = totals.wrapping_add(tile * x.rows * width);
                // SAFETY: the tile's activations, sums and totals.
                unsafe {
                    let at = x.tile(tile).add(g * p.format.group * x.rows);
                    let sums = x.sums(tile).add(g * x.rows);
                    match x.rows {
                        1 => self.tile::<S, NV, 1>(s, &group, at, sums, total),
                        2 => self.tile::<S, NV, 2>(s, &group, at, sums, total),
                        4 => self.tile::<S, NV, 4>(s, &group, at, sums, total),
                        _ => self.tile::<S, NV, 8>(s, &group, at, sums, total),
                    }
                }
            }
            drop(flush);
        }
        let columns = width.min(p.n - self.first);
        for m in 0..p.m {
            let size = p.dtype.size();
            let out = p.out.wrapping_offset((m as isize * p.out_stride + self.first as isize) * size as isize);
            // SAFETY: row `m` of the totals, and of the output from this panel's first column.
            unsafe { from_single(p.dtype, totals.add(m * width), out, columns) };
        }
    }

    /// Fills vector `v` of a group.
    #[inline(always)]
    fn load<S: Simd, const NV: usize>(&self, s: S, group: &mut Group<NV>, g: usize, v: usize) {
        let p = self.p;
        let f = p.format;
        let words = f.group * f.bits / 32;
        let mut lanes = [[0i32; LANES]; WORDS + 1];
        for lane in 0..LANES {
            // Columns beyond the last are the last again; they are not stored.
            let row = (self.first + v * LANES + lane).min(p.n - 1) as isize;
            let from = p.codes.wrapping_offset(row * p.code_stride).wrapping_add(g * words);
            let at = (row * p.scale_stride + g as isize) * f.scales.size() as isize;
            // SAFETY: row `row` has a scale (and a bias) and `words` words for group `g`.
            unsafe {
                for w in 0..words {
                    lanes[w][lane] = *from.add(w) as i32;
                }
                group.scales[v][lane] = f.scales.read(p.scales.wrapping_offset(at));
                if !p.biases.is_null() {
                    group.biases[v][lane] = f.scales.read(p.biases.wrapping_offset(at));
                }
            }
        }
        let other = usize::from(p.dtype == Dtype::BF16);
        match (f.codes, f.bits) {
            (Codes::Unsigned, 2) => unpack::<S, NV, 2>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::Unsigned, 3) => unpack::<S, NV, 3>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::Unsigned, 4) => unpack::<S, NV, 4>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::Unsigned, 5) => unpack::<S, NV, 5>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::Unsigned, 6) => unpack::<S, NV, 6>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::Unsigned, _) => unpack::<S, NV, 8>(s, f.group, other, &lanes, group, v, |q| s.from_i32(q)),
            (Codes::E2m1, _) => unpack::<S, NV, 4>(s, f.group, other, &lanes, group, v, |q| e2m1(s, q)),
            (Codes::E4m3, _) => unpack::<S, NV, 8>(s, f.group, other, &lanes, group, v, |q| e4m3(s, q)),
        }
    }

    /// One group's part of a tile's totals.
    ///
    /// # Safety
    /// `x` is `[group][ROWS]`, `sums` `[ROWS]` if there are biases, `totals` `[ROWS][NV * 16]`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const NV: usize, const ROWS: usize>(
        &self,
        s: S,
        group: &Group<NV>,
        x: *const f32,
        sums: *const f32,
        totals: *mut f32,
    ) {
        let soft = S::LEVEL == Level::Scalar && self.p.dtype == Dtype::BF16;
        let fma = |a: S::F, b: S::F, c: S::F| if soft { soft_fma(s, a, b, c) } else { s.fma(a, b, c) };
        let mut acc = [[s.splat(0.0); NV]; ROWS];
        for k in 0..self.p.format.group {
            let codes: [S::F; NV] = std::array::from_fn(|v| s.from_array(group.codes[k][v]));
            for r in 0..ROWS {
                // SAFETY: the caller's promise.
                let x = s.splat(unsafe { *x.add(k * ROWS + r) });
                for v in 0..NV {
                    acc[r][v] = fma(x, codes[v], acc[r][v]);
                }
            }
        }
        for r in 0..ROWS {
            for v in 0..NV {
                // SAFETY: the caller's promise.
                unsafe {
                    let at = totals.add((r * NV + v) * LANES);
                    let mut total = fma(acc[r][v], s.from_array(group.scales[v]), s.load(at));
                    if !self.p.biases.is_null() {
                        total = fma(s.splat(*sums.add(r)), s.from_array(group.biases[v]), total);
                    }
                    s.store(at, total);
                }
            }
        }
    }
}

/// Widens (or copies) a row of activations.
///
/// # Safety
/// Both are valid for `n` elements.
unsafe fn to_single(dtype: Dtype, from: *const u8, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => std::ptr::copy_nonoverlapping(from.cast(), to, n),
            d => widen(d, from.cast(), to, n),
        }
    }
}

/// Rounds (or copies) a row of totals; a NaN of single precision becomes the canonical one.
///
/// # Safety
/// Both are valid for `n` elements.
unsafe fn from_single(dtype: Dtype, from: *const f32, to: *mut u8, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => (0..n).for_each(|i| {
                let x = *from.add(i);
                to.cast::<f32>().add(i).write(if x.is_nan() { f32::NAN } else { x });
            }),
            d => narrow(d, from, to.cast(), n),
        }
    }
}

/// The fused step of the level without a flushing mode.
#[inline(never)]
fn soft_fma<S: Simd>(s: S, a: S::F, b: S::F, c: S::F) -> S::F {
    let (a, b, c) = (s.to_array(a), s.to_array(b), s.to_array(c));
    s.from_array(std::array::from_fn(|i| flush::fma(a[i], b[i], c[i])))
}

/// Codes of 16 rows, one per lane, from their words.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn unpack<S: Simd, const NV: usize, const BITS: usize>(
    s: S,
    n: usize,
    other: usize,
    words: &[[i32; LANES]; WORDS + 1],
    to: &mut Group<NV>,
    v: usize,
    value: impl Fn(S::I) -> S::F,
) {
    let mask = s.splat_i((1 << BITS) - 1);
    // 32 codes fill BITS words exactly.
    for block in 0..n.div_ceil(32) {
        for j in 0..32.min(n - block * 32) {
            let (word, shift) = (block * BITS + j * BITS / 32, (j * BITS % 32) as u32);
            let mut q = s.shr(s.from_array_i(words[word]), shift);
            if shift as usize + BITS > 32 {
                q = s.or(q, s.shl(s.from_array_i(words[word + 1]), 32 - shift));
            }
            to.codes[(block * 32 + j) ^ other][v] = s.to_array(value(s.and(q, mask)));
        }
    }
}

/// E2M1 codes: twice the value is an integer.
#[inline(always)]
fn e2m1<S: Simd>(s: S, q: S::I) -> S::F {
    let (one, zero) = (s.splat_i(1), s.splat_i(0));
    let exponent = s.and(s.shr(q, 1), s.splat_i(3));
    let small = s.eq_i(exponent, zero);
    let mantissa = s.or(s.and(q, one), s.select_i(small, zero, s.splat_i(2)));
    let shift = s.select_i(small, zero, s.sub_i(exponent, one));
    let magnitude = s.mul(s.from_i32(s.shl_v(mantissa, shift)), s.splat(0.5));
    s.from_bits(s.or(s.to_bits(magnitude), s.shl(s.shr(q, 3), 31)))
}

/// E4M3 codes.
#[inline(always)]
fn e4m3<S: Simd>(s: S, q: S::I) -> S::F {
    let magnitude = s.and(q, s.splat_i(0x7f));
    let normal = s.from_bits(s.add_i(s.shl(magnitude, 20), s.splat_i((127 - 7) << 23)));
    let subnormal = s.mul(s.from_i32(magnitude), s.splat(f32::from_bits((127 - 9) << 23)));
    let value = s.select(s.gt_i(s.splat_i(8), magnitude), subnormal, normal);
    let value = s.select(s.eq_i(magnitude, s.splat_i(0x7f)), s.splat(f32::NAN), value);
    s.from_bits(s.or(s.to_bits(value), s.shl(s.shr(q, 7), 31)))
}
