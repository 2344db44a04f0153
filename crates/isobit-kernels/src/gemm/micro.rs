//! The micro-kernel: one block of K (at most 256) of one small tile of outputs.
//!
//! ```text
//! acc[i][j] = +0
//! for k in 0..words { for i, j { acc[i][j] = fma(a[k*mr + i], b[k*ldb + j], acc[i][j]) } }
//! dst[i][j] = prev.is_null() ? acc[i][j] : prev[i][j] + acc[i][j]          (canonical NaN if `canon`)
//! ```
//!
//! Lanes run along the columns, so that every output has one accumulator and the order of its sum is the contract's.
//! A word is an f32, an f64 or a pair of bf16 (`VDPBF16PS`: two fused steps, the odd element first).

/// What one micro-kernel call works on. `A` is the packed word, `T` the accumulator.
pub(super) struct Tile<A, T> {
    /// Packed left panel, `[words][mr]`.
    pub a: *const A,
    /// Right panel, `[words][ldb]`, `n` columns used; readable up to the panel's full width.
    pub b: *const A,
    /// Words from one step of `b` to the next.
    pub ldb: usize,
    /// Prefetched while the panel is read.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 kernels prefetch"))]
    pub ahead: Ahead,
    /// Steps along K.
    pub words: usize,
    /// Totals of the blocks before this one, or null for the first block.
    pub prev: *const T,
    /// Row stride of `prev`.
    pub ldp: isize,
    /// Where the totals go (may equal `prev`).
    pub dst: *mut T,
    /// Row stride of `dst`.
    pub ldd: isize,
    /// Columns to store, 1 to the panel's width.
    pub n: usize,
    /// Whether a NaN is stored as the canonical quiet NaN (the last block does).
    pub canon: bool,
}

/// Memory to prefetch, in pairs of cache lines: `left` pairs, then runs of `run` pairs, `count` in all.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The first pair.
    pub ptr: *const u8,
    /// Pairs, one per step of the micro-kernel; those that do not fit into its steps are left out.
    pub count: usize,
    /// Pairs until the first run ends.
    pub left: usize,
    /// Pairs per run.
    pub run: usize,
    /// Bytes from a run's last pair to the next run.
    pub jump: isize,
}

impl Ahead {
    /// Nothing.
    pub(super) const NONE: Ahead = Ahead { ptr: std::ptr::null(), count: 0, left: 1, run: 1, jump: 0 };

    /// Part `i` of `parts`.
    #[cfg(target_arch = "x86_64")]
    fn part(&self, i: usize, parts: usize) -> Ahead {
        if self.count == 0 {
            return *self;
        }
        let (from, to) = (self.count * i / parts, self.count * (i + 1) / parts);
        // Counted from the start of the first run.
        let at = self.run - self.left + from;
        let (run, pair) = (at / self.run, at % self.run);
        let stride = self.jump + (self.run as isize - 1) * 128;
        let start = self.ptr.wrapping_sub((self.run - self.left) * 128);
        Ahead {
            ptr: start.wrapping_offset(run as isize * stride).wrapping_add(pair * 128),
            count: to - from,
            left: self.run - pair,
            ..*self
        }
    }
}

