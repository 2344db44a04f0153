//! 1 to 12 rows with AVX2: tiles of rows and of halves of strips (vectors of 8 columns) whose sums are in registers. More rows
//! use the tiles whose codes are floats.
//!
//! ```text
//! per at most 128 k (or a group; 256 with one or two rows), vectors of a tile at a time:
//!   first panel, per group:  acc[row][vector] = 0; for k: { q = code << place, as floats, left for the second panel;
//!                            acc = fma(x[k][row] >> place, q, acc) }
//!   second panel:            the same with the floats that the first one left
//!   group's end:             total = fma(acc, scale, total); total = fma(sum of x, bias, total)
//! ```
//!
//! 1. A code is masked and converted where it lies: no shift, and no load that crosses a line. It comes multiplied by a power
//!    of two, by which the activations were divided (`activations.rs`), so products are the same. The code at the top of a
//!    word, which would be a sign, is shifted down.
//! 2. Ten to twelve chains of fused steps rather than eight, wherever there are rows and registers for them: eight are just
//!    as many as are under way at a time, and what is lost once is lost. So three and four rows take one strip and a half.
//! 3. Activations that cannot be divided, and codes that are floats, are made floats before (as for many rows).
//!
//! Cost per vector of codes: one fused step for each row, on two pipes, and two instructions, which processors with four pipes
//! have others for; the second panel has none. One row: 3 instructions for 8 codes.

use super::Format;
use super::activations::Packed;
use super::block::{self, Layout};
use super::decode::{self, E2M1, E4M3, FIVE, Part, SIX, Words, decode, decode_strips, put_together, with_kind};
use crate::simd::avx2::{Avx2, F2};
use crate::simd::{self, LANES, Simd};
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows of a product for these kernels, at most.
const MOST: usize = 12;
/// Rows of a panel, at most.
const ROWS: usize = 6;
/// Lanes of a vector.
const HALF: usize = LANES / 2;
/// Codes that are left for a second panel at a time, per column.
const CODES: usize = 128;

/// Whether a product of so many rows with AVX2 is one for these kernels. One row is, if its activations have been divided.
pub(super) fn takes(m: usize) -> bool {
    (2..=MOST).contains(&m)
}

/// Panels of so many rows.
pub(super) fn panels(m: usize) -> usize {
    m.div_ceil(ROWS)
}

/// Strips of so many rows at a time.
pub(super) fn strips(m: usize) -> usize {
    match m {
        1 => 4,
        2 => 2,
        3 | 4 | 7 | 8 => 3,
        _ => 1,
    }
}

/// Numbers of a room that [`Few`] needs.
pub(super) fn room(m: usize, group: usize) -> usize {
    let (span, width) = (block::SPAN, strips(m) * LANES);
    CODES.max(group) * width + 2 * (span / group) * width
}

/// All rows of a product times some strips.
pub(super) struct Few<'a> {
    pub(super) format: Format,
    pub(super) biases: bool,
    /// Whether the elements of a pair are exchanged.
    pub(super) other: bool,
    pub(super) layout: Layout,
    /// As many as [`strips`] says.
    pub(super) strips: &'a [*const i32],
    /// From the first of the strips to the next ones to read, in bytes.
    pub(super) next: isize,
    pub(super) x: Packed,
    /// As large as [`room`] says.
    pub(super) room: *mut f32,
    /// `[row][strip][16]`, zeros.
    pub(super) totals: *mut f32,
}

/// Some groups of one panel and one tile's vectors.
struct Chunk<'a> {
    few: &'a Few<'a>,
    groups: Range<usize>,
    /// The panel's first row.
    start: usize,
    /// The first vector.
    first: usize,
    /// Where words begin that are asked for meanwhile.
    far: isize,
    /// Codes as floats, `stride` from k to k.
    floats: *mut f32,
    stride: usize,
    /// Scales and biases, `[group][scale, bias][strip][16]`.
    ends: *const f32,
    /// Numbers of a row of totals.
    width: usize,
}

