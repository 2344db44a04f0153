//! `y = x @ w.T` with a quantized `w`, codes and scales as they lie in files.
//!
//! ```text
//! pack x:      [tile][k][row of the tile] as f32, and each row's sum over each group
//! per panel of columns (a task), 16 columns to a strip:
//!   per group and strip: a block, words of 16 rows of w to lanes and their scales and biases; kept, or made here
//!   one row:   acc[strip] = 0; for k: acc = fma(x[k], code, acc), codes straight from the words
//!   more rows: codes to floats [k][lane] once; per tile: acc[row][strip] = 0; for k: acc = fma(x[k][row], code, acc)
//!   total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//!   round totals once, store
//! ```
//!
//! 1. Codes of up to 4 bits are looked up in a register: shift, permute, multiply-add.
//! 2. For bfloat16 activations the odd element of a pair is stored before the even one in x, and the codes of a pair are
//!    taken in that order: then the same loop runs in the contract's order, under flush-to-zero.
//! 3. Totals live in a scratch buffer in the second-level cache; they are touched once per group.
//!
//! Cost: one row of kept blocks is bound by reading them, else by making them; many rows are bound by FMAs.

use super::block::{self, Packed as Blocks};
use super::{Codes, Format, Matrix};
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
    /// The quantized matrix.
    pub w: Matrix,
    /// Rows of `x`.
    pub m: usize,
    /// Activations: f32, f16 or bf16.
    pub dtype: Dtype,
    /// The first activation.
    pub x: *const u8,
    /// Elements from row to row of `x`; elements of a row are adjacent.
    pub x_stride: isize,
    /// The first output; its dtype is that of `x`, elements of a row are adjacent.
    pub out: *mut u8,
    /// Elements from row to row of the output.
    pub out_stride: isize,
}

// SAFETY: operands are read, and tasks write disjoint columns of the output.
unsafe impl Sync for Product {}

