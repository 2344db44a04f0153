//! How each element type is packed and which micro-kernel multiplies it.
//!
//! | scheme | packed word | steps |
//! |---|---|---|
//! | [`F32`] | f32 | k ascending |
//! | [`F64`] | f64 | k ascending |
//! | [`F16`] | f32, widened | k ascending |
//! | [`Bf16Fma`] | f32, widened, each pair swapped | odd k before even k, flush to zero |
//! | [`Bf16Dot`] | pair of bf16 | the same steps by `VDPBF16PS` |
//!
//! An odd K leaves the last pair's odd element missing: both its factors are exact zeros.

use super::micro::{self, Tile};
use super::pack;
use crate::isa::Level;
use half::{bf16, f16};

/// Length of a block of K: part of the contract.
pub(super) const KB: usize = 256;

/// Lanes of one panel in one block, as they lie in memory.
#[derive(Clone, Copy)]
pub(super) struct Lanes<T> {
    /// Lane 0 at the block's first k.
    pub ptr: *const T,
    /// Elements from lane to lane.
    pub lane: isize,
    /// Elements from k to k.
    pub k: isize,
    /// Lanes that exist.
    pub count: usize,
    /// Lanes to write; those beyond `count` are zero.
    pub width: usize,
    /// How many k.
    pub len: usize,
}

/// Packing and micro-kernel of one operand type.
pub(super) trait Scheme: Sized + 'static {
    /// Element in memory.
    type T: super::Element<Acc = Self::Acc>;
    /// Element of a packed panel.
    type Word: Copy;
    /// Accumulator.
    type Acc: Copy;
    /// Columns of a right panel.
    const NR: usize;
    /// How many k one word covers.
    const PER_WORD: usize;
    /// Whether products flush to zero.
    const FLUSH: bool;

    /// Words (per lane) of a block of `len` k.
    fn words(len: usize) -> usize;
    /// Rows of the largest tile at this level in a product of `m` rows.
    fn mr(level: Level, m: usize) -> usize;
    /// Packs lanes as `[words][width]`.
    ///
    /// # Safety
    /// The lanes are readable and `dst` has room for `words(len) * width` words.
    unsafe fn pack(level: Level, lanes: Lanes<Self::T>, dst: *mut Self::Word);
    /// One micro-kernel call.
    ///
    /// # Safety
    /// The tile's pointers are valid for `rows <= mr(level)` rows.
    unsafe fn micro(level: Level, rows: usize, tile: &Tile<Self::Word, Self::Acc>);

    /// Whether few rows multiply a strided operand faster if its panels are first made as [`super::PackedB`] keeps them.
    fn keep_first(_level: Level) -> bool {
        false
    }

    /// Whether a kept panel ([`super::PackedB`]) already consists of words.
    const STORED: bool;
    /// Widens a kept panel's block of `len` k into words.
    ///
    /// # Safety
    /// The block is readable, `dst` has room for `words(len) * NR` words.
    unsafe fn expand(level: Level, stored: *const u8, len: usize, dst: *mut Self::Word);
    /// Up to how many rows [`Scheme::thin`] exists.
    fn thin_rows(level: Level) -> usize;
    /// How many kept panels [`Scheme::thin`] reads side by side for so many rows.
    fn thin_panels(_level: Level, _rows: usize) -> usize {
        1
    }
    /// A micro-kernel that widens kept panels on the way: the tile's `b` is the first one's stored block, the others are
    /// `apart` bytes from each other.
    ///
    /// # Safety
    /// As for [`Scheme::micro`], with `rows <= thin_rows(level)` and one panel, or with `thin_panels(level, rows)` panels.
    unsafe fn thin(level: Level, rows: usize, tile: &Tile<Self::Word, Self::Acc>, panels: usize, apart: usize);

    /// How many columns [`Scheme::stream`] takes at a time for so many rows; 0 if it does not exist.
    fn stream_width(_level: Level, _rows: usize) -> usize {
        0
    }

    /// A micro-kernel that reads a right operand with contiguous columns where it lies: `b` points at its block.
    ///
    /// # Safety
    /// As for [`Scheme::micro`]; `b` has `stream_width` columns and `len` rows that are `stride` apart.
    unsafe fn stream(_level: Level, _rows: usize, _tile: &Tile<Self::Word, Self::Acc>, _stride: isize, _len: usize) {
        unreachable!("no columns at a time")
    }
}

