//! Kernels for few rows, written once for both vector levels of x86-64.
//!
//! A level's module names its vectors (`LANES`, `zero`), their loads (which widen), `step` (one fused step with a number
//! of the left operand) and `put` (the end of a tile: adds what came before, makes NaNs canonical, stores the columns
//! that exist), and instantiates the macros. Macros, since accumulators that are passed by address would live in memory.

/// Kept panels, widened on the way: `b` points at `[k][32]` elements (with two loads: pairs along K).
///
/// ```text
/// for k in 0..words / loads { for each load { for panel, row { acc = fma(a[k][row], load(b[panel][k]), acc) } } }
/// ```
///
/// 1. One stream of memory does not keep enough lines on their way, since the window of instructions holds only a few
///    steps: with few rows several panels, `apart` bytes from each other, are read side by side, each prefetched 16 KiB
///    ahead in all. That reads as fast as a sum of the same memory.
/// 2. A single panel prefetches what the tile says (it may be a panel made a moment ago, the next source being elsewhere).
///
/// Arguments: entry and body, element, loads; features; `(rows, panels), (rows, vectors)` for what exists.
macro_rules! thin {
    ($name:ident, $rows:ident, $elem:ty, $($load:ident)+, $feat:literal, $(($r:literal, $p:literal), ($rc:literal, $v:literal)),*) => {
        #[target_feature(enable = $feat)]
        unsafe fn $rows<const R: usize, const V: usize>(t: &Tile<f32, f32>, apart: usize) {
            const PER: usize = [$(stringify!($load)),+].len();
            // Steps that read a pair of cache lines.
            const PAIR: usize = 128 / (32 * size_of::<$elem>());
            let ahead = 16384 / (V * LANES / 32);
            // SAFETY: the caller's tile describes panels that exist; prefetches read nothing.
            unsafe {
                let mut c = [[zero(); V]; R];
                let (mut a, mut b) = (t.a, t.b.cast::<$elem>());
                macro_rules! one {
                    () => {
                        $(
                            for v in 0..V {
                                let x = $load(b.wrapping_byte_add(v * LANES / 32 * apart).wrapping_add(v * LANES % 32));
                                for i in 0..R {
                                    c[i][v] = step(a.add(i), x, c[i][v]);
                                }
                            }
                            a = a.add(R);
                        )+
                        b = b.wrapping_add(32);
                    };
                }
                let steps = t.words / PER;
                if V * LANES > 32 {
                    for _ in 0..steps {
                        for panel in 0..V * LANES / 32 {
                            let next = b.cast::<u8>().wrapping_add(panel * apart + ahead);
                            _mm_prefetch::<_MM_HINT_T0>(next.cast());
                            if PAIR == 1 {
                                _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64).cast());
                            }
                        }
                        one!();
                    }
                } else {
                    let (mut next, mut run) = (t.ahead.ptr, t.ahead.left);
                    let pairs = t.ahead.count.min(steps / PAIR);
                    for _ in 0..pairs {
                        for _ in 0..PAIR {
                            one!();
                        }
                        _mm_prefetch::<_MM_HINT_T0>(next.cast());
                        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64).cast());
                        run -= 1;
                        next = next.wrapping_offset(if run == 0 { t.ahead.jump } else { 128 });
                        run = if run == 0 { t.ahead.run } else { run };
                    }
                    for _ in pairs * PAIR..steps {
                        one!();
                    }
                }
                for i in 0..R {
                    for v in 0..V {
                        put(t, i, v * LANES, c[i][v]);
                    }
                }
            }
        }

        /// # Safety
        /// The tile's pointers are valid for `rows` rows, `b` for the stored block of `panels` panels, `apart` bytes from
        /// each other; the level has a kernel for that many of both.
        #[target_feature(enable = $feat)]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>, panels: usize, apart: usize) {
            // SAFETY: as promised by the caller.
            unsafe {
                match (rows, panels) {
                    $(($r, $p) => $rows::<$rc, $v>(t, apart),)*
                    _ => unreachable!("no thin kernel for {rows} rows and {panels} panels"),
                }
            }
        }
    };
}
pub(super) use thin;

/// Rows that the streaming kernels prefetch ahead: the hardware does not follow rows that are pages apart.
pub(super) const AHEAD: isize = 8;

/// Columns straight from memory, lanes contiguous: `b` points at the matrix.
///
/// Arguments: entry and body, element, load, whether K goes in pairs; features; `(rows, vectors)` for what exists.
macro_rules! stream {
    ($name:ident, $rows:ident, $elem:ty, $load:ident, $pairs:literal, $feat:literal, $(($r:literal, $v:literal)),*) => {
        #[target_feature(enable = $feat)]
        unsafe fn $rows<const R: usize, const V: usize>(t: &Tile<f32, f32>, stride: isize, len: usize) {
            const BYTES: usize = LANES * size_of::<$elem>();
            // SAFETY: the caller's matrix has `V` vectors of columns and `len` rows here; prefetches read nothing.
            unsafe {
                let mut c = [[zero(); V]; R];
                let (mut a, mut b) = (t.a, t.b.cast::<$elem>());
                let rows = if $pairs { 2 } else { 1 };
                let mut k = 0;
                while k < len {
                    for line in 0..(V * BYTES).div_ceil(64) {
                        for row in 0..rows {
                            let next = b.wrapping_offset((few::AHEAD + row) * stride).cast::<u8>();
                            _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(line * 64).cast());
                        }
                    }
                    if $pairs {
                        // The odd k first; where K ends on an even one, its partner is an exact zero.
                        let odd = b.wrapping_offset(stride);
                        for v in 0..V {
                            let x = if k + 1 < len { $load(odd.wrapping_add(v * LANES)) } else { zero() };
                            for i in 0..R {
                                c[i][v] = step(a.add(i), x, c[i][v]);
                            }
                        }
                        a = a.add(R);
                    }
                    for v in 0..V {
                        let x = $load(b.wrapping_add(v * LANES));
                        for i in 0..R {
                            c[i][v] = step(a.add(i), x, c[i][v]);
                        }
                    }
                    a = a.add(R);
                    b = b.wrapping_offset(rows * stride);
                    k += rows as usize;
                }
                for i in 0..R {
                    for v in 0..V {
                        put(t, i, v * LANES, c[i][v]);
                    }
                }
            }
        }

        /// # Safety
        /// The tile's pointers are valid for `rows` rows; `b` has `t.n` columns (see [`stream_width`]) and `len` rows
        /// `stride` apart.
        #[target_feature(enable = $feat)]
        pub(in super::super) unsafe fn $name(rows: usize, t: &Tile<f32, f32>, stride: isize, len: usize) {
            // SAFETY: as promised by the caller.
            unsafe {
                match rows {
                    $($r => $rows::<$r, $v>(t, stride, len),)*
                    _ => unreachable!("no streaming kernel for {rows} rows"),
                }
            }
        }
    };
}
pub(super) use stream;