impl Few<'_> {
    /// Adds groups whose codes are floats already, `[k][16]`, to the totals of all panels: for more rows than these kernels
    /// take. Scales and biases are `[group][scale, bias][16]`; strips and room are not used.
    ///
    /// # Safety
    /// The machine has AVX2, FMA and F16C; panels have 4 to 6 rows; activations have been packed, and not divided; floats,
    /// scales and biases of the groups exist, and totals.
    pub(super) unsafe fn panels(&self, groups: Range<usize>, panels: usize, codes: *const f32, ends: *const f32) {
        for panel in 0..panels {
            let (start, rows) = self.x.rows(panel);
            let (floats_at, stride, width) = (codes.cast_mut(), LANES, LANES);
            let groups = groups.clone();
            let chunk = Chunk { few: self, groups, start, first: 0, far: 0, floats: floats_at, stride, ends, width };
            // SAFETY: the caller's promise.
            unsafe { floats(&chunk, rows, 2) };
        }
    }

    /// Computes the totals of `m` rows.
    ///
    /// # Safety
    /// The machine has AVX2, FMA and F16C; [`takes`] says yes to `m`, or it is 1, the codes are integers, and the activations
    /// have been divided; the strips' blocks, the packed activations of `m` rows, the room and the totals exist.
    pub(super) unsafe fn run(&self, m: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            with_kind!(self.format, KIND => match self.other {
                false => all::<false, KIND>(self, m),
                true => all::<true, KIND>(self, m),
            })
        }
    }
}

/// # Safety
/// As for [`Few::run`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn all<const OTHER: bool, const KIND: usize>(t: &Few, m: usize) {
    // SAFETY: the features are enabled here.
    let s = unsafe { Avx2::new() };
    let (l, group, width) = (&t.layout, t.format.group, strips(m) * LANES);
    let panels = panels(m);
    // SAFETY: the activations have been packed.
    let direct = !matches!(KIND, E2M1 | E4M3) && (0..panels).all(|panel| unsafe { t.x.is_scaled(panel) });
    let step = if direct && m <= 2 { block::SPAN / group } else { (CODES / group).max(1) };
    let ends = t.room.wrapping_add(CODES.max(group) * width);
    for b in 0..l.blocks() {
        let far = if b + 1 < l.blocks() { 4 * l.block(1) as isize } else { t.next - 4 * l.block(b) as isize };
        let all = l.groups(b);
        for first in all.clone().step_by(step) {
            let groups = first..all.end.min(first + step);
            // SAFETY: the caller's promise.
            unsafe {
                write_ends::<KIND>(s, t, groups.clone(), width, far, ends);
                let chunk = |start, first| Chunk {
                    few: t,
                    groups: groups.clone(),
                    start,
                    first,
                    far,
                    floats: t.room,
                    stride: 0,
                    ends,
                    width,
                };
                if direct {
                    for first in (0..2 * strips(m)).step_by(vectors(m)) {
                        let codes = |start| Chunk { stride: vectors(m) * HALF, ..chunk(start, first) };
                        words::<OTHER, KIND>(&codes(0), m);
                        if panels > 1 {
                            floats(&codes(t.x.rows(1).0), t.x.rows(1).1, vectors(m));
                        }
                    }
                    continue;
                }
                let mut filled = None;
                for panel in 0..panels {
                    let ((start, rows), scaled) = (t.x.rows(panel), t.x.is_scaled(panel));
                    if filled != Some(scaled) {
                        fill::<OTHER, KIND>(s, t, groups.clone(), width, far, scaled);
                        filled = Some(scaled);
                    }
                    for first in (0..2 * strips(m)).step_by(vectors(m)) {
                        let at = t.room.wrapping_add(first * HALF);
                        floats(&Chunk { floats: at, stride: width, ..chunk(start, first) }, rows, vectors(m));
                    }
                }
            }
        }
    }
    if KIND == E4M3 {
        for at in (0..m * width).step_by(LANES) {
            let at = t.totals.wrapping_add(at);
            // SAFETY: the caller's totals.
            unsafe { s.store(at, s.in_order(s.load(at))) };
        }
    }
}

/// Vectors of a tile.
const fn vectors(m: usize) -> usize {
    match m {
        1 => 8,
        2 => 4,
        3 | 4 | 7 | 8 => 3,
        _ => 2,
    }
}