/// For schemes with a streaming kernel.
macro_rules! streamed {
    ($stream:ident) => {
        #[cfg(target_arch = "x86_64")]
        fn stream_width(level: Level, rows: usize) -> usize {
            match level {
                Level::Avx512 => micro::avx512::stream_width(rows),
                Level::Avx2 => micro::avx2::stream_width(rows),
                _ => 0,
            }
        }

        #[cfg(target_arch = "x86_64")]
        unsafe fn stream(level: Level, rows: usize, tile: &Tile<f32, f32>, stride: isize, len: usize) {
            // SAFETY: as promised by the caller; only the vector levels of x86-64 have a width.
            unsafe {
                match level {
                    Level::Avx512 => micro::avx512::$stream(rows, tile, stride, len),
                    _ => micro::avx2::$stream(rows, tile, stride, len),
                }
            }
        }
    };
}

/// For schemes whose kept panels are words, with or without a thin kernel for several of them.
macro_rules! stored_words {
    ($($panels:ident $thin:ident)?) => {
        const STORED: bool = true;

        unsafe fn expand(_level: Level, _stored: *const u8, _len: usize, _dst: *mut Self::Word) {
            unreachable!("kept panels are words")
        }

        fn thin_rows(_level: Level) -> usize {
            0
        }

        $($panels!();)?

        unsafe fn thin(
            _level: Level,
            _rows: usize,
            _tile: &Tile<Self::Word, Self::Acc>,
            _panels: usize,
            _apart: usize,
        ) {
            $(thin!($thin, _level, _rows, _tile, _panels, _apart);)?
        }
    };
}

/// How many kept panels a thin kernel reads side by side.
macro_rules! thin_panels {
    () => {
        fn thin_panels(level: Level, _rows: usize) -> usize {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => micro::avx512::panels(_rows),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => micro::avx2::panels(_rows),
                _ => 1,
            }
        }
    };
}

/// A call of the level's thin kernel; only the vector levels of x86-64 have one.
macro_rules! thin {
    ($thin:ident, $level:ident, $rows:ident, $tile:ident, $panels:ident, $apart:ident) => {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as promised by the caller.
        unsafe {
            match $level {
                Level::Avx512 => micro::avx512::$thin($rows, $tile, $panels, $apart),
                _ => micro::avx2::$thin($rows, $tile, $panels, $apart),
            }
        }
    };
}

/// For schemes that widen kept panels.
macro_rules! stored_narrow {
    ($expand:ident, $thin:ident) => {
        const STORED: bool = false;

        unsafe fn expand(level: Level, stored: *const u8, len: usize, dst: *mut f32) {
            // SAFETY: as promised by the caller.
            unsafe { pack::$expand(level, stored, len, dst) }
        }

        fn thin_rows(level: Level) -> usize {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => micro::avx512::THIN,
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => micro::avx2::THIN,
                _ => 0,
            }
        }

        thin_panels!();

        unsafe fn thin(_level: Level, _rows: usize, _tile: &Tile<f32, f32>, _panels: usize, _apart: usize) {
            thin!($thin, _level, _rows, _tile, _panels, _apart);
        }
    };
}

fn mr(level: Level, _m: usize) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => micro::avx512::MR,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => micro::avx2::mr(_m),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => micro::neon::MR,
        _ => micro::scalar::MR,
    }
}