/// AVX-512: up to 14 rows of two vectors. Cost per step at 14 rows: 28 FMAs, 14 broadcasts, 2 loads.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use super::super::pack::avx512::{load_bf16, load_f16};
    use super::{Tile, few};
    use half::{bf16, f16};
    use std::arch::x86_64::*;

    /// Rows of the largest tile.
    pub(in super::super) const MR: usize = 14;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn step_f32(x: *const f32, b: __m512, acc: __m512) -> __m512 {
        // SAFETY: the caller's panel holds the word.
        unsafe { _mm512_fmadd_ps(_mm512_set1_ps(*x), b, acc) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn step_f64(x: *const f64, b: __m512d, acc: __m512d) -> __m512d {
        // SAFETY: the caller's panel holds the word.
        unsafe { _mm512_fmadd_pd(_mm512_set1_pd(*x), b, acc) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn step_pair(x: *const u32, b: __m512i, acc: __m512) -> __m512 {
        // SAFETY: the caller's panel holds the word; the transmutes only rename 512-bit vectors.
        unsafe {
            let x = _mm512_set1_epi32(*x as i32);
            _mm512_dpbf16_ps(
                acc,
                std::mem::transmute::<__m512i, __m512bh>(x),
                std::mem::transmute::<__m512i, __m512bh>(b),
            )
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_pair(p: *const u32) -> __m512i {
        // SAFETY: the caller's panel holds sixteen words.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    /// One step along K of a whole tile.
    macro_rules! step {
        ($c:ident, $a:ident, $b:ident, $ldb:expr, $rows:ident, $vectors:ident, $lanes:literal, $step:ident, $loadb:ident) => {
            let mut bv = [$loadb($b); $vectors];
            for v in 1..$vectors {
                bv[v] = $loadb($b.add(v * $lanes));
            }
            for i in 0..$rows {
                for v in 0..$vectors {
                    $c[i][v] = $step($a.add(i), bv[v], $c[i][v]);
                }
            }
            $a = $a.add($rows);
            $b = $b.wrapping_add($ldb);
        };
    }

    macro_rules! micro {
        ($name:ident, $rows:ident, $feat:literal, $word:ty, $acc:ty, $lanes:literal, $mask:ty, $step:ident, $loadb:ident,
         $zero:ident, $load:ident, $maskload:ident, $store:ident, $maskstore:ident, $add:ident, $cmp:ident, $blend:ident, $set1:ident) => {
            #[target_feature(enable = $feat)]
            unsafe fn $rows<const R: usize, const V: usize>(t: &Tile<$word, $acc>) {
                // SAFETY: the caller's tile describes panels and rows that exist; partial vectors are masked.
                unsafe {
                    let mut c = [[$zero(); V]; R];
                    let (mut a, mut b) = (t.a, t.b);
                    // The totals' rows, old and new, one per step.
                    let (mut prev, mut dst) = (t.prev, t.dst.cast_const());
                    if prev.is_null() {
                        prev = dst;
                    }
                    let mut left = t.words;
                    let rows = left.min(R);
                    for _ in 0..rows {
                        step!(c, a, b, t.ldb, R, V, $lanes, $step, $loadb);
                        _mm_prefetch::<_MM_HINT_T0>(prev.cast());
                        _mm_prefetch::<_MM_HINT_T0>(prev.wrapping_add($lanes * (V - 1)).cast());
                        _mm_prefetch::<_MM_HINT_T0>(dst.cast());
                        _mm_prefetch::<_MM_HINT_T0>(dst.wrapping_add($lanes * (V - 1)).cast());
                        prev = prev.wrapping_offset(t.ldp);
                        dst = dst.wrapping_offset(t.ldd);
                    }
                    left -= rows;
                    let (mut next, mut run) = (t.ahead.ptr, t.ahead.left);
                    let pairs = left.min(t.ahead.count);
                    for _ in 0..pairs {
                        step!(c, a, b, t.ldb, R, V, $lanes, $step, $loadb);
                        _mm_prefetch::<_MM_HINT_T1>(next.cast());
                        _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(64).cast());
                        run -= 1;
                        next = next.wrapping_offset(if run == 0 { t.ahead.jump } else { 128 });
                        run = if run == 0 { t.ahead.run } else { run };
                    }
                    left -= pairs;
                    for _ in 0..left {
                        step!(c, a, b, t.ldb, R, V, $lanes, $step, $loadb);
                    }
                    let last: $mask = if t.n % $lanes == 0 { !0 } else { (1 << (t.n % $lanes)) - 1 };
                    for i in 0..R {
                        for v in 0..V {
                            let mask = if v == V - 1 { last } else { !0 };
                            let mut x = c[i][v];
                            if !t.prev.is_null() {
                                x = $add($maskload(mask, t.prev.offset(i as isize * t.ldp).add(v * $lanes)), x);
                            }
                            if t.canon {
                                x = $blend($cmp::<_CMP_UNORD_Q>(x, x), x, $set1(<$acc>::NAN));
                            }
                            $maskstore(t.dst.offset(i as isize * t.ldd).add(v * $lanes), mask, x);
                        }
                    }
                }
            }

            /// # Safety
            /// The tile's pointers are valid for `rows` rows and the machine has the features.
            #[target_feature(enable = $feat)]
            pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<$word, $acc>) {
                // SAFETY: as promised by the caller.
                unsafe {
                    if t.n > $lanes {
                        match rows {
                            1 => $rows::<1, 2>(t),
                            2 => $rows::<2, 2>(t),
                            3 => $rows::<3, 2>(t),
                            4 => $rows::<4, 2>(t),
                            5 => $rows::<5, 2>(t),
                            6 => $rows::<6, 2>(t),
                            7 => $rows::<7, 2>(t),
                            8 => $rows::<8, 2>(t),
                            9 => $rows::<9, 2>(t),
                            10 => $rows::<10, 2>(t),
                            11 => $rows::<11, 2>(t),
                            12 => $rows::<12, 2>(t),
                            13 => $rows::<13, 2>(t),
                            _ => $rows::<14, 2>(t),
                        }
                    } else {
                        match rows {
                            1 => $rows::<1, 1>(t),
                            2 => $rows::<2, 1>(t),
                            3 => $rows::<3, 1>(t),
                            4 => $rows::<4, 1>(t),
                            5 => $rows::<5, 1>(t),
                            6 => $rows::<6, 1>(t),
                            7 => $rows::<7, 1>(t),
                            8 => $rows::<8, 1>(t),
                            9 => $rows::<9, 1>(t),
                            10 => $rows::<10, 1>(t),
                            11 => $rows::<11, 1>(t),
                            12 => $rows::<12, 1>(t),
                            13 => $rows::<13, 1>(t),
                            _ => $rows::<14, 1>(t),
                        }
                    }
                }
            }
        };
    }

    micro!(
        f32,
        f32_rows,
        "avx512f",
        f32,
        f32,
        16,
        __mmask16,
        step_f32,
        _mm512_loadu_ps,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_maskz_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mask_storeu_ps,
        _mm512_add_ps,
        _mm512_cmp_ps_mask,
        _mm512_mask_blend_ps,
        _mm512_set1_ps
    );
    micro!(
        f64,
        f64_rows,
        "avx512f",
        f64,
        f64,
        8,
        __mmask8,
        step_f64,
        _mm512_loadu_pd,
        _mm512_setzero_pd,
        _mm512_loadu_pd,
        _mm512_maskz_loadu_pd,
        _mm512_storeu_pd,
        _mm512_mask_storeu_pd,
        _mm512_add_pd,
        _mm512_cmp_pd_mask,
        _mm512_mask_blend_pd,
        _mm512_set1_pd
    );
    micro!(
        pair,
        pair_rows,
        "avx512f,avx512bf16",
        u32,
        f32,
        16,
        __mmask16,
        step_pair,
        load_pair,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_maskz_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mask_storeu_ps,
        _mm512_add_ps,
        _mm512_cmp_ps_mask,
        _mm512_mask_blend_ps,
        _mm512_set1_ps
    );

    /// Rows up to which a kept 16-bit panel is widened in registers.
    pub(in super::super) const THIN: usize = 12;
    /// Lanes of a vector.
    const LANES: usize = 16;

    use _mm512_loadu_ps as load_words;
    use _mm512_setzero_ps as zero;
    use step_f32 as step;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_half(p: *const f16) -> __m512 {
        // SAFETY: the caller's row holds sixteen elements.
        unsafe { _mm512_castsi512_ps(load_f16(p, 16)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_brain(p: *const bf16) -> __m512 {
        // SAFETY: the caller's row holds sixteen elements.
        unsafe { _mm512_castsi512_ps(load_bf16(p, 16)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_odd(p: *const u32) -> __m512 {
        // SAFETY: the caller's panel holds sixteen pairs.
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(load_pair(p), _mm512_set1_epi32(0xffff_0000u32 as i32))) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_even(p: *const u32) -> __m512 {
        // SAFETY: the caller's panel holds sixteen pairs.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(load_pair(p))) }
    }

    /// The end of a tile, sixteen columns of one row.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn put(t: &Tile<f32, f32>, row: usize, column: usize, x: __m512) {
        let left = t.n.saturating_sub(column);
        let mask: __mmask16 = if left >= LANES { !0 } else { (1 << left) - 1 };
        // SAFETY: the caller's tile describes rows that exist; columns that do not are masked.
        unsafe {
            let mut x = x;
            if !t.prev.is_null() {
                let prev = t.prev.wrapping_offset(row as isize * t.ldp).wrapping_add(column);
                x = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, prev), x);
            }
            if t.canon {
                x = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), x, _mm512_set1_ps(f32::NAN));
            }
            _mm512_mask_storeu_ps(t.dst.wrapping_offset(row as isize * t.ldd).wrapping_add(column), mask, x);
        }
    }

    /// Kept panels that a thin kernel reads side by side for so many rows.
    pub(in super::super) fn panels(rows: usize) -> usize {
        match rows {
            1..=3 => 4,
            4..=6 => 2,
            _ => 1,
        }
    }

    macro_rules! thin {
        ($($args:tt)*) => {
            few::thin!($($args)*, "avx512f,avx512bw,avx512vl",
                (1, 4), (1, 8), (2, 4), (2, 8), (3, 4), (3, 8), (4, 2), (4, 4), (5, 2), (5, 4), (6, 2), (6, 4),
                (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (5, 2), (6, 1), (6, 2),
                (7, 1), (7, 2), (8, 1), (8, 2), (9, 1), (9, 2), (10, 1), (10, 2), (11, 1), (11, 2), (12, 1), (12, 2));
        };
    }

    thin!(f32_thin, f32_thins, f32, load_words);
    thin!(f16_thin, f16_thins, f16, load_half);
    thin!(bf16_thin, bf16_thins, u32, load_odd load_even);

    /// Columns that the streaming kernels take at a time, 0 if there is none for so many rows.
    pub(in super::super) fn stream_width(rows: usize) -> usize {
        match rows {
            1 => 256,
            2 | 3 => 128,
            4 => 96,
            _ => 0,
        }
    }

    macro_rules! stream {
        ($($args:tt)*) => {
            few::stream!($($args)*, "avx512f,avx512bw,avx512vl", (1, 16), (2, 8), (3, 8), (4, 6));
        };
    }

    stream!(f32_stream, f32_streams, f32, load_words, false);
    stream!(f16_stream, f16_streams, f16, load_half, false);
    stream!(bf16_stream, bf16_streams, bf16, load_brain, true);
}

#[cfg(target_arch = "x86_64")]
mod few;

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;

/// NEON: up to 12 rows of two vectors (24 accumulators, 2 of `b`, lanes of `a` by `vfmaq_n`).
#[cfg(target_arch = "aarch64")]
pub(super) mod neon {
    use super::Tile;
    use std::arch::aarch64::*;

    /// Rows of the largest tile.
    pub(in super::super) const MR: usize = 12;

    macro_rules! micro {
        ($name:ident, $rows:ident, $acc:ty, $lanes:literal, $dup:ident, $load:ident, $store:ident, $fma:ident, $add:ident) => {
            #[target_feature(enable = "neon")]
            unsafe fn $rows<const R: usize>(t: &Tile<$acc, $acc>) {
                // SAFETY: the caller's tile describes panels and rows that exist; results go through a local row.
                unsafe {
                    let mut c = [[$dup(0.0); 2]; R];
                    let (mut a, mut b) = (t.a, t.b);
                    for _ in 0..t.words {
                        let b0 = $load(b);
                        let b1 = $load(b.add($lanes));
                        for i in 0..R {
                            c[i][0] = $fma(c[i][0], b0, *a.add(i));
                            c[i][1] = $fma(c[i][1], b1, *a.add(i));
                        }
                        a = a.add(R);
                        b = b.add(t.ldb);
                    }
                    for i in 0..R {
                        let mut row = [0.0; 2 * $lanes];
                        if !t.prev.is_null() {
                            std::ptr::copy_nonoverlapping(t.prev.offset(i as isize * t.ldp), row.as_mut_ptr(), t.n);
                        }
                        for v in 0..2 {
                            let mut x = c[i][v];
                            if !t.prev.is_null() {
                                x = $add($load(row.as_ptr().add(v * $lanes)), x);
                            }
                            $store(row.as_mut_ptr().add(v * $lanes), x);
                        }
                        if t.canon {
                            for x in &mut row {
                                if x.is_nan() {
                                    *x = <$acc>::NAN;
                                }
                            }
                        }
                        std::ptr::copy_nonoverlapping(row.as_ptr(), t.dst.offset(i as isize * t.ldd), t.n);
                    }
                }
            }

            /// # Safety
            /// The tile's pointers are valid for `rows` rows.
            #[target_feature(enable = "neon")]
            pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<$acc, $acc>) {
                let mut done = 0;
                while done < t.n {
                    let strip = Tile {
                        b: t.b.wrapping_add(done),
                        prev: if t.prev.is_null() { t.prev } else { t.prev.wrapping_add(done) },
                        dst: t.dst.wrapping_add(done),
                        n: (t.n - done).min(2 * $lanes),
                        ..*t
                    };
                    // SAFETY: as promised by the caller; a strip lies inside its panel.
                    unsafe {
                        match rows {
                            1 => $rows::<1>(&strip),
                            2 => $rows::<2>(&strip),
                            3 => $rows::<3>(&strip),
                            4 => $rows::<4>(&strip),
                            5 => $rows::<5>(&strip),
                            6 => $rows::<6>(&strip),
                            7 => $rows::<7>(&strip),
                            8 => $rows::<8>(&strip),
                            9 => $rows::<9>(&strip),
                            10 => $rows::<10>(&strip),
                            11 => $rows::<11>(&strip),
                            _ => $rows::<12>(&strip),
                        }
                    }
                    done += 2 * $lanes;
                }
            }
        };
    }

    micro!(f32, f32_rows, f32, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, vfmaq_n_f32, vaddq_f32);
    micro!(f64, f64_rows, f64, 2, vdupq_n_f64, vld1q_f64, vst1q_f64, vfmaq_n_f64, vaddq_f64);

    /// The bf16 product's steps on widened pairs. FZ decides tininess *before* rounding where SSE decides after, so if
    /// the underflow flag rises the block is computed again by the exact scalar twin.
    ///
    /// # Safety
    /// As for [`f32`]; the thread flushes (FPCR.FZ).
    #[target_feature(enable = "neon")]
    pub(in super::super) unsafe fn flushed(rows: usize, t: &Tile<f32, f32>) {
        const UFC: u64 = 1 << 3;
        let before: u64;
        let after: u64;
        // The block's own sums, away from `dst`: `prev` may be `dst`, and must survive for a second run.
        let mut sums = [0.0f32; MR * 32];
        let block = Tile { prev: std::ptr::null(), ldp: 0, dst: sums.as_mut_ptr(), ldd: 32, canon: false, ..*t };
        // SAFETY: FPSR holds cumulative flags only; the tile is the caller's, the sums are a local of `MR` full rows.
        unsafe {
            std::arch::asm!("mrs {}, fpsr", out(reg) before, options(nostack));
            std::arch::asm!("msr fpsr, {}", in(reg) before & !UFC, options(nostack));
            f32(rows, &block);
            std::arch::asm!("mrs {}, fpsr", out(reg) after, options(nostack));
            if after & UFC != 0 {
                let control: u64;
                std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nostack));
                std::arch::asm!("msr fpcr, {}", in(reg) control & !(1 << 24), options(nostack));
                super::scalar::flushed(rows, &block);
                std::arch::asm!("msr fpcr, {}", in(reg) control, options(nostack));
            }
            for i in 0..rows {
                for j in 0..t.n {
                    let mut x = sums[i * 32 + j];
                    if !t.prev.is_null() {
                        // Exact where it is subnormal, so that both ideas of tininess agree.
                        x += *t.prev.offset(i as isize * t.ldp).add(j);
                    }
                    if t.canon && x.is_nan() {
                        x = f32::NAN;
                    }
                    *t.dst.offset(i as isize * t.ldd).add(j) = x;
                }
            }
        }
    }
}

/// Portable code.
pub(super) mod scalar {
    use super::super::flush;
    use super::super::scheme::KB;
    use super::Tile;
    use crate::simd::fused::{Kind, Long, Short, ShortFlushed, Two};
    use std::mem::MaybeUninit;

    /// Rows of the largest tile.
    pub(in super::super) const MR: usize = 4;

    /// Some rows of a tile, four columns at a time, in double precision (`simd/fused.rs`). The left panel's rows are
    /// widened once.
    unsafe fn fused<K: Kind, const R: usize>(t: &Tile<f32, f32>, rows: usize, first: usize) {
        let mut wide = [const { MaybeUninit::<Two>::uninit() }; KB * MR];
        let operand = |x: f32| if K::FLUSH { flush::flush(x) } else { x };
        // SAFETY: the caller's tile describes panels and rows that exist; a panel's width is a multiple of four, and columns
        // that do not exist stay in the local.
        unsafe {
            for k in 0..t.words {
                for i in 0..R {
                    wide[k * R + i].write(Two::splat(operand(*t.a.add(k * rows + first + i))));
                }
            }
            for j in (0..t.n).step_by(4) {
                let mut acc = [[Two::splat(0.0); 2]; R];
                for (k, a) in wide[..t.words * R].chunks_exact(R).enumerate() {
                    let b = Two::four(t.b.add(k * t.ldb + j));
                    for h in 0..2 {
                        let b = if K::FLUSH { b[h].flushed() } else { b[h] };
                        for i in 0..R {
                            acc[i][h] = Two::sum::<K>(a[i].assume_init(), b, acc[i][h]).rounded();
                        }
                    }
                }
                for i in 0..R {
                    let mut sums = [0.0; 4];
                    Two::put_four(sums.as_mut_ptr(), acc[i]);
                    for (v, &sum) in sums.iter().enumerate().take(t.n - j) {
                        let (row, mut x) = ((first + i) as isize, sum);
                        if !t.prev.is_null() {
                            let prev = *t.prev.offset(row * t.ldp).add(j + v);
                            x = if K::FLUSH { flush::add(prev, x) } else { prev + x };
                        }
                        *t.dst.offset(row * t.ldd).add(j + v) = if t.canon && x.is_nan() { f32::NAN } else { x };
                    }
                }
            }
        }
    }

    macro_rules! micro {
        ($name:ident, $kind:ty) => {
            /// # Safety
            /// The tile's pointers are valid for `rows` rows.
            pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>) {
                for first in (0..rows).step_by(MR) {
                    // SAFETY: as promised by the caller.
                    unsafe {
                        match rows - first {
                            1 => fused::<$kind, 1>(t, rows, first),
                            2 => fused::<$kind, 2>(t, rows, first),
                            3 => fused::<$kind, 3>(t, rows, first),
                            _ => fused::<$kind, 4>(t, rows, first),
                        }
                    }
                }
            }
        };
    }

    micro!(f32, Long);
    micro!(f16, Short);
    micro!(flushed, ShortFlushed);

    /// One output after another, each with its fused steps in order.
    ///
    /// # Safety
    /// The tile's pointers are valid for `rows` rows.
    pub(in super::super) unsafe fn f64(rows: usize, t: &Tile<f64, f64>) {
        for i in 0..rows {
            for j in 0..t.n {
                // SAFETY: as promised by the caller.
                unsafe {
                    let mut acc = 0.0f64;
                    for k in 0..t.words {
                        acc = (*t.a.add(k * rows + i)).mul_add(*t.b.add(k * t.ldb + j), acc);
                    }
                    if !t.prev.is_null() {
                        acc += *t.prev.offset(i as isize * t.ldp).add(j);
                    }
                    *t.dst.offset(i as isize * t.ldd).add(j) = if t.canon && acc.is_nan() { f64::NAN } else { acc };
                }
            }
        }
    }
}
