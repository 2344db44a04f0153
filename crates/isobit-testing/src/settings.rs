//! The process-wide settings that no result may depend on: instruction-set level and thread count.

use crate::Checked;
use isobit_kernels::{isa, par};

/// Thread counts that every result is compared over.
pub const THREADS: [usize; 4] = [1, 2, 3, 7];

/// Restores the settings when dropped.
pub struct Settings {
    level: isa::Level,
    threads: usize,
}

impl Settings {
    /// Remembers the settings in force.
    pub fn save() -> Settings {
        Settings { level: isa::level(), threads: par::threads() }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        isa::set_level(self.level);
        par::set_threads(self.threads);
    }
}

/// Runs `f` at every available level with every thread count, strongest level first; `f` is told which.
pub fn everywhere(mut f: impl FnMut(&str) -> Checked) -> Checked {
    let _restore = Settings::save();
    for level in isa::available().into_iter().rev() {
        isa::set_level(level);
        for threads in THREADS {
            par::set_threads(threads);
            f(&format!("{} with {threads} threads", level.name()))?;
        }
    }
    Ok(())
}

/// Runs `f` at every available level with the threads that there are; `f` is told which.
pub fn every_level(mut f: impl FnMut(&str) -> Checked) -> Checked {
    let _restore = Settings::save();
    for level in isa::available() {
        isa::set_level(level);
        f(level.name())?;
    }
    Ok(())
}
