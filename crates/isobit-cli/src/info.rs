//! `isobit info`.

use crate::output::say;
use isobit::cpu::{isa, par};
use isobit::{Result, alloc};
use std::process::ExitCode;

/// Prints what this build is and what it found.
pub fn run() -> Result<ExitCode> {
    let gib = |bytes: usize| bytes as f64 / f64::from(1u32 << 30);
    say!("isobit {} ({}, {})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    say!("cpu features     {}", features().join(" "));
    let levels: Vec<&str> = isa::available().into_iter().map(isa::Level::name).collect();
    say!("levels           {} (in force: {})", levels.join(" "), isa::level().name());
    say!("bf16 dot product {}", if isa::has_bf16_dot() { "yes" } else { "no" });
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    say!("threads          {} of {cores} cores", par::threads());
    say!("memory           {:.1} GiB", gib(alloc::physical_memory()));
    say!("buffer cache     at most {:.1} GiB", gib(alloc::cache_limit()));
    say!("settings         ISOBIT_ISA (scalar, neon, avx2, avx512, auto), ISOBIT_NUM_THREADS, ISOBIT_POISON");
    Ok(ExitCode::SUCCESS)
}

/// The processor's features that kernels look for.
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! look {
            ($($name:tt)*) => {
                $(if is_x86_feature_detected!($name) { found.push($name); })*
            };
        }
        look!("avx2" "fma" "f16c" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16" "avx512fp16");
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}