/// Writes scales and biases of some groups; those of 8-bit floats in the order of lanes that [`Simd::in_order`] undoes.
///
/// # Safety
/// As for [`Few::run`].
#[inline(always)]
unsafe fn write_ends<const KIND: usize>(
    s: Avx2,
    t: &Few,
    groups: Range<usize>,
    width: usize,
    far: isize,
    to: *mut f32,
) {
    let first = groups.start;
    for g in groups {
        let to = to.wrapping_add(2 * (g - first) * width);
        for v in 0..width / LANES {
            let at = t.strips[v].wrapping_add(t.layout.scales(g));
            simd::prefetch_far(at.cast::<u8>().wrapping_offset(far), 4 * t.layout.extra);
            // SAFETY: the strips have scales for the group, and there is room for them.
            unsafe {
                let (scale, bias) = block::scales(s, t.format.scales, t.layout.extra, at);
                s.store(to.add(v * LANES), if KIND == E4M3 { apart(s, scale) } else { scale });
                s.store(to.add(width + v * LANES), bias);
            }
        }
    }
}

/// The order of lanes that [`Simd::in_order`] undoes.
#[inline(always)]
fn apart(s: Avx2, a: F2) -> F2 {
    let zipped = s.interleave(F2(a.0, a.0), F2(a.1, a.1));
    zipped.0
}

/// Makes floats of the codes of some groups, `[k][strip][16]`: of codes that are floats as [`write_ends`] says, multiplied as
/// [`decode::unscaled`] says if `scaled`.
///
/// # Safety
/// As for [`Few::run`].
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn fill<const OTHER: bool, const KIND: usize>(
    s: Avx2,
    t: &Few,
    groups: Range<usize>,
    width: usize,
    far: isize,
    scaled: bool,
) {
    let (group, first) = (t.format.group, groups.start);
    for g in groups {
        for v in 0..width / LANES {
            let at = [t.strips[v].wrapping_add(t.layout.words(g))];
            let words = Words { at, far, near: 4 * (4 * LANES) as isize };
            let to = t.room.wrapping_add((g - first) * group * width + v * LANES);
            // SAFETY: the strips have words for the group, and there is room for the floats.
            unsafe {
                if matches!(KIND, E2M1 | E4M3) && scaled {
                    decode_strips::<Avx2, 1, OTHER, KIND>(
                        s,
                        group,
                        &words,
                        #[inline(always)]
                        |k, _, q| s.store(to.add(k * width), q),
                    );
                } else {
                    decode::<Avx2, 1, OTHER, KIND>(
                        s,
                        group,
                        &words,
                        #[inline(always)]
                        |k, q: [F2; 1]| {
                            let mut q = q[0];
                            if KIND == E4M3 {
                                q = apart(s, q);
                            } else if scaled {
                                // Exact: powers of two.
                                q = s.div(q, s.splat(decode::unscaled(KIND, k ^ usize::from(OTHER))));
                            }
                            s.store(to.add(k * width), q);
                        },
                    );
                }
            }
        }
    }
}

/// The first panel of a chunk, codes from the words.
///
/// # Safety
/// As for [`Few::run`].
#[inline(always)]
unsafe fn words<const OTHER: bool, const KIND: usize>(c: &Chunk, m: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match m {
            1 => from_words::<1, 8, OTHER, KIND>(c),
            2 => from_words::<2, 4, OTHER, KIND>(c),
            3 => from_words::<3, 3, OTHER, KIND>(c),
            4 | 7 | 8 => from_words::<4, 3, OTHER, KIND>(c),
            5 | 9 | 10 => from_words::<5, 2, OTHER, KIND>(c),
            _ => from_words::<6, 2, OTHER, KIND>(c),
        }
    }
}

/// A panel of a chunk, codes from floats.
///
/// # Safety
/// As for [`Few::run`]; the floats exist.
#[inline(always)]
unsafe fn floats(c: &Chunk, rows: usize, vectors: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match (rows, vectors) {
            (2, 4) => from_floats::<2, 4>(c),
            (3, 3) => from_floats::<3, 3>(c),
            (4, 3) => from_floats::<4, 3>(c),
            (4, 2) => from_floats::<4, 2>(c),
            (5, 2) => from_floats::<5, 2>(c),
            (6, 2) => from_floats::<6, 2>(c),
            _ => unreachable!("no tile of {rows} rows and {vectors} vectors"),
        }
    }
}

