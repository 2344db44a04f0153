//! Which instruction-set level runs: detected once, forced by `ISOBIT_ISA` or [`set_level`].
//!
//! A level never changes a bit of any result; it only changes how fast the result comes.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction-set level, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Portable code, no vector intrinsics.
    Scalar = 1,
    /// 128-bit NEON (aarch64).
    Neon = 2,
    /// 256-bit AVX2 with FMA and F16C.
    Avx2 = 3,
    /// 512-bit AVX-512 F, BW, DQ and VL.
    Avx512 = 4,
}

impl Level {
    /// The level's name as `ISOBIT_ISA` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The level of that name, if there is one.
    pub fn parse(name: &str) -> Option<Level> {
        [Level::Scalar, Level::Neon, Level::Avx2, Level::Avx512].into_iter().find(|l| l.name() == name)
    }
}

/// 0 = not yet chosen.
static CURRENT: AtomicU8 = AtomicU8::new(0);

/// The best level this machine can run, whatever is forced.
pub fn detected() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx2 && avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        return Level::Neon;
    }
    #[allow(unreachable_code)]
    Level::Scalar
}

/// [`detected`], found once.
#[inline]
#[cfg(target_arch = "x86_64")]
pub(crate) fn detected_cached() -> Level {
    static DETECTED: std::sync::OnceLock<Level> = std::sync::OnceLock::new();
    *DETECTED.get_or_init(detected)
}

/// Every level that this machine can run, weakest first.
pub fn available() -> Vec<Level> {
    let best = detected();
    [Level::Scalar, Level::Neon, Level::Avx2, Level::Avx512]
        .into_iter()
        .filter(|&l| l <= best && (l != Level::Neon || cfg!(target_arch = "aarch64")))
        .collect()
}

/// The level in force: forced by [`set_level`] or `ISOBIT_ISA`, else [`detected`].
#[inline]
pub fn level() -> Level {
    match CURRENT.load(Ordering::Relaxed) {
        1 => Level::Scalar,
        2 => Level::Neon,
        3 => Level::Avx2,
        4 => Level::Avx512,
        _ => init(),
    }
}

#[cold]
fn init() -> Level {
    let best = detected();
    let wanted = match std::env::var("ISOBIT_ISA") {
        Err(_) => best,
        Ok(s) if s.is_empty() || s == "auto" => best,
        Ok(s) => match Level::parse(&s) {
            Some(l) if available().contains(&l) => l,
            Some(l) => {
                eprintln!("isobit: ISOBIT_ISA={} cannot run on this machine, using {}", l.name(), best.name());
                best
            }
            None => {
                eprintln!("isobit: ISOBIT_ISA={s}: expected scalar, neon, avx2, avx512 or auto, using {}", best.name());
                best
            }
        },
    };
    CURRENT.store(wanted as u8, Ordering::Relaxed);
    wanted
}

/// Forces a level for the whole process; returns `false` (and changes nothing) if this machine cannot run it.
pub fn set_level(level: Level) -> bool {
    if !available().contains(&level) {
        return false;
    }
    CURRENT.store(level as u8, Ordering::Relaxed);
    true
}

/// Whether the `VDPBF16PS` dot product exists here (and the level in force is [`Level::Avx512`]).
pub fn has_bf16_dot() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        level() == Level::Avx512 && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
