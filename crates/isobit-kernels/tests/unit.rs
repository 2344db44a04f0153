//! Runs the library's own tests ([`isobit_kernels::self_test`]), with the arguments that other test programs take.

use isobit_kernels::self_test::{ALL, SelfTest};
use libtest_mimic::{Arguments, Failed, Trial};
use std::panic::catch_unwind;

fn main() {
    let trials = ALL.iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(test: &'static SelfTest) -> Trial {
    let name = test.name.strip_prefix("isobit_kernels::").unwrap_or(test.name);
    Trial::test(name, || {
        let ended = catch_unwind(test.run).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
        });
        match (ended, test.panics) {
            (Ok(()), None) => Ok(()),
            (Err(text), Some(expected)) if text.contains(expected) => Ok(()),
            (Err(text), _) => Err(Failed::from(text)),
            (Ok(()), Some(expected)) => Err(Failed::from(format!("expected a panic: {expected}"))),
        }
    })
}