/// Strips of 16 columns that make up a panel.
fn strips(level: Level, rows: usize) -> usize {
    match (level == Level::Avx512, rows) {
        (true, 1) => 8,
        (true, 2 | 4) => 4,
        (true, _) => 2,
        (false, 1) => 2,
        (false, _) => 1,
    }
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

/// The product. With `kept` blocks of this matrix the codes, scales and biases themselves are not read.
///
/// # Safety
/// Everything that the fields describe is readable, the output writable, its rows disjoint, and apart from the operands.
pub unsafe fn product(p: &Product, kept: Option<&Blocks>) {
    if p.m == 0 || p.w.n == 0 {
        return;
    }
    let level = isa::level();
    let rows = tile_rows(level, p.m);
    let tiles = p.m.div_ceil(rows);
    let groups = p.w.k / p.w.format.group;
    let packed = Scratch::take::<f32>(tiles * rows * (p.w.k + groups));
    let other = usize::from(p.dtype == Dtype::BF16);
    let x = Packed { x: packed.ptr(), rows, tiles, k: p.w.k, groups, other };
    // Few tiles are packed at once where a fork would cost more.
    let per = (1 << 16) / (rows * p.w.k).max(1) + 1;
    par::run(tiles.div_ceil(per), |task| {
        let flush = Flush::begin(level, p.dtype == Dtype::BF16);
        simd::dispatch_at(level, Pack { p, x: &x, tiles: task * per..tiles.min((task + 1) * per) });
        drop(flush);
    });
    let width = strips(level, rows);
    par::run(p.w.n.div_ceil(width * LANES), |panel| {
        simd::dispatch_at(level, Panel { p, x: &x, kept, first: panel * width });
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
    /// 1 if the elements of a pair are exchanged.
    other: usize,
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
        let soft = bf16 && S::LEVEL == Level::Scalar;
        let mut row = vec![0f32; p.w.k];
        for tile in self.tiles {
            let (to, sums) = (x.tile(tile), x.sums(tile));
            for r in 0..x.rows {
                let m = tile * x.rows + r;
                if m < p.m {
                    let from = p.x.wrapping_offset(m as isize * p.x_stride * p.dtype.size() as isize);
                    // SAFETY: row `m` has `k` adjacent elements.
                    unsafe { to_single(p.dtype, from, row.as_mut_ptr(), p.w.k) };
                } else {
                    row.fill(0.0);
                }
                for (k, v) in row.iter().enumerate() {
                    // SAFETY: the tile has `rows * k` elements; k counts pairs wherever `other` is 1.
                    unsafe { *to.add((k ^ x.other) * x.rows + r) = *v };
                }
            }
            if p.w.biases.is_null() {
                continue;
            }
            for g in 0..x.groups {
                for r in 0..x.rows {
                    let mut sum = 0f32;
                    for j in 0..p.w.format.group {
                        // SAFETY: inside the tile, which has been written.
                        let v = unsafe { *to.add((g * p.w.format.group + j) * x.rows + r) };
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
    kept: Option<&'a Blocks>,
    /// The first strip.
    first: usize,
}

impl Kernel for Panel<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let wide = S::LEVEL == Level::Avx512;
        match (wide, self.x.rows) {
            (true, 1) => self.one_row::<S, 8>(s),
            (true, 2) => self.columns::<S, 4, 2>(s),
            (true, 4) => self.columns::<S, 4, 4>(s),
            (true, _) => self.columns::<S, 2, 8>(s),
            (false, 1) => self.one_row::<S, 2>(s),
            (false, 2) => self.columns::<S, 1, 2>(s),
            (false, _) => self.columns::<S, 1, 4>(s),
        }
    }
}

/// Codes of one group and panel as floats.
#[repr(align(64))]
struct Group<const NV: usize>([[[f32; LANES]; NV]; block::GROUP]);

impl Panel<'_> {
    /// Group `g`'s block of every strip of the panel: a kept one, or one made in `room`.
    #[inline(always)]
    fn blocks<const NV: usize>(&self, g: usize, room: &mut [block::Room; NV]) -> [*const i32; NV] {
        let last = self.p.w.n.div_ceil(LANES) - 1;
        std::array::from_fn(|v| {
            // Strips beyond the last are the last again; they are not stored.
            let strip = (self.first + v).min(last);
            match self.kept {
                Some(kept) => kept.block(strip, g),
                None => {
                    // SAFETY: the strip has a row of the matrix at least, and the group lies inside its rows.
                    unsafe { block::make(&self.p.w, strip, g, room[v].0.as_mut_ptr()) };
                    room[v].0.as_ptr()
                }
            }
        })
    }

    #[inline(always)]
    fn one_row<S: Simd, const NV: usize>(&self, s: S) {
        let p = self.p;
        let mut room = [block::Room::new(); NV];
        let mut totals = [[0f32; LANES]; NV];
        let soft = soft::<S>(p);
        let flush = Flush::begin(S::LEVEL, p.dtype == Dtype::BF16);
        let mut total = [s.splat(0.0); NV];
        for g in 0..self.x.groups {
            let blocks = self.blocks(g, &mut room);
            let mut acc = [s.splat(0.0); NV];
            let x = self.x.tile(0).wrapping_add(g * p.w.format.group);
            codes(
                s,
                p.w.format,
                self.x.other,
                &blocks,
                #[inline(always)]
                |k, q: [S::F; NV]| {
                    // SAFETY: the packed row has `group` elements from here on.
                    let x = s.splat(unsafe { *x.add(k) });
                    for v in 0..NV {
                        acc[v] = step(s, soft, x, q[v], acc[v]);
                    }
                },
            );
            for v in 0..NV {
                // SAFETY: the block's scales follow its words.
                let (scale, bias) = unsafe { block::scales(s, &p.w, blocks[v]) };
                total[v] = step(s, soft, acc[v], scale, total[v]);
                if !p.w.biases.is_null() {
                    // SAFETY: the packed row has a sum for every group.
                    total[v] = step(s, soft, s.splat(unsafe { *self.x.sums(0).add(g) }), bias, total[v]);
                }
            }
        }
        for v in 0..NV {
            // SAFETY: an array of 16.
            unsafe { s.store(totals[v].as_mut_ptr(), total[v]) };
        }
        drop(flush);
        // SAFETY: one row of totals.
        unsafe { self.store(0, totals.as_ptr().cast(), NV * LANES) };
    }

    #[inline(always)]
    fn columns<S: Simd, const NV: usize, const ROWS: usize>(&self, s: S) {
        let (p, x) = (self.p, self.x);
        let width = NV * LANES;
        let scratch = Scratch::take::<f32>(x.tiles * ROWS * width);
        let totals = scratch.ptr::<f32>();
        // SAFETY: the scratch has that many elements.
        unsafe { std::ptr::write_bytes(totals, 0, x.tiles * ROWS * width) };
        let mut group = Group::<NV>([[[0.0; LANES]; NV]; block::GROUP]);
        let mut room = [block::Room::new(); NV];
        let flush = Flush::begin(S::LEVEL, p.dtype == Dtype::BF16);
        for g in 0..x.groups {
            let blocks = self.blocks(g, &mut room);
            let to = &mut group.0;
            codes(
                s,
                p.w.format,
                x.other,
                &blocks,
                #[inline(always)]
                |k, q: [S::F; NV]| {
                    for v in 0..NV {
                        // SAFETY: an array of 16; a group has at most as many codes as there is room for.
                        unsafe { s.store(to[k][v].as_mut_ptr(), q[v]) };
                    }
                },
            );
            for tile in 0..x.tiles {
                let total = totals.wrapping_add(tile * ROWS * width);
                // SAFETY: the tile's activations, sums and totals; the blocks' scales follow their words.
                unsafe {
                    let at = x.tile(tile).add(g * p.w.format.group * ROWS);
                    self.tile::<S, NV, ROWS>(s, &group, &blocks, at, x.sums(tile).add(g * ROWS), total);
                }
            }
        }
        drop(flush);
        for m in 0..p.m {
            // SAFETY: row `m` of the totals.
            unsafe { self.store(m, totals.add(m * width), width) };
        }
    }

    /// One group's part of a tile's totals.
    ///
    /// # Safety
    /// `x` is `[group][ROWS]` with the elements of a pair in the codes' order, `sums` `[ROWS]` if there are biases, `totals`
    /// `[ROWS][NV * 16]`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const NV: usize, const ROWS: usize>(
        &self,
        s: S,
        group: &Group<NV>,
        blocks: &[*const i32; NV],
        x: *const f32,
        sums: *const f32,
        totals: *mut f32,
    ) {
        let p = self.p;
        let soft = soft::<S>(p);
        let mut acc = [[s.splat(0.0); NV]; ROWS];
        for k in 0..p.w.format.group {
            let mut codes = [s.splat(0.0); NV];
            for v in 0..NV {
                codes[v] = s.from_array(group.0[k][v]);
            }
            for r in 0..ROWS {
                // SAFETY: the caller's promise.
                let x = s.splat(unsafe { *x.add(k * ROWS + r) });
                for v in 0..NV {
                    acc[r][v] = step(s, soft, x, codes[v], acc[r][v]);
                }
            }
        }
        for v in 0..NV {
            // SAFETY: the caller's promise.
            unsafe {
                let (scale, bias) = block::scales(s, &p.w, blocks[v]);
                for r in 0..ROWS {
                    let at = totals.add((r * NV + v) * LANES);
                    let mut total = step(s, soft, acc[r][v], scale, s.load(at));
                    if !p.w.biases.is_null() {
                        total = step(s, soft, s.splat(*sums.add(r)), bias, total);
                    }
                    s.store(at, total);
                }
            }
        }
    }

    /// Rounds and stores `width` totals of row `m`, as far as there are columns.
    ///
    /// # Safety
    /// `totals` is valid for `width` reads.
    #[inline(always)]
    unsafe fn store(&self, m: usize, totals: *const f32, width: usize) {
        let p = self.p;
        let first = self.first * LANES;
        let out = p.out.wrapping_offset((m as isize * p.out_stride + first as isize) * p.dtype.size() as isize);
        // SAFETY: the row has that many columns left, and the totals as many.
        unsafe { from_single(p.dtype, totals, out, width.min(p.w.n - first)) };
    }
}

/// Whether steps must flush in software: at the level that has no mode for it.
fn soft<S: Simd>(p: &Product) -> bool {
    S::LEVEL == Level::Scalar && p.dtype == Dtype::BF16
}

/// `a * b + c`, fused; the mode that is set, or `soft`, decides about subnormals.
#[inline(always)]
fn step<S: Simd>(s: S, soft: bool, a: S::F, b: S::F, c: S::F) -> S::F {
    if S::LEVEL == Level::Scalar && soft { soft_fma(s, a, b, c) } else { s.fma(a, b, c) }
}

/// Calls `f` with the codes of every k of a group, as floats; `k` counts calls. The codes of a pair are exchanged if `other`
/// is 1.
#[inline(always)]
fn codes<S: Simd, const NV: usize>(
    s: S,
    format: Format,
    other: usize,
    blocks: &[*const i32; NV],
    mut f: impl FnMut(usize, [S::F; NV]),
) {
    let mask = s.splat_i((1 << format.bits) - 1);
    // Closures must be inlined, or the instructions inside them would be calls.
    match (format.codes, format.bits) {
        (Codes::Unsigned, 2..=4) | (Codes::E2m1, _) => {
            let mut table = [0f32; LANES];
            for (i, t) in table.iter_mut().enumerate() {
                // Whatever lies above the code in the four bits that are looked up must not matter.
                let code = i & ((1 << format.bits) - 1);
                *t = if format.codes == Codes::E2m1 { super::e2m1(code as u8) } else { code as f32 };
            }
            let table = s.from_array(table);
            raw(
                s,
                format,
                other,
                blocks,
                #[inline(always)]
                |k, q: [S::I; NV]| {
                    let mut to = [table; NV];
                    for v in 0..NV {
                        to[v] = s.lookup16(table, q[v]);
                    }
                    f(k, to);
                },
            );
        }
        (Codes::Unsigned, _) => raw(
            s,
            format,
            other,
            blocks,
            #[inline(always)]
            |k, q: [S::I; NV]| {
                let mut to = [s.splat(0.0); NV];
                for v in 0..NV {
                    to[v] = s.from_i32(s.and(q[v], mask));
                }
                f(k, to);
            },
        ),
        (Codes::E4m3, _) => raw(
            s,
            format,
            other,
            blocks,
            #[inline(always)]
            |k, q: [S::I; NV]| {
                let mut to = [s.splat(0.0); NV];
                for v in 0..NV {
                    to[v] = e4m3(s, s.and(q[v], mask));
                }
                f(k, to);
            },
        ),
    }
}

/// Calls `f` with the codes of every k, each in the low bits of its lane; what lies above them is undefined.
#[inline(always)]
fn raw<S: Simd, const NV: usize>(
    s: S,
    format: Format,
    other: usize,
    blocks: &[*const i32; NV],
    mut f: impl FnMut(usize, [S::I; NV]),
) {
    let bits = format.bits;
    if 32 % bits == 0 {
        let per = 32 / bits;
        for w in 0..format.group / per {
            let words = word(s, blocks, w);
            for j in 0..per {
                let shift = s.splat_i(((j ^ other) * bits) as i32);
                let mut q = words;
                for v in 0..NV {
                    q[v] = s.shr_v(words[v], shift);
                }
                f(w * per + j, q);
            }
        }
        return;
    }
    for k in 0..format.group {
        let at = (k ^ other) * bits;
        let (w, shift) = (at / 32, at % 32);
        let (low, high) = (s.splat_i(shift as i32), s.splat_i((32 - shift as i32) & 31));
        let mut q = word(s, blocks, w);
        for v in 0..NV {
            q[v] = s.shr_v(q[v], low);
        }
        if shift + bits > 32 {
            let next = word(s, blocks, w + 1);
            for v in 0..NV {
                q[v] = s.or(q[v], s.shl_v(next[v], high));
            }
        }
        f(k, q);
    }
}

/// Word `w` of the rows of every block; there must be one.
#[inline(always)]
fn word<S: Simd, const NV: usize>(s: S, blocks: &[*const i32; NV], w: usize) -> [S::I; NV] {
    let mut words = [s.splat_i(0); NV];
    for v in 0..NV {
        // SAFETY: a block has `group * bits / 32` vectors of words, and a code that goes on in the next word ends inside.
        words[v] = unsafe { s.load_i(blocks[v].add(w * LANES)) };
    }
    words
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