/// # Safety
/// As for [`Few::run`].
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn from_words<const R: usize, const V: usize, const OTHER: bool, const KIND: usize>(c: &Chunk) {
    // SAFETY: the features are enabled here.
    let s = unsafe { Avx2::new() };
    let (t, l) = (c.few, &c.few.layout);
    let group = t.format.group;
    let near = 2 * l.block(1) as isize;
    let unit = match KIND {
        3 | 6 => 3,
        5 => 5,
        _ => 1,
    };
    let mut to = c.floats;
    for g in c.groups.clone() {
        let mut at = [t.strips[0]; V];
        for v in 0..V {
            let half = if V == 3 { c.first + v } else { v };
            at[v] = t.strips[half / 2].wrapping_add(l.words(g) + half % 2 * HALF);
        }
        let mut x = t.x.at((c.start, R), g * group).cast_const();
        let mut acc = [[_mm256_setzero_ps(); V]; R];
        for _ in (0..group * KIND / 32).step_by(unit) {
            // SAFETY: the strips have words for the group, the packed rows `group` elements from here on, and there is room
            // for floats where there are rows that others follow.
            unsafe {
                for w in 0..unit {
                    let mut from = at;
                    for v in 0..V {
                        from[v] = at[v].wrapping_add(w * LANES);
                        if V == 3 || v % 2 == 0 {
                            let line = from[v].cast::<u8>();
                            simd::prefetch_far(line.wrapping_offset(c.far), 1);
                            simd::prefetch_near(line.wrapping_offset(near));
                        }
                    }
                    word::<R, V, OTHER, KIND>(&from, &mut x, &mut to, &mut acc);
                }
                match KIND {
                    3 | 6 => rest::<R, V, OTHER, KIND, 3>(s, &at, SIX, &mut x, &mut to, &mut acc),
                    5 => {
                        rest::<R, V, OTHER, KIND, 2>(s, &at, FIVE.0, &mut x, &mut to, &mut acc);
                        rest::<R, V, OTHER, KIND, 2>(s, &at, FIVE.1, &mut x, &mut to, &mut acc);
                        rest::<R, V, OTHER, KIND, 3>(s, &at, FIVE.2, &mut x, &mut to, &mut acc);
                    }
                    _ => {}
                }
            }
            for v in 0..V {
                at[v] = at[v].wrapping_add(unit * LANES);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { end(c, g, &acc) };
    }
}

/// Codes of four bytes that are put together from parts of a unit's words.
///
/// # Safety
/// As for [`word`]; `at` are the unit's words.
#[inline(always)]
unsafe fn rest<const R: usize, const V: usize, const OTHER: bool, const KIND: usize, const PARTS: usize>(
    s: Avx2,
    at: &[*const i32; V],
    parts: [Part; PARTS],
    x: &mut *const f32,
    to: &mut *mut f32,
    acc: &mut [[__m256; V]; R],
) {
    let mut q = [[0i32; HALF]; V];
    let mut from = *at;
    for v in 0..V {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(q[v].as_mut_ptr().cast(), put_together(s, at[v], parts).0) };
        from[v] = q[v].as_ptr();
    }
    // SAFETY: the caller's promise; `q` has a vector for each.
    unsafe { word::<R, V, OTHER, KIND>(&from, x, to, acc) };
}

/// The codes of one vector of words: `x` and `to` are moved on.
///
/// # Safety
/// The pointers are valid for it.
#[inline(always)]
unsafe fn word<const R: usize, const V: usize, const OTHER: bool, const KIND: usize>(
    at: &[*const i32; V],
    x: &mut *const f32,
    to: &mut *mut f32,
    acc: &mut [[__m256; V]; R],
) {
    macro_rules! steps {
        ($($j:literal)*) => {
            // SAFETY: the caller's promise.
            unsafe { $(step::<R, V, OTHER, KIND, $j>(at, *x, *to, acc);)* }
        };
    }
    steps!(0 1 2 3);
    if decode::per_word(KIND) > 4 {
        steps!(4 5 6 7);
    }
    if decode::per_word(KIND) > 8 {
        steps!(8 9 10 11 12 13 14 15);
    }
    *x = x.wrapping_add(decode::per_word(KIND) * R);
    if R > 2 {
        *to = to.wrapping_add(decode::per_word(KIND) * V * HALF);
    }
}

/// Codes in register `$q` from half `$half` of the words at `$from`: masked where they lie, or shifted down.
macro_rules! masked {
    ($q:ident, $from:ident, $half:tt) => {
        concat!("vpand {", stringify!($q), "}, {x}, ymmword ptr [{", stringify!($from), "} + 32 * ", $half, "]")
    };
}
macro_rules! shifted {
    ($q:ident, $from:ident, $half:tt) => {
        concat!(
            "vmovdqu {",
            stringify!($q),
            "}, ymmword ptr [{",
            stringify!($from),
            "} + 32 * ",
            $half,
            "]\n",
            "vpsrld {",
            stringify!($q),
            "}, {",
            stringify!($q),
            "}, {place}",
        )
    };
}
macro_rules! convert {
    ($q:ident) => {
        concat!("vcvtdq2ps {", stringify!($q), "}, {", stringify!($q), "}")
    };
}
macro_rules! fused {
    ($a:ident, $x:ident, $q:ident) => {
        concat!("vfmadd231ps {", stringify!($a), "}, {", stringify!($x), "}, {", stringify!($q), "}")
    };
}

/// One k of [`word`], in assembly: compilers load what comes later so early that sums have to leave their registers.
///
/// # Safety
/// As for [`word`]; the machine has AVX2 and FMA.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn step<const R: usize, const V: usize, const OTHER: bool, const KIND: usize, const J: usize>(
    at: &[*const i32; V],
    x: *const f32,
    to: *mut f32,
    acc: &mut [[__m256; V]; R],
) {
    // Up to two rows: their activations stay in registers, and a vector of codes is used up at once.
    macro_rules! wide {
        ($load:ident; $($s:ident $n:literal),*; $($xr:ident $r:literal),*;
         $(($from:ident $half:literal: $($a:ident $ar:literal $av:literal $ax:ident),*))*) => {
            std::arch::asm!(
                "vpbroadcastd {x}, dword ptr [{masks} + {mask}]",
                $(concat!("vbroadcastss {", stringify!($xr), "}, dword ptr [{xs} + {first} + 4 * ", $r, "]"),)*
                $($load!(t, $from, $half), convert!(t), $(fused!($a, $ax, t),)*)*
                "/* {place} */",
                place = const { decode::place(KIND, J ^ OTHER as usize) },
                masks = in(reg) masks::<OTHER, KIND>(),
                mask = const { 4 * J },
                xs = in(reg) x,
                first = const { 4 * J * R },
                x = out(ymm_reg) _,
                t = out(ymm_reg) _,
                $($xr = out(ymm_reg) _,)*
                $($s = in(reg) at[$n],)*
                $($($a = inout(ymm_reg) acc[$ar][$av],)*)*
                options(nostack, preserves_flags, readonly),
            )
        };
    }
    // More rows: the codes stay in registers, and an activation is used up at once.
    macro_rules! tall {
        ($load:ident; $($q:ident $from:ident $v:literal),*;
         $(($r:literal: $($a:ident $av:literal $aq:ident),*))*) => {
            std::arch::asm!(
                "vpbroadcastd {x}, dword ptr [{masks} + {mask}]",
                $(
                    $load!($q, $from, 0),
                    convert!($q),
                    concat!("vmovups ymmword ptr [{to} + {left} + 32 * ", $v, "], {", stringify!($q), "}"),
                )*
                $(
                    concat!("vbroadcastss {x}, dword ptr [{xs} + {first} + 4 * ", $r, "]"),
                    $(fused!($a, x, $aq),)*
                )*
                "/* {place} */",
                place = const { decode::place(KIND, J ^ OTHER as usize) },
                masks = in(reg) masks::<OTHER, KIND>(),
                mask = const { 4 * J },
                xs = in(reg) x,
                first = const { 4 * J * R },
                to = in(reg) to,
                left = const { 32 * J * V },
                x = out(ymm_reg) _,
                $($q = out(ymm_reg) _,)*
                $($from = in(reg) at[$v],)*
                $($($a = inout(ymm_reg) acc[$r][$av],)*)*
                options(nostack, preserves_flags),
            )
        };
    }
    macro_rules! shapes {
        ($load:ident) => {
            match (R, V) {
                (1, 8) => wide!(
                    $load; s0 0, s1 2, s2 4, s3 6; x0 0;
                    (s0 0: a0 0 0 x0) (s0 1: a1 0 1 x0) (s1 0: a2 0 2 x0) (s1 1: a3 0 3 x0) (s2 0: a4 0 4 x0)
                    (s2 1: a5 0 5 x0) (s3 0: a6 0 6 x0) (s3 1: a7 0 7 x0)
                ),
                (2, 4) => wide!(
                    $load; s0 0, s1 2; x0 0, x1 1;
                    (s0 0: a0 0 0 x0, b0 1 0 x1) (s0 1: a1 0 1 x0, b1 1 1 x1) (s1 0: a2 0 2 x0, b2 1 2 x1)
                    (s1 1: a3 0 3 x0, b3 1 3 x1)
                ),
                (3, 3) => tall!(
                    $load; q0 p0 0, q1 p1 1, q2 p2 2;
                    (0: a0 0 q0, a1 1 q1, a2 2 q2) (1: b0 0 q0, b1 1 q1, b2 2 q2) (2: c0 0 q0, c1 1 q1, c2 2 q2)
                ),
                (4, 3) => tall!(
                    $load; q0 p0 0, q1 p1 1, q2 p2 2;
                    (0: a0 0 q0, a1 1 q1, a2 2 q2) (1: b0 0 q0, b1 1 q1, b2 2 q2) (2: c0 0 q0, c1 1 q1, c2 2 q2)
                    (3: d0 0 q0, d1 1 q1, d2 2 q2)
                ),
                (5, 2) => tall!(
                    $load; q0 p0 0, q1 p1 1;
                    (0: a0 0 q0, a1 1 q1) (1: b0 0 q0, b1 1 q1) (2: c0 0 q0, c1 1 q1) (3: d0 0 q0, d1 1 q1)
                    (4: e0 0 q0, e1 1 q1)
                ),
                (6, 2) => tall!(
                    $load; q0 p0 0, q1 p1 1;
                    (0: a0 0 q0, a1 1 q1) (1: b0 0 q0, b1 1 q1) (2: c0 0 q0, c1 1 q1) (3: d0 0 q0, d1 1 q1)
                    (4: e0 0 q0, e1 1 q1) (5: f0 0 q0, f1 1 q1)
                ),
                _ => unreachable!("no tile of {R} rows and {V} vectors"),
            }
        };
    }
    // SAFETY: the caller's promise; the assembly has no other effects than those that its operands name.
    unsafe {
        if const { decode::place(KIND, J ^ OTHER as usize) + KIND == 32 } { shapes!(shifted) } else { shapes!(masked) }
    }
}

