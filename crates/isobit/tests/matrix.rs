//! The completeness net: every primitive x every check. `cargo test -p isobit --test matrix -- sum::vmap` runs the cells
//! whose names contain `sum::vmap`.

// Links the backends.
use isobit as _;

fn main() -> std::process::ExitCode {
    // Every buffer starts as NaN, so that a kernel that reads what it has not written cannot pass.
    // SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("ISOBIT_POISON", "1") };
    isobit_testing::matrix::main()
}
