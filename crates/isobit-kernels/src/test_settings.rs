//! For tests: runs a check at every ISA level and several thread counts, one test at a time.

use crate::{isa, par};
use std::sync::{Mutex, MutexGuard};

static LOCK: Mutex<()> = Mutex::new(());

/// Held by a test that changes the process-wide level or thread count.
pub(crate) fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(|e| e.into_inner())
}

/// Whether `ISOBIT_TEST_SAMPLE` is set, which `cargo xtask neon` does: an emulated instruction costs tens of times its
/// native time, so the longest loops are thinned out. No test and no comparison between levels is left out.
pub(crate) fn sampled() -> bool {
    std::env::var_os("ISOBIT_TEST_SAMPLE").is_some_and(|v| v != "0")
}

/// Calls `check` (with a description) for every available level with 1, 2, 3 and 7 threads, then restores both.
pub(crate) fn each(mut check: impl FnMut(&str)) {
    let (level, threads) = (isa::level(), par::threads());
    for l in isa::available() {
        for t in [1, 2, 3, 7].into_iter().filter(|&t| t == 1 || t == 3 || !sampled()) {
            assert!(isa::set_level(l));
            par::set_threads(t);
            check(&format!("{} level, {t} threads", l.name()));
        }
    }
    isa::set_level(level);
    par::set_threads(threads);
}

/// Calls `check` (with a description) for every available level, then restores the level.
pub(crate) fn each_level(mut check: impl FnMut(&str)) {
    let level = isa::level();
    for l in isa::available() {
        assert!(isa::set_level(l));
        check(l.name());
    }
    isa::set_level(level);
}