/// Masks of the codes of a word, in the order of the steps.
#[inline(always)]
fn masks<const OTHER: bool, const KIND: usize>() -> *const u32 {
    const {
        &{
            let (mut masks, mut j) = ([0u32; 16], 0);
            while j < decode::per_word(KIND) {
                masks[j] = ((1u32 << (KIND & 15)) - 1) << (decode::place(KIND, j ^ OTHER as usize) & 31);
                j += 1;
            }
            masks
        }
    }
    .as_ptr()
}

/// # Safety
/// As for [`Few::run`]; the floats exist.
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn from_floats<const R: usize, const V: usize>(c: &Chunk) {
    let group = c.few.format.group;
    let mut from = c.floats.cast_const();
    for g in c.groups.clone() {
        let mut x = c.few.x.at((c.start, R), g * group).cast_const();
        let mut acc = [[_mm256_setzero_ps(); V]; R];
        for _ in 0..group {
            // SAFETY: the caller's promise.
            unsafe { step_of_floats::<R, V>(from, x, &mut acc) };
            (from, x) = (from.wrapping_add(c.stride), x.wrapping_add(R));
        }
        // SAFETY: the caller's promise.
        unsafe { end(c, g, &acc) };
    }
}

/// One k of a tile whose codes are floats, in assembly as [`step`] is.
///
/// # Safety
/// The pointers are valid for it; the machine has AVX2 and FMA.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn step_of_floats<const R: usize, const V: usize>(from: *const f32, x: *const f32, acc: &mut [[__m256; V]; R]) {
    macro_rules! tall {
        ($($q:ident $from:ident $v:literal),*; $(($r:literal: $($a:ident $av:literal $aq:ident),*))*) => {
            std::arch::asm!(
                $(concat!("vmovups {", stringify!($q), "}, ymmword ptr [{from} + 32 * ", $v, "]"),)*
                $(
                    concat!("vbroadcastss {x}, dword ptr [{xs} + 4 * ", $r, "]"),
                    $(fused!($a, x, $aq),)*
                )*
                xs = in(reg) x,
                from = in(reg) from,
                x = out(ymm_reg) _,
                $($q = out(ymm_reg) _,)*
                $($($a = inout(ymm_reg) acc[$r][$av],)*)*
                options(nostack, preserves_flags, readonly),
            )
        };
    }
    // SAFETY: the caller's promise; the assembly has no other effects than those that its operands name.
    unsafe {
        match (R, V) {
            (2, 4) => {
                tall!(q0 p0 0, q1 p1 1, q2 p2 2, q3 p3 3;
                    (0: a0 0 q0, a1 1 q1, a2 2 q2, a3 3 q3)
                    (1: b0 0 q0, b1 1 q1, b2 2 q2, b3 3 q3))
            }
            (3, 3) => {
                tall!(q0 p0 0, q1 p1 1, q2 p2 2;
                    (0: a0 0 q0, a1 1 q1, a2 2 q2) (1: b0 0 q0, b1 1 q1, b2 2 q2)
                    (2: c0 0 q0, c1 1 q1, c2 2 q2))
            }
            (4, 3) => {
                tall!(q0 p0 0, q1 p1 1, q2 p2 2;
                    (0: a0 0 q0, a1 1 q1, a2 2 q2) (1: b0 0 q0, b1 1 q1, b2 2 q2)
                    (2: c0 0 q0, c1 1 q1, c2 2 q2) (3: d0 0 q0, d1 1 q1, d2 2 q2))
            }
            (4, 2) => {
                tall!(q0 p0 0, q1 p1 1; (0: a0 0 q0, a1 1 q1) (1: b0 0 q0, b1 1 q1) (2: c0 0 q0, c1 1 q1) (3: d0 0 q0, d1 1 q1))
            }
            (5, 2) => {
                tall!(q0 p0 0, q1 p1 1;
                    (0: a0 0 q0, a1 1 q1) (1: b0 0 q0, b1 1 q1) (2: c0 0 q0, c1 1 q1)
                    (3: d0 0 q0, d1 1 q1) (4: e0 0 q0, e1 1 q1))
            }
            (6, 2) => {
                tall!(q0 p0 0, q1 p1 1;
                    (0: a0 0 q0, a1 1 q1) (1: b0 0 q0, b1 1 q1) (2: c0 0 q0, c1 1 q1)
                    (3: d0 0 q0, d1 1 q1) (4: e0 0 q0, e1 1 q1) (5: f0 0 q0, f1 1 q1))
            }
            _ => unreachable!("no tile of {R} rows and {V} vectors"),
        }
    }
}