macro_rules! wide_scheme {
    ($(#[$doc:meta])* $scheme:ident, $elem:ident, $word:ident, $nr:literal, $pack:ident, $($stored:tt)*) => {
        $(#[$doc])*
        pub(super) struct $scheme;

        impl Scheme for $scheme {
            type T = $elem;
            type Word = $word;
            type Acc = $word;
            const NR: usize = $nr;
            const PER_WORD: usize = 1;
            const FLUSH: bool = false;

            fn words(len: usize) -> usize {
                len
            }

            fn mr(level: Level, m: usize) -> usize {
                mr(level, m)
            }

            unsafe fn pack(level: Level, lanes: Lanes<$elem>, dst: *mut $word) {
                // SAFETY: as promised by the caller.
                unsafe { pack::$pack(level, lanes, dst) }
            }

            unsafe fn micro(level: Level, rows: usize, tile: &Tile<$word, $word>) {
                // SAFETY: as promised by the caller; a level in force is one that the machine has.
                unsafe {
                    match level {
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx512 => micro::avx512::$word(rows, tile),
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx2 => micro::avx2::$word(rows, tile),
                        #[cfg(target_arch = "aarch64")]
                        Level::Neon => micro::neon::$word(rows, tile),
                        _ => micro::scalar::$elem(rows, tile),
                    }
                }
            }

            $($stored)*
        }
    };
}

wide_scheme!(
    /// f32 by f32 FMAs.
    F32, f32, f32, 32, f32, stored_words!(thin_panels f32_thin); streamed!(f32_stream);
);
wide_scheme!(
    /// f64 by f64 FMAs.
    F64, f64, f64, 16, f64, stored_words!();
);
wide_scheme!(
    /// f16 widened to f32.
    F16, f16, f32, 32, f16, stored_narrow!(f16_expand, f16_thin); streamed!(f16_stream);
);

/// bf16 widened to f32, pairs swapped, by f32 FMAs that flush to zero.
pub(super) struct Bf16Fma;

impl Scheme for Bf16Fma {
    type T = bf16;
    type Word = f32;
    type Acc = f32;
    const NR: usize = 32;
    const PER_WORD: usize = 1;
    const FLUSH: bool = true;

    fn words(len: usize) -> usize {
        len.next_multiple_of(2)
    }

    fn mr(level: Level, m: usize) -> usize {
        mr(level, m)
    }

    unsafe fn pack(level: Level, lanes: Lanes<bf16>, dst: *mut f32) {
        // SAFETY: as promised by the caller.
        unsafe { pack::bf16_swapped(level, lanes, dst) }
    }

    unsafe fn micro(level: Level, rows: usize, tile: &Tile<f32, f32>) {
        // SAFETY: as promised by the caller; the driver has switched vector levels to flush-to-zero.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => micro::avx512::f32(rows, tile),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => micro::avx2::f32(rows, tile),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => micro::neon::flushed(rows, tile),
                _ => micro::scalar::flushed(rows, tile),
            }
        }
    }

    stored_narrow!(bf16_expand, bf16_thin);
    streamed!(bf16_stream);
    /// Half the transposing; only AVX-512 packs pairs.
    fn keep_first(level: Level) -> bool {
        level == Level::Avx512
    }
}

/// bf16 pairs by `VDPBF16PS`; chosen only where `isa::has_bf16_dot()`.
#[cfg(target_arch = "x86_64")]
pub(super) struct Bf16Dot;

#[cfg(target_arch = "x86_64")]
impl Scheme for Bf16Dot {
    type T = bf16;
    type Word = u32;
    type Acc = f32;
    const NR: usize = 32;
    const PER_WORD: usize = 2;
    const FLUSH: bool = true;

    fn words(len: usize) -> usize {
        len.div_ceil(2)
    }

    fn mr(_level: Level, _m: usize) -> usize {
        micro::avx512::MR
    }

    unsafe fn pack(level: Level, lanes: Lanes<bf16>, dst: *mut u32) {
        // SAFETY: as promised by the caller.
        unsafe { pack::bf16_pairs(level, lanes, dst) }
    }

    unsafe fn micro(_level: Level, rows: usize, tile: &Tile<u32, f32>) {
        // SAFETY: as promised by the caller; the scheme is used only where the instruction exists.
        unsafe { micro::avx512::pair(rows, tile) }
    }

    stored_words!();
}