/// The end of group `g`.
///
/// # Safety
/// As for [`Few::run`].
#[inline(always)]
unsafe fn end<const R: usize, const V: usize>(c: &Chunk, g: usize, acc: &[[__m256; V]; R]) {
    let ends = c.ends.wrapping_add(2 * (g - c.groups.start) * c.width + c.first * HALF);
    let totals = c.few.totals.wrapping_add(c.start * c.width + c.first * HALF);
    // Two small loops, which unroll: accumulators that are addressed by a variable would live in memory.
    // SAFETY: the caller's promise; the packed rows have a sum for every group.
    unsafe {
        if !c.few.biases {
            for r in 0..R {
                for v in 0..V {
                    let (at, scale) = (totals.add(r * c.width + v * HALF), _mm256_loadu_ps(ends.add(v * HALF)));
                    _mm256_storeu_ps(at, _mm256_fmadd_ps(acc[r][v], scale, _mm256_loadu_ps(at)));
                }
            }
            return;
        }
        for r in 0..R {
            let sum = _mm256_set1_ps(*c.few.x.sums(c.start + r, g));
            for v in 0..V {
                let (at, scale) = (totals.add(r * c.width + v * HALF), _mm256_loadu_ps(ends.add(v * HALF)));
                let total = _mm256_fmadd_ps(acc[r][v], scale, _mm256_loadu_ps(at));
                let bias = _mm256_loadu_ps(ends.add(c.width + v * HALF));
                _mm256_storeu_ps(at, _mm256_fmadd_ps(sum, bias, total));
            }
        }
    }
}
